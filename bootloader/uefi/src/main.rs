//! The UEFI loader: a thin shell of disk, screen and jump around the pure crates.

fn main() {}
