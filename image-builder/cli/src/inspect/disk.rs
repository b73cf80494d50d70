//! A whole disk: partition table, slot table, slots, EFI system partitions.

use anyhow::bail;
use evener_disk::{Blocks, INSTALLER, Partition, PartitionMap, Role, Slot, Source};
use evener_formats::esp::LOADER_PATH;
use evener_formats::fat16::extract;
use evener_manifest::Keyset;
use evener_recipes::{hex, sha256};
use evener_slot_table::{CopyState, Failure, Loaded, SlotRecord, SlotState, load};

use super::firmware::Loaders;
use super::{Report, bios, firmware};

/// Looks at everything on a disk that boots.
///
/// # Errors
/// There is no partition table that can be used.
pub(super) fn disk<B: Blocks>(report: &mut Report, keys: &Keyset<'_>, disk: &mut B) -> anyhow::Result<()> {
    let map = match PartitionMap::read(disk) {
        Ok(map) => map,
        Err(fault) => bail!("{fault}"),
    };
    partition_table(report, &map);
    backup_table(report, &map, disk);
    let loaded = map.window(&mut *disk, Role::SlotTable).map(|mut window| load(&mut window));
    if let Some(loaded) = &loaded {
        slot_table(report, loaded);
    }
    let table = loaded.and_then(|loaded| loaded.table);
    if table.is_none() {
        report.fault("slot table: no valid copy");
    }

    let mut brought = Vec::new();
    for which in Slot::ALL {
        let name = slot_name(which);
        report.line(name.clone());
        let Some(mut boot) = map.window(&mut *disk, Role::Boot(which)) else {
            report.fault(format!("{name}: its boot partition is missing"));
            continue;
        };
        let found = firmware::slot(report, keys, &name, &mut boot);
        match (&found, map.window(&mut *disk, Role::Root(which))) {
            (Some(found), Some(mut root)) => firmware::rootfs(report, &name, found, &mut root),
            (Some(_), None) => report.fault(format!("{name}: its root partition is missing")),
            (None, _) => {}
        }
        let record = table.as_ref().map(|table| *table.slot(which)).unwrap_or_default();
        agree(report, &name, &record, found.as_ref().map(|found| found.digest));
        brought.extend(found.map(|found| (which, found.loaders)));
    }
    for role in [Role::EspA, Role::EspB] {
        report.line(role.to_string());
        esp(report, &map, disk, role, &brought);
    }
    bios::loader(report, &map, disk, &brought);
    report.leave_out(match map.installer() {
        Some(_) => "the files on the installer's partition, which operators put there",
        None => "conf and data, which a unit writes itself",
    });
    report.leave_out("other files on the EFI system partitions, unused sectors");
    Ok(())
}

/// The copy that counts when the primary one is damaged must say the same.
fn backup_table<B: Blocks>(report: &mut Report, map: &PartitionMap, disk: &mut B) {
    match PartitionMap::read_backup(disk) {
        Err(fault) => report.fault(format!("partition table: the backup copy is damaged: {fault}")),
        Ok(backup) => {
            let same = |role| backup.get(role) == map.get(role);
            if backup.disk() != map.disk() || !Role::ALL.into_iter().all(same) {
                report.fault("partition table: the backup copy differs from the primary one");
            }
        }
    }
}

/// What operators call a slot.
fn slot_name(slot: Slot) -> String {
    let rescue = if slot == Slot::R { " (rescue)" } else { "" };
    format!("slot {slot}{rescue}")
}

fn partition_table(report: &mut Report, map: &PartitionMap) {
    let copy = match map.source() {
        Source::Backup => "the backup copy; the primary one is damaged",
        Source::Primary | Source::New => "the primary copy",
    };
    report.line(format!("partition table  {copy}, disk GUID {}", map.disk()));
    if map.source() == Source::Backup {
        report.fault("partition table: the primary copy is damaged");
    }
    let mut place = |name: &str, part: Partition| {
        let (mebibytes, start) = (part.sectors / 2048, part.start.0);
        report.item(name, format!("{mebibytes:>4} MiB at sector {start:<7} PARTUUID {}", part.partuuid));
    };
    let parts = Role::ALL.into_iter().filter_map(|role| Some((role.name(), map.get(role)?)));
    parts.for_each(|(name, part)| place(name, part));
    if let Some(part) = map.installer() {
        place(INSTALLER, part);
        report.line("a stick that installs Evener on another disk");
    }
    // The installer's partition is where a unit has its data.
    let needed = |role: &Role| *role != Role::Data || map.installer().is_none();
    for role in Role::ALL.into_iter().filter(needed).filter(|role| map.get(*role).is_none()) {
        report.fault(format!("partition {role} is missing"));
    }
    if map.foreign() > 0 {
        report.item("others", format!("{} partitions that are not Evener's", map.foreign()));
    }
}

