//! The menu over a pseudo terminal and over SSH, with stand-ins for the services that it talks to.

#![allow(clippy::unwrap_used, clippy::panic, clippy::large_futures, reason = "test crate")]

mod fake;
mod ssh;
mod terminal;
