//! Real sockets, a real TLS client.

use super::*;
use axum::routing::get;
use evener_config::Config;
use evener_ipc::{Kept, Lifeline};
use rustls::pki_types::{CertificateDer, ServerName};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener as StdListener};
use tokio::io::AsyncReadExt;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream as ClientStream;

/// A server that runs until its sender is dropped, and what a client needs to trust it.
struct Running {
    address: SocketAddr,
    certificate: CertificateDer<'static>,
    config: watch::Sender<Option<Arc<Snapshot>>>,
    task: tokio::task::JoinHandle<Listeners>,
    stop: tokio::sync::oneshot::Sender<()>,
    _data: tempfile::TempDir,
}

fn snapshot(port: u16) -> Option<Arc<Snapshot>> {
    let mut config = Config::default();
    config.unit.web_port = port;
    Some(Arc::new(Snapshot { generation: 1, config }))
}

async fn start(router: Router) -> Running {
    let data = tempfile::tempdir().unwrap();
    let names = ["localhost", "127.0.0.1"].map(String::from);
    let identity = Identity::load_or_make(data.path(), &names).unwrap();
    let (lifeline, kept) = Lifeline::start().await.unwrap();
    let mut listeners = Listeners::new(lifeline, kept);
    start_on(router, listeners.open(Some(0)).await.unwrap(), listeners, identity, data, 0).await
}

/// As [`start`], on this listener, with `wanted` as the configuration's port.
async fn start_on(
    router: Router,
    listening: Listening,
    mut listeners: Listeners,
    identity: Identity,
    data: tempfile::TempDir,
    wanted: u16,
) -> Running {
    let certificate = identity.certificate.clone();
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, listening.socket.local_addr().unwrap().port()));
    let (config, seen) = watch::channel(snapshot(wanted));
    let door = Door::new(seen.clone(), watch::channel(None).1);
    let mut server = Server::new(tls_config(&identity).unwrap(), router, door);
    let (stop, stopped) = tokio::sync::oneshot::channel();
    let task = tokio::spawn(async move {
        let stopped = async { _ = stopped.await };
        server.run(listening, &mut listeners, seen, stopped).await;
        server.drain().await;
        listeners
    });
    Running { address, certificate, config, task, stop, _data: data }
}

fn hello() -> Router {
    Router::new().route("/", get(|source: axum::Extension<Source>| async move { source.0.0.to_string() }))
}

