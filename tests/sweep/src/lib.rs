//! The power cut at every write of a unit's life, on a simulated disk.
//!
//! A [`Unit`] is a whole disk in memory and the very functions that ship: the loader's `evener_slot_choice::boot`, the
//! updater's `evener_slots`, init's `PartitionMap::renew`, the second copy of the configuration in `evener_store`.
//! What is not there is the machine's own firmware, which is taken to start the first copy of the loader that looks whole;
//! and Linux: a firmware that was started either is whole, every block of it, or counts
//! as dead, for dm-verity would stop it.
//!
//! ```text
//! for every operation                                       install, confirm, refill, boot, grow, loaders, …
//!   for every moment the power can fail in it, and everything that may survive
//!     a loader that works is started, a verified firmware at or above the floor boots, the floor did not fall, the settings are old or new
//!     for every moment in the recovery from that
//!       the same, and the update that is repeated then finishes
//!   for every write that the disk acknowledges and does not keep
//!     the operation says so, or the unit is as it should be
//! ```
//!
//! `mutants.toml` lists every flush and every verification that this rests on; [`mutants`] deletes them one at a time
//! and expects the sweep to fail.
#![allow(clippy::print_stdout, reason = "the runner talks to the person at the terminal")]

mod acts;
mod extent;
pub mod firmware;
pub mod loaders;
pub mod mutants;
pub mod operations;
pub mod recovery;
pub mod report;
mod settings;
pub mod sweep;
pub mod unit;

pub use extent::Extent;
pub use operations::Operation;
pub use sweep::{Outcome, run};
pub use unit::Unit;
