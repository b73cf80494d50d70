//! The floor through the service: every ordered pair of releases, and what a raised floor leaves to be done.

use evener_api::update::{Changed, FirmwareStatus, Request};
use evener_disk::Slot;
use evener_manifest::Version;
use evener_slot_table::{SlotState, SlotTable};

use crate::firmware::{Firmware, REVOKED};
use crate::unit::Unit;

/// 7.2.35 carries floor 0; from 7.2.36 on nothing goes back below 7.2.36.
fn releases() -> [Firmware; 4] {
    [("7.2.35", "0.0.0"), ("7.2.36", "7.2.36"), ("7.2.40", "7.2.36"), ("7.3.0", "7.2.36")]
        .map(|(version, floor)| Firmware::new(version, floor))
}

#[tokio::test]
async fn every_ordered_pair_of_releases_follows_the_floor() {
    for from in releases() {
        for to in releases() {
            let pair = format!("{} to {}", from.version, to.version);
            let allowed = from.version == releases()[0].version || to.version != releases()[0].version;
            let mut unit = Unit::with(&from).await;
            unit.boot().await;
            let installed = unit.install(&to.file()).await;
            if allowed {
                assert!(installed.is_ok(), "{pair}: {installed:?}");
                assert_eq!(unit.restart().await, Slot::B, "{pair}");
                unit.proved().await;
                assert_eq!(unit.table().floor, from.floor.max(to.floor), "{pair}");
            } else {
                let refusal = installed.unwrap_err();
                assert_eq!(refusal.code, "F10", "{pair}");
                assert!(refusal.detail.contains("7.2.35 is older than 7.2.36"), "{pair}: {}", refusal.detail);
                assert_eq!(unit.restart().await, Slot::A, "{pair}");
            }
        }
    }
}

/// Whether all slots hold 7.3.0.
fn is_full(status: &FirmwareStatus) -> bool {
    status.slots.iter().all(|slot| slot.state == "confirmed" && slot.version.as_deref() == Some("7.3.0"))
}

#[tokio::test]
async fn a_raised_floor_refills_the_slots_that_it_has_passed() {
    let [old, _, _, new] = releases();
    let mut unit = Unit::with(&old).await;
    unit.boot().await;
    unit.install(&new.file()).await.unwrap();
    unit.restart().await;
    let status = unit.status(is_full).await;
    assert_eq!((status.floor.as_str(), status.next), ("7.2.36", Some('B')));
    let history = unit.history().await;
    assert_eq!(history, ["refilled R 7.3.0", "refilled A 7.3.0", "confirmed B 7.3.0", "installed B 7.3.0"]);
    let table = unit.table();
    assert!(table.slot(Slot::B).priority > table.slot(Slot::A).priority);
    for slot in [Slot::A, Slot::R] {
        assert_eq!(table.slot(slot).digest, new.digest());
    }
}

#[tokio::test]
async fn a_refill_that_was_cut_off_is_finished_after_the_next_boot() {
    let [old, _, _, new] = releases();
    let mut unit = Unit::with(&old).await;
    unit.boot().await;
    unit.install(&new.file()).await.unwrap();
    unit.restart().await;
    unit.status(is_full).await;
    unit.cut().await;
    // As a cut right after the slot was emptied leaves it.
    let mut table = unit.table();
    table.begin_install(Slot::A);
    unit.store(&mut table);
    std::fs::write(unit.dirs().data.join("update/refill.json"), "\"A\"").unwrap();
    assert_eq!(unit.boot().await, Slot::B);
    unit.status(|status| status.slots[0].state == "confirmed").await;
    assert_eq!(unit.table().slot(Slot::A).digest, new.digest());
}

#[tokio::test]
async fn a_slot_whose_key_was_revoked_is_not_gone_back_to_and_refilled() {
    let [_, _, running, _] = releases();
    let revoked = Firmware::made("7.2.36", "7.2.36", &REVOKED, |_| {});
    let mut unit = Unit::with(&running).await;
    let mut table = unit.table();
    unit.hold(&mut table, Slot::B, &revoked, 2);
    unit.store(&mut table);
    unit.hold_time();
    unit.boot().await;
    assert_eq!(unit.status(|_| true).await.restore.unwrap().refusal.unwrap().code, "F06");
    unit.release_time();
    unit.status(|status| status.slots[1].version.as_deref() == Some("7.2.40")).await;
    assert_eq!(unit.table().slot(Slot::B).digest, running.digest());
}

#[tokio::test]
async fn previous_is_refused_below_the_floor() {
    let [old, _, next, _] = releases();
    let mut unit = Unit::with(&next).await;
    let mut table: SlotTable = unit.table();
    unit.hold(&mut table, Slot::B, &old, 2);
    unit.store(&mut table);
    unit.boot().await;
    let Changed::Refused(refusal) = unit.ask(Request::Restore { author: "bal".into() }).await else {
        panic!("7.2.35 is below the floor")
    };
    assert_eq!(
        (refusal.code.as_str(), refusal.detail.as_str()),
        ("F10", "7.2.35 is older than 7.2.36, the floor of this unit")
    );
    assert_eq!(unit.status(|_| true).await.restore.unwrap().refusal, Some(refusal));
    assert_eq!(unit.table().slot(Slot::B).state, SlotState::Confirmed);
    assert_eq!(unit.table().floor, Version([7, 2, 36, 0]));
}
