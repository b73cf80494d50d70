//! The only service that opens slots: their state, and the health that clears the boot count.
//!
//! The loader counts each boot of a confirmed firmware before it jumps. This service watches the data plane and
//! clears the count once the unit has been healthy for a minute; a firmware that never gets there has counted
//! itself out after five boots. A unit that is stopped in order before that minute is over gets its boot back:
//! only crashes and hangs count. Either way this service writes one record in a boot.

#![forbid(unsafe_code)]

mod health;
mod probe;
mod rootfs;
mod slots;

use anyhow::Context as _;
use evener_api::Service;
use evener_api::init::{Reply as InitReply, Request as InitRequest};
use evener_api::update::{Changed, FirmwareStatus, Refusal, Request};
use evener_disk::Slot;
use evener_handoff::{BootReason, Handoff};
use evener_ipc::{Connection, IpcError, Lifeline, Listener, call};
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
    let handoff = handoff(&dirs.run).await;
    let status = watch::Sender::new(Arc::new(slots::read(&dirs.run, handoff.map(|handoff| handoff.slot))));
    let unit = Arc::new(Unit { dirs, handoff, status });
    let watcher = tokio::spawn(watch_health(Arc::clone(&unit)));
    lifeline.ready().await;
    let callers = listener.serve(|connection| answer(Arc::clone(&unit), connection));
    tokio::select! {
        () = callers => {}
        () = lifeline.stopped() => {}
    }
    watcher.abort();
    // Aborted: the boot is still counted against this firmware. Ended by itself: that was settled.
    if watcher.await.is_err() {
        unit.give_back();
    }
    Ok(())
}

/// What the service knows and does about the slots.
struct Unit {
    dirs: Arc<Dirs>,
    /// What the loader said. `None` outside the appliance, or under a foreign loader.
    handoff: Option<Handoff>,
    status: watch::Sender<Arc<FirmwareStatus>>,
}

impl Unit {
    fn running(&self) -> Option<Slot> {
        self.handoff.map(|handoff| handoff.slot)
    }

    fn publish(&self) {
        self.status.send_replace(Arc::new(slots::read(&self.dirs.run, self.running())));
    }

    fn healthy(&self) {
        match self.running().map_or(Ok(false), |slot| slots::healthy(&self.dirs.run, slot)) {
            Ok(true) => tracing::info!("healthy: the boot count is cleared"),
            Ok(false) => tracing::info!("healthy"),
            Err(error) => {
                tracing::error!(error = format!("{error:#}"), "healthy, but the slot table was not written");
            }
        }
        self.publish();
    }

    fn give_back(&self) {
        // What was not charged cannot be given back: it would excuse another boot, one that failed.
        let charged = |handoff: &Handoff| !handoff.uncounted && handoff.reason != BootReason::LastResort;
        let Some(handoff) = self.handoff.filter(charged) else { return };
        match slots::give_back(&self.dirs.run, handoff.slot) {
            Ok(_) => tracing::info!("stopped in order: this boot does not count"),
            Err(error) => tracing::warn!(error = format!("{error:#}"), "this boot stays counted"),
        }
    }

    fn forgive(&self) -> Changed {
        let outcome = slots::forgive(&self.dirs.run);
        self.publish();
        match outcome {
            Ok(Some(slot)) => {
                tracing::info!(%slot, "the boots counted against it are forgotten: the next boot starts it");
                Changed::Next(slot.letter())
            }
            Ok(None) => Changed::Refused(Refusal {
                code: "F20".into(),
                kind: "no-firmware".into(),
                detail: "neither slot A nor slot B holds a firmware that was confirmed on this unit".into(),
                remedy: "install a firmware".into(),
                can_be_overridden: false,
            }),
            Err(error) => Changed::Failed(format!("{error:#}")),
        }
    }
}

async fn answer(unit: Arc<Unit>, mut connection: Connection) -> Result<(), IpcError> {
    let peer = connection.peer()?;
    while let Some(request) = connection.next_request().await? {
        match request {
            Request::Get => {
                let newest = Arc::clone(&unit.status.borrow());
                connection.answer(&*newest).await?;
            }
            Request::Forgive if peer.is(Service::Web) => connection.answer(&unit.forgive()).await?,
            _ => connection.answer(&Changed::Forbidden).await?,
        }
    }
    Ok(())
}

