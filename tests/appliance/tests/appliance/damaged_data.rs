//! A data partition that its own kernel refuses: the unit serves all the same, and says what happened.

use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use evener_appliance::{Api, BOOT_WITHIN, Network, PASSWORD, Turn, UNIT, log_path, raw_disk};
use evener_disk::{Role, SECTOR};
use evener_lab::{DiskFile, Machine, Unit, WebServer, config_medium};
use serde_json::json;

use crate::{ask, wait_until_served};

const OFF_WITHIN: Duration = Duration::from_secs(30);
const KIB: u64 = 1024;

/// Waits until the unit serves; gives its warnings, then has it switch itself off.
fn one_life(unit: &Unit, network: &Network) -> String {
    wait_until_served(unit, &network.client);
    assert_eq!(ask(&network.client).unwrap(), "one");
    let api = Api::over_lab(Arc::clone(&network.client), UNIT, PASSWORD);
    let status = api.wait_until_served(BOOT_WITHIN).unwrap();
    let answer = api.call("POST", "/api/v1/system/power-off", Some(&json!({}))).unwrap();
    assert_eq!(answer.status, 202, "{}", answer.json);
    unit.wait_off(OFF_WITHIN).unwrap();
    status["warnings"].to_string()
}

/// Has the host's own tool look at the file system.
fn check(disk: &Path, folder: &Path) {
    let mut file = DiskFile::open(disk).unwrap();
    let sectors = file.map().unwrap().get(Role::Data).unwrap().sectors;
    let bytes = file.peek(Role::Data, 0, usize::try_from(sectors).unwrap() * SECTOR).unwrap();
    let data = folder.join("data.ext4");
    std::fs::write(&data, bytes).unwrap();
    let output = Command::new("/sbin/e2fsck").arg("-fn").arg(&data).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
}

#[test]
fn a_unit_whose_data_is_damaged_serves_with_its_settings_and_says_so() {
    let _turn = Turn::take();
    let folder = tempfile::tempdir().unwrap();
    let network = Network::new().unwrap();
    let _one = WebServer::named(network.servers[0].clone(), 8080, "one").unwrap();
    let disk = raw_disk(folder.path()).unwrap();
    let medium = config_medium(folder.path(), &Network::first_configuration(1)).unwrap();
    let machine = |name: &str| Machine::new(name, &disk, &log_path(name)).on(&network.switch);
    let whole = one_life(&machine("data-whole").medium(&medium).start().unwrap(), &network);
    assert_eq!(whole, "[]");

    // The superblock alone: all else is there to be read, by its backup.
    DiskFile::open(&disk).unwrap().poke(Role::Data, KIB, &[0xa5; 1024]).unwrap();
    let unit = machine("data-superblock").start().unwrap();
    let warnings = one_life(&unit, &network);
    assert!(warnings.contains("The data partition was damaged"), "{warnings}");
    assert!(!warnings.contains(" 0 of its files are back"), "{warnings}");
    assert!(unit.serial().count("the data partition is made anew") > 0);
    check(&disk, folder.path());

    let sound = one_life(&machine("data-mended").start().unwrap(), &network);
    assert_eq!(sound, "[]", "it is mended, not mended again and again");

    // Everything: what is left of the settings is their second copy.
    DiskFile::open(&disk).unwrap().poke(Role::Data, 0, &vec![0x5a; 160 << 20]).unwrap();
    let warnings = one_life(&machine("data-garbage").start().unwrap(), &network);
    assert!(warnings.contains("The data partition was damaged"), "{warnings}");
    assert!(warnings.contains(" 0 of its files are back"), "{warnings}");
    assert!(warnings.contains("from the second copy"), "{warnings}");
    check(&disk, folder.path());
}
