//! The slots as the disk has them, and the one record that health writes.

use anyhow::{Context as _, bail};
use evener_api::update::{FirmwareStatus, SlotStatus};
use evener_disk::{Blocks, Lba, Role, Slot};
use evener_manifest::{AREA_BYTES, Header, KeyId, Keyset};
use evener_slot_table::{SlotRecord, SlotState, SlotTable, load, store};
use evener_sys::disk::{FileBlocks, partition_path};
use std::path::Path;

/// The keys this firmware trusts, in the verified root file system.
const KEYSET: &str = "/usr/share/evener/keyset";

/// Reads the slot table and every slot's manifest. What cannot be read is said to be unknown, not guessed.
pub(crate) fn read(run: &Path, running: Option<Slot>) -> FirmwareStatus {
    let keyset = std::fs::read(KEYSET).unwrap_or_default();
    let table = open(run, Role::SlotTable, false).map(|mut partition| load(&mut partition).table);
    let table = table.unwrap_or_else(|error| {
        tracing::info!(error = format!("{error:#}"), "no slot table here");
        None
    });
    let slots = Slot::ALL.map(|slot| {
        let area = read_area(run, slot).unwrap_or_default();
        describe(slot, table.as_ref().map(|table| table.slot(slot)), &area, &keyset)
    });
    FirmwareStatus {
        running: running.map_or('?', Slot::letter),
        slots: slots.into(),
        floor: table.as_ref().map_or_else(String::new, |table| table.floor.to_string()),
        boots_without_health: table.as_ref().map_or(0, |table| table.boots_without_health),
        degraded: table.as_ref().is_none_or(|table| table.degraded),
        last_failure: table.as_ref().and_then(failure),
    }
}

/// Sets the count of boots without health to zero, in one record write; `false` when it was zero already.
pub(crate) fn clear_boot_count(run: &Path) -> anyhow::Result<bool> {
    let mut partition = open(run, Role::SlotTable, true)?;
    clear_in(&mut partition)
}

fn clear_in<B: Blocks>(partition: &mut B) -> anyhow::Result<bool> {
    let Some(mut table) = load(partition).table else {
        bail!("no copy of the slot table is valid");
    };
    if table.boots_without_health == 0 {
        return Ok(false);
    }
    table.boots_without_health = 0;
    store(partition, &mut table)?;
    Ok(true)
}

fn open(run: &Path, role: Role, writable: bool) -> anyhow::Result<FileBlocks> {
    let path = partition_path(run, role);
    FileBlocks::open(&path, writable).with_context(|| format!("cannot open {}", path.display()))
}

fn read_area(run: &Path, slot: Slot) -> anyhow::Result<Vec<u8>> {
    let mut area = vec![0; AREA_BYTES];
    open(run, Role::Boot(slot), false)?.read(Lba(0), &mut area)?;
    Ok(area)
}

fn describe(slot: Slot, record: Option<&SlotRecord>, area: &[u8], keyset: &[u8]) -> SlotStatus {
    let verified = Keyset::parse(keyset).and_then(|keys| Header::parse(area)?.verify(&keys)).ok();
    SlotStatus {
        slot: slot.letter(),
        state: record.map_or_else(|| "unknown".into(), |record| record.state.to_string()),
        version: verified.as_ref().map(|verified| verified.version().to_string()),
        signer: verified.as_ref().map(|verified| signer(verified.key().id, verified.key().development)),
        tries: record.filter(|record| record.state == SlotState::Trial).map_or(0, |record| record.tries),
    }
}

fn signer(id: KeyId, development: bool) -> String {
    if development { format!("{id} (development key)") } else { id.to_string() }
}

fn failure(table: &SlotTable) -> Option<String> {
    let failure = table.last_failure?;
    Some(format!("slot {}: {}", failure.slot.letter(), failure.reason))
}

#[cfg(test)]
mod tests {
    use super::*;
    use evener_disk::RamDisk;

    #[test]
    fn health_clears_the_count_with_one_write_and_then_none() {
        let mut disk = RamDisk::new(4 * 2048);
        let mut table = SlotTable { boots_without_health: 3, ..SlotTable::default() };
        store(&mut disk, &mut table).unwrap();
        assert!(clear_in(&mut disk).unwrap());
        let cleared = load(&mut disk).table.unwrap();
        assert_eq!((cleared.boots_without_health, cleared.seq), (0, table.seq + 1));
        assert!(!clear_in(&mut disk).unwrap());
        assert_eq!(load(&mut disk).table.unwrap().seq, cleared.seq, "a healthy unit writes nothing");
    }

    #[test]
    fn a_lost_table_is_not_replaced() {
        let mut disk = RamDisk::new(4 * 2048);
        assert!(clear_in(&mut disk).is_err());
        assert!(disk.bytes().iter().all(|byte| *byte == 0));
    }

    #[test]
    fn without_a_disk_everything_is_unknown() {
        let run = tempfile::tempdir().unwrap();
        let status = read(run.path(), None);
        assert_eq!(status.running, '?');
        assert!(status.slots.iter().all(|slot| slot.state == "unknown" && slot.version.is_none()));
    }
}
