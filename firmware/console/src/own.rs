//! Which addresses SSH is on: those of the unit itself, never those of its virtual services.
//!
//! A service of a customer may be on port 22 of its own address (`evener_config` keeps that port free on the unit's
//! addresses only), so there is no wildcard listener that would take it.

use evener_api::control::Snapshot;
use evener_api::net::{AddressOrigin, NetStatus};
use evener_config::Address;
use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};

/// Where SSH is to be; nowhere while it is switched off.
pub(crate) fn places(net: &NetStatus, snapshot: &Snapshot) -> BTreeSet<SocketAddr> {
    let ssh = &snapshot.config.unit.ssh;
    let own = if ssh.is_on { addresses(net, snapshot) } else { BTreeSet::new() };
    own.into_iter().map(|address| SocketAddr::new(address, ssh.port)).collect()
}

/// The unit's own addresses.
fn addresses(net: &NetStatus, snapshot: &Snapshot) -> BTreeSet<IpAddr> {
    let services: BTreeSet<IpAddr> = snapshot
        .config
        .shared
        .virtual_services
        .iter()
        .filter_map(|service| match service.address {
            Address::Literal(address) => Some(address.to_canonical()),
            Address::Own(_) => None,
        })
        .collect();
    let interfaces = net.interfaces.iter();
    let all = interfaces.flat_map(|interface| {
        let has_own = interface.origin != AddressOrigin::None;
        let numbered = interface.addresses.iter().enumerate();
        // An interface's own address comes first, once it has one; it may be that of a service, too.
        numbered.map(move |(at, (address, _))| (*address, at == 0 && has_own))
    });
    all.filter(|(address, is_first)| *is_first || !services.contains(&address.to_canonical()))
        .map(|(address, _)| address)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use evener_api::net::InterfaceStatus;
    use evener_config::InterfaceName;

    #[test]
    fn the_addresses_of_services_are_left_to_them() {
        let ip = |text: &str| -> IpAddr { text.parse().unwrap() };
        let mut snapshot = Snapshot { generation: 1, config: evener_config::Config::default() };
        let service = |address: &str| {
            serde_json::from_value(serde_json::json!({"address": {"literal": address}, "port": 22})).unwrap()
        };
        snapshot.config.shared.virtual_services = vec![service("192.0.2.50"), service("192.0.2.10")];
        let mut interface = InterfaceStatus {
            name: InterfaceName("eth0".into()),
            carrier: true,
            mac: [2, 0, 0, 0, 0, 1],
            addresses: ["192.0.2.10", "192.0.2.50", "2001:db8::1"].map(|text| (ip(text), 24)).to_vec(),
            origin: AddressOrigin::Static,
        };
        let of = |interface: &InterfaceStatus| {
            let net = NetStatus { interfaces: vec![interface.clone()], ..NetStatus::default() };
            addresses(&net, &snapshot)
        };
        assert_eq!(of(&interface), [ip("192.0.2.10"), ip("2001:db8::1")].into());
        let net = NetStatus { interfaces: vec![interface.clone()], ..NetStatus::default() };
        let mut other = snapshot.clone();
        other.config.unit.ssh.port = 2222;
        let expected = ["192.0.2.10:2222", "[2001:db8::1]:2222"].map(|text| text.parse().unwrap());
        assert_eq!(places(&net, &other), expected.into());
        other.config.unit.ssh.is_on = false;
        assert_eq!(places(&net, &other), BTreeSet::new());
        interface.origin = AddressOrigin::None;
        assert_eq!(of(&interface), [ip("2001:db8::1")].into(), "without an own address all are of services");
    }
}
