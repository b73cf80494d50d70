//! How a client finds the server again that it had before.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How a client finds its server again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(extend("x-inactive" = true))]
pub struct Persistence {
    /// By what a client is known.
    #[schemars(title = "Persistence mode")]
    pub mode: PersistenceMode,
    /// How long a client is remembered after it was last seen.
    #[schemars(title = "Persistence time-out", range(min = 60, max = 2_419_200), extend("x-unit" = "s"))]
    pub timeout_s: u32,
    /// Whether every request begins the time anew, not only every connection.
    #[schemars(title = "Refresh persistence")]
    pub refresh: bool,
    /// The cookie, for the modes that need one.
    #[schemars(title = "Cookie name", length(max = 127))]
    pub cookie: String,
    /// The header, or the item of the query, for the modes that need one.
    #[schemars(title = "Header or query item", length(max = 255))]
    pub item: String,
    /// IPv4 clients of one network are one client for the modes by address.
    #[schemars(title = "Prefix of an IPv4 client", range(min = 1, max = 32), extend("x-unit" = "bits", "x-what" = "a network prefix"))]
    pub ipv4_prefix: u8,
    /// IPv6 clients of one network are one client for the modes by address.
    #[schemars(title = "Prefix of an IPv6 client", range(min = 1, max = 128), extend("x-unit" = "bits", "x-what" = "a network prefix"))]
    pub ipv6_prefix: u8,
}

impl Default for Persistence {
    fn default() -> Self {
        Self {
            mode: PersistenceMode::None,
            timeout_s: 360,
            refresh: false,
            cookie: String::new(),
            item: String::new(),
            ipv4_prefix: 32,
            ipv6_prefix: 128,
        }
    }
}

/// By what a client is known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum PersistenceMode {
    /// It is not.
    #[default]
    #[schemars(title = "none")]
    None,
    /// Its address.
    #[schemars(title = "Source IP address")]
    Source,
    /// A cookie that the servers set.
    #[schemars(title = "Server cookie")]
    Cookie,
    /// A cookie that the servers set, else the address.
    #[schemars(title = "Server cookie or source IP")]
    CookieOrSource,
    /// A cookie that the unit sets.
    #[schemars(title = "Active cookie")]
    ActiveCookie,
    /// A cookie that the unit sets, else the address.
    #[schemars(title = "Active cookie or source IP")]
    ActiveCookieOrSource,
    /// A number computed from a cookie's value, so that nothing is remembered.
    #[schemars(title = "Hash all cookies")]
    CookieHash,
    /// A number computed from a cookie's value, else from the address.
    #[schemars(title = "Hash all cookies or source IP")]
    CookieHashOrSource,
    /// A number computed from the path that is asked for.
    #[schemars(title = "URL hash")]
    UrlHash,
    /// A number computed from an item of the query.
    #[schemars(title = "HTTP query item hash")]
    QueryHash,
    /// A number computed from the `Host` header.
    #[schemars(title = "HTTP host header")]
    Host,
    /// A number computed from a header.
    #[schemars(title = "Selected header")]
    Header,
    /// A cookie within another, as some application servers use them.
    #[schemars(title = "Super HTTP")]
    SuperHttp,
    /// As Super HTTP, else the address.
    #[schemars(title = "Super HTTP or source IP")]
    SuperHttpOrSource,
    /// The session that TLS resumes.
    #[schemars(title = "TLS session id")]
    TlsSession,
    /// The cookie of Remote Desktop.
    #[schemars(title = "Terminal service")]
    Rdp,
    /// The cookie of Remote Desktop, else the address.
    #[schemars(title = "Terminal service or source IP")]
    RdpOrSource,
    /// What a session broker told the client.
    #[schemars(title = "Session broker")]
    RdpSessionBroker,
    /// What a session broker told the client, else the address.
    #[schemars(title = "Session broker or source IP")]
    RdpSessionBrokerOrSource,
    /// The call id of SIP over UDP.
    #[schemars(title = "UDP session initiation protocol")]
    Sip,
}
