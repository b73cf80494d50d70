//! What clients get while no server is up.

use core::net::IpAddr;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What clients get while no server is up: a sorry server if there is one, else a redirect or a status with a page.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(extend("x-inactive" = true))]
pub struct Unavailable {
    /// A server that is not probed and takes over while no other is up.
    #[schemars(title = "Sorry server", extend("x-absent" = "none"))]
    pub sorry_address: Option<IpAddr>,
    /// Where it listens.
    #[schemars(title = "Sorry server's port", range(min = 1, max = 65535), extend("x-absent" = "the service's own", "x-what" = "a port"))]
    pub sorry_port: Option<u16>,
    /// Reached through a router, not in a network of the unit.
    #[schemars(title = "Sorry server is not in a local network")]
    pub sorry_non_local: bool,
    /// The status that clients get.
    #[schemars(title = "Error code", range(min = 200, max = 599), extend("x-what" = "a status"))]
    pub status: u16,
    /// Where clients are sent instead (with a status of 301, 302, 303, 307 or 308); empty: nowhere. `%h` stands for the
    /// host, `%s` for the path that was asked for.
    #[schemars(title = "Redirect URL", length(max = 1023))]
    pub redirect: String,
    /// The page that comes with the status, in HTML; empty: the unit's own.
    #[schemars(title = "Error page", length(max = 16_384), extend("x-lines" = true))]
    pub page: String,
}

impl Default for Unavailable {
    fn default() -> Self {
        Self {
            sorry_address: None,
            sorry_port: None,
            sorry_non_local: false,
            status: 503,
            redirect: String::new(),
            page: String::new(),
        }
    }
}
