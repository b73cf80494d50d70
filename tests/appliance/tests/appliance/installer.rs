//! The stick: it installs what then boots alone, under both kinds of firmware; and what it must not touch it leaves.
//!
//! `make test` installs once under each firmware; `make prove` (`EVENER_PROVE=all`) also tries what is refused, what is
//! kept, and a disk that vanishes.

mod refused;

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::Duration;

use evener_appliance::{BOOT_WITHIN, Network, Turn, log_path, shipped_image, shipped_stick};
use evener_board::Board;
use evener_disk::{PartitionMap, Role};
use evener_lab::{Attachment, DiskFile, Machine, Unit, WebServer, config_medium, raw_copy, stick_with};
use serde_json::json;
use tempfile::TempDir;

use crate::{all, ask, wait_for_screen, wait_until_served};

/// From the question, or the decision, to the end of an installation.
pub(crate) const INSTALL_WITHIN: Duration = Duration::from_secs(240);
const OFF_WITHIN: Duration = Duration::from_secs(60);
/// An AHCI port of `q35` that nothing else is on.
pub(crate) const SATA: &str = "ide-hd,bus=ide.2";
/// A unit installed by its stick has used up the first configuration when it says this.
const FORGOTTEN: &str = "removed the first configuration that the installer left";

/// A stick in a folder, and the bytes that it must still have at the end.
pub(crate) struct Bench {
    pub(crate) folder: TempDir,
    pub(crate) stick: PathBuf,
}

impl Bench {
    pub(crate) fn new(files: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let stick = stick_with(&shipped_stick().unwrap(), folder.path(), files).unwrap();
        std::fs::copy(&stick, folder.path().join("stick.before")).unwrap();
        Self { folder, stick }
    }

    /// A disk of zeros.
    pub(crate) fn disk(&self, name: &str, mib: u64) -> PathBuf {
        let path = self.folder.path().join(name);
        File::create(&path).unwrap().set_len(mib << 20).unwrap();
        path
    }

    /// A machine that starts from the stick, which it could write to.
    pub(crate) fn machine(&self, name: &str) -> Machine {
        Machine::new(name, &self.stick, &log_path(name)).attached(Attachment::UsbStorage)
    }

    /// Nobody has written to the stick: neither loader, nor kernel, nor installer.
    pub(crate) fn check_stick(&self) {
        assert!(same(&self.stick, &self.folder.path().join("stick.before")), "the stick was written to");
    }
}

/// Whether two files hold the same.
pub(crate) fn same(one: &Path, other: &Path) -> bool {
    let (mut one, mut other) = (File::open(one).unwrap(), File::open(other).unwrap());
    let (mut left, mut right) = (vec![0; 1 << 20], vec![0; 1 << 20]);
    loop {
        let count = one.read(&mut left).unwrap();
        if count == 0 {
            return other.read(&mut right).unwrap() == 0;
        }
        if other.read_exact(&mut right[..count]).is_err() || left[..count] != right[..count] {
            return false;
        }
    }
}

/// Waits until the disk is installed and the machine has switched itself off.
pub(crate) fn wait_installed(unit: &Unit) {
    let serial = unit.serial();
    serial.wait_for("writing   100 %", INSTALL_WITHIN).unwrap();
    serial.wait_for("checking  100 %", INSTALL_WITHIN).unwrap();
    serial.wait_for("is installed on", INSTALL_WITHIN).unwrap();
    unit.wait_off(OFF_WITHIN).unwrap();
}

/// Boots the disk with nothing else in the machine until it serves with one server; gives what else it was like.
pub(crate) fn serves_alone(machine: Machine) -> Unit {
    let network = Network::new().unwrap();
    let _one = WebServer::named(network.servers[0].clone(), 8080, "one").unwrap();
    let unit = machine.on(&network.switch).start().unwrap();
    wait_until_served(&unit, &network.client);
    assert_eq!(ask(&network.client).unwrap(), "one");
    unit
}

fn map(disk: &Path) -> PartitionMap {
    DiskFile::open(disk).unwrap().map().unwrap()
}

/// The GUIDs of an installed disk are its own: neither those of the stick nor those of a disk image.
fn check_guids(disk: &Path, bench: &Bench) {
    let image = bench.folder.path().join("image.raw");
    raw_copy(&shipped_image().unwrap(), &image).unwrap();
    let (own, others) = (map(disk), [map(&bench.stick), map(&image)]);
    assert!(others.iter().all(|other| other.disk() != own.disk()));
    for role in Role::ALL {
        let guid = own.get(role).unwrap().partuuid;
        assert!(
            others.iter().all(|other| other.get(role).is_none_or(|part| part.partuuid != guid)),
            "{role}"
        );
    }
}

