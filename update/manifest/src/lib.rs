//! The signed statement of a firmware: what its parts are, who says so, and how far back one may go.
//!
//! A manifest lies at the start of each `boot-x` partition and of each firmware bundle. It names every part
//! with size and SHA-256, so that one signature over a few kilobytes vouches for the whole firmware:
//!
//! ```text
//! keyset in the loader -> signature -> kernel digest, and command line -> dm-verity root -> every block
//! ```
//!
//! The types enforce the order: [`Header::parse`] gives something that can only be asked which key to look
//! for; [`Header::verify`] is the one way to a [`Verified`], and only a `Verified` yields digests or a
//! command line. Loaders, updater and image builder share this one definition.
#![no_std]
#![forbid(unsafe_code)]
#![cfg_attr(not(test), warn(clippy::indexing_slicing, clippy::arithmetic_side_effects))]

#[cfg(any(test, feature = "alloc"))]
extern crate alloc;

#[cfg(any(test, feature = "alloc"))]
mod emit;
mod error;
mod header;
mod keyset;
mod layout;
mod part;
mod template;
mod version;

#[cfg(any(test, feature = "alloc"))]
pub use emit::{Builder, KeyEntry, emit_keyset, join, public_key, sign, sign_digest};
pub use error::ManifestError;
pub use header::{Header, Verified, signing_message, signing_message_of};
pub use keyset::{Key, KeyId, Keyset, MAX_KEYS};
pub use layout::{AREA_BYTES, BLOCK, FORMAT, Flags, KERNEL_AT, PRODUCT, SIGNATURE_BYTES};
pub use part::{Part, PartCheck, PartKind, Place, Verity, sha256};
pub use template::{COMMAND_LINE_MAX, CommandLine, Fill, TEMPLATE_MAX, Template};
pub use version::{Version, permits};
