use std::format;
use std::vec::Vec;

use evener_handoff::{BootReason, Mode};
use evener_manifest::Version;
use evener_slot_table::{SlotRecord, TRIES};

use super::*;

const FLOOR: Version = Version([1, 0, 5, 0]);

fn digest(slot: Slot) -> [u8; 32] {
    [slot.number(); 32]
}

fn record(slot: Slot, state: SlotState, priority: u8) -> SlotRecord {
    let tries = if state == SlotState::Trial { TRIES } else { 0 };
    SlotRecord { state, priority, tries, version: Version([1, 0, 9, 0]), digest: digest(slot) }
}

/// A confirmed, B as given, R confirmed.
fn table(b: SlotState) -> SlotTable {
    SlotTable {
        seq: 10,
        slots: [
            record(Slot::A, SlotState::Confirmed, 3),
            record(Slot::B, b, if b == SlotState::Trial { 4 } else { 2 }),
            record(Slot::R, SlotState::Confirmed, 1),
        ],
        floor: FLOOR,
        ..SlotTable::default()
    }
}

fn usable(slot: Slot) -> SlotFact {
    SlotFact::Usable(SlotFacts { version: Version([1, 0, 9, 0]), floor: FLOOR, digest: digest(slot) })
}

fn facts() -> Facts {
    Facts { slots: Slot::ALL.map(usable), counting: Counting::Pending, asked: None }
}

fn refusing(slots: &[Slot]) -> Facts {
    let mut facts = facts();
    for slot in slots {
        *slot.of_mut(&mut facts.slots) = SlotFact::Refused(BootCode::Signature);
    }
    facts
}

#[track_caller]
fn boots(table: &SlotTable, facts: &Facts) -> Boot {
    match choose(table, facts) {
        Order::Boot(boot) => boot,
        Order::Halt { code, skipped } => panic!("halted: {code} {skipped:?}"),
    }
}

fn gist(boot: &Boot) -> (Slot, Mode, BootReason) {
    (boot.slot, boot.mode, boot.reason)
}

#[test]
fn the_confirmed_slot_of_highest_priority_is_booted_and_counted() {
    let boot = boots(&table(SlotState::Confirmed), &facts());
    assert_eq!(gist(&boot), (Slot::A, Mode::Normal, BootReason::Preferred));
    assert_eq!(boot.skipped, [None; 3]);
    let expected = SlotTable { boots_without_health: 1, ..table(SlotState::Confirmed) };
    assert_eq!(boot.record, Some(expected));

    let mut b_first = table(SlotState::Confirmed);
    b_first.slots[1].priority = 9;
    assert_eq!(boots(&b_first, &facts()).slot, Slot::B);
}

#[test]
fn a_trial_is_charged_before_it_starts() {
    for (tries, left) in [(3, 2), (2, 1), (1, 0)] {
        let mut table = table(SlotState::Trial);
        table.slots[1].tries = tries;
        let boot = boots(&table, &facts());
        assert_eq!(gist(&boot), (Slot::B, Mode::Trial, BootReason::Trial));
        assert_eq!(boot.tries_left, left);
        let record = boot.record.unwrap();
        assert_eq!(record.slots[1].tries, left);
        assert_eq!(record.boots_without_health, 0, "the confirmed firmware is not charged");
    }
}

#[test]
fn a_trial_without_tries_gives_way_and_is_remembered() {
    let mut table = table(SlotState::Trial);
    table.slots[1].tries = 0;
    let boot = boots(&table, &facts());
    assert_eq!(gist(&boot), (Slot::A, Mode::Normal, BootReason::Refused));
    assert_eq!(boot.skipped[1], Some(BootCode::TriesExhausted));
    let failure = boot.record.unwrap().last_failure.unwrap();
    assert_eq!((failure.slot, failure.reason), (Slot::B, FailureReason::TriesExhausted));
    assert_eq!(failure.digest, digest(Slot::B));
}

#[test]
fn five_boots_without_health_lead_to_the_other_slot_then_to_rescue() {
    let after = |count: u8, b: SlotState| {
        gist(&boots(&SlotTable { boots_without_health: count, ..table(b) }, &facts()))
    };
    for count in 0..5 {
        assert_eq!(after(count, SlotState::Confirmed), (Slot::A, Mode::Normal, BootReason::Preferred));
    }
    for count in 5..10 {
        assert_eq!(after(count, SlotState::Confirmed), (Slot::B, Mode::Normal, BootReason::NoHealth));
        for b in [SlotState::Empty, SlotState::Bad] {
            assert_eq!(after(count, b), (Slot::R, Mode::Rescue, BootReason::NoHealth), "{b}");
        }
    }
    for count in 10..=255 {
        assert_eq!(after(count, SlotState::Confirmed), (Slot::R, Mode::Rescue, BootReason::NoHealth));
    }
}

