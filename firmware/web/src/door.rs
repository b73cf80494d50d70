//! Which connections are served: those to one of the unit's own addresses, and not too many of one source.
//!
//! The listener is a wildcard, so the kernel gives us connections to the addresses of virtual services as well.
//! Those belong to the services' clients, who have no business with the administration; an operator who opens
//! port 80 of such an address to the world must not have opened the pages with it. Until net has said which
//! addresses are there, and where there is no net at all, every address counts as the unit's own: pages that
//! nobody can reach help nobody.

use evener_api::control::Snapshot;
use evener_api::net::{AddressOrigin, NetStatus};
use evener_config::Address;
use evener_ipc::Subscription;
use evener_throttle::network;
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Connections of one source at a time (an IPv6 source counts by its /64). A browser opens six.
pub(crate) const OF_ONE_SOURCE: usize = 32;

/// Decides who comes in.
#[derive(Debug)]
pub(crate) struct Door {
    config: Subscription<Snapshot>,
    net: Subscription<NetStatus>,
    inside: Arc<Mutex<BTreeMap<IpAddr, usize>>>,
}

/// One connection's place among those of its source; given back when dropped.
#[derive(Debug)]
pub(crate) struct Place {
    source: IpAddr,
    inside: Arc<Mutex<BTreeMap<IpAddr, usize>>>,
}

impl Door {
    /// `config` tells the addresses of services, `net` those that are on the unit's interfaces.
    pub(crate) fn new(config: Subscription<Snapshot>, net: Subscription<NetStatus>) -> Self {
        Self { config, net, inside: Arc::default() }
    }

    /// A place for a connection from `source` to the address `local` of this unit, unless it is refused.
    pub(crate) fn admit(&self, local: IpAddr, source: IpAddr) -> Option<Place> {
        if !self.is_own(local.to_canonical()) {
            tracing::debug!(%local, %source, "a connection to the address of a service is refused");
            return None;
        }
        let source = network(source);
        let mut inside = lock(&self.inside);
        let count = inside.entry(source).or_default();
        if *count >= OF_ONE_SOURCE {
            return None;
        }
        *count = count.saturating_add(1);
        Some(Place { source, inside: Arc::clone(&self.inside) })
    }

    fn is_own(&self, local: IpAddr) -> bool {
        // Net leaves these out, and no service can have an IPv6 link-local address.
        let never_published = match local {
            IpAddr::V4(local) => local.is_loopback(),
            IpAddr::V6(local) => local.is_loopback() || local.is_unicast_link_local(),
        };
        let net = self.net.borrow().clone();
        let Some(net) = net.filter(|_| !never_published) else { return true };
        let is_service = self.is_service(local);
        net.interfaces.iter().any(|interface| {
            // The addresses of services stand behind the interface's own, which comes first once it has one. An
            // address can be both: then it is the unit's own.
            let has_own = interface.origin != AddressOrigin::None;
            let mut addresses = interface.addresses.iter().enumerate();
            addresses.any(|(at, (address, _))| *address == local && (!is_service || (at == 0 && has_own)))
        })
    }

    fn is_service(&self, local: IpAddr) -> bool {
        let config = self.config.borrow().clone();
        let mut services = config.iter().flat_map(|snapshot| &snapshot.config.shared.virtual_services);
        services.any(|service| match service.address {
            Address::Literal(address) => address.to_canonical() == local,
            Address::Own(_) => false,
        })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut inside = lock(&self.inside);
        if let Some(count) = inside.get_mut(&self.source) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                inside.remove(&self.source);
            }
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Each count is changed in one step, so a panicked holder left nothing half done.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use evener_api::net::InterfaceStatus;
    use evener_config::InterfaceName;
    use tokio::sync::watch;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    fn door(addresses: &[&str], origin: AddressOrigin, services: &[&str]) -> Door {
        let mut snapshot = Snapshot { generation: 1, config: evener_config::Config::default() };
        let service = |address: &&str| {
            serde_json::from_value(serde_json::json!({"address": {"literal": address}, "port": 80})).unwrap()
        };
        snapshot.config.shared.virtual_services = services.iter().map(service).collect();
        let interface = InterfaceStatus {
            name: InterfaceName(String::from("eth0")),
            carrier: true,
            mac: [2, 0, 0, 0, 0, 1],
            addresses: addresses.iter().map(|address| (ip(address), 32)).collect(),
            origin,
        };
        let net = NetStatus { interfaces: vec![interface], ..NetStatus::default() };
        Door::new(watch::channel(Some(Arc::new(snapshot))).1, watch::channel(Some(Arc::new(net))).1)
    }

    #[test]
    fn the_address_of_a_service_does_not_lead_to_the_pages() {
        let door = door(
            &["192.0.2.2", "192.0.2.10", "2001:db8::2"],
            AddressOrigin::Static,
            &["192.0.2.10", "192.0.2.2"],
        );
        let source = ip("198.51.100.7");
        for own in ["192.0.2.2", "::ffff:192.0.2.2", "2001:db8::2", "127.0.0.1", "::1", "fe80::1"] {
            assert!(door.admit(ip(own), source).is_some(), "{own}");
        }
        for other in ["192.0.2.10", "::ffff:192.0.2.10", "192.0.2.11", "2001:db8::3"] {
            assert!(door.admit(ip(other), source).is_none(), "{other}");
        }
    }

    #[test]
    fn an_interface_without_an_address_of_its_own_has_only_those_of_services() {
        let door = door(&["192.0.2.10"], AddressOrigin::None, &["192.0.2.10"]);
        assert!(door.admit(ip("192.0.2.10"), ip("198.51.100.7")).is_none());
    }

    #[test]
    fn every_address_counts_while_net_has_said_nothing() {
        let silent = Door::new(watch::channel(None).1, watch::channel(None).1);
        assert!(silent.admit(ip("192.0.2.10"), ip("198.51.100.7")).is_some());
    }

    #[test]
    fn a_source_has_so_many_places_and_they_come_back() {
        let door = Door::new(watch::channel(None).1, watch::channel(None).1);
        let source = |last: u16| ip(&format!("2001:db8::{last:x}"));
        let mut places: Vec<Place> =
            (0..32).map(|last| door.admit(ip("192.0.2.2"), source(last)).unwrap()).collect();
        assert!(door.admit(ip("192.0.2.2"), source(99)).is_none(), "one /64 is one source");
        assert!(door.admit(ip("192.0.2.2"), ip("2001:db8:0:1::1")).is_some());
        places.pop();
        assert!(door.admit(ip("192.0.2.2"), source(99)).is_some());
        drop(places);
        assert!(lock(&door.inside).is_empty(), "nothing is kept about those who left");
    }
}
