//! A virtual service as the workers see it: how it is served now, and what happened in it.
//!
//! [`Plan`] is never changed, only replaced; a request takes it once and keeps it, so a change of configuration
//! or health never tears a request. Counters are written by one worker each, without a lock and without
//! sharing a cache line, and added up when somebody asks. The number of open connections is the one thing that
//! all workers must agree on; it is touched once a connection.

use arc_swap::ArcSwap;
use evener_api::checks::{HealthReport, HealthState};
use evener_api::proxy::{ServerStatus, ServiceStatus};
use evener_balance::{Candidate, Scheduler, Standing};
use evener_config::{CheckKind, ForwardedFor, RealServer, RsId, VirtualService, VsId};
use evener_http1::HeadLimits;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};
use std::time::Duration;
use tokio::sync::Notify;

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
}

/// What one worker did with one server.
#[derive(Debug, Default)]
#[repr(align(128))]
pub(crate) struct ServerShard {
    pub(crate) requests: AtomicU64,
    pub(crate) faults: AtomicU64,
    pub(crate) active: AtomicU64,
}

/// What one worker did for one service.
#[derive(Debug, Default)]
#[repr(align(128))]
pub(crate) struct ServiceShard {
    pub(crate) accepted: AtomicU64,
    pub(crate) requests: AtomicU64,
    pub(crate) retries: AtomicU64,
    pub(crate) own_answers: AtomicU64,
}

/// A virtual service, shared by all workers.
#[derive(Debug)]
pub(crate) struct Service {
    pub(crate) id: VsId,
    pub(crate) plan: Arc<ArcSwap<Plan>>,
    open: AtomicU32,
    freed: Notify,
    pub(crate) shards: Box<[ServiceShard]>,
}

/// A client connection's place among those that the service may hold.
#[derive(Debug)]
pub(crate) struct Seat(Arc<Service>);

impl Drop for Seat {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Relaxed);
        self.0.freed.notify_waiters();
    }
}

impl Service {
    pub(crate) fn new(id: VsId, plan: Plan, workers: usize) -> Self {
        Self {
            id,
            plan: Arc::new(ArcSwap::from_pointee(plan)),
            open: AtomicU32::new(0),
            freed: Notify::new(),
            shards: (0..workers).map(|_| ServiceShard::default()).collect(),
        }
    }

    /// Waits for a place within the limit.
    pub(crate) async fn admit(self: &Arc<Self>) -> Seat {
        loop {
            let freed = self.freed.notified();
            let limit = self.plan.load().connections;
            if self.open.fetch_update(Relaxed, Relaxed, |open| (open < limit).then_some(open + 1)).is_ok() {
                return Seat(Arc::clone(self));
            }
            freed.await;
        }
    }

    /// Puts a new plan in force, for the next request of every connection.
    pub(crate) fn replace(&self, plan: Plan) {
        self.plan.store(Arc::new(plan));
        // The limit may be higher now.
        self.freed.notify_waiters();
    }

    /// Everything that was counted.
    pub(crate) fn status(&self, bound: Result<SocketAddr, String>) -> ServiceStatus {
        let sum = |of: fn(&ServiceShard) -> &AtomicU64| {
            self.shards.iter().map(|shard| of(shard).load(Relaxed)).sum()
        };
        let servers = self.plan.load().servers.iter().map(Server::status).collect();
        ServiceStatus {
            vs: self.id,
            bound,
            connections: u64::from(self.open.load(Relaxed)),
            accepted: sum(|shard| &shard.accepted),
            requests: sum(|shard| &shard.requests),
            retries: sum(|shard| &shard.retries),
            own_answers: sum(|shard| &shard.own_answers),
            servers,
        }
    }
}

impl Server {
    fn status(&self) -> ServerStatus {
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

impl Plan {
    /// The plan for a configured service, with what checks found. `known` are the servers of the plan before,
    /// whose counters go on.
    pub(crate) fn new(
        edition: u64,
        vs: &VirtualService,
        health: Option<&HealthReport>,
        known: &[Server],
        workers: usize,
    ) -> Self {
        let found: BTreeMap<RsId, HealthState> = health
            .into_iter()
            .flat_map(|report| &report.servers)
            .filter(|server| server.vs == vs.id)
            .map(|server| (server.rs, server.state))
            .collect();
        let probed = vs.check.kind != CheckKind::None;
        let candidates = vs
            .real_servers
            .iter()
            .map(|rs| Candidate {
                id: rs.id.0,
                weight: rs.weight.0,
                standing: standing(rs, probed, found.get(&rs.id)),
            })
            .collect();
        let servers = vs
            .real_servers
            .iter()
            .map(|rs| Server {
                id: rs.id,
                address: SocketAddr::new(rs.address, rs.port),
                shards: known.iter().find(|server| server.id == rs.id).map_or_else(
                    || (0..workers).map(|_| ServerShard::default()).collect(),
                    |server| Arc::clone(&server.shards),
                ),
            })
            .collect();
        let seconds = |seconds: u32| Duration::from_secs(u64::from(seconds.max(1)));
        Self {
            edition,
            scheduler: match vs.scheduler {
                evener_config::Scheduler::RoundRobin => Scheduler::RoundRobin,
                evener_config::Scheduler::WeightedRoundRobin => Scheduler::Weighted,
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

fn standing(rs: &RealServer, probed: bool, found: Option<&HealthState>) -> Standing {
    match found {
        _ if !rs.enabled => Standing::Out,
        _ if !probed => Standing::Up,
        Some(HealthState::Up) => Standing::Up,
        Some(HealthState::Down) => Standing::Out,
        // A report from before the server was enabled again says Disabled: nothing is known of it yet.
        Some(HealthState::Unknown | HealthState::Disabled) | None => Standing::Unknown,
    }
}
