//! Addresses and interfaces of one unit.

use core::net::{IpAddr, Ipv4Addr};
use serde::{Deserialize, Serialize};

/// The kernel's name of a network interface, such as `eth0`: 1 to 15 bytes, no `/`, no white space.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct InterfaceName(pub String);

/// Where a virtual service stands.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Address {
    /// This address, on whichever unit is active.
    Literal(IpAddr),
    /// The address that each unit has on that interface, resolved by each for itself. Pairs in a cloud have no
    /// shared address, so their services stand on it.
    Own(InterfaceName),
}

/// What belongs to one unit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Unit {
    /// RFC 1123 host name, without domain.
    pub hostname: String,
    /// Interfaces with settings of their own; the first is the primary one. An interface that is not named
    /// here is left down, except `eth0` of a unit without any settings.
    pub interfaces: Vec<Interface>,
    /// Used when no interface learns one by DHCP, or in its place.
    pub default_gateway: Option<Ipv4Addr>,
    /// In order of preference, at most 3.
    pub name_servers: Vec<IpAddr>,
    /// TCP port of the administration pages and API. Default 8443.
    pub web_port: u16,
}

/// One interface.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Interface {
    /// Kernel name.
    pub name: InterfaceName,
    /// How it gets its IPv4 address.
    #[serde(default)]
    pub ipv4: Ipv4Setup,
    /// Largest IP packet in bytes, 576 to 9216; absent: what the driver says.
    #[serde(default)]
    pub mtu: Option<u16>,
    /// Whether the port cuts outgoing TCP into packets (TSO); absent: what the driver says. Some drivers have it off
    /// because some of their chips do it wrongly, so neither value would do as a default.
    #[serde(default)]
    pub segmentation_offload: Option<bool>,
}

/// How an interface gets its IPv4 address.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ipv4Setup {
    /// DHCP; after 20 s without an answer the fallback address 192.168.1.101/24, unless somebody has it, then a
    /// link-local one (RFC 3927). DHCP goes on being asked.
    #[default]
    Dhcp,
    /// A fixed address.
    Static(StaticIpv4),
    /// Up, without an address.
    None,
}

/// A fixed address and its network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StaticIpv4 {
    /// Host address.
    pub address: Ipv4Addr,
    /// Bits of the network part, 1 to 32.
    pub prefix: u8,
}
