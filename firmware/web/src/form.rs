//! What was typed into a form, and what it means.
//!
//! The inputs carry the names that the fields have in the model (`check.interval_s`), so that what control says
//! about a field finds its input again. Everything typed is kept as text: a page that refuses it can show it
//! again unchanged.

mod read;

use evener_api::control::{Change, Violation};
use evener_config::VirtualService;
use evener_config::{Address, CheckKind, ForwardedFor, HttpMethod, Protocol, RealServer, Scheduler};
use std::collections::BTreeMap;

/// A form's inputs and what is wrong with them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Form {
    values: BTreeMap<String, String>,
    pub(crate) violations: Vec<Violation>,
}

impl Form {
    /// What a browser sent. The last of several values of one name counts.
    pub(crate) fn typed(pairs: Vec<(String, String)>) -> Self {
        Self { values: pairs.into_iter().collect(), violations: Vec::new() }
    }

    /// The inputs of a service, its real servers left out.
    pub(crate) fn of_service(service: &VirtualService) -> Self {
        let mut form = Self::default();
        form.set("name", &service.name);
        match &service.address {
            Address::Literal(address) => {
                form.set("address.kind", "literal");
                form.set("address.literal", address);
            }
            Address::Own(interface) => {
                form.set("address.kind", "own");
                form.set("address.own", &interface.0);
            }
        }
        form.set("port", service.port);
        form.set("protocol", word(service.protocol));
        form.tick("enabled", service.enabled);
        form.set("scheduler", word(service.scheduler));
        form.set("forwarded_for", word(service.forwarded_for));
        form.set_check(service);
        let timeouts = &service.timeouts;
        form.set("timeouts.request_head_s", timeouts.request_head_s);
        form.set("timeouts.connect_s", timeouts.connect_s);
        form.set("timeouts.response_head_s", timeouts.response_head_s);
        form.set("timeouts.idle_s", timeouts.idle_s);
        form.set("timeouts.keep_alive_s", timeouts.keep_alive_s);
        let limits = &service.limits;
        form.set("limits.connections", limits.connections);
        form.set("limits.request_head_bytes", limits.request_head_bytes);
        form.set("limits.request_headers", limits.request_headers);
        form
    }

    fn set_check(&mut self, service: &VirtualService) {
        let check = &service.check;
        let (kind, http) = match &check.kind {
            CheckKind::Http(http) => ("http", http.clone()),
            CheckKind::Tcp => ("tcp", Default::default()),
            CheckKind::None => ("none", Default::default()),
            _ => (KEPT, Default::default()),
        };
        self.set("check.kind", kind);
        self.set("check.http.method", word(http.method));
        self.set("check.http.path", &http.path);
        self.set("check.http.host", http.host.unwrap_or_default());
        let statuses: Vec<String> = http.extra_good_statuses.iter().map(u16::to_string).collect();
        self.set("check.http.extra_good_statuses", statuses.join(", "));
        self.set("check.interval_s", check.interval_s);
        self.set("check.timeout_s", check.timeout_s);
        self.set("check.retries", check.retries);
        self.set("check.port", check.port.map(|port| port.to_string()).unwrap_or_default());
    }

    /// The inputs of a service that is yet to be made: every default.
    pub(crate) fn of_new_service() -> Self {
        let mut form = Self::of_service(&blank());
        form.set("address.literal", "");
        form
    }

    /// The inputs of a real server.
    pub(crate) fn of_server(server: &RealServer) -> Self {
        let mut form = Self::default();
        form.set("address", server.address);
        form.set("port", server.port);
        form.set("weight", server.weight.0);
        form.tick("enabled", server.enabled);
        form
    }

    /// The inputs of a real server that is yet to be made, on the service's port.
    pub(crate) fn of_new_server(service: &VirtualService) -> Self {
        let mut form = Self::default();
        form.set("address", "");
        form.set("port", service.port);
        form.set("weight", evener_config::Weight::default().0);
        form.tick("enabled", true);
        form
    }

