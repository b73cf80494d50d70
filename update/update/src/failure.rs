//! Why the last firmware failed: said in the log, in the history, and as a warning.

use evener_disk::Slot;
use evener_plan::{Reached, UnitFacts, failure_words, is_held_against};
use evener_slot_table::{Failure, FailureReason, SlotState, SlotTable};

use crate::journal::TrialNote;
use crate::slots::recorded_version;
use crate::unit::{About, Unit, to_hex};

impl Unit {
    /// The last firmware that failed, in words.
    pub(crate) fn failure(&self, table: &SlotTable) -> Option<String> {
        let failure = table.last_failure?;
        let digest = to_hex(&failure.digest);
        let journal = self.journal();
        // Said when it was fresh, with what its trial had left behind.
        let entry =
            journal.entries().iter().find(|entry| entry.digest == digest && entry.shown.what == "failed");
        if let Some(entry) = entry {
            return Some(entry.shown.detail.clone());
        }
        let reached =
            journal.trial().filter(|note| note.digest == digest).map(|note| reached(&failure, note));
        Some(failure_words(&failure, recorded_version(table, failure.slot, failure.digest), reached.as_ref()))
    }

    pub(crate) fn warnings(&self, facts: &UnitFacts) -> Vec<String> {
        let mut warnings = Vec::new();
        if let Some(table) = &facts.table
            && let Some(failure) = table.last_failure
        {
            let record = table.slot(failure.slot);
            let given_up =
                record.state == SlotState::Bad || (record.state == SlotState::Trial && record.tries == 0);
            if given_up && record.digest == failure.digest && Some(failure.slot) != self.running() {
                let words = self.failure(table).unwrap_or_default();
                let next = "Install another version, or this one again once the cause is known";
                warnings.push(format!(
                    "An update failed, and the unit went back to {}: {words}. {next}.",
                    facts.version
                ));
            }
        }
        if let Some(reason) = self.journal().unwritten() {
            warnings.push(format!(
                "The history of updates cannot be written ({reason}); updates work without it. Look at the data partition."
            ));
        }
        warnings.extend(self.told());
        warnings
    }

    /// A firmware that was given up since the last boot is said so: in the log, and once in the history.
    pub(crate) fn settle_failure(&self) {
        let Some(table) = self.seen().facts.table else { return };
        let Some(failure) = table.last_failure else { return };
        let digest = to_hex(&failure.digest);
        let running = self.running().is_some_and(|slot| table.slot(slot).digest == failure.digest);
        if running || !is_worth_telling(&table, failure.slot, failure.digest) {
            return;
        }
        let fresh = self.journal().trial().is_some_and(|note| note.digest == digest);
        let known = self.journal().knows_failure(&digest);
        if known && !fresh {
            return;
        }
        let version = recorded_version(&table, failure.slot, failure.digest);
        let words = self.failure(&table).unwrap_or_default();
        tracing::error!("an update failed, and the unit went back: {words}");
        if !known {
            let about = About {
                version,
                digest: Some(failure.digest),
                detail: &words,
                never_ran: !is_held_against(failure.reason),
                ..About::by_unit()
            };
            self.note("failed", Some(failure.slot), about);
        }
        if fresh {
            self.journal().set_trial(None);
        }
    }
}

/// A refused slot may be just an old one below the floor: what is told is a firmware that was to run.
fn is_worth_telling(table: &SlotTable, slot: Slot, digest: [u8; 32]) -> bool {
    let record = table.slot(slot);
    record.digest == digest && record.state != SlotState::Empty
}

fn reached(failure: &Failure, note: TrialNote) -> Reached {
    let at_once = failure.reason == FailureReason::HealthCheck;
    Reached { in_its_last_boot: note.tries_left == 0 || at_once, fault: note.fault }
}
