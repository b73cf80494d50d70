use evener_manifest::Version;

use super::*;
use crate::{Failure, FailureReason};

fn record(state: SlotState, priority: u8, patch: u16) -> SlotRecord {
    let tries = if state == SlotState::Trial { TRIES } else { 0 };
    let digest = [u8::try_from(patch).unwrap(); 32];
    SlotRecord { state, priority, tries, version: Version([1, 0, patch, 0]), digest }
}

/// A confirmed and first with 1.0.3, B confirmed with 1.0.2, R with 1.0.1, floor 1.0.1.
fn table() -> SlotTable {
    use SlotState::Confirmed;
    SlotTable {
        slots: [record(Confirmed, 3, 3), record(Confirmed, 2, 2), record(Confirmed, 1, 1)],
        floor: Version([1, 0, 1, 0]),
        last_failure: Some(Failure { slot: Slot::B, digest: [9; 32], reason: FailureReason::HealthCheck }),
        next: Some(Slot::R),
        ..SlotTable::default()
    }
}

fn facts() -> SlotFacts {
    SlotFacts { version: Version([1, 0, 4, 0]), floor: Version([1, 0, 1, 0]), digest: [4; 32] }
}

#[test]
fn a_slot_that_is_written_boots_nothing() {
    let mut table = table();
    table.next = Some(Slot::B);
    table.begin_install(Slot::B);
    let expected = SlotRecord { priority: 2, ..SlotRecord::default() };
    assert_eq!((*table.slot(Slot::B), table.next), (expected, None));
    assert!(!table.request(Slot::B));
}

#[test]
fn beginning_keeps_a_request_for_another_slot() {
    let mut table = table();
    table.begin_install(Slot::B);
    assert_eq!(table.next, Some(Slot::R));
}

#[test]
fn a_firmware_that_is_tried_ends_the_trial_of_a_loader() {
    for tries in [0, 3] {
        let loader = Some(crate::LoaderTrial { digest: [5; 32], tries });
        let mut installing = SlotTable { loader, ..table() };
        installing.begin_install(Slot::B);
        assert_eq!(installing.loader, loader, "nothing is tried yet");
        installing.installed(Slot::B, &facts());
        assert_eq!(installing.loader, None);
        let mut restoring = SlotTable { loader, ..table() };
        assert_eq!(restoring.restore(Slot::A), Err(NotRestorable::First));
        assert_eq!(restoring.loader, loader);
        restoring.restore(Slot::B).unwrap();
        assert_eq!(restoring.loader, None);
    }
}

#[test]
fn what_was_installed_is_tried_before_all_else() {
    let mut table = table();
    table.begin_install(Slot::B);
    assert!(table.installed(Slot::B, &facts()));
    let expected = SlotRecord {
        state: SlotState::Trial,
        priority: 3,
        tries: TRIES,
        version: Version([1, 0, 4, 0]),
        digest: [4; 32],
    };
    assert_eq!(*table.slot(Slot::B), expected);
    assert_eq!(table.slot(Slot::A).priority, 2);
    assert_eq!(table.next, None);
    assert!(table.last_failure.is_some(), "what failed before is still known");
}

#[test]
fn only_an_emptied_slot_becomes_installed() {
    for slot in Slot::ALL {
        let mut table = table();
        assert!(!table.installed(slot, &facts()));
        assert_eq!(table, self::table(), "{slot}");
    }
    let mut table = table();
    table.begin_install(Slot::R);
    assert!(!table.installed(Slot::R, &facts()), "rescue is never on trial");
}

#[test]
fn a_restored_slot_is_tried_and_stays_second() {
    let mut table = table();
    assert_eq!(table.restore(Slot::B), Ok(()));
    let b = *table.slot(Slot::B);
    assert_eq!((b.state, b.tries, b.priority), (SlotState::Trial, TRIES, 2));
    assert_eq!(table.next, None);
    assert!(table.confirm(Slot::B, Version([1, 0, 1, 0])));
    assert!(table.slot(Slot::B).priority > table.slot(Slot::A).priority);
    assert_eq!(table.slot(Slot::A).state, SlotState::Confirmed);
}

#[test]
fn what_cannot_be_gone_back_to_says_why_and_changes_nothing() {
    let cases = [
        (Slot::R, SlotState::Confirmed, 1, NotRestorable::Rescue),
        (Slot::A, SlotState::Confirmed, 1, NotRestorable::First),
        (Slot::B, SlotState::Confirmed, 3, NotRestorable::BelowFloor),
        (Slot::B, SlotState::Empty, 1, NotRestorable::NotConfirmed),
        (Slot::B, SlotState::Bad, 1, NotRestorable::NotConfirmed),
        (Slot::B, SlotState::Trial, 1, NotRestorable::NotConfirmed),
    ];
    for (slot, b, floor, expected) in cases {
        let mut table = table();
        table.slot_mut(Slot::B).state = b;
        table.floor = Version([1, 0, floor, 0]);
        let before = table.clone();
        assert_eq!(table.restore(slot), Err(expected));
        assert_eq!(table, before);
    }
}

