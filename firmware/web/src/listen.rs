//! The listening socket: one for IPv4 and IPv6, kept by init across our restarts, moved when the operator sets
//! another port.
//!
//! A port that cannot be had does not end the service: nobody could set another one then. The pages stay where
//! they are, or come up on 8443, and go to the wanted port as soon as they can.

use crate::WebError;
use evener_api::lifeline::ListenerKey;
use evener_ipc::{Kept, Lifeline};
use socket2::{Domain, Protocol, Socket, Type};
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener as StdTcpListener};
use std::os::fd::AsFd;
use std::time::Duration;
use tokio::net::TcpListener;

/// The port while no configuration says another.
const DEFAULT_PORT: u16 = 8443;
/// Pause before a port that could not be had is tried again.
pub(crate) const RETRY: Duration = Duration::from_secs(5);
/// Connections that wait in the kernel to be accepted.
const BACKLOG: i32 = 256;

/// Makes listeners, and leaves them with init.
#[derive(Debug)]
pub(crate) struct Listeners {
    lifeline: Lifeline,
    kept: Kept,
    /// Where the pages are when the wanted port cannot be had.
    pub(crate) fallback: u16,
}

/// A listener and the port that it was asked for.
#[derive(Debug)]
pub(crate) struct Listening {
    pub(crate) socket: TcpListener,
    pub(crate) port: u16,
    key: ListenerKey,
}

impl Listeners {
    /// `kept`: what init had from our former life.
    pub(crate) fn new(lifeline: Lifeline, kept: Kept) -> Self {
        Self { lifeline, kept, fallback: DEFAULT_PORT }
    }

    /// A listener on `port`; with `None` on the port of our former life, else the default.
    ///
    /// # Errors
    /// [`WebError::Listen`] when the port is taken.
    pub(crate) async fn open(&mut self, port: Option<u16>) -> Result<Listening, WebError> {
        let former = self.kept.keys().map(|key| key.address.port()).next();
        let port = port.or(former).unwrap_or(DEFAULT_PORT);
        let listen = |source| WebError::Listen { port, source };
        let found = self.kept.keys().copied().find(|key| key.address.port() == port && port != 0);
        let reused = found.and_then(|key| Some((key, self.kept.remove(&key)?)));
        let is_reused = reused.is_some();
        let (key, socket) = match reused {
            Some((key, descriptor)) => (key, StdTcpListener::from(descriptor)),
            None => {
                let socket = bind(port).map_err(listen)?;
                let address = socket.local_addr().map_err(listen)?;
                (ListenerKey { address, worker: 0 }, socket)
            }
        };
        socket.set_nonblocking(true).map_err(listen)?;
        let socket = TcpListener::from_std(socket).map_err(listen)?;
        if !is_reused {
            self.lifeline.keep(key, socket.as_fd()).await;
        }
        for key in std::mem::take(&mut self.kept).into_keys() {
            self.lifeline.forget(key).await;
        }
        tracing::info!(address = %key.address, kept = is_reused, "listening");
        Ok(Listening { socket, port, key })
    }

    /// As [`open`](Self::open), or on 8443 when that port cannot be had; `None` when neither can.
    pub(crate) async fn open_somewhere(&mut self, port: Option<u16>) -> Option<Listening> {
        let error = match self.open(port).await {
            Ok(listening) => return Some(listening),
            Err(error) => error,
        };
        let instead = self.fallback;
        tracing::error!(error = why(&error), instead, "the pages are not on the port that they should be on");
        match self.open(Some(instead)).await {
            Ok(listening) => Some(listening),
            Err(error) => {
                tracing::error!(error = why(&error), "the pages are on no port at all: nobody can sign in");
                None
            }
        }
    }

    /// Gives a listener up.
    pub(crate) async fn close(&self, listening: Listening) {
        self.lifeline.forget(listening.key).await;
    }
}

/// The error with the kernel's reason, in one line.
pub(crate) fn why(error: &WebError) -> String {
    match std::error::Error::source(error) {
        Some(source) => format!("{error}: {source}"),
        None => error.to_string(),
    }
}

fn bind(port: u16) -> io::Result<StdTcpListener> {
    let on = |domain, address: SocketAddr| -> io::Result<StdTcpListener> {
        let socket = Socket::new(domain, Type::STREAM, Some(Protocol::TCP))?;
        if domain == Domain::IPV6 {
            socket.set_only_v6(false)?;
        }
        socket.set_reuse_address(true)?;
        socket.bind(&address.into())?;
        socket.listen(BACKLOG)?;
        Ok(socket.into())
    };
    match on(Domain::IPV6, (Ipv6Addr::UNSPECIFIED, port).into()) {
        // Only when the kernel has no IPv6: a port that is taken is taken.
        Err(error) if error.kind() != io::ErrorKind::AddrInUse => {
            on(Domain::IPV4, (Ipv4Addr::UNSPECIFIED, port).into())
        }
        outcome => outcome,
    }
}