    /// What an input holds; empty when there is no such input.
    pub(crate) fn value(&self, name: &str) -> &str {
        self.values.get(name).map_or("", String::as_str)
    }

    /// The reason for the history; `None` where none was typed.
    pub(crate) fn reason(&self) -> Option<String> {
        Some(self.value("reason").trim().to_owned()).filter(|reason| !reason.is_empty())
    }

    /// Whether a box is ticked.
    pub(crate) fn ticked(&self, name: &str) -> bool {
        self.values.contains_key(name)
    }

    /// What is wrong with an input.
    pub(crate) fn complaints<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.violations.iter().filter(move |one| input_of(&one.field) == name).map(|one| one.reason.as_str())
    }

    /// Takes over what control said.
    pub(crate) fn refuse(&mut self, violations: Vec<Violation>) {
        self.violations.extend(violations);
    }

    fn complain(&mut self, field: &str, reason: impl Into<String>) {
        self.violations.push(Violation { field: field.to_owned(), reason: reason.into() });
    }

    #[expect(clippy::needless_pass_by_value, reason = "numbers and words, made to be put here")]
    fn set(&mut self, name: &str, value: impl ToString) {
        self.values.insert(name.to_owned(), value.to_string());
    }

    fn tick(&mut self, name: &str, on: bool) {
        if on {
            self.set(name, "on");
        }
    }
}

/// A choice that the form does not offer, and that stays as it is.
pub(crate) const KEPT: &str = "kept";

/// A service of which nothing is known yet.
pub(crate) fn blank() -> VirtualService {
    VirtualService::new(Address::Literal(std::net::IpAddr::V4(std::net::Ipv4Addr::UNSPECIFIED)), 80)
}

/// The words of an option, as the model spells them.
pub(crate) trait Word: Copy + PartialEq + 'static {
    /// Every option with its value and its label.
    const ALL: &'static [(Self, &'static str, &'static str)];
}

impl Word for Protocol {
    const ALL: &'static [(Self, &'static str, &'static str)] =
        &[(Self::Tcp, "tcp", "TCP"), (Self::Udp, "udp", "UDP (kept, not active in this version)")];
}

impl Word for Scheduler {
    const ALL: &'static [(Self, &'static str, &'static str)] = &[
        (Self::RoundRobin, "round_robin", "Round robin"),
        (Self::WeightedRoundRobin, "weighted_round_robin", "Weighted round robin"),
        (Self::LeastConnections, "least_connections", "Least connections (kept, not active in this version)"),
        (
            Self::WeightedLeastConnections,
            "weighted_least_connections",
            "Weighted least connections (kept, not active in this version)",
        ),
        (Self::Fixed, "fixed", "Fixed weighting (kept, not active in this version)"),
        (Self::Adaptive, "adaptive", "Resource based (kept, not active in this version)"),
        (Self::SdnAdaptive, "sdn_adaptive", "Resource based by SDN (kept, not active in this version)"),
        (Self::SourceHash, "source_hash", "Source address hash (kept, not active in this version)"),
        (
            Self::WeightedResponseTime,
            "weighted_response_time",
            "Weighted response time (kept, not active in this version)",
        ),
        (Self::UrlHash, "url_hash", "URL hash (kept, not active in this version)"),
    ];
}

impl Word for ForwardedFor {
    const ALL: &'static [(Self, &'static str, &'static str)] = &[
        (Self::XForwardedFor, "x_forwarded_for", "Add X-Forwarded-For"),
        (
            Self::XForwardedForAndVia,
            "x_forwarded_for_and_via",
            "Add X-Forwarded-For and Via (kept, not active in this version)",
        ),
        (Self::XClientSide, "x_client_side", "Add X-ClientSide (kept, not active in this version)"),
        (
            Self::XClientSideAndVia,
            "x_client_side_and_via",
            "Add X-ClientSide and Via (kept, not active in this version)",
        ),
        (Self::Via, "via", "Add Via (kept, not active in this version)"),
        (Self::None, "none", "Add nothing"),
    ];
}

