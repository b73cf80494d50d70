//! Every cut, every second cut, every lie of the disk.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use anyhow::{Context, Result, anyhow, ensure};
use evener_disk::{CutPoint, Depth, Role, Rot, SECTOR, Slot, SparseDisk, Tear, TraceDisk};
use evener_manifest::PartKind;
use evener_slot_table::SlotState;

use crate::acts::fill;
use crate::extent::{Dice, Extent};
use crate::firmware::Catalogue;
use crate::operations::GENERATIONS;
use crate::recovery::{Known, is_through, recover, survives};
use crate::{Operation, Unit};

/// Which misfortune a case is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// The power failed in the operation.
    Cut,
    /// And once more in the recovery from that.
    SecondCut,
    /// The disk did not keep what it acknowledged.
    Lie,
    /// What the operation reads had decayed before.
    Decay,
}

/// What came of a sweep.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    /// Cases by operation and kind.
    pub cases: BTreeMap<(&'static str, Kind), u64>,
    /// What went wrong, in words; at most a few of each operation.
    pub failures: Vec<String>,
    /// How many cases failed.
    pub failed: u64,
}

/// Failures that are described.
const DESCRIBED: usize = 20;

impl Outcome {
    /// Cases of all kinds.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.cases.values().sum()
    }

    fn note(&mut self, name: &'static str, kind: Kind, result: Result<()>, place: &dyn Fn() -> String) {
        let count = self.cases.entry((name, kind)).or_default();
        *count = count.saturating_add(1);
        if let Err(error) = result {
            self.failed = self.failed.saturating_add(1);
            if self.failures.len() < DESCRIBED {
                self.failures.push(format!("{name}: {}: {error:#}", place()));
            }
        }
    }

    fn merge(&mut self, other: Self) {
        for (key, cases) in other.cases {
            let count = self.cases.entry(key).or_default();
            *count = count.saturating_add(cases);
        }
        self.failed = self.failed.saturating_add(other.failed);
        let room = DESCRIBED.saturating_sub(self.failures.len());
        self.failures.extend(other.failures.into_iter().take(room));
    }
}

/// One operation, run through once.
struct Traced<'o> {
    operation: &'o Operation,
    trace: TraceDisk<SparseDisk>,
    before: Known,
}

/// A piece of the sweep that one thread does.
enum Job {
    Cut(usize, CutPoint),
    Lie(usize, usize),
    Decay(usize),
}

/// Sweeps `operations` on as many threads as there are processors. `progress` is told how much of it is done.
///
/// # Errors
/// When an operation fails without any misfortune.
pub fn run(
    operations: &[Operation],
    catalogue: &Catalogue,
    extent: Extent,
    progress: &(dyn Fn(usize, usize) + Sync),
) -> Result<Outcome> {
    let traced: Vec<Traced<'_>> =
        operations.iter().map(|operation| trace(operation, catalogue)).collect::<Result<_>>()?;
    let mut jobs = Vec::new();
    for (index, each) in traced.iter().enumerate() {
        let points = each.trace.cut_points(Depth::All).into_iter();
        jobs.extend(points.map(|point| Job::Cut(index, point)));
        jobs.extend((0..each.trace.writes()).map(|write| Job::Lie(index, write)));
        jobs.push(Job::Decay(index));
    }
    let next = AtomicUsize::new(0);
    let over = AtomicBool::new(false);
    let all = Mutex::new(Outcome::default());
    std::thread::scope(|scope| {
        let work = || {
            let mut outcome = Outcome::default();
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                let Some(job) = jobs.get(number).filter(|_| !over.load(Ordering::Relaxed)) else { break };
                progress(number, jobs.len());
                let dice = Dice::new(extent, number);
                do_job(job, &traced, catalogue, dice, &mut outcome);
                if extent == Extent::UntilFailure && outcome.failed > 0 {
                    over.store(true, Ordering::Relaxed);
                }
            }
            if let Ok(mut all) = all.lock() {
                all.merge(outcome);
            }
        };
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        for _ in 0..threads {
            scope.spawn(work);
        }
    });
    all.into_inner().map_err(|_| anyhow!("a thread of the sweep died"))
}

