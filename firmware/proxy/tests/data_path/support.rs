//! A proxy in the test process, with stand-ins for control, checks and net over real sockets; servers that
//! answer what a test says; and clients that speak bytes.

use bytes::BytesMut;
use evener_api::checks::{HealthReport, HealthState, ServerHealth};
use evener_api::control::Snapshot;
use evener_api::net::NetStatus;
use evener_api::proxy::{self, ProxyStatus, ServiceStatus};
use evener_api::{Service, checks};
use evener_config::{Address, Config, RealServer, RsId, VirtualService, VsId, Weight};
use evener_http1::{BodyReader, HeadLimits, Wire, read_response};
use evener_ipc::{Kept, Lifeline, Listener, publish};
use evener_observe::Dirs;
use evener_proxy::Settings;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::future::Future;
use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{oneshot, watch};

pub(crate) const VS: VsId = VsId(1);
/// Longer than anything here takes on a loaded machine.
const PATIENCE: Duration = Duration::from_secs(20);

/// How long connections of a service that is gone may go on.
pub(crate) const DRAIN: Duration = Duration::from_secs(2);

/// What must happen, or the test fails.
pub(crate) async fn soon<T>(what: &str, work: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, work).await.unwrap_or_else(|_| panic!("{what} did not happen"))
}

/// A proxy and what it takes for the rest of the unit.
pub(crate) struct Unit {
    pub(crate) dirs: Dirs,
    pub(crate) snapshot: watch::Sender<Arc<Snapshot>>,
    pub(crate) health: watch::Sender<Arc<HealthReport>>,
    pub(crate) net: watch::Sender<Arc<NetStatus>>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
    directory: Option<TempDir>,
}

impl Unit {
    /// One worker, one service, its servers unknown to checks.
    pub(crate) async fn start(vs: VirtualService) -> Self {
        Self::start_with(vec![vs], 1, Kept::new(), true).await
    }

    pub(crate) async fn start_with(
        services: Vec<VirtualService>,
        workers: usize,
        kept: Kept,
        with_control: bool,
    ) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let dirs = Dirs { run: directory.path().join("run"), data: directory.path().join("data") };
        std::fs::create_dir(&dirs.run).unwrap();
        std::fs::create_dir(&dirs.data).unwrap();
        Self::start_in(directory, dirs, services, workers, kept, with_control).await
    }

    async fn start_in(
        directory: TempDir,
        dirs: Dirs,
        services: Vec<VirtualService>,
        workers: usize,
        kept: Kept,
        with_control: bool,
    ) -> Self {
        let (snapshot, snapshots) = watch::channel(Arc::new(numbered(1, services)));
        let (health, reports) = watch::channel(Arc::new(HealthReport::default()));
        let (net, nets) = watch::channel(Arc::new(NetStatus::default()));
        if with_control {
            stand_in::<evener_api::control::Request, _>(&dirs, Service::Control, snapshots);
        }
        stand_in::<checks::Request, _>(&dirs, Service::Checks, reports);
        stand_in::<evener_api::net::Request, _>(&dirs, Service::Net, nets);
        let (stop, stopped) = oneshot::channel::<()>();
        let workers = NonZeroUsize::new(workers).unwrap();
        let settings = Settings { dirs: dirs.clone(), workers, drain: DRAIN };
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let (lifeline, _) = Lifeline::start().await.unwrap();
                evener_proxy::operate(settings, lifeline, kept, async { _ = stopped.await }).await.unwrap();
            });
        });
        let unit = Self {
            dirs,
            snapshot,
            health,
            net,
            stop: Some(stop),
            thread: Some(thread),
            directory: Some(directory),
        };
        if with_control {
            unit.until("the first configuration is in force", |status| status.generation == 1).await;
        }
        unit
    }

    /// Stops the proxy as init would, waits for its end, and starts it again in the same directories.
    pub(crate) async fn restart_without_control(mut self) -> Self {
        self.stop().await;
        let (dirs, directory) = (self.dirs.clone(), self.directory.take().unwrap());
        std::fs::remove_file(dirs.run.join("control.sock")).unwrap();
        Self::start_in(directory, dirs, vec![], 1, Kept::new(), false).await
    }

    /// Tells the proxy to stop, and waits until it has.
    pub(crate) async fn stop(&mut self) {
        self.begin_stop();
        let thread = self.thread.take().unwrap();
        tokio::task::spawn_blocking(move || thread.join().unwrap()).await.unwrap();
    }

    pub(crate) fn begin_stop(&mut self) {
        let _ = self.stop.take().unwrap().send(());
    }

    pub(crate) async fn status(&self) -> ProxyStatus {
        // Its socket is there a moment after its thread has begun.
        soon("the proxy's socket", async {
            loop {
                if let Ok(status) =
                    evener_ipc::call(&self.dirs.run, Service::Proxy, &proxy::Request::Get).await
                {
                    return status;
                }
                tokio::task::yield_now().await;
            }
        })
        .await
    }

    pub(crate) async fn until(&self, what: &str, condition: impl Fn(&ProxyStatus) -> bool) -> ProxyStatus {
        soon(what, async {
            loop {
                let status = self.status().await;
                if condition(&status) {
                    return status;
                }
            }
        })
        .await
    }

    pub(crate) async fn service(&self) -> ServiceStatus {
        self.status().await.services.remove(0)
    }

    pub(crate) async fn address(&self) -> SocketAddr {
        let bound =
            |status: &ProxyStatus| status.services.first().is_some_and(|service| service.bound.is_ok());
        self.until("the service is bound", bound).await.services.remove(0).bound.unwrap()
    }

    pub(crate) async fn client(&self) -> Client {
        Client::connect(self.address().await).await
    }

    /// A new configuration, in force when this returns.
    pub(crate) async fn configure(&self, services: Vec<VirtualService>) {
        let generation = self.snapshot.borrow().generation + 1;
        self.snapshot.send_replace(Arc::new(numbered(generation, services)));
        self.until("the change is in force", |status| status.generation == generation).await;
    }

    /// What checks found for the servers of the service, by id from 1.
    pub(crate) fn report(&self, states: &[HealthState]) {
        let servers = (1..).zip(states).map(|(id, &state)| ServerHealth {
            vs: VS,
            rs: RsId(id),
            state,
            reason: String::new(),
            since_unix_s: 0,
            last_good_ms: None,
        });
        self.health.send_replace(Arc::new(HealthReport { generation: 1, servers: servers.collect() }));
    }
}

