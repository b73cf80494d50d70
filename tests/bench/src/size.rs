//! How much room the firmware takes: on the wire, on the disk, in memory.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, ensure};
use evener_appliance::{Api, Network, PASSWORD, UNIT, fresh_disk, log_path, raw_disk, shipped_image};
use evener_disk::{Role, Slot};
use evener_keys::KeyFolder;
use evener_lab::{DiskFile, Machine, WebServer, config_medium};
use evener_manifest::{AREA_BYTES, Header, Keyset, PartKind, emit_keyset};
use serde_json::{Value, json};

use crate::report::{Report, Row};

/// Memory of the guest whose idle use is measured, in MiB.
const MEMORY_MIB: u32 = 1024;
/// From boot until a unit counts as idle.
const IDLE_AFTER: Duration = Duration::from_secs(120);

/// Measures and reports.
///
/// # Errors
/// When the image is missing or the unit does not come up.
pub fn run() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let mut row = Row::new("size").figure("bundle_bytes", json!(bundle_size()?));
    for (name, bytes) in part_sizes(folder.path())? {
        row = row.figure(name, json!(bytes));
    }
    println!("measuring idle memory takes {} s …", IDLE_AFTER.as_secs());
    row = row.figure("idle_memory_bytes", idle_memory(folder.path())?);
    Report::new("size", vec![row]).publish()
}

/// Bytes of the firmware file that the image was built with: the newest one.
fn bundle_size() -> Result<u64> {
    let image = shipped_image()?;
    let mut newest = None;
    for entry in fs::read_dir(image.parent().context("the image's folder")?)? {
        let entry = entry?;
        if entry.path().extension().is_some_and(|extension| extension == "evfw") {
            let facts = entry.metadata()?;
            newest = newest.max(Some((facts.modified()?, facts.len())));
        }
    }
    newest.map(|(_, size)| size).context("there is no .evfw beside the image")
}

/// Bytes of kernel, rootfs and both loaders as the signed manifest of slot A states them.
fn part_sizes(folder: &Path) -> Result<[(&'static str, u64); 4]> {
    let mut disk = DiskFile::open(&raw_disk(folder)?)?;
    let area = disk.peek(Role::Boot(Slot::A), 0, AREA_BYTES)?;
    let keys: Vec<_> = KeyFolder::of_the_user()
        .context("no home directory")?
        .public_keys()
        .iter()
        .map(|(_, key)| key.entry())
        .collect();
    let keyset = emit_keyset(false, &keys).map_err(|error| anyhow!("keyset: {error}"))?;
    let keyset = Keyset::parse(&keyset).map_err(|error| anyhow!("keyset: {error}"))?;
    let header = Header::parse(&area).map_err(|error| anyhow!("manifest: {error}"))?;
    let manifest = header.verify(&keyset).map_err(|error| anyhow!("manifest: {error}"))?;
    let size = |kind| manifest.part(kind).map(|part| part.size).context("a part is missing");
    Ok([
        ("kernel_bytes", size(PartKind::Kernel)?),
        ("rootfs_bytes", size(PartKind::Rootfs)?),
        ("loader_uefi_bytes", size(PartKind::LoaderUefi)?),
        ("loader_bios_bytes", size(PartKind::LoaderBios)?),
    ])
}

/// Used memory of a configured unit that has nothing to do: total less available, as the unit reports them.
fn idle_memory(folder: &Path) -> Result<Option<Value>> {
    let network = Network::new()?;
    let _server = WebServer::named(Arc::clone(&network.servers[0]), 8080, "one")?;
    let disk = fresh_disk(folder, None)?;
    let medium = config_medium(folder, &Network::first_configuration(1))?;
    let unit = Machine::new("bench-size", &disk, &log_path("bench-size"))
        .memory(MEMORY_MIB)
        .on(&network.switch)
        .medium(&medium)
        .start()?;
    let api = Api::over_lab(Arc::clone(&network.client), UNIT, PASSWORD);
    api.wait_until_served(IDLE_AFTER)?;
    let uptime = api.get("/api/v1/status")?["uptime_ms"].as_u64().context("no uptime in the status")?;
    // What is measured is the passing of time itself.
    std::thread::sleep(IDLE_AFTER.saturating_sub(Duration::from_millis(uptime)));
    ensure!(unit.is_on(), "the unit went off");
    let status = api.get("/api/v1/status")?;
    let memory = &status["memory"];
    let used = memory["total_bytes"].as_u64().zip(memory["available_bytes"].as_u64());
    Ok(used.map(|(total, available)| json!(total.saturating_sub(available))))
}
