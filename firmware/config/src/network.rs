//! Addresses and interfaces of one unit.

use crate::access_list::Network;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The kernel's name of a network interface, such as `eth0`: 1 to 15 bytes, no `/`, no white space.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct InterfaceName(pub String);

/// Where a virtual service stands.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Address {
    /// This address, on whichever unit is active.
    #[schemars(title = "a fixed address", extend("x-words" = "{}"))]
    Literal(IpAddr),
    /// The address that each unit has on that interface, resolved by each for itself. Pairs in a cloud have no
    /// shared address, so their services stand on it.
    #[schemars(title = "the unit's own, of an interface", extend("x-words" = "the unit's own on {}"))]
    Own(InterfaceName),
}

/// One interface.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("x-label" = ["interface {name}"]))]
pub struct Interface {
    /// Kernel name.
    #[schemars(title = "Name")]
    pub name: InterfaceName,
    /// How it gets its IPv4 address.
    #[serde(default)]
    #[schemars(title = "IPv4")]
    pub ipv4: Ipv4Setup,
    /// How it gets its IPv6 address.
    #[serde(default)]
    #[schemars(title = "IPv6", extend("x-inactive" = true))]
    pub ipv6: Ipv6Setup,
    /// Addresses beside its own.
    #[serde(default)]
    #[schemars(title = "Additional addresses", length(max = 64), extend("x-inactive" = true))]
    pub additional_addresses: Vec<InterfaceAddress>,
    /// Largest IP packet.
    #[serde(default)]
    #[schemars(title = "MTU", range(min = 576, max = 9216), extend("x-unit" = "bytes", "x-absent" = "the driver's"))]
    pub mtu: Option<u16>,
    /// Whether the port cuts outgoing TCP into packets (TSO). Some drivers have it off because some of their chips do
    /// it wrongly, so neither value would do as a default.
    #[serde(default)]
    #[schemars(title = "Segmentation offload", extend("x-absent" = "as the driver has it"))]
    pub segmentation_offload: Option<bool>,
    /// Speed and duplex of the link.
    #[serde(default)]
    #[schemars(title = "Link speed", extend("x-inactive" = true))]
    pub speed: LinkSpeed,
    /// The address that a pair has on it together, on whichever unit is active.
    #[serde(default)]
    #[schemars(title = "Shared address of the pair", extend("x-inactive" = true, "x-absent" = "none"))]
    pub shared_address: Option<IpAddr>,
    /// The partner's own address on it.
    #[serde(default)]
    #[schemars(title = "Partner's address", extend("x-inactive" = true, "x-absent" = "none"))]
    pub partner_address: Option<IpAddr>,
    /// Whether the pair's heartbeats go over it, and whether its link counts.
    #[serde(default)]
    #[schemars(title = "Use for HA checks", extend("x-inactive" = true))]
    pub ha_checks: bool,
    /// Whether global balancing answers on it.
    #[serde(default)]
    #[schemars(title = "Use for GEO responses and requests", extend("x-inactive" = true))]
    pub geo: bool,
    /// What it is made of, where it is not a port.
    #[serde(default)]
    #[schemars(title = "Made of", extend("x-inactive" = true))]
    pub made_of: MadeOf,
}

impl Interface {
    /// An interface with nothing set but its name.
    #[must_use]
    pub fn new(name: InterfaceName) -> Self {
        Self {
            name,
            ipv4: Ipv4Setup::default(),
            ipv6: Ipv6Setup::default(),
            additional_addresses: Vec::new(),
            mtu: None,
            segmentation_offload: None,
            speed: LinkSpeed::default(),
            shared_address: None,
            partner_address: None,
            ha_checks: false,
            geo: false,
            made_of: MadeOf::default(),
        }
    }
}

/// How an interface gets its IPv4 address.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Ipv4Setup {
    /// DHCP; after 20 s without an answer the fallback address 192.168.1.101/24, unless somebody has it, then a
    /// link-local one (RFC 3927). DHCP goes on being asked.
    #[default]
    #[schemars(title = "DHCP")]
    Dhcp,
    /// A fixed address.
    #[schemars(title = "a fixed address", extend("x-words" = "{address}/{prefix}"))]
    Static(StaticIpv4),
    /// Up, without an address.
    #[schemars(title = "no address")]
    None,
}

/// A fixed address and its network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct StaticIpv4 {
    /// Host address.
    #[schemars(title = "Address")]
    pub address: Ipv4Addr,
    /// Bits of the network part.
    #[schemars(title = "Network prefix", range(min = 1, max = 32), extend("x-unit" = "bits"))]
    pub prefix: u8,
}