impl Drop for Unit {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
            && !std::thread::panicking()
        {
            panic!("the proxy panicked");
        }
    }
}

fn numbered(generation: u64, services: Vec<VirtualService>) -> Snapshot {
    let mut config = Config::default();
    config.shared.virtual_services = services;
    Snapshot { generation, config }
}

fn stand_in<Q, T>(dirs: &Dirs, service: Service, state: watch::Receiver<Arc<T>>)
where
    Q: DeserializeOwned + Send + 'static,
    T: Serialize + Send + Sync + 'static,
{
    let listener = Listener::bind(&dirs.run, service).unwrap();
    tokio::spawn(async move {
        while let Ok(mut connection) = listener.accept().await {
            let state = state.clone();
            tokio::spawn(async move {
                if let Ok(Some(_)) = connection.receive::<Q>().await {
                    let _ = publish(&mut connection, state).await;
                }
            });
        }
    });
}

/// A service on a free port of the loopback, with these servers; ids from 1, weight 1.
pub(crate) fn service(servers: &[SocketAddr]) -> VirtualService {
    let server = |(id, server): (u32, &SocketAddr)| RealServer {
        id: RsId(id),
        weight: Weight(1),
        ..RealServer::new(server.ip(), server.port())
    };
    VirtualService {
        id: VS,
        name: "test".into(),
        real_servers: (1..).zip(servers).map(server).collect(),
        ..VirtualService::new(Address::Literal("127.0.0.1".parse().unwrap()), 0)
    }
}

/// An address on which nobody listens.
pub(crate) async fn nobody() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap()
}

/// A server that gives every request the same kind of answer.
pub(crate) struct Origin {
    pub(crate) address: SocketAddr,
    requests: Arc<Mutex<Vec<String>>>,
    count: Arc<AtomicUsize>,
}

impl Origin {
    /// Answers 200 with its name, and keeps connections open.
    pub(crate) async fn named(name: &'static str) -> Self {
        Self::answering(move |_| {
            Some(format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{name}", name.len()))
        })
        .await
    }

    /// Answers with what `answer` makes of the head; `None`: closes the connection without a word.
    pub(crate) async fn answering(answer: impl Fn(&str) -> Option<String> + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let origin =
            Self { address: listener.local_addr().unwrap(), requests: Arc::default(), count: Arc::default() };
        let (requests, count, answer) =
            (Arc::clone(&origin.requests), Arc::clone(&origin.count), Arc::new(answer));
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let (requests, count, answer) =
                    (Arc::clone(&requests), Arc::clone(&count), Arc::clone(&answer));
                tokio::spawn(async move {
                    let mut input = Vec::new();
                    while let Some(request) = read_request(&mut stream, &mut input).await {
                        count.fetch_add(1, Ordering::SeqCst);
                        let reply = answer(&request);
                        requests.lock().unwrap().push(request);
                        let Some(reply) = reply else { return };
                        if stream.write_all(reply.as_bytes()).await.is_err() {
                            return;
                        }
                    }
                });
            }
        });
        origin
    }

    /// Heads and bodies, as they came.
    pub(crate) fn requests(&self) -> Vec<String> {
        self.requests.lock().unwrap().clone()
    }

    pub(crate) fn count(&self) -> usize {
        self.count.load(Ordering::SeqCst)
    }
}

