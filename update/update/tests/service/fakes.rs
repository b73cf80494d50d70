//! The services around update, as far as update speaks to them.

use evener_api::Service;
use evener_api::checks::{HealthReport, Request as ChecksRequest};
use evener_api::control::{Reply as ControlReply, Request as ControlRequest, Snapshot};
use evener_api::init::{Reply as InitReply, Request as InitRequest, UnitStatus};
use evener_api::proxy::{ProxyStatus, Request as ProxyRequest, ServiceStatus};
use evener_config::{Address, Config, VirtualService, VsId};
use evener_ipc::{Connection, Listener};
use rustls::pki_types::PrivateKeyDer;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, Mutex};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// What is played, and what was asked.
#[derive(Debug)]
pub(crate) struct Fakes {
    /// The loader's record, as init passes it on.
    pub(crate) handoff: Mutex<String>,
    /// Restarts that init was asked for.
    pub(crate) reboots: watch::Sender<u32>,
    pub(crate) snapshot: Mutex<Snapshot>,
    pub(crate) proxy: Mutex<ProxyStatus>,
    /// What the service on the loopback address answers; nothing: it takes the request and stays silent.
    pub(crate) answer: Mutex<Option<&'static str>>,
    /// Whether checks answers.
    pub(crate) checks: Mutex<bool>,
    /// Settings that control says are lost by a firmware of a format below 2.
    pub(crate) lost: Mutex<Vec<String>>,
    tasks: Mutex<Vec<JoinHandle<()>>>,
}

/// What a healthy proxy answers to a request that has no host.
pub(crate) const REFUSES: &str = "HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n";

impl Fakes {
    /// Plays every service below `run`: one virtual service, all well.
    pub(crate) async fn start(run: &Path) -> Arc<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let web = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut config = Config::default();
        config.unit.web_port = web.local_addr().unwrap().port();
        config.shared.virtual_services.push(virtual_service(1, address));
        let proxy = ProxyStatus { generation: 7, workers: 1, services: vec![status(1, Ok(address))] };
        let fakes = Arc::new(Self {
            handoff: Mutex::default(),
            reboots: watch::Sender::new(0),
            snapshot: Mutex::new(Snapshot { generation: 7, config }),
            proxy: Mutex::new(proxy),
            answer: Mutex::new(Some(REFUSES)),
            checks: Mutex::new(true),
            lost: Mutex::default(),
            tasks: Mutex::default(),
        });
        fakes.play(run, Service::Init, Self::init);
        fakes.play(run, Service::Control, Self::control);
        fakes.play(run, Service::Proxy, |fakes, _: &ProxyRequest| Some(fakes.proxy.lock().unwrap().clone()));
        fakes.play(run, Service::Checks, |fakes, _: &ChecksRequest| {
            fakes.checks.lock().unwrap().then(HealthReport::default)
        });
        fakes.spawn(serve_http(Arc::clone(&fakes), listener));
        fakes.spawn(serve_web(web));
        fakes
    }

    fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        self.tasks.lock().unwrap().push(tokio::spawn(task));
    }

    /// Answers each request with what `reply` makes of it; hangs up on nothing.
    fn play<Q, A>(self: &Arc<Self>, run: &Path, service: Service, reply: fn(&Self, &Q) -> Option<A>)
    where
        Q: DeserializeOwned + Send + Sync + 'static,
        A: Serialize + Send + Sync + 'static,
    {
        let listener = Listener::bind(run, service).unwrap();
        let fakes = Arc::clone(self);
        self.spawn(listener.serve(move |mut connection: Connection| {
            let fakes = Arc::clone(&fakes);
            async move {
                while let Some(request) = connection.receive::<Q>().await? {
                    let Some(answer) = reply(&fakes, &request) else { return Ok(()) };
                    connection.send(&answer).await?;
                }
                Ok(())
            }
        }));
    }

    fn init(&self, request: &InitRequest) -> Option<InitReply> {
        Some(match request {
            InitRequest::Get => InitReply::Status(Box::new(UnitStatus {
                version: "0.0.1".into(),
                uptime_ms: 0,
                memory_total_bytes: 0,
                memory_available_bytes: 0,
                handoff: self.handoff.lock().unwrap().clone(),
                warnings: Vec::new(),
                services: Vec::new(),
            })),
            InitRequest::Reboot => {
                self.reboots.send_modify(|count| *count += 1);
                InitReply::Done
            }
            _ => InitReply::Forbidden,
        })
    }

    fn control(&self, request: &ControlRequest) -> Option<ControlReply> {
        Some(match request {
            ControlRequest::Get => ControlReply::Snapshot(Box::new(self.snapshot.lock().unwrap().clone())),
            ControlRequest::LostBy(format) => {
                let lines = if *format < 2 { self.lost.lock().unwrap().clone() } else { Vec::new() };
                ControlReply::Lost { generation: Some(7), lines }
            }
            _ => ControlReply::Forbidden,
        })
    }
}

impl Drop for Fakes {
    fn drop(&mut self) {
        for task in self.tasks.lock().unwrap().drain(..) {
            task.abort();
        }
    }
}

/// An HTTP service at this address.
pub(crate) fn virtual_service(id: u32, address: SocketAddr) -> VirtualService {
    VirtualService { id: VsId(id), ..VirtualService::new(Address::Literal(address.ip()), address.port()) }
}

/// What the proxy says of a service.
pub(crate) fn status(id: u32, bound: Result<SocketAddr, String>) -> ServiceStatus {
    ServiceStatus {
        vs: VsId(id),
        bound,
        connections: 0,
        accepted: 0,
        requests: 0,
        retries: 0,
        own_answers: 0,
        faults: Vec::new(),
        servers: Vec::new(),
    }
}

async fn serve_http(fakes: Arc<Fakes>, listener: TcpListener) {
    let mut silent = Vec::new();
    while let Ok((mut stream, _)) = listener.accept().await {
        let answer = *fakes.answer.lock().unwrap();
        match answer {
            Some(answer) => _ = stream.write_all(answer.as_bytes()).await,
            None => silent.push(stream),
        }
    }
}

async fn serve_web(listener: TcpListener) {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let key = PrivateKeyDer::Pkcs8(made.signing_key.serialize_der().into());
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key)
        .unwrap();
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
    while let Ok((stream, _)) = listener.accept().await {
        let Ok(mut stream) = acceptor.accept(stream).await else { continue };
        let _ = stream.read(&mut [0; 256]).await;
        let _ = stream.write_all(b"HTTP/1.1 401 Unauthorized\r\n\r\n").await;
        let _ = stream.shutdown().await;
    }
}
