//! The tasks behind make: set-up, run, test, checks of the tree.

fn main() {}
