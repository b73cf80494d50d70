//! How a virtual service does, put together from what checks and proxy say about it.

use evener_api::checks::{HealthReport, HealthState, ServerHealth};
use evener_api::proxy::{self, ProxyStatus};
use evener_config::{RealServer, RsId, VirtualService};
use serde::Serialize;
use std::net::SocketAddr;

/// A virtual service in one word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum VsState {
    /// Every enabled real server is up.
    Up,
    /// Some are up.
    Partial,
    /// None is up, or the proxy could not bind the address.
    Down,
    /// The operator switched it off.
    Disabled,
    /// No probe is over yet, or checks does not answer.
    Unknown,
}

/// A virtual service's state and counters.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct VsStatus {
    pub(crate) state: VsState,
    /// Why it is down although servers may be up.
    pub(crate) reason: Option<String>,
    /// Absent while the proxy does not answer.
    pub(crate) traffic: Option<Traffic>,
    /// In the configuration's order.
    pub(crate) servers: Vec<RsStatus>,
}

/// What the proxy counts for a service.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct Traffic {
    pub(crate) bound: Option<SocketAddr>,
    pub(crate) connections: u64,
    pub(crate) accepted: u64,
    pub(crate) requests: u64,
    pub(crate) retries: u64,
    pub(crate) own_answers: u64,
}

/// A real server's state and counters.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct RsStatus {
    pub(crate) id: RsId,
    pub(crate) state: HealthState,
    pub(crate) reason: String,
    /// Absent while nothing is known.
    pub(crate) since_unix_s: Option<u64>,
    pub(crate) last_good_ms: Option<u32>,
    /// These three are absent while the proxy does not answer.
    pub(crate) requests: Option<u64>,
    pub(crate) faults: Option<u64>,
    pub(crate) active: Option<u64>,
}

impl VsStatus {
    /// Of this service.
    pub(crate) fn of(
        service: &VirtualService,
        health: Option<&HealthReport>,
        proxy: Option<&ProxyStatus>,
    ) -> Self {
        let counted = proxy.and_then(|status| status.services.iter().find(|seen| seen.vs == service.id));
        let servers: Vec<RsStatus> = service
            .real_servers
            .iter()
            .map(|server| RsStatus::of(service, server, probe(service, server, health), counted))
            .collect();
        let unbound = counted.and_then(|seen| seen.bound.as_ref().err());
        let (state, reason) = if !service.enabled {
            (VsState::Disabled, None)
        } else if let Some(reason) = service.why_not_served() {
            (VsState::Down, Some(reason))
        } else if let Some(error) = unbound {
            (VsState::Down, Some(format!("not listening: {error}")))
        } else {
            overall(&servers)
        };
        Self { state, reason, traffic: counted.map(Traffic::of), servers }
    }
}

fn overall(servers: &[RsStatus]) -> (VsState, Option<String>) {
    let count = |state| servers.iter().filter(|server| server.state == state).count();
    let enabled = servers.len() - count(HealthState::Disabled);
    match (count(HealthState::Up), count(HealthState::Unknown)) {
        _ if servers.is_empty() => (VsState::Down, Some(String::from("it has no real server"))),
        _ if enabled == 0 => (VsState::Down, Some(String::from("all its real servers are disabled"))),
        (up, _) if up == enabled => (VsState::Up, None),
        (0, 0) => (VsState::Down, None),
        (0, _) => (VsState::Unknown, None),
        _ => (VsState::Partial, None),
    }
}

fn probe<'a>(
    service: &VirtualService,
    server: &RealServer,
    health: Option<&'a HealthReport>,
) -> Option<&'a ServerHealth> {
    health?.servers.iter().find(|seen| seen.vs == service.id && seen.rs == server.id)
}

impl Traffic {
    fn of(seen: &proxy::ServiceStatus) -> Self {
        Self {
            bound: seen.bound.as_ref().ok().copied(),
            connections: seen.connections,
            accepted: seen.accepted,
            requests: seen.requests,
            retries: seen.retries,
            own_answers: seen.own_answers,
        }
    }
}