#[test]
fn discarding_an_installation_leaves_the_slot_empty_and_the_other_first() {
    let mut table = table();
    table.begin_install(Slot::B);
    table.installed(Slot::B, &facts());
    assert!(table.discard(Slot::B));
    assert_eq!(table.slot(Slot::B).state, SlotState::Empty);
    assert_eq!((table.slot(Slot::A).priority, table.slot(Slot::B).priority), (3, 2));
    assert!(!table.discard(Slot::B), "there is nothing left to discard");
}

#[test]
fn discarding_a_return_keeps_the_firmware() {
    let mut table = table();
    table.next = None;
    let before = table.clone();
    table.restore(Slot::B).unwrap();
    assert!(table.discard(Slot::B));
    assert_eq!(table, before);
}

#[test]
fn confirmed_firmware_and_rescue_are_not_discarded() {
    for slot in Slot::ALL {
        let mut table = table();
        assert!(!table.discard(slot));
        assert_eq!(table, self::table());
    }
}

#[test]
fn a_retired_slot_is_filled_from_a_confirmed_one_and_comes_second() {
    let mut table = table();
    assert!(!table.refilled(Slot::B, Slot::A), "it was not emptied");
    assert!(table.retire(Slot::B));
    assert!(!table.retire(Slot::B));
    assert!(table.refilled(Slot::B, Slot::A));
    let (a, b) = (*table.slot(Slot::A), *table.slot(Slot::B));
    assert_eq!((b.state, b.version, b.digest), (SlotState::Confirmed, a.version, a.digest));
    assert_eq!((a.priority, b.priority), (3, 2));
}

#[test]
fn rescue_is_refreshed_without_a_new_order() {
    let mut table = table();
    table.begin_install(Slot::R);
    assert!(table.refilled(Slot::R, Slot::A));
    assert_eq!(*table.slot(Slot::R), SlotRecord { priority: 1, ..*table.slot(Slot::A) });
    assert_eq!((table.slot(Slot::A).priority, table.slot(Slot::B).priority), (3, 2));
}

#[test]
fn nothing_is_refilled_from_what_is_not_confirmed() {
    for state in [SlotState::Empty, SlotState::Trial, SlotState::Bad] {
        let mut table = table();
        table.slot_mut(Slot::A).state = state;
        table.begin_install(Slot::B);
        let before = table.clone();
        assert!(!table.refilled(Slot::B, Slot::A), "{state}");
        assert!(!table.refilled(Slot::B, Slot::R), "rescue is filled, and does not fill");
        assert!(!table.refilled(Slot::B, Slot::B));
        assert_eq!(table, before);
    }
}

#[test]
fn only_what_would_boot_can_be_asked_for() {
    let ask = |state, tries, floor: u16| {
        let mut table = table();
        table.next = None;
        table.floor = Version([1, 0, floor, 0]);
        let record = table.slot_mut(Slot::B);
        record.state = state;
        record.tries = tries;
        (table.request(Slot::B), table.next)
    };
    assert_eq!(ask(SlotState::Confirmed, 0, 1), (true, Some(Slot::B)));
    assert_eq!(ask(SlotState::Trial, 1, 1), (true, Some(Slot::B)));
    assert_eq!(ask(SlotState::Trial, 0, 1), (false, None));
    assert_eq!(ask(SlotState::Confirmed, 0, 3), (false, None));
    assert_eq!(ask(SlotState::Bad, 0, 1), (false, None));
    assert_eq!(ask(SlotState::Empty, 0, 1), (false, None));
    assert!(!table().request(Slot::R), "asked for already: nothing to write");
}

#[test]
fn health_settles_what_used_up_its_tries() {
    let exhausted = || {
        let mut table = table();
        *table.slot_mut(Slot::B) = SlotRecord { tries: 0, ..record(SlotState::Trial, 3, 4) };
        table.slot_mut(Slot::A).priority = 2;
        table
    };
    let mut table = exhausted();
    assert!(table.healthy(Slot::A));
    assert_eq!(table.slot(Slot::B).state, SlotState::Bad);
    assert_eq!(table.slot(Slot::B).digest, [4; 32], "its identity stays, so that it is known again");
    assert!(!table.healthy(Slot::A), "one write");

    let mut table = exhausted();
    table.slot_mut(Slot::A).state = SlotState::Trial;
    assert!(table.confirm(Slot::A, Version([1, 0, 1, 0])));
    assert_eq!(table.slot(Slot::B).state, SlotState::Bad);

    let mut table = exhausted();
    assert!(table.confirm(Slot::B, Version([1, 0, 1, 0])), "the last try succeeded");
    assert_eq!(table.slot(Slot::B).state, SlotState::Confirmed);
    assert_eq!(table.slot(Slot::A).state, SlotState::Confirmed);
}
