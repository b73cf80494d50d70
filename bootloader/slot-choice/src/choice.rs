//! The rule: which slot, in which mode, and what to write before the jump.
//!
//! In this order, each only if its firmware was verified, is the one in the table, and is not below the floor:
//!
//! 1. rescue, if a person at the console asks for it; else the slot that the table asks for, once;
//! 2. a slot on trial that has tries left, if the try can be counted;
//! 3. confirmed slots by priority; after five boots without health the next one, after five more none;
//! 4. rescue;
//! 5. as a last resort what rules 2 and 3 passed over only for its count. Black-listed firmware never.
//!
//! One boot counts once: if a slot that was counted turns out damaged, the confirmed slot behind it is not
//! charged as well. A slot on trial is always charged before it gets control.

use evener_disk::Slot;
use evener_handoff::{BootReason, Mode};
use evener_manifest::permits;
use evener_slot_table::{Failure, FailureReason, SlotFacts, SlotState, SlotTable};

use crate::{Asked, BootCode};

/// Boots of confirmed firmware without health after which the next slot is tried.
pub const MAX_BOOTS_WITHOUT_HEALTH: u8 = 5;

/// What the loader found in one slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SlotFact {
    /// A verified manifest; the kernel may not have been looked at yet.
    Usable(SlotFacts),
    /// Must not be booted, and why.
    Refused(BootCode),
}

/// Where this boot stands with its one counting write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Counting {
    /// Not written yet.
    Pending,
    /// Written; the table given is the written one.
    Done {
        /// `boots_without_health` as it was before: this boot is not held against a slot in itself.
        boots_before: u8,
    },
    /// Tried, and the disk refused.
    Failed,
}

/// What the loader knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Facts {
    /// A, B, R.
    pub slots: [SlotFact; 3],
    /// The counting write.
    pub counting: Counting,
    /// What a person at the console asked for.
    pub asked: Option<Asked>,
}

/// What to do.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(
    clippy::large_enum_variant,
    reason = "there is one at a time, and a loader has nowhere to put a box"
)]
pub enum Order {
    /// Start this slot.
    Boot(Boot),
    /// Start nothing.
    Halt {
        /// [`BootCode::NothingToBoot`].
        code: BootCode,
        /// For A, B, R why not.
        skipped: [Option<BootCode>; 3],
    },
}

/// An order to start a slot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Boot {
    /// Which.
    pub slot: Slot,
    /// How it is to run.
    pub mode: Mode,
    /// Why it.
    pub reason: BootReason,
    /// Boots left to a firmware on trial after this one; 0 otherwise.
    pub tries_left: u8,
    /// For A, B, R why a slot that came first was passed over.
    pub skipped: [Option<BootCode>; 3],
    /// Whether the firmware is to erase all settings first: a person at the console asked for it.
    pub reset: bool,
    /// To be written and flushed before the slot is started; if that fails, choose again with
    /// [`Counting::Failed`].
    pub record: Option<SlotTable>,
}

/// Which slot to start, by the rules above.
#[must_use]
pub fn choose(table: &SlotTable, facts: &Facts) -> Order {
    let mut search = Search { table, facts, skipped: [None; 3] };
    let found = search
        .at_the_console()
        .or_else(|| search.requested())
        .or_else(|| search.on_trial())
        .or_else(|| search.confirmed())
        .or_else(|| search.rescue())
        .or_else(|| search.last_resort());
    match found {
        Some((slot, reason)) => Order::Boot(search.order(slot, reason)),
        None => Order::Halt { code: BootCode::NothingToBoot, skipped: search.skipped_all() },
    }
}

struct Search<'a> {
    table: &'a SlotTable,
    facts: &'a Facts,
    skipped: [Option<BootCode>; 3],
}

type Found = Option<(Slot, BootReason)>;