/// A request with a body by Content-Length, or, as raw bytes, a chunked one up to its last chunk.
pub(crate) async fn read_request(stream: &mut TcpStream, input: &mut Vec<u8>) -> Option<String> {
    loop {
        if let Some(end) = input.windows(4).position(|window| window == b"\r\n\r\n") {
            let head = String::from_utf8_lossy(&input[..end + 4]).into_owned();
            let length = head.lines().find_map(|line| line.strip_prefix("Content-Length: "));
            let total = if head.contains("Transfer-Encoding: chunked") {
                input.windows(5).position(|window| window == b"0\r\n\r\n").map(|at| at + 5)
            } else {
                Some(end + 4 + length.map_or(0, |length| length.parse().unwrap()))
            };
            if let Some(total) = total.filter(|total| input.len() >= *total) {
                let request = String::from_utf8_lossy(&input[..total]).into_owned();
                input.drain(..total);
                return Some(request);
            }
        }
        if stream.read_buf(input).await.ok()? == 0 {
            return None;
        }
    }
}

/// A client that speaks bytes.
pub(crate) struct Client {
    pub(crate) stream: TcpStream,
    pub(crate) input: BytesMut,
}

/// An answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Client {
    pub(crate) async fn connect(address: SocketAddr) -> Self {
        Self { stream: TcpStream::connect(address).await.unwrap(), input: BytesMut::new() }
    }

    /// The body of one answer, if there is one: the listener may be going away.
    pub(crate) async fn try_get(address: SocketAddr) -> Option<String> {
        let mut stream = TcpStream::connect(address).await.ok()?;
        stream.write_all(b"GET / HTTP/1.0\r\n\r\n").await.ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.ok()?;
        answer.split_once("\r\n\r\n").map(|(_, body)| body.to_owned())
    }

    pub(crate) async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.stream.write_all(bytes.as_ref()).await.unwrap();
    }

    pub(crate) async fn get(&mut self, path: &str) -> Answer {
        self.send(format!("GET {path} HTTP/1.1\r\nHost: test\r\n\r\n")).await;
        self.answer().await
    }

    pub(crate) async fn post(&mut self, body: &str) -> Answer {
        let length = body.len();
        self.send(format!("POST / HTTP/1.1\r\nHost: test\r\nContent-Length: {length}\r\n\r\n{body}")).await;
        self.answer().await
    }

    pub(crate) async fn answer(&mut self) -> Answer {
        self.answer_to(false).await
    }

    /// The next whole answer.
    pub(crate) async fn answer_to(&mut self, to_head: bool) -> Answer {
        soon("an answer", async {
            let (mut answer, mut body) = self.head(to_head).await;
            let mut out = BytesMut::new();
            while !body.relay(&mut self.input, Wire::Plain, &mut out).unwrap().done {
                if self.stream.read_buf(&mut self.input).await.unwrap() == 0 {
                    body.end(Wire::Plain, &mut out).unwrap();
                    break;
                }
            }
            answer.body = String::from_utf8(out.to_vec()).unwrap();
            answer
        })
        .await
    }

    /// The next head, and how its body is to be read.
    pub(crate) async fn head(&mut self, to_head: bool) -> (Answer, BodyReader) {
        let limits = HeadLimits { bytes: 1 << 20, fields: 1000 };
        loop {
            let read =
                read_response(&self.input, limits, to_head, |response| (response.status, response.body));
            if let Some(((status, body), length)) = read.unwrap() {
                let head = String::from_utf8(self.input.split_to(length).to_vec()).unwrap();
                return (Answer { status, head, body: String::new() }, body);
            }
            assert_ne!(
                self.stream.read_buf(&mut self.input).await.unwrap(),
                0,
                "the end where an answer was due"
            );
        }
    }

    /// That the connection ends, and nothing more comes before it does.
    pub(crate) async fn ends(&mut self) {
        soon("the end of the connection", async {
            assert_eq!(self.input, "");
            let read = self.stream.read_buf(&mut self.input).await;
            assert!(matches!(read, Ok(0)), "{read:?} {:?}", self.input);
        })
        .await;
    }
}
