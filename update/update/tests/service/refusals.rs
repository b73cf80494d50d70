//! Every refusal, through the service: its code, and that nothing was changed.

use evener_disk::{Role, Slot};
use evener_manifest::{Builder, PartKind};
use evener_slot_table::SlotState;
use std::fs::File;

use crate::firmware::{DEVELOPMENT, Firmware, NEW, REVOKED, SEED, version};
use crate::unit::{Unit, first};

/// A unit that runs 1.0.0 from A and holds 1.0.0 in B, so that an emptied slot shows.
async fn unit() -> Unit {
    let mut unit = Unit::with(&first()).await;
    let mut table = unit.table();
    unit.hold(&mut table, Slot::B, &first(), 2);
    unit.store(&mut table);
    unit.boot().await;
    unit.proved().await;
    unit
}

fn made(edit: impl FnOnce(&mut Builder)) -> Vec<u8> {
    Firmware::made("1.1.0", "1.0.0", &SEED, edit).file()
}

#[tokio::test]
async fn what_the_header_tells_is_refused_before_anything_is_written() {
    let unit = unit().await;
    let good = Firmware::new("1.1.0", "1.0.0").file();
    let changed = |at: usize, value: u8| {
        let mut file = good.clone();
        file[at] = value;
        file
    };
    let signed_by = |seed| Firmware::made("1.1.0", "1.0.0", seed, |_| {}).file();
    let oversized = made(|builder| {
        let kernel = builder.parts.iter_mut().find(|part| part.kind == PartKind::Kernel).unwrap();
        kernel.size = 16 << 20;
    });
    let cases: Vec<(&str, Vec<u8>, &str)> = vec![
        ("another kind of file", b"PK\x03\x04 and so on".to_vec(), "F01"),
        ("nothing at all", Vec::new(), "F02"),
        ("only its beginning", good[..1000].to_vec(), "F02"),
        ("a damaged header", changed(20, 0xff), "F03"),
        ("a damaged manifest", changed(512 + 100, 0xff), "F04"),
        ("an unknown key", signed_by(&[1; 32]), "F05"),
        ("a revoked key", signed_by(&REVOKED), "F06"),
        ("a development key", signed_by(&DEVELOPMENT), "F07"),
        ("a key that only the updater knows", signed_by(&NEW), "F25"),
        ("below the floor", Firmware::new("0.9.9", "0.9.9").file(), "F10"),
        ("too new for this one", made(|it| it.installable_from = version("1.0.1")), "F11"),
        ("a newer loader", made(|it| it.min_loader = version("0.1.1")), "F12"),
        ("too large", oversized, "F13"),
    ];
    let before = unit.table();
    for (what, file, code) in cases {
        let refusal = unit.install(&file).await.unwrap_err();
        assert_eq!(refusal.code, code, "{what}: {refusal:?}");
        assert!(!refusal.detail.is_empty() && !refusal.remedy.is_empty() && !refusal.can_be_overridden);
        assert_eq!(unit.table(), before, "{what}");
    }
    let status = unit.status(|_| true).await;
    assert!(status.history.iter().all(|entry| entry.what == "refused" && entry.author == "bal"));
    assert!(status.history[0].detail.starts_with("F13: "), "{:?}", status.history[0]);
}

#[tokio::test]
async fn what_only_the_content_tells_leaves_the_slot_empty() {
    let good = Firmware::new("1.1.0", "1.0.0").file();
    let mut flipped = good.clone();
    *flipped.last_mut().unwrap() ^= 1;
    let longer = [good.clone(), vec![0; 512]].concat();
    for (file, code) in [(&good[..good.len() - 1], "F02"), (&flipped, "F03"), (&longer, "F03")] {
        let unit = unit().await;
        assert_eq!(unit.install(file).await.unwrap_err().code, code);
        assert_eq!(unit.table().slot(Slot::B).state, SlotState::Empty);
        assert_eq!(unit.status(|_| true).await.next, Some('A'));
        unit.install(&good).await.unwrap();
    }
}

#[tokio::test]
async fn a_unit_that_does_not_know_its_slots_installs_nothing() {
    let mut unit = Unit::with(&first()).await;
    // As under a foreign loader: init has no record to pass on.
    unit.start().await;
    assert_eq!(unit.install(&Firmware::new("1.1.0", "1.0.0").file()).await.unwrap_err().code, "F23");
    unit.stop().await;
    unit.boot().await;
    File::create(unit.partition(Role::SlotTable)).unwrap().set_len(4 << 20).unwrap();
    assert_eq!(unit.install(&Firmware::new("1.1.0", "1.0.0").file()).await.unwrap_err().code, "F23");
}

#[tokio::test]
async fn a_disk_that_refuses_is_said_to() {
    let unit = unit().await;
    // A root partition that has shrunk since its size was looked at: writing past its end fails.
    let file = Firmware::new("1.1.0", "1.0.0").file();
    std::fs::remove_file(unit.partition(Role::Root(Slot::B))).unwrap();
    let refusal = unit.install(&file).await.unwrap_err();
    assert_eq!(refusal.code, "F13", "a slot without a partition holds nothing: {}", refusal.detail);
    std::os::unix::fs::symlink("/dev/full", unit.partition(Role::Root(Slot::B))).unwrap();
    assert!(unit.install(&file).await.is_err());
    assert_eq!(unit.table().slot(Slot::A).state, SlotState::Confirmed);
}
