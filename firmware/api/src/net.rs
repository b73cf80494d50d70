//! net: which addresses the unit has.

use core::net::{IpAddr, Ipv4Addr};
use evener_config::InterfaceName;
use serde::{Deserialize, Serialize};

/// Name of a file in the run directory. Only where it exists does net change interfaces, addresses and routes;
/// elsewhere, such as on a developer's machine, it only looks. Init makes it on an appliance.
pub const OWN_NETWORK: &str = "own-network";

/// What may be asked of net.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Request {
    /// One [`NetStatus`].
    Get,
    /// A [`NetStatus`] now and after every change.
    Subscribe,
}

/// The unit's interfaces.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct NetStatus {
    /// Loopback left out.
    pub interfaces: Vec<InterfaceStatus>,
    /// Next hop of the default route.
    pub gateway: Option<Ipv4Addr>,
    /// Asked in this order.
    pub name_servers: Vec<IpAddr>,
}

/// One interface.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InterfaceStatus {
    /// Kernel name.
    pub name: InterfaceName,
    /// Whether the cable (or its virtual kin) is in.
    pub carrier: bool,
    /// Hardware address.
    pub mac: [u8; 6],
    /// Address and prefix length, the interface's own first; link-local ones of IPv6 are left out.
    pub addresses: Vec<(IpAddr, u8)>,
    /// Where the address came from.
    pub origin: AddressOrigin,
}

/// Where an address came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AddressOrigin {
    /// None yet.
    None,
    /// A lease.
    Dhcp,
    /// The operator.
    Static,
    /// 192.168.1.101/24, because no DHCP server answered.
    Fallback,
    /// 169.254.0.0/16, because the fallback address was taken.
    LinkLocal,
}
