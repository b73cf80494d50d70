//! The socket: connections, and what is answered on them.
//!
//! Every connection is a task of its own, so a slow follower delays nobody. Changes go one after the other
//! through the writer's lock, on a thread that may wait for the disk; what they made is published under the same
//! lock, so followers see generations in order.

use crate::announce::announce;
use crate::writer::Writer;
use crate::{begin, open_store, policy};
use anyhow::Context;
use evener_api::Service;
use evener_api::control::{Accepted, Reply, Request, Snapshot, Transaction};
use evener_ipc::{Connection, IpcError, Listener, Peer, Progress, publish};
use evener_observe::Dirs;
use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError};
use std::time::Duration;
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;

/// Connections at one time. Each service needs one or two.
const MAX_CONNECTIONS: usize = 64;
/// How long a connection may ask nothing, and how long an answer may take to be read.
const PATIENCE: Duration = Duration::from_secs(60);
/// Pause between two looks at the writer's lock.
const PROVE_EVERY: Duration = Duration::from_millis(500);
/// How long answers that are under way have when the service stops.
const DRAIN: Duration = Duration::from_secs(3);

/// The service, ready to serve.
#[derive(Debug)]
pub(crate) struct Control {
    dirs: Dirs,
    listener: Listener,
    state: Arc<State>,
}

/// What all connections share.
#[derive(Debug)]
struct State {
    writer: Mutex<Writer>,
    /// Beside the writer, so that they can be read while it waits for the disk.
    warnings: Mutex<Vec<String>>,
    /// For web.
    full: watch::Sender<Arc<Snapshot>>,
    /// For console.
    passwords: watch::Sender<Arc<Snapshot>>,
    /// For everyone else.
    blank: watch::Sender<Arc<Snapshot>>,
}

impl Control {
    /// Opens the store, makes the first configuration where there is none, and binds the socket.
    pub(crate) fn start(dirs: Dirs) -> anyhow::Result<Self> {
        let (mut store, mut warnings) = open_store(&dirs)?;
        warnings.extend(begin::begin(&mut store, &dirs.run)?);
        let writer = Writer::new(store, warnings);
        let snapshot = writer.snapshot();
        tracing::info!(generation = snapshot.generation, "the configuration is in force");
        let state = State {
            full: watch::Sender::new(Arc::new(snapshot.clone())),
            passwords: watch::Sender::new(Arc::new(policy::with_passwords_only(&snapshot))),
            blank: watch::Sender::new(Arc::new(policy::without_secrets(&snapshot))),
            warnings: Mutex::new(writer.warnings()),
            writer: Mutex::new(writer),
        };
        let listener = Listener::bind(&dirs.run, Service::Control).context("cannot serve")?;
        Ok(Self { dirs, listener, state: Arc::new(state) })
    }

    /// Leaves a mark whenever changes can be made: a writer that hangs, on a disk that does not answer, holds its lock
    /// for ever, while reading still works.
    pub(crate) fn prove_work(&self, progress: Progress) {
        let state = Arc::clone(&self.state);
        tokio::spawn(async move {
            let mut again = tokio::time::interval(PROVE_EVERY);
            loop {
                again.tick().await;
                if !matches!(state.writer.try_lock(), Err(TryLockError::WouldBlock)) {
                    progress.mark();
                }
            }
        });
    }

    /// Serves until `stopped` resolves, and then until what was asked is answered.
    pub(crate) async fn serve(self, stopped: impl Future<Output = ()>) {
        let Self { dirs, listener, state } = self;
        let announcing = tokio::spawn(announce(dirs.run, state.full.subscribe()));
        let places = Arc::new(Semaphore::new(MAX_CONNECTIONS));
        let (stop, stopping) = watch::channel(false);
        let mut connections = JoinSet::new();
        tokio::pin!(stopped);
        loop {
            tokio::select! {
                () = &mut stopped => break,
                Some(_) = connections.join_next() => {}
                accepted = listener.accept() => match accepted {
                    Ok(connection) => {
                        let Ok(place) = Arc::clone(&places).try_acquire_owned() else {
                            tracing::warn!("there are {MAX_CONNECTIONS} connections already: one more is refused");
                            continue;
                        };
                        let conversation = converse(connection, Arc::clone(&state), stopping.clone());
                        connections.spawn(async move {
                            if let Err(error) = conversation.await {
                                tracing::info!(%error, "a connection ended early");
                            }
                            drop(place);
                        });
                    }
                    Err(error) => {
                        tracing::warn!(%error, "cannot accept a connection");
                        // Out of descriptors: they come back when connections end, not by asking faster.
                        tokio::time::sleep(Duration::from_millis(100)).await;
                    }
                }
            }
        }
        announcing.abort();
        stop.send_replace(true);
        let drained = async { while connections.join_next().await.is_some() {} };
        if tokio::time::timeout(DRAIN, drained).await.is_err() {
            tracing::warn!("some answers could not be given before the end");
        }
    }
}

