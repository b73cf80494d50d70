//! A unit replaces its own loaders, under UEFI and under a BIOS; and a copy that is damaged is passed over and written again.
//!
//! `make test` takes one kind of firmware by the run's seed (`EVENER_SEED=n` takes the same again); `make prove` both, and
//! a loader that hangs, a new key, and damage to a partition.

use std::fs::OpenOptions;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use evener_appliance::{
    Api, BOOT_WITHIN, Change, Network, PASSWORD, TestFirmware, Turn, UNIT, has_loader, log_path, raw_disk,
    reload,
};
use evener_disk::Role;
use evener_handoff::{LoaderCopy, LoaderKind};
use evener_lab::{Attachment, DiskFile, Machine, Random, Unit, WebServer, config_medium};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::{all, ask, wait_until_served};

/// A minute of health, on a busy machine.
const PROVED_WITHIN: Duration = Duration::from_secs(240);
/// Firmware and loader give a loader two minutes.
const RESET_WITHIN: Duration = Duration::from_secs(240);
const STARTED_A: &str = "slot A 0.1.0 verified, starting";

/// A unit on its own network, with an image that may be changed before it is switched on.
struct Bed {
    folder: TempDir,
    disk: PathBuf,
    network: Network,
    _server: WebServer,
}

impl Bed {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let disk = raw_disk(folder.path()).unwrap();
        let network = Network::new().unwrap();
        let server = WebServer::named(network.servers[0].clone(), 8080, "one").unwrap();
        Self { folder, disk, network, _server: server }
    }

    /// Switches a unit with this kind of firmware on, and waits until it serves.
    fn boot(&self, name: &str, kind: LoaderKind) -> (Unit, Api) {
        let medium = config_medium(self.folder.path(), &Network::first_configuration(1)).unwrap();
        let machine =
            Machine::new(name, &self.disk, &log_path(name)).on(&self.network.switch).medium(&medium);
        let machine = match kind {
            LoaderKind::Uefi => machine,
            LoaderKind::Bios => machine.bios().attached(Attachment::Ide),
        };
        let unit = machine.start().unwrap();
        unit.serial().wait_for(STARTED_A, BOOT_WITHIN).unwrap();
        self.serves(&unit);
        let api = Api::over_lab(Arc::clone(&self.network.client), UNIT, PASSWORD);
        api.wait_until_served(BOOT_WITHIN).unwrap();
        (unit, api)
    }

    fn serves(&self, unit: &Unit) {
        wait_until_served(unit, &self.network.client);
        assert_eq!(ask(&self.network.client).unwrap(), "one");
    }
}

/// Waits until the unit has shown its health and done what follows for its loaders.
fn loader(api: &Api, update: &Value) -> Value {
    let good = |status: &Value| !status["loader"].is_null() && status["loader"]["update"] == *update;
    api.wait_for("/api/v1/firmware", PROVED_WITHIN, good).unwrap()
}

fn restart(api: &Api) {
    let answer = api.call("POST", "/api/v1/system/reboot", Some(&json!({}))).unwrap();
    assert_eq!(answer.status, 202, "{}", answer.json);
}

fn kinds() -> Vec<LoaderKind> {
    if all() {
        return LoaderKind::ALL.to_vec();
    }
    let seed = Random::seed_of_this_run();
    let kind = if Random::new(seed).coin() { LoaderKind::Uefi } else { LoaderKind::Bios };
    println!("seed {seed}: {kind}");
    vec![kind]
}

fn name(test: &str, kind: LoaderKind) -> String {
    format!("loader-{test}-{}", if kind == LoaderKind::Uefi { "uefi" } else { "bios" })
}

#[test]
fn a_loader_follows_its_firmware_through_a_trial() {
    for kind in kinds() {
        let _turn = Turn::take();
        let bed = Bed::new();
        let new = reload(&bed.disk, Change::Longer).unwrap();
        let (unit, api) = bed.boot(&name("update", kind), kind);
        let before = loader(&api, &json!("the next restart tries the loader of the running firmware"));
        assert_eq!(before["loader"]["copy"], json!("first"), "{before}");

        restart(&api);
        let words = "starting the second copy of the loader on trial, 2 more tries";
        unit.serial().wait_for(words, BOOT_WITHIN).unwrap();
        unit.serial().wait_for("evener-loader: version", BOOT_WITHIN).unwrap();
        unit.serial().wait_for(STARTED_A, BOOT_WITHIN).unwrap();
        bed.serves(&unit);
        api.wait_until_served(BOOT_WITHIN).unwrap();
        let tried = loader(&api, &json!("is replaced further at the next restart"));
        assert_eq!(tried["loader"]["copy"], json!("second"), "{tried}");
        let happenings: Vec<_> =
            tried["history"].as_array().unwrap().iter().map(|one| one["what"].as_str().unwrap()).collect();
        assert_eq!(happenings, ["loader", "loader"], "{tried}");

        restart(&api);
        unit.serial().wait_for(STARTED_A, BOOT_WITHIN).unwrap();
        bed.serves(&unit);
        drop(unit);
        let own = &new[usize::from(kind == LoaderKind::Bios)];
        for copy in LoaderCopy::ALL {
            assert!(has_loader(&bed.disk, kind, copy, own).unwrap(), "{copy}");
        }
        let others = &new[usize::from(kind == LoaderKind::Uefi)];
        assert!(has_loader(&bed.disk, kind.other(), LoaderCopy::First, others).unwrap());
        assert!(!has_loader(&bed.disk, kind.other(), LoaderCopy::Second, others).unwrap(), "one in a boot");
    }
}

