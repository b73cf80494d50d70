//! The lab's own network, host to host: what a test can rely on when it blames a unit.
#![allow(clippy::unwrap_used, clippy::panic, reason = "test crate")]

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddrV4};
use std::sync::Arc;
use std::time::Duration;

use evener_lab::http::{Connection, Request};
use evener_lab::{Arp, Faults, Host, HostSetup, Switch, WebServer, asks_for_address};

const SERVER: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);
const CLIENT: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 2);
const LIMIT: Duration = Duration::from_secs(5);

fn host(switch: &Switch, address: Ipv4Addr) -> Host {
    Host::new(switch, HostSetup { address, prefix: 24, gateway: None })
}

fn get(client: &Host) -> anyhow::Result<String> {
    let stream = client.connect(SocketAddrV4::new(SERVER, 80))?;
    let response = Connection::new(stream).exchange(&Request::new("GET", "lab", "/"))?;
    Ok(response.words())
}

#[test]
fn a_client_is_answered_through_the_switch() {
    let switch = Switch::default();
    let server = Arc::new(host(&switch, SERVER));
    let web = WebServer::named(server, 80, "one").unwrap();
    let client = host(&switch, CLIENT);
    for _ in 0..50 {
        assert_eq!(get(&client).unwrap(), "one");
    }
    assert_eq!(web.answered(), 50);
}

#[test]
fn a_megabyte_arrives_whole_over_a_cable_that_loses_and_doubles_frames() {
    let switch = Switch::new(7);
    let server = host(&switch, SERVER);
    let client = host(&switch, CLIENT);
    let faults = Faults { loss_per_mille: 3, twice_per_mille: 10, ..Faults::default() };
    switch.set_faults(client.port(), faults);
    let mut listener = server.listen(9).unwrap();
    let sender = std::thread::spawn(move || {
        let mut stream = client.connect(SocketAddrV4::new(SERVER, 9)).unwrap();
        let data: Vec<u8> = (0..1_000_000_u32).map(|n| n.to_le_bytes()[0]).collect();
        stream.write_all(&data).unwrap();
        drop(stream);
        // The host must outlive its last frames.
        (client, data)
    });
    let mut received = Vec::new();
    listener.accept(LIMIT).unwrap().read_to_end(&mut received).unwrap();
    let (_client, sent) = sender.join().unwrap();
    assert!(received == sent, "{} bytes of {}", received.len(), sent.len());
}

#[test]
fn nothing_passes_a_cut_cable_and_all_does_once_it_is_mended() {
    let switch = Switch::default();
    let server = Arc::new(host(&switch, SERVER));
    let _web = WebServer::named(Arc::clone(&server), 80, "one").unwrap();
    let client = host(&switch, CLIENT);
    assert_eq!(get(&client).unwrap(), "one");
    switch.set_faults(server.port(), Faults { cut: true, ..Faults::default() });
    let mut stream = client.udp(5000).unwrap();
    stream.send(b"x", (SERVER, 7).into()).unwrap();
    assert!(stream.receive(Duration::from_millis(100)).is_none());
    switch.set_faults(server.port(), Faults::default());
    assert_eq!(get(&client).unwrap(), "one");
    stream = client.udp(5001).unwrap();
    drop(stream);
}

#[test]
fn a_delayed_cable_adds_its_delay_to_each_round_trip() {
    let switch = Switch::default();
    let server = Arc::new(host(&switch, SERVER));
    let _web = WebServer::named(Arc::clone(&server), 80, "one").unwrap();
    let client = host(&switch, CLIENT);
    let delay = Duration::from_millis(60);
    switch.set_faults(server.port(), Faults { delay, ..Faults::default() });
    let start = std::time::Instant::now();
    assert_eq!(get(&client).unwrap(), "one");
    // One for the handshake, one for the request.
    assert!(start.elapsed() >= 2 * delay, "{:?}", start.elapsed());
}

#[test]
fn a_killed_server_resets_its_connections_and_refuses_new_ones() {
    let switch = Switch::default();
    let server = Arc::new(host(&switch, SERVER));
    let web = WebServer::named(Arc::clone(&server), 80, "one").unwrap();
    let client = host(&switch, CLIENT);
    let stream = client.connect(SocketAddrV4::new(SERVER, 80)).unwrap();
    let mut connection = Connection::new(stream);
    let request = Request::new("GET", "lab", "/");
    assert_eq!(connection.exchange(&request).unwrap().words(), "one");
    web.kill();
    assert!(connection.exchange(&request).is_err());
    let error = client.connect(SocketAddrV4::new(SERVER, 80)).unwrap_err().to_string();
    assert!(error.contains("refused"), "{error}");
}

#[test]
fn a_recording_holds_what_was_sent() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("lab.pcap");
    let switch = Switch::default();
    switch.record(&path).unwrap();
    let server = Arc::new(host(&switch, SERVER));
    let _web = WebServer::named(Arc::clone(&server), 80, "in the recording").unwrap();
    get(&host(&switch, CLIENT)).unwrap();
    switch.stop_recording().unwrap();
    let bytes = std::fs::read(&path).unwrap();
    assert_eq!(bytes[..4], 0xa1b2_c3d4_u32.to_le_bytes());
    assert!(bytes.windows(16).any(|window| window == b"in the recording"));
}

#[test]
fn a_tap_sees_who_asks_for_whom() {
    let switch = Switch::default();
    let questions = switch.tap(|frame| Arp::read(frame).filter(|arp| arp.request));
    let leases = switch.tap(|frame| asks_for_address(frame).then_some(()));
    let server = Arc::new(host(&switch, SERVER));
    let _web = WebServer::named(server, 80, "one").unwrap();
    let client = host(&switch, CLIENT);
    get(&client).unwrap();
    let seen = questions.wait_for(LIMIT, |seen| seen.what.target == SERVER).unwrap();
    assert_eq!((seen.what.sender, seen.from), (CLIENT, client.port()));
    assert_eq!(leases.rest(), [], "nobody asks for a lease here");
    assert!(leases.wait_for(Duration::from_millis(10), |_| true).is_err());
}
