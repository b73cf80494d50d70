//! What happens to a firmware after its installation: tried, then confirmed or given up.

use evener_api::update::{Changed, Request};
use evener_disk::{Role, Slot};
use evener_slot_table::{FailureReason, SlotState, TRIES};
use std::os::unix::fs::FileExt as _;

use crate::fakes::{REFUSES, status, virtual_service};
use crate::firmware::Firmware;
use crate::unit::{Unit, first};

fn second() -> Firmware {
    Firmware::new("1.1.0", "1.0.0")
}

/// A unit that was healthy with 1.0.0 and has 1.1.0 installed, not started yet.
async fn installed() -> Unit {
    let mut unit = Unit::with(&first()).await;
    unit.boot().await;
    unit.proved().await;
    unit.install(&second().file()).await.unwrap();
    unit
}

#[tokio::test]
async fn a_healthy_firmware_is_confirmed_and_the_old_one_can_be_restored() {
    let mut unit = installed().await;
    assert_eq!(unit.restart().await, Slot::B);
    let trial = unit.status(|status| status.proving.is_some()).await;
    assert_eq!(trial.mode, "trial");
    assert!(trial.proving.unwrap().on_trial);
    let status = unit.proved().await;
    assert_eq!((status.slots[1].state.as_str(), status.next), ("confirmed", Some('B')));
    assert_eq!(unit.history().await, ["confirmed B 1.1.0", "installed B 1.1.0"]);
    assert!(status.warnings.is_empty(), "{:?}", status.warnings);

    *unit.fakes.lost.lock().unwrap() = vec!["the newest setting".into()];
    assert_eq!(unit.restart().await, Slot::B);
    let previous = unit.proved().await.restore.unwrap();
    assert_eq!((previous.slot, previous.version.as_str(), previous.refusal), ('A', "1.0.0", None));
    assert_eq!(previous.loses, ["the newest setting"]);
    assert_eq!(unit.ask(Request::Restore { author: "bal".into() }).await, Changed::Next('A'));
    assert_eq!(unit.table().slot(Slot::A).tries, TRIES);
    assert_eq!(unit.restart().await, Slot::A);
    let status = unit.proved().await;
    assert_eq!((status.slots[0].state.as_str(), status.next), ("confirmed", Some('A')));
    assert_eq!(unit.history().await[..2], ["confirmed A 1.0.0", "restored A 1.0.0"]);
}

#[tokio::test]
async fn a_firmware_that_does_not_answer_is_given_up_with_its_reason() {
    let mut unit = installed().await;
    *unit.fakes.answer.lock().unwrap() = Some("HTTP/1.1 200 OK\r\n\r\n");
    assert_eq!(unit.restart().await, Slot::B);
    unit.fakes.reboots.subscribe().wait_for(|count| *count == 1).await.unwrap();
    assert_eq!(unit.table().slot(Slot::B).state, SlotState::Bad);
    *unit.fakes.answer.lock().unwrap() = Some(REFUSES);
    assert_eq!(unit.restart().await, Slot::A);
    let status = unit.proved().await;
    let words = status.last_failure.unwrap();
    assert!(
        words.starts_with(
            "1.1.0 in slot B did not become healthy within five minutes: proxy: virtual service 1"
        ),
        "{words}"
    );
    assert!(status.warnings.iter().any(|warning| warning.contains(&words)), "{:?}", status.warnings);
    assert_eq!(unit.history().await, ["failed B 1.1.0", "installed B 1.1.0"]);

    let refusal = unit.install(&second().file()).await.unwrap_err();
    assert_eq!((refusal.code.as_str(), refusal.can_be_overridden), ("F14", true));
    unit.install_as(&second().file(), true).await.unwrap();
    assert_eq!(unit.restart().await, Slot::B);
    unit.proved().await;
    assert!(unit.status(|_| true).await.warnings.is_empty(), "it has proved itself");
}

