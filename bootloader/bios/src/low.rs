//! The memory below 1 MiB that `memory` sets aside, as bytes.
#![expect(unsafe_code, reason = "fixed addresses")]

use core::ptr::{copy_nonoverlapping, with_exposed_provenance, with_exposed_provenance_mut};

/// Copies `bytes` to `address`, where `memory` has room for them.
pub(crate) fn put(address: usize, bytes: &[u8]) {
    // SAFETY: the callers name places of `memory`, which hold nothing that Rust knows of, and stay within their sizes.
    unsafe { copy_nonoverlapping(bytes.as_ptr(), with_exposed_provenance_mut(address), bytes.len()) };
}

/// Copies from `address` to all of `bytes`.
pub(crate) fn take(address: usize, bytes: &mut [u8]) {
    // SAFETY: as for `put`; whatever bytes are there are valid.
    unsafe { copy_nonoverlapping(with_exposed_provenance(address), bytes.as_mut_ptr(), bytes.len()) };
}