impl Search<'_> {
    fn at_the_console(&mut self) -> Found {
        self.facts.asked.filter(|asked| *asked == Asked::Rescue)?;
        self.rescue().map(|(slot, _)| (slot, BootReason::Requested))
    }

    fn requested(&mut self) -> Found {
        let slot = self.table.next.filter(|_| self.facts.counting == Counting::Pending)?;
        let admitted = match self.table.slot(slot).state {
            SlotState::Empty => Err(BootCode::SlotEmpty),
            SlotState::Bad => Err(BootCode::SlotBad),
            SlotState::Trial => self.trial_fault(slot),
            SlotState::Confirmed => self.fault(slot),
        };
        self.admit(slot, admitted).then_some((slot, BootReason::Requested))
    }

    fn on_trial(&mut self) -> Found {
        for slot in self.by_priority(SlotState::Trial).into_iter().flatten() {
            let admitted = self.trial_fault(slot);
            if self.admit(slot, admitted) {
                return Some((slot, BootReason::Trial));
            }
        }
        None
    }

    fn confirmed(&mut self) -> Found {
        let boots = match self.facts.counting {
            Counting::Done { boots_before } => boots_before,
            Counting::Pending | Counting::Failed => self.table.boots_without_health,
        };
        let mut over_limit = boots / MAX_BOOTS_WITHOUT_HEALTH;
        for slot in self.by_priority(SlotState::Confirmed).into_iter().flatten() {
            let mut admitted = self.fault(slot);
            if admitted.is_ok() && over_limit > 0 {
                over_limit = over_limit.saturating_sub(1);
                admitted = Err(BootCode::NoHealth);
            }
            if self.admit(slot, admitted) {
                return Some((slot, self.fallback_reason(BootReason::Preferred)));
            }
        }
        None
    }

    fn rescue(&mut self) -> Found {
        let admitted = match self.table.slot(Slot::R).state {
            SlotState::Confirmed | SlotState::Trial => self.fault(Slot::R),
            SlotState::Empty => Err(BootCode::SlotEmpty),
            SlotState::Bad => Err(BootCode::SlotBad),
        };
        self.admit(Slot::R, admitted).then(|| (Slot::R, self.fallback_reason(BootReason::Refused)))
    }

    fn last_resort(&mut self) -> Found {
        for state in [SlotState::Confirmed, SlotState::Trial] {
            for slot in self.by_priority(state).into_iter().flatten() {
                if self.fault(slot).is_ok() {
                    return Some((slot, BootReason::LastResort));
                }
            }
        }
        None
    }

    /// A and B if they are in `state`, higher priority first, A on a tie.
    fn by_priority(&self, state: SlotState) -> [Option<Slot>; 2] {
        let (a, b) = (self.table.slot(Slot::A), self.table.slot(Slot::B));
        let order = if b.priority > a.priority { [Slot::B, Slot::A] } else { [Slot::A, Slot::B] };
        order.map(|slot| Some(slot).filter(|slot| self.table.slot(*slot).state == state))
    }

    /// Why the slot's firmware must not run, whatever its state.
    fn fault(&self, slot: Slot) -> Result<(), BootCode> {
        match slot.of(&self.facts.slots) {
            SlotFact::Refused(code) => Err(*code),
            SlotFact::Usable(found) if found.digest != self.table.slot(slot).digest => {
                Err(BootCode::NotAsRecorded)
            }
            SlotFact::Usable(found) if !permits(found.version, self.table.floor) => Err(BootCode::BelowFloor),
            SlotFact::Usable(_) => Ok(()),
        }
    }

    fn trial_fault(&self, slot: Slot) -> Result<(), BootCode> {
        self.fault(slot)?;
        if self.table.slot(slot).tries == 0 {
            return Err(BootCode::TriesExhausted);
        }
        if self.facts.counting == Counting::Failed { Err(BootCode::TableNotWritten) } else { Ok(()) }
    }

    fn admit(&mut self, slot: Slot, admitted: Result<(), BootCode>) -> bool {
        *slot.of_mut(&mut self.skipped) = admitted.err();
        admitted.is_ok()
    }

    fn fallback_reason(&self, otherwise: BootReason) -> BootReason {
        if self.skipped.contains(&Some(BootCode::NoHealth)) {
            BootReason::NoHealth
        } else if self.skipped.iter().any(Option::is_some) {
            BootReason::Refused
        } else {
            otherwise
        }
    }

    /// Why each slot is not booted, for the halt screen.
    fn skipped_all(&self) -> [Option<BootCode>; 3] {
        Slot::ALL.map(|slot| {
            let known = *slot.of(&self.skipped);
            known.or(match self.table.slot(slot).state {
                SlotState::Empty => Some(BootCode::SlotEmpty),
                SlotState::Bad => Some(BootCode::SlotBad),
                SlotState::Trial | SlotState::Confirmed => None,
            })
        })
    }

    fn order(&self, slot: Slot, reason: BootReason) -> Boot {
        let on_trial = slot != Slot::R && self.table.slot(slot).state == SlotState::Trial;
        let mode = match (slot, on_trial) {
            (Slot::R, _) => Mode::Rescue,
            (_, true) => Mode::Trial,
            (_, false) => Mode::Normal,
        };
        let mut record = self.table.clone();
        record.next = None;
        if on_trial {
            let tries = &mut record.slot_mut(slot).tries;
            *tries = tries.saturating_sub(1);
        } else if slot != Slot::R && self.facts.counting == Counting::Pending {
            record.boots_without_health = record.boots_without_health.saturating_add(1);
        }
        record.last_failure = self.failure().or(record.last_failure);
        let tries_left = if on_trial { record.slot(slot).tries } else { 0 };
        let due = match self.facts.counting {
            Counting::Pending => record != *self.table,
            Counting::Done { .. } => on_trial,
            Counting::Failed => false,
        };
        let reset = self.facts.asked == Some(Asked::FactoryReset);
        Boot { slot, mode, reason, tries_left, skipped: self.skipped, reset, record: due.then_some(record) }
    }

    /// The slot that was passed over and what to remember of it.
    fn failure(&self) -> Option<Failure> {
        let (slot, code) = Slot::ALL.into_iter().find_map(|slot| Some((slot, (*slot.of(&self.skipped))?)))?;
        let reason = match code {
            BootCode::TriesExhausted => FailureReason::TriesExhausted,
            BootCode::NoHealth => FailureReason::NoHealth,
            other => FailureReason::Refused(other.number()),
        };
        Some(Failure { slot, digest: self.table.slot(slot).digest, reason })
    }
}

#[cfg(test)]
mod tests;
