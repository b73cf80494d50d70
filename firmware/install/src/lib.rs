//! Installing a disk from a stick.
//!
//! The stick is an Evener disk with one partition more (`evener_disk`, `stick.rs`), the installer a service of the
//! firmware that it starts. What that service decides and in which order it writes is here, without a disk or a
//! console; `docs/decisions/011-usb-installer.md` has the reasons, `docs/installing.md` the operator's view.
//!
//! ```text
//! what disks there are ─► which may be written to, how ─► one answer, or install.toml
//!                                                                │
//! the stick's own slot ─► verified, into memory ─────────────────┴─► plan: wipe, contents, check, commit
//! ```
//!
//! Everything that can be known before is checked before the first write; the last write is what makes a disk boot.
#![forbid(unsafe_code)]
#![cfg_attr(not(test), warn(clippy::indexing_slicing, clippy::arithmetic_side_effects))]

mod answer;
#[cfg(test)]
mod bench;
mod candidate;
mod numbers;
mod order;
mod plan;
mod region;
mod source;
mod words;

pub use answer::{Answer, parse_answer};
pub use candidate::{Bus, Candidate, Holds, How, Refusal, Unit, least_sectors, look};
pub use numbers::Numbers;
pub use order::{Chosen, Existing, NoChoice, Order, OrderError, Which};
pub use plan::{InstallError, Plan, Step};
pub use source::{Source, SourceError};
pub use words::{Meter, decimal_size, list, question};
