//! A unit without a unit: the services that web talks to, on real sockets in a directory of their own.
//!
//! Control keeps its configuration in memory and knows a few rules only; the others say what they are told to.

use evener_api::checks::{self, HealthReport, HealthState, ServerHealth};
use evener_api::control::{
    Accepted, Change, Generation, GenerationInfo, Parts, Reply, Request, Snapshot, Transaction, Violation,
};
use evener_api::init::{ServiceHealth, ServiceState, UnitStatus};
use evener_api::net::{AddressOrigin, InterfaceStatus, NetStatus};
use evener_api::proxy::{ProxyStatus, ServerStatus, ServiceStatus};
use evener_api::{Service, init};
use evener_config::{Address, Config, InterfaceName, PasswordHash, User, VirtualService};
use evener_ipc::{Connection, Listener, publish};
use log::FakeLog;
use std::future::Future;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::{Arc, Mutex};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use update::FakeUpdate;

#[path = "fake_log.rs"]
pub(crate) mod log;

#[path = "fake_update.rs"]
pub(crate) mod update;

/// What the fake services say.
#[derive(Debug)]
pub(crate) struct Fake {
    /// Control's newest configuration.
    pub(crate) config: watch::Sender<Arc<Snapshot>>,
    /// What checks says.
    pub(crate) health: Mutex<HealthReport>,
    /// What proxy says.
    pub(crate) proxy: Mutex<ProxyStatus>,
    /// What init says.
    pub(crate) status: Mutex<UnitStatus>,
    /// What net says.
    pub(crate) net: Mutex<NetStatus>,
    /// The service update.
    pub(crate) update: FakeUpdate,
    /// What init was asked to do.
    pub(crate) asked: Mutex<Vec<init::Request>>,
    /// What control refuses the next change with.
    pub(crate) refuse: Mutex<Option<Vec<Violation>>>,
    /// The changes that control was asked for.
    pub(crate) changes: Mutex<Vec<Transaction>>,
    /// How control treats the next change after it was made.
    pub(crate) after: Mutex<After>,
    /// What control warns of.
    pub(crate) warnings: Mutex<Vec<String>>,
    /// The generations that control keeps, oldest first.
    pub(crate) past: Mutex<Vec<Generation>>,
    /// Where control finds the next undoing in the way of later changes.
    pub(crate) clashes: Mutex<Vec<Violation>>,
    /// The service log.
    pub(crate) log: FakeLog,
}

/// What control does about a change that it made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum After {
    /// Tells everybody.
    #[default]
    Tell,
    /// Answers, and is slow to tell the followers.
    Late,
    /// Breaks off before it answers.
    Silent,
}