/// One connection from its first request to its end.
async fn converse(
    mut connection: Connection,
    state: Arc<State>,
    mut stopping: watch::Receiver<bool>,
) -> Result<(), IpcError> {
    let peer = connection.peer()?;
    loop {
        let asked = tokio::select! {
            asked = tokio::time::timeout(PATIENCE, connection.receive::<Request>()) => asked,
            _ = stopping.wait_for(|stop| *stop) => return Ok(()),
        };
        let Ok(asked) = asked else { return Ok(()) };
        let Some(request) = asked? else { return Ok(()) };
        let reply = if !policy::allows(peer, &request) {
            tracing::warn!(uid = peer.uid, "refused a request of one who may not ask it");
            Reply::Forbidden
        } else if let Request::Subscribe = request {
            let snapshots = state.snapshots(peer).subscribe();
            return tokio::select! {
                outcome = publish(&mut connection, snapshots) => outcome,
                _ = stopping.wait_for(|stop| *stop) => Ok(()),
            };
        } else {
            state.answer(peer, request).await
        };
        match tokio::time::timeout(PATIENCE, connection.send(&reply)).await {
            Ok(sent) => sent?,
            Err(_) => return Ok(()),
        }
    }
}

impl State {
    fn snapshots(&self, peer: Peer) -> &watch::Sender<Arc<Snapshot>> {
        match policy::view(peer) {
            policy::View::All => &self.full,
            policy::View::Passwords => &self.passwords,
            policy::View::Nothing => &self.blank,
        }
    }

    async fn answer(self: &Arc<Self>, peer: Peer, request: Request) -> Reply {
        match request {
            Request::Get | Request::Subscribe => {
                let newest = Arc::clone(&self.snapshots(peer).borrow());
                Reply::Snapshot(Box::new(Snapshot::clone(&newest)))
            }
            Request::Apply(transaction) => self.work(move |state| state.change(&transaction)).await,
            Request::Try(transaction) => self.work(move |state| state.writer().try_out(&transaction)).await,
            Request::Generation(one) => self.work(move |state| state.writer().generation(one)).await,
            Request::Compare { from, to } => self.work(move |state| state.writer().compare(from, to)).await,
            Request::Warnings => Reply::Warnings(self.warnings().clone()),
            Request::LostBy(format) => self.work(move |state| state.writer().lost_by(format)).await,
            Request::History(most) => {
                self.work(move |state| Reply::History(state.writer().history(most))).await
            }
        }
    }

    /// Does what may wait for the disk where waiting hurts nobody.
    async fn work(self: &Arc<Self>, work: impl FnOnce(&Self) -> Reply + Send + 'static) -> Reply {
        let state = Arc::clone(self);
        let done = tokio::task::spawn_blocking(move || work(&state)).await;
        done.unwrap_or_else(|error| Reply::Failed(error.to_string()))
    }

    fn change(&self, transaction: &Transaction) -> Reply {
        let mut writer = self.writer();
        let reply = writer.apply(transaction);
        *self.warnings() = writer.warnings();
        let before = self.full.borrow().generation;
        if let Reply::Accepted(Accepted { generation, .. }) = reply
            && generation != before
        {
            let snapshot = writer.snapshot();
            self.passwords.send_replace(Arc::new(policy::with_passwords_only(&snapshot)));
            self.blank.send_replace(Arc::new(policy::without_secrets(&snapshot)));
            self.full.send_replace(Arc::new(snapshot));
        }
        reply
    }

    fn warnings(&self) -> MutexGuard<'_, Vec<String>> {
        // Replaced whole, never changed in place.
        self.warnings.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn writer(&self) -> MutexGuard<'_, Writer> {
        // A thread that panicked left the writer as it was before or after a whole change.
        self.writer.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
