//! What clients may hold, and how long things may take.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How long things may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ServiceTimeouts {
    /// For a whole request head.
    #[schemars(title = "Request head time-out", range(min = 1, max = 3600),
               extend("x-unit" = "s", "x-what" = "a time for a request head"))]
    pub request_head_s: u32,
    /// For a connection to a server to open.
    #[schemars(title = "Connect time-out", range(min = 1, max = 300), extend("x-unit" = "s"))]
    pub connect_s: u32,
    /// For the server's response head.
    #[schemars(title = "Response head time-out", range(min = 1, max = 86_400),
               extend("x-unit" = "s", "x-what" = "a time for a response head"))]
    pub response_head_s: u32,
    /// Without a byte in either direction in the middle of a message, or on a tunnel (WebSocket).
    #[schemars(title = "Idle time-out", range(min = 1, max = 86_400), extend("x-unit" = "s"))]
    pub idle_s: u32,
    /// Between two requests on a kept connection.
    #[schemars(title = "Keep-alive time", range(min = 1, max = 3600), extend("x-unit" = "s"))]
    pub keep_alive_s: u32,
}

/// What clients may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// Open client connections of the service. Beyond it, new ones wait in the kernel's queue.
    #[schemars(title = "Limit of connections", range(min = 1, max = 1_000_000))]
    pub connections: u32,
    /// Size of a request head.
    #[schemars(title = "Limit of a request head", range(min = 1024, max = 262_144), extend("x-unit" = "bytes"))]
    pub request_head_bytes: u32,
    /// Header fields of a request.
    #[schemars(title = "Limit of header fields", range(min = 8, max = 1000))]
    pub request_headers: u16,
    /// New connections in a second; 0 is no limit.
    #[schemars(title = "Connections per second", range(max = 10_000_000),
               extend("x-inactive" = true, "x-what" = "a limit of connections per second"))]
    pub connections_per_s: u32,
    /// Requests in a second; 0 is no limit.
    #[schemars(title = "Requests per second", range(max = 10_000_000),
               extend("x-inactive" = true, "x-what" = "a limit of requests per second"))]
    pub requests_per_s: u32,
    /// To and from clients; 0 is no limit.
    #[schemars(title = "Limit of bandwidth", range(max = 99_999_999), extend("x-unit" = "kbit/s", "x-inactive" = true))]
    pub bandwidth_kbit_s: u32,
}

/// What all clients of the unit together, and each by itself, may hold.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(extend("x-inactive" = true))]
pub struct UnitLimits {
    /// New connections in a second, of all clients; 0 is no limit.
    #[schemars(title = "Connections per second", range(max = 10_000_000), extend("x-what" = "a limit of connections per second"))]
    pub connections_per_s: u32,
    /// Requests in a second, of all clients; 0 is no limit.
    #[schemars(title = "Requests per second", range(max = 10_000_000), extend("x-what" = "a limit of requests per second"))]
    pub requests_per_s: u32,
    /// Open connections of all clients; 0 is no limit.
    #[schemars(title = "Open connections", range(max = 10_000_000), extend("x-what" = "a limit of connections"))]
    pub connections: u32,
    /// To and from all clients; 0 is no limit.
    #[schemars(title = "Bandwidth", range(max = 99_999_999), extend("x-unit" = "kbit/s", "x-what" = "a bandwidth"))]
    pub bandwidth_kbit_s: u32,
    /// New connections in a second, of each client address; 0 is no limit.
    #[schemars(title = "Connections per second of a client", range(max = 10_000_000), extend("x-what" = "a limit of connections per second"))]
    pub client_connections_per_s: u32,
    /// Requests in a second, of each client address; 0 is no limit.
    #[schemars(title = "Requests per second of a client", range(max = 10_000_000), extend("x-what" = "a limit of requests per second"))]
    pub client_requests_per_s: u32,
    /// Open connections of each client address; 0 is no limit.
    #[schemars(title = "Open connections of a client", range(max = 10_000_000), extend("x-what" = "a limit of connections"))]
    pub client_connections: u32,
    /// To and from each client address; 0 is no limit.
    #[schemars(title = "Bandwidth of a client", range(max = 99_999_999), extend("x-unit" = "kbit/s", "x-what" = "a bandwidth"))]
    pub client_bandwidth_kbit_s: u32,
    /// Whether a client beyond a limit is told so (429) or just closed.
    #[schemars(title = "Answer to clients beyond a limit")]
    pub answer_over_limit: bool,
    /// Whether each client beyond a limit is written into the log.
    #[schemars(title = "Log clients beyond a limit")]
    pub log_over_limit: bool,
    /// Limits of their own for some clients.
    #[schemars(title = "Limits by address", length(max = 256))]
    pub by_address: Vec<AddressLimit>,
}

/// A limit of its own for a network of clients.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("x-label" = ["{network}"]))]
pub struct AddressLimit {
    /// An address, or a network as `192.0.2.0/24`.
    #[schemars(title = "Clients", length(max = 49))]
    pub network: crate::access_list::Network,
    /// New connections in a second; 0 is no limit.
    #[serde(default)]
    #[schemars(title = "Connections per second", range(max = 10_000_000), extend("x-what" = "a limit of connections per second"))]
    pub connections_per_s: u32,
    /// Requests in a second; 0 is no limit.
    #[serde(default)]
    #[schemars(title = "Requests per second", range(max = 10_000_000), extend("x-what" = "a limit of requests per second"))]
    pub requests_per_s: u32,
    /// Open connections; 0 is no limit.
    #[serde(default)]
    #[schemars(title = "Open connections", range(max = 10_000_000), extend("x-what" = "a limit of connections"))]
    pub connections: u32,
}
