//! Sends the log to syslog servers: up to ten, each with its own queue, so that a slow one holds up no other.
//!
//! ```text
//! records ─► Senders ─┬─ Queue ─ task: connect, send, back off ─► server over UDP (RFC 5426)
//!                     ├─ Queue ─ …                              ─► over TCP (RFC 6587)
//!                     └─ Queue ─ …                              ─► over TLS (RFC 5425)
//! ```
//! A record leaves its queue when the kernel has taken all of it. What a connection that breaks at that moment held is lost,
//! as syslog has no acknowledgements; the server sees the gap in `sequenceId`. A queue that is full counts what it does not
//! take, and says so to the server.

#![forbid(unsafe_code)]

mod connection;
mod sender;
mod target;
mod tls;

pub use sender::{MOST_TARGETS, Senders, Settings};
pub use target::{Target, Transport, Trust};
