//! A unit without a unit: control, init, net and update on real sockets in a directory of their own.

use argon2::password_hash::{PasswordHasher, SaltString};
use evener_api::control::{self, Accepted, Change, Snapshot, Transaction, Violation};
use evener_api::init::{self, CONSOLES, ServiceState, UnitStatus};
use evener_api::net::{AddressOrigin, InterfaceStatus, NetStatus};
use evener_api::{Service, net, update};
use evener_config::{Config, Interface, InterfaceName, PasswordHash, User};
use evener_ipc::{Connection, IpcError, Listener, publish};
use std::os::unix::fs::symlink;
use std::path::Path;
use std::sync::{Arc, Mutex};
use tempfile::TempDir;
use tokio::sync::watch;

/// The password of `bal`.
pub(crate) const PASSWORD: &str = "correct horse battery";

/// The services that the menu talks to.
#[derive(Debug)]
pub(crate) struct Fake {
    pub(crate) run: TempDir,
    pub(crate) config: watch::Sender<Arc<Snapshot>>,
    /// What init was asked, but for its status and for quiet.
    pub(crate) asked: Mutex<Vec<init::Request>>,
    /// What update was asked.
    pub(crate) updates: Mutex<Vec<update::Request>>,
    /// Changes that control was asked for.
    pub(crate) changes: Mutex<Vec<Transaction>>,
    /// What control refuses every change with.
    pub(crate) refuse: Mutex<Option<Vec<Violation>>>,
    /// Whether the log is kept off the terminal.
    pub(crate) quiet: watch::Sender<bool>,
}

/// A hash that costs next to nothing.
pub(crate) fn cheap_hash(password: &str) -> PasswordHash {
    let salt = SaltString::encode_b64(b"0123456789abcdef").unwrap();
    let params = argon2::Params::new(8, 1, 1, None).unwrap();
    let argon2 = argon2::Argon2::new(argon2::Algorithm::Argon2id, argon2::Version::V0x13, params);
    PasswordHash(argon2.hash_password(password.as_bytes(), &salt).unwrap().to_string())
}

impl Fake {
    /// Starts them; `terminal` is the device that init would have given away.
    pub(crate) fn start(must_change_password: bool, terminal: Option<&Path>) -> Arc<Self> {
        let mut config = Config::default();
        let password = cheap_hash(PASSWORD);
        config.shared.users.push(User { name: "bal".into(), password, must_change_password });
        config.unit.hostname = "unit-1".into();
        let run = tempfile::tempdir().unwrap();
        if let Some(device) = terminal {
            std::fs::create_dir(run.path().join(CONSOLES)).unwrap();
            symlink(device, run.path().join(CONSOLES).join("0-ttyS0")).unwrap();
        }
        let fake = Arc::new(Self {
            run,
            config: watch::Sender::new(Arc::new(Snapshot { generation: 1, config })),
            asked: Mutex::default(),
            updates: Mutex::default(),
            changes: Mutex::default(),
            refuse: Mutex::default(),
            quiet: watch::Sender::new(false),
        });
        fake.serve(Service::Control, of_control);
        fake.serve(Service::Init, of_init);
        fake.serve(Service::Net, of_net);
        fake.serve(Service::Update, of_update);
        fake
    }

    fn serve<F, A>(self: &Arc<Self>, service: Service, answer: A)
    where
        F: Future<Output = Result<(), IpcError>> + Send + 'static,
        A: Fn(Connection, Arc<Self>) -> F + Send + Sync + 'static,
    {
        let listener = Listener::bind(self.run.path(), service).unwrap();
        let fake = Arc::clone(self);
        tokio::spawn(listener.serve(move |connection| answer(connection, Arc::clone(&fake))));
    }

    /// What init was asked since the last call.
    pub(crate) fn asked(&self) -> Vec<init::Request> {
        std::mem::take(&mut self.asked.lock().unwrap())
    }

    /// As [`apply`](Self::apply), by somebody else.
    pub(crate) fn sets_password(&self, password: &str) {
        let password = cheap_hash(password);
        self.apply(&Change::SetPassword { user: "bal".into(), password });
    }

