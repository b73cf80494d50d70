//! The steps of operations, and looks at what they promise.

use anyhow::{Result, anyhow, ensure};
use evener_disk::{Blocks, Guid, Lba, PartitionMap, Role, SECTOR, Slot, SparseDisk};
use evener_handoff::{LoaderCopy, LoaderKind};
use evener_plan::LoaderRest;
use evener_slot_table::{COPIES, SlotRecord, SlotState, SlotTable, TRIES};
use evener_slots::{Loaders, Partitions as _, change, copy};

use crate::firmware::{Catalogue, FLOOR, Firmware};
use crate::operations::{GENERATIONS, SECTORS};
use crate::{Unit, settings};

/// A unit as it leaves the builder, after some changes of its settings.
pub(crate) fn shipped(catalogue: &Catalogue) -> Result<SparseDisk> {
    let guid = |role: Role| {
        Guid::from_random([role.name().len().to_le_bytes()[0] ^ role.index().to_le_bytes()[0]; 16])
    };
    let map = PartitionMap::lay_out(SECTORS, Guid([1; 16]), guid).map_err(|fault| anyhow!("{fault}"))?;
    let mut disk = SparseDisk::new(SECTORS);
    map.write(&mut disk).map_err(|fault| anyhow!("{fault}"))?;
    let mut unit = Unit::new(disk, catalogue)?;
    let mut table = SlotTable { floor: FLOOR, ..SlotTable::default() };
    for (slot, firmware, priority) in [(Slot::A, &catalogue.shipped, 3), (Slot::R, &catalogue.oldest, 1)] {
        fill(&mut unit, slot, firmware)?;
        *table.slot_mut(slot) = SlotRecord {
            state: SlotState::Confirmed,
            priority,
            tries: 0,
            version: firmware.version,
            digest: firmware.digest,
        };
    }
    for kind in LoaderKind::ALL {
        for copy in LoaderCopy::ALL {
            unit.put_loader(catalogue.loader(), kind, copy)?;
        }
    }
    for _ in 0..COPIES {
        let mut partition = unit.open(Role::SlotTable, true)?;
        evener_slot_table::store(&mut partition, &mut table)?;
    }
    for _ in 0..GENERATIONS {
        settings::change(&mut unit)?;
    }
    Ok(unit.disk.stopped())
}

/// Puts a firmware into a slot as the builder does.
pub(crate) fn fill(unit: &mut Unit<'_>, slot: Slot, firmware: &Firmware) -> Result<()> {
    let whole = |bytes: &[u8]| {
        let mut padded = bytes.to_vec();
        padded.resize(bytes.len().next_multiple_of(SECTOR), 0);
        padded
    };
    let mut put = |role, at, bytes: &[u8]| {
        let written = unit.open(role, true)?.write(at, &whole(bytes));
        written.map_err(|error| anyhow!("{role}: {error:?}"))
    };
    put(Role::Boot(slot), Lba(0), &firmware.area)?;
    for (kind, bytes) in &firmware.parts {
        let place = kind.place(slot);
        put(place.role, Lba(place.at / SECTOR as u64), bytes)?;
    }
    Ok(())
}

pub(crate) fn boot(unit: &mut Unit<'_>) -> Result<()> {
    unit.boot(None).map(drop)
}

pub(crate) fn install(unit: &mut Unit<'_>, slot: Slot, running: Slot) -> Result<()> {
    let newest = unit.catalogue.newest.clone();
    unit.install(&newest, slot, running)
}

/// One record write; a step that finds nothing to change is a mistake of the sweep.
pub(crate) fn edit(unit: &mut Unit<'_>, edit: impl FnOnce(&mut SlotTable) -> bool) -> Result<()> {
    ensure!(change(unit, edit)?, "there was nothing to change");
    Ok(())
}

/// The same, for changes that do not say whether there was anything to change.
pub(crate) fn set(unit: &mut Unit<'_>, set: impl FnOnce(&mut SlotTable)) -> Result<()> {
    edit(unit, |table| {
        set(table);
        true
    })
}

pub(crate) fn expect(unit: &mut Unit<'_>, holds: impl FnOnce(&SlotTable) -> bool) -> Result<()> {
    let table = unit.table()?;
    ensure!(holds(&table), "the slot table is not as promised");
    Ok(())
}

pub(crate) fn confirm_b(unit: &mut Unit<'_>) -> Result<()> {
    let floor = unit.catalogue.newest.floor;
    edit(unit, |table| table.confirm(Slot::B, floor))
}