#[tokio::test]
async fn a_firmware_that_never_reaches_its_services_is_named_once_by_its_successor() {
    let mut unit = installed().await;
    unit.stop().await;
    for left in (0..TRIES).rev() {
        let handoff = unit.load().unwrap();
        assert_eq!((handoff.slot, handoff.tries_left), (Slot::B, left));
    }
    assert_eq!(unit.boot().await, Slot::A);
    let words =
        "1.1.0 in slot B used up its tries: its last boot never reached its services (kernel panic or hang)";
    let status = unit.status(|status| !status.warnings.is_empty()).await;
    assert_eq!(status.last_failure.as_deref(), Some(words));
    assert_eq!(unit.history().await, ["failed B 1.1.0", "installed B 1.1.0"]);
    unit.proved().await;
    assert_eq!(unit.table().slot(Slot::B).state, SlotState::Bad);
    assert_eq!(unit.restart().await, Slot::A);
    assert_eq!(unit.history().await, ["failed B 1.1.0", "installed B 1.1.0"], "said once");
    assert_eq!(unit.install(&second().file()).await.unwrap_err().code, "F14");
}

#[tokio::test]
async fn what_only_the_loader_refused_may_be_installed_again() {
    let mut unit = installed().await;
    unit.stop().await;
    let boot_b = std::fs::File::options().write(true).open(unit.partition(Role::Boot(Slot::B))).unwrap();
    boot_b.write_all_at(&[0xff; 512], 512).unwrap();
    assert_eq!(unit.boot().await, Slot::A);
    let status = unit.status(|status| status.last_failure.is_some()).await;
    let words = "1.1.0 in slot B was refused by the loader with E06: manifest signature does not match";
    assert_eq!(status.last_failure.as_deref(), Some(words));
    assert_eq!(unit.history().await, ["failed B 1.1.0", "installed B 1.1.0"]);
    unit.install(&second().file()).await.unwrap();
    assert_eq!(unit.restart().await, Slot::B);
    assert_eq!(unit.proved().await.slots[1].state, "confirmed");
}

#[tokio::test]
async fn what_was_wrong_before_a_hang_is_remembered() {
    let mut unit = installed().await;
    unit.stop().await;
    for _ in 1..TRIES {
        unit.load().unwrap();
    }
    *unit.fakes.checks.lock().unwrap() = false;
    unit.hold_time();
    assert_eq!(unit.boot().await, Slot::B);
    unit.status(|status| status.proving.as_ref().is_some_and(|proving| proving.fault.is_some())).await;
    // The fault is written when it is seen for the first time; the cut comes after that.
    let note = unit.dirs().data.join("update/trial.json");
    while !std::fs::read_to_string(&note).unwrap().contains("checks") {
        tokio::task::yield_now().await;
    }
    unit.cut().await;
    *unit.fakes.checks.lock().unwrap() = true;
    assert_eq!(unit.boot().await, Slot::A);
    let status = unit.status(|status| status.last_failure.is_some()).await;
    let words = status.last_failure.unwrap();
    assert!(
        words.contains("used up its tries: its last boot was cut off, and this was wrong before: checks"),
        "{words}"
    );
}

#[tokio::test]
async fn an_orderly_restart_gives_the_try_back() {
    let mut unit = installed().await;
    unit.hold_time();
    for _ in 0..=TRIES {
        assert_eq!(unit.restart().await, Slot::B);
        assert_eq!(unit.table().slot(Slot::B).tries, TRIES - 1);
    }
    unit.cut().await;
    assert_eq!(unit.boot().await, Slot::B);
    assert_eq!(unit.table().slot(Slot::B).tries, TRIES - 2, "a cut does not");
}

#[tokio::test]
async fn a_firmware_with_nothing_to_go_back_to_stays_and_says_so() {
    let mut unit = installed().await;
    let mut table = unit.table();
    table.slot_mut(Slot::A).state = SlotState::Bad;
    unit.store(&mut table);
    *unit.fakes.checks.lock().unwrap() = false;
    assert_eq!(unit.restart().await, Slot::B);
    let status = unit.status(|status| !status.warnings.is_empty()).await;
    assert!(
        status.warnings[0].contains("stays because slot A holds no firmware to go back to"),
        "{:?}",
        status.warnings
    );
    assert_eq!(*unit.fakes.reboots.borrow(), 0);
    assert_eq!(unit.table().slot(Slot::B).state, SlotState::Trial, "black-listed, nothing could boot");
    *unit.fakes.checks.lock().unwrap() = true;
    let status = unit.proved().await;
    assert_eq!(status.slots[1].state, "confirmed");
    assert!(status.warnings.is_empty(), "{:?}", status.warnings);
}

