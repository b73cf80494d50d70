//! Measurements: `make bench-NAME` prints a table and writes `out/bench/NAME.json`.
//!
//! One module a measurement, each with `run`. A figure that could not be measured is absent from its row,
//! never guessed.
#![allow(clippy::print_stdout, reason = "prints tables for the person at the terminal")]
#![allow(clippy::disallowed_methods, reason = "measures programs on the developer's machine")]

pub mod boot;
pub mod images;
pub mod proof;
pub mod proxy;
mod report;
pub mod size;
pub mod update;

pub use report::{Report, Row, median};
