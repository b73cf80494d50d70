//! The proxy from outside: real sockets on both sides, stand-ins for the rest of the unit.

#![allow(clippy::unwrap_used, clippy::panic, clippy::expect_used, reason = "a test crate")]

mod balancing;
mod bodies;
mod changes;
mod framing;
mod limits;
mod retries;
mod support;
mod tunnels;
