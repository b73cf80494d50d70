//! A service's end of the lifeline: heartbeats, readiness, listeners that outlive it, and the word to stop.
//!
//! Outside the appliance there is no init and no lifeline; then a service beats for nobody, keeps nothing, and
//! stops on SIGTERM or SIGINT. No service needs to know the difference.

use crate::packet::{receive, send};
use evener_api::lifeline::{BEAT_EVERY_MS, ENVIRONMENT, FromInit, ListenerKey, ToInit};
use std::collections::BTreeMap;
use std::io;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::os::unix::net::UnixDatagram as StdUnixDatagram;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::UnixDatagram;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

/// Listening sockets of the service's former life.
pub type Kept = BTreeMap<ListenerKey, OwnedFd>;

/// A service's end of the lifeline. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Lifeline {
    socket: Option<Arc<UnixDatagram>>,
    stop: watch::Receiver<bool>,
}

impl Lifeline {
    /// Takes the lifeline from the environment and the listeners that init kept; heartbeats begin. To be called
    /// once, inside the runtime that does the service's work.
    ///
    /// # Errors
    /// When the descriptor in the environment is not a lifeline, or init is gone.
    pub async fn start() -> io::Result<(Self, Kept)> {
        let (stop_sender, stop) = watch::channel(false);
        let socket = evener_sys::inherited_descriptor(ENVIRONMENT)?;
        let Some(socket) = socket else {
            tokio::spawn(stop_on_signal(stop_sender));
            return Ok((Self { socket: None, stop }, Kept::new()));
        };
        // Of type SOCK_SEQPACKET: packets like a datagram socket's, and an end like a stream's.
        let socket = Arc::new(UnixDatagram::from_std(StdUnixDatagram::from(socket))?);
        let mut kept = Kept::new();
        loop {
            match receive(&socket).await? {
                (FromInit::Kept(key), Some(descriptor)) => _ = kept.insert(key, descriptor),
                (FromInit::Go, _) => break,
                (FromInit::Kept(_), None) | (FromInit::Stop, _) => {
                    return Err(io::Error::other("init broke off the hand-over of listeners"));
                }
            }
        }
        tokio::spawn(beat(Arc::clone(&socket)));
        tokio::spawn(listen(Arc::clone(&socket), stop_sender));
        Ok((Self { socket: Some(socket), stop }, kept))
    }

    /// Says that the service serves.
    pub async fn ready(&self) {
        self.say(&ToInit::Ready, None).await;
    }

    /// Leaves a listener with init, for the next life.
    pub async fn keep(&self, key: ListenerKey, listener: BorrowedFd<'_>) {
        self.say(&ToInit::Keep(key), Some(listener)).await;
    }

    /// Takes back what [`keep`](Self::keep) left.
    pub async fn forget(&self, key: ListenerKey) {
        self.say(&ToInit::Forget(key), None).await;
    }

    /// Resolves when the service is to finish and exit.
    pub async fn stopped(&self) {
        // An error means that the sender is gone, and with it init: then there is nobody to serve for.
        let _ = self.stop.clone().wait_for(|stop| *stop).await;
    }

    async fn say(&self, message: &ToInit, descriptor: Option<BorrowedFd<'_>>) {
        if let Some(socket) = &self.socket
            && let Err(error) = send(socket, message, descriptor).await
        {
            tracing::warn!(%error, ?message, "init does not hear");
        }
    }
}

async fn stop_on_signal(sender: watch::Sender<bool>) {
    if let (Ok(mut terminate), Ok(mut interrupt)) =
        (signal(SignalKind::terminate()), signal(SignalKind::interrupt()))
    {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    }
    sender.send_replace(true);
}

async fn beat(socket: Arc<UnixDatagram>) {
    let mut interval = tokio::time::interval(Duration::from_millis(BEAT_EVERY_MS));
    loop {
        interval.tick().await;
        if send(&socket, &ToInit::Beat, None).await.is_err() {
            return;
        }
    }
}

async fn listen(socket: Arc<UnixDatagram>, stop: watch::Sender<bool>) {
    while let Ok((FromInit::Kept(_) | FromInit::Go, _)) = receive(&socket).await {}
    stop.send_replace(true);
}
