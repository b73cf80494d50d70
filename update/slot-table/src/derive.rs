//! The table when no copy of it is left: what the signed manifests themselves say.

use evener_disk::Slot;
use evener_manifest::{Verified, Version};

use crate::{SlotRecord, SlotState, SlotTable};

/// What a verified manifest says that a table needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SlotFacts {
    /// The firmware's version.
    pub version: Version,
    /// The floor it asks for.
    pub floor: Version,
    /// SHA-256 of the manifest.
    pub digest: [u8; 32],
}

impl From<&Verified<'_>> for SlotFacts {
    fn from(verified: &Verified<'_>) -> Self {
        Self { version: verified.version(), floor: verified.floor(), digest: verified.digest() }
    }
}

impl SlotTable {
    /// A table made of what was verified: each such slot confirmed, the newer of A and B first, the floor the
    /// lowest that any of them asks for, `degraded` set.
    ///
    /// Trials and black lists are lost with the record; the count of boots without health takes over their
    /// work. The sequence starts at 0, below any copy that might become readable again.
    #[must_use]
    pub fn derive(facts: &[Option<SlotFacts>; 3]) -> Self {
        let version = |slot: Slot| slot.of(facts).map(|facts| facts.version);
        let b_first = version(Slot::B) > version(Slot::A);
        let mut table = Self { degraded: true, ..Self::default() };
        for slot in Slot::ALL {
            let Some(facts) = slot.of(facts) else { continue };
            let priority = match slot {
                Slot::A => {
                    if b_first {
                        2
                    } else {
                        3
                    }
                }
                Slot::B => {
                    if b_first {
                        3
                    } else {
                        2
                    }
                }
                Slot::R => 1,
            };
            let state = SlotState::Confirmed;
            *table.slot_mut(slot) =
                SlotRecord { state, priority, tries: 0, version: facts.version, digest: facts.digest };
        }
        table.floor = facts.iter().flatten().map(|facts| facts.floor).min().unwrap_or_default();
        table
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts(patch: u16, floor: u16) -> Option<SlotFacts> {
        let digest = [u8::try_from(patch).unwrap(); 32];
        Some(SlotFacts { version: Version([1, 0, patch, 0]), floor: Version([1, 0, floor, 0]), digest })
    }

    #[test]
    fn the_newer_slot_comes_first_and_the_lowest_floor_counts() {
        let table = SlotTable::derive(&[facts(4, 2), facts(5, 3), facts(3, 1)]);
        assert!(table.degraded);
        assert_eq!(table.floor, Version([1, 0, 1, 0]));
        assert!(table.slot(Slot::B).priority > table.slot(Slot::A).priority);
        assert!(table.slot(Slot::A).priority > table.slot(Slot::R).priority);
        assert!(table.slots.iter().all(|slot| slot.state == SlotState::Confirmed));
        assert_eq!(table.slot(Slot::R).digest, [3; 32]);
    }

    #[test]
    fn a_slot_that_was_not_verified_stays_empty() {
        let table = SlotTable::derive(&[None, None, facts(3, 1)]);
        assert_eq!(table.slot(Slot::A).state, SlotState::Empty);
        assert_eq!(table.slot(Slot::B).state, SlotState::Empty);
        assert_eq!(table.slot(Slot::R).state, SlotState::Confirmed);
    }

    #[test]
    fn nothing_verified_gives_a_table_that_boots_nothing() {
        let table = SlotTable::derive(&[None; 3]);
        assert_eq!(table, SlotTable { degraded: true, ..SlotTable::default() });
    }

    #[test]
    fn of_two_equal_slots_a_comes_first() {
        let table = SlotTable::derive(&[facts(4, 1), facts(4, 1), None]);
        assert!(table.slot(Slot::A).priority > table.slot(Slot::B).priority);
    }
}