/// How an interface gets its IPv6 address.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Ipv6Setup {
    /// None but the link-local one.
    #[default]
    #[schemars(title = "no address")]
    None,
    /// From the routers on the link (RFC 4862).
    #[schemars(title = "router advertisements")]
    Slaac,
    /// DHCPv6 (RFC 9915).
    #[schemars(title = "DHCPv6")]
    Dhcp,
    /// A fixed address.
    #[schemars(title = "a fixed address", extend("x-words" = "{address}/{prefix}"))]
    Static(StaticIpv6),
}

/// A fixed address and its network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct StaticIpv6 {
    /// Host address.
    #[schemars(title = "Address")]
    pub address: Ipv6Addr,
    /// Bits of the network part.
    #[schemars(title = "Network prefix", range(min = 1, max = 128), extend("x-unit" = "bits"))]
    pub prefix: u8,
}

/// An address beside the interface's own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("x-label" = ["{address}/{prefix}"]))]
pub struct InterfaceAddress {
    /// Host address.
    #[schemars(title = "Address")]
    pub address: IpAddr,
    /// Bits of the network part.
    #[schemars(title = "Network prefix", range(min = 1, max = 128), extend("x-unit" = "bits"))]
    pub prefix: u8,
}

/// Speed and duplex of a link.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum LinkSpeed {
    /// As both ends agree.
    #[default]
    #[serde(rename = "automatic")]
    #[schemars(title = "automatic")]
    Automatic,
    /// 10 Mbit/s, one direction at a time.
    #[serde(rename = "10-half")]
    #[schemars(title = "10 Mbit/s, half duplex")]
    TenHalf,
    /// 10 Mbit/s.
    #[serde(rename = "10-full")]
    #[schemars(title = "10 Mbit/s, full duplex")]
    TenFull,
    /// 100 Mbit/s, one direction at a time.
    #[serde(rename = "100-half")]
    #[schemars(title = "100 Mbit/s, half duplex")]
    HundredHalf,
    /// 100 Mbit/s.
    #[serde(rename = "100-full")]
    #[schemars(title = "100 Mbit/s, full duplex")]
    HundredFull,
    /// 1 Gbit/s.
    #[serde(rename = "1000-full")]
    #[schemars(title = "1 Gbit/s, full duplex")]
    ThousandFull,
    /// 10 Gbit/s.
    #[serde(rename = "10000-full")]
    #[schemars(title = "10 Gbit/s, full duplex")]
    TenThousandFull,
}

/// What an interface is made of.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum MadeOf {
    /// A port of the machine.
    #[default]
    #[schemars(title = "a port")]
    Port,
    /// A virtual network over another interface (IEEE 802.1Q).
    #[schemars(title = "a VLAN", extend("x-words" = "VLAN {id} on {parent}"))]
    Vlan(Vlan),
    /// A virtual network over IP (RFC 7348).
    #[schemars(title = "a VXLAN", extend("x-words" = "VXLAN {vni} on {parent} to {remote}"))]
    Vxlan(Vxlan),
    /// Several ports as one.
    #[schemars(title = "a bond", extend("x-words" = "a bond of {ports}, {mode}"))]
    Bond(Bond),
}

/// A virtual network over another interface.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Vlan {
    /// The interface below.
    #[schemars(title = "Parent interface")]
    pub parent: InterfaceName,
    /// Its number.
    #[schemars(title = "VLAN id", range(min = 1, max = 4094))]
    pub id: u16,
}

/// A virtual network over IP.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Vxlan {
    /// The interface below.
    #[schemars(title = "Parent interface")]
    pub parent: InterfaceName,
    /// Its number.
    #[schemars(title = "VXLAN id", range(min = 1, max = 16_777_215))]
    pub vni: u32,
    /// The multicast group, or the one other end.
    #[schemars(title = "Group or remote address")]
    pub remote: IpAddr,
}

/// Several ports as one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Bond {
    /// Those ports.
    #[schemars(title = "Ports", length(min = 1, max = 8))]
    pub ports: Vec<InterfaceName>,
    /// How they share the work.
    #[serde(default)]
    #[schemars(title = "Bond mode")]
    pub mode: BondMode,
}

/// How the ports of a bond share the work.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum BondMode {
    /// One works, the others wait for its failure.
    #[default]
    #[schemars(title = "active-backup")]
    ActiveBackup,
    /// All work, as agreed with the switch (IEEE 802.1AX).
    #[schemars(title = "802.3ad")]
    Lacp,
}

/// A way to a network that is not behind the default gateway.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("x-label" = ["{destination} by {gateway}"]))]
pub struct Route {
    /// Where it leads.
    #[schemars(title = "Destination")]
    pub destination: Network,
    /// Who knows the way.
    #[schemars(title = "Gateway")]
    pub gateway: IpAddr,
}

/// A name that the unit knows without asking anybody.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("x-label" = ["host {name}"]))]
pub struct Host {
    /// A host name, with or without its domain.
    #[schemars(title = "Name", length(max = 253))]
    pub name: String,
    /// Its address.
    #[schemars(title = "Address")]
    pub address: IpAddr,
}