impl Fake {
    /// A unit with this password hash and these services.
    pub(crate) fn new(phc: &str, must_change_password: bool, services: Vec<VirtualService>) -> Arc<Self> {
        let mut config = Config::default();
        config.shared.users.push(User {
            name: String::from("bal"),
            password: PasswordHash(phc.to_owned()),
            must_change_password,
        });
        config.shared.virtual_services = services;
        config.unit.hostname = String::from("lb-1");
        let info = GenerationInfo {
            generation: 1,
            author: String::from("bal"),
            unix_s: 1_700_000_000,
            reason: None,
            undoes: None,
            restores: None,
            summary: vec![String::from("virtual service shop added")],
        };
        let past = Mutex::new(vec![Generation { info, config: config.clone() }]);
        Arc::new(Self {
            config: watch::Sender::new(Arc::new(Snapshot { generation: 1, config })),
            health: Mutex::default(),
            proxy: Mutex::default(),
            status: Mutex::new(UnitStatus {
                version: String::from("0.1.0"),
                uptime_ms: 93_784_000,
                handoff: String::new(),
                memory_total_bytes: 1 << 30,
                memory_available_bytes: 900 << 20,
                warnings: Vec::new(),
                services: Service::SUPERVISED.into_iter().map(running).collect(),
            }),
            net: Mutex::new(NetStatus {
                interfaces: vec![InterfaceStatus {
                    name: InterfaceName(String::from("eth0")),
                    carrier: true,
                    mac: [0x52, 0x54, 0, 0x12, 0x34, 0x56],
                    addresses: vec![(IpAddr::V4(Ipv4Addr::new(192, 0, 2, 5)), 24)],
                    origin: AddressOrigin::Dhcp,
                }],
                gateway: Some(Ipv4Addr::new(192, 0, 2, 1)),
                name_servers: vec![IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1))],
            }),
            update: FakeUpdate::new(),
            asked: Mutex::default(),
            refuse: Mutex::default(),
            changes: Mutex::default(),
            after: Mutex::default(),
            warnings: Mutex::default(),
            past,
            clashes: Mutex::default(),
            log: FakeLog::default(),
        })
    }

    /// Starts the services on sockets in `run`; each is gone when its task is aborted.
    pub(crate) fn start(self: &Arc<Self>, run: &Path) -> Vec<(Service, JoinHandle<()>)> {
        vec![
            (Service::Control, serve(self, run, Service::Control, control)),
            (Service::Init, serve(self, run, Service::Init, init)),
            (Service::Checks, serve(self, run, Service::Checks, checks)),
            (Service::Proxy, serve(self, run, Service::Proxy, proxy)),
            (Service::Net, serve(self, run, Service::Net, net)),
            (Service::Update, serve(self, run, Service::Update, of_update)),
            (Service::Log, serve(self, run, Service::Log, of_log)),
        ]
    }

    /// Sets what checks says about every server, in the configuration's order, over and over.
    pub(crate) fn set_health(&self, states: &[(HealthState, &str)], now_s: u64) {
        let snapshot = self.config.borrow().clone();
        let services = &snapshot.config.shared.virtual_services;
        let all = services
            .iter()
            .flat_map(|service| service.real_servers.iter().map(|server| (service.id, server.id)));
        let servers = all.zip(states.iter().cycle()).zip(1_u32..).map(|(((vs, rs), (state, reason)), n)| {
            ServerHealth {
                vs,
                rs,
                state: *state,
                reason: (*reason).to_owned(),
                since_unix_s: now_s.saturating_sub(u64::from(n) * 137),
                last_good_ms: (*state == HealthState::Up).then_some(n),
            }
        });
        let servers = servers.collect();
        *self.health.lock().unwrap() = HealthReport { generation: snapshot.generation, servers };
    }

    /// Sets what proxy says: every service bound, with `requests` for each server.
    pub(crate) fn set_traffic(&self, requests: u64) {
        let snapshot = self.config.borrow().clone();
        let one = |service: &VirtualService| ServiceStatus {
            vs: service.id,
            bound: Ok(SocketAddr::from((Ipv4Addr::new(192, 0, 2, 10), service.port))),
            connections: requests % 97,
            accepted: requests / 9,
            requests: requests * service.real_servers.len() as u64,
            retries: requests / 10_007,
            own_answers: requests / 5_003,
            faults: vec![(String::from("connect_timeout"), requests / 617)],
            servers: service
                .real_servers
                .iter()
                .map(|server| ServerStatus {
                    rs: server.id,
                    requests,
                    faults: requests / 20_011,
                    active: requests % 7,
                })
                .collect(),
        };
        let services =
            snapshot.config.shared.virtual_services.iter().filter(|one| one.enabled).map(one).collect();
        *self.proxy.lock().unwrap() = ProxyStatus { generation: snapshot.generation, workers: 2, services };
    }

    fn apply(&self, transaction: Transaction) -> Reply {
        self.changes.lock().unwrap().push(transaction.clone());
        let (next, accepted) = match self.prepare(&transaction) {
            Ok(made) => made,
            Err(refusal) => return refusal,
        };
        let newest = self.config.borrow().clone();
        if next.config == newest.config {
            return Reply::Accepted(Accepted { generation: newest.generation, ..accepted });
        }
        let (mut undoes, mut restores) = (None, None);
        match transaction.change {
            Change::Undo { generation } => undoes = Some(generation),
            Change::Restore { generation } => restores = Some(generation),
            _ => {}
        }
        let info = GenerationInfo {
            generation: next.generation,
            author: transaction.author,
            unix_s: 1_700_000_000,
            reason: transaction.reason,
            undoes,
            restores,
            summary: evener_config::diff(&newest.config, &next.config),
        };
        self.past.lock().unwrap().push(Generation { info, config: next.config.clone() });
        if *self.after.lock().unwrap() != After::Late {
            self.config.send_replace(Arc::new(next));
        }
        Reply::Accepted(accepted)
    }

    fn prepare(&self, transaction: &Transaction) -> Result<(Snapshot, Accepted), Reply> {
        if let Some(violations) = self.refuse.lock().unwrap().take() {
            return Err(Reply::Invalid(violations));
        }
        let newest = self.config.borrow().clone();
        if transaction.based_on.is_some_and(|generation| generation != newest.generation) {
            return Err(Reply::Conflict { newest: newest.generation });
        }
        let mut next = (*newest).clone();
        next.generation += 1;
        let mut accepted = Accepted { generation: next.generation, vs: None, rs: None };
        match &transaction.change {
            // As simple as can be: the change before is the one that is taken back.
            Change::Undo { generation } => {
                let clashes = std::mem::take(&mut *self.clashes.lock().unwrap());
                if !clashes.is_empty() {
                    return Err(Reply::Clashes(clashes));
                }
                next.config = self.kept(generation - 1).ok_or(Reply::NotFound)?.config;
            }
            Change::Restore { generation } => {
                next.config = self.kept(*generation).ok_or(Reply::NotFound)?.config;
            }
            one => {
                if !change(&mut next, one.clone(), &mut accepted) {
                    return Err(Reply::NotFound);
                }
            }
        }
        let violations = judge(&next.config);
        if violations.is_empty() { Ok((next, accepted)) } else { Err(Reply::Invalid(violations)) }
    }

    fn kept(&self, generation: u64) -> Option<Generation> {
        self.past.lock().unwrap().iter().find(|one| one.info.generation == generation).cloned()
    }

    fn history(&self) -> Reply {
        Reply::History(self.past.lock().unwrap().iter().rev().map(|one| one.info.clone()).collect())
    }

    fn compare(&self, from: u64, to: u64) -> Reply {
        match (self.kept(from), self.kept(to)) {
            (Some(from), Some(to)) => Reply::Difference(evener_config::diff(&from.config, &to.config)),
            _ => Reply::NotFound,
        }
    }

    fn try_out(&self, transaction: &Transaction) -> Reply {
        let newest = self.config.borrow().clone();
        match self.prepare(transaction) {
            Ok((next, _)) => Reply::Difference(evener_config::diff(&newest.config, &next.config)),
            Err(refusal) => refusal,
        }
    }
}

