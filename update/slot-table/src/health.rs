//! What a running firmware's health changes in the table. Pure; the updater stores the result.

use evener_disk::Slot;
use evener_manifest::Version;

use crate::{Failure, FailureReason, SlotState, SlotTable};

impl SlotTable {
    /// The confirmed firmware in `running` has been healthy for long enough. True when the table changed and
    /// has to be stored; a unit that was healthy before changes nothing.
    ///
    /// Clears the count of boots. If the unit runs `running` only because a slot of higher priority was given
    /// up for lack of health, that slot is black-listed now: cleared alone, the count would send the next
    /// boots back to it. Rescue changes nothing, because its health says nothing about A and B; it is booted
    /// again until somebody installs or chooses a firmware. A firmware on trial is not healthy but
    /// [confirmed](SlotTable::confirm).
    ///
    /// What used up its tries in another slot is black-listed in the same write.
    ///
    /// A firmware that was given up for lack of health and is healthy now is forgiven, or a later boot of
    /// another slot, for whatever reason, would black-list it. `degraded` stays: health says nothing about
    /// the floor.
    pub fn healthy(&mut self, running: Slot) -> bool {
        if running == Slot::R || self.slot(running).state != SlotState::Confirmed {
            return false;
        }
        let before = self.clone();
        let given_up = self
            .last_failure
            .filter(|failure| failure.reason == FailureReason::NoHealth)
            .filter(|failure| self.slot(failure.slot).digest == failure.digest);
        if let Some(failure) = given_up {
            if failure.slot == running {
                self.last_failure = None;
            } else if self.ranks_before(failure.slot, running) {
                self.slot_mut(failure.slot).state = SlotState::Bad;
            }
        }
        self.settle_exhausted(running);
        self.boots_without_health = 0;
        *self != before
    }

    /// The firmware on trial in `running` has proved itself: it becomes the first choice, and the unit's floor
    /// rises to the `floor` of its manifest, but never above the firmware itself, or nothing could boot.
    /// True when the table changed.
    ///
    /// With that the floor is one that somebody signed for this unit, and no longer what was derived from
    /// whatever the slots held: `degraded` ends here.
    ///
    /// A slot that is below the floor after that stays as it is; the loader refuses it, and the updater
    /// refills it. What used up its tries in another slot is black-listed.
    pub fn confirm(&mut self, running: Slot, floor: Version) -> bool {
        if running == Slot::R || self.slot(running).state != SlotState::Trial {
            return false;
        }
        let record = self.slot_mut(running);
        record.state = SlotState::Confirmed;
        record.tries = 0;
        let version = record.version;
        self.rank_first(running);
        self.settle_exhausted(running);
        self.floor = self.floor.max(floor.min(version));
        self.degraded = false;
        self.boots_without_health = 0;
        true
    }

    /// Black-lists the firmware in `slot`, and remembers why, so that it is not installed again unasked.
    pub fn give_up(&mut self, slot: Slot, reason: FailureReason) {
        let record = self.slot_mut(slot);
        record.state = SlotState::Bad;
        record.tries = 0;
        let digest = record.digest;
        self.last_failure = Some(Failure { slot, digest, reason });
    }

