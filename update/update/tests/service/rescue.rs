//! Rescue: what leads out of it, by hand and by itself.

use evener_api::update::{Changed, Request};
use evener_disk::Slot;
use evener_slot_table::{SlotState, SlotTable};
use std::time::Duration;

use crate::fakes::Fakes;
use crate::unit::{Unit, first};

/// A unit whose power failed five times, each within a minute of a start; slot B is empty.
async fn cut_five_times() -> Unit {
    let mut unit = Unit::with(&first()).await;
    five_cuts(&mut unit).await;
    unit
}

async fn five_cuts(unit: &mut Unit) {
    *unit.fakes.checks.lock().unwrap() = false;
    for _ in 0..5 {
        assert_eq!(unit.boot().await, Slot::A);
        unit.cut().await;
    }
    *unit.fakes.checks.lock().unwrap() = true;
}

fn reboots(fakes: &Fakes) -> u32 {
    *fakes.reboots.borrow()
}

async fn restarted(unit: &Unit, times: u32) {
    let mut reboots = unit.fakes.reboots.subscribe();
    let restarted = reboots.wait_for(|count| *count == times);
    tokio::time::timeout(Duration::from_secs(60), restarted).await.unwrap().unwrap();
}

/// Time for hundreds of looks at the clock, each of them ten seconds of the unit's, if it looks at all.
async fn looks(unit: &Unit) {
    tokio::time::sleep(Duration::from_millis(500)).await;
    let status = unit.status(|_| true).await;
    assert!(!status.warnings.concat().contains("by itself"), "{:?}", status.warnings);
}

#[tokio::test]
async fn boots_that_were_counted_can_be_forgiven() {
    let mut unit = cut_five_times().await;
    assert_eq!(unit.boot().await, Slot::R);
    assert_eq!(unit.ask(Request::Forgive).await, Changed::Next('A'));
    assert_eq!(unit.restart().await, Slot::A);
}

#[tokio::test]
async fn a_unit_that_nobody_tends_tries_its_firmware_again_by_itself() {
    let mut unit = cut_five_times().await;
    assert_eq!(unit.boot().await, Slot::R);
    let status = unit.status(|status| !status.warnings.is_empty()).await;
    assert!(status.warnings[0].contains("for 5 minutes"), "{:?}", status.warnings);
    restarted(&unit, 1).await;
    assert_eq!(unit.history().await, ["retried A 1.0.0"]);
    assert_eq!(unit.table().boots_without_health, 0);
    assert_eq!(unit.restart().await, Slot::A);
    unit.proved().await;
}

#[tokio::test]
async fn a_firmware_that_is_never_healthy_has_the_unit_in_rescue_ever_longer() {
    let mut unit = cut_five_times().await;
    for (times, minutes) in [(1, 5), (2, 10), (3, 20), (4, 40), (5, 60), (6, 60)] {
        assert_eq!(unit.boot().await, Slot::R);
        let words = format!("for {minutes} minutes");
        unit.status(|status| status.warnings.iter().any(|warning| warning.contains(&words))).await;
        restarted(&unit, times).await;
        unit.stop().await;
        five_cuts(&mut unit).await;
    }
    assert_eq!(unit.boot().await, Slot::R);
    restarted(&unit, 7).await;
    assert_eq!(unit.restart().await, Slot::A);
    unit.proved().await;
    unit.cut().await;
    five_cuts(&mut unit).await;
    assert_eq!(unit.boot().await, Slot::R);
    unit.status(|status| status.warnings.iter().any(|warning| warning.contains("for 5 minutes"))).await;
}

#[tokio::test]
async fn whoever_is_at_work_in_rescue_is_not_disturbed() {
    let mut unit = cut_five_times().await;
    assert_eq!(unit.boot().await, Slot::R);
    for _ in 0..20 {
        unit.hold_time();
        let _: () = evener_ipc::call(&unit.dirs().run, evener_api::Service::Update, &Request::Attended)
            .await
            .unwrap();
        unit.release_time();
        unit.pass(200).await;
        assert_eq!(reboots(&unit.fakes), 0);
    }
    restarted(&unit, 1).await;
}

#[tokio::test]
async fn an_upload_in_rescue_is_work_for_as_long_as_it_lasts() {
    let mut unit = cut_five_times().await;
    assert_eq!(unit.boot().await, Slot::R);
    unit.hold_time();
    let (connection, _) = unit.begin(false).await;
    unit.release_time();
    unit.pass(2000).await;
    assert_eq!(reboots(&unit.fakes), 0);
    drop(connection);
    restarted(&unit, 1).await;
}

#[tokio::test]
async fn rescue_that_was_asked_for_or_has_nothing_to_try_lasts() {
    let mut unit = Unit::with(&first()).await;
    unit.boot().await;
    unit.proved().await;
    unit.ask(Request::Rescue { author: "bal".into() }).await;
    assert_eq!(unit.restart().await, Slot::R);
    looks(&unit).await;
    assert_eq!(reboots(&unit.fakes), 0, "an operator wanted it");
    unit.stop().await;

    let mut table: SlotTable = unit.table();
    table.slot_mut(Slot::A).state = SlotState::Bad;
    unit.store(&mut table);
    assert_eq!(unit.boot().await, Slot::R);
    looks(&unit).await;
    assert_eq!(reboots(&unit.fakes), 0, "it would only come back here");
}
