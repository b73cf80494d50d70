//! The steps of operations, and looks at what they promise.

use anyhow::{Result, anyhow, ensure};
use evener_disk::{Blocks, Guid, Lba, PartitionMap, Role, SECTOR, Slot, SparseDisk};
use evener_slot_table::{COPIES, SlotRecord, SlotState, SlotTable};
use evener_slots::{Partitions as _, change, copy};

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