fn trace<'o>(operation: &'o Operation, catalogue: &Catalogue) -> Result<Traced<'o>> {
    let mut unit = Unit::new(operation.start.clone(), catalogue)?;
    let before = Known { or_generation: operation.or_generation, ..Known::of(&mut unit)? };
    // Looking may write, as opening the settings does when their copy is incomplete; here it must not.
    ensure!(unit.disk.writes() == 0, "{}: the start is not at rest", operation.name);
    (operation.act)(&mut unit).with_context(|| format!("{}, without any misfortune", operation.name))?;
    Ok(Traced { operation, trace: unit.disk, before })
}

fn do_job(job: &Job, traced: &[Traced<'_>], catalogue: &Catalogue, mut dice: Dice, outcome: &mut Outcome) {
    match job {
        Job::Cut(index, point) => {
            if let Some(each) = traced.get(*index) {
                cut(each, point, catalogue, &mut dice, outcome);
            }
        }
        Job::Lie(index, write) => {
            if let Some(each) = traced.get(*index) {
                lies(each, *write, catalogue, &mut dice, outcome);
            }
        }
        Job::Decay(index) => {
            if let Some(each) = traced.get(*index) {
                // What was promised holds even if nothing survives that was not flushed by then.
                let kept = guarded(|| {
                    let mut unit = Unit::new(each.trace.clone().unplugged(), catalogue)?;
                    (each.operation.promise)(&mut unit)
                });
                let words = || "the power failed right behind it".to_owned();
                outcome.note(each.operation.name, Kind::Cut, kept, &words);
                decays(each, catalogue, &mut dice, outcome);
            }
        }
    }
}

/// A cut, the recovery from it, and a second cut at every write of that.
fn cut(each: &Traced<'_>, point: &CutPoint, catalogue: &Catalogue, dice: &mut Dice, outcome: &mut Outcome) {
    let name = each.operation.name;
    if !dice.first() {
        return;
    }
    let words = || describe(point);
    let mut recovery = None;
    let result = guarded(|| {
        let disk = each.trace.after(point).map_err(|_| anyhow!("no such moment"))?;
        let now = survives(&disk, catalogue, &each.before)?;
        let mut unit = Unit::new(disk, catalogue)?;
        recover(&mut unit).context("recovery")?;
        recovery = Some((unit.disk.clone(), now));
        // The recovery itself keeps what it promises.
        is_through(&mut Unit::new(unit.disk.unplugged(), catalogue)?)
    });
    outcome.note(name, Kind::Cut, result, &words);
    let Some((trace, before)) = recovery.filter(|_| dice.seconds()) else { return };
    for second in trace.cut_points(Depth::Few) {
        if !dice.second() {
            continue;
        }
        let words = || format!("{}, then in the recovery {}", describe(point), describe(&second));
        let result = guarded(|| {
            let disk = trace.after(&second).map_err(|_| anyhow!("no such moment"))?;
            survives(&disk, catalogue, &before)?;
            let mut unit = Unit::new(disk, catalogue)?;
            recover(&mut unit).context("recovery")?;
            is_through(&mut unit)
        });
        outcome.note(name, Kind::SecondCut, result, &words);
    }
}

/// One write of the operation does not land as it was acknowledged.
fn lies(each: &Traced<'_>, write: usize, catalogue: &Catalogue, dice: &mut Dice, outcome: &mut Outcome) {
    let Some((_, bytes)) = each.trace.extents().nth(write) else { return };
    let ways = [Rot::Flip(0), Rot::Flip(bytes / 2), Rot::Flip(bytes.saturating_sub(1)), Rot::Lost];
    for rot in ways {
        if !dice.first() {
            continue;
        }
        let result = guarded(|| lie(each, write, rot, catalogue));
        outcome.note(each.operation.name, Kind::Lie, result, &|| format!("of write {write} {}", what(rot)));
    }
}

fn lie(each: &Traced<'_>, write: usize, rot: Rot, catalogue: &Catalogue) -> Result<()> {
    let operation = each.operation;
    let mut unit = Unit::with(TraceDisk::rotting(operation.start.clone(), write, rot), catalogue)?;
    let said = (operation.act)(&mut unit);
    let disk = unit.disk.unplugged();
    // What is not read back may not have happened.
    let unchanged = (!operation.reads_back).then_some(GENERATIONS);
    let before = Known { or_generation: each.before.or_generation.or(unchanged), ..each.before };
    survives(&disk, catalogue, &before)?;
    let mut unit = Unit::new(disk, catalogue)?;
    if operation.reads_back {
        match said {
            Ok(()) => (operation.promise)(&mut unit).context("it said that all was well")?,
            Err(error) => nothing_half_done(&mut unit).context(format!("it said: {error:#}"))?,
        }
    }
    recover(&mut unit).context("recovery")?;
    is_through(&mut unit)
}

/// Whatever may boot is whole.
fn nothing_half_done(unit: &mut Unit<'_>) -> Result<()> {
    let table = unit.table()?;
    for slot in Slot::ALL {
        let record = table.slot(slot);
        if matches!(record.state, SlotState::Trial | SlotState::Confirmed) {
            let firmware = unit.catalogue.of(&record.digest).context("a firmware that nobody made")?.clone();
            unit.holds(slot, &firmware)?;
        }
    }
    Ok(())
}

/// Damage, anywhere in what the operation reads from, is noticed before anything is written.
fn decays(each: &Traced<'_>, catalogue: &Catalogue, dice: &mut Dice, outcome: &mut Outcome) {
    let Some((source, read)) = each.operation.source else { return };
    for (role, offset) in places(source, read, catalogue) {
        if !dice.first() {
            continue;
        }
        let result = guarded(|| {
            let mut unit = Unit::new(each.operation.start.clone(), catalogue)?;
            let start = unit.range(role)?.start.saturating_mul(SECTOR as u64);
            let mut disk = unit.disk.stopped();
            disk.flip(start.saturating_add(offset));
            unit = Unit::new(disk, catalogue)?;
            ensure!((each.operation.act)(&mut unit).is_err(), "it was not noticed");
            ensure!(unit.disk.writes() == 0, "it was noticed too late");
            Ok(())
        });
        let words = || format!("a bit of {role} at {offset} has decayed");
        outcome.note(each.operation.name, Kind::Decay, result, &words);
    }
    let result = guarded(|| {
        let mut unit = Unit::new(each.operation.start.clone(), catalogue)?;
        fill(&mut unit, source, &catalogue.oldest)?;
        let mut unit = Unit::new(unit.disk.stopped(), catalogue)?;
        ensure!((each.operation.act)(&mut unit).is_err(), "it was not noticed");
        ensure!(unit.disk.writes() == 0, "it was noticed too late");
        Ok(())
    });
    outcome
        .note(each.operation.name, Kind::Decay, result, &|| format!("slot {source} holds another firmware"));
}

/// One byte in each sector of a slot's manifest and of the parts that are read.
fn places(slot: Slot, read: &[PartKind], catalogue: &Catalogue) -> Vec<(Role, u64)> {
    let sector = SECTOR as u64;
    let sectors = |bytes: u64| (0..bytes.div_ceil(sector)).map(move |at| at.saturating_mul(sector));
    let area = sectors(catalogue.newest.area.len() as u64).map(|at| (Role::Boot(slot), at));
    let parts =
        catalogue.newest.parts.iter().filter(|(kind, _)| read.contains(kind)).flat_map(|(kind, bytes)| {
            let place = kind.place(slot);
            sectors(bytes.len() as u64).map(move |at| (place.role, place.at.saturating_add(at)))
        });
    area.chain(parts).collect()
}

/// A cut in words: which write, and what of the unflushed ones is on the disk, oldest first.
fn describe(point: &CutPoint) -> String {
    let CutPoint { writes, tear, survives } = point;
    let moment = match tear {
        None => format!("cut after {writes} writes"),
        Some(Tear::Head(bytes)) => format!("cut in write {writes}, which got {bytes} bytes far"),
        Some(Tear::Tail(bytes)) => {
            format!("cut in write {writes}, of which all but the first {bytes} bytes got there")
        }
    };
    if survives.is_empty() {
        return moment;
    }
    let kept: String = survives.iter().map(|kept| if *kept { '+' } else { '-' }).collect();
    format!("{moment}, unflushed {kept}")
}

fn what(rot: Rot) -> String {
    match rot {
        Rot::Flip(byte) => format!("a bit of byte {byte} is wrong on the disk"),
        Rot::Lost => "nothing is on the disk".into(),
    }
}

/// A panic is a failure of the case, not the end of the sweep.
fn guarded(case: impl FnOnce() -> Result<()>) -> Result<()> {
    catch_unwind(AssertUnwindSafe(case)).unwrap_or_else(|_| Err(anyhow!("it panicked")))
}