    fn apply(&self, change: &Change) -> Accepted {
        let mut snapshot = Snapshot::clone(&self.config.borrow());
        snapshot.generation += 1;
        match change {
            Change::SetUp(wanted) => {
                let unit = &mut snapshot.config.unit;
                unit.hostname.clone_from(&wanted.hostname);
                (unit.default_gateway, unit.name_servers) =
                    (wanted.default_gateway, wanted.name_servers.clone());
                unit.interfaces = wanted
                    .ipv4
                    .iter()
                    .map(|(name, ipv4)| {
                        let mut interface = Interface::new(name.clone());
                        interface.ipv4 = ipv4.clone();
                        interface
                    })
                    .collect();
            }
            Change::SetPassword { user, password } => {
                let user = snapshot.config.shared.users.iter_mut().find(|it| it.name == *user).unwrap();
                (user.password, user.must_change_password) = (password.clone(), false);
            }
            other => panic!("the menu does not ask for {other:?}"),
        }
        let accepted = Accepted { generation: snapshot.generation, vs: None, rs: None };
        self.config.send_replace(Arc::new(snapshot));
        accepted
    }
}

async fn of_control(mut connection: Connection, fake: Arc<Fake>) -> Result<(), IpcError> {
    while let Some(request) = connection.next_request::<control::Request>().await? {
        let reply = match request {
            control::Request::Subscribe => return publish(&mut connection, fake.config.subscribe()).await,
            control::Request::Warnings => control::Reply::Warnings(vec!["the disk is nearly full".into()]),
            control::Request::Apply(transaction) => {
                let newest = fake.config.borrow().generation;
                let refusal = fake.refuse.lock().unwrap().clone();
                fake.changes.lock().unwrap().push(Transaction::clone(&transaction));
                match refusal {
                    Some(violations) => control::Reply::Invalid(violations),
                    None if transaction.based_on.is_some_and(|based_on| based_on != newest) => {
                        control::Reply::Conflict { newest }
                    }
                    None => control::Reply::Accepted(fake.apply(&transaction.change)),
                }
            }
            other => panic!("the menu does not ask {other:?}"),
        };
        connection.answer(&reply).await?;
    }
    Ok(())
}

async fn of_init(mut connection: Connection, fake: Arc<Fake>) -> Result<(), IpcError> {
    while let Some(request) = connection.next_request::<init::Request>().await? {
        let reply = match request {
            init::Request::Get => init::Reply::Status(Box::new(status())),
            init::Request::Quiet { terminal: 0, quiet } => {
                fake.quiet.send_replace(quiet);
                init::Reply::Done
            }
            request => {
                fake.asked.lock().unwrap().push(request);
                init::Reply::Done
            }
        };
        connection.answer(&reply).await?;
    }
    Ok(())
}

fn status() -> UnitStatus {
    UnitStatus {
        version: "0.1.0".into(),
        uptime_ms: 61_000,
        memory_total_bytes: 1 << 30,
        memory_available_bytes: 900 << 20,
        handoff: String::new(),
        warnings: vec![],
        services: vec![init::ServiceHealth {
            service: Service::Proxy,
            state: ServiceState::Running,
            pid: None,
            restarts: 0,
            last_end: String::new(),
            running_ms: 0,
        }],
    }
}

async fn of_net(mut connection: Connection, _: Arc<Fake>) -> Result<(), IpcError> {
    let interface = |name: &str, addresses: &[&str]| InterfaceStatus {
        name: InterfaceName(name.into()),
        carrier: true,
        mac: [0x52, 0x54, 0, 0x12, 0x34, 0x56],
        addresses: addresses.iter().map(|text| (text.parse().unwrap(), 24)).collect(),
        origin: AddressOrigin::Dhcp,
    };
    let interfaces = vec![interface("eth0", &["192.0.2.5"]), interface("eth1", &[])];
    let status = NetStatus { interfaces, ..NetStatus::default() };
    while let Some(request) = connection.next_request::<net::Request>().await? {
        match request {
            net::Request::Get => connection.answer(&status).await?,
            net::Request::Subscribe => {
                let (_keep, status) = watch::channel(Arc::new(status));
                return publish(&mut connection, status).await;
            }
        }
    }
    Ok(())
}

async fn of_update(mut connection: Connection, fake: Arc<Fake>) -> Result<(), IpcError> {
    while let Some(request) = connection.next_request::<update::Request>().await? {
        fake.updates.lock().unwrap().push(request);
        connection.answer(&update::Changed::Next('R')).await?;
    }
    Ok(())
}
