//! What belongs to one unit and is never synchronised: its name, its addresses, its place in a pair.

use crate::administration::{Pages, RemoteAccess, Ssh};
use crate::network::{Interface, Route};
use crate::pair::UnitPair;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What belongs to one unit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Unit {
    /// RFC 1123 host name, without domain.
    #[schemars(title = "Host name")]
    pub hostname: String,
    /// What is put behind names without a dot; empty: nothing.
    #[schemars(title = "DNS search domain", length(max = 253), extend("x-inactive" = true))]
    pub domain: String,
    /// Interfaces with settings of their own; the first is the primary one. An interface that is not named
    /// here is left down, except `eth0` of a unit without any settings.
    #[schemars(title = "Interfaces", length(max = crate::MAX_INTERFACES))]
    pub interfaces: Vec<Interface>,
    /// Used when no interface learns one by DHCP, or in its place.
    #[schemars(title = "Default gateway", extend("x-absent" = "none"))]
    pub default_gateway: Option<Ipv4Addr>,
    /// The same for IPv6.
    #[schemars(title = "IPv6 default gateway", extend("x-inactive" = true, "x-absent" = "none"))]
    pub default_gateway_v6: Option<Ipv6Addr>,
    /// The way to those who administer the unit, where it is another one.
    #[schemars(title = "Administrative default gateway", extend("x-inactive" = true, "x-absent" = "none"))]
    pub admin_gateway: Option<IpAddr>,
    /// Ways to other networks.
    #[schemars(title = "Additional routes", length(max = 256), extend("x-inactive" = true))]
    pub routes: Vec<Route>,
    /// In order of preference.
    #[schemars(title = "Name servers", length(max = 3))]
    pub name_servers: Vec<IpAddr>,
    /// TCP port of the administration pages and API.
    #[schemars(title = "Port of the administration pages", range(min = 1, max = 65535), extend("x-what" = "a port"))]
    pub web_port: u16,
    /// The administration pages.
    #[schemars(title = "Administration pages")]
    pub pages: Pages,
    /// The console over the network.
    #[schemars(title = "SSH")]
    pub ssh: Ssh,
    /// Who may reach the pages, the API and SSH.
    #[schemars(title = "Remote access")]
    pub remote_access: RemoteAccess,
    /// Its place in a pair.
    #[schemars(title = "Pair")]
    pub pair: UnitPair,
}

impl Default for Unit {
    fn default() -> Self {
        Self {
            hostname: String::from("evener"),
            domain: String::new(),
            interfaces: Vec::new(),
            default_gateway: None,
            default_gateway_v6: None,
            admin_gateway: None,
            routes: Vec::new(),
            name_servers: Vec::new(),
            web_port: 8443,
            pages: Pages::default(),
            ssh: Ssh::default(),
            remote_access: RemoteAccess::default(),
            pair: UnitPair::default(),
        }
    }
}
