//! The same image under a BIOS: it serves from every kind of disk, and what is damaged is passed over as under UEFI.
//!
//! `make test` boots from IDE and AHCI; `make prove` (`EVENER_PROVE=all`) also from virtio, NVMe,
//! USB, LSI SAS and MegaRAID.

use std::time::{Duration, Instant};

use evener_appliance::{BOOT_WITHIN, INIT_STARTED, Network, Turn, log_path, raw_disk};
use evener_disk::{Role, Slot};
use evener_lab::{Attachment, DiskFile, Machine, Unit, WebServer, config_medium};
use evener_manifest::KERNEL_AT;
use serde_json::json;
use tempfile::TempDir;

use crate::{all, ask, wait_for_screen, wait_until_served, with_table};

/// In stage 2, behind its header.
const IN_THE_LOADER: u64 = 3000;
const SECOND_COPY: u64 = 512 << 10;
const STARTED_A: &str = "slot A 0.1.0 verified, starting";
const STARTED_R: &str = "slot R 0.1.0 verified, starting";
/// Boots of a firmware that never becomes healthy before another one gets its turn.
const BOOTS: usize = 5;

/// Boots a disk that `damage` was done to, from IDE. The folder must outlive the unit.
fn boot(name: &str, damage: impl FnOnce(&mut DiskFile)) -> (Unit, TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let raw = raw_disk(folder.path()).unwrap();
    damage(&mut DiskFile::open(&raw).unwrap());
    let name = format!("bios-{name}");
    let machine = Machine::new(&name, &raw, &log_path(&name)).bios().attached(Attachment::Ide);
    (machine.start().unwrap(), folder)
}

/// Boots an undamaged disk that is attached like this until it serves; what `machine` changes is changed.
fn serves(name: &str, attachment: Attachment, change: impl FnOnce(Machine) -> Machine) -> Unit {
    let folder = tempfile::tempdir().unwrap();
    let network = Network::new().unwrap();
    let _one = WebServer::named(network.servers[0].clone(), 8080, "one").unwrap();
    let disk = raw_disk(folder.path()).unwrap();
    let medium = config_medium(folder.path(), &Network::first_configuration(1)).unwrap();
    let machine = Machine::new(name, &disk, &log_path(name)).bios().attached(attachment);
    let unit = change(machine.on(&network.switch).medium(&medium)).start().unwrap();
    wait_until_served(&unit, &network.client);
    assert_eq!(ask(&network.client).unwrap(), "one");
    let table = with_table(&disk, |table| table.clone());
    assert_eq!(table.boots_without_health, 1, "{attachment:?}: the boot was counted");
    unit
}

#[test]
fn the_image_serves_from_ide_and_its_boot_is_counted() {
    let _turn = Turn::take();
    let mut unit = serves("bios-ide", Attachment::Ide, |machine| machine);
    let loader = unit.serial().wait_for("evener-loader: version", BOOT_WITHIN).unwrap();
    assert!(loader.text.ends_with("BIOS"), "{}", loader.text);
    unit.serial().wait_for(STARTED_A, BOOT_WITHIN).unwrap();
    unit.serial().wait_for("watchdog i6300esb armed", BOOT_WITHIN).unwrap();
    // The kernel was told of the screen: what init says is on it.
    wait_for_screen(&mut unit, "INFO proxy: serving");
}

#[test]
fn the_image_serves_from_ahci_with_neither_serial_port_nor_screen() {
    let _turn = Turn::take();
    let unit = serves("bios-ahci", Attachment::Ahci, |machine| machine.without_serial().without_screen());
    assert!(unit.serial().lines().is_empty(), "there is a serial port");
}

#[test]
fn the_image_serves_from_whatever_disk_a_bios_can_read() {
    let kinds = [
        Attachment::VirtioBlk,
        Attachment::Nvme,
        Attachment::UsbStorage,
        Attachment::LsiSas,
        Attachment::MegaRaid,
    ];
    for attachment in kinds.into_iter().filter(|_| all()) {
        let _turn = Turn::take();
        let name = format!("bios-{attachment:?}").to_lowercase();
        let unit = serves(&name, attachment, |machine| machine);
        unit.serial().wait_for(STARTED_A, BOOT_WITHIN).unwrap();
    }
}

#[test]
fn the_second_copy_of_the_loader_runs_when_the_first_is_damaged() {
    let _turn = Turn::take();
    let (unit, _folder) = boot("copy", |disk| disk.flip(Role::BiosBoot, IN_THE_LOADER).unwrap());
    unit.serial().wait_for("E30: first copy of the BIOS loader is damaged", BOOT_WITHIN).unwrap();
    unit.serial().wait_for(STARTED_A, BOOT_WITHIN).unwrap();
    unit.serial().wait_for(INIT_STARTED, BOOT_WITHIN).unwrap();
}

#[test]
fn a_disk_without_a_whole_loader_says_so_and_starts_nothing() {
    let _turn = Turn::take();
    let (mut unit, _folder) = boot("no-copy", |disk| {
        disk.flip(Role::BiosBoot, IN_THE_LOADER).unwrap();
        disk.poke(Role::BiosBoot, SECOND_COPY, &[0; 512]).unwrap();
    });
    unit.serial().wait_for("E29: ", BOOT_WITHIN).unwrap();
    assert!(unit.serial().wait_for("evener-loader", Duration::from_secs(3)).is_err());
    wait_for_screen(&mut unit, "E29: BIOS loader is damaged");
}