/// An update that is through, without a new floor: B runs 7.3.0, A has 7.2.40.
pub(crate) fn update_to_newer(unit: &mut Unit<'_>) -> Result<()> {
    let newer = unit.catalogue.newer.clone();
    unit.install(&newer, Slot::B, Slot::A)?;
    unit.boot(None)?;
    edit(unit, |table| table.confirm(Slot::B, newer.floor))
}

pub(crate) fn on_trial_in(unit: &mut Unit<'_>, slot: Slot) -> Result<()> {
    let newest = unit.catalogue.newest.clone();
    unit.holds(slot, &newest)?;
    expect(unit, |table| {
        table.slot(slot).state == SlotState::Trial && table.slot(slot).digest == newest.digest
    })
}

pub(crate) fn refill(unit: &mut Unit<'_>, to: Slot) -> Result<()> {
    let keys = unit.keys()?;
    copy(unit, Slot::B, to, &keys)?;
    Ok(())
}

pub(crate) fn refilled(unit: &mut Unit<'_>, slot: Slot) -> Result<()> {
    let newest = unit.catalogue.newest.clone();
    unit.holds(slot, &newest)?;
    expect(unit, |table| table.slot(slot).state == SlotState::Confirmed)
}

pub(crate) fn renew(unit: &mut Unit<'_>) -> Result<()> {
    PartitionMap::renew(&mut unit.disk).map(drop).map_err(|fault| anyhow!("{fault}"))
}

/// Both tables are whole and fill a disk of `sectors`.
pub(crate) fn is_renewed(unit: &mut Unit<'_>, sectors: u64) -> Result<()> {
    let fault = |fault| anyhow!("{fault}");
    let backup = PartitionMap::read_backup(&mut unit.disk).map_err(fault)?;
    let map = PartitionMap::read(&mut unit.disk).map_err(fault)?;
    ensure!(map.source() == evener_disk::Source::Primary, "the first table is damaged");
    ensure!(map.get(Role::Data) == backup.get(Role::Data), "the tables differ");
    let grown = map.grown(sectors).map_err(fault)?;
    ensure!(grown.is_none() && unit.disk.sectors() == sectors, "the table does not fill the disk");
    Ok(())
}

/// An update to a firmware whose loader does not work on this machine, confirmed: B runs 7.3.1, A has 7.2.40.
pub(crate) fn update_to_hanging(unit: &mut Unit<'_>) -> Result<()> {
    let hanging = unit.catalogue.hanging.clone();
    unit.install(&hanging, Slot::B, Slot::A)?;
    unit.boot(None)?;
    edit(unit, |table| table.confirm(Slot::B, hanging.floor))
}

/// A boot, its proof of health, and what the updater then does to the loaders. What that came to.
pub(crate) fn healthy_boot(unit: &mut Unit<'_>) -> Result<LoaderRest> {
    let booted = unit.boot(None)?;
    change(unit, |table| table.healthy(booted.slot))?;
    unit.follow_loaders(booted.slot, booted.version)
}

/// The first write of an update of the loader.
pub(crate) fn write_second_loader(unit: &mut Unit<'_>) -> Result<()> {
    let (kind, keys) = (unit.machine()?, unit.keys()?);
    let loaders = Loaders::of(unit, Slot::B, &keys)?;
    Ok(loaders.write(unit, kind, LoaderCopy::Second)?)
}

/// Boots until the new loader was given up.
pub(crate) fn until_given_up(unit: &mut Unit<'_>) -> Result<()> {
    for _ in 0..=TRIES {
        if healthy_boot(unit)? == LoaderRest::GivenUp {
            return Ok(());
        }
    }
    Err(anyhow!("a loader that hangs was not given up"))
}

/// So many copies of the loader for this machine are the newest.
pub(crate) fn own_loaders(unit: &mut Unit<'_>, expected: usize) -> Result<()> {
    let [uefi, bios] = new_loaders(unit)?;
    let found = if unit.machine()? == LoaderKind::Bios { bios } else { uefi };
    ensure!(found == expected, "{found} copies are new, not {expected}");
    Ok(())
}

/// How many copies of each kind are what the newest firmware brings: UEFI, BIOS.
pub(crate) fn new_loaders(unit: &mut Unit<'_>) -> Result<[usize; 2]> {
    let newest = unit.catalogue.newest.version;
    let mut counts = [0; 2];
    for (kind, count) in LoaderKind::ALL.into_iter().zip(&mut counts) {
        for copy in LoaderCopy::ALL {
            let found = unit.copy(kind, copy)?;
            *count += usize::from(found.is_some_and(|loader| loader.version == newest));
        }
    }
    Ok(counts)
}
