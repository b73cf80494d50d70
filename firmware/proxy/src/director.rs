//! The director: turns configuration, health and addresses into plans and listeners for the workers.
//!
//! It follows control, checks and net, each of which may be away: then the last that was heard goes on. It is
//! the only one that binds, and leaves each listener with init, so that a restart of the proxy loses none.

use crate::listen;
use crate::plan::{Plan, Sources};
use crate::service::Service;
use crate::worker::Command;
use evener_api::checks::HealthReport;
use evener_api::control::Snapshot;
use evener_api::lifeline::ListenerKey;
use evener_api::net::NetStatus;
use evener_api::proxy::ProxyStatus;
use evener_config::{Address, VirtualService, VsId};
use evener_ipc::{Kept, Lifeline};
use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::AsFd;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc::UnboundedSender;
use tokio::time::Instant;

/// How long a listener that init kept is held for a service that is not known, or has no address, yet.
const CLAIM_WITHIN: Duration = Duration::from_secs(10);

/// What the rest of the unit says.
#[derive(Clone, Debug, Default)]
pub(crate) struct Told {
    pub(crate) snapshot: Option<Arc<Snapshot>>,
    pub(crate) health: Option<Arc<HealthReport>>,
    pub(crate) net: Option<Arc<NetStatus>>,
}

/// A service that is in force.
#[derive(Debug)]
struct Placed {
    service: Arc<Service>,
    /// What was asked for when it was bound; `None`: it is not bound.
    wanted: Option<SocketAddr>,
    bound: Result<SocketAddr, String>,
}

impl Placed {
    /// Not bound, for this reason, which is logged once.
    fn refuse(&mut self, id: VsId, reason: String) {
        let bound = Err(reason);
        if self.bound != bound
            && let Err(reason) = &bound
        {
            tracing::warn!(service = id.0, reason, "cannot listen; tried again each second");
        }
        self.bound = bound;
    }
}

/// Decides what the workers serve.
#[derive(Debug)]
pub(crate) struct Director {
    workers: Vec<UnboundedSender<Command>>,
    lifeline: Lifeline,
    kept: Kept,
    started: Instant,
    edition: u64,
    generation: u64,
    placed: BTreeMap<VsId, Placed>,
}

impl Director {
    pub(crate) fn new(workers: Vec<UnboundedSender<Command>>, lifeline: Lifeline, kept: Kept) -> Self {
        Self {
            workers,
            lifeline,
            kept,
            started: Instant::now(),
            edition: 0,
            generation: 0,
            placed: BTreeMap::new(),
        }
    }

    /// Puts in force what was told; to be repeated each second, for what could not be bound.
    pub(crate) async fn apply(&mut self, told: &Told) {
        if let Some(snapshot) = &told.snapshot {
            self.generation = snapshot.generation;
            let services = &snapshot.config.shared.virtual_services;
            let served: BTreeMap<VsId, &VirtualService> = services
                .iter()
                .filter(|vs| vs.enabled && vs.why_not_served().is_none())
                .map(|vs| (vs.id, vs))
                .collect();
            let gone: Vec<VsId> = self.placed.keys().filter(|id| !served.contains_key(id)).copied().collect();
            for id in gone {
                self.retire(id).await;
            }
            let mut addresses = Vec::new();
            for vs in served.into_values() {
                self.plan(vs, told.health.as_deref());
                let ip = resolve(&vs.address, told.net.as_deref());
                addresses.push((vs.id, ip.map(|ip| SocketAddr::new(ip, vs.port))));
            }
            // One may move to where another one goes away from.
            for (id, address) in &addresses {
                self.leave(*id, address).await;
            }
            for (id, address) in addresses {
                self.place(id, address).await;
            }
        }
        if self.started.elapsed() > CLAIM_WITHIN {
            for (key, listener) in std::mem::take(&mut self.kept) {
                self.lifeline.forget(key).await;
                drop(listener);
            }
        }
    }

    fn plan(&mut self, vs: &VirtualService, health: Option<&HealthReport>) {
        self.edition += 1;
        let workers = self.workers.len();
        let before = self.placed.get(&vs.id).map(|placed| placed.service.plan.load());
        let before = before.as_ref().map(|plan| &***plan);
        let (edition, generation) = (self.edition, self.generation);
        let plan = Plan::new(vs, Sources { edition, generation, health, before, workers });
        match self.placed.get(&vs.id) {
            Some(placed) => placed.service.replace(plan),
            None => {
                let service = Arc::new(Service::new(vs.id, plan, workers));
                let bound = Err("not yet bound".to_owned());
                self.placed.insert(vs.id, Placed { service, wanted: None, bound });
            }
        }
    }

    /// Gives up the listeners of a service that is to stand elsewhere now. Who is connected stays. A service without
    /// an address stays where it was: a lease that ran out for a moment is no reason to hang up on anybody who still
    /// gets through.
    async fn leave(&mut self, id: VsId, address: &Result<SocketAddr, String>) {
        let (Ok(address), Some(placed)) = (address, self.placed.get_mut(&id)) else { return };
        if placed.wanted.take_if(|wanted| wanted != address).is_none() {
            return;
        }
        let before = std::mem::replace(&mut placed.bound, Err("not yet bound".to_owned()));
        self.tell(|| Command::Unlisten(id));
        self.forget(before.ok()).await;
    }

