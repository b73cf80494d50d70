//! The layer 7 data path: HTTP/1.1 from clients to real servers.
//!
//! One thread a core, each with its own runtime, listeners and connections to servers (`worker.rs`); one more
//! that follows the rest of the unit and tells them what to serve (`director.rs`). A connection's life is
//! `serve.rs`, top to bottom. Traffic goes on while control, checks or net are away.

#![forbid(unsafe_code)]
#![cfg_attr(not(test), warn(clippy::indexing_slicing))]

mod answer;
mod answering;
mod buffers;
mod director;
mod exchange;
mod fault;
mod listen;
mod memory;
mod plan;
mod pool;
mod sending;
mod serve;
mod service;
mod session;
mod timer;
mod tunnel;
mod watched;
mod worker;

use director::{Board, Director, Told};
use evener_api::{Service, checks, control, net, proxy};
use evener_ipc::{Connection, IpcError, Kept, Lifeline, Listener};
use evener_observe::Dirs;
use memory::Memory;
use std::future::Future;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::thread;
use std::time::Duration;
use tokio::runtime::{Builder, LocalOptions};
use tokio::sync::{mpsc, oneshot, watch};
use watched::Watched;
use worker::Command;

/// How long connections have to finish when the proxy stops; init waits 5 s.
const DRAIN_WITHIN: Duration = Duration::from_secs(4);
/// How often what could not be bound is tried again, and workers are looked after.
const TICK: Duration = Duration::from_secs(1);
/// Time that the director may take for one round, before heartbeats pause.
const WORK_WITHIN: Duration = Duration::from_secs(10);

/// How the proxy runs.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where the other services and the own data are.
    pub dirs: Dirs,
    /// Threads that serve.
    pub workers: NonZeroUsize,
    /// How long connections of a service that is gone may go on with what is under way: tunnels and answers without an
    /// end would keep it for ever.
    pub drain: Duration,
}

/// What [`Settings::drain`] is on the appliance; the operators' "L7 connection drain time".
const DRAIN: Duration = Duration::from_secs(300);

/// Runs the proxy until it is told to stop. One worker for each processor that this process may use.
///
/// # Errors
/// When its own socket cannot be made, a thread cannot be started, or a worker is stuck.
pub fn run(dirs: Dirs) -> anyhow::Result<()> {
    evener_observe::start_log(Service::Proxy.name());
    raise_descriptor_limit();
    let workers = thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
    let runtime = Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let (lifeline, kept) = Lifeline::start().await?;
        let stop = lifeline.clone();
        operate(Settings { dirs, workers, drain: DRAIN }, lifeline, kept, async move { stop.stopped().await })
            .await
    })
}

/// Each connection takes two descriptors; the usual soft limit of 1024 is there for programs that use `select`.
fn raise_descriptor_limit() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: limit.maximum, maximum: limit.maximum };
    if let Err(error) = setrlimit(Resource::Nofile, raised) {
        tracing::warn!(%error, "the limit of open descriptors cannot be raised");
    }
}

