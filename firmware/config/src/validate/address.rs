//! Which addresses a host can have.

use crate::{Interface, Ipv4Setup, StaticIpv4, Unit};
use core::net::{IpAddr, Ipv4Addr};

/// Why no host can have this address; `None` when one can.
pub(super) fn why_not_a_host(address: IpAddr) -> Option<String> {
    let reason = match address {
        IpAddr::V4(v4) => return why_not_a_v4_host(v4),
        IpAddr::V6(v6) => {
            if let Some(v4) = v6.to_ipv4_mapped() {
                return Some(format!("{v6} is an IPv4 address in disguise: write {v4}"));
            }
            if v6.is_unspecified() {
                "stands for every address: name one"
            } else if v6.is_multicast() {
                "is a multicast address: a unicast one is needed"
            } else if v6.is_unicast_link_local() {
                "is link-local and means nothing without an interface: use a global or unique local address"
            } else {
                return None;
            }
        }
    };
    Some(format!("{address} {reason}"))
}

/// As [`why_not_a_host`], for IPv4. Loopback addresses are unicast and allowed: services and servers that run
/// beside each other on one machine are how all of this is tried out without an appliance.
pub(super) fn why_not_a_v4_host(address: Ipv4Addr) -> Option<String> {
    let reason = if address.is_unspecified() {
        "stands for every address: name one"
    } else if address.is_multicast() {
        "is a multicast address: a unicast one is needed"
    } else if address.is_broadcast() {
        "is the broadcast address: a unicast one is needed"
    } else if address.octets()[0] == 0 || address.octets()[0] >= 240 {
        "is reserved and never a host's: a unicast address is needed"
    } else {
        return None;
    };
    Some(format!("{address} {reason}"))
}

/// The addresses of a network that no host can have: its first and its last. `None` where there are none
/// (RFC 3021: /31, and /32).
pub(super) fn network_and_broadcast(network: StaticIpv4) -> Option<(Ipv4Addr, Ipv4Addr)> {
    if !(1..=30).contains(&network.prefix) {
        return None;
    }
    let mask = mask(network.prefix);
    let bits = network.address.to_bits();
    Some((Ipv4Addr::from_bits(bits & mask), Ipv4Addr::from_bits(bits | !mask)))
}

/// Whether the address lies in the network. A network with a bad prefix is reported as such, so here it is no
/// reason for a second finding.
pub(super) fn is_inside(network: StaticIpv4, address: Ipv4Addr) -> bool {
    let mask = mask(network.prefix);
    !(1..=32).contains(&network.prefix) || network.address.to_bits() & mask == address.to_bits() & mask
}

fn mask(prefix: u8) -> u32 {
    u32::MAX.checked_shl(32 - u32::from(prefix.min(32))).unwrap_or(0)
}

/// Why an address is not a host's in one of the networks that the unit is attached to by static addresses.
pub(super) fn why_not_in_our_networks(unit: &Unit, address: IpAddr) -> Option<String> {
    let IpAddr::V4(address) = address else { return None };
    statics(unit).find_map(|(interface, network)| {
        let (first, last) = network_and_broadcast(network)?;
        let kind = if address == first {
            "the network's own"
        } else if address == last {
            "the broadcast"
        } else {
            return None;
        };
        Some(format!("{address} is {kind} address of {}/{} on {}", first, network.prefix, interface.name.0))
    })
}

/// Interfaces with a static address.
pub(super) fn statics(unit: &Unit) -> impl Iterator<Item = (&Interface, StaticIpv4)> {
    unit.interfaces.iter().filter_map(|interface| match interface.ipv4 {
        Ipv4Setup::Static(network) => Some((interface, network)),
        Ipv4Setup::Dhcp | Ipv4Setup::None => None,
    })
}