fn change(next: &mut Snapshot, change: Change, accepted: &mut Accepted) -> bool {
    let services = &mut next.config.shared.virtual_services;
    let fresh = 1 + services
        .iter()
        .flat_map(|one| one.real_servers.iter().map(|server| server.id.0).chain([one.id.0]))
        .max()
        .unwrap_or_default();
    let find = |services: &mut Vec<VirtualService>, vs| services.iter().position(|one| one.id == vs);
    match change {
        Change::AddVs(mut service) => {
            service.id.0 = fresh;
            for (server, id) in service.real_servers.iter_mut().zip(fresh + 1..) {
                server.id.0 = id;
            }
            accepted.vs = Some(service.id);
            services.push(service);
        }
        Change::ReplaceVs(service) => {
            let Some(at) = find(services, service.id) else { return false };
            accepted.vs = Some(service.id);
            services[at] = service;
        }
        Change::DeleteVs(vs) => {
            let Some(at) = find(services, vs) else { return false };
            services.remove(at);
        }
        Change::AddRs(vs, mut server) => {
            let Some(at) = find(services, vs) else { return false };
            server.id.0 = fresh;
            (accepted.vs, accepted.rs) = (Some(vs), Some(server.id));
            services[at].real_servers.push(server);
        }
        Change::ReplaceRs(vs, server) => {
            let Some(at) = find(services, vs) else { return false };
            let servers = &mut services[at].real_servers;
            let Some(at) = servers.iter().position(|one| one.id == server.id) else { return false };
            accepted.rs = Some(server.id);
            servers[at] = server;
        }
        Change::DeleteRs(vs, rs) => {
            let Some(at) = find(services, vs) else { return false };
            let before = services[at].real_servers.len();
            services[at].real_servers.retain(|one| one.id != rs);
            return services[at].real_servers.len() < before;
        }
        Change::ReplaceUnit(unit) => next.config.unit = unit,
        Change::SetPassword { user, password } => {
            let Some(user) = next.config.shared.users.iter_mut().find(|one| one.name == user) else {
                return false;
            };
            user.password = password;
            user.must_change_password = false;
        }
        Change::Replace(parts) => {
            let Parts { services, unit, users } = *parts;
            let shared = &mut next.config.shared;
            let users = users.unwrap_or_else(|| shared.users.clone());
            *shared = services.unwrap_or_else(|| shared.clone());
            shared.users = users;
            next.config.unit = unit.unwrap_or_else(|| next.config.unit.clone());
        }
        // Where the past is known; at the console.
        Change::SetUp(_) | Change::Undo { .. } | Change::Restore { .. } => return false,
    }
    true
}