impl RsStatus {
    fn of(
        service: &VirtualService,
        server: &RealServer,
        probe: Option<&ServerHealth>,
        counted: Option<&proxy::ServiceStatus>,
    ) -> Self {
        let counts = counted.and_then(|seen| seen.servers.iter().find(|one| one.rs == server.id));
        let enabled = service.enabled && server.enabled;
        // What the operator set is newer than what checks had time to report.
        let state = match probe {
            _ if !enabled => HealthState::Disabled,
            Some(probe) if probe.state != HealthState::Disabled => probe.state,
            _ => HealthState::Unknown,
        };
        let probe = probe.filter(|probe| probe.state == state);
        Self {
            id: server.id,
            state,
            reason: probe.map(|probe| probe.reason.clone()).unwrap_or_default(),
            since_unix_s: probe.map(|probe| probe.since_unix_s),
            last_good_ms: probe.and_then(|probe| probe.last_good_ms),
            requests: counts.map(|one| one.requests),
            faults: counts.map(|one| one.faults),
            active: counts.map(|one| one.active),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn service(servers: usize) -> VirtualService {
        let one = |n: usize| serde_json::json!({"id": n, "address": "10.0.0.1", "port": 80});
        let servers: Vec<_> = (1..=servers).map(one).collect();
        serde_json::from_value(serde_json::json!({
            "id": 1, "address": {"literal": "192.0.2.1"}, "port": 80, "real_servers": servers
        }))
        .unwrap()
    }

    fn report(states: &[HealthState]) -> HealthReport {
        let one = |(rs, state): (u32, &HealthState)| ServerHealth {
            vs: evener_config::VsId(1),
            rs: RsId(rs),
            state: *state,
            reason: String::from("why"),
            since_unix_s: 7,
            last_good_ms: None,
        };
        HealthReport { generation: 1, servers: (1..).zip(states).map(one).collect() }
    }

    fn state(states: &[HealthState]) -> VsState {
        VsStatus::of(&service(states.len()), Some(&report(states)), None).state
    }

    #[test]
    fn a_service_is_what_its_servers_are() {
        use HealthState::{Down, Unknown, Up};
        assert_eq!(state(&[Up, Up]), VsState::Up);
        assert_eq!(state(&[Up, Down]), VsState::Partial);
        assert_eq!(state(&[Up, Unknown]), VsState::Partial);
        assert_eq!(state(&[Down, Unknown]), VsState::Unknown);
        assert_eq!(state(&[Down, Down]), VsState::Down);
        assert_eq!(state(&[]), VsState::Down);
        assert_eq!(VsStatus::of(&service(1), None, None).state, VsState::Unknown);
    }

    #[test]
    fn what_the_operator_disabled_is_disabled_at_once() {
        let mut one = service(2);
        one.real_servers[0].enabled = false;
        let status = VsStatus::of(&one, Some(&report(&[HealthState::Up, HealthState::Up])), None);
        assert_eq!((status.state, status.servers[0].state), (VsState::Up, HealthState::Disabled));
        assert_eq!(status.servers[0].reason, "");
        one.enabled = false;
        let status = VsStatus::of(&one, Some(&report(&[HealthState::Up, HealthState::Up])), None);
        assert_eq!((status.state, status.servers[1].state), (VsState::Disabled, HealthState::Disabled));
    }

    #[test]
    fn a_service_that_could_not_be_bound_is_down_and_says_why() {
        let mut seen = proxy::ServiceStatus {
            vs: evener_config::VsId(1),
            bound: Err(String::from("address not here")),
            connections: 1,
            accepted: 2,
            requests: 3,
            retries: 4,
            own_answers: 5,
            faults: Vec::new(),
            servers: vec![proxy::ServerStatus { rs: RsId(1), requests: 6, faults: 7, active: 8 }],
        };
        let of = |seen: &proxy::ServiceStatus| {
            let proxy = ProxyStatus { generation: 1, workers: 1, services: vec![seen.clone()] };
            VsStatus::of(&service(1), Some(&report(&[HealthState::Up])), Some(&proxy))
        };
        let status = of(&seen);
        assert_eq!(status.state, VsState::Down);
        assert_eq!(status.reason.as_deref(), Some("not listening: address not here"));
        seen.bound = Ok("192.0.2.1:80".parse().unwrap());
        let status = of(&seen);
        assert_eq!((status.state, status.servers[0].active), (VsState::Up, Some(8)));
    }
}
