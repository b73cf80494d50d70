//! Damage to the disk, one kind a boot: what the loader says, and what the unit does then.

use std::time::Duration;

use evener_appliance::{BOOT_WITHIN, INIT_STARTED, Turn, log_path, raw_disk};
use evener_disk::{Role, SECTORS_PER_MIB, Slot};
use evener_lab::{DiskFile, Machine, Unit};
use evener_manifest::{AREA_BYTES, Header, KERNEL_AT, KeyId, SIGNATURE_BYTES, public_key, sign};
use tempfile::TempDir;

const BOOT_A: Role = Role::Boot(Slot::A);
/// Offset of the key id in a manifest; `evener-manifest` documents the layout.
const AT_KEY_ID: usize = 80;
/// Offset of the command-line template in a manifest.
const AT_TEMPLATE: usize = 560;
/// Somebody else's secret key.
const STRANGER: [u8; 32] = [7; 32];
/// Boots of a firmware that never becomes healthy before another one gets its turn.
const BOOTS: usize = 5;

/// Boots a disk that `damage` was done to. The folder must outlive the unit.
fn boot(name: &str, damage: impl FnOnce(&mut DiskFile)) -> (Unit, TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let raw = raw_disk(folder.path()).unwrap();
    damage(&mut DiskFile::open(&raw).unwrap());
    let name = format!("corrupt-{name}");
    (Machine::new(&name, &raw, &log_path(&name)).start().unwrap(), folder)
}

/// The unit refuses slot A with `code` and `words` and runs slot R.
#[track_caller]
fn expect_rescue(name: &str, code: &str, words: &str, damage: impl FnOnce(&mut DiskFile)) {
    let _turn = Turn::take();
    let (unit, _folder) = boot(name, damage);
    let refused = unit.serial().wait_for(&format!("{code} slot A: {words}"), BOOT_WITHIN).unwrap();
    assert!(refused.text.contains("trying slot"), "{}", refused.text);
    let started = unit.serial().wait_for("verified, starting", BOOT_WITHIN).unwrap();
    assert!(started.text.contains("slot R "), "{}", started.text);
    unit.serial().wait_for(INIT_STARTED, BOOT_WITHIN).unwrap();
}

/// The manifest of slot A and its signature.
fn manifest(disk: &mut DiskFile) -> (Vec<u8>, Vec<u8>) {
    let area = disk.peek(BOOT_A, 0, AREA_BYTES).unwrap();
    let whole = Header::parse(&area).unwrap().bytes();
    let (manifest, signature) = area[..whole].split_at(whole - SIGNATURE_BYTES);
    (manifest.to_vec(), signature.to_vec())
}

/// Writes a manifest with a signature by the stranger.
fn sign_by_stranger(disk: &mut DiskFile, manifest: &[u8]) {
    let signed: Vec<u8> = manifest.iter().copied().chain(sign(manifest, &STRANGER)).collect();
    disk.poke(BOOT_A, 0, &signed).unwrap();
}

#[test]
fn a_firmware_signed_with_an_unknown_key_is_refused() {
    expect_rescue("unknown-key", "E08", "signed with a key that is not trusted", |disk| {
        let (mut manifest, _) = manifest(disk);
        let id = KeyId::of(&public_key(&STRANGER));
        manifest[AT_KEY_ID..AT_KEY_ID + 8].copy_from_slice(&id.0);
        sign_by_stranger(disk, &manifest);
    });
}

#[test]
fn a_signature_in_the_name_of_a_trusted_key_is_refused() {
    expect_rescue("forged-signature", "E06", "manifest signature does not match", |disk| {
        let (manifest, _) = manifest(disk);
        sign_by_stranger(disk, &manifest);
    });
}

#[test]
fn a_flipped_bit_in_the_manifest_is_found() {
    expect_rescue("manifest-bit", "E06", "manifest signature does not match", |disk| {
        // In the version's last number.
        disk.flip(BOOT_A, 38).unwrap();
    });
}

#[test]
fn a_manifest_that_is_none_is_refused() {
    expect_rescue("no-manifest", "E05", "no valid manifest", |disk| disk.flip(BOOT_A, 0).unwrap());
}

