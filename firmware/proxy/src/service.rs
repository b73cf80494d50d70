//! A virtual service as the workers see it: the plan in force, and what happened in it.
//!
//! Counters are written by one worker each, without a lock and without
//! sharing a cache line, and added up when somebody asks. The number of open connections is the one thing that
//! all workers must agree on; it is touched once a connection.

use crate::fault::METRICS;
use crate::plan::{Plan, Server};
use arc_swap::ArcSwap;
use evener_api::proxy::ServiceStatus;
use evener_config::VsId;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};
use tokio::sync::Notify;

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
    /// In the order of [`METRICS`].
    pub(crate) faults: [AtomicU64; METRICS.len()],
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

    /// What went wrong, and how often.
    fn faults(&self) -> Vec<(String, u64)> {
        let count = |at: usize| {
            self.shards.iter().filter_map(|shard| shard.faults.get(at)).map(|count| count.load(Relaxed)).sum()
        };
        let counts = METRICS.iter().enumerate().map(|(at, name)| ((*name).to_owned(), count(at)));
        counts.filter(|(_, count)| *count > 0).collect()
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
            faults: self.faults(),
            servers,
        }
    }
}
