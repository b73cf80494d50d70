//! Settings that could not work, sent to a booted unit: each is refused in words, and nothing of it is in force.

use std::net::SocketAddrV4;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use evener_appliance::{Answer, Api, Network, SERVERS, Turn, UNIT};
use evener_lab::http::{Connection, Request};
use evener_lab::{Host, WebServer};
use serde_json::{Value, json};

use crate::{SERVICE, boot_serving};

const LIMIT: Duration = Duration::from_secs(60);

/// A change that must not be made.
struct Bad {
    what: &'static str,
    method: &'static str,
    path: &'static str,
    body: String,
    status: u16,
    kind: &'static str,
    /// Each refused field, and words of its reason.
    fields: &'static [(&'static str, &'static str)],
}

/// A body whose fields are refused.
fn invalid(
    what: &'static str,
    (method, path): (&'static str, &'static str),
    body: &Value,
    fields: &'static [(&'static str, &'static str)],
) -> Bad {
    Bad { what, method, path, body: body.to_string(), status: 422, kind: "invalid-configuration", fields }
}

/// A body that is no object at all.
fn unread(what: &'static str, body: impl Into<String>, status: u16, kind: &'static str) -> Bad {
    Bad { what, method: ADD_VS.0, path: ADD_VS.1, body: body.into(), status, kind, fields: &[] }
}

const ADD_VS: (&str, &str) = ("POST", "/api/v1/vs");
const REPLACE_VS: (&str, &str) = ("PUT", "/api/v1/vs/1");
const ADD_RS: (&str, &str) = ("POST", "/api/v1/vs/1/rs");
const REPLACE_RS: (&str, &str) = ("PUT", "/api/v1/vs/1/rs/1");

/// A good service on a port of its own, with `change` made to it.
fn service(change: impl FnOnce(&mut Value)) -> Value {
    let server = json!({ "address": SERVERS[1], "port": 8080 });
    let mut service = json!({ "address": { "own": "eth0" }, "port": 81, "real_servers": [server] });
    change(&mut service);
    service
}

fn bad_services() -> Vec<Bad> {
    let add = |what, change: fn(&mut Value), fields| invalid(what, ADD_VS, &service(change), fields);
    vec![
        add("port 0", |vs| vs["port"] = json!(0), &[("port", "0 is not a port: 1 to 65535")]),
        add("port 70000", |vs| vs["port"] = json!(70_000), &[("port", "70000 is not a port: 1 to 65535")]),
        add("a port in words", |vs| vs["port"] = json!("http"), &[("port", "is not a port: 1 to 65535")]),
        add("a taken place", |vs| vs["port"] = json!(80), &[("port", "port 80 of this address is taken by")]),
        add("the pages' port", |vs| vs["port"] = json!(8443), &[("port", "the administration pages")]),
        add(
            "an unknown interface",
            |vs| vs["address"] = json!({ "own": "eth9" }),
            &[("address.own", "eth9 is not an interface with settings on this unit")],
        ),
        add(
            "an address that is none",
            |vs| vs["address"] = json!({ "literal": "192.0.2.300" }),
            &[("address.literal", "invalid IP address")],
        ),
        add(
            "an address of many",
            |vs| vs["address"] = json!({ "literal": "224.0.0.1" }),
            &[("address.literal", "multicast")],
        ),
        add("an unknown field", |vs| vs["prot"] = json!("tcp"), &[("prot", "unknown field `prot`")]),
        add(
            "no address",
            |vs| _ = vs.as_object_mut().and_then(|vs| vs.remove("address")),
            &[("", "missing field `address`")],
        ),
        add("an id of the sender's", |vs| vs["id"] = json!(7), &[("id", "The unit gives the id")]),
        add(
            "checks that overtake each other",
            |vs| vs["check"] = json!({ "interval_s": 5, "timeout_s": 4, "retries": 2 }),
            &[("check.interval_s", "at least 9")],
        ),
        add(
            "three things at once",
            |vs| {
                vs["port"] = json!(0);
                vs["name"] = json!("shop");
                vs["real_servers"][0]["weight"] = json!(0);
            },
            &[
                ("port", "0 is not a port"),
                ("name", "there is already a virtual service shop"),
                ("real_servers[0].weight", "0 is not a weight: 1 to 65535"),
            ],
        ),
        // What would be half applied if anything could be.
        add(
            "a good server and a bad one",
            |vs| {
                let good = vs["real_servers"][0].clone();
                vs["real_servers"] = json!([good, { "address": "10.0.0.5", "port": 0 }]);
            },
            &[("real_servers[1].port", "0 is not a port: 1 to 65535")],
        ),
        invalid(
            "the service that serves, with a bad server beside its good one",
            REPLACE_VS,
            &json!({
                "name": "shop", "address": { "own": "eth0" }, "port": 80,
                "real_servers": [
                    { "id": 1, "address": SERVERS[0], "port": 8080 }, { "address": "0.0.0.0", "port": 8080 },
                ],
            }),
            &[("real_servers[1].address", "stands for every address")],
        ),
    ]
}

