//! Installing, copying and checking firmware slots, and the loaders that they bring: the order of writes that survives a
//! power cut.
//!
//! ```text
//! record: slot is empty ─ flush, read back          from here nothing in the slot may boot
//! old manifest wiped, parts streamed
//! flush boot and root
//! every part read back from the disk and digested   what was written, or Fault::NotAsWritten
//! manifest ─ flush, read back                        the last thing to become whole
//! record: slot is on trial, three tries              the one step that makes it boot
//! ```
//!
//! A power cut before the last step leaves the unit as it was, but with that slot empty; the installation is
//! simply repeated. There is nothing to resume and nothing to clean up.
//!
//! Everything goes through [`Partitions`], so the service that ships, the builder's tools and the sweep that cuts
//! the power at every write (`tests/sweep`) call these very functions. Which slot to write and whether a firmware
//! is admitted at all is `evener-plan`'s business.
//!
//! The record has one writer at a time: the caller serialises what it does here. A record that changed behind its
//! back is refused ([`StoreError::Stale`](evener_slot_table::StoreError)), never overwritten.
#![forbid(unsafe_code)]
#![cfg_attr(not(test), warn(clippy::indexing_slicing, clippy::arithmetic_side_effects))]

mod check;
mod copy;
mod fault;
mod fill;
mod install;
mod loader;
mod partitions;
mod record;

pub use check::{area, check};
pub use copy::copy;
pub use fault::Fault;
pub use install::{Offer, Writing};
pub use loader::Loaders;
pub use partitions::{MappedDisk, NoPartition, Partitions};
pub use record::{change, discard, restore, table};
