//! TLS connections: accepted within limits, served, and ended in good time.

use crate::WebError;
use crate::app::Source;
use crate::door::{Door, Place};
use crate::guard::FILE_WITHIN;
use crate::identity::Identity;
use crate::intake::Errands;
use crate::listen::{Listeners, Listening, RETRY, why};
use crate::stall::Stalling;
use axum::Router;
use evener_api::control::Snapshot;
use evener_ipc::Subscription;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio_rustls::TlsAcceptor;

/// Connections at a time; further ones wait in the kernel.
const CONNECTIONS: u32 = 256;
/// For the TLS handshake.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// For a request's head, and between two requests.
const HEAD: Duration = Duration::from_secs(10);
/// For a whole connection, however busy: bounds what a client can hold that reads its answers slowly.
const CONNECTION: Duration = Duration::from_secs(15 * 60);
/// For what is under way when a connection's time is over, or ours.
const DRAIN: Duration = Duration::from_secs(4);
/// Most bytes of a request's head.
const HEAD_BYTES: usize = 32 * 1024;
/// Pause after the kernel refused us a connection for want of descriptors or memory.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// First byte of a TLS connection: record type handshake (RFC 8446 §5.1).
const TLS_HANDSHAKE: u8 = 22;
/// For those who speak plain HTTP to us.
const USE_HTTPS: &[u8] = b"HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain; charset=utf-8\r\n\
    Content-Length: 47\r\nConnection: close\r\n\r\nThis port speaks TLS. Use https:// in its URL.\n";

/// TLS 1.2 and 1.3 with this certificate.
///
/// # Errors
/// [`WebError::Tls`] when certificate and key are not a pair.
pub(crate) fn tls_config(identity: &Identity) -> Result<rustls::ServerConfig, WebError> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = rustls::ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])?
        .with_no_client_auth()
        .with_single_cert(vec![identity.certificate.clone()], identity.key.clone_key())?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}

/// Serves the pages over TLS.
#[derive(Debug)]
pub(crate) struct Server {
    tls: Arc<rustls::ServerConfig>,
    router: Router,
    door: Door,
    permits: Arc<Semaphore>,
    stopping: watch::Sender<bool>,
}

impl Server {
    /// Not accepting yet.
    pub(crate) fn new(tls: rustls::ServerConfig, router: Router, door: Door) -> Self {
        let permits = Arc::new(Semaphore::new(CONNECTIONS as usize));
        Self { tls: Arc::new(tls), router, door, permits, stopping: watch::Sender::new(false) }
    }

    /// Accepts until `stop`, on another port as soon as the configuration says so and the port can be had.
    pub(crate) async fn run(
        &mut self,
        mut listening: Listening,
        listeners: &mut Listeners,
        mut config: Subscription<Snapshot>,
        stop: impl Future<Output = ()>,
    ) {
        let mut stop = std::pin::pin!(stop);
        let port_of = |config: &mut Subscription<Snapshot>| {
            config.borrow_and_update().as_ref().map(|now| now.config.unit.web_port)
        };
        let mut wanted = port_of(&mut config).unwrap_or(listening.port);
        let mut retry = tokio::time::interval(RETRY);
        let mut told = false;
        loop {
            tokio::select! {
                () = &mut stop => return,
                () = self.accept_one(&listening) => {}
                Ok(()) = config.changed() => {
                    wanted = port_of(&mut config).unwrap_or(wanted);
                    retry.reset_immediately();
                    told = false;
                }
                _ = retry.tick(), if wanted != listening.port => match listeners.open(Some(wanted)).await {
                    Ok(new) => listeners.close(std::mem::replace(&mut listening, new)).await,
                    Err(error) => {
                        let stays = listening.port;
                        // Once: it will be tried every few seconds, for hours if need be.
                        if !std::mem::replace(&mut told, true) {
                        tracing::error!(error = why(&error), stays, "the pages cannot move to their port yet");
                        }
                    }
                },
            }
        }
    }

    /// Accepts one connection and serves it in a task of its own.
    pub(crate) async fn accept_one(&self, listening: &Listening) {
        let Ok(permit) = Arc::clone(&self.permits).acquire_owned().await else { return };
        match listening.socket.accept().await {
            Ok((stream, peer)) => {
                let local = stream.local_addr().map(|local| local.ip());
                // Who is refused has its connection closed, and nothing of it is read.
                if let Some(place) = local.ok().and_then(|local| self.door.admit(local, peer.ip())) {
                    self.spawn(stream, peer.ip(), (permit, place));
                }
            }
            Err(error) => {
                tracing::warn!(%error, "no connection could be accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }

    /// Tells every connection to finish, and waits at most four seconds for that.
    pub(crate) async fn drain(&self) {
        self.stopping.send_replace(true);
        let _ = tokio::time::timeout(DRAIN, self.permits.acquire_many(CONNECTIONS)).await;
    }

    fn spawn(&self, stream: TcpStream, peer: IpAddr, held: (OwnedSemaphorePermit, Place)) {
        let tls = TlsAcceptor::from(Arc::clone(&self.tls));
        let errands = Errands::default();
        let router = self
            .router
            .clone()
            .layer(axum::Extension(Source(peer.to_canonical())))
            .layer(axum::Extension(errands.clone()));
        let stopping = self.stopping.subscribe();
        tokio::spawn(async move {
            if let Some(stream) = handshake(stream, &tls).await {
                serve(stream, router, stopping, &errands).await;
            }
            drop(held);
        });
    }
}

type TlsStream = tokio_rustls::server::TlsStream<Stalling<TcpStream>>;

async fn handshake(mut stream: TcpStream, tls: &TlsAcceptor) -> Option<TlsStream> {
    let shake = async {
        let mut first = [0];
        if stream.peek(&mut first).await.ok()? == 0 {
            return None;
        }
        if first != [TLS_HANDSHAKE] {
            let _ = stream.write_all(USE_HTTPS).await;
            // What was sent to us and not read would make the kernel reset the connection, and the answer with it.
            let _ = stream.shutdown().await;
            let mut scrap = [0; 1024];
            for _ in 0..8 {
                if tokio::io::AsyncReadExt::read(&mut stream, &mut scrap).await.ok()? == 0 {
                    break;
                }
            }
            return None;
        }
        // Scanners and browsers that do not trust the certificate end here; neither is worth a line.
        tls.accept(Stalling::new(stream)).await.ok()
    };
    tokio::time::timeout(HANDSHAKE, shake).await.ok()?
}

async fn serve(stream: TlsStream, router: Router, mut stopping: watch::Receiver<bool>, errands: &Errands) {
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD)
        .max_buf_size(HEAD_BYTES)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(router));
    let mut connection = std::pin::pin!(connection);
    // How it ends tells nothing about us: clients go when they like.
    tokio::select! {
        _ = &mut connection => return,
        _ = stopping.wait_for(|stopping| *stopping) => {}
        () = time_is_over(errands) => {}
    }
    connection.as_mut().graceful_shutdown();
    let _ = tokio::time::timeout(DRAIN, connection).await;
}

/// Returns when a connection has lasted long enough. One that brings a firmware over a slow line is let finish.
async fn time_is_over(errands: &Errands) {
    tokio::time::sleep(CONNECTION).await;
    let _ = tokio::time::timeout(FILE_WITHIN, errands.done()).await;
}

#[cfg(test)]
mod tests;
