//! What is put right once a firmware has proved itself: slots that the floor has passed.

use evener_disk::Slot;
use evener_manifest::permits;
use evener_slot_table::{SlotState, SlotTable};

/// A slot that is to be filled with a copy of the running firmware.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Work {
    /// Which.
    pub slot: Slot,
    /// It is taken out of service first, because the floor forbids to start what it holds.
    pub retire: bool,
}

/// The slots to refill from `running`, in this order: first the other of A and B, then rescue.
///
/// Asked after each proof of health, not only after a confirmation, so that work which a power cut ended is taken
/// up at the next boot: `unfinished` is the slot that a refill had emptied. An operator's own steps are left alone: a
/// slot of A and B that is empty for another reason stays empty. Rescue is never meant to be empty.
#[must_use]
pub fn work_after_confirm(table: &SlotTable, running: Slot, unfinished: Option<Slot>) -> Vec<Work> {
    if running == Slot::R || table.slot(running).state != SlotState::Confirmed {
        return Vec::new();
    }
    let other = if running == Slot::A { Slot::B } else { Slot::A };
    [other, Slot::R].into_iter().filter_map(|slot| work_on(table, slot, unfinished)).collect()
}

fn work_on(table: &SlotTable, slot: Slot, unfinished: Option<Slot>) -> Option<Work> {
    let record = table.slot(slot);
    match record.state {
        SlotState::Empty => {
            (slot == Slot::R || unfinished == Some(slot)).then_some(Work { slot, retire: false })
        }
        SlotState::Trial | SlotState::Confirmed | SlotState::Bad => {
            (!permits(record.version, table.floor)).then_some(Work { slot, retire: true })
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
        let table = SlotTable {
            slots: [record(SlotState::Confirmed, 40), b, r],
            floor: Version([7, 2, 36, 0]),
            ..SlotTable::default()
        };
        work_after_confirm(&table, Slot::A, unfinished).iter().map(|work| (work.slot, work.retire)).collect()
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
        let mut table = SlotTable { floor: Version([7, 2, 36, 0]), ..SlotTable::default() };
        for slot in [Slot::B, Slot::R] {
            *table.slot_mut(slot) = record(SlotState::Confirmed, 35);
        }
        for state in [SlotState::Empty, SlotState::Trial, SlotState::Bad] {
            table.slot_mut(Slot::A).state = state;
            assert_eq!(work_after_confirm(&table, Slot::A, None), []);
        }
        assert_eq!(work_after_confirm(&table, Slot::R, None), []);
    }
}
