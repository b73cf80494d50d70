//! The disk as the loader, the updater and the builder see it: sectors, partitions, slots.
//!
//! Three programs must agree to the byte on where things lie: the image builder that writes a disk, the
//! loaders that boot from it and the firmware that updates it. What they agree on is here and nowhere else:
//!
//! * [`Blocks`], the only way our code reaches a disk, and [`Window`], one partition of it;
//! * [`Role`] and [`Slot`], the partitions of the layout with their sizes, names and type GUIDs;
//! * [`PartitionMap`], the GUID partition table read, laid out, grown and written (UEFI 2.10 §5.3).
//!
//! Nothing here panics on the bytes of a disk. Why the partition table is our own code and not a library:
//! `docs/decisions/001-disk-crate.md`.
#![no_std]
#![forbid(unsafe_code)]
#![cfg_attr(not(test), warn(clippy::indexing_slicing, clippy::arithmetic_side_effects))]

#[cfg(any(test, feature = "ram"))]
extern crate alloc;
#[cfg(test)]
extern crate std;

mod blocks;
pub mod field;
mod gpt;
mod guid;
mod map;
#[cfg(any(test, feature = "ram"))]
mod ram;
mod renew;
mod role;
#[cfg(any(test, feature = "ram"))]
mod sparse;
mod stick;
#[cfg(any(test, feature = "ram"))]
mod trace;

pub use blocks::{Blocks, Lba, SECTOR, SECTORS_PER_MIB, Window};
pub use gpt::{GptError, TABLE_BYTES, TABLE_SECTORS};
pub use guid::Guid;
pub use map::{Partition, PartitionMap, SHIPPED_SECTORS, Source};
#[cfg(any(test, feature = "ram"))]
pub use ram::{Cut, CutDisk, DiskGone, RamDisk};
pub use role::{Role, Slot};
#[cfg(any(test, feature = "ram"))]
pub use sparse::SparseDisk;
pub use stick::{INSTALLER, INSTALLER_SECTORS};
#[cfg(any(test, feature = "ram"))]
pub use trace::{CutPoint, Depth, Rot, Tear, TraceDisk};
