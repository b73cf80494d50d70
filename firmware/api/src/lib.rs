//! What the services of a unit say to each other, and the types of the public API.
//!
//! Each service owns one Unix socket, `<run>/<service>.sock`. What goes over it is a [frame]: a length
//! and a postcard-encoded value of the types here. A connection is either one call (request, reply) after the
//! other, or, after a `Subscribe` request, a stream of values of one kind, newest state first and then every
//! change. Who may ask what is decided from the peer's uid (`SO_PEERCRED`), because every service has its own.

#![forbid(unsafe_code)]

pub mod capture;
pub mod checks;
pub mod control;
pub mod diagnose;
pub mod frame;
pub mod init;
pub mod lifeline;
pub mod log;
mod moment;
pub mod net;
pub mod problem;
pub mod proxy;
mod service;
pub mod update;

pub use moment::{moment, read_moment, timestamp};
pub use service::{RESCUE_MODE, SERVICES_GID, Service};