#[test]
fn a_stick_installs_an_empty_disk_by_itself_and_the_disk_serves_alone() {
    let _turn = Turn::take();
    let first = Network::first_configuration(1);
    let bench = Bench::new(&[("install.toml", "disk = \"only\"\n"), ("evener.toml", &first)]);
    let disk = bench.disk("disk.raw", 1024);
    let machine = bench.machine("installer-uefi").other_disk("target", &disk, SATA, false);
    let unit = machine.start().unwrap();
    unit.serial().wait_for("Evener 0.1.0 installer", BOOT_WITHIN).unwrap();
    unit.serial()
        .wait_for("installs by itself, as its install.toml says: disk = \"only\"", BOOT_WITHIN)
        .unwrap();
    unit.serial().wait_for("Installing Evener 0.1.0 on sd", INSTALL_WITHIN).unwrap();
    wait_installed(&unit);
    bench.check_stick();
    check_guids(&disk, &bench);
    let alone = Machine::new("installer-uefi-alone", &disk, &log_path("installer-uefi-alone"));
    let mut unit = serves_alone(alone.attached(Attachment::Ahci));
    unit.serial().wait_for(FORGOTTEN, BOOT_WITHIN).unwrap();
    unit.serial().wait_for("evener: ready", BOOT_WITHIN).unwrap();
    assert_eq!(unit.serial().count("first password"), 0, "the stick brought a password");
    unit.press_power().unwrap();
    unit.wait_off(OFF_WITHIN).unwrap();
    // The number of blocks of 4 KiB in ext4's superblock: of 1024 MiB, 287 are not `data`.
    let blocks = DiskFile::open(&disk).unwrap().peek(Role::Data, 1024 + 4, 4).unwrap();
    let mebibytes = u32::from_le_bytes(blocks.try_into().unwrap()) / 256;
    assert!((700..=737).contains(&mebibytes), "the file system has {mebibytes} MiB");
}

#[test]
fn a_person_chooses_the_disk_at_screen_or_serial_port_under_a_bios() {
    let _turn = Turn::take();
    let bench = Bench::new(&[("evener.toml", &Network::first_configuration(1))]);
    let disk = bench.disk("disk.raw", 2048);
    let machine = bench.machine("installer-bios").bios().other_disk("target", &disk, SATA, false);
    let mut unit = machine.start().unwrap();
    unit.serial().wait_for("Disks of this machine:", BOOT_WITHIN).unwrap();
    unit.serial().wait_for("QEMU HARDDISK", BOOT_WITHIN).unwrap();
    unit.serial().wait_for("or with \"list\"", BOOT_WITHIN).unwrap();
    for words in [
        "Disks of this machine:",
        "2.1 GB  ATA     QEMU HARDDISK",
        "holds: nothing",
        "not offered: the stick",
    ] {
        wait_for_screen(&mut unit, words);
    }
    // Half an answer on the serial line is explained; the whole one comes from the keyboard.
    unit.keyboard().types(b"\x1b[1;1R\r1\r").unwrap();
    unit.serial().wait_for("Say what is to become of disk 1", BOOT_WITHIN).unwrap();
    for key in ["1", "spc", "e", "r", "a", "s", "e", "ret"] {
        unit.press(&[key]).unwrap();
    }
    unit.serial().wait_for("Installing Evener 0.1.0 on sda (2.1 GB)", INSTALL_WITHIN).unwrap();
    wait_installed(&unit);
    bench.check_stick();
    let alone = Machine::new("installer-bios-alone", &disk, &log_path("installer-bios-alone"));
    serves_alone(alone.bios().attached(Attachment::Ide));
}

#[test]
fn an_appliance_with_nothing_but_a_serial_port_is_installed_from_there() {
    if !all() {
        return;
    }
    let _turn = Turn::take();
    let board = Board::parse(include_str!("../../../../board-support/boards/lm2200.toml")).unwrap();
    let bench = Bench::new(&[("evener.toml", &Network::first_configuration(1))]);
    let disk = bench.disk("disk.raw", 2000);
    let machine = bench.machine("installer-lm2200").imitating(&board);
    let unit = machine.other_disk("target", &disk, "ide-hd,bus=ide.0", false).start().unwrap();
    unit.serial().wait_for("or with \"list\"", BOOT_WITHIN).unwrap();
    let number = number_of_the_free_disk(&unit);
    unit.keyboard().types(format!("{number} erase\r").as_bytes()).unwrap();
    wait_installed(&unit);
    bench.check_stick();
    let alone = Machine::new("installer-lm2200-alone", &disk, &log_path("installer-lm2200-alone"));
    serves_alone(alone.imitating(&board));
}