#[test]
fn a_stopped_loader_has_its_words_on_the_screen_and_restarts_for_a_held_key() {
    let _turn = Turn::take();
    let folder = tempfile::tempdir().unwrap();
    let raw = raw_disk(folder.path()).unwrap();
    let mut disk = DiskFile::open(&raw).unwrap();
    disk.flip(Role::Boot(Slot::A), KERNEL_AT + 5).unwrap();
    disk.flip(Role::Boot(Slot::R), 38).unwrap();
    let machine = Machine::new("bios-screen", &raw, &log_path("bios-screen")).bios();
    let mut unit = machine.attached(Attachment::Ide).without_serial().start().unwrap();
    for words in [
        "E07 slot A: kernel digest does not match",
        "E06 slot R: manifest signature does not match",
        "E17: no slot can be booted",
        "stopped; hold Ctrl-R to restart",
    ] {
        wait_for_screen(&mut unit, words);
    }
    let stopped = unit.screen_text().unwrap();
    let deadline = Instant::now() + BOOT_WITHIN;
    while unit.screen_text().unwrap() == stopped {
        assert!(Instant::now() < deadline, "{stopped}");
        press_ctrl_r(&mut unit);
    }
}

#[test]
fn a_machine_with_too_little_memory_says_so() {
    let _turn = Turn::take();
    let folder = tempfile::tempdir().unwrap();
    let raw = raw_disk(folder.path()).unwrap();
    let machine = Machine::new("bios-memory", &raw, &log_path("bios-memory")).bios();
    let unit = machine.attached(Attachment::Ide).memory(32).start().unwrap();
    unit.serial().wait_for("the kernel needs the memory from 16 to", BOOT_WITHIN).unwrap();
    unit.serial().wait_for("E25 slot A: not enough memory", BOOT_WITHIN).unwrap();
    unit.serial().wait_for("E25 slot R: not enough memory", BOOT_WITHIN).unwrap();
    unit.serial().wait_for("stopped", BOOT_WITHIN).unwrap();
}

/// Presses Ctrl-R on the keyboard once.
fn press_ctrl_r(unit: &mut Unit) {
    let keys = ["ctrl", "r"].map(|key| json!({ "type": "qcode", "data": key }));
    unit.qmp().execute("send-key", &json!({ "keys": keys, "hold-time": 10 })).unwrap();
    std::thread::sleep(Duration::from_millis(30));
}

#[test]
fn a_damaged_kernel_leads_to_another_slot_with_the_words_of_uefi() {
    let _turn = Turn::take();
    let (unit, _folder) =
        boot("kernel", |disk| disk.flip(Role::Boot(Slot::A), KERNEL_AT + 1_000_003).unwrap());
    let serial = unit.serial();
    serial.wait_for("E07 slot A: kernel digest does not match; trying slot R", BOOT_WITHIN).unwrap();
    serial.wait_for(STARTED_R, BOOT_WITHIN).unwrap();
    serial.wait_for(INIT_STARTED, BOOT_WITHIN).unwrap();
}

#[test]
fn five_boots_without_health_are_counted_and_another_slot_runs() {
    let _turn = Turn::take();
    let (unit, _folder) = boot("rootfs", |disk| disk.flip(Role::Root(Slot::A), 0).unwrap());
    let serial = unit.serial();
    for _ in 0..BOOTS {
        let started = serial.wait_for("verified, starting", BOOT_WITHIN).unwrap();
        assert!(started.text.contains("slot A "), "{}", started.text);
    }
    serial.wait_for("E21 slot A", BOOT_WITHIN).unwrap();
    serial.wait_for(STARTED_R, BOOT_WITHIN).unwrap();
    serial.wait_for(INIT_STARTED, BOOT_WITHIN).unwrap();
    assert_eq!(serial.count(INIT_STARTED), 1, "no boot of the corrupt slot came as far as init");
}

#[test]
fn a_key_held_on_the_keyboard_starts_rescue() {
    let _turn = Turn::take();
    let (mut unit, _folder) = boot("keyboard", |_| ());
    let deadline = Instant::now() + BOOT_WITHIN;
    while unit.serial().count("rescue asked for at the console") == 0 {
        assert!(Instant::now() < deadline, "{:?}", unit.serial().lines());
        press_ctrl_r(&mut unit);
    }
    unit.serial().wait_for(STARTED_R, BOOT_WITHIN).unwrap();
}

/// From the loader's first line to the start of slot A.
fn time_in_the_loader(unit: &Unit) -> Duration {
    let begin = unit.serial().wait_for("evener-loader: version", BOOT_WITHIN).unwrap();
    let end = unit.serial().wait_for("verified, starting", BOOT_WITHIN).unwrap();
    assert!(end.text.contains("slot A "), "{}", end.text);
    end.at - begin.at
}

#[test]
fn a_serial_line_that_is_never_silent_makes_no_boot_slower() {
    /// Less than a look at the time on a busy machine is wrong by.
    const SLOWER: Duration = Duration::from_secs(4);
    let _turn = Turn::take();
    let (mut unit, _folder) = boot("noise", |_| ());
    let quiet = time_in_the_loader(&unit);
    unit.serial().wait_for(INIT_STARTED, BOOT_WITHIN).unwrap();
    let noise = unit.keyboard().holds(b"login: \x12\x06\r\n", Duration::ZERO).unwrap();
    unit.reset().unwrap();
    let noisy = time_in_the_loader(&unit);
    unit.serial().wait_for(INIT_STARTED, BOOT_WITHIN).unwrap();
    drop(noise);
    assert_eq!(unit.serial().count("asked for at the console"), 0);
    assert!(noisy < quiet * 2 + SLOWER, "{noisy:?}, and {quiet:?} without the noise");
}