#[test]
fn a_loader_that_hangs_is_given_up_and_the_old_one_stays() {
    for kind in LoaderKind::ALL.into_iter().filter(|_| all()) {
        let _turn = Turn::take();
        let bed = Bed::new();
        let new = reload(&bed.disk, Change::Hangs).unwrap();
        let (mut unit, api) = bed.boot(&name("hangs", kind), kind);
        loader(&api, &json!("the next restart tries the loader of the running firmware"));
        restart(&api);
        for left in [2, 1, 0] {
            let words = format!("starting the second copy of the loader on trial, {left} more tries");
            // The first hang is ended by the machine's own watchdog, the others by a person.
            let within = if left == 1 { RESET_WITHIN } else { BOOT_WITHIN };
            unit.serial().wait_for(&words, within).unwrap();
            assert!(unit.serial().wait_for("evener-loader: version", Duration::from_secs(5)).is_err());
            if left < 2 {
                unit.reset().unwrap();
            }
        }
        unit.serial().wait_for(STARTED_A, BOOT_WITHIN).unwrap();
        bed.serves(&unit);
        api.wait_until_served(BOOT_WITHIN).unwrap();
        let status = loader(&api, &json!("the newer one was given up"));
        let warned =
            status["warnings"].as_array().unwrap().iter().any(|words| words.to_string().contains("given up"));
        assert!(warned && status["loader"]["copy"] == json!("first"), "{status}");
        drop(unit);
        let own = &new[usize::from(kind == LoaderKind::Bios)];
        assert!(
            !has_loader(&bed.disk, kind, LoaderCopy::First, own).unwrap(),
            "the old one was written over"
        );
    }
}

/// A key that a firmware brings reaches the loader with it; from then on firmware may be signed with that key.
#[test]
fn a_new_key_reaches_the_loader_and_starts_firmware() {
    for kind in LoaderKind::ALL.into_iter().filter(|_| all()) {
        let _turn = Turn::take();
        let brings = std::fs::read(TestFirmware::new("0.2.0").brings_a_key().bundle().unwrap()).unwrap();
        let uses =
            std::fs::read(TestFirmware::new("0.3.0").signed_with_that_key().bundle().unwrap()).unwrap();
        let bed = Bed::new();
        let (unit, api) = bed.boot(&name("keys", kind), kind);
        let upload = |file: &[u8]| api.upload("/api/v1/firmware", file, |_| ()).unwrap();
        let refused = upload(&uses);
        assert_eq!((refused.status, &refused.json["code"]), (422, &json!("F05")), "{}", refused.json);
        assert_eq!(upload(&brings).status, 201);
        let come_up = |slot: &str| {
            restart(&api);
            unit.serial().wait_for(&format!("slot {slot} verified, starting"), BOOT_WITHIN).unwrap();
            bed.serves(&unit);
            api.wait_until_served(BOOT_WITHIN).unwrap();
        };
        come_up("B 0.2.0");
        loader(&api, &json!("the next restart tries the loader of the running firmware"));
        let refused = upload(&uses);
        assert_eq!((refused.status, &refused.json["code"]), (422, &json!("F25")), "{}", refused.json);
        come_up("B 0.2.0");
        loader(&api, &json!("is replaced further at the next restart"));
        let taken = upload(&uses);
        assert_eq!(taken.status, 201, "{}", taken.json);
        come_up("A 0.3.0");
        let confirmed = |status: &Value| status["slots"][0]["state"] == json!("confirmed");
        api.wait_for("/api/v1/firmware", PROVED_WITHIN, confirmed).unwrap();
    }
}

/// Where `needle` is in the first EFI system partition, as an offset in it.
fn find(disk: &Path, needle: &[u8]) -> u64 {
    let volume = DiskFile::open(disk).unwrap().peek(Role::EspA, 0, 1 << 20).unwrap();
    let at = volume.windows(needle.len()).position(|window| window == needle).unwrap();
    u64::try_from(at).unwrap()
}

fn poke(disk: &Path, offset: u64, bytes: &[u8]) {
    let start = DiskFile::open(disk).unwrap().start_of(Role::EspA).unwrap();
    let file = OpenOptions::new().write(true).open(disk).unwrap();
    file.write_all_at(bytes, start + offset).unwrap();
}

/// Boots a unit whose first EFI system partition `damage` was done to; it must come up by the second one, and mend the first.
fn is_mended(name: &str, damage: impl FnOnce(&Path)) {
    let _turn = Turn::take();
    let bed = Bed::new();
    let mut volume = DiskFile::open(&bed.disk).unwrap().peek(Role::EspA, 0, 16 << 20).unwrap();
    let file = evener_formats::fat16::extract(&volume, evener_formats::esp::LOADER_PATH).unwrap();
    damage(&bed.disk);
    assert!(!has_loader(&bed.disk, LoaderKind::Uefi, LoaderCopy::First, &file).unwrap());
    let (unit, api) = bed.boot(name, LoaderKind::Uefi);
    let status = loader(&api, &Value::Null);
    assert_eq!(status["loader"]["copy"], json!("second"), "{status}");
    drop(unit);
    volume = DiskFile::open(&bed.disk).unwrap().peek(Role::EspA, 0, 16 << 20).unwrap();
    assert_eq!(evener_formats::fat16::extract(&volume, evener_formats::esp::LOADER_PATH).unwrap(), file);
}

#[test]
fn a_first_partition_with_a_damaged_loader_or_none_is_passed_over_and_mended() {
    if all() {
        is_mended("loader-damaged", |disk| poke(disk, find(disk, b"PE\0\0"), b"no"));
        // The name in its directory; a name that begins like this was deleted.
        is_mended("loader-missing", |disk| poke(disk, find(disk, b"BOOTX64 EFI"), &[0xe5]));
    }
}