#[test]
fn a_unit_that_is_kept_serves_with_its_configuration() {
    if !all() {
        return;
    }
    let _turn = Turn::take();
    let bench = Bench::new(&[("install.toml", "disk = \"only\"\n")]);
    let disk = bench.folder.path().join("disk.raw");
    raw_copy(&shipped_image().unwrap(), &disk).unwrap();
    {
        let medium = config_medium(bench.folder.path(), &Network::first_configuration(1)).unwrap();
        let before = Machine::new("installer-kept-before", &disk, &log_path("installer-kept-before"));
        let mut unit = serves_alone(before.attached(Attachment::Ahci).medium(&medium));
        unit.serial().wait_for("evener: ready", BOOT_WITHIN).unwrap();
        unit.press_power().unwrap();
        unit.wait_off(OFF_WITHIN).unwrap();
    }
    let (guid, floor) = (map(&disk).disk(), crate::with_table(&disk, |table| table.floor));
    let before = bench.folder.path().join("disk.before");
    std::fs::copy(&disk, &before).unwrap();
    let unit = bench.machine("installer-kept").other_disk("target", &disk, SATA, false).start().unwrap();
    // install.toml says nothing of a unit that is there already: then it is left alone, and somebody has to answer.
    unit.serial().wait_for("Nothing was installed: sd", BOOT_WITHIN).unwrap();
    let list = unit.serial().wait_for("holds: Evener 0.1.0, with a configuration", BOOT_WITHIN).unwrap();
    assert!(list.text.contains("holds"), "{}", list.text);
    unit.serial().wait_for("its configuration can be kept", BOOT_WITHIN).unwrap();
    unit.serial().wait_for("or with \"list\"", BOOT_WITHIN).unwrap();
    assert!(same(&disk, &before), "a disk that is left alone is byte for byte what it was");
    unit.keyboard().types(b"1 keep\r").unwrap();
    unit.serial().wait_for("its configuration and data stay", INSTALL_WITHIN).unwrap();
    wait_installed(&unit);
    bench.check_stick();
    assert_eq!(map(&disk).disk(), guid);
    crate::with_table(&disk, |table| assert_eq!((table.floor, table.boots_without_health), (floor, 0)));
    let alone = Machine::new("installer-kept-alone", &disk, &log_path("installer-kept-alone"));
    serves_alone(alone.attached(Attachment::Ahci));
}

#[test]
fn a_disk_that_vanishes_is_told_and_can_be_installed_when_it_is_back() {
    if !all() {
        return;
    }
    let _turn = Turn::take();
    let bench = Bench::new(&[]);
    let disk = bench.disk("disk.raw", 1024);
    let usb = "usb-storage,bus=usb.0";
    let machine = bench.machine("installer-vanished").other_disk("target", &disk, usb, false);
    let mut unit = machine.start().unwrap();
    unit.serial().wait_for("or with \"list\"", BOOT_WITHIN).unwrap();
    let number = number_of_the_free_disk(&unit);
    unit.keyboard().types(format!("{number} erase\r").as_bytes()).unwrap();
    unit.serial().wait_for("writing    20 %", INSTALL_WITHIN).unwrap();
    unit.qmp().execute("device_del", &json!({ "id": "target" })).unwrap();
    unit.serial().wait_for("was NOT installed", INSTALL_WITHIN).unwrap();
    unit.serial().wait_for("It is incomplete, and nothing starts from it", BOOT_WITHIN).unwrap();
    unit.serial().wait_for("There is no disk here", BOOT_WITHIN).unwrap();
    let back = json!({ "driver": "usb-storage", "bus": "usb.0", "id": "again", "drive": "target" });
    unit.qmp().execute("device_add", &back).unwrap();
    unit.serial().wait_for("holds: ", BOOT_WITHIN).unwrap();
    unit.serial().wait_for("or with \"list\"", BOOT_WITHIN).unwrap();
    let number = number_of_the_free_disk(&unit);
    unit.keyboard().types(format!("{number} erase\r").as_bytes()).unwrap();
    wait_installed(&unit);
    bench.check_stick();
}

/// The number in front of the disk that was last offered.
fn number_of_the_free_disk(unit: &Unit) -> usize {
    let lines = unit.serial().lines();
    let offered = lines.iter().rev().find_map(|line| {
        let mut words = line.text.split_whitespace();
        let number = words.next()?.parse().ok()?;
        words.next()?.starts_with("sd").then_some(number)
    });
    offered.unwrap()
}
