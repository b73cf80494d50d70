use super::*;
use crate::Room;
use evener_manifest::{KeyId, Version};
use evener_slot_table::{Failure, FailureReason, SlotRecord, TRIES};

/// The versions of the downgrade rule, each with the floor it carries.
const RELEASES: [(Version, Version); 4] = [
    (Version([7, 2, 35, 0]), Version([0, 0, 0, 0])),
    (Version([7, 2, 36, 0]), FLOOR),
    (Version([7, 2, 40, 0]), FLOOR),
    (Version([7, 3, 0, 0]), FLOOR),
];
const FLOOR: Version = Version([7, 2, 36, 0]);
const ROOM: Room = Room { kernel: 1000, rootfs: 2000 };

fn statement((version, floor): (Version, Version)) -> Statement {
    let [_, _, patch, _] = version.0;
    Statement {
        version,
        floor,
        installable_from: Version::default(),
        min_loader: Version::default(),
        signer: KeyId([1; 8]),
        digest: [u8::try_from(patch).unwrap(); 32],
        kernel: ROOM.kernel,
        rootfs: ROOM.rootfs,
    }
}

fn facts(statement: &Statement) -> SlotFacts {
    SlotFacts { version: statement.version, floor: statement.floor, digest: statement.digest }
}

/// A runs 7.2.40, confirmed; B holds 7.2.36, confirmed; R holds 7.2.36.
fn unit() -> UnitFacts {
    let held = [statement(RELEASES[2]), statement(RELEASES[1]), statement(RELEASES[1])];
    let mut table = SlotTable { floor: FLOOR, ..SlotTable::default() };
    for (slot, (statement, priority)) in Slot::ALL.into_iter().zip(held.iter().zip([3, 2, 1])) {
        *table.slot_mut(slot) = SlotRecord {
            state: SlotState::Confirmed,
            priority,
            tries: 0,
            version: statement.version,
            digest: statement.digest,
        };
    }
    UnitFacts {
        running: Some(Slot::A),
        version: held[0].version,
        loader: Version([0, 1, 0, 0]),
        loader_keys: None,
        revoked: [false; 3],
        table: Some(table),
        manifests: held.map(|statement| Some(facts(&statement))),
        room: [ROOM; 3],
        failed: Vec::new(),
    }
}

fn with(edit: impl FnOnce(&mut UnitFacts, &mut SlotTable)) -> UnitFacts {
    let mut unit = unit();
    let mut table = unit.table.take().unwrap();
    edit(&mut unit, &mut table);
    unit.table = Some(table);
    unit
}

fn offer() -> Statement {
    statement(RELEASES[3])
}

fn refused(offer: &Statement, unit: &UnitFacts) -> Option<Code> {
    admit(offer, unit, false).err().map(|refusal| refusal.code)
}

#[test]
fn every_ordered_pair_of_releases_follows_the_floor() {
    for from in RELEASES {
        for to in RELEASES {
            // The floor that a unit has once `from` is confirmed on it.
            let unit = with(|unit, table| {
                unit.version = from.0;
                table.floor = from.1;
            });
            let allowed = from.0 == RELEASES[0].0 || to.0 != RELEASES[0].0;
            let expected = (!allowed).then_some(Code::BelowFloor);
            assert_eq!(refused(&statement(to), &unit), expected, "{} to {}", from.0, to.0);
        }
    }
}

#[test]
fn the_reason_names_both_versions() {
    let refusal = admit(&statement(RELEASES[0]), &unit(), true).unwrap_err();
    assert_eq!(refusal.to_string(), "F10: 7.2.35 is older than 7.2.36, the floor of this unit");
}

