//! Everything that writes to a unit's disk, one operation at a time: where it starts, what it does, what it promises.

use anyhow::{Result, ensure};
use evener_disk::{SECTOR, SECTORS_PER_MIB, Slot, SparseDisk};
use evener_manifest::PartKind;
use evener_slot_choice::Asked;
use evener_slot_table::{FailureReason, SlotState, TRIES};
use evener_slots::{discard, restore};

use crate::acts::{
    boot, confirm_b, edit, expect, healthy_boot, install, is_renewed, on_trial_in, own_loaders, refill,
    refilled, renew, set, shipped, until_given_up, update_to_hanging, update_to_newer, write_second_loader,
};
use crate::firmware::Catalogue;
use crate::loaders::into_bios_machine;
use crate::{Unit, recovery, settings};

/// Size of the units' disks in sectors: as small as the layout allows.
pub(crate) const SECTORS: u64 = 288 * SECTORS_PER_MIB;
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
    /// The slot that it reads from, and what of it: it must notice every damage to that before it writes anything.
    pub source: Option<(Slot, &'static [PartKind])>,
}

/// All operations.
///
/// # Errors
/// When a disk to start with cannot be made.
pub fn all(catalogue: &Catalogue) -> Result<Vec<Operation>> {
    let starts = Starts::make(catalogue)?;
    let groups = [
        boots(&starts),
        installs(&starts),
        records(&starts),
        copies(&starts),
        others(&starts),
        loaders(&starts),
    ];
    Ok(groups.into_iter().flatten().collect())
}

/// The disks that operations start with.
struct Starts {
    /// As it leaves the builder: A runs 7.2.40.
    shipped: SparseDisk,
    /// The newest firmware in B, not started yet.
    on_trial: SparseDisk,
    /// Started once.
    tried: SparseDisk,
    /// Confirmed; A and R are below the floor now.
    confirmed: SparseDisk,
    /// B runs 7.3.0, confirmed, and A has 7.2.40.
    updated: SparseDisk,
    /// The same, and five boots of B came to nothing.
    failing: SparseDisk,
    /// Only rescue boots.
    bad: SparseDisk,
    /// The owner enlarged the disk.
    enlarged: SparseDisk,
    /// The first partition table has a wrong bit.
    damaged: SparseDisk,
    /// A factory reset was ordered.
    marked: SparseDisk,
    /// All slots hold the newest firmware, and the loaders are still the old ones; in a machine with UEFI, with a BIOS.
    followed: [SparseDisk; 2],
    /// Its new loader is in the second copy, and on trial.
    loader_on_trial: [SparseDisk; 2],
    /// The loader that its firmware brings does not work.
    hanging: [SparseDisk; 2],
}

impl Starts {
    fn make(catalogue: &Catalogue) -> Result<Self> {
        let from = |disk: &SparseDisk, act: Act| -> Result<SparseDisk> {
            let mut unit = Unit::new(disk.clone(), catalogue)?;
            act(&mut unit)?;
            Ok(unit.disk.stopped())
        };
        let shipped = shipped(catalogue)?;
        let on_trial = from(&shipped, |unit| install(unit, Slot::B, Slot::A))?;
        let tried = from(&on_trial, boot)?;
        let updated = from(&shipped, update_to_newer)?;
        let confirmed = from(&tried, confirm_b)?;
        let followed = from(&confirmed, |unit| {
            refill(unit, Slot::A)?;
            refill(unit, Slot::R)
        })?;
        let in_both = |disk: &SparseDisk| -> Result<[SparseDisk; 2]> {
            let mut bios = disk.clone();
            into_bios_machine(&mut bios)?;
            Ok([disk.clone(), bios])
        };
        let each = |disks: &[SparseDisk; 2], act: Act| -> Result<[SparseDisk; 2]> {
            let [uefi, bios] = disks;
            Ok([from(uefi, act)?, from(bios, act)?])
        };
        let followed = in_both(&followed)?;
        let loader_on_trial = each(&followed, |unit| healthy_boot(unit).map(drop))?;
        let hanging = in_both(&from(&shipped, update_to_hanging)?)?;
        let mut enlarged = shipped.clone();
        enlarged.enlarge(ENLARGED);
        let mut damaged = shipped.clone();
        damaged.flip(SECTOR as u64 + 60);
        Ok(Self {
            confirmed,
            followed,
            loader_on_trial,
            hanging,
            failing: from(&updated, |unit| set(unit, |table| table.boots_without_health = 5))?,
            bad: from(&shipped, |unit| set(unit, |table| table.slot_mut(Slot::A).state = SlotState::Bad))?,
            marked: from(&shipped, settings::order)?,
            shipped,
            on_trial,
            tried,
            updated,
            enlarged,
            damaged,
        })
    }
}

