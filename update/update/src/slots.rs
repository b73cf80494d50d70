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
        ..FirmwareStatus::default()
    }
}

/// The running firmware has proved its health: at most one record write; `false` when nothing had to change.
pub(crate) fn healthy(run: &Path, running: Slot) -> anyhow::Result<bool> {
    change(&mut open(run, Role::SlotTable, true)?, |table| table.healthy(running))
}

/// The unit stops in order before its health was proved: the boot is not held against the firmware.
pub(crate) fn give_back(run: &Path, running: Slot) -> anyhow::Result<bool> {
    change(&mut open(run, Role::SlotTable, true)?, |table| {
        let before = table.clone();
        table.give_back(running);
        *table != before
    })
}

/// Forgets the boots that were counted against the confirmed firmware. The slot that the next boot starts then;
/// `None` when neither A nor B is confirmed.
pub(crate) fn forgive(run: &Path) -> anyhow::Result<Option<Slot>> {
    let mut next = None;
    change(&mut open(run, Role::SlotTable, true)?, |table| {
        next = table.forgive();
        next.is_some()
    })?;
    Ok(next)
}

fn change<B: Blocks>(partition: &mut B, edit: impl FnOnce(&mut SlotTable) -> bool) -> anyhow::Result<bool> {
    let Some(mut table) = load(partition).table else {
        bail!("no copy of the slot table is valid");
    };
    let changed = edit(&mut table);
    if changed {
        store(partition, &mut table)?;
    }
    Ok(changed)
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
        notes: None,
        below_floor: false,
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

    fn confirmed_a(boots: u8) -> SlotTable {
        let mut table = SlotTable { boots_without_health: boots, ..SlotTable::default() };
        table.slot_mut(Slot::A).state = SlotState::Confirmed;
        table
    }

    #[test]
    fn health_clears_the_count_with_one_write_and_then_none() {
        let mut disk = RamDisk::new(4 * 2048);
        let mut table = confirmed_a(3);
        store(&mut disk, &mut table).unwrap();
        assert!(change(&mut disk, |table| table.healthy(Slot::A)).unwrap());
        let cleared = load(&mut disk).table.unwrap();
        assert_eq!((cleared.boots_without_health, cleared.seq), (0, table.seq + 1));
        assert!(!change(&mut disk, |table| table.healthy(Slot::A)).unwrap());
        assert_eq!(load(&mut disk).table.unwrap().seq, cleared.seq, "a healthy unit writes nothing");
    }

    #[test]
    fn an_orderly_stop_before_health_gives_the_boot_back() {
        let run = tempfile::tempdir().unwrap();
        let path = partition_path(run.path(), Role::SlotTable);
        std::fs::create_dir(path.parent().unwrap()).unwrap();
        std::fs::write(&path, vec![0; 4 << 20]).unwrap();
        let mut partition = FileBlocks::open(&path, true).unwrap();
        store(&mut partition, &mut confirmed_a(1)).unwrap();
        assert!(give_back(run.path(), Slot::A).unwrap());
        assert_eq!(load(&mut partition).table.unwrap().boots_without_health, 0);
        assert!(!give_back(run.path(), Slot::A).unwrap(), "there is nothing left to give back");
    }

    #[test]
    fn a_lost_table_is_not_replaced() {
        let mut disk = RamDisk::new(4 * 2048);
        assert!(change(&mut disk, |table| table.healthy(Slot::A)).is_err());
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
