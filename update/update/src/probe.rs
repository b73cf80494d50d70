//! One look at the data plane: is this firmware doing its work?
//!
//! What is not the firmware's fault does not count: a real server that is down, a partner that is away. So the
//! question put to each HTTP service is one that the proxy answers by itself: a request without `Host`, which
//! RFC 9112 §3.2 has it refuse with 400.

use evener_api::Service;
use evener_api::control::{Reply, Request, Snapshot};
use evener_api::proxy::{ProxyStatus, Request as ProxyRequest};
use evener_ipc::call;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

const ANSWER_WITHIN: Duration = Duration::from_secs(3);
const PROBE: &[u8] = b"GET / HTTP/1.1\r\nConnection: close\r\n\r\n";

/// Whether all is well, or what is not, in words.
pub(crate) async fn look(run: &Path) -> Result<(), String> {
    let snapshot = match call(run, Service::Control, &Request::Get).await {
        Ok(Reply::Snapshot(snapshot)) => snapshot,
        Ok(other) => return Err(format!("control answers {other:?}")),
        Err(error) => return Err(error.to_string()),
    };
    if snapshot.generation == 0 {
        return Err("there is no configuration yet".into());
    }
    let proxy: ProxyStatus =
        call(run, Service::Proxy, &ProxyRequest::Get).await.map_err(|error| error.to_string())?;
    services(&snapshot, &proxy).await?;
    let web = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), snapshot.config.unit.web_port);
    connect(web).await.map(drop).map_err(|error| format!("the administration pages at {web}: {error}"))
}

async fn services(snapshot: &Snapshot, proxy: &ProxyStatus) -> Result<(), String> {
    if proxy.generation != snapshot.generation {
        return Err(format!(
            "proxy serves generation {}, control has {}",
            proxy.generation, snapshot.generation
        ));
    }
    for service in &proxy.services {
        let id = service.vs.0;
        // Not bound: an address that the unit does not have, or a port that is taken. The proxy tells it to the
        // operator; another firmware would fare no better.
        let Ok(address) = service.bound else { continue };
        let status =
            answer(address).await.map_err(|error| format!("virtual service {id} at {address}: {error}"))?;
        if !status.starts_with(b"HTTP/1.1 400") {
            return Err(format!(
                "virtual service {id} at {address} answered {:?}",
                String::from_utf8_lossy(&status)
            ));
        }
    }
    Ok(())
}

async fn connect(address: SocketAddr) -> Result<TcpStream, String> {
    match tokio::time::timeout(ANSWER_WITHIN, TcpStream::connect(address)).await {
        Ok(Ok(stream)) => Ok(stream),
        Ok(Err(error)) => Err(error.to_string()),
        Err(_) => Err(format!("no connection within {ANSWER_WITHIN:?}")),
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