#[test]
fn the_other_slot_below_the_floor_is_passed_over_for_rescue() {
    let mut facts = facts();
    let old = SlotFacts { version: Version([1, 0, 4, 9]), floor: FLOOR, digest: digest(Slot::B) };
    facts.slots[1] = SlotFact::Usable(old);
    let boot = boots(&SlotTable { boots_without_health: 5, ..table(SlotState::Confirmed) }, &facts);
    assert_eq!(boot.slot, Slot::R);
    assert_eq!(boot.skipped, [Some(BootCode::NoHealth), Some(BootCode::BelowFloor), None]);
}

#[test]
fn a_one_shot_request_is_consumed_in_the_counting_write() {
    for slot in Slot::ALL {
        let asked = SlotTable { next: Some(slot), ..table(SlotState::Confirmed) };
        let boot = boots(&asked, &facts());
        let mode = if slot == Slot::R { Mode::Rescue } else { Mode::Normal };
        assert_eq!(gist(&boot), (slot, mode, BootReason::Requested));
        let record = boot.record.unwrap();
        assert_eq!(record.next, None);
        assert_eq!(record.boots_without_health, u8::from(slot != Slot::R));
        assert_eq!(boots(&record, &facts()).slot, Slot::A, "only once");
    }
}

#[test]
fn rescue_asked_for_at_the_console_goes_before_all_else() {
    for table in [
        table(SlotState::Trial),
        SlotTable { next: Some(Slot::B), ..table(SlotState::Confirmed) },
        SlotTable { boots_without_health: 5, ..table(SlotState::Confirmed) },
    ] {
        let boot = boots(&table, &Facts { asked: Some(Asked::Rescue), ..facts() });
        assert_eq!(gist(&boot), (Slot::R, Mode::Rescue, BootReason::Requested));
        assert!(!boot.reset);
        let after = boot.record.unwrap_or_else(|| table.clone());
        assert_eq!((after.next, after.slots), (None, table.slots));
        assert_eq!(after.boots_without_health, table.boots_without_health);
    }
}

#[test]
fn a_reset_changes_nothing_of_the_choice() {
    for b in [SlotState::Empty, SlotState::Trial, SlotState::Confirmed] {
        let ordinary = boots(&table(b), &facts());
        let asked = boots(&table(b), &Facts { asked: Some(Asked::FactoryReset), ..facts() });
        assert_eq!(asked, Boot { reset: true, ..ordinary });
    }
}

#[test]
fn a_request_that_cannot_be_consumed_is_not_followed() {
    let asked = SlotTable { next: Some(Slot::B), ..table(SlotState::Confirmed) };
    let boot = boots(&asked, &Facts { counting: Counting::Failed, ..facts() });
    assert_eq!(boot.slot, Slot::A);
}

#[test]
fn a_request_for_an_empty_or_bad_slot_is_refused() {
    for (state, code) in [(SlotState::Empty, BootCode::SlotEmpty), (SlotState::Bad, BootCode::SlotBad)] {
        let boot = boots(&SlotTable { next: Some(Slot::B), ..table(state) }, &facts());
        assert_eq!((boot.slot, boot.skipped[1]), (Slot::A, Some(code)));
        assert_eq!(boot.record.unwrap().next, None);
    }
}

#[test]
fn without_the_counting_write_only_confirmed_firmware_is_booted() {
    let unwritable = Facts { counting: Counting::Failed, ..facts() };
    let boot = boots(&table(SlotState::Trial), &unwritable);
    assert_eq!(gist(&boot), (Slot::A, Mode::Normal, BootReason::Refused));
    assert_eq!(boot.skipped[1], Some(BootCode::TableNotWritten));
    assert_eq!(boot.record, None);
}

#[test]
fn a_slot_found_damaged_after_counting_is_not_charged_twice() {
    for count in [0, 4, 5] {
        let before = SlotTable { boots_without_health: count, ..table(SlotState::Confirmed) };
        let first = boots(&before, &facts());
        let written = first.record.unwrap();
        let counting = Counting::Done { boots_before: count };
        let second = boots(&written, &Facts { counting, ..refusing(&[first.slot]) });
        let expected = if count == 5 { Slot::R } else { Slot::B };
        assert_eq!((second.slot, &second.record), (expected, &None), "count {count}");
    }
}

