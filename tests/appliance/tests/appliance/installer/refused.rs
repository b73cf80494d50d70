//! What is not installed: said why, and byte for byte what it was.

use evener_appliance::{BOOT_WITHIN, Turn};
use evener_disk::{Blocks, Lba};
use evener_lab::{DiskFile, Unit};

use super::{Bench, OFF_WITHIN, SATA, same};
use crate::all;

/// Puts something on a disk that would be missed, and a copy beside it.
fn fill(disk: &std::path::Path) {
    let mut file = DiskFile::open(disk).unwrap();
    for at in [0, 1, 2048, file.sectors() - 1] {
        file.write(Lba(at), &[0xd1; 512]).unwrap();
    }
    std::fs::copy(disk, disk.with_extension("before")).unwrap();
}

fn switch_off(unit: &Unit) {
    unit.keyboard().types(b"off\r").unwrap();
    unit.serial().wait_for("Switching off", BOOT_WITHIN).unwrap();
    unit.wait_off(OFF_WITHIN).unwrap();
}

#[test]
fn disks_that_are_too_small_or_read_only_are_left_as_they_were() {
    if !all() {
        return;
    }
    let _turn = Turn::take();
    let bench = Bench::new(&[("install.toml", "disk = \"smallest\"\nexisting = \"erase\"\n")]);
    let (small, fixed) = (bench.disk("small.raw", 300), bench.disk("fixed.raw", 1024));
    [&small, &fixed].into_iter().for_each(|disk| fill(disk));
    let machine = bench.machine("installer-refused").other_disk("small", &small, SATA, false);
    let unit = machine.other_disk("fixed", &fixed, "virtio-blk-pci", true).start().unwrap();
    unit.serial().wait_for("Nothing was installed: no disk fits disk = \"smallest\"", BOOT_WITHIN).unwrap();
    unit.serial()
        .wait_for("not offered: too small: it has 300 MiB, and Evener needs 319", BOOT_WITHIN)
        .unwrap();
    unit.serial().wait_for("not offered: read-only", BOOT_WITHIN).unwrap();
    unit.serial().wait_for("There is no disk here that Evener can be installed on", BOOT_WITHIN).unwrap();
    unit.serial().wait_for("or with \"list\"", BOOT_WITHIN).unwrap();
    for number in 1..=3 {
        unit.keyboard().types(format!("{number} erase\r").as_bytes()).unwrap();
        unit.serial().wait_for("was NOT installed", BOOT_WITHIN).unwrap();
        unit.serial().wait_for("Nothing was changed on it", BOOT_WITHIN).unwrap();
        unit.serial().wait_for("or with \"list\"", BOOT_WITHIN).unwrap();
    }
    unit.keyboard().types(b"4 erase\r").unwrap();
    unit.serial().wait_for("There is no disk 4 in the list", BOOT_WITHIN).unwrap();
    switch_off(&unit);
    for disk in [&small, &fixed] {
        assert!(same(disk, &disk.with_extension("before")), "{} was written to", disk.display());
    }
    bench.check_stick();
}

#[test]
fn the_stick_alone_in_a_machine_is_not_installed_whatever_its_file_says() {
    if !all() {
        return;
    }
    let _turn = Turn::take();
    let bench = Bench::new(&[("install.toml", "disk = \"/dev/sda\"\nexisting = \"erase\"\n")]);
    let unit = bench.machine("installer-alone").bios().start().unwrap();
    let words = "Nothing was installed: sda: the stick that this installer was started from";
    unit.serial().wait_for(words, BOOT_WITHIN).unwrap();
    unit.serial().wait_for("There is no disk here", BOOT_WITHIN).unwrap();
    unit.keyboard().types(b"1 erase\r").unwrap();
    unit.serial().wait_for("sda was NOT installed: the stick", BOOT_WITHIN).unwrap();
    switch_off(&unit);
    bench.check_stick();
}

#[test]
fn files_that_are_wrong_are_told_with_line_and_field_and_nothing_is_installed_by_itself() {
    if !all() {
        return;
    }
    let _turn = Turn::take();
    let files = [("install.toml", "disk = \"only\"\n"), ("evener.toml", "hostname = \"lb\"\nweb_port = 0\n")];
    let bench = Bench::new(&files);
    let disk = bench.disk("disk.raw", 1024);
    let unit =
        bench.machine("installer-files").bios().other_disk("target", &disk, SATA, false).start().unwrap();
    unit.serial().wait_for("evener.toml, line 2: web_port", BOOT_WITHIN).unwrap();
    unit.serial().wait_for("holds: nothing", BOOT_WITHIN).unwrap();
    switch_off(&unit);
    let empty = bench.disk("empty.raw", 1024);
    assert!(same(&disk, &empty), "nothing was written");
    bench.check_stick();
}
