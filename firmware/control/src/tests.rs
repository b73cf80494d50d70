//! The whole service on real sockets and real directories.

use crate::password::is_right;
use crate::server::Control;
use evener_api::Service;
use evener_api::control::{Accepted, Change, GenerationInfo, Reply, Request, Snapshot, Transaction};
use evener_api::init::{self, Announcement};
use evener_config::{Config, PasswordHash, RealServer, RsId, VirtualService, VsId};
use evener_ipc::{Connection, Listener, Subscription, call, subscribe};
use evener_observe::Dirs;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::sync::Arc;
use tempfile::TempDir;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

mod trouble;
mod undo;

/// A unit's directories, which outlive the service.
struct Unit {
    root: TempDir,
}

/// The running service.
struct Running {
    run: PathBuf,
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

impl Unit {
    fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir(root.path().join("run")).unwrap();
        Self { root }
    }

    fn dirs(&self) -> Dirs {
        Dirs { run: self.root.path().join("run"), data: self.root.path().join("data") }
    }

    fn start(&self) -> Running {
        let control = Control::start(self.dirs()).unwrap();
        let (stop, stopped) = oneshot::channel();
        let task = tokio::spawn(control.serve(async {
            let _ = stopped.await;
        }));
        Running { run: self.dirs().run, stop, task }
    }

    fn first_password(&self) -> Option<String> {
        fs::read_to_string(self.dirs().run.join("first-password")).ok()
    }

    fn generation_file(&self, generation: u64) -> PathBuf {
        self.dirs().data.join(format!("control/generations/{generation}.json"))
    }
}

impl Running {
    async fn ask(&self, request: Request) -> Reply {
        call(&self.run, Service::Control, &request).await.unwrap()
    }

    async fn snapshot(&self) -> Snapshot {
        match self.ask(Request::Get).await {
            Reply::Snapshot(snapshot) => *snapshot,
            other => panic!("{other:?}"),
        }
    }

    async fn apply(&self, based_on: Option<u64>, change: Change) -> Reply {
        let transaction = Transaction { author: "bal".into(), based_on, reason: None, change };
        self.ask(Request::Apply(Box::new(transaction))).await
    }

    #[track_caller]
    fn accepted(reply: &Reply) -> Accepted {
        match reply {
            Reply::Accepted(accepted) => *accepted,
            other => panic!("{other:?}"),
        }
    }

    async fn add(&self, port: u16) -> Accepted {
        Self::accepted(&self.apply(None, Change::AddVs(service(port))).await)
    }

    async fn history(&self) -> Vec<GenerationInfo> {
        match self.ask(Request::History(u16::MAX)).await {
            Reply::History(history) => history,
            other => panic!("{other:?}"),
        }
    }

    fn follow(&self) -> Subscription<Snapshot> {
        subscribe(self.run.clone(), Service::Control, Request::Subscribe)
    }

    async fn stop(self) {
        self.stop.send(()).unwrap();
        self.task.await.unwrap();
    }
}

fn service(port: u16) -> VirtualService {
    let first = evener_config::first::parse(&format!(
        "[[virtual_services]]\naddress = {{ literal = \"192.0.2.10\" }}\nport = {port}\n\
         [[virtual_services.real_servers]]\naddress = \"10.0.0.5\"\nport = 8080\n"
    ));
    let mut service = first.unwrap().config.shared.virtual_services.remove(0);
    service.id = VsId(0);
    service.real_servers[0].id = RsId(0);
    service
}

fn is_bals(config: &Config, password: &str) -> bool {
    config.shared.users.iter().any(|user| user.name == "bal" && is_right(password, &user.password))
}

