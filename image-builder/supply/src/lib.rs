//! What a firmware is made of: every crate, the kernel, the C library, each with version, digest and licence.
//!
//! Two files go with a firmware, so that nobody has to believe us: a software bill of materials in CycloneDX 1.5 (JSON,
//! <https://cyclonedx.org/docs/1.5/json/>), which vulnerability scanners read, and a list of licences with their texts,
//! which those demand. Both follow from the same [`Inventory`], and that from what cargo itself says it
//! compiles ([`Graph::parse`] reads `cargo tree`) and from `Cargo.lock`, never from a list that somebody keeps.
//!
//! Deterministic: the same inputs give the same bytes, so there is no time of writing in them, and the serial number is
//! derived from the content.
#![forbid(unsafe_code)]

mod graph;
mod inventory;
mod licences;
mod lock;
mod sbom;

pub use graph::{Graph, GraphError, Node};
pub use inventory::{Component, Inventory, Kind};
pub use licences::{Text, licences};
pub use lock::{Checksums, LockError};
pub use sbom::sbom;