#[test]
fn each_rule_refuses_by_itself() {
    let newer = Version([7, 2, 41, 0]);
    assert_eq!(refused(&offer(), &unit()), None);
    let early = Statement { installable_from: newer, ..offer() };
    assert_eq!(refused(&early, &unit()), Some(Code::TooOldToInstallFrom));
    let from_here = Statement { installable_from: unit().version, ..offer() };
    assert_eq!(refused(&from_here, &unit()), None);
    let loader = Statement { min_loader: Version([0, 1, 1, 0]), ..offer() };
    assert_eq!(refused(&loader, &unit()), Some(Code::LoaderTooOld));
    for large in
        [Statement { kernel: ROOM.kernel + 1, ..offer() }, Statement { rootfs: ROOM.rootfs + 1, ..offer() }]
    {
        assert_eq!(refused(&large, &unit()), Some(Code::DoesNotFit));
    }
    let nowhere = UnitFacts { running: None, ..unit() };
    assert_eq!(refused(&offer(), &nowhere), Some(Code::SlotsUnknown));
    let lost = UnitFacts { table: None, ..unit() };
    assert_eq!(refused(&offer(), &lost), Some(Code::SlotsUnknown));
}

#[test]
fn the_slot_that_runs_is_never_written() {
    for (running, expected) in [(Slot::A, Slot::B), (Slot::B, Slot::A)] {
        let unit = UnitFacts { running: Some(running), ..unit() };
        assert_eq!(admit(&offer(), &unit, false).map(|admission| admission.slot), Ok(expected));
    }
}

#[test]
fn rescue_writes_the_slot_that_is_worth_less() {
    use SlotState::{Bad, Confirmed, Empty, Trial};
    for (a, b, expected) in [
        ((Confirmed, 3), (Confirmed, 2), Slot::B),
        ((Confirmed, 2), (Confirmed, 3), Slot::A),
        ((Confirmed, 3), (Confirmed, 3), Slot::B),
        ((Bad, 3), (Confirmed, 2), Slot::A),
        ((Confirmed, 2), (Bad, 3), Slot::B),
        ((Empty, 0), (Bad, 0), Slot::B),
        ((Trial, 3), (Confirmed, 2), Slot::A),
        ((Empty, 0), (Trial, 3), Slot::A),
    ] {
        let unit = with(|unit, table| {
            unit.running = Some(Slot::R);
            for (slot, (state, priority)) in [(Slot::A, a), (Slot::B, b)] {
                table.slot_mut(slot).state = state;
                table.slot_mut(slot).priority = priority;
            }
        });
        assert_eq!(admit(&offer(), &unit, false).unwrap().slot, expected, "{a:?} {b:?}");
    }
    let rotten = with(|unit, _| {
        unit.running = Some(Slot::R);
        unit.manifests[0] = None;
    });
    assert_eq!(admit(&offer(), &rotten, false).unwrap().slot, Slot::A, "what does not boot is worth nothing");
}

#[test]
fn a_firmware_on_trial_does_not_write_over_its_way_back() {
    let trial = |edit: fn(&mut UnitFacts, &mut SlotTable)| {
        with(|unit, table| {
            *table.slot_mut(Slot::A) =
                SlotRecord { state: SlotState::Trial, tries: TRIES - 1, ..*table.slot(Slot::A) };
            edit(unit, table);
        })
    };
    assert_eq!(refused(&offer(), &trial(|_, _| {})), Some(Code::OnTrial));
    assert_eq!(refused(&offer(), &trial(|unit, _| unit.manifests[1] = None)), None, "there is no way back");
    assert_eq!(refused(&offer(), &trial(|_, table| table.slot_mut(Slot::B).state = SlotState::Bad)), None);
}

