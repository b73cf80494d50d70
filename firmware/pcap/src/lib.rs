//! Captures of packets: a filter for the kernel, the file that Wireshark opens, and when it is enough.
//!
//! Pure: the socket is in `evener-sys`, the file belongs to the service `log`.

#![forbid(unsafe_code)]
#![cfg_attr(not(test), warn(clippy::indexing_slicing, clippy::arithmetic_side_effects))]

mod budget;
mod file;
mod filter;

pub use budget::{Budget, Enough};
pub use file::{FILE_HEADER_BYTES, RECORD_HEADER_BYTES, SNAP_BYTES, file_header, record_header};
pub use filter::{Filter, Instruction};
