//! What a booted unit refuses: requests that are none, and settings that could not work. And that nobody else notices.

use std::io::{ErrorKind, Read, Write};
use std::net::SocketAddrV4;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use evener_appliance::{Api, Network, PASSWORD, SERVERS, Turn, UNIT};
use evener_lab::http::{Connection, Request, Response};
use evener_lab::{Host, Stream, Unit, WebServer, https};
use serde_json::json;

use crate::{SERVICE, boot_serving};

const LIMIT: Duration = Duration::from_secs(60);
/// How long a client waits for the end of a refused connection.
const END_WITHIN: Duration = Duration::from_secs(20);
const PAGES: SocketAddrV4 = SocketAddrV4::new(UNIT, 8443);

/// Requests with two readings, or none, each with the status that it gets. All end the connection.
fn bad_requests() -> Vec<(&'static str, u16, Vec<u8>)> {
    let head = |rest: &str| format!("POST /bad HTTP/1.1\r\nHost: shop\r\n{rest}").into_bytes();
    let chunked = |body: &str| head(&format!("Transfer-Encoding: chunked\r\n\r\n{body}"));
    let smuggled = "GET /smuggled HTTP/1.1\r\nHost: shop\r\n\r\n";
    let long = "x".repeat(40_000);
    let noise: Vec<u8> = (0..4096_u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8 | 0x80).collect();
    vec![
        ("bare line feeds", 400, b"GET /bad HTTP/1.1\nHost: shop\n\n".to_vec()),
        ("one bare line feed", 400, head("A: b\nContent-Length: 0\r\n\r\n")),
        ("a folded field", 400, head("A: b\r\n c\r\n\r\n")),
        ("a folded length", 400, head("Content-Length:\r\n 5\r\n\r\nhello")),
        ("a space before the colon", 400, head("Content-Length : 5\r\n\r\nhello")),
        ("a space before the first field", 400, b"GET /bad HTTP/1.1\r\n Host: shop\r\n\r\n".to_vec()),
        (
            "length and coding",
            400,
            head(&format!("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n{smuggled}")),
        ),
        (
            "coding and length",
            400,
            head(&format!("Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n{smuggled}")),
        ),
        ("two lengths", 400, head(&format!("Content-Length: 0\r\nContent-Length: 44\r\n\r\n{smuggled}"))),
        ("one length twice", 400, head("Content-Length: 5\r\nContent-Length: 5\r\n\r\nhello")),
        ("a list of lengths", 400, head("Content-Length: 5, 5\r\n\r\nhello")),
        ("a negative length", 400, head("Content-Length: -1\r\n\r\n")),
        ("a signed length", 400, head("Content-Length: +5\r\n\r\nhello")),
        ("a length in hexadecimal", 400, head("Content-Length: 0x5\r\n\r\nhello")),
        ("a length beyond 64 bits", 400, head("Content-Length: 18446744073709551616\r\n\r\n")),
        (
            "a length of a thousand digits",
            400,
            head(&format!("Content-Length: {}\r\n\r\n", "9".repeat(1000))),
        ),
        ("no length at all", 400, head("Content-Length: \r\n\r\n")),
        ("chunked twice", 400, head("Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n")),
        ("chunked not last", 400, head("Transfer-Encoding: chunked, gzip\r\n\r\n0\r\n\r\n")),
        ("chunked in disguise", 400, head("Transfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n")),
        (
            "chunked in HTTP/1.0",
            400,
            b"POST /bad HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n".to_vec(),
        ),
        ("another coding", 501, head("Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n")),
        ("a chunk size that is none", 400, chunked("zz\r\nhello\r\n0\r\n\r\n")),
        ("a negative chunk size", 400, chunked("-5\r\nhello\r\n0\r\n\r\n")),
        ("a chunk size beyond 64 bits", 400, chunked("fffffffffffffffff\r\nhello\r\n0\r\n\r\n")),
        ("a chunk longer than it says", 400, chunked("3\r\nhello\r\n0\r\n\r\n")),
        ("a chunk size without CR", 400, chunked("5\nhello\r\n0\r\n\r\n")),
        ("a chunk extension with a line feed", 400, chunked("5;a\nb\r\nhello\r\n0\r\n\r\n")),
        ("a chunk extension without end", 400, chunked(&format!("5;{long}"))),
        ("a trailer without end", 400, chunked(&format!("0\r\nA: {long}"))),
        ("no host", 400, b"GET /bad HTTP/1.1\r\n\r\n".to_vec()),
        ("two hosts", 400, head("Host: other\r\n\r\n")),
        ("a host with a user", 400, b"GET /bad HTTP/1.1\r\nHost: shop@other\r\n\r\n".to_vec()),
        ("a target for another host", 400, b"GET http://other/bad HTTP/1.1\r\nHost: shop\r\n\r\n".to_vec()),
        ("a target that is no path", 400, b"GET bad HTTP/1.1\r\nHost: shop\r\n\r\n".to_vec()),
        ("a target with a NUL", 400, b"GET /b\0d HTTP/1.1\r\nHost: shop\r\n\r\n".to_vec()),
        ("a NUL in a value", 400, head("A: b\0c\r\n\r\n")),
        ("a NUL in a name", 400, head("A\0B: c\r\n\r\n")),
        ("a CR in a value", 400, head("A: b\rGET /smuggled HTTP/1.1\r\n\r\n")),
        ("a field without colon", 400, head("hello\r\n\r\n")),
        ("a field without name", 400, head(": hello\r\n\r\n")),
        ("no version", 400, b"GET /bad\r\n\r\n".to_vec()),
        ("a version that is none", 400, b"GET /bad HTTP/one\r\nHost: shop\r\n\r\n".to_vec()),
        ("a method that is none", 400, b"G@T\x01 /bad HTTP/1.1\r\nHost: shop\r\n\r\n".to_vec()),
        ("the preface of HTTP/2", 505, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0".to_vec()),
        ("a tunnel", 501, b"CONNECT shop:443 HTTP/1.1\r\nHost: shop:443\r\n\r\n".to_vec()),
        ("an expectation that nobody can meet", 417, head("Expect: wonders\r\nContent-Length: 5\r\n\r\n")),
        ("a head beyond its limit", 431, head(&format!("A: {long}\r\n\r\n"))),
        ("too many fields", 431, head(&"A: b\r\n".repeat(2000))),
        ("a target beyond the limit", 414, format!("GET /{long}").into_bytes()),
        ("the greeting of TLS", 400, client_hello()),
        ("noise", 400, noise),
        ("zeros", 400, vec![0; 4096]),
    ]
}

/// What the pages' reader makes a request of all the same. They pass nothing on, so nobody can read it otherwise
/// than they did; there is nothing at its address, and that is the answer.
const READ_LENIENTLY: &[&str] = &[
    "bare line feeds",
    "one bare line feed",
    "length and coding",
    "coding and length",
    "one length twice",
    "chunked twice",
    "another coding",
    "a target for another host",
    "a target that is no path",
    "a tunnel",
    "an expectation that nobody can meet",
    "a head beyond its limit",
];

/// The begin of a TLS connection, as a browser that was told the wrong scheme sends it.
fn client_hello() -> Vec<u8> {
    let mut hello = vec![0x16, 3, 1, 0, 0xc8, 1, 0, 0, 0xc4, 3, 3];
    hello.extend((0..194_u8).map(|n| n.wrapping_mul(29)));
    hello
}

/// A client with one connection, on which it asks again and again while others misbehave.
struct Neighbour(Connection<Stream>);

impl Neighbour {
    fn new(client: &Host) -> Self {
        let mut stream = client.connect(SERVICE).unwrap();
        stream.set_limit(LIMIT);
        Self(Connection::new(stream))
    }

    /// One request on the connection that is still the first one.
    fn ask(&mut self, when: &str) {
        let answer = self.0.exchange(&Request::new("GET", "shop", "/good"));
        let answer = answer.unwrap_or_else(|error| panic!("{when}: the neighbour was cut off: {error:#}"));
        assert_eq!((answer.status, answer.words().as_str()), (200, "one"), "{when}");
    }
}

/// Everything that comes until the other side closes; fails when it does not close.
fn until_closed(stream: &mut impl Read, what: &str) -> String {
    let mut bytes = Vec::new();
    match stream.read_to_end(&mut bytes) {
        Ok(_) => {}
        Err(error) if matches!(error.kind(), ErrorKind::ConnectionReset | ErrorKind::UnexpectedEof) => {}
        Err(error) => panic!("{what}: not closed ({error}) after {}", bytes.escape_ascii()),
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// A server that answers everything and remembers what for.
fn remembering(host: &Arc<Host>) -> (WebServer, Arc<Mutex<Vec<String>>>) {
    let asked: Arc<Mutex<Vec<String>>> = Arc::default();
    let own = Arc::clone(&asked);
    let server = WebServer::start(Arc::clone(host), 8080, move |request| {
        own.lock().unwrap().push(format!("{} {}", request.method, request.target));
        Response::text(200, "one")
    });
    (server.unwrap(), asked)
}

/// Fails unless every service is in its first life.
fn check_lives(api: &Api, unit: &Unit) {
    let status = api.get("/api/v1/status").unwrap();
    let services = status["services"].as_array().unwrap();
    let lives: Vec<String> =
        services.iter().map(|one| format!("{}: {}", one["service"], one["restarts"])).collect();
    assert!(lives.len() >= 6 && services.iter().all(|one| one["restarts"] == 0), "{lives:?}");
    for words in ["panicked", "will be started again"] {
        assert_eq!(unit.serial().count(words), 0, "{words} is on the console");
    }
}

#[test]
fn malformed_requests_are_refused_and_closed_and_nobody_else_notices() {
    let _turn = Turn::take();
    let folder = tempfile::tempdir().unwrap();
    let network = Network::new().unwrap();
    let (_one, asked) = remembering(&network.servers[0]);
    let unit = boot_serving("malformed", folder.path(), &network, 1);
    let client = &network.client;
    let mut neighbour = Neighbour::new(client);
    let connect = || {
        let mut stream = client.connect(SERVICE).unwrap();
        stream.set_limit(END_WITHIN);
        stream
    };
    let requests = bad_requests();
    for (what, status, bytes) in &requests {
        let begin = format!("HTTP/1.1 {status} ");
        let check = |mut stream: Stream| {
            // The unit may refuse, and close, before it was told everything.
            let _ = stream.write_all(bytes);
            let answer = until_closed(&mut stream, what);
            assert!(answer.starts_with(&begin), "{what}: {answer:?}");
            assert_eq!(answer.matches("\r\nConnection: close\r\n").count(), 1, "{what}: {answer:?}");
        };
        check(connect());
        // And behind a good request on the same connection.
        let mut connection = Connection::new(connect());
        assert_eq!(connection.exchange(&Request::new("GET", "shop", "/good")).unwrap().status, 200);
        let stream = connection.into_inner();
        check(stream);
        neighbour.ask(what);
    }
    let strange: Vec<String> = asked
        .lock()
        .unwrap()
        .iter()
        .filter(|one| !["GET /good", "HEAD /"].contains(&one.as_str()))
        .cloned()
        .collect();
    assert_eq!(strange, ["GET /"], "only what waited for the unit to serve; nothing of a refused request");
    println!("{} malformed requests, each alone and behind a good one", requests.len());
    let api = Api::over_lab(Arc::clone(client), UNIT, PASSWORD);
    api.wait_until_served(LIMIT).unwrap();
    check_lives(&api, &unit);
}

#[test]
fn a_body_that_breaks_in_its_middle_is_refused_and_the_server_never_sees_its_end() {
    let _turn = Turn::take();
    let folder = tempfile::tempdir().unwrap();
    let network = Network::new().unwrap();
    let (_one, _) = remembering(&network.servers[0]);
    let unit = boot_serving("broken-body", folder.path(), &network, 1);
    let client = &network.client;
    let api = Api::over_lab(Arc::clone(client), UNIT, PASSWORD);
    api.wait_until_served(LIMIT).unwrap();
    // A service of its own, whose server is the test itself and is never probed.
    let mut server = network.servers[1].listen(9000).unwrap();
    let service = json!({
        "address": { "own": "eth0" }, "port": 81, "check": { "kind": "none" },
        "real_servers": [{ "address": SERVERS[1], "port": 9000 }],
    });
    api.add("/api/v1/vs", &service).unwrap();
    let mut neighbour = Neighbour::new(client);
    let noise = "\0".repeat(2000);
    // What comes behind a good first chunk.
    for rest in [
        "zz\r\nhello\r\n0\r\n\r\n",
        "5\nhello\r\n0\r\n\r\n",
        "3\r\nhello\r\n0\r\n\r\n",
        "-1\r\n\r\n0\r\n\r\n",
        "0\r\nA: b\n\r\n",
        &noise,
    ] {
        let mut stream = client.connect(SocketAddrV4::new(UNIT, 81)).unwrap();
        stream.set_limit(END_WITHIN);
        let begin = "POST / HTTP/1.1\r\nHost: shop\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n";
        stream.write_all(begin.as_bytes()).unwrap();
        let mut at_server = server.accept(LIMIT).unwrap();
        let mut seen = Vec::new();
        while !seen.ends_with(b"hello\r\n") {
            let mut byte = [0];
            at_server.read_exact(&mut byte).unwrap();
            seen.extend(byte);
        }
        stream.write_all(rest.as_bytes()).unwrap();
        let answer = until_closed(&mut stream, rest);
        assert!(
            answer.starts_with("HTTP/1.1 400 ") && answer.contains("\r\nConnection: close\r\n"),
            "{answer:?}"
        );
        let after = until_closed(&mut at_server, rest);
        assert!(!after.contains("0\r\n\r\n"), "{rest:?} was ended for the server: {after:?}");
        neighbour.ask(rest);
    }
    check_lives(&api, &unit);
}

#[test]
fn nothing_that_is_said_to_the_pages_port_ends_the_pages() {
    let _turn = Turn::take();
    let folder = tempfile::tempdir().unwrap();
    let network = Network::new().unwrap();
    let (_one, _) = remembering(&network.servers[0]);
    let unit = boot_serving("malformed-pages", folder.path(), &network, 1);
    let client = &network.client;
    let mut neighbour = Neighbour::new(client);
    let api = Api::over_lab(Arc::clone(client), UNIT, PASSWORD);
    api.wait_until_served(LIMIT).unwrap();
    let connect = || {
        let mut stream = client.connect(PAGES).unwrap();
        stream.set_limit(END_WITHIN);
        stream
    };
    // Who begins TLS and falls silent is given up, while the others are served.
    let mut silent = connect();
    silent.write_all(&client_hello()[..40]).unwrap();

    for (what, _, bytes) in &bad_requests() {
        let mut plain = connect();
        let _ = plain.write_all(bytes);
        let answer = until_closed(&mut plain, what);
        let tls_alert = answer.starts_with('\u{15}') && *bytes == client_hello();
        assert!(tls_alert || answer.starts_with("HTTP/1.1 400 "), "{what} without TLS: {answer:?}");

        let mut secret = https::connect(connect(), UNIT.into()).unwrap().into_inner();
        let _ = secret.write_all(bytes).and_then(|()| secret.flush());
        let mut begin = [0; 12];
        match secret.read_exact(&mut begin) {
            Ok(()) => assert!(begin.starts_with(b"HTTP/1.1 4"), "{what}: {}", begin.escape_ascii()),
            Err(error) => assert_ne!(error.kind(), ErrorKind::TimedOut, "{what}: neither words nor an end"),
        }
        if begin != [0; 12]
            && !READ_LENIENTLY.contains(what)
            && !what.contains("chunk")
            && !what.contains("trailer")
        {
            assert!(matches!(&begin[9..], b"400" | b"431"), "{what}: {}", begin.escape_ascii());
            until_closed(&mut secret, what);
        }
        neighbour.ask(what);
    }
    // Within a connection that was secret until now.
    let mut broken = https::connect(connect(), UNIT.into()).unwrap().into_inner();
    broken.sock.write_all(&[0x17, 3, 3, 0, 32].iter().copied().chain([7; 32]).collect::<Vec<u8>>()).unwrap();
    until_closed(&mut broken.sock, "a record that nobody encrypted");
    let said = until_closed(&mut silent, "a greeting without end");
    assert!(!said.contains("HTTP/"), "{said:?}");

    assert_eq!(
        api.send(&Request::new("GET", "unit", "/login").header("Connection", "close")).unwrap().status,
        200
    );
    check_lives(&api, &unit);
}
