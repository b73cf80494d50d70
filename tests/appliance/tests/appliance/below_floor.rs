//! A firmware below the unit's floor, written straight onto the disk behind the updater's back: the loader has the last
//! word, and it does not start it, whatever the slot table says in its favour.

use std::path::Path;

use evener_appliance::{BOOT_WITHIN, INIT_STARTED, Turn, log_path, raw_disk};
use evener_disk::{Role, Slot};
use evener_keys::KeyFolder;
use evener_lab::{DiskFile, Machine};
use evener_manifest::{AREA_BYTES, Header, SIGNATURE_BYTES, Version, join, sha256};
use evener_slot_table::{SlotRecord, SlotState, SlotTable, TRIES};

use crate::with_table;

/// Offsets of version and floor in a manifest; `evener-manifest` documents the layout.
const AT_VERSION: usize = 32;
const AT_FLOOR: usize = 40;
/// Everything that the boot partition holds, the largest kernel there can be included.
const BOOT_BYTES: usize = 16 << 20;
const FLOOR: Version = Version([0, 1, 0, 0]);
const BELOW: Version = Version([0, 0, 9, 9]);

/// Puts the shipped firmware into `slot` once more, with a version below the floor and a good signature; gives its digest.
fn put_below_floor(disk: &Path, slot: Slot) -> [u8; 32] {
    let mut disk = DiskFile::open(disk).unwrap();
    let mut boot = disk.peek(Role::Boot(Slot::A), 0, BOOT_BYTES).unwrap();
    let whole = Header::parse(&boot).unwrap().bytes();
    let mut manifest = boot[..whole - SIGNATURE_BYTES].to_vec();
    for at in [AT_VERSION, AT_FLOOR] {
        BELOW.write(&mut manifest, at);
    }
    let (key, _) = KeyFolder::of_the_user().unwrap().development().unwrap();
    let signed = join(&manifest, &key.sign(&manifest));
    boot[..AREA_BYTES].fill(0);
    boot[..signed.len()].copy_from_slice(&signed);
    disk.poke(Role::Boot(slot), 0, &boot).unwrap();
    sha256(&manifest)
}

/// What the loader would prefer if the version did not matter.
fn favours(table: &mut SlotTable, slot: Slot, state: SlotState, digest: [u8; 32]) {
    let tries = if state == SlotState::Trial { TRIES } else { 0 };
    table.floor = FLOOR;
    *table.slot_mut(slot) = SlotRecord { state, priority: 200, tries, version: BELOW, digest };
}

#[test]
fn no_slot_below_the_floor_is_started_whatever_the_table_says() {
    let _turn = Turn::take();
    let folder = tempfile::tempdir().unwrap();
    let disk = raw_disk(folder.path()).unwrap();
    let digest = put_below_floor(&disk, Slot::B);
    for (name, state, next) in [
        ("confirmed", SlotState::Confirmed, None),
        ("trial", SlotState::Trial, None),
        ("asked-for", SlotState::Confirmed, Some(Slot::B)),
    ] {
        with_table(&disk, |table| {
            favours(table, Slot::B, state, digest);
            (table.next, table.boots_without_health) = (next, 0);
        });
        let name = format!("below-floor-{name}");
        let unit = Machine::new(&name, &disk, &log_path(&name)).start().unwrap();
        let serial = unit.serial();
        serial
            .wait_for("E12 slot B: version is below the floor of this unit; trying slot A", BOOT_WITHIN)
            .unwrap();
        serial.wait_for("slot A 0.1.0 verified, starting", BOOT_WITHIN).unwrap();
        assert_eq!(serial.count("slot B 0.0.9"), 0);
    }

    // Nor when every other firmware is damaged: better none than that one.
    for slot in [Slot::A, Slot::R] {
        DiskFile::open(&disk).unwrap().flip(Role::Boot(slot), 38).unwrap();
    }
    let unit = Machine::new("below-floor-only", &disk, &log_path("below-floor-only")).start().unwrap();
    unit.serial().wait_for("E12 slot B", BOOT_WITHIN).unwrap();
    unit.serial().wait_for("E17", BOOT_WITHIN).unwrap();
    assert_eq!(unit.serial().count("verified, starting"), 0);
}

#[test]
fn a_rescue_firmware_below_the_floor_is_not_started_either() {
    let _turn = Turn::take();
    let folder = tempfile::tempdir().unwrap();
    let disk = raw_disk(folder.path()).unwrap();
    let digest = put_below_floor(&disk, Slot::R);
    with_table(&disk, |table| {
        favours(table, Slot::R, SlotState::Confirmed, digest);
        table.next = Some(Slot::R);
    });
    let unit = Machine::new("below-floor-rescue", &disk, &log_path("below-floor-rescue")).start().unwrap();
    unit.serial().wait_for("E12 slot R: version is below the floor", BOOT_WITHIN).unwrap();
    unit.serial().wait_for("slot A 0.1.0 verified, starting", BOOT_WITHIN).unwrap();
    unit.serial().wait_for(INIT_STARTED, BOOT_WITHIN).unwrap();
}