/// Serves until `stop` resolves, then lets connections finish for up to 4 s.
///
/// # Errors
/// As [`run`].
pub async fn operate(
    settings: Settings,
    lifeline: Lifeline,
    kept: Kept,
    stop: impl Future<Output = ()>,
) -> anyhow::Result<()> {
    let Settings { dirs, workers, drain: patience } = settings;
    let socket = Listener::bind(&dirs.run, Service::Proxy)?;
    let memory = Memory::new(&dirs.data);
    let mut watched = Vec::new();
    let mut commands = Vec::new();
    for index in 0..workers.get() {
        let (sender, beats) = start_worker(index, patience)?;
        commands.push(sender);
        watched.push(Watched::new(beats));
    }
    let mut snapshots =
        evener_ipc::subscribe(dirs.run.clone(), Service::Control, control::Request::Subscribe);
    let mut reports = evener_ipc::subscribe(dirs.run.clone(), Service::Checks, checks::Request::Subscribe);
    let mut nets = evener_ipc::subscribe(dirs.run, Service::Net, net::Request::Subscribe);

    let mut told =
        Told { snapshot: memory.load().map(Arc::new), net: memory.load().map(Arc::new), health: None };
    tokio::spawn(memory::keep(memory.clone(), snapshots.clone()));
    tokio::spawn(memory::keep(memory, nets.clone()));
    let mut director = Director::new(commands.clone(), lifeline.clone(), kept);
    director.apply(&told).await;
    let (boards, board) = watch::channel(Arc::new(director.board()));
    lifeline.ready().await;
    tracing::info!(
        workers = workers.get(),
        generation = told.snapshot.as_ref().map(|s| s.generation),
        "serving"
    );
    let progress = lifeline.progress(WORK_WITHIN);
    let mut tick = watched::ticks(TICK);
    let mut callers = std::pin::pin!(socket.serve(move |caller| tell_status(caller, board.clone())));
    let mut stop = std::pin::pin!(stop);
    loop {
        progress.mark();
        tokio::select! {
            () = &mut stop => break,
            Ok(()) = snapshots.changed() => told.snapshot = snapshots.borrow_and_update().clone().or(told.snapshot),
            Ok(()) = reports.changed() => told.health = reports.borrow_and_update().clone().or(told.health),
            Ok(()) = nets.changed() => told.net = nets.borrow_and_update().clone().or(told.net),
            () = &mut callers => {}
            _ = tick.tick() => {
                for (index, worker) in watched.iter_mut().enumerate() {
                    anyhow::ensure!(worker.is_alive(), "worker {index} has been stuck for {} s", watched::SILENCE);
                }
                if !director.has_unbound() {
                    continue;
                }
            }
        }
        director.apply(&told).await;
        boards.send_replace(Arc::new(director.board()));
    }
    drain(&commands).await;
    Ok(())
}

/// Tells one caller the status, as often as it asks.
async fn tell_status(mut caller: Connection, board: watch::Receiver<Arc<Board>>) -> Result<(), IpcError> {
    while let Some(proxy::Request::Get) = caller.next_request().await? {
        let status = board.borrow().status();
        caller.answer(&status).await?;
    }
    Ok(())
}

/// Lets all workers finish what they are doing.
async fn drain(commands: &[mpsc::UnboundedSender<Command>]) {
    tracing::info!("finishing what is under way");
    let mut ends = Vec::new();
    for worker in commands {
        let (done, end) = oneshot::channel();
        if worker.send(Command::Drain(done)).is_ok() {
            ends.push(end);
        }
    }
    let all = async {
        for end in ends {
            let _ = end.await;
        }
    };
    if tokio::time::timeout(DRAIN_WITHIN, all).await.is_err() {
        tracing::warn!("connections were cut off that had not finished in time");
    }
}

/// Starts a worker's thread; it ends when its commands do.
fn start_worker(
    index: usize,
    drain: Duration,
) -> std::io::Result<(mpsc::UnboundedSender<Command>, Arc<AtomicU64>)> {
    let (sender, receiver) = mpsc::unbounded_channel();
    let beats = Arc::new(AtomicU64::new(0));
    let shown = Arc::clone(&beats);
    let (report, begun) = std::sync::mpsc::sync_channel(1);
    thread::Builder::new().name(format!("worker-{index}")).spawn(move || {
        let runtime = Builder::new_current_thread().enable_all().build_local(LocalOptions::default());
        match runtime {
            Ok(runtime) => {
                let _ = report.send(Ok(()));
                runtime.block_on(worker::run(index, drain, receiver, shown));
            }
            Err(error) => _ = report.send(Err(error)),
        }
    })?;
    begun.recv().unwrap_or_else(|_| Err(std::io::Error::other("a worker ended at once")))?;
    Ok((sender, beats))
}
