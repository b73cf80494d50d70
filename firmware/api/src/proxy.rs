//! proxy: what the layer 7 data path is doing.

use evener_config::{RsId, VsId};
use serde::{Deserialize, Serialize};

/// What may be asked of proxy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Request {
    /// One [`ProxyStatus`].
    Get,
}

/// State and counters since the proxy's start.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProxyStatus {
    /// The configuration's generation that new connections are served by.
    pub generation: u64,
    /// Worker threads, each with its own listeners.
    pub workers: u16,
    /// One for each enabled service.
    pub services: Vec<ServiceStatus>,
}

/// One virtual service.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServiceStatus {
    /// Which.
    pub vs: VsId,
    /// The address and port that it is bound to, or why it is not.
    pub bound: Result<core::net::SocketAddr, String>,
    /// Client connections that are open.
    pub connections: u64,
    /// Client connections accepted so far.
    pub accepted: u64,
    /// Requests begun so far.
    pub requests: u64,
    /// Requests sent again to another server because the first gave no answer.
    pub retries: u64,
    /// Answers that the proxy gave itself (400, 408, 502, 503, 504 …).
    pub own_answers: u64,
    /// Requests and attempts that failed, by what went wrong (`connect_timeout`, `client_gone`, …); only what happened.
    pub faults: Vec<(String, u64)>,
    /// One for each real server.
    pub servers: Vec<ServerStatus>,
}

/// One real server of a service.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServerStatus {
    /// Which.
    pub rs: RsId,
    /// Requests answered by it.
    pub requests: u64,
    /// Attempts on it that failed.
    pub faults: u64,
    /// Requests under way.
    pub active: u64,
}
