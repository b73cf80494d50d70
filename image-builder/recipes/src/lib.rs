//! From pinned sources to kernel, loader and root filesystem, and from those to signed files.
//!
//! Each recipe is one module and one function; [`build`] reads as the order in which they run:
//!
//! ```text
//! kernel ───────────────────────────────┐
//! userland, keyset ─┐                   │
//! data ─────────────┴► rootfs + tree ───┼─► manifest, signature ─► bundle
//! keyset ─┬► UEFI loader ───────────────┘            └──────────┬► disk ─► raw, qcow2, vhd, …
//!         └► BIOS loader ───────────────────────────────────────┴► stick
//! ```
//!
//! Every step is a function of its inputs and keyed by their hash: what did not change is not made
//! again, and what is made again comes out the same. Host programs do what they are the authority
//! on (make, cargo, mksquashfs, mke2fs); their output goes to a log whose path is printed.
#![forbid(unsafe_code)]

mod cargo;
mod data;
mod digest;
mod disk_file;
mod error;
mod firmware;
mod image;
pub mod kernel;
mod offline;
mod parts;
mod rootfs;
mod shop;
mod stick;
mod supply;
mod tool;
mod toolchain;

pub use digest::{hex, sha256};
pub use disk_file::OnDisk;
pub use error::RecipeError;
pub use firmware::{Firmware, Policy, Statement, TEMPLATE_CONSOLES, command_line_template, sign};
pub use image::{DiskContent, Images, Order, build, write_bundle, write_disk};
pub use offline::{Signer, UNSIGNED, disks};
pub use parts::{Ingredients, Packing, Parts, parts};
pub use rootfs::Rootfs;
pub use shop::{Reporter, Shop};

#[cfg(test)]
mod tests;
