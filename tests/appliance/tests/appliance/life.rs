//! A unit's life: reboot, power-off, power button, a larger disk.

use std::sync::Arc;
use std::time::Duration;

use evener_appliance::{Api, BOOT_WITHIN, INIT_STARTED, Network, PASSWORD, Turn, UNIT, fresh_disk, log_path};
use evener_disk::{Role, SECTORS_PER_MIB};
use evener_lab::{DiskFile, Machine, WebServer, config_medium, raw_copy};
use serde_json::json;

use crate::{ask, wait_until_served};

const OFF_WITHIN: Duration = Duration::from_secs(30);

#[test]
fn what_was_configured_outlives_a_reboot_a_power_off_and_the_power_button() {
    let _turn = Turn::take();
    let folder = tempfile::tempdir().unwrap();
    let network = Network::new().unwrap();
    let _one = WebServer::named(network.servers[0].clone(), 8080, "one").unwrap();
    let disk = fresh_disk(folder.path(), Some(1024)).unwrap();
    let medium = config_medium(folder.path(), &Network::first_configuration(0)).unwrap();
    let api = Api::over_lab(Arc::clone(&network.client), UNIT, PASSWORD);
    let machine = |name: &str| Machine::new(name, &disk, &log_path(name)).on(&network.switch);

    let unit = machine("first-life").medium(&medium).start().unwrap();
    unit.serial().wait_for(INIT_STARTED, BOOT_WITHIN).unwrap();
    api.wait_until_served(BOOT_WITHIN).unwrap();
    let id = api.get("/api/v1/vs").unwrap()[0]["id"].as_u64().unwrap();
    let server = json!({ "address": evener_appliance::SERVERS[0], "port": 8080 });
    api.add(&format!("/api/v1/vs/{id}/rs"), &server).unwrap();
    let generation = api.get("/api/v1/status").unwrap()["generation"].as_u64().unwrap();
    wait_until_served(&unit, &network.client);

    let answer = api.call("POST", "/api/v1/system/reboot", Some(&json!({}))).unwrap();
    assert!((200..300).contains(&answer.status), "{} {}", answer.status, answer.json);
    unit.serial().wait_for(INIT_STARTED, BOOT_WITHIN).unwrap();
    wait_until_served(&unit, &network.client);
    assert_eq!(ask(&network.client).unwrap(), "one");

    api.wait_until_served(BOOT_WITHIN).unwrap();
    let answer = api.call("POST", "/api/v1/system/power-off", Some(&json!({}))).unwrap();
    assert!((200..300).contains(&answer.status), "{} {}", answer.status, answer.json);
    unit.wait_off(OFF_WITHIN).unwrap();
    drop(unit);

    let mut unit = machine("second-life").start().unwrap();
    wait_until_served(&unit, &network.client);
    let status = api.wait_until_served(BOOT_WITHIN).unwrap();
    assert_eq!(status["generation"].as_u64(), Some(generation), "{status}");
    assert_eq!(status["warnings"], json!([]), "an orderly life leaves nothing to warn of: {status}");
    unit.press_power().unwrap();
    unit.wait_off(OFF_WITHIN).unwrap();

    let raw = folder.path().join("afterwards.raw");
    raw_copy(&disk, &raw).unwrap();
    let data = DiskFile::open(&raw).unwrap().map().unwrap().get(Role::Data).unwrap();
    let end_mib = (data.start.0 + data.sectors) / SECTORS_PER_MIB;
    assert!((1022..=1024).contains(&end_mib), "data ends at {end_mib} MiB of 1024");
}
