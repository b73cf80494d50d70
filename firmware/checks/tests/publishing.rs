//! The checker from outside: a stand-in for control, servers on real sockets, a follower of its reports.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test crate")]

use evener_api::Service;
use evener_api::checks::{HealthReport, HealthState, Request};
use evener_api::control::{self, Snapshot};
use evener_config::{CheckKind, Config, HealthCheck, RsId, VirtualService};
use evener_ipc::{Connection, Lifeline, Listener, Subscription, call, publish, subscribe};
use evener_observe::Dirs;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::sync::{oneshot, watch};

struct Rig {
    directory: TempDir,
    snapshots: watch::Sender<Arc<Snapshot>>,
    reports: Subscription<HealthReport>,
    stop: oneshot::Sender<()>,
    checks: tokio::task::JoinHandle<anyhow::Result<()>>,
}

impl Rig {
    async fn start(servers: &[SocketAddr], check: HealthCheck) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let (snapshots, published) = watch::channel(Arc::new(snapshot(1, servers, check)));
        stand_in_for_control(directory.path(), published);
        let dirs = Dirs { run: directory.path().into(), data: directory.path().into() };
        let (lifeline, _) = Lifeline::start().await.unwrap();
        let (stop, stopped) = oneshot::channel();
        let checks = tokio::spawn(evener_checks::operate(dirs, lifeline, async { _ = stopped.await }));
        let reports = subscribe(directory.path().into(), Service::Checks, Request::Subscribe);
        Self { directory, snapshots, reports, stop, checks }
    }

    /// Waits until the report is as described.
    async fn until(&mut self, what: &str, condition: impl Fn(&HealthReport) -> bool) -> Arc<HealthReport> {
        let wait = self.reports.wait_for(|report| report.as_deref().is_some_and(&condition));
        let report = tokio::time::timeout(Duration::from_secs(20), wait).await;
        report.unwrap_or_else(|_| panic!("{what} did not happen")).unwrap().clone().unwrap()
    }
}

fn stand_in_for_control(run: &Path, published: watch::Receiver<Arc<Snapshot>>) {
    let listener = Listener::bind(run, Service::Control).unwrap();
    tokio::spawn(async move {
        while let Ok(mut connection) = listener.accept().await {
            let published = published.clone();
            tokio::spawn(async move {
                assert_eq!(connection.receive().await.unwrap(), Some(control::Request::Subscribe));
                let _ = publish(&mut connection, published).await;
            });
        }
    });
}

fn snapshot(generation: u64, servers: &[SocketAddr], check: HealthCheck) -> Snapshot {
    let mut config = Config::default();
    let servers: Vec<_> = (1..)
        .zip(servers)
        .map(|(id, server): (u32, _)| serde_json::json!({"id": id, "address": server.ip(), "port": server.port()}))
        .collect();
    let vs = serde_json::json!({"id": 1, "address": {"literal": "192.0.2.1"}, "port": 80, "real_servers": servers});
    let mut vs: VirtualService = serde_json::from_value(vs).unwrap();
    vs.check = check;
    config.shared.virtual_services.push(vs);
    Snapshot { generation, config }
}

fn states(report: &HealthReport) -> Vec<HealthState> {
    report.servers.iter().map(|server| server.state).collect()
}

/// A server that answers every request with the newest status.
async fn answering(status: watch::Receiver<u16>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let status = *status.borrow();
            tokio::spawn(async move {
                let _ = stream.read(&mut [0; 1024]).await;
                let _ = stream.write_all(format!("HTTP/1.1 {status} x\r\n\r\n").as_bytes()).await;
            });
        }
    });
    address
}

async fn nobody() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap()
}

#[tokio::test]
async fn servers_are_probed_at_once_and_followed_through_their_changes() {
    let (status, statuses) = watch::channel(200);
    let server = answering(statuses).await;
    let check = HealthCheck { interval_s: 2, timeout_s: 1, retries: 1, ..HealthCheck::default() };
    let mut rig = Rig::start(&[server, nobody().await], check.clone()).await;
    let report =
        rig.until("both are known", |report| states(report) == [HealthState::Up, HealthState::Down]).await;
    assert_eq!(report.servers[0].reason, "answered 200");
    assert_eq!(report.servers[1].reason, "no connection: refused");
    assert!(report.servers[0].last_good_ms.is_some() && report.servers[0].since_unix_s > 1_700_000_000);

    status.send_replace(503);
    let report = rig.until("it goes down", |report| report.servers[0].state == HealthState::Down).await;
    assert_eq!(report.servers[0].reason, "answered 503");
    status.send_replace(204);
    rig.until("it comes up again", |report| report.servers[0].state == HealthState::Up).await;

    let mut changed = snapshot(2, &[server], check);
    changed.config.shared.virtual_services[0].real_servers[0].enabled = false;
    rig.snapshots.send_replace(Arc::new(changed));
    let report = rig.until("the change", |report| report.generation == 2).await;
    assert_eq!(states(&report), [HealthState::Disabled]);
    let asked: HealthReport = call(rig.directory.path(), Service::Checks, &Request::Get).await.unwrap();
    assert_eq!(asked, *report);
    rig.stop.send(()).unwrap();
    rig.checks.await.unwrap().unwrap();
}

#[tokio::test]
async fn followers_hear_nothing_before_there_is_a_configuration() {
    let directory = tempfile::tempdir().unwrap();
    let dirs = Dirs { run: directory.path().into(), data: directory.path().into() };
    let (lifeline, _) = Lifeline::start().await.unwrap();
    let (_stop, stopped) = oneshot::channel::<()>();
    tokio::spawn(evener_checks::operate(dirs, lifeline, async { _ = stopped.await }));
    let mut follower = loop {
        match Connection::open(directory.path(), Service::Checks).await {
            Ok(connection) => break connection,
            Err(_) => tokio::task::yield_now().await,
        }
    };
    follower.send(&Request::Subscribe).await.unwrap();
    let asked: HealthReport = call(directory.path(), Service::Checks, &Request::Get).await.unwrap();
    assert_eq!(asked, HealthReport::default(), "who asks is answered");
    let check = HealthCheck { kind: CheckKind::Tcp, ..HealthCheck::default() };
    let (_snapshots, published) = watch::channel(Arc::new(snapshot(3, &[nobody().await], check)));
    stand_in_for_control(directory.path(), published);
    let first: HealthReport = follower.receive().await.unwrap().unwrap();
    assert_eq!((first.generation, first.servers.len()), (3, 1));
}

#[tokio::test]
async fn hundreds_of_servers_are_probed_and_each_reported() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let open = listener.local_addr().unwrap();
    tokio::spawn(async move { while listener.accept().await.is_ok() {} });
    let closed = nobody().await;
    let servers: Vec<_> = (0..600).map(|index| if index % 3 == 0 { closed } else { open }).collect();
    let check = HealthCheck { kind: CheckKind::Tcp, retries: 1, ..HealthCheck::default() };
    let mut rig = Rig::start(&servers, check).await;
    let known = |report: &HealthReport| {
        report.servers.len() == 600 && !states(report).contains(&HealthState::Unknown)
    };
    let report = rig.until("all are known", known).await;
    for (index, server) in report.servers.iter().enumerate() {
        let expected = if index % 3 == 0 { HealthState::Down } else { HealthState::Up };
        assert_eq!((server.state, server.rs), (expected, RsId(u32::try_from(index).unwrap() + 1)));
    }
}
