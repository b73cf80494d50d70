//! How a service is served: what the director makes of configuration and health for the workers.
//!
//! [`Plan`] is never changed, only replaced; a request takes it once and keeps it, so a change of configuration
//! or health never tears a request.

use crate::service::ServerShard;
use evener_api::checks::{HealthReport, HealthState};
use evener_api::proxy::ServerStatus;
use evener_balance::{Candidate, Scheduler, Standing};
use evener_config::{CheckKind, ForwardedFor, RealServer, RsId, VirtualService};
use evener_http1::HeadLimits;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

/// How a service is served.
#[derive(Debug)]
pub(crate) struct Plan {
    /// Tells it from the plans before; never the same twice in a process.
    pub(crate) edition: u64,
    pub(crate) scheduler: Scheduler,
    /// One a real server; `servers` has the same order.
    pub(crate) candidates: Vec<Candidate>,
    pub(crate) servers: Vec<Server>,
    pub(crate) append_forwarded_for: bool,
    pub(crate) head_limits: HeadLimits,
    pub(crate) connections: u32,
    pub(crate) request_head: Duration,
    pub(crate) connect: Duration,
    pub(crate) response_head: Duration,
    pub(crate) idle: Duration,
    pub(crate) keep_alive: Duration,
    /// Seconds after which a client is told to come back when no server is up: the next probe is over then.
    pub(crate) retry_after_s: u16,
}

/// A real server.
#[derive(Clone, Debug)]
pub(crate) struct Server {
    pub(crate) id: RsId,
    pub(crate) address: SocketAddr,
    pub(crate) shards: Arc<[ServerShard]>,
    /// The configuration since which it has this address. A report about an earlier one is about another server.
    since: u64,
    /// What the last probe that counts has found.
    found: Standing,
}

/// What a plan is made of, besides the service.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sources<'s> {
    /// Tells the plan from all others.
    pub(crate) edition: u64,
    /// The configuration's.
    pub(crate) generation: u64,
    pub(crate) health: Option<&'s HealthReport>,
    /// The plan so far, whose counters and findings go on.
    pub(crate) before: Option<&'s Plan>,
    pub(crate) workers: usize,
}

impl Plan {
    /// The plan for a configured service.
    pub(crate) fn new(vs: &VirtualService, sources: Sources<'_>) -> Self {
        let reported = sources.health.map_or(0, |report| report.generation);
        let found: BTreeMap<RsId, HealthState> = sources
            .health
            .into_iter()
            .flat_map(|report| &report.servers)
            .filter(|server| server.vs == vs.id)
            .map(|server| (server.rs, server.state))
            .collect();
        let probed = vs.check.kind != CheckKind::None;
        let servers: Vec<Server> = vs
            .real_servers
            .iter()
            .map(|rs| Server::new(rs, sources, found.get(&rs.id).map(|state| (reported, *state))))
            .collect();
        let candidates = vs.real_servers.iter().zip(&servers).map(|(rs, server)| Candidate {
            id: rs.id.0,
            weight: rs.weight.0,
            standing: match server.found {
                _ if !rs.enabled => Standing::Out,
                _ if !probed => Standing::Up,
                found => found,
            },
        });
        let candidates = candidates.collect();
        let seconds = |seconds: u32| Duration::from_secs(u64::from(seconds.max(1)));
        Self {
            edition: sources.edition,
            scheduler: match vs.scheduler {
                evener_config::Scheduler::WeightedRoundRobin => Scheduler::Weighted,
                // Methods that are not active in this version share the work all the same.
                _ => Scheduler::RoundRobin,
            },
            candidates,
            servers,
            append_forwarded_for: vs.forwarded_for == ForwardedFor::XForwardedFor,
            head_limits: HeadLimits {
                bytes: usize::try_from(vs.limits.request_head_bytes).unwrap_or(usize::MAX),
                fields: usize::from(vs.limits.request_headers),
            },
            connections: vs.limits.connections.max(1),
            request_head: seconds(vs.timeouts.request_head_s),
            connect: seconds(vs.timeouts.connect_s),
            response_head: seconds(vs.timeouts.response_head_s),
            idle: seconds(vs.timeouts.idle_s),
            keep_alive: seconds(vs.timeouts.keep_alive_s),
            retry_after_s: vs.check.interval_s.max(1),
        }
    }
}

