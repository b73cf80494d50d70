//! The steps that are one record write: going back, discarding, rescue, forgiving, and an orderly stop.

use evener_disk::Slot;
use evener_handoff::{BootReason, Handoff};
use evener_plan::{Code, Refusal, discardable, rescuable, restorable};
use evener_slot_table::SlotState;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use crate::unit::{About, Unit};
use crate::words;

impl Unit {
    /// The unit stops in order before its health was proved: the boot is not held against the firmware.
    pub(crate) fn give_back(&self) {
        if self.settled.swap(true, Relaxed) {
            return;
        }
        // What was not charged cannot be given back: it would excuse another boot, one that failed.
        let charged = |handoff: &Handoff| !handoff.uncounted && handoff.reason != BootReason::LastResort;
        let Some(handoff) = self.handoff.filter(charged) else { return };
        let outcome = self.change(|table| {
            let before = table.clone();
            table.give_back(handoff.slot);
            *table != before
        });
        match outcome {
            Ok(_) => tracing::info!("stopped in order: this boot does not count"),
            Err(error) => tracing::warn!(%error, "this boot stays counted"),
        }
    }

    /// Forgets the boots that were counted against the confirmed firmware.
    ///
    /// # Errors
    /// [`Code::NoFirmware`]; faults of the disk.
    pub(crate) fn forgive(&self) -> Result<Slot, Refusal> {
        let mut next = None;
        self.change(|table| {
            next = table.forgive();
            next.is_some()
        })
        .map_err(|fault| words::refusal(&fault))?;
        let slot = next.ok_or_else(|| {
            let words = "neither slot A nor slot B holds a firmware that was confirmed on this unit";
            Refusal::new(Code::NoFirmware, words)
        })?;
        tracing::info!(%slot, "the boots counted against it are forgotten: the next boot starts it");
        Ok(slot)
    }

    /// Forgets what was installed, or chosen, and not started yet.
    ///
    /// # Errors
    /// [`Code::NothingToDiscard`], [`Code::Busy`]; faults of the disk.
    pub(crate) fn discard(&self, author: &str) -> Result<Slot, Refusal> {
        let _claim = self.claim("something is being discarded", false)?;
        let facts = self.seen().facts;
        let slot = discardable(&facts)?;
        let version = slot.of(&facts.manifests).map(|found| found.version);
        {
            let _one = self.record();
            let outcome = evener_slots::discard(&mut self.partitions(), slot);
            outcome.map_err(|fault| words::refusal(&fault))?;
        }
        tracing::info!(%slot, author, "what waited there for its first start is discarded");
        self.note("discarded", Some(slot), About { version, author, ..About::default() });
        self.next(slot)
    }

    /// Has the next boot try the firmware in the other slot.
    ///
    /// # Errors
    /// [`Code::NothingToRestore`], [`Code::BelowFloor`], [`Code::OnTrial`], [`Code::Busy`]; faults of the disk.
    pub(crate) fn restore(&self, author: &str) -> Result<Slot, Refusal> {
        let claim = self.claim("the previous firmware is being verified", false)?;
        let (slot, found) = restorable(&self.seen().facts)?;
        let keys = self.keys()?;
        {
            let _one = self.record();
            let outcome = evener_slots::restore(&mut self.partitions(), slot, &keys);
            outcome.map_err(|fault| words::refusal(&fault))?;
        }
        drop(claim);
        tracing::info!(%slot, version = %found.version, author, "the next boot goes back to it, on trial");
        let about =
            About { version: Some(found.version), digest: Some(found.digest), author, ..About::default() };
        self.note("restored", Some(slot), about);
        self.next(slot)
    }

    /// Has the next boot start the rescue firmware, once.
    ///
    /// # Errors
    /// [`Code::NoRescue`]; faults of the disk.
    pub(crate) fn rescue(&self, author: &str) -> Result<Slot, Refusal> {
        let facts = self.seen().facts;
        rescuable(&facts)?;
        self.change(|table| table.request(Slot::R)).map_err(|fault| words::refusal(&fault))?;
        tracing::info!(author, "the next boot starts the rescue firmware, once");
        let version = facts.manifests[Slot::R.index()].map(|found| found.version);
        self.note("rescue", Some(Slot::R), About { version, author, ..About::default() });
        self.next(Slot::R)
    }

    /// Publishes, and says what the next boot starts; `expected` where that cannot be told.
    fn next(&self, expected: Slot) -> Result<Slot, Refusal> {
        self.publish();
        let next = self.subscribe().borrow().next;
        Ok(next.and_then(Slot::from_letter).unwrap_or(expected))
    }

    /// The service stops. If another firmware is to be tried next, it is to bind what is bound now.
    pub(crate) async fn stop(self: &Arc<Self>) {
        let waits = self.seen().facts.table.is_some_and(|table| {
            let waits =
                |slot: &Slot| Some(*slot) != self.running() && table.slot(*slot).state == SlotState::Trial;
            [Slot::A, Slot::B].iter().any(waits)
        });
        if waits && !self.on_trial() {
            self.remember_bound().await;
        }
        self.blocking(Self::give_back).await;
    }
}