fn bad_servers() -> Vec<Bad> {
    let bad = |what, to, body: Value, fields| invalid(what, to, &body, fields);
    vec![
        bad("no port", ADD_RS, json!({ "address": "10.0.0.5" }), &[("", "missing field `port`")]),
        bad("port 0", ADD_RS, json!({ "address": "10.0.0.5", "port": 0 }), &[("port", "0 is not a port")]),
        bad(
            "a negative weight",
            ADD_RS,
            json!({ "address": "10.0.0.5", "port": 80, "weight": -5 }),
            &[("weight", "-5 is not a weight: 1 to 65535")],
        ),
        bad(
            "a server that is there",
            ADD_RS,
            json!({ "address": SERVERS[0], "port": 8080 }),
            &[("address", "192.0.2.21 port 8080 is a server of this service already")],
        ),
        bad(
            "a typing error",
            REPLACE_RS,
            json!({ "address": SERVERS[0], "port": 8080, "wieght": 1 }),
            &[("wieght", "unknown field `wieght`")],
        ),
        bad(
            "the serving server, moved to no port",
            REPLACE_RS,
            json!({ "address": SERVERS[0], "port": 0 }),
            &[("port", "0 is not a port")],
        ),
    ]
}

fn bad_bodies() -> Vec<Bad> {
    let named = |name: &str| service(|vs| vs["name"] = json!(name)).to_string();
    let twice = service(|_| {}).to_string().replacen("\"port\":81", "\"port\":81,\"port\":82", 1);
    let mut all = vec![
        unread("not JSON", "port = 81", 400, "malformed-json"),
        unread("nothing", "", 400, "malformed-json"),
        unread("half an object", "{\"port\": 81, ", 400, "malformed-json"),
        unread("two objects", "{} {}", 400, "malformed-json"),
        unread("a pit", "[".repeat(30_000), 400, "malformed-json"),
        unread("a list", "[]", 422, "invalid-configuration"),
        unread("null", "null", 422, "invalid-configuration"),
        unread("a field twice", twice, 422, "invalid-configuration"),
        unread("a name of a novel's length", named(&"x".repeat(60_000)), 422, "invalid-configuration"),
        unread("more than is taken", named(&"x".repeat(70_000)), 413, "payload-too-large"),
    ];
    all.push(Bad {
        path: "/api/v1/vs/99",
        method: "PUT",
        ..unread("nobody", service(|_| {}).to_string(), 404, "not-found")
    });
    all
}

/// What of the configuration a change would show in: all of it but the status, which lives its own life.
fn settings(api: &Api) -> (Value, Vec<u8>, String) {
    let answer = api.call("GET", "/api/v1/vs", None).unwrap();
    let generation = answer.response.header("etag").unwrap().to_owned();
    let history = api.call("GET", "/api/v1/history", None).unwrap();
    let mut services = answer.json;
    for service in services.as_array_mut().unwrap() {
        service.as_object_mut().unwrap().remove("status");
    }
    (services, history.response.body, generation)
}