fn step(name: &'static str, start: &SparseDisk, act: Act, promise: Act) -> Operation {
    Operation {
        name,
        start: start.clone(),
        act,
        promise,
        reads_back: true,
        or_generation: None,
        source: None,
    }
}

fn boots(starts: &Starts) -> Vec<Operation> {
    vec![
        step("boot", &starts.shipped, boot, |unit| expect(unit, |table| table.boots_without_health == 1)),
        step("boot of a firmware on trial", &starts.on_trial, boot, |unit| {
            expect(unit, |table| table.slot(Slot::B).tries == 2)
        }),
        step("boot after five without health", &starts.failing, boot, |unit| {
            expect(unit, |table| table.last_failure.is_some() && table.boots_without_health == 6)
        }),
        step(
            "boot of rescue by a key",
            &starts.shipped,
            |unit| unit.boot(Some(Asked::Rescue)).map(drop),
            |_| Ok(()),
        ),
    ]
}

fn installs(starts: &Starts) -> Vec<Operation> {
    let into_b: Act = |unit| install(unit, Slot::B, Slot::A);
    let in_b: Act = |unit| on_trial_in(unit, Slot::B);
    vec![
        step("install into an empty slot", &starts.shipped, into_b, in_b),
        step(
            "install over a confirmed slot",
            &starts.updated,
            |unit| install(unit, Slot::A, Slot::B),
            |unit| on_trial_in(unit, Slot::A),
        ),
        step("install over a trial", &starts.on_trial, into_b, in_b),
        step("install from rescue", &starts.bad, |unit| install(unit, Slot::B, Slot::R), in_b),
        step("a whole update", &starts.shipped, recovery::finish_update, recovery::is_through),
    ]
}

fn records(starts: &Starts) -> Vec<Operation> {
    let Starts { shipped, on_trial, tried, failing, .. } = starts;
    vec![
        step(
            "health",
            failing,
            |unit| edit(unit, |table| table.healthy(Slot::B)),
            |unit| expect(unit, |table| table.boots_without_health == 0),
        ),
        step("confirm, and the floor rises", tried, confirm_b, |unit| {
            let floor = unit.catalogue.newest.floor;
            expect(unit, |table| table.slot(Slot::B).state == SlotState::Confirmed && table.floor == floor)
        }),
        step(
            "discard an installation",
            on_trial,
            |unit| Ok(discard(unit, Slot::B).map(drop)?),
            |unit| expect(unit, |table| table.slot(Slot::B).state == SlotState::Empty),
        ),
        step(
            "give a trial up",
            tried,
            |unit| set(unit, |table| table.give_up(Slot::B, FailureReason::HealthCheck)),
            |unit| expect(unit, |table| table.slot(Slot::B).state == SlotState::Bad),
        ),
        step(
            "give a try back",
            tried,
            |unit| set(unit, |table| table.give_back(Slot::B)),
            |unit| expect(unit, |table| table.slot(Slot::B).tries == 3),
        ),
        step(
            "ask for rescue",
            shipped,
            |unit| edit(unit, |table| table.request(Slot::R)),
            |unit| expect(unit, |table| table.next == Some(Slot::R)),
        ),
    ]
}