fn judge(config: &Config) -> Vec<Violation> {
    let mut violations = Vec::new();
    let mut complain =
        |field: String, reason: &str| violations.push(Violation { field, reason: reason.to_owned() });
    for (at, service) in config.shared.virtual_services.iter().enumerate() {
        let path = format!("shared.virtual_services[{at}]");
        if service.port == 0 {
            complain(format!("{path}.port"), "0 is not a port: 1 to 65535");
        }
        if service.address == Address::Own(InterfaceName(String::new())) {
            complain(format!("{path}.address.own"), "An interface needs a name, such as eth0.");
        }
        if service.check.interval_s <= service.check.timeout_s * u16::from(service.check.retries) {
            complain(
                format!("{path}.check.interval_s"),
                "The interval must be at least time-out × tries + 1.",
            );
        }
        for (rs, server) in service.real_servers.iter().enumerate() {
            if server.weight.0 == 0 {
                complain(format!("{path}.real_servers[{rs}].weight"), "0 is not a weight: 1 to 65535");
            }
        }
    }
    violations
}

fn running(service: Service) -> ServiceHealth {
    ServiceHealth {
        service,
        state: ServiceState::Running,
        pid: Some(service.uid()),
        restarts: 0,
        last_end: String::new(),
        running_ms: 93_000_000,
    }
}

fn serve<F, R>(fake: &Arc<Fake>, run: &Path, service: Service, answer: F) -> JoinHandle<()>
where
    F: Fn(Arc<Fake>, Connection) -> R + Send + Sync + Copy + 'static,
    R: Future<Output = ()> + Send + 'static,
{
    let listener = Listener::bind(run, service).unwrap();
    let fake = Arc::clone(fake);
    tokio::spawn(async move {
        let mut connections = tokio::task::JoinSet::new();
        while let Ok(connection) = listener.accept().await {
            connections.spawn(answer(Arc::clone(&fake), connection));
        }
    })
}

async fn control(fake: Arc<Fake>, mut connection: Connection) {
    while let Ok(Some(request)) = connection.receive::<Request>().await {
        let reply = match request {
            Request::Subscribe => {
                let _ = publish(&mut connection, fake.config.subscribe()).await;
                return;
            }
            Request::Get => Reply::Snapshot(Box::new((**fake.config.borrow()).clone())),
            Request::Apply(transaction) => {
                let reply = fake.apply(*transaction);
                if *fake.after.lock().unwrap() == After::Silent {
                    return;
                }
                reply
            }
            Request::LostBy(_) => Reply::Lost { generation: None, lines: Vec::new() },
            Request::Warnings => Reply::Warnings(fake.warnings.lock().unwrap().clone()),
            Request::History(_) => fake.history(),
            Request::Compare { from, to } => fake.compare(from, to),
            Request::Try(transaction) => fake.try_out(&transaction),
            Request::Generation(one) => {
                fake.kept(one).map_or(Reply::NotFound, |one| Reply::Generation(Box::new(one)))
            }
        };
        if connection.send(&reply).await.is_err() {
            return;
        }
    }
}

async fn init(fake: Arc<Fake>, mut connection: Connection) {
    while let Ok(Some(request)) = connection.receive::<init::Request>().await {
        let reply = if request == init::Request::Get {
            init::Reply::Status(Box::new(fake.status.lock().unwrap().clone()))
        } else {
            fake.asked.lock().unwrap().push(request);
            init::Reply::Done
        };
        let _ = connection.send(&reply).await;
    }
}

async fn checks(fake: Arc<Fake>, mut connection: Connection) {
    while let Ok(Some(checks::Request::Get)) = connection.receive().await {
        let report = fake.health.lock().unwrap().clone();
        let _ = connection.send(&report).await;
    }
}

async fn proxy(fake: Arc<Fake>, mut connection: Connection) {
    while let Ok(Some(evener_api::proxy::Request::Get)) = connection.receive().await {
        let status = fake.proxy.lock().unwrap().clone();
        let _ = connection.send(&status).await;
    }
}

async fn net(fake: Arc<Fake>, mut connection: Connection) {
    while let Ok(Some(_)) = connection.receive::<evener_api::net::Request>().await {
        let status = fake.net.lock().unwrap().clone();
        let _ = connection.send(&status).await;
    }
}

async fn of_update(fake: Arc<Fake>, connection: Connection) {
    fake.update.serve(connection).await;
}

async fn of_log(fake: Arc<Fake>, connection: Connection) {
    fake.log.answer(connection).await;
}
