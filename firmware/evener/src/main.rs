//! The one binary of the appliance: the first argument picks the service.

fn main() {}
