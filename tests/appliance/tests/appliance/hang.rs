//! A kernel that hangs before there is an init: the hardware watchdog, armed by the loader, must end it.
//!
//! The firmware for it is the shipped one with another signed command line: no such init, and a panic that waits for
//! ever. Nothing in the product has a switch for this.

use std::time::Duration;

use evener_appliance::{BOOT_WITHIN, Turn, log_path, raw_disk};
use evener_disk::{Role, Slot};
use evener_keys::KeyFolder;
use evener_lab::{DiskFile, Machine};
use evener_manifest::{AREA_BYTES, Header, SIGNATURE_BYTES, join, sha256};

use crate::with_table;

/// The loader gives the watchdog 120 s; the kernel's driver, which it keeps running, 60 s from its start.
const RESET_WITHIN: Duration = Duration::from_secs(240);
const SANE: &[u8] = b"init=/init panic=5";
const HANGS: &[u8] = b"init=/nope panic=0";

#[test]
fn a_hang_before_init_is_ended_by_the_watchdog_and_counts() {
    let _turn = Turn::take();
    let folder = tempfile::tempdir().unwrap();
    let disk = raw_disk(folder.path()).unwrap();
    let digest = make_it_hang(&mut DiskFile::open(&disk).unwrap());
    with_table(&disk, |table| table.slot_mut(Slot::A).digest = digest);
    let unit = Machine::new("hang", &disk, &log_path("hang")).start().unwrap();
    let serial = unit.serial();
    serial.wait_for("slot A 0.1.0 verified, starting", BOOT_WITHIN).unwrap();
    serial.wait_for("watchdog i6300esb armed", BOOT_WITHIN).unwrap();
    serial.wait_for("Requested init /nope failed", BOOT_WITHIN).unwrap();
    serial.wait_for("slot A 0.1.0 verified, starting", RESET_WITHIN).unwrap();
    drop(unit);
    assert_eq!(with_table(&disk, |table| table.boots_without_health), 2);
}

/// Signs slot A's manifest anew with the command line that hangs; gives its digest.
fn make_it_hang(disk: &mut DiskFile) -> [u8; 32] {
    let area = disk.peek(Role::Boot(Slot::A), 0, AREA_BYTES).unwrap();
    let whole = Header::parse(&area).unwrap().bytes();
    let mut manifest = area[..whole - SIGNATURE_BYTES].to_vec();
    let at = manifest.windows(SANE.len()).position(|window| window == SANE).unwrap();
    manifest[at..at + SANE.len()].copy_from_slice(HANGS);
    let (key, _) = KeyFolder::of_the_user().unwrap().development().unwrap();
    let signed = join(&manifest, &key.sign(&manifest));
    disk.poke(Role::Boot(Slot::A), 0, &signed).unwrap();
    sha256(&manifest)
}
