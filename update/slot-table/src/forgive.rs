//! The way out of rescue: an operator has the unit try its confirmed firmware again.

use evener_disk::Slot;

use crate::{SlotState, SlotTable};

impl SlotTable {
    /// Forgets the boots that were counted against the confirmed firmware and any one-shot request, so that the
    /// next boot chooses as if they had not been. The slot it comes to, if that still verifies; `None`, and
    /// nothing is changed, when neither A nor B is confirmed.
    ///
    /// Boots count because nobody knows better; five power cuts within a minute each look like a firmware that
    /// never gets well. An operator may know better. Black lists and trials stay as they are.
    pub fn forgive(&mut self) -> Option<Slot> {
        let confirmed = |slot: &Slot| self.slot(*slot).state == SlotState::Confirmed;
        let slot =
            [Slot::B, Slot::A].into_iter().filter(confirmed).max_by_key(|slot| self.slot(*slot).priority)?;
        self.boots_without_health = 0;
        self.next = None;
        Some(slot)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(a: (SlotState, u8), b: (SlotState, u8)) -> SlotTable {
        let mut table = SlotTable { boots_without_health: 10, next: Some(Slot::R), ..SlotTable::default() };
        for (slot, (state, priority)) in [(Slot::A, a), (Slot::B, b), (Slot::R, (SlotState::Confirmed, 1))] {
            table.slot_mut(slot).state = state;
            table.slot_mut(slot).priority = priority;
        }
        table
    }

    #[test]
    fn the_confirmed_slot_of_highest_priority_gets_a_fresh_count() {
        use SlotState::{Bad, Confirmed, Empty, Trial};
        for (a, b, expected) in [
            ((Confirmed, 3), (Empty, 0), Slot::A),
            ((Confirmed, 3), (Confirmed, 2), Slot::A),
            ((Confirmed, 3), (Confirmed, 3), Slot::A),
            ((Confirmed, 2), (Confirmed, 3), Slot::B),
            ((Bad, 9), (Confirmed, 3), Slot::B),
            ((Trial, 9), (Confirmed, 3), Slot::B),
        ] {
            let mut table = table(a, b);
            assert_eq!(table.forgive(), Some(expected), "{a:?} {b:?}");
            assert_eq!((table.boots_without_health, table.next), (0, None));
        }
    }

    #[test]
    fn without_confirmed_firmware_nothing_changes() {
        let mut table = table((SlotState::Bad, 3), (SlotState::Empty, 0));
        let before = table.clone();
        assert_eq!(table.forgive(), None);
        assert_eq!(table, before);
    }
}
