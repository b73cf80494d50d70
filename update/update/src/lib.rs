//! The only service that opens slots: their state, and the health that clears the boot count.
//!
//! The loader counts each boot of a confirmed firmware before it jumps. This service watches the data plane and
//! clears the count once the unit has been healthy for a minute; a firmware that never gets there has counted
//! itself out after five boots. A unit that is stopped in order before that minute is over gets its boot back:
//! only crashes and hangs count. Either way this service writes one record in a boot.

#![forbid(unsafe_code)]

mod health;
mod probe;
mod slots;

use anyhow::Context as _;
use evener_api::Service;
use evener_api::init::{Reply as InitReply, Request as InitRequest};
use evener_api::update::{FirmwareStatus, Request};
use evener_disk::Slot;
use evener_handoff::Handoff;
use evener_ipc::{Connection, Lifeline, Listener, call};
use evener_observe::Dirs;
use health::Watch;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::watch;

/// Time between two looks at the data plane.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Runs the service until init says stop.
///
/// # Errors
/// When the runtime or the service's socket cannot be made.
pub fn run(dirs: Dirs) -> anyhow::Result<()> {
    evener_observe::start_log(Service::Update.name());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(serve(Arc::new(dirs)))
}

async fn serve(dirs: Arc<Dirs>) -> anyhow::Result<()> {
    let (lifeline, _) = Lifeline::start().await.context("lifeline")?;
    let listener = Listener::bind(&dirs.run, Service::Update)?;
    let running = running_slot(&dirs.run).await;
    let (status, published) = watch::channel(Arc::new(slots::read(&dirs.run, running)));
    let watcher = tokio::spawn(watch_health(Arc::clone(&dirs), running, status));
    lifeline.ready().await;
    loop {
        tokio::select! {
            connection = listener.accept() => match connection {
                Ok(connection) => drop(tokio::spawn(answer(connection, published.clone()))),
                Err(error) => tracing::warn!(%error, "a caller was lost"),
            },
            () = lifeline.stopped() => break,
        }
    }
    watcher.abort();
    // Aborted: the boot is still counted against this firmware. Ended by itself: that was settled.
    if let (Err(_), Some(running)) = (watcher.await, running) {
        match slots::give_back(&dirs.run, running) {
            Ok(_) => tracing::info!("stopped in order: this boot does not count"),
            Err(error) => tracing::warn!(error = format!("{error:#}"), "this boot stays counted"),
        }
    }
    Ok(())
}

async fn answer(mut connection: Connection, status: watch::Receiver<Arc<FirmwareStatus>>) {
    while let Ok(Some(Request::Get)) = connection.receive().await {
        let newest = Arc::clone(&status.borrow());
        if connection.send(&*newest).await.is_err() {
            return;
        }
    }
}

/// The slot that the loader says it started. `None` outside the appliance, or under a foreign loader.
async fn running_slot(run: &Path) -> Option<Slot> {
    match call(run, Service::Init, &InitRequest::Get).await {
        Ok(InitReply::Status(status)) => {
            Handoff::decode(&status.handoff).map(|handoff| handoff.slot).map_err(|error| {
                tracing::warn!(%error, "the loader's hand-off cannot be read");
            })
        }
        Ok(other) => {
            tracing::warn!(?other, "init did not tell its status");
            Err(())
        }
        Err(error) => {
            tracing::info!(%error, "no hand-off");
            Err(())
        }
    }
    .ok()
}

/// Looks at the data plane each second until it has been healthy long enough, then clears the boot count.
async fn watch_health(dirs: Arc<Dirs>, running: Option<Slot>, status: watch::Sender<Arc<FirmwareStatus>>) {
    let started = Instant::now();
    let mut watch = Watch::default();
    let mut interval = tokio::time::interval(LOOK_EVERY);
    interval.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut told = String::new();
    loop {
        interval.tick().await;
        let finding = probe::look(&dirs.run).await;
        if let Err(reason) = &finding
            && *reason != told
        {
            tracing::info!(reason, "not healthy yet");
            told.clone_from(reason);
        }
        if watch.observe(started.elapsed(), finding.is_ok()) {
            break;
        }
    }
    match running.map_or(Ok(false), |slot| slots::healthy(&dirs.run, slot)) {
        Ok(true) => tracing::info!("healthy: the boot count is cleared"),
        Ok(false) => tracing::info!("healthy"),
        Err(error) => {
            tracing::error!(error = format!("{error:#}"), "healthy, but the slot table was not written")
        }
    }
    status.send_replace(Arc::new(slots::read(&dirs.run, running)));
}
