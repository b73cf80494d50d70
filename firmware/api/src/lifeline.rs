//! The lifeline: the socket that a service is born with, its other end in init.
//!
//! A `SOCK_SEQPACKET` pair; one [`ToInit`] or [`FromInit`] a packet, without length, plus at most one file
//! descriptor (`SCM_RIGHTS`). The service finds its end at the descriptor number in `EVENER_LIFELINE`.
//!
//! ```text
//! init     ── Kept(key) + fd ×n, then Go ─────────►  service   sockets of its former life
//! service  ── Keep(key) + fd ─────────────────────►  init      a listener to give to its next life
//! service  ── Ready ──────────────────────────────►  init
//! service  ── Beat, every BEAT_EVERY_MS ──────────►  init
//! init     ── Stop ───────────────────────────────►  service   finish what is under way, then exit 0
//! ```

use core::net::SocketAddr;
use serde::{Deserialize, Serialize};

/// Name of the environment variable with the descriptor's number.
pub const ENVIRONMENT: &str = "EVENER_LIFELINE";
/// Milliseconds between two heartbeats.
pub const BEAT_EVERY_MS: u64 = 1000;
/// Milliseconds without a heartbeat after which a service is killed and started again.
pub const SILENCE_MS: u64 = 10_000;
/// Milliseconds that a service has to stop when told to.
pub const STOP_WITHIN_MS: u64 = 5_000;
/// Largest packet in bytes.
pub const MAX_PACKET: usize = 512;

/// Which listening socket this is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ListenerKey {
    /// The address that it is bound to.
    pub address: SocketAddr,
    /// The worker that accepts from it, from 0.
    pub worker: u16,
}

/// From a service to init.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ToInit {
    /// It serves.
    Ready,
    /// It lives. Sent by a task of its own, and not while a loop that it watches makes no progress.
    Beat,
    /// With a descriptor: give it back in the next life.
    Keep(ListenerKey),
    /// The listener with this key is no longer wanted.
    Forget(ListenerKey),
}

/// From init to a service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum FromInit {
    /// With a descriptor: a listener from its former life.
    Kept(ListenerKey),
    /// All kept listeners were handed over: start.
    Go,
    /// Finish what is under way and exit within [`STOP_WITHIN_MS`].
    Stop,
}
