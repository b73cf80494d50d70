//! Ping, traceroute and DNS lookups: the messages, and what they mean.
//!
//! Pure: sockets are in `evener-sys`, clocks and random numbers with whoever asks. Everything that is read here came from
//! a network and may be anything.

#![forbid(unsafe_code)]
#![cfg_attr(not(test), warn(clippy::indexing_slicing, clippy::arithmetic_side_effects))]

pub mod dns;
pub mod echo;
