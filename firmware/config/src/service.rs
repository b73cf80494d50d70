//! Virtual services and the real servers behind them.
//!
//! Names and defaults are those operators of a LoadMaster know: a check every 9 s with 4 s to answer and two
//! more tries, weight 1000, idle time-out 660 s.

use crate::Address;
use core::net::IpAddr;
use serde::{Deserialize, Serialize};

/// Identifies a virtual service for as long as it exists; given by control, never used again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct VsId(pub u32);

/// Identifies a real server within the whole unit; given by control, never used again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RsId(pub u32);

/// Share of the work a real server gets, 1 to 65535, default 1000.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Weight(pub u16);

/// One address and port that clients talk to, and the servers that do the work.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VirtualService {
    /// Zero in a request to add one: control gives the next free id.
    #[serde(default)]
    pub id: VsId,
    /// What operators call it: up to 64 characters, unique unless empty.
    #[serde(default)]
    pub name: String,
    /// Where clients find it.
    pub address: Address,
    /// 1 to 65535. Port and protocol are unique on an address.
    pub port: u16,
    /// Transport. Default TCP.
    #[serde(default)]
    pub protocol: Protocol,
    /// What is spoken on it. Default HTTP.
    #[serde(default)]
    pub kind: ServiceKind,
    /// A disabled service does not listen.
    #[serde(default = "crate::defaults::yes")]
    pub enabled: bool,
    /// How the next server is chosen.
    #[serde(default)]
    pub scheduler: Scheduler,
    /// How servers are probed.
    #[serde(default)]
    pub check: HealthCheck,
    /// Which headers tell the server who the client is.
    #[serde(default)]
    pub forwarded_for: ForwardedFor,
    /// How long things may take.
    #[serde(default)]
    pub timeouts: ServiceTimeouts,
    /// What a client may hold.
    #[serde(default)]
    pub limits: Limits,
    /// In the order in which they were added; ids are unique.
    #[serde(default)]
    pub real_servers: Vec<RealServer>,
}

/// Transport of a virtual service.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Protocol {
    /// TCP.
    #[default]
    Tcp,
    /// UDP: validated and kept, but not active in this version.
    Udp,
}

/// What is spoken on a virtual service.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ServiceKind {
    /// HTTP/1.1, balanced request by request.
    #[default]
    Http,
}

/// How the next server is chosen among those that are up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scheduler {
    /// Each in turn; weights do not count.
    #[default]
    RoundRobin,
    /// In proportion to the weights, evenly spread in time.
    WeightedRoundRobin,
}

/// How real servers are probed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct HealthCheck {
    /// What a probe does.
    pub kind: CheckKind,
    /// Seconds from one probe of a server to the next, 1 to 901. Default 9. At least `timeout_s × retries + 1`.
    pub interval_s: u16,
    /// Seconds a server has to answer, 1 to 60. Default 4.
    pub timeout_s: u16,
    /// Probes that must fail in a row, 1 to 15, before a server is down. Default 2.
    pub retries: u8,
    /// Port to probe; absent: the server's own.
    pub port: Option<u16>,
}

/// What a probe does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CheckKind {
    /// A connection opens.
    Tcp,
    /// A request is answered with a good status.
    Http(HttpCheck),
    /// Never probed, always up.
    None,
}

/// An HTTP probe. Any answer ends the probe: a bad status counts at once, without a further try.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct HttpCheck {
    /// Default HEAD.
    pub method: HttpMethod,
    /// Origin-form target, up to 126 characters, starts with `/`. Default `/`.
    pub path: String,
    /// `Host` header; absent: the server's address and port.
    pub host: Option<String>,
    /// Statuses outside 200 to 299 that also count as good, 300 to 599.
    pub extra_good_statuses: Vec<u16>,
}

/// Method of an HTTP probe.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum HttpMethod {
    /// Headers only.
    #[default]
    Head,
    /// The whole document.
    Get,
}

/// Which headers tell the server who the client is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ForwardedFor {
    /// The client's address is appended to `X-Forwarded-For`.
    #[default]
    XForwardedFor,
    /// Nothing is added, and what the client sent is left as it is.
    None,
}

/// How long things may take, in seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ServiceTimeouts {
    /// For a whole request head, 1 to 3600. Default 10.
    pub request_head_s: u32,
    /// For a connection to a server to open, 1 to 300. Default 4.
    pub connect_s: u32,
    /// For the server's response head, 1 to 86400. Default 60.
    pub response_head_s: u32,
    /// Without a byte in either direction in the middle of a message, or on a tunnel (WebSocket),
    /// 1 to 86400. Default 660.
    pub idle_s: u32,
    /// Between two requests on a kept connection, 1 to 3600. Default 60.
    pub keep_alive_s: u32,
}

/// What clients may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// Open client connections of the service, 1 to 1 000 000. Default 20 000. Beyond it, new ones wait in the
    /// kernel's queue.
    pub connections: u32,
    /// Bytes of a request head, 1024 to 262 144. Default 32 768.
    pub request_head_bytes: u32,
    /// Header fields of a request, 8 to 1000. Default 128.
    pub request_headers: u16,
}

/// One server that does the work.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RealServer {
    /// Zero in a request to add one: control gives the next free id.
    #[serde(default)]
    pub id: RsId,
    /// Where it is.
    pub address: IpAddr,
    /// 1 to 65535.
    pub port: u16,
    /// Share of the work under weighted scheduling.
    #[serde(default)]
    pub weight: Weight,
    /// A disabled server gets no new requests; what it is doing it finishes.
    #[serde(default = "crate::defaults::yes")]
    pub enabled: bool,
}
