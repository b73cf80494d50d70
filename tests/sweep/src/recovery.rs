//! What a unit does after the power came back, and what must be true of it.

use anyhow::{Context, Result, ensure};
use evener_disk::{PartitionMap, Role, Slot, SparseDisk};
use evener_manifest::{Version, permits};
use evener_plan::LoaderRest;
use evener_slot_table::SlotState;
use evener_slots::{change, copy};

use crate::acts::{healthy_boot, new_loaders};
use crate::firmware::Catalogue;
use crate::{Unit, settings};

/// Boots within which a repeated update is through: two tries may have been lost to cuts.
const BOOTS: usize = 6;

/// What is known of a unit before something is done to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Known {
    /// Its floor.
    pub floor: Version,
    /// The generation of its settings.
    pub generation: u64,
    /// Another one that it may come back with.
    pub or_generation: Option<u64>,
    /// Sectors of `data`.
    pub data: u64,
}

impl Known {
    /// Looks at a unit.
    ///
    /// # Errors
    /// When it has no slot table or cannot read its settings.
    pub fn of(unit: &mut Unit<'_>) -> Result<Self> {
        let floor = unit.table()?.floor;
        let generation = settings::generation(unit)?;
        let data = unit.range(Role::Data)?;
        Ok(Self { floor, generation, or_generation: None, data: data.end.saturating_sub(data.start) })
    }
}

/// Whether a unit with this disk boots a verified firmware at or above its floor, whether that floor is still what it was
/// `before` or higher, and whether it has its settings.
///
/// # Errors
/// What is wrong, in words.
pub fn survives(disk: &SparseDisk, catalogue: &Catalogue, before: &Known) -> Result<Known> {
    let mut unit = Unit::new(disk.clone(), catalogue)?;
    let now = Known::of(&mut unit)?;
    ensure!(permits(now.floor, before.floor), "the floor fell from {} to {}", before.floor, now.floor);
    let follows = (before.generation..=before.generation.saturating_add(1)).contains(&now.generation);
    ensure!(
        follows || before.or_generation == Some(now.generation),
        "generation {} after {}",
        now.generation,
        before.generation
    );
    ensure!(now.data >= before.data, "data shrank from {} to {} sectors", before.data, now.data);
    let booted = unit.boot(None)?;
    ensure!(
        permits(booted.version, now.floor),
        "{} was started below the floor {}",
        booted.version,
        now.floor
    );
    Ok(now)
}

/// What happens after the power came back: the unit boots, init makes the partition table fill the disk and finishes a
/// factory reset, the operator changes the settings and repeats the update, to the newest firmware, until it is through.
///
/// # Errors
/// What went wrong.
pub fn recover(unit: &mut Unit<'_>) -> Result<()> {
    let (_, _) = PartitionMap::renew(&mut unit.disk)
        .map_err(|fault| anyhow::anyhow!("the partition table cannot be renewed: {fault}"))?;
    if settings::is_reset(unit)? {
        settings::reset(unit)?;
    }
    settings::change(unit)?;
    finish_update(unit)
}

/// Updates the unit to the newest firmware: installs it unless that was done, boots it, confirms it, and has the other
/// slots follow the floor, and the loaders the firmware. The plan of the shipped service in short, over the same functions.
///
/// # Errors
/// What went wrong.
pub fn finish_update(unit: &mut Unit<'_>) -> Result<()> {
    let newest = unit.catalogue.newest.clone();
    for _ in 0..BOOTS {
        let running = unit.boot(None)?.slot;
        let table = unit.table()?;
        let record = *table.slot(running);
        if record.digest == newest.digest && running != Slot::R {
            let floor = newest.floor;
            match record.state {
                SlotState::Trial => change(unit, |table| table.confirm(running, floor))?,
                _ => change(unit, |table| table.healthy(running))?,
            };
            follow(unit, running)?;
            return follow_loaders(unit, running);
        }
        change(unit, |table| table.healthy(running))?;
        let table = unit.table()?;
        let waiting = [Slot::A, Slot::B].into_iter().any(|slot| {
            let record = table.slot(slot);
            record.digest == newest.digest && record.state == SlotState::Trial && record.tries > 0
        });
        if !waiting {
            let slot = target(unit, running)?;
            unit.install(&newest, slot, running).context("the repeated update")?;
        }
    }
    anyhow::bail!("the update was not through after {BOOTS} boots")
}

/// Has the loaders follow the firmware in `running`, which is healthy, and restarts the unit until they have.
fn follow_loaders(unit: &mut Unit<'_>, running: Slot) -> Result<()> {
    let newest = unit.catalogue.newest.version;
    let mut rests = vec![unit.follow_loaders(running, newest).context("the loaders")?];
    for _ in 0..BOOTS {
        if rests.last() == Some(&LoaderRest::UpToDate) {
            return Ok(());
        }
        rests.push(healthy_boot(unit).context("the loaders")?);
    }
    anyhow::bail!("the loaders were not through after {BOOTS} boots: {rests:?}, {:?}", unit.table()?.loader)
}

/// The slot to install into: not the running one, and in rescue the second choice.
fn target(unit: &mut Unit<'_>, running: Slot) -> Result<Slot> {
    let table = unit.table()?;
    Ok(match running {
        Slot::A => Slot::B,
        Slot::B => Slot::A,
        Slot::R if table.slot(Slot::A).priority > table.slot(Slot::B).priority => Slot::B,
        Slot::R => Slot::A,
    })
}

/// Refills what the floor has passed, or what is empty, from the running firmware.
fn follow(unit: &mut Unit<'_>, running: Slot) -> Result<()> {
    let keys = unit.keys()?;
    for slot in Slot::ALL.into_iter().filter(|slot| *slot != running) {
        let table = unit.table()?;
        let record = table.slot(slot);
        let stays = record.state == SlotState::Confirmed && permits(record.version, table.floor);
        if !stays {
            copy(unit, running, slot, &keys).with_context(|| format!("refilling slot {slot}"))?;
        }
    }
    Ok(())
}

/// Whether the update is through: the newest firmware runs, confirmed, every slot holds it, and every copy of the loaders
/// is the one that it brings.
///
/// # Errors
/// What is not as it should be.
pub fn is_through(unit: &mut Unit<'_>) -> Result<()> {
    let newest = unit.catalogue.newest.clone();
    let booted = unit.boot(None)?;
    ensure!(booted.version == newest.version, "{} runs, not {}", booted.version, newest.version);
    let table = unit.table()?;
    ensure!(table.floor == newest.floor, "the floor is {}, not {}", table.floor, newest.floor);
    for slot in Slot::ALL {
        ensure!(table.slot(slot).state == SlotState::Confirmed, "slot {slot} is {}", table.slot(slot).state);
        unit.holds(slot, &newest)?;
    }
    ensure!(new_loaders(unit)? == [2, 2], "a copy of a loader is not the newest");
    Ok(())
}