fn copies(starts: &Starts) -> Vec<Operation> {
    let Starts { confirmed, updated, .. } = starts;
    let read_from = |slot, step| Operation { source: Some((slot, &PartKind::ALL)), ..step };
    vec![
        read_from(
            Slot::B,
            step(
                "refill the slot that the floor has passed",
                confirmed,
                |unit| refill(unit, Slot::A),
                |unit| refilled(unit, Slot::A),
            ),
        ),
        read_from(
            Slot::B,
            step("refresh rescue", confirmed, |unit| refill(unit, Slot::R), |unit| refilled(unit, Slot::R)),
        ),
        read_from(
            Slot::A,
            step(
                "restore the previous firmware",
                updated,
                |unit| Ok(restore(unit, Slot::A, &unit.keys()?).map(drop)?),
                |unit| expect(unit, |table| table.slot(Slot::A).state == SlotState::Trial),
            ),
        ),
    ]
}

/// Partition tables and settings.
fn others(starts: &Starts) -> Vec<Operation> {
    let unread = |step| Operation { reads_back: false, ..step };
    vec![
        unread(step("grow the partition table", &starts.enlarged, renew, |unit| is_renewed(unit, ENLARGED))),
        unread(step("mend the partition table", &starts.damaged, renew, |unit| is_renewed(unit, SECTORS))),
        unread(step("change the settings", &starts.shipped, settings::change, |unit| {
            let generation = settings::generation(unit)?;
            ensure!(generation == GENERATIONS + 1, "generation {generation}");
            Ok(())
        })),
        Operation {
            or_generation: Some(0),
            ..step("order a factory reset", &starts.shipped, settings::order, |unit| {
                ensure!(settings::is_reset(unit)?, "it is not ordered");
                Ok(())
            })
        },
        step("carry a factory reset out", &starts.marked, settings::reset, |unit| {
            ensure!(settings::generation(unit)? == 0, "settings came back");
            Ok(())
        }),
    ]
}

/// Loaders, in a machine with UEFI and in one with a BIOS. Whatever happens, one that works is started.
fn loaders(starts: &Starts) -> Vec<Operation> {
    let Starts { followed, loader_on_trial, hanging, .. } = starts;
    let names = [
        [
            "write the second copy of the UEFI loader",
            "boot through a new UEFI loader",
            "write the first copy of the UEFI loader",
            "an update of the UEFI loader",
            "an update to a UEFI loader that hangs",
        ],
        [
            "write the second copy of the BIOS loader",
            "boot through a new BIOS loader",
            "write the first copy of the BIOS loader",
            "an update of the BIOS loader",
            "an update to a BIOS loader that hangs",
        ],
    ];
    let read_from_b =
        |step| Operation { source: Some((Slot::B, &[PartKind::LoaderUefi, PartKind::LoaderBios])), ..step };
    let disks = followed.iter().zip(loader_on_trial).zip(hanging);
    disks
        .zip(names)
        .flat_map(|(((followed, on_trial), hanging), [second, through, first, whole, hangs])| {
            [
                read_from_b(step(second, followed, write_second_loader, |unit| own_loaders(unit, 1))),
                step(through, on_trial, boot, |unit| {
                    expect(unit, |table| table.loader.is_some_and(|loader| loader.tries == TRIES - 1))
                }),
                step(first, on_trial, |unit| healthy_boot(unit).map(drop), |unit| own_loaders(unit, 2)),
                step(whole, followed, recovery::finish_update, recovery::is_through),
                step(hangs, hanging, until_given_up, |unit| {
                    expect(unit, |table| table.loader.is_some_and(|loader| loader.tries == 0))
                }),
            ]
        })
        .collect()
}
