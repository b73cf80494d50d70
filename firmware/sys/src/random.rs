//! Randomness from the kernel.

use std::io;

/// 64 random bits.
///
/// # Errors
/// When the kernel has none to give; it has, once it has started.
pub fn random_u64() -> io::Result<u64> {
    getrandom::u64().map_err(io::Error::other)
}