#[test]
fn a_second_trial_is_charged_even_after_a_first_was() {
    let mut both = table(SlotState::Trial);
    both.slots[0] = record(Slot::A, SlotState::Trial, 3);
    let first = boots(&both, &facts());
    assert_eq!(first.slot, Slot::B);
    let counting = Counting::Done { boots_before: 0 };
    let second = boots(&first.record.unwrap(), &Facts { counting, ..refusing(&[Slot::B]) });
    assert_eq!(gist(&second), (Slot::A, Mode::Trial, BootReason::Trial));
    assert_eq!(second.record.unwrap().slots[0].tries, TRIES - 1);
}

#[test]
fn rather_the_slot_that_failed_than_nothing() {
    let failed = SlotTable { boots_without_health: 5, ..table(SlotState::Empty) };
    let boot = boots(&failed, &refusing(&[Slot::R]));
    assert_eq!(gist(&boot), (Slot::A, Mode::Normal, BootReason::LastResort));
    assert_eq!(boot.skipped, [Some(BootCode::NoHealth), None, Some(BootCode::Signature)]);
}

#[test]
fn a_lost_floor_is_never_assumed() {
    let derived = SlotTable::derive(&[None, None, None]);
    assert!(matches!(choose(&derived, &facts()), Order::Halt { code: BootCode::NothingToBoot, .. }));
}

#[test]
fn the_halt_screen_says_why_for_each_slot() {
    let order = choose(&table(SlotState::Empty), &refusing(&[Slot::A, Slot::R]));
    let skipped = [Some(BootCode::Signature), Some(BootCode::SlotEmpty), Some(BootCode::Signature)];
    assert_eq!(order, Order::Halt { code: BootCode::NothingToBoot, skipped });
}

/// Every combination of what can be known, against the promises that hold for all of them.
#[test]
fn no_combination_breaks_a_promise() {
    let below = |slot| {
        SlotFact::Usable(SlotFacts { version: Version([1, 0, 4, 0]), floor: FLOOR, digest: digest(slot) })
    };
    let other = |slot: Slot| {
        SlotFact::Usable(SlotFacts {
            version: Version([1, 0, 9, 0]),
            floor: FLOOR,
            digest: [slot.number() + 9; 32],
        })
    };
    let facts_of =
        |slot: Slot| [usable(slot), SlotFact::Refused(BootCode::Signature), below(slot), other(slot)];
    let states = [SlotState::Empty, SlotState::Trial, SlotState::Confirmed, SlotState::Bad];
    let countings = [Counting::Pending, Counting::Failed, Counting::Done { boots_before: 3 }];
    let mut cases = 0_u32;
    for slots in combinations(&states) {
        for kinds in combinations(&[0, 1, 2, 3]) {
            let fact = |slot: Slot| facts_of(slot)[*slot.of(&kinds)];
            let found = Slot::ALL.map(fact);
            for counting in countings {
                for next in [None, Some(Slot::A), Some(Slot::B), Some(Slot::R)] {
                    for (boots_without_health, tries) in [(0, 0), (3, 3), (5, 1), (10, 0), (255, 3)] {
                        let mut table = SlotTable { next, boots_without_health, ..table(SlotState::Empty) };
                        for slot in Slot::ALL {
                            let state = *slot.of(&slots);
                            *table.slot_mut(slot) = record(slot, state, 4 - slot.number());
                            if state == SlotState::Trial {
                                table.slot_mut(slot).tries = tries;
                            }
                        }
                        for asked in [None, Some(Asked::Rescue), Some(Asked::FactoryReset)] {
                            check_promises(&table, &Facts { slots: found, counting, asked });
                            cases += 1;
                        }
                    }
                }
            }
        }
    }
    assert_eq!(cases, 64 * 64 * 3 * 4 * 5 * 3);
}

fn combinations<T: Copy>(values: &[T]) -> Vec<[T; 3]> {
    let mut all = Vec::new();
    for a in values {
        for b in values {
            all.extend(values.iter().map(|r| [*a, *b, *r]));
        }
    }
    all
}

