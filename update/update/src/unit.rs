//! What the service knows about this unit, what it publishes, and the steps that are one record write.

use evener_api::Service;
use evener_api::control::{Reply as ControlReply, Request as ControlRequest};
use evener_api::proxy::{ProxyStatus, Request as ProxyRequest};
use evener_api::update::{FirmwareStatus, Happening, Installation, LoaderStatus, Proving};
use evener_disk::Slot;
use evener_handoff::{Handoff, Mode};
use evener_ipc::call;
use evener_manifest::{Keyset, ManifestError, Version};
use evener_observe::Dirs;
use evener_plan::{Code, Refusal};
use evener_slot_table::{SlotState, SlotTable};
use evener_slots::{Fault, change};
use std::path::Path;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::watch;

use crate::busy::{Busy, Claim};
use crate::journal::{Bound, Entry, Journal};
use crate::partitions::RunPartitions;
use crate::slots::{Seen, look};

/// The keys this firmware trusts, in the verified root file system.
const KEYSET: &str = "/usr/share/evener/keyset";
/// How long another service may take to say what the status needs of it.
const ASK_WITHIN: Duration = Duration::from_secs(2);

/// What the service knows and does about the slots.
#[derive(Debug)]
pub(crate) struct Unit {
    pub(crate) dirs: Dirs,
    /// What the loader said. `None` outside the appliance, or under a foreign loader.
    pub(crate) handoff: Option<Handoff>,
    /// The bytes of the keyset.
    pub(crate) keyset: Vec<u8>,
    /// Whether the boot that is under way is settled: counted for good, or cleared.
    pub(crate) settled: AtomicBool,
    /// Whether this is the verified root file system of a firmware, and not a developer's machine.
    pub(crate) on_appliance: bool,
    /// Whether somebody has done something since this was last looked at.
    pub(crate) attended: AtomicBool,
    /// The version of this program, where no manifest says it.
    version: Version,
    journal: Mutex<Journal>,
    busy: Busy,
    /// One writer of the slot table at a time.
    record: Mutex<()>,
    /// What an operator must see beyond what the disk and the history say.
    told: Mutex<Vec<String>>,
    status: watch::Sender<Arc<FirmwareStatus>>,
}

impl Unit {
    /// What is known at the start of the service.
    pub(crate) fn new(dirs: Dirs, handoff: Option<Handoff>, version: Version) -> Self {
        let journal = Journal::open(&dirs.data.join(Service::Update.name()));
        let unit = Self {
            keyset: keyset(&dirs.run),
            handoff,
            settled: AtomicBool::new(false),
            attended: AtomicBool::new(false),
            on_appliance: Path::new(KEYSET).exists(),
            version,
            journal: Mutex::new(journal),
            busy: Busy::default(),
            record: Mutex::default(),
            told: Mutex::default(),
            status: watch::Sender::default(),
            dirs,
        };
        unit.publish();
        unit
    }

    /// The slot that is running.
    pub(crate) fn running(&self) -> Option<Slot> {
        self.handoff.map(|handoff| handoff.slot)
    }

    /// Whether the running firmware has yet to prove itself. The table knows better than the loader, who cannot
    /// know of a confirmation that came after the start.
    pub(crate) fn on_trial(&self) -> bool {
        self.running_state() == Some(SlotState::Trial)
    }

    /// What the table says about the firmware that runs on trial, or did; `None` for any other.
    pub(crate) fn running_state(&self) -> Option<SlotState> {
        let handoff = self.handoff.filter(|handoff| handoff.mode == Mode::Trial)?;
        let table = evener_slots::table(&mut self.partitions()).ok()?;
        Some(table.slot(handoff.slot).state)
    }

    /// What callers may follow.
    pub(crate) fn subscribe(&self) -> watch::Receiver<Arc<FirmwareStatus>> {
        self.status.subscribe()
    }

