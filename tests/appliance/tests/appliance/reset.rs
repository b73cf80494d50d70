//! The factory reset of a booted unit: by the API, and by a key at boot.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use evener_appliance::{Answer, Api, BOOT_WITHIN, Network, PASSWORD, Turn, UNIT, log_path, raw_disk};
use evener_lab::{Machine, Unit, WebServer, config_medium, first_password};
use serde_json::json;

use crate::{wait_until_served, with_table};

const OFF_WITHIN: Duration = Duration::from_secs(30);
const CTRL_F: &[u8] = b"\x06";
/// From the end of a boot to the first password on the console.
const PASSWORD_WITHIN: Duration = Duration::from_secs(120);

/// A disk with a configured unit, switched off.
fn configured(name: &str, folder: &Path, network: &Network) -> std::path::PathBuf {
    let disk = raw_disk(folder).unwrap();
    let medium = config_medium(folder, &Network::first_configuration(1)).unwrap();
    let unit =
        Machine::new(name, &disk, &log_path(name)).on(&network.switch).medium(&medium).start().unwrap();
    wait_until_served(&unit, &network.client);
    let api = Api::over_lab(Arc::clone(&network.client), UNIT, PASSWORD);
    api.wait_until_served(BOOT_WITHIN).unwrap();
    let answer = api.call("POST", "/api/v1/system/power-off", Some(&json!({}))).unwrap();
    assert_eq!(answer.status, 202, "{}", answer.json);
    unit.wait_off(OFF_WITHIN).unwrap();
    disk
}

/// The answer for the services, once the pages are served: nothing else can be asked before the password was changed.
fn first_answer(api: &Api) -> Answer {
    let deadline = Instant::now() + BOOT_WITHIN;
    loop {
        match api.call("GET", "/api/v1/vs", None) {
            Ok(answer) => return answer,
            Err(error) => assert!(Instant::now() < deadline, "{error:#}"),
        }
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// That the unit is as on its first day, but for its firmware.
fn is_new(unit: &Unit, network: &Network) {
    let first = first_password(unit.serial(), PASSWORD_WITHIN).unwrap();
    let with = |password: &str| Api::over_lab(Arc::clone(&network.client), UNIT, password);
    let answer = first_answer(&with(&first));
    assert_eq!(
        (answer.status, &answer.json["type"]),
        (403, &json!("password-change-required")),
        "{}",
        answer.json
    );
    assert_eq!(with(PASSWORD).call("GET", "/api/v1/status", None).unwrap().status, 401);
    let change = json!({ "password": "a new and long password" });
    let answer = with(&first).call("POST", "/api/v1/users/bal/password", Some(&change)).unwrap();
    assert_eq!(answer.status, 204, "{}", answer.json);
    let api = with("a new and long password");
    assert_eq!(api.get("/api/v1/vs").unwrap(), json!([]));
    let status = api.get("/api/v1/status").unwrap();
    assert_eq!(status["warnings"], json!([]), "{status}");
    let history = api.get("/api/v1/history").unwrap().to_string();
    assert!(!history.contains("shop"), "{history}");
}

#[test]
fn a_reset_by_the_api_leaves_the_firmware_and_nothing_else() {
    let _turn = Turn::take();
    let folder = tempfile::tempdir().unwrap();
    let network = Network::new().unwrap();
    let _one = WebServer::named(network.servers[0].clone(), 8080, "one").unwrap();
    let disk = configured("reset-before", folder.path(), &network);
    let before = with_table(&disk, |table| (table.floor, table.slots));
    let unit = Machine::new("reset", &disk, &log_path("reset")).on(&network.switch).start().unwrap();
    wait_until_served(&unit, &network.client);
    let api = Api::over_lab(Arc::clone(&network.client), UNIT, PASSWORD);
    api.wait_until_served(BOOT_WITHIN).unwrap();

    let answer =
        api.call("POST", "/api/v1/system/factory-reset", Some(&json!({ "confirm": "yes" }))).unwrap();
    assert!((400..500).contains(&answer.status), "{} {}", answer.status, answer.json);
    let confirm = json!({ "confirm": "factory reset" });
    let answer = api.call("POST", "/api/v1/system/factory-reset", Some(&confirm)).unwrap();
    assert_eq!(answer.status, 202, "{}", answer.json);
    unit.serial().wait_for("factory reset: erasing all settings", OFF_WITHIN).unwrap();
    unit.serial().wait_for("verified, starting", BOOT_WITHIN).unwrap();
    is_new(&unit, &network);
    drop(unit);
    let after = with_table(&disk, |table| (table.floor, table.slots));
    assert_eq!(after, before, "firmware and floor are as they were");
}

#[test]
fn a_reset_by_a_key_at_boot_must_be_typed_out() {
    let _turn = Turn::take();
    let folder = tempfile::tempdir().unwrap();
    let network = Network::new().unwrap();
    let _one = WebServer::named(network.servers[0].clone(), 8080, "one").unwrap();
    let disk = configured("reset-key-before", folder.path(), &network);
    let machine = Machine::new("reset-key", &disk, &log_path("reset-key")).on(&network.switch);
    let mut unit = machine.start().unwrap();
    let ask_for_it = |unit: &Unit, answer: &[u8]| {
        let held = unit.keyboard().holds(CTRL_F, Duration::from_millis(40)).unwrap();
        unit.serial().wait_for("to erase them type yes", BOOT_WITHIN).unwrap();
        drop(held);
        unit.keyboard().types(answer).unwrap();
    };
    ask_for_it(&unit, b"no\r");
    unit.serial().wait_for("not confirmed: nothing is erased", BOOT_WITHIN).unwrap();
    wait_until_served(&unit, &network.client);

    unit.reset().unwrap();
    ask_for_it(&unit, b"yes\r");
    unit.serial().wait_for("factory reset asked for at the console", BOOT_WITHIN).unwrap();
    unit.serial().wait_for("slot A 0.1.0 verified, starting", BOOT_WITHIN).unwrap();
    unit.serial().wait_for("factory reset: all settings are erased", BOOT_WITHIN).unwrap();
    is_new(&unit, &network);
}
