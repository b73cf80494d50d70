//! Unix sockets between services: calls, subscriptions, and the lifeline to init.
//!
//! The values are those of `evener-api`; this crate moves them. It has no opinion about who may ask what: it
//! tells the caller's uid ([`Peer`]) and the service decides.

#![forbid(unsafe_code)]

mod connection;
mod init_end;
mod lifeline;
mod packet;
mod places;
mod progress;
mod serve;
mod subscription;

pub use connection::{Connection, IpcError, Listener, Peer, call};
pub use init_end::InitEnd;
pub use lifeline::{Kept, Lifeline};
use places::Places;
pub use progress::Progress;
pub use subscription::{Subscription, publish, subscribe};