    /// Listens where the service stands now.
    async fn place(&mut self, id: VsId, address: Result<SocketAddr, String>) {
        // All listeners are bound with SO_REUSEPORT: the kernel would share the address out among services.
        let holder = self.placed.iter().find(|(other, placed)| **other != id && placed.bound == address);
        let holder = holder.map(|(other, _)| *other);
        let Some(placed) = self.placed.get_mut(&id) else { return };
        let wanted = match (address, holder) {
            (Err(_), _) if placed.wanted.is_some() => return,
            (Ok(wanted), _) if placed.wanted == Some(wanted) => return,
            (Err(reason), _) => {
                placed.bound = Err(reason);
                return;
            }
            (Ok(wanted), Some(holder)) => {
                placed.refuse(id, format!("{wanted}: taken by service {}", holder.0));
                return;
            }
            (Ok(wanted), None) => wanted,
        };
        let listeners = match open(&mut self.kept, wanted, self.workers.len()) {
            Ok(listeners) => listeners,
            Err(error) => return placed.refuse(id, format!("{wanted}: {error}")),
        };
        let actual = listeners.first().and_then(|listener| listener.local_addr().ok()).unwrap_or(wanted);
        placed.wanted = Some(wanted);
        placed.bound = Ok(actual);
        let service = Arc::clone(&placed.service);
        for (index, (worker, listener)) in (0u16..).zip(self.workers.iter().zip(listeners)) {
            self.lifeline.keep(ListenerKey { address: actual, worker: index }, listener.as_fd()).await;
            // A worker whose thread is gone ends the whole process; see `lib.rs`.
            let _ = worker.send(Command::Listen(Arc::clone(&service), listener));
        }
        tracing::info!(service = id.0, address = %actual, "listening");
    }

    async fn retire(&mut self, id: VsId) {
        self.tell(|| Command::Retire(id));
        if let Some(placed) = self.placed.remove(&id) {
            self.forget(placed.bound.ok()).await;
            tracing::info!(service = id.0, "no longer served");
        }
    }

    async fn forget(&self, address: Option<SocketAddr>) {
        let Some(address) = address else { return };
        for (worker, _) in (0u16..).zip(&self.workers) {
            self.lifeline.forget(ListenerKey { address, worker }).await;
        }
    }

    fn tell(&self, command: impl Fn() -> Command) {
        for worker in &self.workers {
            // A worker whose thread is gone ends the whole process; see `lib.rs`.
            let _ = worker.send(command());
        }
    }

    /// Whether there is something to try again.
    pub(crate) fn has_unbound(&self) -> bool {
        !self.kept.is_empty() || self.placed.values().any(|placed| placed.bound.is_err())
    }

    /// What is in force, for whoever asks.
    pub(crate) fn board(&self) -> Board {
        let services = self.placed.values().map(|placed| (Arc::clone(&placed.service), placed.bound.clone()));
        Board {
            generation: self.generation,
            workers: u16::try_from(self.workers.len()).unwrap_or(u16::MAX),
            services: services.collect(),
        }
    }
}

/// What is in force; its counters go on.
#[derive(Debug)]
pub(crate) struct Board {
    generation: u64,
    workers: u16,
    services: Vec<(Arc<Service>, Result<SocketAddr, String>)>,
}

impl Board {
    /// As it is now.
    pub(crate) fn status(&self) -> ProxyStatus {
        ProxyStatus {
            generation: self.generation,
            workers: self.workers,
            services: self.services.iter().map(|(service, bound)| service.status(bound.clone())).collect(),
        }
    }
}

/// One listener a worker: those that init kept for this address, new ones for the rest.
fn open(kept: &mut Kept, wanted: SocketAddr, workers: usize) -> io::Result<Vec<std::net::TcpListener>> {
    let mut address = wanted;
    let mut listeners = Vec::with_capacity(workers);
    for worker in (0u16..).take(workers) {
        let listener = match kept.remove(&ListenerKey { address, worker }) {
            Some(descriptor) => listen::adopt(descriptor, address)?,
            None => listen::bind(address)?,
        };
        // With port 0, all take the one that the kernel chose for the first.
        address = listener.local_addr()?;
        listeners.push(listener);
    }
    Ok(listeners)
}

/// The IP address that a service stands on, or why it has none. IPv4 goes first.
fn resolve(address: &Address, net: Option<&NetStatus>) -> Result<IpAddr, String> {
    let name = match address {
        Address::Literal(ip) => return Ok(*ip),
        Address::Own(name) => name,
    };
    let net = net.ok_or("the addresses of this unit are not known yet")?;
    let interface = net.interfaces.iter().find(|interface| interface.name == *name);
    let addresses = &interface.ok_or_else(|| format!("there is no interface {}", name.0))?.addresses;
    let first = |want_v4: bool| addresses.iter().map(|(ip, _)| *ip).find(|ip| ip.is_ipv4() == want_v4);
    first(true).or_else(|| first(false)).ok_or_else(|| format!("interface {} has no address", name.0))
}
