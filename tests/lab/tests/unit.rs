//! QEMU as the lab starts it, without any of our own software in it.
#![allow(clippy::unwrap_used, clippy::panic, reason = "test crate")]

use std::time::Duration;

use evener_lab::{Forward, Host, HostSetup, Machine, Switch};

const LIMIT: Duration = Duration::from_secs(60);
const PAGES: Forward = Forward { guest: 8443 };

#[test]
fn a_unit_with_an_empty_disk_starts_its_firmware_and_can_be_reset_and_switched_off() {
    let folder = tempfile::tempdir().unwrap();
    let disk = folder.path().join("empty.raw");
    std::fs::File::create(&disk).unwrap().set_len(8 << 20).unwrap();
    let switch = Switch::default();
    let _host = Host::new(&switch, HostSetup { address: [192, 0, 2, 1].into(), prefix: 24, gateway: None });
    let log = folder.path().join("serial.log");
    let machine = Machine::new("empty", &disk, &log).on(&switch).user_network(&[PAGES]).memory(256);
    let mut unit = machine.start().unwrap();
    assert!(unit.forwarded(PAGES).unwrap().port() > 0);
    assert!(unit.forwarded(Forward { guest: 80 }).is_err());
    let first = unit.serial().wait_for("BdsDxe", LIMIT).unwrap();
    assert!(first.at > Duration::ZERO && first.at < LIMIT);
    unit.reset().unwrap();
    unit.serial().wait_for("BdsDxe", LIMIT).unwrap();
    let port = unit.port(0).unwrap();
    switch.unplug(port).unwrap();
    unit.qmp().execute("quit", &serde_json::json!({})).unwrap();
    unit.wait_off(LIMIT).unwrap();
    assert!(std::fs::read_to_string(&log).unwrap().contains("BdsDxe"));
}

#[test]
fn a_unit_without_its_disk_is_an_error_with_qemus_words() {
    let folder = tempfile::tempdir().unwrap();
    let missing = folder.path().join("missing.raw");
    let error = Machine::new("none", &missing, &folder.path().join("log")).start().unwrap_err();
    assert!(format!("{error:#}").contains("missing.raw"), "{error:#}");
}
