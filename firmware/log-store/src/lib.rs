//! The log on disk: bounded, appended in batches, searched.
//!
//! ```text
//! 00000000000000000001.log   oldest segment, removed when there are too many
//! 00000000000000008213.log   named after the first record in it
//! 00000000000000016390.log   the last one, which grows
//! ```
//!
//! A record is one line of text with a checksum in front ([`record`]), so that what a power cut tears is recognised
//! wherever it is, and the file can be read by a person who has nothing else left. Nothing that was written is ever
//! written again: a segment only grows until it is full, and is removed as a whole.
//!
//! Records wait in memory before they are written ([`LogStore::due`]): flash modules wear by the write, not by the
//! byte. Whoever searches sees those that wait, too, and causes no write.

#![forbid(unsafe_code)]
#![cfg_attr(not(test), warn(clippy::indexing_slicing))]

mod folder;
mod record;
mod search;
mod store;

pub use folder::{Directory, Folder};
pub use store::{Limits, LogStore, LogStoreError, NewRecord};
