//! A service's end of the lifeline: heartbeats, readiness, listeners that outlive it, and the word to stop.
//!
//! Outside the appliance there is no init and no lifeline; then a service beats for nobody, keeps nothing, and
//! stops on SIGTERM or SIGINT. No service needs to know the difference.

use crate::packet::{receive, send};
use crate::progress::{Progress, Watched};
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
    watched: Watched,
}

impl Lifeline {
    /// Takes the lifeline from the environment and the listeners that init kept; heartbeats begin. To be called
    /// once, inside the runtime that does the service's work.
    ///
    /// # Errors
    /// When the descriptor in the environment is not a lifeline, or init is gone.
    pub async fn start() -> io::Result<(Self, Kept)> {
        Self::over(evener_sys::inherited_descriptor(ENVIRONMENT)?).await
    }

    async fn over(socket: Option<OwnedFd>) -> io::Result<(Self, Kept)> {
        let (stop_sender, stop) = watch::channel(false);
        let watched = Watched::default();
        let Some(socket) = socket else {
            tokio::spawn(stop_on_signal(stop_sender));
            return Ok((Self { socket: None, stop, watched }, Kept::new()));
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
        tokio::spawn(beat(Arc::clone(&socket), watched.clone()));
        tokio::spawn(listen(Arc::clone(&socket), stop_sender));
        Ok((Self { socket: Some(socket), stop, watched }, kept))
    }

    /// Ties the heartbeats to a loop of the service: from now on they pause when it leaves no mark for `within`. A
    /// loop that has ended leaves none, either.
    ///
    /// Without this they only prove that the runtime runs its tasks.
    #[must_use = "without marks the service is soon killed"]
    pub fn progress(&self, within: Duration) -> Progress {
        self.watched.add(within)
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

async fn beat(socket: Arc<UnixDatagram>, watched: Watched) {
    let mut interval = tokio::time::interval(Duration::from_millis(BEAT_EVERY_MS));
    loop {
        interval.tick().await;
        if !watched.all_go_on() {
            continue;
        }
        if send(&socket, &ToInit::Beat, None).await.is_err() {
            return;
        }
    }
}

async fn listen(socket: Arc<UnixDatagram>, stop: watch::Sender<bool>) {
    while let Ok((FromInit::Kept(_) | FromInit::Go, _)) = receive(&socket).await {}
    stop.send_replace(true);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::InitEnd;

    /// Heartbeats that init hears until there was none for 3 s.
    async fn beats(init: &InitEnd) -> u32 {
        let mut count = 0;
        while let Ok(word) = tokio::time::timeout(Duration::from_secs(3), init.hear()).await {
            assert_eq!(word.unwrap().0, ToInit::Beat);
            count += 1;
        }
        count
    }

    #[tokio::test(start_paused = true)]
    async fn a_loop_that_is_stuck_silences_the_service_and_one_that_goes_on_does_not() {
        let (init, service) = InitEnd::new().unwrap();
        init.go().await.unwrap();
        let (lifeline, _) = Lifeline::over(Some(service)).await.unwrap();
        let (stuck, steady) =
            (lifeline.progress(Duration::from_secs(5)), lifeline.progress(Duration::from_secs(5)));
        let marking = tokio::spawn(async move {
            loop {
                steady.mark();
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        });
        assert!((5..=6).contains(&beats(&init).await));
        stuck.mark();
        assert!((4..=6).contains(&beats(&init).await), "it goes on when the loop does");
        marking.abort();
    }
}
