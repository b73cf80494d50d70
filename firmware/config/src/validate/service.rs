//! Rules on virtual services and real servers, each by itself.
//!
//! What concerns two services, or a service and the unit's own ports, is in [`place`](super::place).

use super::{MAX_SERVERS, MAX_SERVERS_OF_A_SERVICE, MAX_SERVICES, address, text};
use crate::range::{
    CONNECT, CONNECTIONS, GOOD_STATUS, HEAD_BYTES, HEADERS, IDLE, INTERVAL, KEEP_ALIVE, PORT, REQUEST_HEAD,
    RESPONSE_HEAD, RETRIES, TIMEOUT, WEIGHT,
};
use crate::violation::{Findings, Path};
use crate::{
    Address, CheckKind, HealthCheck, HttpCheck, Limits, RealServer, ServiceTimeouts, Unit, VirtualService,
};
use core::net::IpAddr;
use std::collections::{BTreeMap, BTreeSet};

/// Most statuses that one check can take for good beyond 2xx.
const MAX_GOOD_STATUSES: usize = 32;

pub(super) fn check(services: &[VirtualService], unit: &Unit, findings: &mut Findings) {
    let root = Path::new("shared");
    let list = root.field("virtual_services");
    let servers: usize = services.iter().map(|service| service.real_servers.len()).sum();
    findings.require(services.len() <= MAX_SERVICES, &list, || {
        format!("{} virtual services are too many: up to {MAX_SERVICES}", services.len())
    });
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
        timeouts(service.timeouts, &at.object("timeouts"), findings);
        limits(service.limits, &at.object("limits"), findings);
        findings.require(
            service.real_servers.len() <= MAX_SERVERS_OF_A_SERVICE,
            &at.field("real_servers"),
            || {
                let count = service.real_servers.len();
                format!("{count} real servers are too many for one service: up to {MAX_SERVERS_OF_A_SERVICE}")
            },
        );
        let mut places = BTreeSet::new();
        for (index, server) in service.real_servers.iter().enumerate() {
            let at = at.element("real_servers", index);
            identity(server.id.0, server_ids.insert(server.id), &at, findings);
            real_server(server, service, unit, &at, findings);
            findings.require(places.insert((server.address, server.port)), &at.field("address"), || {
                format!("{} port {} is a server of this service already", server.address, server.port)
            });
        }
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
    findings.number(service.port, &PORT, at);
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
    let interval = findings.number(check.interval_s, &INTERVAL, at);
    let timeout = findings.number(check.timeout_s, &TIMEOUT, at);
    let retries = findings.number(check.retries, &RETRIES, at);
    if interval && timeout && retries {
        let least = u32::from(check.timeout_s) * u32::from(check.retries) + 1;
        findings.require(u32::from(check.interval_s) >= least, &at.field(INTERVAL.field), || {
            format!(
                "{} seconds are too short for {} tries of {} seconds each: at least {least} (time-out × tries + 1)",
                check.interval_s, check.retries, check.timeout_s
            )
        });
    }
    if let Some(port) = check.port {
        findings.number(port, &PORT, at);
    }
    match &check.kind {
        CheckKind::Http(http) => http_check(http, &at.object("kind").object("http"), findings),
        CheckKind::Tcp | CheckKind::None => {}
    }
}

fn http_check(check: &HttpCheck, at: &Path, findings: &mut Findings) {
    if let Some(reason) = text::why_not_a_target(&check.path) {
        findings.add(at.field("path"), reason);
    }
    if let Some(reason) = check.host.as_deref().and_then(text::why_not_a_host_header) {
        findings.add(at.field("host"), reason);
    }
    let statuses = &check.extra_good_statuses;
    findings.require(statuses.len() <= MAX_GOOD_STATUSES, &at.field(GOOD_STATUS.field), || {
        format!("{} extra good statuses are too many: up to {MAX_GOOD_STATUSES}", statuses.len())
    });
    for (index, status) in statuses.iter().enumerate() {
        let at = at.element(GOOD_STATUS.field, index);
        findings.require(GOOD_STATUS.holds(*status), at.as_str(), || GOOD_STATUS.refusal(status));
    }
}

fn timeouts(timeouts: ServiceTimeouts, at: &Path, findings: &mut Findings) {
    let ServiceTimeouts { request_head_s, connect_s, response_head_s, idle_s, keep_alive_s } = timeouts;
    findings.number(request_head_s, &REQUEST_HEAD, at);
    findings.number(connect_s, &CONNECT, at);
    findings.number(response_head_s, &RESPONSE_HEAD, at);
    findings.number(idle_s, &IDLE, at);
    findings.number(keep_alive_s, &KEEP_ALIVE, at);
}

fn limits(limits: Limits, at: &Path, findings: &mut Findings) {
    let Limits { connections, request_head_bytes, request_headers } = limits;
    findings.number(connections, &CONNECTIONS, at);
    findings.number(request_head_bytes, &HEAD_BYTES, at);
    findings.number(request_headers, &HEADERS, at);
}

fn real_server(
    server: &RealServer,
    service: &VirtualService,
    unit: &Unit,
    at: &Path,
    findings: &mut Findings,
) {
    findings.number(server.port, &PORT, at);
    let weight = server.weight.0;
    findings.number(weight, &WEIGHT, at);
    if let Some(reason) = host(server.address, unit) {
        findings.add(at.field("address"), reason);
    } else if service.address == Address::Literal(server.address) && service.port == server.port {
        findings.add(at.field("address"), "this is the service itself: requests would go round for ever");
    }
}