fn slot_table(report: &mut Report, loaded: &Loaded) {
    report.line("slot table");
    for (number, copy) in loaded.copies.iter().enumerate() {
        let state = match copy {
            CopyState::Valid(seq) => format!("seq {seq}, CRC right"),
            CopyState::Invalid(fault) => format!("not valid: {fault}"),
            CopyState::Unreadable => "cannot be read".to_owned(),
        };
        if !matches!(copy, CopyState::Valid(_)) {
            report.fault(format!("slot table: copy {number} {state}"));
        }
        report.item(&format!("copy {number}"), state);
    }
    let Some(table) = &loaded.table else { return };
    report.item("in force", format!("seq {}", table.seq));
    report.item("unit's floor", table.floor);
    report.item("boots without health", table.boots_without_health);
    report.item("next boot", table.next.map_or("as usual".to_owned(), |slot| format!("slot {slot}, once")));
    if table.degraded {
        report.item("degraded", "yes: the record was lost once, the floor may be lower than it was");
    }
    if let Some(Failure { slot, digest, reason }) = table.last_failure {
        report.item("last failure", format!("slot {slot}, {reason:?}, manifest {}", hex(&digest)));
    }
    for slot in Slot::ALL {
        let SlotRecord { state, priority, tries, version, digest } = *table.slot(slot);
        let text = match state {
            SlotState::Empty => state.to_string(),
            _ => format!(
                "{state}, version {version}, priority {priority}, tries {tries}, manifest {}",
                hex(&digest)
            ),
        };
        report.item(&format!("slot {slot}"), text);
    }
}

/// Does the slot hold what the table says?
fn agree(report: &mut Report, name: &str, record: &SlotRecord, found: Option<[u8; 32]>) {
    match (record.state, found) {
        (SlotState::Empty, None) => {}
        (SlotState::Empty, Some(_)) => report.item("table", "says that this slot is empty"),
        (_, Some(digest)) if digest == record.digest => {}
        (_, Some(_)) => {
            report.fault(format!("{name}: the slot table is about another manifest"));
        }
        (state, None) => {
            report.fault(format!("{name}: {state} in the slot table, but nothing here verifies"))
        }
    }
}

/// What is said of a loader's copy, when `from` is the slot whose firmware brings it, if any is known.
pub(super) fn origin(from: Option<Slot>, brought: &[(Slot, Loaders)]) -> String {
    match from {
        Some(slot) => format!("the one that the firmware in slot {slot} brings"),
        None if brought.is_empty() => "no verified firmware to compare with".to_owned(),
        None => "NOT one that a firmware here brings".to_owned(),
    }
}

fn esp<B: Blocks>(
    report: &mut Report,
    map: &PartitionMap,
    disk: &mut B,
    role: Role,
    brought: &[(Slot, Loaders)],
) {
    let volume = map.window(disk, role).and_then(|mut window| {
        let bytes = window.sectors().saturating_mul(512);
        firmware::read(&mut window, 0, bytes)
    });
    let Some(volume) = volume else {
        report.fault(format!("{role}: cannot be read"));
        return;
    };
    match extract(&volume, LOADER_PATH) {
        Ok(bytes) => {
            let is = |loaders: &Loaders| loaders.uefi.is_some_and(|part| part.check(&bytes).is_ok());
            let from = brought.iter().find(|(_, loaders)| is(loaders)).map(|(slot, _)| *slot);
            let state = origin(from, brought);
            report.item("loader", format!("{} bytes, sha256 {}, {state}", bytes.len(), hex(&sha256(&bytes))));
            if from.is_none() && !brought.is_empty() {
                report.fault(format!("{role}: its loader is not one that a firmware here brings"));
            }
        }
        Err(fault) => report.fault(format!("{role}: {fault}")),
    }
}
