//! The log on disk, its way to syslog servers, and captures of packets.
//!
//! ```text
//! services → init (numbers them, keeps the last 2000) ─ lines ─► follow ─► Keeper ─► data/log/lines
//!                                                            └─► Senders ─► syslog servers
//! web ─ search ─► answer ──────────────────────────────────────────────────► Keeper
//!       capture ─► answer ─► Captures ─ packets of an interface ─► data/log/capture.pcap
//! ```
//!
//! A service of its own because PID 1 must never wait for a disk (`docs/decisions/014-log.md`). While it is away init
//! keeps the lines, and it asks for those that follow the last one on its disk, so its end loses none.
//!
//! Everything that waits for the disk is done on a thread beside the loop; the loop itself leaves a mark, so a disk that
//! hangs ends in a new start.

#![forbid(unsafe_code)]

mod captures;
mod diagnose;
mod follow;
mod keeper;

use crate::captures::Captures;
use crate::keeper::{Asked, Keeper};
use anyhow::Context;
use evener_api::Service;
use evener_api::control::{self, Snapshot};
use evener_api::log::{Lines, Reply, Request};
use evener_ipc::{Connection, IpcError, Lifeline, Listener, subscribe};
use evener_observe::Dirs;
use evener_syslog_send::{Senders, Settings};
use std::path::PathBuf;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};

/// How long the loop may stand still.
const PROGRESS_WITHIN: Duration = Duration::from_secs(60);
/// How often the loop leaves a mark when nothing happens.
const MARK_EVERY: Duration = Duration::from_secs(15);
/// How long, once told to stop, syslog servers have to take what waits for them.
const SENT_WITHIN: Duration = Duration::from_secs(1);
/// How long, once told to stop, the last lines of the others are waited for.
const LAST_LINES_WITHIN: Duration = Duration::from_millis(200);

/// Runs the service until it is told to stop.
///
/// # Errors
/// When it cannot have its socket. A disk that it cannot write to is none: then the log is in memory.
pub fn run(dirs: Dirs) -> anyhow::Result<()> {
    evener_observe::start_log(Service::Log.name());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let outcome = runtime.block_on(async {
        let (lifeline, _kept) = Lifeline::start().await.context("no lifeline")?;
        operate(dirs, &lifeline).await
    });
    // A disk that hangs must not hold up the end.
    runtime.shutdown_background();
    outcome
}

/// Keeps the log until the lifeline says stop.
///
/// # Errors
/// As [`run`].
pub async fn operate(dirs: Dirs, lifeline: &Lifeline) -> anyhow::Result<()> {
    let listener = Listener::bind(&dirs.run, Service::Log)?;
    let progress = lifeline.progress(PROGRESS_WITHIN);
    let own = dirs.data.join(Service::Log.name());
    let (mut keeper, captures) = (Keeper::open(&own).await, Captures::new(&own));
    let (asked_in, mut asked) = mpsc::channel(16);
    let run = dirs.run.clone();
    tokio::spawn(listener.serve(move |connection| {
        let way = Way { asked: asked_in.clone(), captures: captures.clone(), run: run.clone() };
        answer(connection, way)
    }));
    let mut lines = follow::lines(dirs.run.clone(), keeper.last_number());
    let mut snapshots = subscribe(dirs.run, Service::Control, control::Request::Subscribe);
    let mut senders = Senders::default();
    lifeline.ready().await;
    loop {
        progress.mark();
        tokio::select! {
            Some(lines) = lines.recv() => take(&mut keeper, &senders, lines),
            Ok(()) = snapshots.changed() => {
                if let Some(snapshot) = snapshots.borrow_and_update().as_deref() {
                    senders.set(settings(snapshot));
                }
            }
            Some(asked) = asked.recv() => keeper.answer(asked).await,
            () = tokio::time::sleep(keeper.due_in().min(MARK_EVERY)) => keeper.write_if_due().await,
            () = lifeline.stopped() => break,
        }
    }
    while let Ok(Some(last)) = tokio::time::timeout(LAST_LINES_WITHIN, lines.recv()).await {
        take(&mut keeper, &senders, last);
    }
    keeper.write().await;
    // A server that is away has its gap.
    let _ = tokio::time::timeout(SENT_WITHIN, senders.drained()).await;
    Ok(())
}

fn take(keeper: &mut Keeper, senders: &Senders, lines: Lines) {
    for record in keeper.take(lines) {
        senders.push(&record);
    }
}

/// What the senders go by. The settings of this version name no syslog server yet.
fn settings(snapshot: &Snapshot) -> Settings {
    Settings { hostname: snapshot.config.unit.hostname.clone(), targets: Vec::new() }
}

/// The way to whoever can answer.
#[derive(Clone, Debug)]
struct Way {
    asked: mpsc::Sender<Asked>,
    captures: Captures,
    run: PathBuf,
}

async fn answer(mut connection: Connection, way: Way) -> Result<(), IpcError> {
    let peer = connection.peer()?;
    while let Some(request) = connection.next_request::<Request>().await? {
        let reply = if peer.is(Service::Web) { carry_out(request, &way).await } else { Reply::Forbidden };
        connection.answer(&reply).await?;
    }
    Ok(())
}

async fn carry_out(request: Request, way: &Way) -> Reply {
    let own = way.captures.clone();
    let outcome = match request {
        Request::Search(search) => {
            let (answer, reply) = oneshot::channel();
            // Without a loop that answers the service is about to end.
            let _ = way.asked.send(Asked { search, answer }).await;
            return reply.await.unwrap_or_else(|_| Reply::Failed(String::from("log is stopping")));
        }
        Request::Capture => return Reply::Capture(own.status()),
        Request::StopCapture => return Reply::Capture(own.stop()),
        Request::Diagnose(question) => {
            return diagnose::answer(&way.run, question).await.map_or_else(Reply::Failed, Reply::Lines);
        }
        // Both wait for the disk.
        Request::StartCapture(order) => {
            tokio::task::spawn_blocking(move || own.start(order).map(Reply::Capture)).await
        }
        Request::ReadCapture(from) => {
            tokio::task::spawn_blocking(move || own.read(from).map(Reply::Piece)).await
        }
    };
    match outcome {
        Ok(outcome) => outcome.unwrap_or_else(Reply::Failed),
        Err(error) => Reply::Failed(error.to_string()),
    }
}

#[cfg(test)]
mod tests;
