//! A file comes in: what is shown meanwhile, what is on the disk then, and what ends it.

use evener_api::Service;
use evener_api::update::{CHUNK_BYTES, Changed, Inspected, InstallReply, Phase, Request};
use evener_disk::{Role, Slot};
use evener_ipc::call;
use evener_slot_table::{SlotState, TRIES};

use crate::firmware::Firmware;
use crate::unit::{Unit, first, say};

fn second() -> Firmware {
    Firmware::new("1.1.0", "1.0.0")
}

#[tokio::test]
async fn a_file_is_installed_into_the_other_slot_and_tried_next() {
    let mut unit = Unit::with(&first()).await;
    assert_eq!(unit.boot().await, Slot::A);
    let candidate = unit.install(&second().file()).await.unwrap();
    assert_eq!((candidate.version.as_str(), candidate.slot), ("1.1.0", 'B'));
    assert_eq!(candidate.notes, "What is new in 1.1.0.");
    let status = unit.status(|status| status.next == Some('B')).await;
    assert_eq!(status.slots[1].state, "trial");
    assert_eq!((status.slots[1].tries, status.slots[1].version.as_deref()), (TRIES, Some("1.1.0")));
    let installation = status.installation.unwrap();
    assert_eq!((installation.phase, installation.taken), (Phase::Installed, second().file().len() as u64));
    assert_eq!(unit.history().await, ["installed B 1.1.0"]);
    let kernel = std::fs::read(unit.partition(Role::Boot(Slot::B))).unwrap();
    assert_eq!(kernel[64 * 1024..][..second().kernel.len()], second().kernel[..]);
}

#[tokio::test]
async fn progress_is_published_while_the_file_comes_in() {
    let mut unit = Unit::with(&first()).await;
    unit.boot().await;
    let file = second().file();
    let (mut connection, reply) = unit.begin(false).await;
    assert_eq!(reply, InstallReply::More);
    assert_eq!(say(&mut connection, &Request::Chunk(file[..CHUNK_BYTES].to_vec())).await, InstallReply::More);
    let status =
        unit.status(|status| status.installation.as_ref().is_some_and(|it| it.candidate.is_some())).await;
    let installation = status.installation.unwrap();
    assert_eq!((installation.phase, installation.author.as_str()), (Phase::Writing, "bal"));
    assert_eq!(status.slots[1].state, "empty");
    assert_eq!(unit.table().slot(Slot::A).state, SlotState::Confirmed);
}

#[tokio::test]
async fn a_sender_that_goes_away_leaves_an_empty_slot_and_nothing_else() {
    let mut unit = Unit::with(&first()).await;
    unit.boot().await;
    let before = unit.table();
    let (mut connection, _) = unit.begin(false).await;
    let file = second().file();
    say(&mut connection, &Request::Chunk(file[..CHUNK_BYTES].to_vec())).await;
    drop(connection);
    let status = unit
        .status(|status| status.installation.as_ref().is_some_and(|it| it.phase == Phase::Cancelled))
        .await;
    assert_eq!(status.next, Some('A'));
    assert_eq!(unit.table().slot(Slot::B).state, SlotState::Empty);
    assert_eq!(unit.table().slot(Slot::A), before.slot(Slot::A));
    assert_eq!(unit.history().await, ["cancelled 1.1.0"]);
    unit.install(&file).await.unwrap();
}

#[tokio::test]
async fn an_operator_ends_an_installation_and_its_sender_is_told() {
    let mut unit = Unit::with(&first()).await;
    unit.boot().await;
    let (mut connection, _) = unit.begin(false).await;
    let file = second().file();
    say(&mut connection, &Request::Chunk(file[..CHUNK_BYTES].to_vec())).await;
    assert_eq!(unit.ask(Request::Cancel).await, Changed::Next('A'));
    let reply = say(&mut connection, &Request::Chunk(file[CHUNK_BYTES..2 * CHUNK_BYTES].to_vec())).await;
    let InstallReply::Refused(refusal) = reply else { panic!("{reply:?}") };
    assert_eq!((refusal.code.as_str(), refusal.kind.as_str()), ("F19", "cancelled"));
    let Changed::Refused(nothing) = unit.ask(Request::Cancel).await else {
        panic!("there is nothing left to end")
    };
    assert_eq!(nothing.detail, "no installation is under way");
    unit.install(&file).await.unwrap();
}