#[test]
fn what_failed_here_needs_to_be_asked_for_twice() {
    let failure = |reason| {
        let failure = Failure { slot: Slot::B, digest: offer().digest, reason };
        with(|_, table| table.last_failure = Some(failure))
    };
    for reason in [
        FailureReason::TriesExhausted,
        FailureReason::NoHealth,
        FailureReason::HealthCheck,
        FailureReason::Panic,
        FailureReason::Watchdog,
        FailureReason::Other(99),
    ] {
        let unit = failure(reason);
        let refusal = admit(&offer(), &unit, false).unwrap_err();
        assert_eq!((refusal.code, refusal.can_be_overridden()), (Code::FailedHereBefore, true), "{reason:?}");
        assert!(admit(&offer(), &unit, true).unwrap().although_it_failed);
    }
    assert_eq!(refused(&offer(), &failure(FailureReason::Refused(7))), None, "the disk damaged it");
    let remembered = with(|unit, _| unit.failed.push(offer().digest));
    assert_eq!(refused(&offer(), &remembered), Some(Code::FailedHereBefore));
    let bad = with(|_, table| {
        *table.slot_mut(Slot::B) =
            SlotRecord { state: SlotState::Bad, digest: offer().digest, ..SlotRecord::default() };
    });
    assert_eq!(refused(&offer(), &bad), Some(Code::FailedHereBefore));
    let proved = with(|unit, table| {
        unit.failed.push(offer().digest);
        table.slot_mut(Slot::A).digest = offer().digest;
    });
    assert_eq!(refused(&offer(), &proved), None, "it was confirmed since");
}

#[test]
fn overriding_a_failure_overrides_nothing_else() {
    let unit = with(|unit, table| {
        unit.failed.push(statement(RELEASES[0]).digest);
        table.floor = FLOOR;
    });
    assert_eq!(admit(&statement(RELEASES[0]), &unit, true).unwrap_err().code, Code::BelowFloor);
}

#[test]
fn previous_is_the_confirmed_firmware_in_the_other_slot() {
    assert_eq!(restorable(&unit()), Ok((Slot::B, facts(&statement(RELEASES[1])))));
    type Edit = fn(&mut UnitFacts, &mut SlotTable);
    let revoked: Edit = |unit, _| (unit.manifests[1], unit.revoked[1]) = (None, true);
    let cases: [(Edit, Code); 9] = [
        (revoked, Code::RevokedKey),
        (|_, table| table.slot_mut(Slot::B).state = SlotState::Empty, Code::NothingToRestore),
        (|_, table| table.slot_mut(Slot::B).state = SlotState::Bad, Code::NothingToRestore),
        (|_, table| table.slot_mut(Slot::B).state = SlotState::Trial, Code::NothingToRestore),
        (|unit, _| unit.manifests[1] = None, Code::NothingToRestore),
        (|unit, _| unit.running = Some(Slot::R), Code::NothingToRestore),
        (|_, table| table.floor = Version([7, 2, 37, 0]), Code::BelowFloor),
        (|_, table| table.slot_mut(Slot::A).state = SlotState::Trial, Code::OnTrial),
        (|unit, _| unit.running = None, Code::SlotsUnknown),
    ];
    for (number, (edit, code)) in cases.into_iter().enumerate() {
        assert_eq!(restorable(&with(edit)).map_err(|refusal| refusal.code), Err(code), "case {number}");
    }
}

#[test]
fn only_what_waits_for_its_first_start_is_discarded() {
    assert_eq!(discardable(&unit()).map_err(|refusal| refusal.code), Err(Code::NothingToDiscard));
    let waiting = with(|_, table| table.slot_mut(Slot::B).state = SlotState::Trial);
    assert_eq!(discardable(&waiting), Ok(Slot::B));
    let own = with(|_, table| table.slot_mut(Slot::A).state = SlotState::Trial);
    assert!(discardable(&own).is_err(), "a firmware does not discard itself");
}

#[test]
fn rescue_is_started_only_if_the_loader_would() {
    assert_eq!(rescuable(&unit()), Ok(()));
    let below = with(|_, table| table.floor = Version([7, 2, 37, 0]));
    let rotten = with(|unit, _| unit.manifests[2] = None);
    let other = with(|_, table| table.slot_mut(Slot::R).digest = [0; 32]);
    for unit in [below, rotten, other] {
        assert_eq!(rescuable(&unit).map_err(|refusal| refusal.code), Err(Code::NoRescue));
    }
}
