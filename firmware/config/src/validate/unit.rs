//! Rules on what belongs to one unit: name, interfaces, gateway, name servers.

use super::{address, text};
use crate::violation::{Findings, Path};
use crate::{Interface, Ipv4Setup, StaticIpv4, Unit};
use core::net::{IpAddr, Ipv4Addr};
use std::collections::BTreeMap;

pub(super) fn check(unit: &Unit, findings: &mut Findings) {
    let at = Path::new("unit");
    if let Some(reason) = text::why_not_a_hostname(&unit.hostname) {
        findings.add(at.field("hostname"), reason);
    }
    interfaces(unit, &at, findings);
    gateway(unit, &at, findings);
    name_servers(unit, &at, findings);
}

fn interfaces(unit: &Unit, at: &Path, findings: &mut Findings) {
    let mut names: BTreeMap<&str, usize> = BTreeMap::new();
    let mut addresses: BTreeMap<Ipv4Addr, &str> = BTreeMap::new();
    for (index, interface) in unit.interfaces.iter().enumerate() {
        let at = at.element("interfaces", index);
        let name = interface.name.0.as_str();
        if let Some(reason) = text::why_not_an_interface(name) {
            findings.add(at.field("name"), reason);
        } else if name == "lo" {
            findings.add(at.field("name"), "lo is the unit itself and has no settings");
        } else if names.insert(name, index).is_some() {
            findings.add(at.field("name"), format!("{name} has settings already"));
        }
        if let Ipv4Setup::Static(network) = interface.ipv4 {
            let at = at.object("ipv4").object("static");
            static_address(network, &at, findings);
            if let Some(other) = addresses.insert(network.address, name) {
                findings.add(at.field("address"), format!("{} has {} already", other, network.address));
            }
        }
    }
}

fn static_address(network: StaticIpv4, at: &Path, findings: &mut Findings) {
    if !(1..=32).contains(&network.prefix) {
        return;
    }
    let StaticIpv4 { address, prefix } = network;
    if let Some(reason) = address::why_not_a_v4_host(address) {
        findings.add(at.field("address"), reason);
    } else if let Some((first, last)) = address::network_and_broadcast(network) {
        findings.require(address != first && address != last, &at.field("address"), || {
            format!(
                "{address} is not a host of its network {first}/{prefix}, whose ends are {first} and {last}"
            )
        });
    }
}

fn gateway(unit: &Unit, at: &Path, findings: &mut Findings) {
    let Some(gateway) = unit.default_gateway else { return };
    let field = at.field("default_gateway");
    if let Some(reason) = address::why_not_a_v4_host(gateway) {
        findings.add(field, reason);
    } else if let Some(reason) = address::why_not_in_our_networks(unit, IpAddr::V4(gateway)) {
        findings.add(field, reason);
    } else if let Some((interface, _)) = address::statics(unit).find(|(_, own)| own.address == gateway) {
        findings.add(field, format!("{gateway} is this unit's own address on {}", interface.name.0));
    } else {
        // An interface that learns its network by DHCP may reach any gateway.
        let learns = |interface: &Interface| interface.ipv4 == Ipv4Setup::Dhcp;
        let reachable = unit.interfaces.is_empty()
            || unit.interfaces.iter().any(learns)
            || address::statics(unit).any(|(_, network)| address::is_inside(network, gateway));
        findings
            .require(reachable, &field, || format!("{gateway} is in no network of this unit's interfaces"));
    }
}

fn name_servers(unit: &Unit, at: &Path, findings: &mut Findings) {
    let servers = &unit.name_servers;
    for (index, server) in servers.iter().enumerate() {
        let at = at.element("name_servers", index);
        if let Some(reason) = address::why_not_a_host(*server) {
            findings.add(at.as_str(), reason);
        } else if servers.iter().take(index).any(|earlier| earlier == server) {
            findings.add(at.as_str(), format!("{server} is named twice"));
        }
    }
}
