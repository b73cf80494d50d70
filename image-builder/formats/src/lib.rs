//! The byte formats of an image, written so that equal inputs give equal files.
//!
//! Why own writers: the usual tools stamp times, random ids or host names into what they write, and
//! a firmware that two people cannot build to the same bytes is a firmware nobody can check.
//! Each writer here is a pure function of its arguments; the tests hold each result against an
//! independent reader (`fsck.vfat`, mtools, `veritysetup`, `qemu-img`).
//!
//! * [`sparse`]: bytes at offsets with holes between: how a disk is put together.
//! * `image`: disks and files as the disk formats see them; `survey`: the one look over a disk before it is written.
//! * [`fat16`]: the EFI system partitions.
//! * [`verity`]: the hash tree behind the root filesystem.
//! * `raw`, `raw_zst`, `qcow2`, `vhd`, `vhdx`, `vmdk`, `ova`: disk formats, a writer and a reader each; `Format`: any of them.
//! * [`bundle`]: the `.evfw` firmware file, writer and streaming reader.
//!
//! The disk formats are behind the feature `disks`: a unit reads bundles and nothing else of these, and should not
//! carry compressors for the rest.
#![forbid(unsafe_code)]

pub mod bundle;
pub mod esp;
pub mod fat16;
#[cfg(feature = "disks")]
pub mod format;
#[cfg(feature = "disks")]
pub mod image;
#[cfg(feature = "disks")]
pub mod ova;
#[cfg(feature = "disks")]
pub mod qcow2;
#[cfg(feature = "disks")]
pub mod raw;
#[cfg(feature = "disks")]
pub mod raw_zst;
pub mod sparse;
#[cfg(feature = "disks")]
pub mod survey;
pub mod verity;
#[cfg(feature = "disks")]
pub mod vhd;
#[cfg(feature = "disks")]
pub mod vhdx;
#[cfg(feature = "disks")]
pub mod vmdk;

#[cfg(feature = "disks")]
pub use format::{AnyDisk, Format};
#[cfg(feature = "disks")]
pub use image::{Disk, ReadAt, ReaderError, WriteAt, WriteError};
pub use sparse::{Extent, Sparse, SparseError};
#[cfg(feature = "disks")]
pub use survey::Survey;