#[tokio::test]
async fn a_second_sender_has_to_wait() {
    let mut unit = Unit::with(&first()).await;
    unit.boot().await;
    let (_connection, _) = unit.begin(false).await;
    assert_eq!(unit.install(&second().file()).await.unwrap_err().code, "F15");
    let Changed::Refused(refusal) = unit.ask(Request::Discard { author: "bal".into() }).await else {
        panic!("nothing else is done meanwhile")
    };
    assert_eq!(refusal.kind, "busy");
}

#[tokio::test]
async fn a_restart_in_the_middle_starts_clean() {
    let mut unit = Unit::with(&first()).await;
    unit.boot().await;
    let (mut connection, _) = unit.begin(false).await;
    let file = second().file();
    say(&mut connection, &Request::Chunk(file[..CHUNK_BYTES].to_vec())).await;
    unit.cut().await;
    assert_eq!(unit.boot().await, Slot::A);
    let status = unit.status(|_| true).await;
    assert_eq!((status.slots[1].state.as_str(), status.installation), ("empty", None));
    unit.install(&file).await.unwrap();
    assert_eq!(unit.restart().await, Slot::B);
}

#[tokio::test]
async fn what_was_installed_can_be_discarded_before_it_runs() {
    let mut unit = Unit::with(&first()).await;
    unit.boot().await;
    let discard = || Request::Discard { author: "bal".into() };
    let Changed::Refused(refusal) = unit.ask(discard()).await else { panic!("there is nothing to discard") };
    assert_eq!(refusal.code, "F21");
    unit.install(&second().file()).await.unwrap();
    assert_eq!(unit.ask(discard()).await, Changed::Next('A'));
    assert_eq!(unit.table().slot(Slot::B).state, SlotState::Empty);
    assert_eq!(unit.history().await, ["discarded B 1.1.0", "installed B 1.1.0"]);
    assert_eq!(unit.restart().await, Slot::A);
}

#[tokio::test]
async fn what_a_file_is_can_be_asked_before_it_is_sent() {
    let mut unit = Unit::with(&first()).await;
    unit.hold_time();
    unit.boot().await;
    *unit.fakes.lost.lock().unwrap() = vec!["virtual service 1: the new setting".into()];
    let before = unit.table();
    let inspect = async |firmware: &Firmware| -> Inspected {
        let head = firmware.file()[..CHUNK_BYTES].to_vec();
        call(&unit.dirs().run, Service::Update, &Request::Inspect(head)).await.unwrap()
    };
    let Inspected::Firmware(candidate) = inspect(&second()).await else { panic!("it is a firmware") };
    assert_eq!((candidate.version.as_str(), candidate.refusal), ("1.1.0", None));
    assert_eq!(candidate.loses, ["virtual service 1: the new setting"]);
    assert!(!candidate.signer.contains("development"));
    let Inspected::Firmware(old) = inspect(&Firmware::new("0.9.0", "0.9.0")).await else {
        panic!("so is this")
    };
    assert_eq!(old.refusal.unwrap().code, "F10");
    assert_eq!(unit.table(), before);
}

#[tokio::test]
async fn a_full_data_partition_does_not_stop_an_update() {
    let mut unit = Unit::with(&first()).await;
    // A file where the service's folder would be: every write below it fails.
    std::fs::create_dir_all(unit.dirs().data).unwrap();
    std::fs::write(unit.dirs().data.join("update"), "").unwrap();
    unit.boot().await;
    unit.install(&second().file()).await.unwrap();
    assert_eq!(unit.restart().await, Slot::B);
    let status = unit.proved().await;
    assert_eq!(status.slots[1].state, "confirmed");
    assert!(status.warnings.iter().any(|warning| warning.contains("history of updates cannot be written")));
}

#[tokio::test]
async fn a_start_from_rescue_is_asked_for_once() {
    let mut unit = Unit::with(&first()).await;
    unit.boot().await;
    assert_eq!(unit.ask(Request::Rescue { author: "bal".into() }).await, Changed::Next('R'));
    assert_eq!(unit.restart().await, Slot::R);
    let status = unit.status(|status| status.mode == "rescue").await;
    assert_eq!((status.running, status.proving, status.next), ('R', None, Some('A')));
    assert_eq!(unit.install(&second().file()).await.unwrap().slot, 'B', "A is the one that is worth more");
    assert_eq!(unit.restart().await, Slot::B);
}