    pub(crate) fn journal(&self) -> MutexGuard<'_, Journal> {
        self.journal.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The right to write records; one at a time.
    pub(crate) fn record(&self) -> MutexGuard<'_, ()> {
        self.record.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The right to do something that takes time to the slots, and that an operator can end or not.
    ///
    /// # Errors
    /// [`Code::Busy`], with what is being done.
    pub(crate) fn claim(&self, what: &str, can_be_ended: bool) -> Result<Claim, Refusal> {
        self.busy.claim(what, can_be_ended)
    }

    /// Ends an installation and waits until it has ended. False when there is none.
    pub(crate) async fn cancel(&self) -> bool {
        self.busy.end().await
    }

    /// The partitions, to be opened.
    pub(crate) fn partitions(&self) -> RunPartitions {
        RunPartitions::new(&self.dirs.run)
    }

    /// What is on the disk, and what the history knows of it.
    pub(crate) fn seen(&self) -> Seen {
        let mut seen = look(&self.dirs.run, &self.keyset, self.handoff.as_ref(), self.version);
        seen.facts.failed = self.journal().failed().into_iter().filter_map(from_hex).collect();
        seen
    }

    /// Reads the disk and publishes what is there now. To be called after each change.
    pub(crate) fn publish(&self) {
        let seen = self.seen();
        let loses = self.status.borrow().restore.clone();
        let last_failure = seen.facts.table.as_ref().and_then(|table| self.failure(table));
        let warnings = self.warnings(&seen.facts);
        let history = self.history();
        self.status.send_modify(|status| {
            let new = FirmwareStatus {
                proving: status.proving.clone(),
                installation: status.installation.clone(),
                loader: status.loader.clone(),
                last_failure,
                warnings,
                history,
                ..seen.status
            };
            *status = Arc::new(new);
            // Known from the last time, until control was asked again.
            let status = Arc::make_mut(status);
            if let (Some(new), Some(old)) = (&mut status.restore, loses)
                && new.version == old.version
            {
                new.loses = old.loses;
            }
        });
    }

    /// As [`publish`](Self::publish), and asks control what going back would lose.
    pub(crate) async fn publish_whole(self: &Arc<Self>) {
        self.blocking(Self::publish).await;
        let restore = self.status.borrow().restore.clone();
        let Some(restore) = restore.filter(|restore| restore.refusal.is_none()) else { return };
        let formats = self.blocking(|unit| unit.seen().config_formats).await;
        let format = Slot::from_letter(restore.slot).and_then(|slot| formats.and_then(|all| *slot.of(&all)));
        let Some(format) = format else { return };
        let loses = self.lost_by(format).await;
        self.edit(|status| {
            if let Some(restore) = &mut status.restore {
                restore.loses = loses;
            }
        });
    }

    /// The settings that are lost while a firmware runs that reads records up to `format`.
    pub(crate) async fn lost_by(&self, format: u16) -> Vec<String> {
        let request = ControlRequest::LostBy(format);
        let asked = call(&self.dirs.run, Service::Control, &request);
        match tokio::time::timeout(ASK_WITHIN, asked).await {
            Ok(Ok(ControlReply::Lost { generation: None, .. })) => {
                vec!["all settings: it can read none of those that are stored here".into()]
            }
            Ok(Ok(ControlReply::Lost { lines, .. })) => lines,
            Ok(other) => {
                tracing::info!(?other, "control does not say what a downgrade loses");
                Vec::new()
            }
            Err(_) => Vec::new(),
        }
    }

    fn edit(&self, edit: impl FnOnce(&mut FirmwareStatus)) {
        self.status.send_modify(|status| edit(Arc::make_mut(status)));
    }

    /// Shows how far the proof of health is.
    pub(crate) fn show_proving(&self, proving: Option<Proving>) {
        if self.status.borrow().proving != proving {
            self.edit(|status| status.proving = proving);
        }
    }

    /// Shows what is known of the loader.
    pub(crate) fn show_loader(&self, loader: LoaderStatus) {
        self.edit(|status| status.loader = Some(loader));
    }

    /// Shows how far an installation is.
    pub(crate) fn show_installation(&self, edit: impl FnOnce(&mut Option<Installation>)) {
        self.edit(|status| edit(&mut status.installation));
    }

    /// Has operators see something until the unit is restarted.
    pub(crate) fn tell(&self, words: String) {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        if !told.contains(&words) {
            told.push(words);
        }
    }

