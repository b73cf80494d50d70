//! Rules on who stands where: two services on one address and port, and services on the unit's own ports.
//!
//! A clash of two objects is reported at both, each naming the other: whoever changed one of them looks there.
//!
//! The administration pages listen on every address, as a wildcard: the kernel gives a port to a wildcard or to
//! single addresses, never to both, so their port is refused to services on shared addresses as well.
//!
//! An address can be written in two ways: `Own(eth0)`, and the literal address that eth0 has. Both are brought
//! to one form first ([`Place`]). What eth0 gets by DHCP nobody knows here, so then the two forms are two
//! places, and the later one to listen finds out.

use super::address::statics;
use crate::violation::{Findings, Path};
use crate::{Address, Config, InterfaceName, Ipv4Setup, Protocol, Unit, VirtualService};
use core::net::IpAddr;
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

/// TCP port that cloud balancers ask which unit is active, on every address.
const HA_HEALTH_PORT: u16 = 8444;
/// Port of the pair's synchronisation (TCP) and heartbeats (UDP), on the unit's own addresses.
const PAIR_PORT: u16 = 6973;
/// TCP port of the console over SSH, on the unit's own addresses.
const SSH_PORT: u16 = 22;

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Place {
    Ip(IpAddr),
    /// Whatever address that interface has.
    Interface(InterfaceName),
}

pub(super) fn check(config: &Config, findings: &mut Findings) {
    let unit = &config.unit;
    let web_at = Path::new("unit").field("web_port");
    if let Some(user) = owner(unit.web_port) {
        findings.add(&web_at, format!("{} is the port of {user}", unit.web_port));
    }
    let root = Path::new("shared");
    let mut taken: BTreeMap<(Place, u16, Protocol), (String, &VirtualService)> = BTreeMap::new();
    for (index, service) in config.shared.virtual_services.iter().enumerate() {
        let at = root.element("virtual_services", index).field("port");
        let place = place_of(&service.address, unit);
        if let Some(reason) = reserved(&place, service, unit) {
            findings.add(&at, reason);
            if is_web(service, unit) {
                findings.add(
                    &web_at,
                    format!("{} is the port of {}", unit.web_port, crate::diff::label(service)),
                );
            }
        }
        let key = (place, service.port, service.protocol);
        let clash =
            |by| format!("port {} of this address is taken by {}", service.port, crate::diff::label(by));
        match taken.entry(key) {
            Entry::Occupied(first) => {
                let (first_at, first) = first.get();
                findings.add(first_at, clash(service));
                findings.add(at, clash(first));
            }
            Entry::Vacant(free) => _ = free.insert((at, service)),
        }
    }
}

fn place_of(address: &Address, unit: &Unit) -> Place {
    match address {
        Address::Literal(address) => Place::Ip(address.to_canonical()),
        Address::Own(name) => {
            let interface = unit.interfaces.iter().find(|interface| interface.name == *name);
            match interface.map(|interface| &interface.ipv4) {
                Some(Ipv4Setup::Static(network)) => Place::Ip(IpAddr::V4(network.address)),
                Some(Ipv4Setup::Dhcp | Ipv4Setup::None) | None => Place::Interface(name.clone()),
            }
        }
    }
}

/// Whether the unit's own programs listen there as well.
fn is_ours(place: &Place, unit: &Unit) -> bool {
    match place {
        Place::Ip(address) => statics(unit).any(|(_, network)| IpAddr::V4(network.address) == *address),
        Place::Interface(_) => true,
    }
}

fn is_web(service: &VirtualService, unit: &Unit) -> bool {
    service.protocol == Protocol::Tcp && service.port == unit.web_port
}

fn reserved(place: &Place, service: &VirtualService, unit: &Unit) -> Option<String> {
    let port = service.port;
    let ours = is_ours(place, unit);
    let everywhere = is_web(service, unit) || port == HA_HEALTH_PORT;
    let user = match service.protocol {
        Protocol::Tcp if port == HA_HEALTH_PORT => owner(port)?,
        Protocol::Tcp if is_web(service, unit) => "the administration pages",
        Protocol::Tcp if ours => owner(port)?,
        Protocol::Udp if ours && port == PAIR_PORT => owner(port)?,
        Protocol::Tcp | Protocol::Udp => return None,
    };
    let place = if everywhere { "on every address" } else { "on the unit's own addresses" };
    Some(format!("port {port} is used by {user} {place}: choose another port"))
}

/// Who uses this port of the unit, the administration pages aside.
const fn owner(port: u16) -> Option<&'static str> {
    match port {
        SSH_PORT => Some("SSH"),
        PAIR_PORT => Some("the pair's synchronisation"),
        HA_HEALTH_PORT => Some("the HA health check"),
        _ => None,
    }
}
