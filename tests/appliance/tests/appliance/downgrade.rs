//! Going back to an older version, through the API of a booted unit: down to its floor, and not below.
//!
//! Every ordered pair of the four versions is tried natively, in the tests of the service; here are the two that the rule
//! is made of, on the booted unit with the loader that has the last word. The versions are the shipped firmware, signed
//! anew with other numbers.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use evener_appliance::{
    Answer, Api, BOOT_WITHIN, Network, PASSWORD, Turn, UNIT, log_path, raw_disk, reissued,
};
use evener_disk::{Role, Slot};
use evener_formats::bundle::manifest_area;
use evener_lab::{DiskFile, Machine, WebServer, config_medium};
use evener_manifest::{Header, SIGNATURE_BYTES, Version, sha256};
use serde_json::{Value, json};

use crate::{ask, wait_until_served, with_table};

const REBOOT_WITHIN: Duration = Duration::from_secs(120);
const FLOOR: &str = "7.2.36";

/// Makes a disk that holds the shipped firmware hold it as this file names it, with its floor.
fn becomes(disk: &Path, file: &[u8], version: Version, floor: Version) {
    let area = &file[manifest_area(file).unwrap()];
    let signed = &area[..Header::parse(area).unwrap().bytes()];
    let digest = sha256(&signed[..signed.len() - SIGNATURE_BYTES]);
    let mut raw = DiskFile::open(disk).unwrap();
    for slot in [Slot::A, Slot::R] {
        raw.poke(Role::Boot(slot), 0, signed).unwrap();
    }
    with_table(disk, |table| {
        table.floor = floor;
        for slot in [Slot::A, Slot::R] {
            let record = table.slot_mut(slot);
            (record.version, record.digest) = (version, digest);
        }
    });
}

/// Sends a firmware file to the unit.
fn put(api: &Api, file: &[u8]) -> Answer {
    api.upload("/api/v1/firmware", file, |_| ()).unwrap()
}

/// The version that runs, and all slots.
fn firmware(api: &Api) -> (String, Value) {
    let status = api.wait_until_served(BOOT_WITHIN).unwrap()["firmware"].clone();
    let slots = status["slots"].as_array().unwrap();
    let running = slots.iter().find(|slot| slot["slot"] == status["running"]);
    (running.unwrap()["version"].as_str().unwrap().to_owned(), status["slots"].clone())
}

/// That the unit will not have the version below its floor, says so, and is as it was.
fn refuses_below_its_floor(api: &Api, file: &[u8]) {
    let before = firmware(api);
    let answer = put(api, file);
    assert_eq!(answer.status, 422, "{}", answer.json);
    assert_eq!(
        (&answer.json["type"], &answer.json["code"]),
        (&json!("below-floor"), &json!("F10")),
        "{}",
        answer.json
    );
    for words in ["7.2.35", FLOOR] {
        assert!(answer.json["detail"].as_str().unwrap().contains(words), "{words}: {}", answer.json);
    }
    assert!(!answer.json["remedy"].as_str().unwrap().is_empty(), "{}", answer.json);
    assert_eq!(firmware(api), before, "a refused file changes nothing");
}

#[test]
fn a_unit_goes_back_to_its_floor_and_not_below() {
    let _turn = Turn::take();
    let folder = tempfile::tempdir().unwrap();
    let network = Network::new().unwrap();
    let _one = WebServer::named(network.servers[0].clone(), 8080, "one").unwrap();
    let below = reissued("7.2.35", "0.0.0").unwrap();
    let allowed = reissued(FLOOR, FLOOR).unwrap();
    let disk = raw_disk(folder.path()).unwrap();
    becomes(&disk, &reissued("7.2.40", FLOOR).unwrap(), Version([7, 2, 40, 0]), Version([7, 2, 36, 0]));
    let medium = config_medium(folder.path(), &Network::first_configuration(1)).unwrap();
    let machine = Machine::new("downgrade", &disk, &log_path("downgrade")).on(&network.switch);
    let unit = machine.medium(&medium).start().unwrap();
    wait_until_served(&unit, &network.client);
    let api = Api::over_lab(Arc::clone(&network.client), UNIT, PASSWORD);

    assert_eq!(firmware(&api).0, "7.2.40");
    refuses_below_its_floor(&api, &below);
    let answer = put(&api, &allowed);
    assert_eq!(
        (answer.status, &answer.json["installed"]["version"]),
        (201, &json!("7.2.36")),
        "{}",
        answer.json
    );
    let answer = api.call("POST", "/api/v1/system/reboot", Some(&json!({}))).unwrap();
    assert_eq!(answer.status, 202, "{}", answer.json);
    unit.serial().wait_for("slot B 7.2.36 verified, starting", REBOOT_WITHIN).unwrap();
    wait_until_served(&unit, &network.client);

    assert_eq!(firmware(&api).0, "7.2.36");
    refuses_below_its_floor(&api, &below);
    assert_eq!(ask(&network.client).unwrap(), "one");
}
