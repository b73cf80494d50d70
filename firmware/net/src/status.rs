//! What is told to the other services.

use crate::plan::{Actual, Wanted};
use evener_api::net::{AddressOrigin, InterfaceStatus, NetStatus};
use evener_config::InterfaceName;
use std::net::IpAddr;

/// The network as it is, with what we know about it.
pub(crate) fn status(actual: &Actual, wanted: &Wanted) -> NetStatus {
    let interfaces = actual.links.iter().filter(|link| !link.is_loopback).map(|link| {
        let own = actual.addresses.iter().filter(|placed| placed.index == link.index);
        // Every interface has a link-local one of IPv6; no client and no page can use it.
        let own = own.filter(
            |placed| !matches!(placed.address, IpAddr::V6(address) if address.is_unicast_link_local()),
        );
        let mut addresses: Vec<_> = own.map(|placed| (placed.address, placed.prefix)).collect();
        // The interface's own address first: it is the one that "the address of eth0" means.
        addresses.sort_by_key(|own| {
            let is_first = |placed: &crate::plan::Placed| {
                placed.index == link.index && (placed.address, placed.prefix) == *own
            };
            (wanted.addresses.iter().position(is_first).unwrap_or(usize::MAX), own.0.is_ipv6())
        });
        InterfaceStatus {
            name: InterfaceName(link.name.clone()),
            carrier: link.carrier,
            mac: link.mac,
            addresses,
            origin: wanted.origins.get(&link.index).copied().unwrap_or(AddressOrigin::None),
        }
    });
    NetStatus {
        interfaces: interfaces.collect(),
        gateway: actual.routes.first().map(|route| route.gateway),
        name_servers: wanted.name_servers.clone(),
    }
}
