//! A machine that offers no randomness: no instruction of the processor, no device, no firmware protocol.

use std::sync::Arc;

use evener_appliance::{Api, BOOT_WITHIN, Network, PASSWORD, Turn, UNIT, fresh_disk, log_path};
use evener_lab::{Machine, config_medium};

/// On a first boot there is no seed of an earlier one either: all of it is the kernel's own timing noise.
#[test]
fn a_machine_without_a_source_of_randomness_becomes_ready_with_no_service_killed() {
    let _turn = Turn::take();
    let folder = tempfile::tempdir().unwrap();
    let network = Network::new().unwrap();
    let disk = fresh_disk(folder.path(), None).unwrap();
    let medium = config_medium(folder.path(), &Network::first_configuration(0)).unwrap();
    let log = log_path("no-randomness");
    let machine = Machine::new("no-randomness", &disk, &log).without_randomness();
    let unit = machine.on(&network.switch).medium(&medium).start().unwrap();
    unit.serial().wait_for("evener: ready in", BOOT_WITHIN).unwrap();
    // TLS with a key made on this boot.
    let api = Api::over_lab(Arc::clone(&network.client), UNIT, PASSWORD);
    api.wait_until_served(BOOT_WITHIN).unwrap();
    let said = std::fs::read_to_string(&log).unwrap();
    assert!(said.contains("random numbers had to be gathered"), "this machine had another source:\n{said}");
    assert!(!said.contains("will be started again"), "a service did not wait in peace:\n{said}");
}
