//! Rules on virtual services and real servers, each by itself.
//!
//! What concerns two services, or a service and the unit's own ports, is in [`place`](super::place).

use super::{MAX_SERVERS, address, text};
use crate::violation::{Findings, Path};
use crate::{Address, CheckKind, HealthCheck, HttpCheck, RealServer, RsId, Unit, VirtualService};
use core::net::IpAddr;
use std::collections::{BTreeMap, BTreeSet};

pub(super) fn check(services: &[VirtualService], unit: &Unit, findings: &mut Findings) {
    let root = Path::new("shared");
    let list = root.field("virtual_services");
    let servers: usize = services.iter().map(|service| service.real_servers.len()).sum();
    findings.require(servers <= MAX_SERVERS, &list, || {
        format!("{servers} real servers are too many for one unit: up to {MAX_SERVERS}")
    });
    let (mut ids, mut server_ids, mut names) = (BTreeSet::new(), BTreeSet::new(), BTreeMap::new());
    for (index, service) in services.iter().enumerate() {
        let at = root.element("virtual_services", index);
        identity(service.id.0, ids.insert(service.id), &at, findings);
        if let Some(reason) = text::why_not_a_label(&service.name) {
            findings.add(at.field("name"), reason);
        } else if !service.name.is_empty()
            && let Some(other) = names.insert(&service.name, index)
        {
            // At both: whoever renamed one of them looks there.
            let reason = format!("there is already a virtual service {}", service.name);
            findings.add(root.element("virtual_services", other).field("name"), reason.as_str());
            findings.add(at.field("name"), reason);
        }
        where_it_stands(service, unit, &at, findings);
        health(&service.check, &at.object("check"), findings);
        real_servers(&service.real_servers, service, unit, &at, &mut server_ids, findings);
        let are_both = !service.sub_services.is_empty() && !service.real_servers.is_empty();
        findings.require(!are_both, &at.field("sub_services"), || {
            String::from(
                "a service has either real servers or sub-services: move the servers into a sub-service",
            )
        });
        for (index, sub) in service.sub_services.iter().enumerate() {
            let at = at.element("sub_services", index);
            identity(sub.id.0, ids.insert(sub.id), &at, findings);
            health(&sub.check, &at.object("check"), findings);
            real_servers(&sub.real_servers, service, unit, &at, &mut server_ids, findings);
        }
    }
}

/// The servers of a service, or of one of its sub-services.
fn real_servers(
    servers: &[RealServer],
    service: &VirtualService,
    unit: &Unit,
    at: &Path,
    ids: &mut BTreeSet<RsId>,
    findings: &mut Findings,
) {
    let mut places = BTreeSet::new();
    for (index, server) in servers.iter().enumerate() {
        let at = at.element("real_servers", index);
        identity(server.id.0, ids.insert(server.id), &at, findings);
        real_server(server, service, unit, &at, findings);
        findings.require(places.insert((server.address, server.port)), &at.field("address"), || {
            format!("{} port {} is a server of this service already", server.address, server.port)
        });
    }
}

fn identity(id: u32, is_new: bool, at: &Path, findings: &mut Findings) {
    if id == 0 {
        findings.add(at.field("id"), "the id is missing: the unit gives one, from 1");
    } else if !is_new {
        findings.add(at.field("id"), format!("the id {id} is taken"));
    }
}

fn where_it_stands(service: &VirtualService, unit: &Unit, at: &Path, findings: &mut Findings) {
    match &service.address {
        Address::Literal(literal) => {
            if let Some(reason) = host(*literal, unit) {
                findings.add(at.object("address").field("literal"), reason);
            }
        }
        Address::Own(name) => {
            let field = at.object("address").field("own");
            if let Some(reason) = text::why_not_an_interface(&name.0) {
                findings.add(field, reason);
            } else {
                // A unit without any settings brings up eth0 by itself.
                let known = unit.interfaces.iter().find(|interface| interface.name == *name);
                match known {
                    Some(interface) if interface.ipv4 == crate::Ipv4Setup::None => {
                        findings.add(field, format!("{} has no address on this unit", name.0));
                    }
                    None if !(unit.interfaces.is_empty() && name.0 == "eth0") => {
                        findings
                            .add(field, format!("{} is not an interface with settings on this unit", name.0));
                    }
                    Some(_) | None => {}
                }
            }
        }
    }
}

fn host(address: IpAddr, unit: &Unit) -> Option<String> {
    address::why_not_a_host(address).or_else(|| address::why_not_in_our_networks(unit, address))
}

fn health(check: &HealthCheck, at: &Path, findings: &mut Findings) {
    // What is out of its own range was said already.
    let field = at.field("interval_s");
    if ![&field, &at.field("timeout_s"), &at.field("retries")].iter().any(|it| findings.are_about(it)) {
        let least = u32::from(check.timeout_s) * u32::from(check.retries) + 1;
        findings.require(u32::from(check.interval_s) >= least, &field, || {
            format!(
                "{} seconds are too short for {} tries of {} seconds each: at least {least} (time-out × tries + 1)",
                check.interval_s, check.retries, check.timeout_s
            )
        });
    }
    match &check.kind {
        CheckKind::Http(http) => http_check(http, &at.object("kind").object("http"), findings),
        CheckKind::Https(http) => http_check(http, &at.object("kind").object("https"), findings),
        _ => {}
    }
}

fn http_check(check: &HttpCheck, at: &Path, findings: &mut Findings) {
    if let Some(reason) = text::why_not_a_target(&check.path) {
        findings.add(at.field("path"), reason);
    }
    if let Some(reason) = check.host.as_deref().and_then(text::why_not_a_host_header) {
        findings.add(at.field("host"), reason);
    }
}

fn real_server(
    server: &RealServer,
    service: &VirtualService,
    unit: &Unit,
    at: &Path,
    findings: &mut Findings,
) {
    if let Some(reason) = host(server.address, unit) {
        findings.add(at.field("address"), reason);
    } else if service.address == Address::Literal(server.address) && service.port == server.port {
        findings.add(at.field("address"), "this is the service itself: requests would go round for ever");
    }
}