#[tokio::test]
async fn a_service_that_was_started_anew_does_not_give_up_what_it_had_confirmed() {
    let mut unit = installed().await;
    unit.restart().await;
    let status = unit.proved().await;
    assert_eq!(status.mode, "normal");
    unit.cut().await;
    *unit.fakes.checks.lock().unwrap() = false;
    unit.start().await;
    let status = unit.status(|status| status.proving.as_ref().is_some_and(|it| it.fault.is_some())).await;
    assert!(!status.proving.unwrap().on_trial);
    // Far more time than a trial has.
    unit.pass(1000).await;
    assert_eq!(unit.table().slot(Slot::B).state, SlotState::Confirmed);
    assert_eq!(*unit.fakes.reboots.borrow(), 0);
}

#[tokio::test]
async fn a_service_that_was_started_anew_restarts_the_unit_that_it_had_given_up() {
    let mut unit = installed().await;
    unit.hold_time();
    unit.restart().await;
    unit.cut().await;
    let mut table = unit.table();
    table.give_up(Slot::B, FailureReason::HealthCheck);
    unit.store(&mut table);
    unit.start().await;
    unit.fakes.reboots.subscribe().wait_for(|count| *count == 1).await.unwrap();
    unit.stop().await;
    assert_eq!(unit.table(), table, "a boot that was given up is not given back");
}

#[tokio::test]
async fn a_listener_that_was_bound_before_must_be_bound_again() {
    let mut unit = installed().await;
    let address = unit.fakes.proxy.lock().unwrap().services[0].bound.clone().unwrap();
    unit.stop().await;
    unit.fakes.proxy.lock().unwrap().services[0].bound = Err("address in use".into());
    unit.hold_time();
    assert_eq!(unit.boot().await, Slot::B);
    let fault = |status: &evener_api::update::FirmwareStatus| status.proving.as_ref()?.fault.clone();
    let status = unit.status(|status| fault(status).is_some()).await;
    let expected = format!(
        "proxy: virtual service 1 was bound to {address} before the update and is not now: address in use"
    );
    assert_eq!(fault(&status).unwrap(), expected);
    // An operator gives the service another address, which the unit does not have: no fault of the firmware.
    unit.fakes.snapshot.lock().unwrap().config.shared.virtual_services[0] =
        virtual_service(1, "192.0.2.1:80".parse().unwrap());
    unit.release_time();
    assert_eq!(unit.proved().await.slots[1].state, "confirmed");
}

#[tokio::test]
async fn an_address_that_was_never_bound_fails_nothing() {
    let mut unit = Unit::with(&first()).await;
    unit.fakes.proxy.lock().unwrap().services.push(status(2, Err("the unit has no such address".into())));
    unit.boot().await;
    unit.proved().await;
    unit.install(&second().file()).await.unwrap();
    unit.restart().await;
    assert_eq!(unit.proved().await.slots[1].state, "confirmed");
}

#[tokio::test]
async fn a_healthy_boot_writes_one_record_and_a_confirmed_one_clears_its_count() {
    let mut unit = Unit::with(&first()).await;
    let before = unit.table().seq;
    unit.boot().await;
    assert_eq!(unit.table().boots_without_health, 1);
    unit.proved().await;
    assert_eq!(
        (unit.table().boots_without_health, unit.table().seq),
        (0, before + 2),
        "the loader's and health's"
    );
    unit.stop().await;
    assert_eq!(unit.table().seq, before + 2, "what was settled is not given back");
}

#[tokio::test]
async fn only_a_boot_that_was_charged_is_given_back() {
    let mut unit = Unit::with(&first()).await;
    *unit.fakes.checks.lock().unwrap() = false;
    unit.boot().await;
    assert_eq!(unit.table().boots_without_health, 1);
    unit.stop().await;
    assert_eq!(unit.table().boots_without_health, 0);
    unit.boot().await;
    unit.cut().await;
    assert_eq!(unit.table().boots_without_health, 1);
    // As after a boot that the loader could not count.
    unit.start().await;
    let uncounted = unit.fakes.handoff.lock().unwrap().replacen("010100000000", "010100000002", 1);
    unit.cut().await;
    *unit.fakes.handoff.lock().unwrap() = uncounted;
    unit.start().await;
    unit.stop().await;
    assert_eq!(unit.table().boots_without_health, 1, "it would excuse another boot, one that failed");
}
