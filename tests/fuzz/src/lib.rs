//! Mutated bytes into every parser of a boot and an update, and what must hold whatever the bytes are.
//!
//! Each [`Target`] is a function of bytes that checks its properties by assertion, so it is at once a harness for
//! libFuzzer, where the toolchain has it (`fuzz_target!(|data: &[u8]| { (target.run)(data); })`), and for the engine
//! here, which needs stable Rust and nothing else: it mutates seeds that the real encoders made, and keeps an input
//! that leads to a [`Verdict`] not seen before as a seed for more.
//!
//! What must hold, for all bytes: no panic and no arithmetic overflow; an end; at most [`Target::memory`]
//! bytes of memory; nothing accepted that no key signed; and what is decoded is, encoded again, the same.
//!
//! A find is a file in `out/fuzz` and a line that says how to run it again. `cargo test` runs a few seconds of this,
//! `cargo xtask fuzz --seconds N` as much as one likes.
#![allow(clippy::unwrap_used, clippy::panic, reason = "test crate")]
#![forbid(unsafe_code)]

pub mod engine;
pub mod mutate;
pub mod random;
pub mod targets;

/// Tells one outcome of a target from another. The numbers mean nothing else.
pub type Verdict = u32;

/// Something that reads bytes of unknown origin.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    /// Its name on the command line and in reports.
    pub name: &'static str,
    /// What it reads, in words.
    pub what: &'static str,
    /// Reads these bytes and asserts what must hold.
    pub run: fn(&[u8]) -> Verdict,
    /// Inputs that the real encoders made.
    pub seeds: fn() -> Vec<Vec<u8>>,
    /// Longest input in bytes.
    pub longest: usize,
    /// Mutations of a short run: about a second without optimisation.
    pub short: u64,
    /// The most memory in bytes that one run may have at a time, harness included.
    pub memory: usize,
}