fn check_promises(table: &SlotTable, facts: &Facts) {
    let case = || format!("{table:?} {facts:?}");
    let good = |slot: Slot| *slot.of(&facts.slots) == usable(slot);
    let state = |slot: Slot| table.slot(slot).state;
    match choose(table, facts) {
        Order::Halt { code, .. } => {
            assert_eq!(code, BootCode::NothingToBoot);
            for slot in Slot::ALL {
                let may = matches!(state(slot), SlotState::Confirmed | SlotState::Trial);
                assert!(!(good(slot) && may), "halted although {slot} could run: {}", case());
            }
        }
        Order::Boot(boot) => {
            assert!(good(boot.slot), "unverified, unrecorded or below the floor: {}", case());
            assert!(!matches!(state(boot.slot), SlotState::Bad | SlotState::Empty), "{}", case());
            assert_eq!(boot.mode == Mode::Rescue, boot.slot == Slot::R);
            assert_eq!(boot.reset, facts.asked == Some(Asked::FactoryReset), "{}", case());
            if let Some(record) = &boot.record {
                assert_eq!(record.next, None);
                assert_eq!(record.floor, table.floor);
                assert_eq!(record.seq, table.seq);
            }
            let on_trial = boot.mode == Mode::Trial;
            if on_trial && boot.reason != BootReason::LastResort {
                let record = boot.record.as_ref().unwrap_or_else(|| panic!("trial not charged: {}", case()));
                assert_eq!(record.slot(boot.slot).tries + 1, table.slot(boot.slot).tries, "{}", case());
            }
            if facts.counting == Counting::Failed {
                assert_eq!(boot.record, None, "{}", case());
            }
            check_preference(table, facts, &boot);
            check_count(table, facts, &boot);
        }
    }
}

/// Rescue and last resort are for when nothing better is left.
fn check_preference(table: &SlotTable, facts: &Facts, boot: &Boot) {
    let case = || format!("{boot:?} of {table:?} {facts:?}");
    let usable_in =
        |slot: Slot, state| *slot.of(&facts.slots) == usable(slot) && table.slot(slot).state == state;
    let ab = || [Slot::A, Slot::B].into_iter();
    let asked = boot.reason == BootReason::Requested;
    let boots = match facts.counting {
        Counting::Done { boots_before } => boots_before,
        Counting::Pending | Counting::Failed => table.boots_without_health,
    };
    let rescue = [SlotState::Confirmed, SlotState::Trial].into_iter().any(|state| usable_in(Slot::R, state));
    if facts.asked == Some(Asked::Rescue) && rescue {
        assert_eq!((boot.slot, boot.reason), (Slot::R, BootReason::Requested), "{}", case());
        return;
    }
    if boots < MAX_BOOTS_WITHOUT_HEALTH && ab().any(|slot| usable_in(slot, SlotState::Confirmed)) {
        assert!(asked || boot.slot != Slot::R, "rescue before a good confirmed slot: {}", case());
        assert_ne!(boot.reason, BootReason::LastResort, "{}", case());
    }
    let on_trial = |slot| usable_in(slot, SlotState::Trial) && table.slot(slot).tries > 0;
    if facts.counting != Counting::Failed && ab().any(on_trial) {
        assert!(asked || boot.mode == Mode::Trial, "a trial with tries left was passed over: {}", case());
    }
    let first = ab().find(|slot| usable_in(*slot, SlotState::Confirmed));
    if boot.reason == BootReason::Preferred {
        assert_eq!(Some(boot.slot), first, "the higher priority goes first: {}", case());
    }
    let next = table.next.filter(|_| facts.counting == Counting::Pending);
    if let Some(next) = next.filter(|slot| usable_in(*slot, SlotState::Confirmed) || on_trial(*slot)) {
        assert_eq!((boot.slot, asked), (next, true), "{}", case());
    }
    if usable_in(Slot::R, SlotState::Confirmed) {
        assert_ne!(boot.reason, BootReason::LastResort, "a last resort before rescue: {}", case());
    }
}

/// One boot costs exactly one try or exactly one boot without health, and nothing else.
fn check_count(table: &SlotTable, facts: &Facts, boot: &Boot) {
    let case = || format!("{boot:?} of {table:?} {facts:?}");
    let after = boot.record.as_ref().unwrap_or(table);
    let confirmed = boot.slot != Slot::R && boot.mode == Mode::Normal;
    let charged = u8::from(confirmed && facts.counting == Counting::Pending);
    let expected = table.boots_without_health.saturating_add(charged);
    assert_eq!(after.boots_without_health, expected, "{}", case());
    for slot in Slot::ALL {
        let (was, is) = (table.slot(slot), after.slot(slot));
        let tried = slot == boot.slot && boot.mode == Mode::Trial && boot.record.is_some();
        assert_eq!(is.tries, was.tries.saturating_sub(u8::from(tried)), "{}", case());
        assert_eq!((is.state, is.priority, is.digest), (was.state, was.priority, was.digest), "{}", case());
    }
}
