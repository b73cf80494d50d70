//! The record on disk that says which slot may boot: copies, sequence, CRC, floor.
//!
//! Four copies lie in a partition of their own, each in its own MiB, so that neither a torn sector nor a
//! damaged erase block takes two. [`store`] writes one sector over the copy that matters least; that one
//! sector write is the only step assumed atomic, and a torn one is caught by its CRC. A damaged record is
//! never replaced by defaults: with no valid copy the table is derived from the signed manifests
//! ([`SlotTable::derive`]), so nothing is trusted that no key vouched for and the floor is not forgotten
//! silently (flag `degraded`).
#![no_std]
#![forbid(unsafe_code)]
#![cfg_attr(not(test), warn(clippy::indexing_slicing, clippy::arithmetic_side_effects))]

#[cfg(test)]
extern crate std;

mod change;
mod derive;
mod forgive;
mod health;
mod loader;
mod record;
mod stored;

pub use change::NotRestorable;
pub use derive::SlotFacts;
pub use record::{Failure, FailureReason, LoaderTrial, RecordError, SlotRecord, SlotState, SlotTable, TRIES};
pub use stored::{COPIES, CopyState, Loaded, StoreError, load, store};
