//! Everything that writes to a unit's disk, one operation at a time: where it starts, what it does, what it promises.

use anyhow::{Result, anyhow, ensure};
use evener_disk::{Blocks, Guid, Lba, PartitionMap, Role, SECTOR, SECTORS_PER_MIB, Slot, SparseDisk};
use evener_manifest::KERNEL_AT;
use evener_slot_choice::Asked;
use evener_slot_table::{COPIES, FailureReason, SlotRecord, SlotState, SlotTable};
use evener_slots::{Partitions as _, change, copy, discard, restore};

use crate::firmware::{Catalogue, FLOOR, Firmware};
use crate::{Unit, recovery, settings};

/// Size of the units' disks in sectors: as small as the layout allows.
const SECTORS: u64 = 288 * SECTORS_PER_MIB;
/// What one is enlarged to.
const ENLARGED: u64 = 300 * SECTORS_PER_MIB;
/// Generations of the settings that a unit starts with: more than `conf` holds.
pub(crate) const GENERATIONS: u64 = 5;

/// A step of an operation, or a look at its result.
type Act = fn(&mut Unit<'_>) -> Result<()>;

/// Something that writes to the disk.
#[derive(Clone, Debug)]
pub struct Operation {
    /// What, in words.
    pub name: &'static str,
    /// The disk before.
    pub start: SparseDisk,
    /// What is done.
    pub act: Act,
    /// What holds once that returned, whatever happens to the power from then on.
    pub promise: Act,
    /// Whether what it says is true even if the disk does not keep a write that it acknowledged: it reads back.
    pub reads_back: bool,
    /// A generation of the settings that a unit may come back with besides its own and the next.
    pub or_generation: Option<u64>,
    /// The slot that it reads from, whose every damage it must notice before it writes anything.
    pub source: Option<Slot>,
}

/// All operations.
///
/// # Errors
/// When a disk to start with cannot be made.
pub fn all(catalogue: &Catalogue) -> Result<Vec<Operation>> {
    let shipped = shipped(catalogue)?;
    let from = |disk: &SparseDisk, acts: &[Act]| -> Result<SparseDisk> {
        let mut unit = Unit::new(disk.clone(), catalogue)?;
        acts.iter().try_for_each(|act| act(&mut unit))?;
        Ok(unit.disk.stopped())
    };
    let on_trial = from(&shipped, &[|unit| install(unit, Slot::B, Slot::A)])?;
    let tried = from(&on_trial, &[boots])?;
    let confirmed = from(&tried, &[confirm_b])?;
    let updated = from(&shipped, &[update_to_newer])?;
    let failing = from(&updated, &[|unit| set(unit, |table| table.boots_without_health = 5)])?;
    let bad = from(&shipped, &[|unit| set(unit, |table| table.slot_mut(Slot::A).state = SlotState::Bad)])?;
    let marked = from(&shipped, &[settings::order])?;
    let mut enlarged = shipped.clone();
    enlarged.enlarge(ENLARGED);
    let mut damaged = shipped.clone();
    damaged.flip(SECTOR as u64 + 60);

    let step = |name, start: &SparseDisk, act: Act, promise: Act| Operation {
        name,
        start: start.clone(),
        act,
        promise,
        reads_back: true,
        or_generation: None,
        source: None,
    };
    Ok(vec![
        step("boot", &shipped, boots, |unit| expect(unit, |table| table.boots_without_health == 1)),
        step("boot of a firmware on trial", &on_trial, boots, |unit| {
            expect(unit, |table| table.slot(Slot::B).tries == 2)
        }),
        step("boot after five without health", &failing, boots, |unit| {
            expect(unit, |table| table.last_failure.is_some() && table.boots_without_health == 6)
        }),
        step(
            "boot of rescue by a key",
            &shipped,
            |unit| unit.boot(Some(Asked::Rescue)).map(drop),
            |_| Ok(()),
        ),
        step(
            "install into an empty slot",
            &shipped,
            |unit| install(unit, Slot::B, Slot::A),
            |unit| on_trial_in(unit, Slot::B),
        ),
        step(
            "install over a confirmed slot",
            &updated,
            |unit| install(unit, Slot::A, Slot::B),
            |unit| on_trial_in(unit, Slot::A),
        ),
        step(
            "install over a trial",
            &on_trial,
            |unit| install(unit, Slot::B, Slot::A),
            |unit| on_trial_in(unit, Slot::B),
        ),
        step(
            "install from rescue",
            &bad,
            |unit| install(unit, Slot::B, Slot::R),
            |unit| on_trial_in(unit, Slot::B),
        ),
        step(
            "health",
            &failing,
            |unit| edit(unit, |table| table.healthy(Slot::B)),
            |unit| expect(unit, |table| table.boots_without_health == 0),
        ),
        step("confirm, and the floor rises", &tried, confirm_b, |unit| {
            let floor = unit.catalogue.newest.floor;
            expect(unit, |table| table.slot(Slot::B).state == SlotState::Confirmed && table.floor == floor)
        }),
        Operation {
            source: Some(Slot::B),
            ..step(
                "refill the slot that the floor has passed",
                &confirmed,
                |unit| refill(unit, Slot::A),
                |unit| refilled(unit, Slot::A),
            )
        },
        Operation {
            source: Some(Slot::B),
            ..step("refresh rescue", &confirmed, |unit| refill(unit, Slot::R), |unit| refilled(unit, Slot::R))
        },
        Operation {
            source: Some(Slot::A),
            ..step(
                "restore the previous firmware",
                &updated,
                |unit| Ok(restore(unit, Slot::A, &unit.keys()?).map(drop)?),
                |unit| expect(unit, |table| table.slot(Slot::A).state == SlotState::Trial),
            )
        },
        step(
            "discard an installation",
            &on_trial,
            |unit| Ok(discard(unit, Slot::B).map(drop)?),
            |unit| expect(unit, |table| table.slot(Slot::B).state == SlotState::Empty),
        ),
        step(
            "give a trial up",
            &tried,
            |unit| set(unit, |table| table.give_up(Slot::B, FailureReason::HealthCheck)),
            |unit| expect(unit, |table| table.slot(Slot::B).state == SlotState::Bad),
        ),
        step(
            "give a try back",
            &tried,
            |unit| set(unit, |table| table.give_back(Slot::B)),
            |unit| expect(unit, |table| table.slot(Slot::B).tries == 3),
        ),
        step(
            "ask for rescue",
            &shipped,
            |unit| edit(unit, |table| table.request(Slot::R)),
            |unit| expect(unit, |table| table.next == Some(Slot::R)),
        ),
        Operation {
            reads_back: false,
            ..step("grow the partition table", &enlarged, renew, |unit| is_renewed(unit, ENLARGED))
        },
        Operation {
            reads_back: false,
            ..step("mend the partition table", &damaged, renew, |unit| is_renewed(unit, SECTORS))
        },
        Operation {
            reads_back: false,
            ..step("change the settings", &shipped, settings::change, |unit| {
                let generation = settings::generation(unit)?;
                ensure!(generation == GENERATIONS + 1, "generation {generation}");
                Ok(())
            })
        },
        Operation {
            or_generation: Some(0),
            ..step("order a factory reset", &shipped, settings::order, |unit| {
                ensure!(settings::is_reset(unit)?, "it is not ordered");
                Ok(())
            })
        },
        step("carry a factory reset out", &marked, settings::reset, |unit| {
            ensure!(settings::generation(unit)? == 0, "settings came back");
            Ok(())
        }),
        step("a whole update", &shipped, recovery::finish_update, recovery::is_through),
    ])
}

/// A unit as it leaves the builder, after some changes of its settings.
fn shipped(catalogue: &Catalogue) -> Result<SparseDisk> {
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
    put(Role::Boot(slot), Lba(KERNEL_AT / SECTOR as u64), &firmware.kernel)?;
    put(Role::Root(slot), Lba(0), &firmware.rootfs)
}

fn boots(unit: &mut Unit<'_>) -> Result<()> {
    unit.boot(None).map(drop)
}

fn install(unit: &mut Unit<'_>, slot: Slot, running: Slot) -> Result<()> {
    let newest = unit.catalogue.newest.clone();
    unit.install(&newest, slot, running)
}

/// One record write; a step that finds nothing to change is a mistake of the sweep.
fn edit(unit: &mut Unit<'_>, edit: impl FnOnce(&mut SlotTable) -> bool) -> Result<()> {
    ensure!(change(unit, edit)?, "there was nothing to change");
    Ok(())
}

/// The same, for changes that do not say whether there was anything to change.
fn set(unit: &mut Unit<'_>, set: impl FnOnce(&mut SlotTable)) -> Result<()> {
    edit(unit, |table| {
        set(table);
        true
    })
}

fn expect(unit: &mut Unit<'_>, holds: impl FnOnce(&SlotTable) -> bool) -> Result<()> {
    let table = unit.table()?;
    ensure!(holds(&table), "the slot table is not as promised: {table:?}");
    Ok(())
}

fn confirm_b(unit: &mut Unit<'_>) -> Result<()> {
    let floor = unit.catalogue.newest.floor;
    edit(unit, |table| table.confirm(Slot::B, floor))
}

/// An update that is through, without a new floor: B runs 7.3.0, A has 7.2.40.
fn update_to_newer(unit: &mut Unit<'_>) -> Result<()> {
    let newer = unit.catalogue.newer.clone();
    unit.install(&newer, Slot::B, Slot::A)?;
    unit.boot(None)?;
    edit(unit, |table| table.confirm(Slot::B, newer.floor))
}

fn on_trial_in(unit: &mut Unit<'_>, slot: Slot) -> Result<()> {
    let newest = unit.catalogue.newest.clone();
    unit.holds(slot, &newest)?;
    expect(unit, |table| {
        table.slot(slot).state == SlotState::Trial && table.slot(slot).digest == newest.digest
    })
}

fn refill(unit: &mut Unit<'_>, to: Slot) -> Result<()> {
    let keys = unit.keys()?;
    copy(unit, Slot::B, to, &keys)?;
    Ok(())
}

fn refilled(unit: &mut Unit<'_>, slot: Slot) -> Result<()> {
    let newest = unit.catalogue.newest.clone();
    unit.holds(slot, &newest)?;
    expect(unit, |table| table.slot(slot).state == SlotState::Confirmed)
}

fn renew(unit: &mut Unit<'_>) -> Result<()> {
    PartitionMap::renew(&mut unit.disk).map(drop).map_err(|fault| anyhow!("{fault}"))
}

/// Both tables are whole and fill a disk of `sectors`.
fn is_renewed(unit: &mut Unit<'_>, sectors: u64) -> Result<()> {
    let fault = |fault| anyhow!("{fault}");
    let backup = PartitionMap::read_backup(&mut unit.disk).map_err(fault)?;
    let map = PartitionMap::read(&mut unit.disk).map_err(fault)?;
    ensure!(map.source() == evener_disk::Source::Primary, "the first table is damaged");
    ensure!(map.get(Role::Data) == backup.get(Role::Data), "the tables differ");
    let grown = map.grown(sectors).map_err(fault)?;
    ensure!(grown.is_none() && unit.disk.sectors() == sectors, "the table does not fill the disk");
    Ok(())
}