#[test]
fn a_changed_command_line_is_found() {
    expect_rescue("command-line", "E06", "manifest signature does not match", |disk| {
        let (mut manifest, signature) = manifest(disk);
        let evil = b"init=/bin/sh";
        manifest[AT_TEMPLATE..AT_TEMPLATE + evil.len()].copy_from_slice(evil);
        manifest.extend(signature);
        disk.poke(BOOT_A, 0, &manifest).unwrap();
    });
}

#[test]
fn a_flipped_bit_in_the_kernel_is_found() {
    expect_rescue("kernel-bit", "E07", "kernel digest does not match", |disk| {
        disk.flip(BOOT_A, KERNEL_AT + 1_000_003).unwrap();
    });
}

#[test]
fn a_truncated_kernel_is_found() {
    expect_rescue("kernel-cut", "E07", "kernel digest does not match", |disk| {
        disk.poke(BOOT_A, KERNEL_AT + (2 << 20), &vec![0; 8 << 20]).unwrap();
    });
}

#[test]
fn one_damaged_copy_of_the_slot_table_is_no_matter() {
    let _turn = Turn::take();
    let (unit, _folder) = boot("table-copy", |disk| disk.flip(Role::SlotTable, 100).unwrap());
    let started = unit.serial().wait_for("verified, starting", BOOT_WITHIN).unwrap();
    assert!(started.text.contains("slot A "), "{}", started.text);
    unit.serial().wait_for(INIT_STARTED, BOOT_WITHIN).unwrap();
    assert_eq!(unit.serial().count("E22"), 0);
}

#[test]
fn a_lost_slot_table_is_derived_from_the_signed_firmware() {
    let _turn = Turn::take();
    let (unit, _folder) = boot("table-lost", |disk| {
        for copy in 0..4 {
            disk.poke(Role::SlotTable, copy * SECTORS_PER_MIB * 512, &[0xff; 512]).unwrap();
        }
    });
    unit.serial().wait_for("E22", BOOT_WITHIN).unwrap();
    let started = unit.serial().wait_for("verified, starting", BOOT_WITHIN).unwrap();
    assert!(started.text.contains("slot A "), "{}", started.text);
    unit.serial().wait_for(INIT_STARTED, BOOT_WITHIN).unwrap();
}

#[test]
fn without_a_good_firmware_the_unit_stops_with_words() {
    let _turn = Turn::take();
    let (unit, _folder) = boot("nothing-left", |disk| {
        disk.flip(BOOT_A, KERNEL_AT + 5).unwrap();
        disk.flip(Role::Boot(Slot::R), 38).unwrap();
    });
    let serial = unit.serial();
    serial.wait_for("E07 slot A: kernel digest does not match", BOOT_WITHIN).unwrap();
    serial.wait_for("E06 slot R: manifest signature does not match", BOOT_WITHIN).unwrap();
    serial.wait_for("E17", BOOT_WITHIN).unwrap();
    serial.wait_for("stopped", BOOT_WITHIN).unwrap();
    assert!(serial.wait_for("verified, starting", Duration::from_secs(3)).is_err());
}

#[test]
fn a_corrupt_rootfs_block_restarts_the_unit_and_after_five_boots_another_slot_runs() {
    let _turn = Turn::take();
    let (unit, _folder) = boot("rootfs-block", |disk| disk.flip(Role::Root(Slot::A), 0).unwrap());
    let serial = unit.serial();
    for _ in 0..BOOTS {
        let started = serial.wait_for("verified, starting", BOOT_WITHIN).unwrap();
        assert!(started.text.contains("slot A "), "{}", started.text);
    }
    serial.wait_for("E21 slot A", BOOT_WITHIN).unwrap();
    let started = serial.wait_for("verified, starting", BOOT_WITHIN).unwrap();
    assert!(started.text.contains("slot R "), "{}", started.text);
    serial.wait_for(INIT_STARTED, BOOT_WITHIN).unwrap();
    assert_eq!(serial.count(INIT_STARTED), 1, "no boot of the corrupt slot came as far as init");
}
