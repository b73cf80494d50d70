//! The byte formats of an image, written so that equal inputs give equal files.
//!
//! Why own writers: the usual tools stamp times, random ids or host names into what they write, and
//! a firmware that two people cannot build to the same bytes is a firmware nobody can check.
//! Each writer here is a pure function of its arguments; the tests hold each result against an
//! independent reader (`fsck.vfat`, mtools, `veritysetup`, `qemu-img`).
//!
//! * [`sparse`]: bytes at offsets with holes between, the common currency of all of them.
//! * [`fat16`]: the EFI system partitions.
//! * [`verity`]: the hash tree behind the root filesystem.
//! * [`qcow2`]: the QEMU disk, writer and reader.
//! * [`bundle`]: the `.evfw` firmware file, writer and streaming reader.
#![forbid(unsafe_code)]

pub mod bundle;
pub mod fat16;
pub mod qcow2;
pub mod sparse;
pub mod verity;

pub use sparse::{Extent, Sparse, SparseError};
