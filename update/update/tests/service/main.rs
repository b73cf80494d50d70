//! The update service as it ships, on a disk of sparse files, among services that are played by the test.
#![allow(clippy::unwrap_used, clippy::panic, reason = "test crate")]

mod downgrade;
mod fakes;
mod firmware;
mod installing;
mod refusals;
mod rescue;
mod trial;
mod unit;
