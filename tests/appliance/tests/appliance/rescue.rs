//! Into the rescue slot and out of it again, and what the unit's health does to the count that leads there.

use std::sync::Arc;
use std::time::{Duration, Instant};

use evener_appliance::{Api, BOOT_WITHIN, Network, PASSWORD, Turn, UNIT, log_path, raw_disk};
use evener_disk::Slot;
use evener_lab::{Machine, WebServer, config_medium};
use serde_json::{Value, json};

use crate::{ask, wait_until_served, with_table};

/// Health is a minute without a fault; the rest is for a busy machine.
const HEALTHY_WITHIN: Duration = Duration::from_secs(150);

fn firmware(api: &Api) -> Value {
    api.wait_until_served(BOOT_WITHIN).unwrap()["firmware"].clone()
}

#[test]
fn a_unit_in_rescue_is_led_out_of_it_and_a_healthy_minute_clears_the_count() {
    let _turn = Turn::take();
    let folder = tempfile::tempdir().unwrap();
    let network = Network::new().unwrap();
    let _one = WebServer::named(network.servers[0].clone(), 8080, "one").unwrap();
    let disk = raw_disk(folder.path()).unwrap();
    // As many boots as it takes, each cut off before the minute was over.
    with_table(&disk, |table| table.boots_without_health = 10);
    let medium = config_medium(folder.path(), &Network::first_configuration(1)).unwrap();
    let machine = Machine::new("out-of-rescue", &disk, &log_path("out-of-rescue"));
    let unit = machine.on(&network.switch).medium(&medium).start().unwrap();
    wait_until_served(&unit, &network.client);
    let api = Api::over_lab(Arc::clone(&network.client), UNIT, PASSWORD);
    assert_eq!(firmware(&api)["running"], "R");
    assert_eq!(unit.serial().count("E21 slot A"), 1);

    let answer = api.call("POST", "/api/v1/firmware/start-again", Some(&json!({}))).unwrap();
    assert_eq!((answer.status, &answer.json["next"]), (200, &json!("A")), "{}", answer.json);
    let answer = api.call("POST", "/api/v1/system/reboot", Some(&json!({}))).unwrap();
    assert_eq!(answer.status, 202, "{}", answer.json);
    unit.serial().wait_for("slot A 0.1.0 verified, starting", BOOT_WITHIN).unwrap();
    wait_until_served(&unit, &network.client);
    let status = firmware(&api);
    assert_eq!((&status["running"], &status["boots_without_health"]), (&json!("A"), &json!(1)), "{status}");

    let deadline = Instant::now() + HEALTHY_WITHIN;
    while firmware(&api)["boots_without_health"] != 0 {
        assert!(Instant::now() < deadline, "never healthy: {}", firmware(&api));
        std::thread::sleep(Duration::from_secs(1));
    }
    assert_eq!(ask(&network.client).unwrap(), "one");
    drop(unit);
    let (count, state) = with_table(&disk, |table| (table.boots_without_health, table.slot(Slot::A).state));
    assert_eq!((count, state.to_string().as_str()), (0, "confirmed"), "it is on the disk, not only in words");
}
