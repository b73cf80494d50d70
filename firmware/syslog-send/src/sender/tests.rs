//! Senders before real servers on the loopback interface.

use super::*;
use crate::target::{Transport, Trust};
use evener_api::log::Level;
use evener_syslog::Facility;
use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::PrivateKeyDer;
use std::net::{Ipv4Addr, SocketAddr};
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::net::{TcpListener, TcpSocket, UdpSocket};
use tokio_rustls::TlsAcceptor;

fn record(seq: u64, level: Level) -> Record {
    Record {
        seq,
        unix_ms: 1_700_000_000_000,
        since_boot_ms: 10,
        boot: 1,
        service: String::from("proxy"),
        level,
        text: format!("line {seq}"),
    }
}

fn expected(seq: u64) -> String {
    format!(
        "<30>1 2023-11-14T22:13:20.000Z lb-1 proxy - - [meta sequenceId=\"{seq}\" sysUpTime=\"1\"] line {seq}"
    )
}

fn senders(targets: Vec<Target>) -> Senders {
    let mut senders = Senders::default();
    senders.set(Settings { hostname: String::from("lb-1"), targets });
    senders
}

fn target(address: SocketAddr, transport: Transport) -> Target {
    Target { address, transport, level: Level::Info, facility: Facility::DAEMON }
}

/// The next message of a stream, as a server reads it.
async fn next(stream: &mut (impl AsyncRead + Unpin)) -> Option<String> {
    let mut length = 0;
    loop {
        match stream.read_u8().await.ok()? {
            b' ' => break,
            digit @ b'0'..=b'9' => length = length * 10 + usize::from(digit - b'0'),
            other => panic!("{other} in a length"),
        }
    }
    let mut message = vec![0; length];
    stream.read_exact(&mut message).await.ok()?;
    Some(String::from_utf8(message).unwrap())
}

/// A bound for what must happen.
async fn soon<T>(what: &str, future: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(30), future).await.unwrap_or_else(|_| panic!("{what}"))
}

#[tokio::test]
async fn datagrams_hold_a_message_each_and_levels_are_kept_apart() {
    let (all, grave) = (
        UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap(),
        UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap(),
    );
    let only_grave = Target { level: Level::Warning, ..target(grave.local_addr().unwrap(), Transport::Udp) };
    let senders = senders(vec![target(all.local_addr().unwrap(), Transport::Udp), only_grave]);
    senders.push(&record(1, Level::Info));
    senders.push(&record(2, Level::Debug));
    senders.push(&record(3, Level::Error));
    let mut buffer = [0; 2048];
    for expected in [expected(1), expected(3).replace("<30>", "<27>")] {
        let length = soon("a datagram", all.recv(&mut buffer)).await.unwrap();
        assert_eq!(String::from_utf8_lossy(&buffer[..length]), expected);
    }
    let length = soon("the grave one", grave.recv(&mut buffer)).await.unwrap();
    assert!(String::from_utf8_lossy(&buffer[..length]).ends_with(" line 3"));
    soon("all sent", senders.drained()).await;
}

#[tokio::test]
async fn a_server_that_ends_the_connection_misses_nothing_that_it_had_not_taken() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let senders = senders(vec![target(listener.local_addr().unwrap(), Transport::Tcp)]);
    senders.push(&record(1, Level::Info));
    let (mut stream, _) = soon("a connection", listener.accept()).await.unwrap();
    assert_eq!(next(&mut stream).await.unwrap(), expected(1));
    drop(stream);
    for seq in 2..=100 {
        senders.push(&record(seq, Level::Info));
    }
    let (mut stream, _) = soon("another connection", listener.accept()).await.unwrap();
    for seq in 2..=100 {
        assert_eq!(soon("a message", next(&mut stream)).await.unwrap(), expected(seq));
    }
}

#[tokio::test]
async fn a_server_that_is_away_holds_up_no_other_and_learns_how_much_it_missed() {
    const COUNT: u64 = 10_000;
    // Bound, and so reserved, but not listening: connections are refused.
    let away = TcpSocket::new_v4().unwrap();
    away.bind((Ipv4Addr::LOCALHOST, 0).into()).unwrap();
    let quick = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let addresses = [away.local_addr().unwrap(), quick.local_addr().unwrap()];
    let senders = senders(addresses.map(|address| target(address, Transport::Tcp)).to_vec());
    let reading = tokio::spawn(async move {
        let (mut stream, _) = quick.accept().await.unwrap();
        for seq in 1..=COUNT {
            assert!(next(&mut stream).await.unwrap().ends_with(&format!(" line {seq}")));
        }
    });
    for seq in 1..=COUNT {
        senders.push(&record(seq, Level::Info));
        while seq % 100 == 0 && !senders.senders[1].waiting.lock().is_empty() {
            tokio::task::yield_now().await;
        }
    }
    soon("the quick one has them all", reading).await.unwrap();
    let listener = away.listen(1).unwrap();
    let (mut stream, _) = soon("it is found again", listener.accept()).await.unwrap();
    let (mut told, mut received) = (0, 0);
    while told + received < COUNT {
        let message = soon("a message", next(&mut stream)).await.unwrap();
        match message.split_once("] ").unwrap().1.split_once(" messages were lost here") {
            Some((count, _)) => told += count.parse::<u64>().unwrap(),
            None => received += 1,
        }
    }
    assert_eq!(told + received, COUNT);
    assert!(told > 0 && received > 1000, "{told} {received}");
}