/// What the loader told init.
async fn handoff(run: &Path) -> Option<Handoff> {
    match call(run, Service::Init, &InitRequest::Get).await {
        Ok(InitReply::Status(status)) => Handoff::decode(&status.handoff)
            .inspect_err(|error| tracing::warn!(%error, "the loader's hand-off cannot be read"))
            .ok(),
        Ok(other) => {
            tracing::warn!(?other, "init did not tell its status");
            None
        }
        Err(error) => {
            tracing::info!(%error, "no hand-off");
            None
        }
    }
}

/// Looks at the data plane each second until it has been healthy long enough, then clears the boot count.
async fn watch_health(unit: Arc<Unit>) {
    let started = Instant::now();
    let mut watch = Watch::default();
    let mut interval = tokio::time::interval(LOOK_EVERY);
    interval.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut told = String::new();
    loop {
        interval.tick().await;
        let mut finding = probe::look(&unit.dirs.run).await;
        let long_enough = watch.observe(started.elapsed(), finding.is_ok());
        if long_enough {
            finding = whole_rootfs(unit.handoff.is_some()).await;
            if finding.is_ok() {
                break;
            }
            watch = Watch::default();
        }
        if let Err(reason) = finding
            && reason != told
        {
            tracing::info!(reason, "not healthy yet");
            told = reason;
        }
    }
    unit.healthy();
}

/// Has the kernel verify every block of the root file system, also those that nothing has needed yet. A corrupt
/// one restarts the unit (that is how dm-verity is set up), here, while the boot is still counted: found later, it
/// would restart the unit again and again, each time after the count was cleared.
async fn whole_rootfs(on_the_appliance: bool) -> Result<(), String> {
    if !on_the_appliance {
        return Ok(());
    }
    let read = tokio::task::spawn_blocking(|| rootfs::read_all(Path::new("/"))).await;
    match read {
        Ok(Ok(bytes)) => {
            tracing::info!(bytes, "every file of the root file system was read and verified");
            Ok(())
        }
        Ok(Err(error)) => Err(format!("the root file system cannot be read: {error:#}")),
        Err(error) => Err(error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use evener_disk::Role;
    use evener_handoff::Mode;
    use evener_manifest::Version;
    use evener_slot_table::{SlotState, SlotTable, load, store};
    use evener_sys::disk::{FileBlocks, partition_path};

    fn count_after_stop(reason: BootReason, uncounted: bool) -> u8 {
        let root = tempfile::tempdir().unwrap();
        let dirs = Dirs { run: root.path().join("run"), data: root.path().join("data") };
        let path = partition_path(&dirs.run, Role::SlotTable);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, vec![0; 4 << 20]).unwrap();
        let mut partition = FileBlocks::open(&path, true).unwrap();
        let mut table = SlotTable { boots_without_health: 3, ..SlotTable::default() };
        table.slot_mut(Slot::A).state = SlotState::Confirmed;
        store(&mut partition, &mut table).unwrap();
        let handoff = Handoff {
            slot: Slot::A,
            mode: Mode::Normal,
            reason,
            tries_left: 0,
            degraded: false,
            uncounted,
            reset: false,
            skipped: [None; 3],
            loader: Version::default(),
            keys: None,
        };
        let status = watch::Sender::new(Arc::new(slots::read(&dirs.run, None)));
        Unit { dirs: Arc::new(dirs), handoff: Some(handoff), status }.give_back();
        load(&mut partition).table.unwrap().boots_without_health
    }

    #[test]
    fn only_a_boot_that_was_charged_is_given_back() {
        assert_eq!(count_after_stop(BootReason::Preferred, false), 2);
        assert_eq!(count_after_stop(BootReason::Preferred, true), 3);
        assert_eq!(count_after_stop(BootReason::LastResort, false), 3);
    }
}
