//! A service that dies or stands still on a booted unit: init starts it again, and clients of the unit do not notice,
//! unless it is the one that serves them.
//!
//! The firmware is the shipped one with a hand in it, which sends the signals; the unit itself offers nobody a way to.

use std::net::SocketAddrV4;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use evener_appliance::{Api, Hand, Network, PASSWORD, Sickness, TestFirmware, Turn, UNIT, log_path};
use evener_lab::http::{Connection, Request};
use evener_lab::{Machine, Unit, WebServer, config_medium, overlay};
use serde_json::Value;

use crate::load::Load;
use crate::wait_until_served;

/// Clients that ask at the same time.
const CLIENTS: usize = 4;
/// Answers that must come while a service is away, and after it.
const ANSWERS: u64 = 25;
/// A kill, a restart, and the pages that tell of it; or ten seconds of silence before that.
const LIMIT: Duration = Duration::from_secs(90);
/// Connections made while there is no proxy.
const WAITING: usize = 12;
/// Deaths of the proxy in a row.
const KILLS: u32 = 4;
/// What init says of a service that it killed.
const WAS_SILENT: &str = "gave no sign of life for 10 s and was killed";

/// Boots a healthy unit with a hand in it, in front of `network`'s first two servers.
fn boot(name: &str, folder: &Path, network: &Network) -> (Unit, Api, Hand) {
    let image = TestFirmware::new(env!("CARGO_PKG_VERSION")).sickness(Sickness::Hand).disk().unwrap();
    let disk = folder.join("disk.qcow2");
    overlay(&image, &disk, None).unwrap();
    let medium = config_medium(folder, &Network::first_configuration(2)).unwrap();
    let machine = Machine::new(name, &disk, &log_path(name));
    let unit = machine.on(&network.switch).medium(&medium).start().unwrap();
    wait_until_served(&unit, &network.client);
    let api = Api::over_lab(Arc::clone(&network.client), UNIT, PASSWORD);
    api.wait_until_served(LIMIT).unwrap();
    (unit, api, Hand::new(Arc::clone(&network.client), UNIT))
}

/// What init says of a service.
fn health(status: &Value, service: &str) -> Value {
    let services = status["services"].as_array().unwrap();
    services.iter().find(|health| health["service"] == service).unwrap().clone()
}

/// Waits until a service runs again that had this process; checks how init tells of it.
#[track_caller]
fn expect_another_life(api: &Api, service: &str, former: u32, end: &str, restarts: u32) {
    let back = |status: &Value| {
        let health = health(status, service);
        health["state"] == "running" && health["pid"] != former
    };
    let status = api.wait_for("/api/v1/status", LIMIT, back).unwrap();
    let health = health(&status, service);
    assert_eq!((&health["last_end"], &health["restarts"]), (&end.into(), &restarts.into()), "{service}");
}

#[test]
fn services_die_and_stand_still_one_after_the_other_and_no_request_is_lost() {
    let _turn = Turn::take();
    let folder = tempfile::tempdir().unwrap();
    let network = Network::new().unwrap();
    let _one = WebServer::named(network.servers[0].clone(), 8080, "one").unwrap();
    let _two = WebServer::named(network.servers[1].clone(), 8080, "two").unwrap();
    let (unit, api, hand) = boot("services", folder.path(), &network);

    let load = Load::default();
    std::thread::scope(|scope| {
        let clients: Vec<_> = (0..CLIENTS).map(|_| scope.spawn(|| load.client(&network))).collect();
        let goes_on = |what: &str| {
            let before = load.seen.lock().unwrap().answered;
            load.wait(what, |seen| seen.answered >= before + ANSWERS);
        };
        goes_on("the load");
        for service in ["control", "web", "checks", "update", "net"] {
            let former = hand.signal(service, "KILL").unwrap();
            goes_on(service);
            expect_another_life(&api, service, former, "ended by signal 9", 1);
        }
        // Stopped, they are away for ten seconds, in which init waits for a sign of them.
        let silent = ["control", "web"].map(|service| (service, hand.signal(service, "STOP").unwrap()));
        goes_on("control and web stand still");
        for (service, former) in silent {
            assert_eq!(hand.pid(service).unwrap(), Some(former), "{service} stood still meanwhile");
        }
        for (service, former) in silent {
            expect_another_life(&api, service, former, WAS_SILENT, 2);
        }
        goes_on("everything");
        load.stop();
        for client in clients {
            client.join().unwrap();
        }
    });
    let seen = load.seen.into_inner().unwrap();
    println!("sent {}, answered {}: {:?}", seen.sent, seen.answered, seen.by);
    assert_eq!((seen.sent, seen.lost.len()), (seen.answered, 0), "{seen:?}");
    let proxy = health(&api.get("/api/v1/status").unwrap(), "proxy");
    assert_eq!(proxy["restarts"], 0, "who served all the time was left alone: {proxy}");
    drop(unit);
}

/// A connection on which a request waits for its answer.
fn ask(network: &Network) -> Connection<evener_lab::Stream> {
    let stream = network.client.connect(SocketAddrV4::new(UNIT, 80)).expect("nobody is refused");
    let mut connection = Connection::new(stream);
    connection.send(&Request::new("GET", "shop", "/")).unwrap();
    connection
}

#[track_caller]
fn expect_answers(waiting: Vec<Connection<evener_lab::Stream>>) {
    for mut connection in waiting {
        connection.stream().set_limit(LIMIT);
        assert_eq!(connection.receive("GET").unwrap().status, 200);
    }
}

#[test]
fn who_connects_while_there_is_no_proxy_is_served_by_the_next_one() {
    let _turn = Turn::take();
    let folder = tempfile::tempdir().unwrap();
    let network = Network::new().unwrap();
    let _one = WebServer::named(network.servers[0].clone(), 8080, "one").unwrap();
    let _two = WebServer::named(network.servers[1].clone(), 8080, "two").unwrap();
    let (unit, api, hand) = boot("no-proxy", folder.path(), &network);

    // Killed. With each quick death init waits longer, so that there is time to connect while there is none.
    for _ in 0..KILLS {
        kill_proxy(&hand);
    }
    let waiting: Vec<_> = (0..WAITING).map(|_| ask(&network)).collect();
    assert_eq!(hand.pid("proxy").unwrap(), None, "they connected while there was no proxy at all");
    expect_answers(waiting);
    let status = api.get("/api/v1/status").unwrap();
    let now = health(&status, "proxy");
    assert_eq!((&now["restarts"], &now["last_end"]), (&KILLS.into(), &"ended by signal 9".into()));

    // Standing still.
    let former = hand.signal("proxy", "STOP").unwrap();
    let waiting: Vec<_> = (0..WAITING).map(|_| ask(&network)).collect();
    assert_eq!(hand.pid("proxy").unwrap(), Some(former), "it stood still meanwhile");
    expect_answers(waiting);
    expect_another_life(&api, "proxy", former, WAS_SILENT, KILLS + 1);
    drop(unit);
}

/// Kills the proxy as soon as there is one, and sees it gone.
fn kill_proxy(hand: &Hand) {
    let deadline = Instant::now() + LIMIT;
    let former = loop {
        match hand.signal("proxy", "KILL") {
            Ok(pid) => break pid,
            Err(error) => assert!(Instant::now() < deadline, "{error:#}"),
        }
    };
    while hand.pid("proxy").unwrap() == Some(former) {
        assert!(Instant::now() < deadline, "{former} does not end");
    }
}
