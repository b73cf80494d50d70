//! Quick setup's plain values made from the settings, and the change that they ask for.

use evener_api::control::{SetUp, Snapshot};
use evener_api::net::{InterfaceStatus, NetStatus};
use evener_config::{InterfaceName, Ipv4Setup, StaticIpv4};
use evener_menu::{Addressing, Port, Setup};

/// What a unit without any settings uses.
const FIRST_INTERFACE: &str = "eth0";

/// The settings as quick setup shows them: the interfaces that have some, then the others that are there.
pub(crate) fn of(snapshot: &Snapshot, net: &NetStatus) -> Setup {
    let unit = &snapshot.config.unit;
    let there = |name: &InterfaceName| net.interfaces.iter().find(|interface| interface.name == *name);
    let mut ports: Vec<Port> = unit
        .interfaces
        .iter()
        .map(|interface| Port {
            name: interface.name.0.clone(),
            note: note(there(&interface.name)),
            addressing: addressing(&interface.ipv4),
        })
        .collect();
    for interface in &net.interfaces {
        if !ports.iter().any(|port| port.name == interface.name.0) {
            let is_used = unit.interfaces.is_empty() && interface.name.0 == FIRST_INTERFACE;
            let addressing = if is_used { Addressing::Dhcp } else { Addressing::Unused };
            let (name, note) = (interface.name.0.clone(), note(Some(interface)));
            ports.push(Port { name, note, addressing });
        }
    }
    Setup {
        based_on: snapshot.generation,
        hostname: unit.hostname.clone(),
        ports,
        gateway: unit.default_gateway,
        name_servers: unit.name_servers.clone(),
    }
}

/// The change that makes the settings what quick setup wants. What it says nothing about stays.
pub(crate) fn change(wanted: &Setup, snapshot: &Snapshot, net: &NetStatus) -> SetUp {
    let before = of(snapshot, net);
    let mut change = SetUp {
        hostname: wanted.hostname.clone(),
        ipv4: Vec::new(),
        default_gateway: wanted.gateway,
        name_servers: wanted.name_servers.clone(),
    };
    for port in &wanted.ports {
        let former = before.ports.iter().find(|former| former.name == port.name);
        let is_new = former.is_none_or(|former| former.addressing != port.addressing);
        if let Some(ipv4) = ipv4(port.addressing).filter(|_| is_new) {
            change.ipv4.push((InterfaceName(port.name.clone()), ipv4));
        }
    }
    // Once one interface has settings, those without any are down: the one in use so far must stay up.
    let first = InterfaceName(FIRST_INTERFACE.to_owned());
    if snapshot.config.unit.interfaces.is_empty()
        && !change.ipv4.is_empty()
        && change.ipv4.iter().all(|(name, _)| *name != first)
    {
        change.ipv4.insert(0, (first, Ipv4Setup::Dhcp));
    }
    change
}

fn addressing(setup: &Ipv4Setup) -> Addressing {
    match setup {
        Ipv4Setup::Dhcp => Addressing::Dhcp,
        Ipv4Setup::Static(network) => Addressing::Static(network.address, network.prefix),
        Ipv4Setup::None => Addressing::None,
    }
}

fn ipv4(addressing: Addressing) -> Option<Ipv4Setup> {
    match addressing {
        Addressing::Dhcp => Some(Ipv4Setup::Dhcp),
        Addressing::Static(address, prefix) => Some(Ipv4Setup::Static(StaticIpv4 { address, prefix })),
        Addressing::None => Some(Ipv4Setup::None),
        Addressing::Unused => None,
    }
}

/// What tells an interface from the others: its cable, its addresses, its number on the card.
fn note(interface: Option<&InterfaceStatus>) -> String {
    let Some(interface) = interface else { return "not there".into() };
    let cable = if interface.carrier { "cable in" } else { "no cable" };
    let [a, b, c, d, e, f] = interface.mac;
    let addresses: Vec<String> =
        interface.addresses.iter().take(2).map(|(address, _)| address.to_string()).collect();
    let has = if addresses.is_empty() { String::new() } else { format!(", has {}", addresses.join(" ")) };
    format!("{cable}{has}, {a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{f:02x}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use evener_api::net::AddressOrigin;
    use evener_config::Interface;
    use std::net::Ipv4Addr;

    fn net(names: &[&str]) -> NetStatus {
        let interface = |name: &&str| InterfaceStatus {
            name: InterfaceName((*name).to_owned()),
            carrier: true,
            mac: [2, 0, 0, 0, 0, 1],
            addresses: vec![],
            origin: AddressOrigin::None,
        };
        NetStatus { interfaces: names.iter().map(interface).collect(), ..NetStatus::default() }
    }

    fn snapshot() -> Snapshot {
        Snapshot { generation: 7, config: evener_config::Config::default() }
    }

    #[test]
    fn what_is_not_touched_is_not_in_the_change() {
        let (mut snapshot, net) = (snapshot(), net(&["eth0", "eth1"]));
        let mut known = Interface::new(InterfaceName("eth0".into()));
        known.ipv4 = Ipv4Setup::None;
        for interfaces in [vec![], vec![known]] {
            snapshot.config.unit.interfaces = interfaces;
            let same = change(&of(&snapshot, &net), &snapshot, &net);
            assert_eq!(same, SetUp { hostname: "evener".into(), ..SetUp::default() });
        }
        let mut wanted = of(&snapshot, &net);
        assert_eq!(wanted.ports[0].addressing, Addressing::None);
        wanted.ports[0].addressing = Addressing::Dhcp;
        let ipv4 = change(&wanted, &snapshot, &net).ipv4;
        assert_eq!(ipv4, [(InterfaceName("eth0".into()), Ipv4Setup::Dhcp)]);
    }

    #[test]
    fn the_interface_that_was_in_use_without_settings_stays_up() {
        let (snapshot, net) = (snapshot(), net(&["eth0", "eth1"]));
        let mut wanted = of(&snapshot, &net);
        assert_eq!(wanted.ports[0].addressing, Addressing::Dhcp);
        assert_eq!(wanted.ports[1].addressing, Addressing::Unused);
        wanted.ports[1].addressing = Addressing::Static(Ipv4Addr::new(192, 0, 2, 10), 24);
        let network = StaticIpv4 { address: Ipv4Addr::new(192, 0, 2, 10), prefix: 24 };
        let expected = [
            (InterfaceName("eth0".into()), Ipv4Setup::Dhcp),
            (InterfaceName("eth1".into()), Ipv4Setup::Static(network)),
        ];
        assert_eq!(change(&wanted, &snapshot, &net).ipv4, expected);
    }

    #[test]
    fn an_interface_that_is_gone_is_shown() {
        let mut snapshot = snapshot();
        snapshot.config.unit.interfaces.push(Interface::new(InterfaceName("eth9".into())));
        let setup = of(&snapshot, &net(&[]));
        assert_eq!((setup.ports[0].name.as_str(), setup.ports[0].note.as_str()), ("eth9", "not there"));
    }
}
