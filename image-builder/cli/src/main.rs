//! evener-image: keys, build, inspect, verify.

fn main() {}
