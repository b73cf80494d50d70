//! An update: how long it takes to install, what it takes in memory, and what was proved about it.
//!
//! Time and memory are measured on a booted unit whose firmware is the shipped one with a test's hand inside it, which
//! can say what a service's memory was at most. The rest are figures of the last [proof](crate::proof), and absent when
//! what they are about has changed since.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use evener_appliance::{Api, BOOT_WITHIN, Hand, Network, PASSWORD, Sickness, TestFirmware, UNIT, log_path};
use evener_disk::Role;
use evener_lab::{DiskFile, Machine, Unit, WebServer, config_medium, raw_copy};
use evener_slot_table::load;
use serde_json::{Value, json};

use crate::proof::figure;
use crate::report::{Report, Row};

/// The unit's version and the one that it is updated to.
const VERSIONS: [&str; 2] = ["0.1.0", "0.2.0"];
/// Health is a minute without a fault, within five.
const HEALTHY_WITHIN: Duration = Duration::from_secs(300);
const OFF_WITHIN: Duration = Duration::from_secs(60);
/// What the row takes from proofs: of which, and its name there and here.
const PROVED: [(&str, &str); 6] = [
    ("sweep", "cut_cases"),
    ("sweep", "cut_failures"),
    ("mutants", "mutants_caught"),
    ("mutants", "mutants"),
    ("kills", "qemu_kills"),
    ("kills", "qemu_losses"),
];

/// Measures and reports.
///
/// # Errors
/// When the image is missing, or the unit does not do what it should.
pub fn run() -> Result<()> {
    let folder = tempfile::tempdir()?;
    println!("measuring an update, and the boots after it, takes four minutes …");
    let mut row = Row::new("update");
    for (item, name) in PROVED {
        row = row.figure(name, figure(item, name));
    }
    let measured = measure(folder.path())?;
    let row = row
        .figure("seconds_install", json!(measured.seconds))
        .figure("peak_memory_bytes", json!(measured.memory))
        .figure("record_writes_per_boot", json!(measured.writes));
    Report::new("update", vec![row]).publish()
}

/// What one unit showed.
#[derive(Clone, Copy, Debug)]
struct Measured {
    /// From the first byte of the request until the answer that it is installed.
    seconds: f64,
    /// Most memory of `update` that was in use at a time, in bytes.
    memory: u64,
    /// Most records that were written from one power-on to the next.
    writes: u64,
}

fn measure(folder: &Path) -> Result<Measured> {
    let disk = folder.join("disk.raw");
    raw_copy(&TestFirmware::new(VERSIONS[0]).sickness(Sickness::Hand).disk()?, &disk)?;
    let file = std::fs::read(TestFirmware::new(VERSIONS[1]).bundle()?)?;
    let network = Network::new()?;
    let _server = WebServer::named(Arc::clone(&network.servers[0]), 8080, "one")?;
    let api = Api::over_lab(Arc::clone(&network.client), UNIT, PASSWORD);
    let medium = config_medium(folder, &Network::first_configuration(1))?;
    let machine = Machine::new("bench-update", &disk, &log_path("bench-update")).on(&network.switch);

    let unit = machine.clone().medium(&medium).start()?;
    api.wait_until_served(BOOT_WITHIN)?;
    let begun = Instant::now();
    let answer = api.upload("/api/v1/firmware", &file, |_| ())?;
    let seconds = (begun.elapsed().as_secs_f64() * 1000.0).round() / 1000.0;
    ensure!(answer.status == 201, "PUT /api/v1/firmware: {} {}", answer.status, answer.json);
    let memory = peak(&Hand::new(Arc::clone(&network.client), UNIT).tell("memory update")?)?;
    off(&api, unit)?;

    let mut writes = 0;
    let mut before = records(&disk)?;
    // The boot on trial ends with the confirmation, the one after it with the count cleared.
    for _ in 0..2 {
        let unit = machine.start()?;
        api.wait_until_served(BOOT_WITHIN)?;
        api.wait_for("/api/v1/status", HEALTHY_WITHIN, |status| healthy(&status["firmware"]))?;
        off(&api, unit)?;
        let after = records(&disk)?;
        writes = writes.max(after.saturating_sub(before));
        before = after;
    }
    Ok(Measured { seconds, memory, writes })
}

/// Whether the second version runs and has proved itself.
fn healthy(firmware: &Value) -> bool {
    let running =
        firmware["slots"].as_array().into_iter().flatten().find(|slot| slot["slot"] == firmware["running"]);
    running.is_some_and(|slot| slot["state"] == "confirmed" && slot["version"] == VERSIONS[1])
        && firmware["boots_without_health"] == 0
}

fn off(api: &Api, unit: Unit) -> Result<()> {
    let answer = api.call("POST", "/api/v1/system/power-off", Some(&json!({})))?;
    ensure!(answer.status == 202, "power-off: {} {}", answer.status, answer.json);
    unit.wait_off(OFF_WITHIN)?;
    drop(unit);
    Ok(())
}

/// How many records were ever written: each has the next number.
fn records(disk: &Path) -> Result<u64> {
    let mut disk = DiskFile::open(disk)?;
    let map = disk.map()?;
    let mut partition = map.window(&mut disk, Role::SlotTable).context("there is no slot table")?;
    Ok(load(&mut partition).table.context("no slot record is valid")?.seq)
}

/// The bytes in `VmHWM=5632 kB VmRSS=5120 kB`.
fn peak(memory: &str) -> Result<u64> {
    let number = memory.strip_prefix("VmHWM=").and_then(|rest| rest.split(' ').next());
    let kib: u64 = number.with_context(|| memory.to_owned())?.parse().context("VmHWM")?;
    Ok(kib * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_peak_that_the_unit_tells() {
        assert_eq!(peak("VmHWM=5632 kB VmRSS=5120 kB").unwrap(), 5632 * 1024);
        assert!(peak("VmHWM= VmRSS=").is_err());
        assert!(peak("error").is_err());
    }

    #[test]
    fn healthy_is_the_new_firmware_once_it_is_confirmed() {
        let status = |running: &str, state: &str, boots: u32| {
            json!({ "running": running, "boots_without_health": boots,
                "slots": [{ "slot": "A", "state": "confirmed", "version": "0.1.0" },
                          { "slot": "B", "state": state, "version": "0.2.0" }] })
        };
        assert!(healthy(&status("B", "confirmed", 0)));
        assert!(!healthy(&status("B", "trial", 0)));
        assert!(!healthy(&status("B", "confirmed", 1)));
        assert!(!healthy(&status("A", "confirmed", 0)));
    }
}
