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
use evener_config::{Address, Protocol, VirtualService, VsId};
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
                .filter(|vs| vs.enabled && vs.protocol == Protocol::Tcp)
                .map(|vs| (vs.id, vs))
                .collect();
            let gone: Vec<VsId> = self.placed.keys().filter(|id| !served.contains_key(id)).copied().collect();
            for id in gone {
                self.retire(id).await;
            }
            for vs in served.into_values() {
                self.plan(vs, told.health.as_deref());
                self.place(vs, told.net.as_deref()).await;
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

    /// Listens where the service stands now.
    async fn place(&mut self, vs: &VirtualService, net: Option<&NetStatus>) {
        let address = resolve(&vs.address, net).map(|ip| SocketAddr::new(ip, vs.port));
        let Some(placed) = self.placed.get_mut(&vs.id) else { return };
        let before = placed.bound.as_ref().ok().copied();
        let wanted = match address {
            // A lease that ran out for a moment is no reason to hang up on anybody who still gets through.
            Err(reason) if before.is_none() => {
                placed.bound = Err(reason);
                return;
            }
            Err(_) => return,
            Ok(wanted) if placed.wanted == Some(wanted) => return,
            Ok(wanted) => wanted,
        };
        let listeners = match open(&mut self.kept, wanted, self.workers.len()) {
            Ok(listeners) => listeners,
            Err(error) => {
                let reason = format!("{wanted}: {error}");
                if placed.bound != Err(reason.clone()) {
                    tracing::warn!(service = vs.id.0, %wanted, %error, "cannot listen; tried again each second");
                }
                if placed.wanted.take().is_some() {
                    self.tell(|| Command::Unlisten(vs.id));
                    self.forget(before).await;
                }
                if let Some(placed) = self.placed.get_mut(&vs.id) {
                    placed.bound = Err(reason);
                }
                return;
            }
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
        self.forget(before.filter(|before| *before != actual)).await;
        tracing::info!(service = vs.id.0, address = %actual, "listening");
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