impl Word for HttpMethod {
    const ALL: &'static [(Self, &'static str, &'static str)] = &[
        (Self::Head, "HEAD", "HEAD"),
        (Self::Get, "GET", "GET"),
        (Self::Post, "POST", "POST (kept, not active in this version)"),
        (Self::Options, "OPTIONS", "OPTIONS (kept, not active in this version)"),
    ];
}

fn word<W: Word>(value: W) -> &'static str {
    W::ALL.iter().find(|(option, ..)| *option == value).map_or("", |(_, word, _)| word)
}

/// The label of an option.
pub(crate) fn label<W: Word>(value: W) -> &'static str {
    W::ALL.iter().find(|(option, ..)| *option == value).map_or("", |(.., label)| label)
}

/// The path of a field below an element of this list, if it leads there.
pub(crate) fn below<'a>(field: &'a str, list: &str) -> Option<&'a str> {
    field.split_once(list)?.1.split_once("].").map(|(_, rest)| rest)
}

/// Where in the list the service is that a change is about; the end of the list for a new one.
pub(crate) fn edited(shared: &evener_config::Shared, change: &Change) -> Option<usize> {
    let services = &shared.virtual_services;
    let vs = match change {
        Change::AddVs(_) => return Some(services.len()),
        Change::ReplaceVs(service) => service.id,
        Change::AddRs(vs, _) | Change::ReplaceRs(vs, _) => *vs,
        Change::DeleteVs(_)
        | Change::DeleteRs(..)
        | Change::ReplaceUnit(_)
        | Change::SetUp(_)
        | Change::SetPassword { .. }
        | Change::Undo { .. }
        | Change::Restore { .. }
        | Change::Replace(_) => return None,
    };
    services.iter().position(|service| service.id == vs)
}

/// What is wrong, for whoever edits the service at this place of the list. A clash is reported at both services:
/// the other one's half would read as if it were about this one. Where only other services are wrong that is
/// said, with the path in the reason, because no input belongs to it.
pub(crate) fn of_edited(violations: Vec<Violation>, index: usize) -> Vec<Violation> {
    let own = format!("shared.virtual_services[{index}]");
    let is_others = |one: &Violation| {
        one.field.starts_with("shared.virtual_services[") && !one.field.starts_with(own.as_str())
    };
    let (others, own): (Vec<_>, Vec<_>) = violations.into_iter().partition(is_others);
    if !own.is_empty() {
        return own;
    }
    let told = |one: Violation| Violation { field: String::new(), reason: one.to_string() };
    others.into_iter().map(told).collect()
}

/// Name of the input that a field of the model is typed into.
pub(crate) fn input_of(field: &str) -> &str {
    let field = below(field, "real_servers[").or_else(|| below(field, "virtual_services[")).unwrap_or(field);
    let field = field.split_once('[').map_or(field, |(list, _)| list);
    const HTTP: [(&str, &str); 4] = [
        ("method", "check.http.method"),
        ("path", "check.http.path"),
        ("host", "check.http.host"),
        ("extra_good_statuses", "check.http.extra_good_statuses"),
    ];
    if let Some(rest) = field.strip_prefix("check.kind.") {
        let name = rest.strip_prefix("http.").unwrap_or(rest);
        return HTTP.iter().find(|(one, _)| *one == name).map_or("check.kind", |(_, input)| input);
    }
    field
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_control_says_finds_its_input() {
        for (field, input) in [
            ("shared.virtual_services[0].port", "port"),
            ("shared.virtual_services[12].check.interval_s", "check.interval_s"),
            ("shared.virtual_services[1].check.kind.http.path", "check.http.path"),
            ("shared.virtual_services[1].check.kind.path", "check.http.path"),
            (
                "shared.virtual_services[1].check.kind.http.extra_good_statuses[2]",
                "check.http.extra_good_statuses",
            ),
            ("shared.virtual_services[0].real_servers[3].weight", "weight"),
            ("shared.virtual_services[0].address.literal", "address.literal"),
            ("unit.hostname", "unit.hostname"),
        ] {
            assert_eq!(input_of(field), input);
        }
    }
}
