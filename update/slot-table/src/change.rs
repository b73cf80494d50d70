//! What an updater changes in the table: installing, going back, discarding, refilling. Pure; the updater stores the
//! result, and each function is one record write.
//!
//! ```text
//!             begin_install            installed              confirm
//!   anything ---------------> Empty ------------> Trial -----------------> Confirmed
//!                               ^   \              |  ^                        |
//!                     discard   |    \ refilled    |  |        restore         |
//!                     retire    |     `------------|--|--> (Confirmed)         |
//!                               `------------------'  `------------------------'
//! ```
//!
//! Only the order of priorities counts, so they are always 3, 2, 1 for first, second and rescue. What tells a firmware
//! that was installed from one that was restored is that order: an installed one comes first at once, a
//! restored one stays second until it is confirmed again.

use core::fmt;

use evener_disk::Slot;
use evener_manifest::permits;

use crate::{SlotFacts, SlotRecord, SlotState, SlotTable, TRIES};

/// Why a slot cannot be gone back to. The number is stable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotRestorable {
    /// It is rescue, which is started on request and never confirmed.
    Rescue = 1,
    /// Its firmware was never confirmed on this unit, or was given up, or there is none.
    NotConfirmed = 2,
    /// The floor has passed it.
    BelowFloor = 3,
    /// It is the first choice as it is.
    First = 4,
}

impl fmt::Display for NotRestorable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Rescue => "rescue is not a firmware to go back to",
            Self::NotConfirmed => "holds no firmware that has proved itself on this unit",
            Self::BelowFloor => "holds a firmware below the unit's floor",
            Self::First => "is what the next boot starts anyway",
        })
    }
}

impl core::error::Error for NotRestorable {}

impl SlotTable {
    /// `slot` is about to be written: until [`installed`](Self::installed) or [`refilled`](Self::refilled) nothing in it
    /// may boot. A request to boot it once ends with that.
    ///
    /// Whatever was there is lost. The caller chooses a slot that is not running and leaves a confirmed one:
    /// this table knows neither which slot runs nor whether another one is whole.
    pub fn begin_install(&mut self, slot: Slot) {
        *self.slot_mut(slot) = SlotRecord { priority: self.slot(slot).priority, ..SlotRecord::default() };
        self.next = self.next.filter(|next| *next != slot);
    }

    /// The firmware that `facts` are about is whole in `slot`: the next boots try it, before anything else that is
    /// asked for. False, and nothing is changed, unless the slot was [emptied](Self::begin_install) for it.
    ///
    /// What failed last stays known; a firmware of another digest does not wipe that out. A loader on trial is forgotten,
    /// also one that was given up: nobody could tell apart what two novelties do at once, and whoever installs again wants
    /// to try again.
    pub fn installed(&mut self, slot: Slot, facts: &SlotFacts) -> bool {
        if slot == Slot::R || self.slot(slot).state != SlotState::Empty {
            return false;
        }
        let SlotFacts { version, digest, .. } = *facts;
        *self.slot_mut(slot) =
            SlotRecord { state: SlotState::Trial, priority: 0, tries: TRIES, version, digest };
        self.rank_first(slot);
        self.next = None;
        self.loader = None;
        true
    }

    /// Back to the firmware in `slot`, which was confirmed before: the next boots try it, and it becomes the first
    /// choice when it is confirmed once more. Until then the order stays, so that a failed return ends where
    /// it began.
    ///
    /// # Errors
    /// [`NotRestorable`]; nothing is changed then.
    pub fn restore(&mut self, slot: Slot) -> Result<(), NotRestorable> {
        let record = self.slot(slot);
        if slot == Slot::R {
            return Err(NotRestorable::Rescue);
        }
        if record.state != SlotState::Confirmed {
            return Err(NotRestorable::NotConfirmed);
        }
        if !permits(record.version, self.floor) {
            return Err(NotRestorable::BelowFloor);
        }
        if self.is_first(slot) {
            return Err(NotRestorable::First);
        }
        let record = self.slot_mut(slot);
        record.state = SlotState::Trial;
        record.tries = TRIES;
        self.next = None;
        self.loader = None;
        Ok(())
    }