#[tokio::test]
async fn a_unit_starts_with_the_defaults_and_a_random_password() {
    let unit = Unit::new();
    let running = unit.start();
    let snapshot = running.snapshot().await;
    assert_eq!(snapshot.generation, 1);
    assert_eq!(evener_config::validate(&snapshot.config), []);
    let [user] = &snapshot.config.shared.users[..] else { panic!("{:?}", snapshot.config.shared.users) };
    assert!(user.must_change_password);
    let password = unit.first_password().unwrap();
    assert_eq!((password.len(), password.matches('-').count()), (24, 4));
    assert!(is_bals(&snapshot.config, &password));
    let mode = fs::metadata(unit.dirs().run.join("first-password")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    running.stop().await;
}

#[tokio::test]
async fn a_change_is_accepted_stored_and_followed() {
    let unit = Unit::new();
    let running = unit.start();
    let mut followed = running.follow();
    followed.wait_for(|it| it.as_ref().is_some_and(|it| it.generation == 1)).await.unwrap();

    let accepted = running.add(80).await;
    assert_eq!(accepted, Accepted { generation: 2, vs: Some(VsId(1)), rs: None });
    let server: RealServer = service(80).real_servers.remove(0);
    let server = RealServer { port: 8081, ..server };
    let accepted = Running::accepted(&running.apply(Some(2), Change::AddRs(VsId(1), server)).await);
    assert_eq!(accepted, Accepted { generation: 3, vs: Some(VsId(1)), rs: Some(RsId(2)) });

    let newest =
        followed.wait_for(|it| it.as_ref().is_some_and(|it| it.generation == 3)).await.unwrap().clone();
    assert_eq!(newest.unwrap().config.shared.virtual_services[0].real_servers.len(), 2);
    let history = running.history().await;
    assert_eq!(
        history.iter().map(|it| (it.generation, it.author.as_str())).collect::<Vec<_>>(),
        [(3, "bal"), (2, "bal"), (1, "evener")]
    );
    assert_eq!(history[0].summary, ["virtual service 192.0.2.10:80: real server 10.0.0.5:8081 added"]);
    running.stop().await;
}

#[tokio::test]
async fn a_refused_change_changes_nothing() {
    let unit = Unit::new();
    let running = unit.start();
    running.add(80).await;
    let before = running.snapshot().await;

    let stale = running.apply(Some(1), Change::DeleteVs(VsId(1))).await;
    assert_eq!(stale, Reply::Conflict { newest: 2 });
    assert_eq!(running.apply(None, Change::DeleteVs(VsId(9))).await, Reply::NotFound);
    let mut bad = service(81);
    bad.real_servers[0].port = 0;
    bad.check.retries = 0;
    let Reply::Invalid(violations) = running.apply(None, Change::AddVs(bad)).await else { panic!() };
    let fields: Vec<&str> = violations.iter().map(|it| it.field.as_str()).collect();
    assert_eq!(
        fields,
        ["shared.virtual_services[1].check.retries", "shared.virtual_services[1].real_servers[0].port"]
    );
    let twice = running.apply(None, Change::AddVs(service(80))).await;
    assert!(matches!(twice, Reply::Invalid(_)), "{twice:?}");
    let secret = PasswordHash("not a hash".into());
    let password = running.apply(None, Change::SetPassword { user: "bal".into(), password: secret }).await;
    assert!(matches!(password, Reply::Invalid(_)), "{password:?}");

    assert_eq!(running.snapshot().await, before);
    assert_eq!(running.add(82).await.vs, Some(VsId(2)), "ids of refused services are still free");
    running.stop().await;
}

#[tokio::test]
async fn a_change_that_changes_nothing_makes_no_generation() {
    let unit = Unit::new();
    let running = unit.start();
    running.add(80).await;
    let same = running.snapshot().await.config.shared.virtual_services.remove(0);
    let accepted = Running::accepted(&running.apply(None, Change::ReplaceVs(same)).await);
    assert_eq!(accepted.generation, 2);
    running.stop().await;
}

#[tokio::test]
async fn changes_at_the_same_time_are_made_one_after_the_other() {
    let unit = Unit::new();
    let running = unit.start();
    let run = running.run.clone();
    let mut calls = tokio::task::JoinSet::new();
    for port in 1000..1030 {
        let run = run.clone();
        calls.spawn(async move {
            let change = Change::AddVs(service(port));
            let transaction = Transaction { author: "bal".into(), based_on: None, reason: None, change };
            call::<_, Reply>(&run, Service::Control, &Request::Apply(Box::new(transaction))).await.unwrap()
        });
    }
    let replies = calls.join_all().await;
    let mut made: Vec<(u64, u32)> = replies
        .iter()
        .map(|reply| Running::accepted(reply))
        .map(|accepted| (accepted.generation, accepted.vs.unwrap().0))
        .collect();
    made.sort_unstable();
    assert_eq!(made, (1..=30).map(|n: u32| (u64::from(n) + 1, n)).collect::<Vec<_>>());
    assert_eq!(running.snapshot().await.config.shared.virtual_services.len(), 30);
    running.stop().await;
}

#[tokio::test]
async fn a_restart_keeps_everything() {
    let unit = Unit::new();
    let running = unit.start();
    running.add(80).await;
    let before = running.snapshot().await;
    let password = unit.first_password();
    running.stop().await;

    let running = unit.start();
    assert_eq!(running.snapshot().await, before);
    assert_eq!(unit.first_password(), password, "a restart of the service alone shows the same password");
    assert_eq!(running.add(81).await.vs, Some(VsId(2)));
    running.stop().await;
}

#[tokio::test]
async fn a_deleted_services_id_does_not_come_back_after_a_restart() {
    let unit = Unit::new();
    let running = unit.start();
    running.add(80).await;
    Running::accepted(&running.apply(None, Change::DeleteVs(VsId(1))).await);
    running.stop().await;
    let running = unit.start();
    assert_eq!(running.add(80).await.vs, Some(VsId(2)));
    running.stop().await;
}

#[tokio::test]
async fn a_reboot_with_the_first_password_makes_another() {
    let unit = Unit::new();
    unit.start().stop().await;
    let former = unit.first_password().unwrap();
    fs::remove_dir_all(unit.dirs().run).unwrap();
    fs::create_dir(unit.dirs().run).unwrap();

    let running = unit.start();
    let snapshot = running.snapshot().await;
    assert_eq!(snapshot.generation, 2);
    let password = unit.first_password().unwrap();
    assert!(is_bals(&snapshot.config, &password));
    assert!(!is_bals(&snapshot.config, &former));
    running.stop().await;
}

#[tokio::test]
async fn init_is_told_of_the_first_password_and_of_its_end() {
    let unit = Unit::new();
    let listener = Listener::bind(&unit.dirs().run, Service::Init).unwrap();
    let (heard, mut announcements) = tokio::sync::mpsc::unbounded_channel();
    let fake_init = tokio::spawn(async move {
        while let Ok(mut connection) = listener.accept().await {
            if let Ok(Some(init::Request::Announce(word))) = connection.receive().await {
                heard.send(word).unwrap();
                connection.send(&init::Reply::Done).await.unwrap();
            }
        }
    });
    let running = unit.start();
    assert_eq!(announcements.recv().await, Some(Announcement::FirstPassword));

    let password = crate::password::hash("a chosen password").unwrap();
    let change = Change::SetPassword { user: "bal".into(), password };
    Running::accepted(&running.apply(None, change).await);
    assert_eq!(announcements.recv().await, Some(Announcement::PasswordChanged));
    assert_eq!(unit.first_password(), None);
    let config = running.snapshot().await.config;
    assert!(is_bals(&config, "a chosen password"));
    assert!(!config.shared.users[0].must_change_password);
    running.stop().await;

    let running = unit.start();
    assert_eq!(running.snapshot().await.generation, 2, "a chosen password stays");
    assert_eq!(unit.first_password(), None);
    running.stop().await;
    fake_init.abort();
}

const FIRST: &str = "hostname = \"lb1\"\npassword = \"correct horse\"\n[[virtual_services]]\n\
    address = { literal = \"192.0.2.10\" }\nport = 80\n";

#[tokio::test]
async fn evener_toml_is_the_first_configuration_and_only_that() {
    let unit = Unit::new();
    let file = unit.dirs().run.join("evener.toml");
    fs::write(&file, FIRST).unwrap();
    let running = unit.start();
    let first = running.snapshot().await;
    assert_eq!((first.generation, first.config.unit.hostname.as_str()), (1, "lb1"));
    assert!(is_bals(&first.config, "correct horse"));
    assert!(!first.config.shared.users[0].must_change_password);
    assert_eq!(unit.first_password(), None);
    assert_eq!(running.history().await[0].author, "evener.toml");
    assert_eq!(running.add(81).await.vs, Some(VsId(2)), "ids go on after those of the file");
    running.stop().await;

    fs::write(&file, FIRST.replace("lb1", "lb2")).unwrap();
    let running = unit.start();
    assert_eq!(running.snapshot().await.config.unit.hostname, "lb1");
    running.stop().await;
}

#[tokio::test]
async fn a_bad_evener_toml_is_refused_whole_and_the_history_says_why() {
    for (text, reason) in [
        (
            FIRST.replace("port = 80", "port = 70000"),
            "line 5: virtual_services[0].port: 70000 is not a port: 1 to 65535",
        ),
        (FIRST.replace("hostname", "hostnam"), "Did you mean `hostname`?"),
        ("\u{0}\u{1}".into(), "line 1"),
        ("#".repeat(2 << 20), "larger than"),
    ] {
        let unit = Unit::new();
        fs::write(unit.dirs().run.join("evener.toml"), text).unwrap();
        let running = unit.start();
        let config = running.snapshot().await.config;
        assert_eq!((config.unit.hostname.as_str(), config.shared.virtual_services.len()), ("evener", 0));
        assert!(is_bals(&config, &unit.first_password().unwrap()));
        let summary = running.history().await.remove(0).summary;
        assert!(
            summary[0].starts_with("evener.toml refused, ") && summary[0].contains(reason),
            "{summary:?}"
        );
        running.stop().await;
    }
}

#[tokio::test]
async fn a_damaged_newest_generation_falls_back_to_the_one_before() {
    let unit = Unit::new();
    let running = unit.start();
    running.add(80).await;
    running.add(81).await;
    running.stop().await;
    let file = unit.generation_file(3);
    let whole = fs::read(&file).unwrap();
    fs::write(&file, &whole[..whole.len() / 2]).unwrap();

    let running = unit.start();
    let snapshot = running.snapshot().await;
    assert_eq!((snapshot.generation, snapshot.config.shared.virtual_services.len()), (2, 1));
    let accepted = running.add(82).await;
    assert_eq!(accepted.generation, 4);
    assert_ne!(accepted.vs, Some(VsId(2)), "the lost service's id is not used again");
    running.stop().await;
}

#[tokio::test]
async fn the_configuration_survives_the_loss_of_data() {
    let unit = Unit::new();
    let path = evener_sys::disk::partition_path(&unit.dirs().run, evener_disk::Role::Conf);
    fs::create_dir(path.parent().unwrap()).unwrap();
    fs::File::create(&path).unwrap().set_len(8 << 20).unwrap();
    let running = unit.start();
    running.add(80).await;
    let before = running.snapshot().await;
    running.stop().await;
    fs::remove_dir_all(unit.dirs().data).unwrap();

    let running = unit.start();
    assert_eq!(running.snapshot().await, before);
    assert!(unit.generation_file(2).exists());
    running.stop().await;
}

#[tokio::test]
async fn a_follower_that_does_not_read_delays_nobody() {
    let unit = Unit::new();
    let running = unit.start();
    let mut dead = Connection::open(&running.run, Service::Control).await.unwrap();
    dead.send(&Request::Subscribe).await.unwrap();
    let mut followed = running.follow();
    // Large enough that the dead follower's socket is full after a few.
    let mut large = service(79);
    let pattern = large.real_servers.remove(0);
    large.real_servers = (1..=500).map(|port| RealServer { port, ..pattern.clone() }).collect();
    for port in 0..9 {
        let mut more = large.clone();
        more.port = 2000 + port;
        Running::accepted(&running.apply(None, Change::AddVs(more)).await);
    }
    for port in 1000..1020 {
        running.add(port).await;
    }
    let newest = followed.wait_for(|it| it.as_ref().is_some_and(|it| it.generation == 30)).await;
    assert_eq!(newest.unwrap().as_ref().unwrap().config.shared.virtual_services.len(), 29);
    running.stop().await;
}

#[tokio::test]
async fn nonsense_ends_its_own_connection_only() {
    let unit = Unit::new();
    let running = unit.start();
    let mut nonsense = Connection::open(&running.run, Service::Control).await.unwrap();
    nonsense.send(&"x".repeat(1000)).await.unwrap();
    assert!(matches!(nonsense.receive::<Reply>().await, Ok(None) | Err(_)));
    assert_eq!(running.snapshot().await.generation, 1);
    running.stop().await;
}

#[tokio::test]
async fn connections_are_limited_and_places_come_back() {
    let unit = Unit::new();
    let running = unit.start();
    let mut held = Vec::new();
    for _ in 0..64 {
        let mut connection = Connection::open(&running.run, Service::Control).await.unwrap();
        connection.send(&Request::Get).await.unwrap();
        assert!(matches!(connection.receive().await, Ok(Some(Reply::Snapshot(_)))));
        held.push(connection);
    }
    let refused = call::<_, Reply>(&running.run, Service::Control, &Request::Get).await;
    assert!(refused.is_err(), "{refused:?}");
    held.pop();
    let arc = Arc::new(running);
    let again = async {
        loop {
            if let Ok(reply) = call::<_, Reply>(&arc.run, Service::Control, &Request::Get).await {
                return reply;
            }
            tokio::task::yield_now().await;
        }
    };
    assert!(matches!(
        tokio::time::timeout(std::time::Duration::from_secs(10), again).await,
        Ok(Reply::Snapshot(_))
    ));
    drop(held);
    Arc::into_inner(arc).unwrap().stop().await;
}

#[tokio::test]
async fn a_store_that_cannot_write_refuses_and_keeps_what_was() {
    let unit = Unit::new();
    let running = unit.start();
    let generations = unit.dirs().data.join("control/generations");
    let aside = unit.root.path().join("aside");
    fs::rename(&generations, &aside).unwrap();
    let refused = running.apply(None, Change::AddVs(service(80))).await;
    assert!(matches!(refused, Reply::Failed(_)), "{refused:?}");
    assert_eq!(running.snapshot().await.generation, 1);
    fs::rename(&aside, &generations).unwrap();
    assert_eq!(running.add(80).await.generation, 2);
    running.stop().await;
}
