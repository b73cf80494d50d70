//! Real servers: who does the work.

use core::net::IpAddr;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Identifies a real server within the whole unit; given by control, never used again.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(transparent)]
pub struct RsId(pub u32);

/// Share of the work a real server gets, 1 to 65535, default 1000.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct Weight(#[schemars(range(min = 1, max = 65535))] pub u16);

/// One server that does the work.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("x-label" = ["real server {socket}"]))]
pub struct RealServer {
    /// Given by the unit, never used again. Zero in a request to add a server.
    #[serde(default)]
    #[schemars(title = "Number")]
    pub id: RsId,
    /// Where it is.
    #[schemars(title = "Address")]
    pub address: IpAddr,
    /// Where it listens.
    #[schemars(title = "Port", range(min = 1, max = 65535))]
    pub port: u16,
    /// The name under which it is looked up again and again; the address is then the one that was found last.
    #[serde(default)]
    #[schemars(title = "DNS name", length(max = 253), extend("x-inactive" = true, "x-absent" = "none"))]
    pub dns_name: Option<String>,
    /// Share of the work under weighted scheduling.
    #[serde(default)]
    #[schemars(title = "Weight")]
    pub weight: Weight,
    /// A disabled server gets no new requests; what it is doing it finishes.
    #[serde(default = "crate::defaults::yes")]
    #[schemars(title = "Enabled")]
    pub enabled: bool,
    /// How packets reach it (layer 4).
    #[serde(default)]
    #[schemars(title = "Forwarding method", extend("x-inactive" = true))]
    pub method: ForwardingMethod,
    /// Most connections at a time; 0 is no limit. Further ones wait for a place, or go to another server.
    #[serde(default)]
    #[schemars(title = "Connection limit", range(max = 100_000), extend("x-inactive" = true))]
    pub connection_limit: u32,
    /// Most new connections in a second; 0 is no limit.
    #[serde(default)]
    #[schemars(title = "Connection rate limit", range(max = 1_000_000), extend("x-inactive" = true))]
    pub connections_per_s: u32,
    /// While it is down the whole service is.
    #[serde(default)]
    #[schemars(title = "Critical", extend("x-inactive" = true))]
    pub critical: bool,
    /// The number of a server of another service: this one is up exactly when that one is.
    #[serde(default)]
    #[schemars(title = "Follows the state of", extend("x-inactive" = true, "x-absent" = "none"))]
    pub follows: Option<RsId>,
    /// Reached through a router, not in a network of the unit.
    #[serde(default)]
    #[schemars(title = "Not in a local network", extend("x-inactive" = true))]
    pub non_local: bool,
    /// Content rules of which one must match for the server to be chosen; none: anything.
    #[serde(default)]
    #[schemars(title = "Chosen by rules", length(max = 128), inner(length(max = 64)), extend("x-inactive" = true))]
    pub chosen_by: Vec<String>,
}

impl RealServer {
    /// A server with nothing set but where it is.
    #[must_use]
    pub fn new(address: IpAddr, port: u16) -> Self {
        Self {
            id: RsId(0),
            address,
            port,
            dns_name: None,
            weight: Weight::default(),
            enabled: true,
            method: ForwardingMethod::default(),
            connection_limit: 0,
            connections_per_s: 0,
            critical: false,
            follows: None,
            non_local: false,
            chosen_by: Vec::new(),
        }
    }
}

/// How packets of a layer-4 service reach a server.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ForwardingMethod {
    /// The unit changes addresses both ways.
    #[default]
    #[schemars(title = "NAT")]
    Nat,
    /// The server has the service's address, too, and answers clients by itself (direct server return).
    #[schemars(title = "Direct return")]
    Direct,
}