/// A TLS server with a certificate of its own for this name, and the certificate.
async fn tls_server(name: &str) -> (TcpListener, TlsAcceptor, Vec<u8>) {
    let certified = rcgen::generate_simple_self_signed([name.to_owned()]).unwrap();
    let certificate = certified.cert.der().clone();
    let key = PrivateKeyDer::try_from(certified.signing_key.serialize_der()).unwrap();
    let config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.clone()], key)
        .unwrap();
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    (listener, TlsAcceptor::from(Arc::new(config)), certificate.to_vec())
}

fn digest(certificate: &[u8]) -> [u8; 32] {
    use sha2::{Digest, Sha256};
    Sha256::digest(certificate).into()
}

#[tokio::test]
async fn over_tls_the_right_server_gets_the_log() {
    for by_name in [false, true] {
        let (listener, acceptor, certificate) = tls_server("logs.example").await;
        let trust = if by_name {
            Trust::Authorities { name: String::from("logs.example"), certificates: vec![certificate] }
        } else {
            Trust::Certificate(digest(&certificate))
        };
        let senders = senders(vec![target(listener.local_addr().unwrap(), Transport::Tls(trust))]);
        senders.push(&record(1, Level::Info));
        senders.push(&record(2, Level::Info));
        let (stream, _) = soon("a connection", listener.accept()).await.unwrap();
        let mut stream = soon("a handshake", acceptor.accept(stream)).await.unwrap();
        for seq in [1, 2] {
            assert_eq!(soon("a message", next(&mut stream)).await.unwrap(), expected(seq));
        }
    }
}

#[tokio::test]
async fn over_tls_a_wrong_server_gets_nothing() {
    let (listener, acceptor, certificate) = tls_server("other.example").await;
    let (_, _, stranger) = tls_server("logs.example").await;
    let named = |certificate: &Vec<u8>| Trust::Authorities {
        name: String::from("logs.example"),
        certificates: vec![certificate.clone()],
    };
    for trust in [Trust::Certificate(digest(&stranger)), named(&stranger), named(&certificate)] {
        let senders = senders(vec![target(listener.local_addr().unwrap(), Transport::Tls(trust.clone()))]);
        senders.push(&record(1, Level::Info));
        let (stream, _) = soon("a connection", listener.accept()).await.unwrap();
        let outcome = soon("an end", acceptor.accept(stream)).await;
        let read = match outcome {
            Ok(mut stream) => soon("an end", next(&mut stream)).await,
            Err(_) => None,
        };
        assert_eq!(read, None, "{trust:?}");
        assert!(!senders.senders[0].waiting.lock().is_empty(), "it waits for the right one");
    }
}

#[tokio::test]
async fn what_stays_in_the_settings_keeps_its_connection() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let kept = target(listener.local_addr().unwrap(), Transport::Tcp);
    let gone = target(([127, 0, 0, 1], 9).into(), Transport::Udp);
    let mut senders = senders(vec![kept.clone(), gone]);
    senders.push(&record(1, Level::Info));
    let (mut stream, _) = soon("a connection", listener.accept()).await.unwrap();
    assert_eq!(soon("a message", next(&mut stream)).await.unwrap(), expected(1));
    let many: Vec<Target> =
        (1..=20).map(|port| target(([127, 0, 0, 1], port).into(), Transport::Udp)).collect();
    let targets = std::iter::once(kept).chain(many).collect();
    senders.set(Settings { hostname: String::from("lb-2"), targets });
    assert_eq!(senders.senders.len(), MOST_TARGETS);
    senders.push(&record(2, Level::Info));
    let second = soon("on the same connection", next(&mut stream)).await.unwrap();
    assert_eq!(second, expected(2).replace("lb-1", "lb-2"));
    senders.set(Settings::default());
    assert!(senders.is_empty());
    assert_eq!(soon("it is closed", next(&mut stream)).await, None);
}
