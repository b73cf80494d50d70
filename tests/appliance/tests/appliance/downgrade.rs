//! Going back to an older version, through the API of a booted unit: down to its floor, and not below.
//!
//! Every ordered pair of the four versions is tried natively, in the tests of the service; here are the two that the rule
//! is made of, on the booted unit with the loader that has the last word.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use evener_appliance::{Answer, Api, BOOT_WITHIN, Network, PASSWORD, TestFirmware, Turn, UNIT, log_path};
use evener_lab::{Machine, WebServer, config_medium, overlay};
use serde_json::{Value, json};

use crate::{ask, wait_until_served};

const REBOOT_WITHIN: Duration = Duration::from_secs(120);
const FLOOR: &str = "7.2.36";

/// Sends a firmware file to the unit.
fn put(api: &Api, file: &Path) -> Answer {
    api.upload("/api/v1/firmware", &std::fs::read(file).unwrap(), |_| ()).unwrap()
}

/// The version that runs, and all slots.
fn firmware(api: &Api) -> (String, Value) {
    let status = api.wait_until_served(BOOT_WITHIN).unwrap()["firmware"].clone();
    let slots = status["slots"].as_array().unwrap();
    let running = slots.iter().find(|slot| slot["slot"] == status["running"]);
    (running.unwrap()["version"].as_str().unwrap().to_owned(), status["slots"].clone())
}

/// That the unit will not have the version below its floor, says so, and is as it was.
fn refuses_below_its_floor(api: &Api, file: &Path) {
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
    let below = TestFirmware::new("7.2.35").bundle().unwrap();
    let allowed = TestFirmware::new("7.2.36").floor(FLOOR).bundle().unwrap();
    let disk = folder.path().join("disk.qcow2");
    overlay(&TestFirmware::new("7.2.40").floor(FLOOR).disk().unwrap(), &disk, None).unwrap();
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
