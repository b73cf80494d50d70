//! Generations of the configuration on disk, history, and their second copy.
//!
//! ```text
//! <data>/control/generations/41.json      a record: its digest, and in it the whole configuration
//! <data>/control/generations/42.json      the newest valid one is in force
//! conf partition                          the last four of the same records, in raw sectors
//! ```
//!
//! A generation is never changed: a change of the configuration writes the next one. It is in force once
//! [`Store::append`] returns, whatever happens to the power afterwards; before that, a cut leaves the one
//! before. Both are proven by sweeps that cut the power at every single step and lose what was not synced
//! (`sweep.rs`, which a benchmark may ask for its figures). The effects go through two narrow traits so that the code that is
//! swept is the code that ships: [`Files`], one directory, and `evener_disk::Blocks`, one device.

#![forbid(unsafe_code)]

mod conf;
mod files;
mod past;
mod record;
mod reset;
mod store;
#[cfg(any(test, feature = "sweep"))]
pub mod sweep;

pub use evener_api::control::Cause;

pub use conf::{ConfError, Copies};
pub use files::{Directory, Files};
pub use record::{Digest, FORMAT, NextIds, Record, Unreadable};
pub use reset::{finish_reset, order_reset, reset_is_ordered};
pub use store::{Draft, KEPT, Store, StoreError, StoreWarning};
