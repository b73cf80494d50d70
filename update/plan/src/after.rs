//! What is put right once a firmware has proved itself: slots that the floor has passed, and those whose key is no
//! longer trusted (`docs/decisions/005-changing-keys.md`).

use evener_disk::Slot;
use evener_manifest::permits;
use evener_slot_table::{SlotState, SlotTable};

use crate::UnitFacts;

/// A slot that is to be filled with a copy of the running firmware.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Work {
    /// Which.
    pub slot: Slot,
    /// It still holds a firmware, which the floor forbids to start or a revoked key has signed.
    pub retire: bool,
}

/// The slots to refill from `running`, in this order: first the other of A and B, then rescue.
///
/// Asked after each proof of health, not only after a confirmation, so that work which a power cut ended is taken
/// up at the next boot: `unfinished` is the slot that a refill had emptied. An operator's own steps are left alone: a
/// slot of A and B that is empty for another reason stays empty. Rescue is never meant to be empty.
#[must_use]
pub fn work_after_confirm(unit: &UnitFacts, unfinished: Option<Slot>) -> Vec<Work> {
    let (Some(table), Some(running)) = (&unit.table, unit.running) else { return Vec::new() };
    if running == Slot::R || table.slot(running).state != SlotState::Confirmed {
        return Vec::new();
    }
    let other = if running == Slot::A { Slot::B } else { Slot::A };
    [other, Slot::R].into_iter().filter_map(|slot| work_on(unit, table, slot, unfinished)).collect()
}

fn work_on(unit: &UnitFacts, table: &SlotTable, slot: Slot, unfinished: Option<Slot>) -> Option<Work> {
    let record = table.slot(slot);
    let passed = !permits(record.version, table.floor) || *slot.of(&unit.revoked);
    match record.state {
        SlotState::Empty => {
            (slot == Slot::R || unfinished == Some(slot)).then_some(Work { slot, retire: false })
        }
        SlotState::Trial | SlotState::Confirmed | SlotState::Bad => {
            passed.then_some(Work { slot, retire: true })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use evener_manifest::Version;
    use evener_slot_table::SlotRecord;

    fn record(state: SlotState, patch: u16) -> SlotRecord {
        SlotRecord { state, version: Version([7, 2, patch, 0]), ..SlotRecord::default() }
    }

    fn work(b: SlotRecord, r: SlotRecord) -> Vec<(Slot, bool)> {
        work_left(b, r, None)
    }

    fn work_left(b: SlotRecord, r: SlotRecord, unfinished: Option<Slot>) -> Vec<(Slot, bool)> {
        let unit = unit([record(SlotState::Confirmed, 40), b, r]);
        work_after_confirm(&unit, unfinished).iter().map(|work| (work.slot, work.retire)).collect()
    }

    /// A unit that runs slot A and has the floor 7.2.36.
    fn unit(slots: [SlotRecord; 3]) -> UnitFacts {
        let table = SlotTable { slots, floor: Version([7, 2, 36, 0]), ..SlotTable::default() };
        UnitFacts { running: Some(Slot::A), table: Some(table), ..UnitFacts::default() }
    }

    #[test]
    fn what_a_revoked_key_has_signed_is_refilled() {
        let fresh = record(SlotState::Confirmed, 40);
        for slot in [Slot::B, Slot::R] {
            let mut unit = unit([fresh; 3]);
            *slot.of_mut(&mut unit.revoked) = true;
            assert_eq!(work_after_confirm(&unit, None), [Work { slot, retire: true }]);
        }
    }

    #[test]
    fn what_the_floor_has_passed_is_refilled() {
        use SlotState::{Bad, Confirmed, Empty, Trial};
        let fresh = record(Confirmed, 36);
        assert_eq!(work(fresh, fresh), []);
        for state in [Confirmed, Bad, Trial] {
            assert_eq!(work(record(state, 35), fresh), [(Slot::B, true)], "{state}");
            assert_eq!(work(fresh, record(state, 35)), [(Slot::R, true)], "{state}");
            assert_eq!(work(record(state, 40), fresh), [], "{state}");
        }
        assert_eq!(work(record(Confirmed, 35), record(Confirmed, 35)), [(Slot::B, true), (Slot::R, true)]);
        let empty = SlotRecord::default();
        assert_eq!(work_left(empty, fresh, Some(Slot::B)), [(Slot::B, false)], "the refill was cut off");
        assert_eq!(work(empty, fresh), [], "an installation was cut off");
        assert_eq!(work_left(fresh, fresh, Some(Slot::B)), [], "it was filled by an installation meanwhile");
        assert_eq!(work(fresh, empty), [(Slot::R, false)]);
        assert_eq!(Empty, empty.state);
    }

    #[test]
    fn only_a_confirmed_firmware_is_copied() {
        let old = record(SlotState::Confirmed, 35);
        for state in [SlotState::Empty, SlotState::Trial, SlotState::Bad] {
            assert_eq!(work_after_confirm(&unit([record(state, 40), old, old]), None), []);
        }
        let well = unit([record(SlotState::Confirmed, 40), old, old]);
        for running in [Some(Slot::R), None] {
            assert_eq!(work_after_confirm(&UnitFacts { running, ..well.clone() }, None), []);
        }
        assert_eq!(work_after_confirm(&UnitFacts { table: None, ..well }, None), []);
    }
}
