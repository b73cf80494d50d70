//! One look at the data plane and the administration: is this firmware doing its work?
//!
//! What is not the firmware's fault does not count: a real server that is down, a partner that is away, a full
//! disk. So the question put to each HTTP service is one that the proxy answers by itself: a request without
//! `Host`, which RFC 9112 §3.2 has it refuse with 400.

use evener_api::Service;
use evener_api::checks::{HealthReport, Request as ChecksRequest};
use evener_api::control::{Reply, Request, Snapshot};
use evener_api::proxy::{ProxyStatus, Request as ProxyRequest};
use evener_config::{Address, VirtualService};
use evener_ipc::call;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::api_probe::ApiProbe;
use crate::journal::Bound;

/// How long each single thing may take to answer.
pub(crate) const ANSWER_WITHIN: Duration = Duration::from_secs(3);
/// How long they may take together; less than what init gives this service between two marks.
const LOOK_WITHIN: Duration = Duration::from_secs(30);
const PROBE: &[u8] = b"GET / HTTP/1.1\r\nConnection: close\r\n\r\n";

/// Looks, again and again.
pub(crate) struct Prober {
    run: PathBuf,
    /// What was bound before the update.
    before: Vec<Bound>,
    api: ApiProbe,
}

impl Prober {
    /// Looks at the services below `run`, and that what was bound `before` is bound again.
    pub(crate) fn new(run: &Path, before: Vec<Bound>) -> Self {
        Self { run: run.to_owned(), before, api: ApiProbe::new() }
    }

    /// Whether all is well, or what is not, in words that name the service.
    pub(crate) async fn look(&self) -> Result<(), String> {
        let looked = tokio::time::timeout(LOOK_WITHIN, self.services()).await;
        looked.unwrap_or_else(|_| Err(format!("the services do not all answer within {LOOK_WITHIN:?}")))
    }

    async fn services(&self) -> Result<(), String> {
        let snapshot = match call(&self.run, Service::Control, &Request::Get).await {
            Ok(Reply::Snapshot(snapshot)) => snapshot,
            Ok(other) => return Err(format!("control: answers {other:?}")),
            Err(error) => return Err(format!("control: {error}")),
        };
        if snapshot.generation == 0 {
            return Err("control: there is no configuration yet".into());
        }
        let proxy: ProxyStatus = call(&self.run, Service::Proxy, &ProxyRequest::Get)
            .await
            .map_err(|error| format!("proxy: {error}"))?;
        self.data_plane(&snapshot, &proxy).await.map_err(|fault| format!("proxy: {fault}"))?;
        call::<_, HealthReport>(&self.run, Service::Checks, &ChecksRequest::Get)
            .await
            .map_err(|error| format!("checks: {error}"))?;
        let web = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), snapshot.config.unit.web_port);
        self.api.ask(web).await.map_err(|fault| format!("web: the administration at {web}: {fault}"))
    }

    async fn data_plane(&self, snapshot: &Snapshot, proxy: &ProxyStatus) -> Result<(), String> {
        if proxy.generation != snapshot.generation {
            return Err(format!(
                "it serves generation {}, and the newest is {}",
                proxy.generation, snapshot.generation
            ));
        }
        for service in &proxy.services {
            let id = service.vs.0;
            let address = match &service.bound {
                Ok(address) => *address,
                // An address that the unit does not have, or a port that is taken: the proxy tells it to the
                // operator, and another firmware would fare no better; unless that one had it bound.
                Err(reason) => match self.was_bound(snapshot, id) {
                    Some(address) => {
                        return Err(format!(
                            "virtual service {id} was bound to {address} before the update and is not now: {reason}"
                        ));
                    }
                    None => continue,
                },
            };
            let status = answer(address)
                .await
                .map_err(|error| format!("virtual service {id} at {address}: {error}"))?;
            if !status.starts_with(b"HTTP/1.1 400") {
                let status = String::from_utf8_lossy(&status).into_owned();
                return Err(format!("virtual service {id} at {address} answered {status:?}"));
            }
        }
        Ok(())
    }

    /// Where the service was bound before the update, if it is still the same service.
    fn was_bound(&self, snapshot: &Snapshot, id: u32) -> Option<SocketAddr> {
        let before = self.before.iter().find(|bound| bound.vs == id)?;
        let is_same = |service: &&VirtualService| {
            let address = match &service.address {
                Address::Literal(address) => *address == before.address.ip(),
                Address::Own(_) => true,
            };
            service.id.0 == id && service.port == before.address.port() && address
        };
        snapshot.config.shared.virtual_services.iter().find(is_same).map(|_| before.address)
    }
}

async fn answer(address: SocketAddr) -> Result<[u8; 12], String> {
    let exchange = async {
        let mut stream = TcpStream::connect(address).await?;
        stream.write_all(PROBE).await?;
        let mut status = [0; 12];
        stream.read_exact(&mut status).await?;
        Ok::<_, std::io::Error>(status)
    };
    match tokio::time::timeout(ANSWER_WITHIN, exchange).await {
        Ok(Ok(status)) => Ok(status),
        Ok(Err(error)) => Err(error.to_string()),
        Err(_) => Err(format!("no answer within {ANSWER_WITHIN:?}")),
    }
}
