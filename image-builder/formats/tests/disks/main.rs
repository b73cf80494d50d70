//! Each disk format against itself, and against readers that somebody else wrote.
#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    clippy::panic,
    clippy::cast_possible_truncation,
    reason = "test crate: starts host programs and checks by unwrapping"
)]

mod bench;
mod damage;
mod others;
mod ova;
mod written;
