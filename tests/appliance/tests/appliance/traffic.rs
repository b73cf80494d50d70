//! Clients, servers, and a unit between them.

use std::collections::BTreeMap;
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use evener_appliance::{Api, Network, PASSWORD, SERVERS, Turn, UNIT};
use evener_lab::WebServer;
use evener_lab::http::{Request, Response};
use serde_json::json;

use crate::load::Load;
use crate::{ask, boot_serving};

/// Clients that ask at the same time.
const CLIENTS: usize = 4;
/// Answers that must come before, between and after what happens under the load.
const LOAD: u64 = 100;
const LIMIT: Duration = Duration::from_secs(60);

#[test]
fn an_unconfigured_disk_serves_what_its_medium_says() {
    let _turn = Turn::take();
    let folder = tempfile::tempdir().unwrap();
    let network = Network::new().unwrap();
    let [one, two, _] = network.servers.clone();
    let one = WebServer::named(one, 8080, "one").unwrap();
    let _two = WebServer::start(network.servers[1].clone(), 8080, |request| {
        let from = request.headers.iter().find(|(name, _)| name.eq_ignore_ascii_case("x-forwarded-for"));
        Response::text(200, &format!("two, for {}", from.map_or("nobody", |(_, value)| value)))
    })
    .unwrap();
    drop(two);
    let unit = boot_serving("serves", folder.path(), &network, 2);

    // Each worker takes turns by itself, so the shares are equal only over all of them.
    let mut answers: BTreeMap<String, u32> = BTreeMap::new();
    for _ in 0..40 {
        *answers.entry(ask(&network.client).unwrap()).or_default() += 1;
    }
    let names: Vec<&str> = answers.keys().map(String::as_str).collect();
    assert_eq!(names, ["one", "two, for 192.0.2.100"]);
    assert!(answers.values().all(|count| (16..=24).contains(count)), "{answers:?}");
    assert!(one.answered() >= 16);

    let api = Api::over_lab(Arc::clone(&network.client), UNIT, PASSWORD);
    let status = api.wait_until_served(LIMIT).unwrap();
    assert_eq!(status["version"], env!("CARGO_PKG_VERSION"), "{status}");
    let wrong = Api::over_lab(Arc::clone(&network.client), UNIT, "wrong");
    let refused = wrong.call("GET", "/api/v1/status", None).unwrap();
    assert_eq!(refused.status, 401);
    assert!(refused.response.header("www-authenticate").is_some());
    let login = api.send(&Request::new("GET", "192.0.2.10", "/login").header("Connection", "close")).unwrap();
    assert!(login.status == 200 && login.words().contains("Log in"), "{}", login.status);
    drop(unit);
}

/// A server that can be told to keep its answers to itself.
#[derive(Default)]
struct Gate {
    held: Mutex<Held>,
    changed: Condvar,
}

#[derive(Default)]
struct Held {
    closed: bool,
    waiting: u64,
}

impl Gate {
    fn pass(&self) {
        let mut held = self.held.lock().unwrap();
        held.waiting += 1;
        self.changed.notify_all();
        let mut held = self.changed.wait_while(held, |held| held.closed).unwrap();
        held.waiting -= 1;
    }

    fn close(&self) {
        self.held.lock().unwrap().closed = true;
    }

    /// Waits until a request is behind the gate.
    fn wait_for_one(&self) -> u64 {
        let held = self.held.lock().unwrap();
        let (held, _) =
            self.changed.wait_timeout_while(held, LIMIT, |held| !(held.closed && held.waiting > 0)).unwrap();
        held.waiting
    }

    fn open(&self) {
        self.held.lock().unwrap().closed = false;
        self.changed.notify_all();
    }
}

#[test]
fn a_server_dies_under_load_while_the_configuration_changes_and_no_request_is_lost() {
    let _turn = Turn::take();
    let folder = tempfile::tempdir().unwrap();
    let network = Network::new().unwrap();
    let gate = Arc::new(Gate::default());
    let _one = WebServer::named(network.servers[0].clone(), 8080, "one").unwrap();
    let behind = Arc::clone(&gate);
    let two = WebServer::start(network.servers[1].clone(), 8080, move |request| {
        // Probes are not held: a server that answers none is taken out before it dies.
        if request.method == "GET" {
            behind.pass();
        }
        Response::text(200, "two")
    })
    .unwrap();
    let _three = WebServer::named(network.servers[2].clone(), 8080, "three").unwrap();
    let unit = boot_serving("load", folder.path(), &network, 2);
    let api = Api::over_lab(Arc::clone(&network.client), UNIT, PASSWORD);
    api.wait_until_served(LIMIT).unwrap();
    let id = api.get("/api/v1/vs").unwrap()[0]["id"].as_u64().unwrap();
    let path = format!("/api/v1/vs/{id}");
    let retries = |when: &str| {
        let status = api.get(&path).unwrap();
        let count = status["status"]["traffic"]["retries"].as_u64();
        count.unwrap_or_else(|| panic!("{when}: no count of retries in {status}"))
    };
    let retried_before = retries("before");

    let load = Load::default();
    let held = std::thread::scope(|scope| {
        let clients: Vec<_> = (0..CLIENTS).map(|_| scope.spawn(|| load.client(&network))).collect();
        let before = load.wait("both servers", |seen| {
            seen.by.get("one").is_some_and(|n| *n >= LOAD) && seen.by.get("two").is_some_and(|n| *n >= LOAD)
        });

        gate.close();
        let held = gate.wait_for_one();
        assert!(held > 0, "no request was under way at the server that is to die");
        two.kill();
        gate.open();
        let killed_at = load.seen.lock().unwrap().answered;
        assert!(killed_at >= before);

        let server = json!({ "address": SERVERS[2], "port": 8080 });
        api.add(&format!("{path}/rs"), &server).unwrap();
        load.wait("the server that was added", |seen| seen.by.get("three").is_some_and(|n| *n >= LOAD));
        load.wait("the load going on after the kill", |seen| seen.answered >= killed_at + 3 * LOAD);
        load.stop();
        for client in clients {
            client.join().unwrap();
        }
        held
    });

    let seen = load.seen.into_inner().unwrap();
    let retried = retries("after") - retried_before;
    println!(
        "sent {}, answered {}, retried {retried}, under way at the kill {held}",
        seen.sent, seen.answered
    );
    assert_eq!(seen.sent, seen.answered, "{seen:?}");
    assert!(retried >= held, "{retried} retried, {held} were under way when the server died: {seen:?}");
    let down = |value: &serde_json::Value| value["status"]["servers"][1]["state"] == "down";
    api.wait_for(&path, LIMIT, down).unwrap();
    drop(unit);
}