/// What is not as it should be with an answer.
fn faults(bad: &Bad, answer: &Answer) -> Vec<String> {
    let problem = &answer.json;
    let mut faults = Vec::new();
    let mut require = |holds: bool, what: &str| {
        if !holds {
            faults.push(format!("{}: {what}: {} {problem}", bad.what, answer.status));
        }
    };
    require(answer.status == bad.status && problem["status"] == bad.status, "the status");
    require(problem["type"] == bad.kind, bad.kind);
    require(answer.response.header("content-type") == Some("application/problem+json"), "no problem");
    require(problem["detail"].as_str().is_some_and(|words| words.len() > 10), "no words");
    for (field, words) in bad.fields {
        let fits = |refused: &Value| {
            refused["field"] == *field
                && refused["reason"].as_str().is_some_and(|reason| reason.contains(words))
        };
        require(problem["fields"].as_array().is_some_and(|all| all.iter().any(fits)), field);
    }
    faults
}

/// Stops the traffic, also when the test fails: nobody could wait for its end else.
struct Ended<'a>(&'a AtomicBool);

impl Drop for Ended<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

/// Asks on one connection until told to stop; how often it was answered.
fn keep_asking(client: &Host, stop: &AtomicBool, answered: &AtomicU64) {
    let mut stream = client.connect(SERVICE).unwrap();
    stream.set_limit(LIMIT);
    let mut connection = Connection::new(stream);
    while !stop.load(Ordering::SeqCst) {
        let answer = connection.exchange(&Request::new("GET", "shop", "/")).unwrap();
        assert_eq!((answer.status, answer.words().as_str()), (200, "one"));
        answered.fetch_add(1, Ordering::SeqCst);
    }
}

#[test]
fn invalid_settings_are_refused_in_words_and_nothing_of_them_is_in_force() {
    let _turn = Turn::take();
    let folder = tempfile::tempdir().unwrap();
    let network = Network::new().unwrap();
    let _one = WebServer::named(network.servers[0].clone(), 8080, "one").unwrap();
    let unit = boot_serving("refused-settings", folder.path(), &network, 1);
    let client = &network.client;
    let api = Api::over_lab(Arc::clone(client), UNIT, evener_appliance::PASSWORD);
    api.wait_until_served(LIMIT).unwrap();
    let before = settings(&api);
    let (stop, answered) = (AtomicBool::new(false), AtomicU64::new(0));
    let all: Vec<Bad> = bad_services().into_iter().chain(bad_servers()).chain(bad_bodies()).collect();
    let mut all_faults = Vec::new();
    std::thread::scope(|scope| {
        let ended = Ended(&stop);
        let asking = scope.spawn(|| keep_asking(client, &stop, &answered));
        for bad in &all {
            let seen = answered.load(Ordering::SeqCst);
            let answer = api.call_with(bad.method, bad.path, Some(bad.body.clone()));
            let answer = answer.unwrap_or_else(|error| panic!("{}: {error:#}", bad.what));
            all_faults.extend(faults(bad, &answer));
            assert_eq!(settings(&api), before, "{}", bad.what);
            let deadline = Instant::now() + LIMIT;
            while answered.load(Ordering::SeqCst) == seen {
                assert!(
                    !asking.is_finished() && Instant::now() < deadline,
                    "{}: traffic stands still",
                    bad.what
                );
                std::thread::yield_now();
            }
        }
        drop(ended);
        asking.join().unwrap();
    });
    assert!(all_faults.is_empty(), "{}", all_faults.join("\n"));
    let refused = client.connect(SocketAddrV4::new(UNIT, 81)).map(|_| ()).unwrap_err().to_string();
    assert!(refused.contains("refused the connection"), "no refused service listens: {refused}");
    println!(
        "{} refused changes, {} requests answered meanwhile",
        all.len(),
        answered.load(Ordering::SeqCst)
    );

    // The same words, put right: it was the refused part that kept them out.
    let added = api.add("/api/v1/vs", &service(|_| {})).unwrap();
    assert_eq!(added["port"], 81, "{added}");
    let (services, _, generation) = settings(&api);
    assert_eq!((services.as_array().unwrap().len(), generation.as_str()), (2, "\"2\""));
    drop(unit);
}