    /// What operators were told is not so any more.
    pub(crate) fn untell(&self) {
        self.told.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// What operators are to see until the unit is restarted.
    pub(crate) fn told(&self) -> Vec<String> {
        self.told.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Adds to the history.
    pub(crate) fn note(&self, what: &str, slot: Option<Slot>, about: About<'_>) {
        let shown = Happening {
            unix_s: 0,
            what: what.into(),
            slot: slot.map(Slot::letter),
            version: about.version.map(|version| version.to_string()),
            author: about.author.into(),
            detail: about.detail.into(),
        };
        let digest = about.digest.map_or_else(String::new, |digest| to_hex(&digest));
        self.journal().add(Entry { shown, digest, never_ran: about.never_ran });
        let history = self.history();
        self.edit(|status| status.history = history);
    }

    fn history(&self) -> Vec<Happening> {
        self.journal().entries().iter().map(|entry| entry.shown.clone()).collect()
    }

    /// Changes the record. Whether that was needed is what `edit` says.
    pub(crate) fn change(&self, edit: impl FnOnce(&mut SlotTable) -> bool) -> Result<bool, Fault> {
        let _one = self.record();
        change(&mut self.partitions(), edit)
    }

    /// The keys this unit trusts.
    ///
    /// # Errors
    /// [`Code::UnknownKey`] when it has none.
    pub(crate) fn keys(&self) -> Result<Keyset<'_>, Refusal> {
        Keyset::parse(&self.keyset).map_err(|_: ManifestError| {
            Refusal::new(Code::UnknownKey, "this firmware has no keyset, so it trusts no key")
        })
    }

    /// Remembers which listeners are bound, for the firmware that is tried next.
    pub(crate) async fn remember_bound(&self) {
        let asked = call::<_, ProxyStatus>(&self.dirs.run, Service::Proxy, &ProxyRequest::Get);
        let Ok(Ok(proxy)) = tokio::time::timeout(ASK_WITHIN, asked).await else {
            tracing::info!("the proxy does not say what is bound");
            return;
        };
        let bound = proxy
            .services
            .iter()
            .filter_map(|service| Some(Bound { vs: service.vs.0, address: *service.bound.as_ref().ok()? }));
        self.journal().set_before(Some(&bound.collect::<Vec<_>>()));
    }

    /// Runs `work` where it may wait for the disk. `None` when it did not come to an end.
    pub(crate) async fn blocking<T: Send + 'static>(
        self: &Arc<Self>,
        work: impl FnOnce(&Self) -> T + Send + 'static,
    ) -> Option<T> {
        let unit = Arc::clone(self);
        let done = tokio::task::spawn_blocking(move || work(&unit)).await;
        done.inspect_err(|error| tracing::error!(%error, "work on the slots broke off")).ok()
    }
}

/// What an entry of the history is about.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct About<'a> {
    pub(crate) version: Option<Version>,
    pub(crate) digest: Option<[u8; 32]>,
    pub(crate) author: &'a str,
    pub(crate) detail: &'a str,
    /// Of a failure: that it never ran.
    pub(crate) never_ran: bool,
}

impl About<'_> {
    /// Something that nobody asked for.
    pub(crate) fn by_unit() -> Self {
        Self { author: "unit", ..Self::default() }
    }
}

/// The keys of this firmware. Only where there is no such file, thus nowhere on an appliance, those that a test
/// put into the run directory.
fn keyset(run: &Path) -> Vec<u8> {
    let own = Path::new(KEYSET);
    let path = if own.exists() { own.to_owned() } else { run.join("keyset") };
    std::fs::read(path).unwrap_or_default()
}

/// A digest in hex.
pub(crate) fn to_hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing to a string does not fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

fn from_hex(text: &str) -> Option<[u8; 32]> {
    let mut digest = [0; 32];
    if text.len() != 64 {
        return None;
    }
    for (byte, at) in digest.iter_mut().zip((0..64).step_by(2)) {
        *byte = u8::from_str_radix(text.get(at..at + 2)?, 16).ok()?;
    }
    Some(digest)
}
