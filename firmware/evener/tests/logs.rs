//! The log of a whole unit, with the real binary.

#![allow(clippy::unwrap_used, clippy::panic, unreachable_pub, reason = "test crate")]

mod common;

use common::{Unit, eventually, send_signal};
use evener_api::Service;
use evener_api::capture::CaptureOrder;
use evener_api::init::ServiceState;
use evener_api::log::{Level, Record, Reply, Request, Search};
use rustix::process::Signal;
use std::net::{Ipv4Addr, UdpSocket};

async fn ask(unit: &Unit, request: Request) -> Option<Reply> {
    evener_ipc::call(&unit.path("run"), Service::Log, &request).await.ok()
}

/// Everything in the log, oldest first; `None` while log is away.
async fn all(unit: &Unit) -> Option<Vec<Record>> {
    let search = Search { oldest_first: true, most: 1000, ..Search::default() };
    match ask(unit, Request::Search(search)).await? {
        Reply::Found(found) => Some(found.records),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn every_service_is_in_the_log_and_a_killed_log_has_each_line_once() {
    let mut unit = Unit::start().await;
    let ready = |records: &[Record]| records.iter().any(|record| record.text.starts_with("ready in "));
    let before =
        eventually("the unit is ready, by its log", async || all(&unit).await.filter(|all| ready(all))).await;
    for name in ["init", "net", "web"] {
        assert!(before.iter().any(|record| record.service == name), "{name}: {before:?}");
    }
    assert!(
        before.iter().all(|record| record.level == Level::Info || record.level == Level::Warning),
        "{before:?}"
    );
    send_signal(unit.pid(Service::Log).await, Signal::KILL);
    eventually("it is back", async || {
        let health = unit.service(Service::Log).await;
        (health.restarts == 1 && health.state == ServiceState::Running).then_some(())
    })
    .await;
    let killed = |records: &Vec<Record>| records.iter().any(|one| one.text.contains("ended by signal 9"));
    let after = eventually("its own end is in it", async || all(&unit).await.filter(killed)).await;
    // A service may say the same twice in a millisecond.
    let count = |records: &[Record], wanted: &Record| {
        let is_same = |one: &&Record| {
            (one.since_boot_ms, &one.service, &one.text)
                == (wanted.since_boot_ms, &wanted.service, &wanted.text)
        };
        records.iter().filter(is_same).count()
    };
    for record in &before {
        assert_eq!(count(&after, record), count(&before, record), "{record:?}");
    }
    assert!(unit.stop().await.success());
    let folder = unit.path("data/log/lines");
    let written = std::fs::read_to_string(folder.join("00000000000000000001.log")).unwrap();
    assert!(
        written.contains("stopped service=net end=exited with status 0"),
        "everybody's last words:\n{written}"
    );
}

#[tokio::test]
async fn a_capture_of_the_loopback_interface_has_what_was_sent_on_it() {
    let unit = Unit::start().await;
    let receiver = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let to = receiver.local_addr().unwrap();
    let order = CaptureOrder {
        interface: Some(String::from("lo")),
        port: Some(to.port()),
        most_packets: 1,
        most_seconds: 60,
        ..CaptureOrder::default()
    };
    let begun =
        eventually("log is there", async || ask(&unit, Request::StartCapture(order.clone())).await).await;
    assert!(matches!(&begun, Reply::Capture(status) if status.running), "{begun:?}");
    UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().send_to(b"evener-e2e", to).unwrap();
    eventually("it has ended", async || match ask(&unit, Request::Capture).await? {
        Reply::Capture(status) => (!status.running).then_some(()),
        other => panic!("{other:?}"),
    })
    .await;
    let Some(Reply::Piece(file)) = ask(&unit, Request::ReadCapture(0)).await else { panic!("no file") };
    assert_eq!(file.len(), 24 + 16 + 14 + 20 + 8 + 10);
    assert!(file.ends_with(b"evener-e2e"));
}