    /// Undoes what has not been started: a firmware that was installed is forgotten, one that was
    /// [restored](Self::restore) is confirmed and second again. False, and nothing is changed, when `slot` is not on
    /// trial.
    pub fn discard(&mut self, slot: Slot) -> bool {
        if slot == Slot::R || self.slot(slot).state != SlotState::Trial {
            return false;
        }
        if self.is_first(slot) {
            self.begin_install(slot);
            if let Some(other) = other_of(slot) {
                self.rank_first(other);
            }
        } else {
            let record = self.slot_mut(slot);
            record.state = SlotState::Confirmed;
            record.tries = 0;
        }
        true
    }

    /// The firmware in `slot` must not boot any more. False when there is none.
    ///
    /// The caller leaves a confirmed one, as with [`begin_install`](Self::begin_install).
    pub fn retire(&mut self, slot: Slot) -> bool {
        if self.slot(slot).state == SlotState::Empty {
            return false;
        }
        self.begin_install(slot);
        true
    }

    /// `to` now holds the same firmware as `from`, which is confirmed: so is the copy, and it comes second. False, and
    /// nothing is changed, unless `from` is confirmed and `to` was [emptied](Self::begin_install).
    pub fn refilled(&mut self, to: Slot, from: Slot) -> bool {
        let source = *self.slot(from);
        let fits = to != from && from != Slot::R && source.state == SlotState::Confirmed;
        if !fits || self.slot(to).state != SlotState::Empty {
            return false;
        }
        *self.slot_mut(to) = SlotRecord { priority: 0, ..source };
        if to == Slot::R {
            self.slot_mut(to).priority = 1;
        } else {
            self.rank_first(from);
        }
        true
    }

    /// Boot `slot` once, next time. False, and nothing is changed, when the loader would pass it over: empty,
    /// black-listed, below the floor, or out of tries.
    pub fn request(&mut self, slot: Slot) -> bool {
        let record = self.slot(slot);
        let may_boot = match record.state {
            SlotState::Empty | SlotState::Bad => false,
            SlotState::Trial => record.tries > 0,
            SlotState::Confirmed => true,
        };
        if !may_boot || !permits(record.version, self.floor) || self.next == Some(slot) {
            return false;
        }
        self.next = Some(slot);
        true
    }

    /// Black-lists what used up its tries in another slot than `running`: the loader passes it over for ever, and
    /// whoever looks should see why.
    pub(crate) fn settle_exhausted(&mut self, running: Slot) {
        for slot in [Slot::A, Slot::B].into_iter().filter(|slot| *slot != running) {
            let record = self.slot_mut(slot);
            if record.state == SlotState::Trial && record.tries == 0 {
                record.state = SlotState::Bad;
            }
        }
    }

    /// Puts A or B before the other one, and both before rescue.
    pub(crate) fn rank_first(&mut self, first: Slot) {
        let Some(second) = other_of(first) else { return };
        for (slot, priority) in [(first, 3), (second, 2), (Slot::R, 1)] {
            self.slot_mut(slot).priority = priority;
        }
    }

    /// Whether the loader prefers `slot` to the other one of A and B, were both confirmed.
    fn is_first(&self, slot: Slot) -> bool {
        let Some(other) = other_of(slot) else { return false };
        let (own, others) = (self.slot(slot).priority, self.slot(other).priority);
        own > others || (own == others && slot < other)
    }
}

/// B for A, A for B; rescue has no other.
const fn other_of(slot: Slot) -> Option<Slot> {
    match slot {
        Slot::A => Some(Slot::B),
        Slot::B => Some(Slot::A),
        Slot::R => None,
    }
}

#[cfg(test)]
mod tests;