impl Server {
    /// `report`: the configuration that it is about, and what it says of this server.
    fn new(rs: &RealServer, sources: Sources<'_>, report: Option<(u64, HealthState)>) -> Self {
        let address = SocketAddr::new(rs.address, rs.port);
        let before = sources.before.and_then(|plan| plan.servers.iter().find(|server| server.id == rs.id));
        let same = before.filter(|server| server.address == address);
        // Generations begin anew when a unit is set up anew.
        let since = same.map_or(sources.generation, |server| server.since.min(sources.generation));
        let known = same.map_or(Standing::Unknown, |server| server.found);
        let found = match report.filter(|(generation, _)| *generation >= since) {
            Some((_, HealthState::Up)) => Standing::Up,
            Some((_, HealthState::Down)) => Standing::Out,
            // Enabled again, a server is new.
            _ if !rs.enabled => Standing::Unknown,
            // Checks was started again and has not probed it yet: what was known is better than nothing.
            Some((_, HealthState::Unknown | HealthState::Disabled)) | None => known,
        };
        let shards = before.map_or_else(
            || (0..sources.workers).map(|_| ServerShard::default()).collect(),
            |server| Arc::clone(&server.shards),
        );
        Self { id: rs.id, address, shards, since, found }
    }

    /// Everything that was counted.
    pub(crate) fn status(&self) -> ServerStatus {
        let sum = |of: fn(&ServerShard) -> &AtomicU64| {
            self.shards.iter().map(|shard| of(shard).load(Relaxed)).sum()
        };
        ServerStatus {
            rs: self.id,
            requests: sum(|shard| &shard.requests),
            faults: sum(|shard| &shard.faults),
            active: sum(|shard| &shard.active),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use evener_api::checks::ServerHealth;
    use evener_config::VsId;

    fn service(port: u16, enabled: bool) -> VirtualService {
        serde_json::from_value(serde_json::json!({
            "id": 1, "address": {"literal": "192.0.2.1"}, "port": 80,
            "real_servers": [{"id": 7, "address": "10.0.0.1", "port": port, "enabled": enabled}],
        }))
        .unwrap()
    }

    fn report(generation: u64, state: HealthState) -> HealthReport {
        let server = ServerHealth {
            vs: VsId(1),
            rs: RsId(7),
            state,
            reason: String::new(),
            since_unix_s: 0,
            last_good_ms: None,
        };
        HealthReport { generation, servers: vec![server] }
    }

    /// The plan after `before`.
    fn next(
        before: Option<&Plan>,
        vs: &VirtualService,
        generation: u64,
        health: Option<&HealthReport>,
    ) -> Plan {
        Plan::new(vs, Sources { edition: 1, generation, health, before, workers: 1 })
    }

    #[test]
    fn what_was_known_of_a_server_outlives_a_restart_of_checks() {
        let vs = service(80, true);
        for (state, standing) in [(HealthState::Up, Standing::Up), (HealthState::Down, Standing::Out)] {
            let plan = next(None, &vs, 4, Some(&report(4, state)));
            assert_eq!(plan.candidates[0].standing, standing);
            let plan = next(Some(&plan), &vs, 4, Some(&HealthReport::default()));
            assert_eq!(plan.candidates[0].standing, standing, "an empty report");
            let plan = next(Some(&plan), &vs, 5, Some(&report(5, HealthState::Unknown)));
            assert_eq!(plan.candidates[0].standing, standing, "not probed yet by the new checks");
            let plan = next(Some(&plan), &vs, 5, None);
            assert_eq!(plan.candidates[0].standing, standing, "no report at all");
        }
    }

    #[test]
    fn what_was_known_of_an_address_says_nothing_about_another() {
        let (old, new) = (service(80, true), service(81, true));
        let plan = next(None, &old, 4, Some(&report(4, HealthState::Up)));
        let plan = next(Some(&plan), &new, 5, Some(&report(4, HealthState::Up)));
        assert_eq!(plan.candidates[0].standing, Standing::Unknown);
        let plan = next(Some(&plan), &new, 6, Some(&report(4, HealthState::Up)));
        assert_eq!(plan.candidates[0].standing, Standing::Unknown, "and a change elsewhere changes nothing");
        let plan = next(Some(&plan), &new, 6, Some(&report(5, HealthState::Up)));
        assert_eq!(plan.candidates[0].standing, Standing::Up);
        let plan = next(Some(&plan), &new, 1, Some(&report(1, HealthState::Down)));
        assert_eq!(plan.candidates[0].standing, Standing::Out, "also when generations begin anew");
    }

    #[test]
    fn a_server_that_is_enabled_again_is_new() {
        let (on, off) = (service(80, true), service(80, false));
        let plan = next(None, &on, 1, Some(&report(1, HealthState::Down)));
        let plan = next(Some(&plan), &off, 2, Some(&report(2, HealthState::Disabled)));
        assert_eq!(plan.candidates[0].standing, Standing::Out);
        let plan = next(Some(&plan), &on, 3, Some(&report(2, HealthState::Disabled)));
        assert_eq!(plan.candidates[0].standing, Standing::Unknown);
    }
}