async fn connect(
    running: &Running,
    address: SocketAddr,
    versions: &[&'static rustls::SupportedProtocolVersion],
) -> std::io::Result<ClientStream<TcpStream>> {
    let mut roots = rustls::RootCertStore::empty();
    roots.add(running.certificate.clone()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(versions)
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let stream = TcpStream::connect(address).await?;
    let name = ServerName::try_from("localhost").unwrap();
    TlsConnector::from(Arc::new(config)).connect(name, stream).await
}

async fn ask(stream: &mut ClientStream<TcpStream>, request: &str) -> String {
    // Who is refused early cannot send all of it; the answer counts.
    let _ = stream.write_all(request.as_bytes()).await;
    let mut answer = Vec::new();
    // An end without close_notify is an error to rustls, and still an end.
    let _ = stream.read_to_end(&mut answer).await;
    String::from_utf8(answer).unwrap()
}

const GET: &str = "GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";

#[tokio::test]
async fn serves_tls_12_and_13_over_both_address_families_and_knows_the_source() {
    let running = start(hello()).await;
    for version in [&rustls::version::TLS12, &rustls::version::TLS13] {
        let mut stream = connect(&running, running.address, &[version]).await.unwrap();
        let answer = ask(&mut stream, GET).await;
        assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with("127.0.0.1"), "{answer}");
    }
    let v6 = SocketAddr::from((Ipv6Addr::LOCALHOST, running.address.port()));
    if TcpStream::connect(v6).await.is_ok() {
        let mut stream = connect(&running, v6, rustls::ALL_VERSIONS).await.unwrap();
        assert!(ask(&mut stream, GET).await.ends_with("::1"));
    }
}

#[tokio::test]
async fn plain_http_is_told_to_use_https() {
    let running = start(hello()).await;
    let mut stream = TcpStream::connect(running.address).await.unwrap();
    stream.write_all(GET.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(
        answer.starts_with("HTTP/1.1 400 ") && answer.ends_with("Use https:// in its URL.\n"),
        "{answer}"
    );
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.contains(&format!("Content-Length: {}", body.len())), "{head}");
}

#[tokio::test(start_paused = true)]
async fn who_says_nothing_is_cut_off_in_good_time() {
    let running = start(hello()).await;
    let start = tokio::time::Instant::now();
    let mut stream = TcpStream::connect(running.address).await.unwrap();
    assert_eq!(stream.read(&mut [0]).await.unwrap(), 0);
    // The clock of this test jumps to the next timer whenever nothing else happens.
    assert!(start.elapsed() >= HANDSHAKE && start.elapsed() < 2 * HANDSHAKE, "{:?}", start.elapsed());
}

#[tokio::test]
async fn malformed_requests_are_refused_and_the_server_goes_on() {
    let running = start(hello()).await;
    for request in
        ["\0\0\0\r\n\r\n", "GET\r\n\r\n", "GET / HTTP/9.9\r\n\r\n", "GET / HTTP/1.1\r\n: x\r\n\r\n"]
    {
        let mut stream = connect(&running, running.address, rustls::ALL_VERSIONS).await.unwrap();
        let answer = ask(&mut stream, request).await;
        assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 400"), "{request:?}: {answer}");
    }
    let long = format!("GET / HTTP/1.1\r\nConnection: close\r\nX: {}\r\n\r\n", "x".repeat(3 * HEAD_BYTES));
    let mut stream = connect(&running, running.address, rustls::ALL_VERSIONS).await.unwrap();
    let answer = ask(&mut stream, &long).await;
    // The rest of the head meets a closed socket, which may cost the client the answer, but serves it nothing.
    assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 431"), "{answer}");
    let mut stream = connect(&running, running.address, rustls::ALL_VERSIONS).await.unwrap();
    assert!(ask(&mut stream, GET).await.starts_with("HTTP/1.1 200"));
}

#[tokio::test]
async fn moves_to_the_port_that_the_configuration_names() {
    let running = start(hello()).await;
    let free = StdListener::bind("[::]:0").unwrap().local_addr().unwrap().port();
    running.config.send_replace(snapshot(free));
    let there = SocketAddr::from((Ipv4Addr::LOCALHOST, free));
    let moved = async {
        loop {
            if let Ok(mut stream) = connect(&running, there, rustls::ALL_VERSIONS).await {
                return ask(&mut stream, GET).await;
            }
            tokio::task::yield_now().await;
        }
    };
    let answer = tokio::time::timeout(Duration::from_secs(5), moved).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"));
    assert!(TcpStream::connect(running.address).await.is_err(), "the old port is given up");
}

#[tokio::test(start_paused = true)]
async fn a_port_that_is_taken_is_waited_for_on_another() {
    let taken = StdListener::bind("[::]:0").unwrap();
    let wanted = taken.local_addr().unwrap().port();
    let data = tempfile::tempdir().unwrap();
    let identity = Identity::load_or_make(data.path(), &[String::from("localhost")]).unwrap();
    let (lifeline, kept) = Lifeline::start().await.unwrap();
    let mut listeners = Listeners::new(lifeline, kept);
    assert_eq!(listeners.fallback, 8443);
    listeners.fallback = 0;
    let listening = listeners.open_somewhere(Some(wanted)).await.unwrap();
    let running = start_on(hello(), listening, listeners, identity, data, wanted).await;
    let mut stream = connect(&running, running.address, rustls::ALL_VERSIONS).await.unwrap();
    assert!(ask(&mut stream, GET).await.starts_with("HTTP/1.1 200"), "the pages are there meanwhile");

    drop(taken);
    let there = SocketAddr::from((Ipv4Addr::LOCALHOST, wanted));
    // This clock jumps, so the tries come at once.
    tokio::time::sleep(2 * RETRY).await;
    let mut stream = connect(&running, there, rustls::ALL_VERSIONS).await.unwrap();
    assert!(ask(&mut stream, GET).await.starts_with("HTTP/1.1 200"));
}

#[tokio::test]
async fn one_source_cannot_take_every_place() {
    let running = start(hello()).await;
    let mut held = Vec::new();
    for _ in 0..crate::door::OF_ONE_SOURCE {
        held.push(connect(&running, running.address, rustls::ALL_VERSIONS).await.unwrap());
    }
    assert!(connect(&running, running.address, rustls::ALL_VERSIONS).await.is_err());
    let elsewhere = tokio::net::TcpSocket::new_v4().unwrap();
    elsewhere.bind((Ipv4Addr::new(127, 0, 0, 2), 0).into()).unwrap();
    let mut stream = elsewhere.connect(running.address).await.unwrap();
    stream.write_all(GET.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 400"), "another source is served: {answer}");
}

#[tokio::test(start_paused = true)]
async fn who_does_not_read_its_answer_loses_it() {
    const LENGTH: usize = 64 << 20;
    let running = start(Router::new().route("/", get(|| async { vec![b'x'; LENGTH] }))).await;
    let mut stream = connect(&running, running.address, rustls::ALL_VERSIONS).await.unwrap();
    stream.write_all(GET.as_bytes()).await.unwrap();
    stream.flush().await.unwrap();
    tokio::time::sleep(2 * crate::stall::STALL).await;
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer).await;
    assert!(answer.len() < LENGTH, "all of it came: {}", answer.len());
}

#[tokio::test]
async fn what_is_under_way_is_finished_before_the_end() {
    let (entered, mut inside) = tokio::sync::mpsc::channel::<()>(1);
    let (release, released) = watch::channel(false);
    let slow = get(move || async move {
        entered.send(()).await.unwrap();
        released.clone().wait_for(|now| *now).await.unwrap();
        "finished"
    });
    let running = start(Router::new().route("/", slow)).await;
    let mut stream = connect(&running, running.address, rustls::ALL_VERSIONS).await.unwrap();
    let answer = tokio::spawn(async move { ask(&mut stream, GET).await });
    inside.recv().await.unwrap();
    running.stop.send(()).unwrap();
    release.send_replace(true);
    assert!(answer.await.unwrap().ends_with("finished"));
    running.task.await.unwrap();
}

#[tokio::test]
async fn a_kept_listener_is_used_again() {
    let former = StdListener::bind("127.0.0.1:0").unwrap();
    let address = former.local_addr().unwrap();
    let (lifeline, _) = Lifeline::start().await.unwrap();
    let key = evener_api::lifeline::ListenerKey { address, worker: 0 };
    let mut listeners = Listeners::new(lifeline, Kept::from([(key, former.into())]));
    // With the port unknown, that of the former life counts.
    let listening = listeners.open(None).await.unwrap();
    assert_eq!(listening.socket.local_addr().unwrap(), address);
}

#[tokio::test]
async fn who_is_refused_in_the_middle_of_a_file_learns_why_at_once_or_after_sending_all_of_it() {
    const BYTES: usize = 8 << 20;
    async fn refuse(body: axum::body::Body) -> axum::response::Response {
        let mut intake = crate::intake::Intake::new(body, 1 << 30);
        assert!(intake.next().await.is_ok());
        intake.answer_early((axum::http::StatusCode::UNPROCESSABLE_ENTITY, "it is not a firmware"))
    }
    let running = start(Router::new().route("/", axum::routing::put(refuse))).await;
    let head = format!("PUT / HTTP/1.1\r\nHost: localhost\r\nContent-Length: {BYTES}\r\n\r\n");
    let half = vec![7; BYTES / 2];

    // The answer comes while half of it is still to be sent.
    let mut stream = connect(&running, running.address, rustls::ALL_VERSIONS).await.unwrap();
    stream.write_all(head.as_bytes()).await.unwrap();
    stream.write_all(&half).await.unwrap();
    let mut start = [0; 12];
    stream.read_exact(&mut start).await.unwrap();
    assert_eq!(&start, b"HTTP/1.1 422");

    // And waits for who does not look before the end.
    let mut stream = connect(&running, running.address, rustls::ALL_VERSIONS).await.unwrap();
    stream.write_all(head.as_bytes()).await.unwrap();
    for _ in 0..2 {
        stream.write_all(&half).await.unwrap();
    }
    let answer = ask(&mut stream, "").await;
    assert!(answer.starts_with("HTTP/1.1 422") && answer.ends_with("it is not a firmware"), "{answer}");
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_brings_a_file_is_let_finish() {
    let errands = Errands::default();
    let errand = errands.begin();
    let start = tokio::time::Instant::now();
    let waiting = tokio::spawn({
        let errands = errands.clone();
        async move { time_is_over(&errands).await }
    });
    tokio::time::sleep(CONNECTION * 3).await;
    assert!(!waiting.is_finished());
    drop(errand);
    waiting.await.unwrap();
    assert_eq!(start.elapsed(), CONNECTION * 3);
    time_is_over(&errands).await;
    assert_eq!(start.elapsed(), CONNECTION * 4);
}