    fn ranks_before(&self, first: Slot, second: Slot) -> bool {
        let (one, other) = (self.slot(first), self.slot(second));
        let ahead = one.priority > other.priority || (one.priority == other.priority && first < second);
        ahead && one.state == SlotState::Confirmed
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::SlotRecord;

    fn table(a: SlotState, b: SlotState) -> SlotTable {
        let slot = |state, priority, number| SlotRecord {
            state,
            priority,
            tries: u8::from(state == SlotState::Trial),
            version: Version([1, 0, 0, 0]),
            digest: [number; 32],
        };
        SlotTable {
            slots: [slot(a, 3, 1), slot(b, 2, 2), slot(SlotState::Confirmed, 1, 3)],
            floor: Version([1, 0, 0, 0]),
            boots_without_health: 6,
            ..SlotTable::default()
        }
    }

    fn no_health(slot: Slot) -> Option<Failure> {
        Some(Failure { slot, digest: [slot.number(); 32], reason: FailureReason::NoHealth })
    }

    #[test]
    fn health_clears_the_count_once() {
        let mut table = table(SlotState::Confirmed, SlotState::Confirmed);
        assert!(table.healthy(Slot::A));
        assert_eq!(table.boots_without_health, 0);
        assert!(!table.healthy(Slot::A), "a healthy unit writes nothing");
    }

    #[test]
    fn the_slot_that_failed_is_not_returned_to() {
        let mut table = table(SlotState::Confirmed, SlotState::Confirmed);
        table.last_failure = no_health(Slot::A);
        assert!(table.healthy(Slot::B));
        assert_eq!(table.slot(Slot::A).state, SlotState::Bad);
        assert_eq!(table.boots_without_health, 0);
    }

    #[test]
    fn an_old_failure_black_lists_nothing_new() {
        let mut repaired = table(SlotState::Confirmed, SlotState::Confirmed);
        repaired.last_failure = Some(Failure { digest: [9; 32], ..no_health(Slot::A).unwrap() });
        repaired.healthy(Slot::B);
        assert_eq!(
            repaired.slot(Slot::A).state,
            SlotState::Confirmed,
            "another firmware is in the slot by now"
        );

        let mut behind = table(SlotState::Confirmed, SlotState::Confirmed);
        behind.last_failure = no_health(Slot::B);
        behind.healthy(Slot::A);
        assert_eq!(behind.slot(Slot::B).state, SlotState::Confirmed, "it was not passed over in this boot");
    }

    #[test]
    fn a_firmware_that_became_healthy_after_all_is_not_given_up_later() {
        let mut table = table(SlotState::Confirmed, SlotState::Confirmed);
        table.last_failure = no_health(Slot::A);
        assert!(table.healthy(Slot::A), "once it was given up; now it is healthy");
        assert_eq!(table.last_failure, None);
        // Somebody asks for one boot of B, which turns out healthy, too.
        table.healthy(Slot::B);
        assert_eq!(table.slot(Slot::A).state, SlotState::Confirmed);

        table.last_failure = Some(Failure { digest: [9; 32], ..no_health(Slot::A).unwrap() });
        table.healthy(Slot::A);
        assert!(table.last_failure.is_some(), "that was another firmware in this slot");
    }

    #[test]
    fn a_derived_floor_is_doubted_until_a_firmware_is_confirmed() {
        let mut table = table(SlotState::Confirmed, SlotState::Trial);
        table.degraded = true;
        table.healthy(Slot::A);
        assert!(table.degraded);
        table.confirm(Slot::B, Version([1, 0, 0, 0]));
        assert!(!table.degraded);
    }

    #[test]
    fn a_confirm_never_locks_out_what_it_confirms() {
        let mut table = table(SlotState::Confirmed, SlotState::Trial);
        let own = table.slot(Slot::B).version;
        table.confirm(Slot::B, Version([2, 0, 0, 0]));
        assert_eq!(table.floor, own);
    }

    #[test]
    fn rescue_and_trials_do_not_clear_the_count() {
        let before = table(SlotState::Confirmed, SlotState::Trial);
        for running in [Slot::R, Slot::B] {
            let mut table = before.clone();
            assert!(!table.healthy(running));
            assert_eq!(table, before);
        }
    }

    #[test]
    fn a_confirmed_trial_comes_first_and_raises_the_floor() {
        for top in [3, u8::MAX] {
            let mut table = table(SlotState::Confirmed, SlotState::Trial);
            table.slots[0].priority = top;
            table.slots[1].version = Version([1, 3, 0, 0]);
            assert!(table.confirm(Slot::B, Version([1, 2, 0, 0])));
            let b = *table.slot(Slot::B);
            assert_eq!((b.state, b.tries), (SlotState::Confirmed, 0));
            assert!(b.priority > table.slot(Slot::A).priority);
            assert!(table.slot(Slot::A).priority > table.slot(Slot::R).priority);
            assert_eq!(table.floor, Version([1, 2, 0, 0]));
            assert!(!table.confirm(Slot::B, Version([9, 0, 0, 0])), "only once");
        }
    }

    #[test]
    fn a_confirm_never_lowers_the_floor() {
        let mut table = table(SlotState::Confirmed, SlotState::Trial);
        table.confirm(Slot::B, Version([0, 1, 0, 0]));
        assert_eq!(table.floor, Version([1, 0, 0, 0]));
    }

    #[test]
    fn a_firmware_given_up_is_remembered() {
        let mut table = table(SlotState::Confirmed, SlotState::Trial);
        table.give_up(Slot::B, FailureReason::HealthCheck);
        assert_eq!(table.slot(Slot::B).state, SlotState::Bad);
        let failure = Failure { slot: Slot::B, digest: [2; 32], reason: FailureReason::HealthCheck };
        assert_eq!(table.last_failure, Some(failure));
    }
}
