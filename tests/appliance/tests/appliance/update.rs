//! An update of a booted unit and what follows from it: traffic goes on until the restart, the floor rises with the
//! confirmation, the slots that it has passed are refilled, and the way back is the one that the unit says.

use std::sync::Arc;
use std::time::Duration;

use evener_appliance::{Api, BOOT_WITHIN, Network, PASSWORD, Turn, UNIT, reissued};
use evener_lab::{Unit, WebServer};
use serde_json::{Value, json};

use crate::{ask, boot_serving, wait_until_served};

const REBOOT_WITHIN: Duration = Duration::from_secs(150);
/// Five minutes is what a trial may take.
const CONFIRMED_WITHIN: Duration = Duration::from_secs(330);

fn install(api: &Api, version: &str, floor: &str) -> (u16, Value) {
    let file = reissued(version, floor).unwrap();
    let answer = api.upload("/api/v1/firmware", &file, |_| ()).unwrap();
    (answer.status, answer.json)
}

/// Restarts the unit and waits until it serves from this slot.
fn restart(api: &Api, unit: &Unit, network: &Network, expected: &str) {
    let answer = api.call("POST", "/api/v1/system/reboot", Some(&json!({}))).unwrap();
    assert_eq!(answer.status, 202, "{}", answer.json);
    unit.serial().wait_for(expected, REBOOT_WITHIN).unwrap();
    wait_until_served(unit, &network.client);
    api.wait_until_served(BOOT_WITHIN).unwrap();
}

/// Slot letters with version and state, in order.
fn slots(status: &Value) -> Vec<String> {
    let slot =
        |slot: &Value| format!("{} {} {}", slot["slot"], slot["version"], slot["state"]).replace('"', "");
    status["slots"].as_array().unwrap().iter().map(slot).collect()
}

fn happenings(status: &Value) -> Vec<String> {
    let line = |one: &Value| format!("{} {} {}", one["what"], one["slot"], one["version"]).replace('"', "");
    status["history"].as_array().unwrap().iter().map(line).collect()
}

#[test]
fn a_floor_that_rises_refills_what_it_has_passed_and_shows_the_way_back() {
    let _turn = Turn::take();
    let folder = tempfile::tempdir().unwrap();
    let network = Network::new().unwrap();
    let _one = WebServer::named(network.servers[0].clone(), 8080, "one").unwrap();
    let unit = boot_serving("update", folder.path(), &network, 1);
    let api = Api::over_lab(Arc::clone(&network.client), UNIT, PASSWORD);
    api.wait_until_served(BOOT_WITHIN).unwrap();

    let (status, installed) = install(&api, "0.8.0", "0.8.0");
    assert_eq!((status, &installed["installed"]["slot"]), (201, &json!("B")), "{installed}");
    assert_eq!(ask(&network.client).unwrap(), "one");
    restart(&api, &unit, &network, "slot B 0.8.0 verified, starting");
    let all = ["A 0.8.0 confirmed", "B 0.8.0 confirmed", "R 0.8.0 confirmed"];
    let status = api.wait_for("/api/v1/firmware", CONFIRMED_WITHIN, |status| slots(status) == all).unwrap();
    assert_eq!((&status["floor"], &status["next"]), (&json!("0.8.0"), &json!("B")), "{status}");
    let expected = ["refilled R 0.8.0", "refilled A 0.8.0", "confirmed B 0.8.0", "installed B 0.8.0"];
    assert_eq!(happenings(&status), expected, "{status}");
    assert_eq!(ask(&network.client).unwrap(), "one");

    let (status, refused) = install(&api, "0.7.9", "0.0.0");
    assert_eq!((status, &refused["code"]), (422, &json!("F10")), "{refused}");
    let (status, installed) = install(&api, "0.9.0", "0.8.0");
    assert_eq!((status, &installed["installed"]["slot"]), (201, &json!("A")), "{installed}");
    restart(&api, &unit, &network, "slot A 0.9.0 verified, starting");
    let proved = |status: &Value| status["proving"].is_null();
    let status = api.wait_for("/api/v1/firmware", CONFIRMED_WITHIN, proved).unwrap();
    assert_eq!(slots(&status)[0], "A 0.9.0 confirmed", "{status}");
    assert_eq!((&status["restore"]["slot"], &status["restore"]["version"]), (&json!("B"), &json!("0.8.0")));
    let answer = api.call("POST", "/api/v1/firmware/restore", Some(&json!({}))).unwrap();
    assert_eq!((answer.status, &answer.json["next"]), (200, &json!("B")), "{}", answer.json);
    restart(&api, &unit, &network, "slot B 0.8.0 verified, starting");
    let status = api.get("/api/v1/firmware").unwrap();
    assert_eq!(
        (&status["running"], &status["mode"], &status["next"]),
        (&json!("B"), &json!("trial"), &json!("B"))
    );
    assert_eq!(happenings(&status)[0], "restored B 0.8.0", "{status}");
}
