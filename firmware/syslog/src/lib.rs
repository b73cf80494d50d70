//! Syslog messages (RFC 5424), how they are framed for UDP, TCP and TLS (RFC 5426, 6587, 5425), and the queue that waits
//! before a server.
//!
//! ```text
//! Record ─► Queue (bounded; losses become a message) ─► message() ─► datagram() or octet_counted() ─► the socket
//! ```
//! Pure: times are arguments, and whoever sends owns the sockets.

#![forbid(unsafe_code)]
#![cfg_attr(not(test), warn(clippy::indexing_slicing, clippy::arithmetic_side_effects))]

mod framing;
mod message;
mod queue;

pub use framing::{DATAGRAM_BYTES, datagram, octet_counted};
pub use message::{Facility, message, severity};
pub use queue::Queue;
