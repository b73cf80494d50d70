//! The way of a boot: look, choose, read once, verify those bytes, count, start.
//!
//! Before that, a loader on trial is given its turn (`loader`): it goes the same way, one copy further on.
//!
//! Counted is what gets control, and only that: a damaged kernel never ran, so it must not look like one that ran
//! without becoming healthy. Until then nothing of a slot was executed; a firmware that hangs in a read is
//! reset by its own timer, which the loader sets, and finds the disk as it was.
//!
//! Manifest and kernel are read exactly once; what is verified is what is started, so a disk that answers
//! differently the second time gains nothing. Every failure is said on the console in a stable form and leads
//! to the next choice; the number of choices is bounded by the number of slots.

use core::fmt;

use evener_disk::{Blocks, GptError, Lba, PartitionMap, Role, SECTOR, Slot, Source};
use evener_handoff::{Handoff, LoaderCopy, LoaderKeys, RunningLoader};
use evener_manifest::{AREA_BYTES, CommandLine, Fill, Keyset, Part, PartKind, Verified, Version};
use evener_slot_table::{SlotFacts, SlotTable, load, store};

use crate::{Asked, Boot, BootCode, Counting, Facts, Order, SlotFact, choose, judge};

/// Largest single read, in sectors: 1 MiB. Smaller ones are slow under UEFI, larger ones some firmware refuses.
const CHUNK: usize = 2048 * SECTOR;
/// Each round starts a slot, refuses one, loses the counting write or hears the person at the console; more rounds than
/// this cannot be.
const MAX_ROUNDS: usize = 9;

/// What a loader provides besides the disk.
pub trait Machine {
    /// Memory from [`Machine::allocate`].
    type Memory: AsRef<[u8]> + AsMut<[u8]>;

    /// Shows one line on every console.
    fn say(&mut self, line: fmt::Arguments<'_>);

    /// Zeroed memory of exactly `bytes`, or `None`.
    fn allocate(&mut self, bytes: usize) -> Option<Self::Memory>;

    /// What a person at the console has asked for by now. When `last`, it is not asked again in this boot: the person is
    /// given what is left of the time that the loader has for them, half a second in all at most.
    fn asked(&mut self, last: bool) -> Option<Asked>;

    /// Arms the watchdogs and starts a kernel, which lies at the start of `image` and was verified there.
    ///
    /// # Errors
    /// The code to show when it did not start. A machine that was left to Linux never returns at all; `Ok`
    /// is for the test of this crate.
    fn start(&mut self, image: &Self::Memory, bytes: usize, line: &str) -> Result<(), BootCode>;

    /// Which copy of this loader runs, on a disk with these partitions; `None` when that cannot be told, and then no
    /// other one is ever started.
    fn running(&self, map: &PartitionMap) -> Option<RunningLoader>;

    /// Another copy of this loader as the disk has it, if those are the bytes that the verified `file` brings; they
    /// lie at the start of the memory returned.
    ///
    /// # Errors
    /// [`BootCode::LoaderDiffers`], [`BootCode::ReadFailed`], [`BootCode::NoMemory`].
    fn loader<B: Blocks>(
        &mut self,
        disk: &mut B,
        map: &PartitionMap,
        copy: LoaderCopy,
        file: &[u8],
    ) -> Result<(Self::Memory, usize), BootCode>;

    /// Starts a loader that [`loader`](Self::loader) returned, and tells it that it is on trial.
    ///
    /// # Errors
    /// The code to show when it did not start. One that runs never returns; `Ok` is for the test of this crate.
    fn start_loader(&mut self, loader: &Self::Memory, bytes: usize, copy: LoaderCopy)
    -> Result<(), BootCode>;
}

/// What a boot came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Started {
    /// The firmware in this slot.
    Slot(Slot),
    /// The other copy of the loader, which is on trial.
    Loader(LoaderCopy),
}

/// Boots the disk. Returns what was started, or why nothing was; the words were said by then.
///
/// Writes one record to the slot table of the disk before a slot is started, and one before a loader on trial is.
///
/// # Errors
/// The code of the halt screen.
pub fn boot<B: Blocks, M: Machine>(
    disk: &mut B,
    machine: &mut M,
    keyset: &[u8],
    loader: Version,
) -> Result<Started, BootCode> {
    let booted = boot_disk(disk, machine, keyset, loader);
    if let Err(code) = booted {
        machine.say(format_args!("{code}: {}.", code.what()));
        machine.say(format_args!("{}", code.remedy()));
    }
    booted
}

fn boot_disk<B: Blocks, M: Machine>(
    disk: &mut B,
    machine: &mut M,
    keyset: &[u8],
    loader: Version,
) -> Result<Started, BootCode> {
    let keys = Keyset::parse(keyset)?;
    if keys.is_empty() {
        return Err(BootCode::NoKeys);
    }
    let map = PartitionMap::read(disk).map_err(|fault| match fault {
        GptError::Device => BootCode::ReadFailed,
        _ => BootCode::NoPartitions,
    })?;
    if map.source() == Source::Backup {
        note(machine, BootCode::BackupTable);
    }
    let areas = Slot::ALL.map(|slot| read_area(disk, &map, slot, machine));
    let verdicts = Slot::ALL.map(|slot| match slot.of(&areas) {
        Ok(area) => judge(area.as_ref(), &keys, loader),
        Err(code) => Err(*code),
    });
    let (table, counting) = read_table(disk, &map, &verdicts, machine);
    let slots = verdicts.each_ref().map(|verdict| match verdict {
        Ok(verified) => SlotFact::Usable(SlotFacts::from(verified)),
        Err(code) => SlotFact::Refused(*code),
    });
    let running = machine.running(&map);
    let mut attempt = Attempt {
        disk,
        machine,
        map: &map,
        verdicts: &verdicts,
        loader,
        keys: LoaderKeys::of(&keys),
        table,
        facts: Facts { slots, counting, asked: None },
        announced: [None; 3],
        running,
        listening: true,
    };
    if let Some(copy) = attempt.loader_on_trial() {
        return Ok(Started::Loader(copy));
    }
    attempt.run().map(Started::Slot)
}

fn note<M: Machine>(machine: &mut M, code: BootCode) {
    machine.say(format_args!("{code}: {}", code.what()));
}

/// The first 64 KiB of the slot's boot partition, read once.
fn read_area<B: Blocks, M: Machine>(
    disk: &mut B,
    map: &PartitionMap,
    slot: Slot,
    machine: &mut M,
) -> Result<M::Memory, BootCode> {
    let mut partition = map.window(disk, Role::Boot(slot)).ok_or(BootCode::PartitionMissing)?;
    let mut area = machine.allocate(AREA_BYTES).ok_or(BootCode::NoMemory)?;
    partition.read(Lba(0), area.as_mut()).map_err(|_| BootCode::ReadFailed)?;
    Ok(area)
}

/// The table from the disk, or the one that the verified manifests amount to.
///
/// A derived table may replace only what is certainly no table. What cannot be read, twice, may be whole at the
/// next boot: then this boot runs on the derived table and writes nothing.
fn read_table<B: Blocks, M: Machine>(
    disk: &mut B,
    map: &PartitionMap,
    verdicts: &[Result<Verified<'_>, BootCode>; 3],
    machine: &mut M,
) -> (SlotTable, Counting) {
    let mut lost = true;
    if let Some(mut partition) = map.window(disk, Role::SlotTable) {
        for _ in 0..2 {
            let loaded = load(&mut partition);
            lost = loaded.is_lost();
            if let Some(table) = loaded.table {
                return (table, Counting::Pending);
            }
            if lost {
                break;
            }
        }
    }
    let (code, what) = (BootCode::TableLost, BootCode::TableLost.what());
    let kept = if lost { "" } else { ", and not stored: what cannot be read may still be there" };
    machine.say(format_args!("{code}: {what}; derived from the signed manifests{kept}"));
    let facts = verdicts.each_ref().map(|verdict| verdict.as_ref().ok().map(SlotFacts::from));
    (SlotTable::derive(&facts), if lost { Counting::Pending } else { Counting::Failed })
}

/// A slot ready to be started: verified bytes and the line that goes with them.
struct Ready<'a, M> {
    image: M,
    bytes: usize,
    line: CommandLine,
    verified: &'a Verified<'a>,
}

struct Attempt<'a, B, M> {
    disk: &'a mut B,
    machine: &'a mut M,
    map: &'a PartitionMap,
    verdicts: &'a [Result<Verified<'a>, BootCode>; 3],
    loader: Version,
    keys: LoaderKeys,
    table: SlotTable,
    facts: Facts,
    /// What was already said of each slot.
    announced: [Option<BootCode>; 3],
    running: Option<RunningLoader>,
    /// Whether the person at the console may still ask for something.
    listening: bool,
}

impl<'a, B: Blocks, M: Machine> Attempt<'a, B, M> {
    fn run(&mut self) -> Result<Slot, BootCode> {
        self.listen(false);
        for _ in 0..MAX_ROUNDS {
            match choose(&self.table, &self.facts) {
                Order::Boot(mut order) => {
                    self.announce(&order.skipped, Some(order.slot));
                    let started = match self.prepare(&order) {
                        // While a slot was read there was time for it.
                        Ok(_) if self.listen(true) => continue,
                        Ok(_) if !self.count(order.record.take()) => continue,
                        Ok(ready) => self.start(order.slot, &ready),
                        Err(code) => Err(code),
                    };
                    match started {
                        Ok(()) => return Ok(order.slot),
                        Err(code) => *order.slot.of_mut(&mut self.facts.slots) = SlotFact::Refused(code),
                    }
                }
                Order::Halt { code, skipped } => {
                    self.announce(&skipped, None);
                    return Err(code);
                }
            }
        }
        Err(BootCode::NothingToBoot)
    }

    /// Asks the person at the console; true when the choice must be made again.
    fn listen(&mut self, last: bool) -> bool {
        if !self.listening {
            return false;
        }
        self.facts.asked = self.machine.asked(last);
        self.listening = !last && self.facts.asked.is_none();
        let Some(asked) = self.facts.asked else { return false };
        self.machine.say(format_args!("{}", asked.what()));
        true
    }

    /// Says why slots were passed over, each reason once.
    fn announce(&mut self, skipped: &[Option<BootCode>; 3], next: Option<Slot>) {
        for slot in Slot::ALL {
            let code = *slot.of(skipped);
            let said = slot.of_mut(&mut self.announced);
            let Some(new) = code.filter(|_| *said != code) else { continue };
            *said = code;
            let what = new.what();
            match next {
                Some(next) => self.machine.say(format_args!("{new} slot {slot}: {what}; trying slot {next}")),
                None => self.machine.say(format_args!("{new} slot {slot}: {what}")),
            }
        }
    }

    /// Makes the counting write durable. False when the disk refused: then the choice must be made again.
    fn count(&mut self, record: Option<SlotTable>) -> bool {
        let Some(mut record) = record else { return true };
        let boots_before = match self.facts.counting {
            Counting::Done { boots_before } => boots_before,
            Counting::Pending | Counting::Failed => self.table.boots_without_health,
        };
        let partition = self.map.window(&mut *self.disk, Role::SlotTable);
        let stored = partition.is_some_and(|mut partition| store(&mut partition, &mut record).is_ok());
        if stored {
            self.table = record;
            self.facts.counting = Counting::Done { boots_before };
        } else {
            note(self.machine, BootCode::TableNotWritten);
            self.facts.counting = Counting::Failed;
        }
        stored
    }

    /// Reads and verifies what `order` is about to start. Changes nothing.
    fn prepare(&mut self, order: &Boot) -> Result<Ready<'a, M::Memory>, BootCode> {
        let slot = order.slot;
        let verified = slot.of(self.verdicts).as_ref().map_err(|code| *code)?;
        let root = self.map.get(Role::Root(slot)).ok_or(BootCode::PartitionMissing)?;
        let handoff = Handoff {
            slot,
            mode: order.mode,
            reason: order.reason,
            tries_left: order.tries_left,
            degraded: self.table.degraded,
            uncounted: self.facts.counting == Counting::Failed,
            reset: order.reset,
            skipped: order.skipped.map(|code| code.map(BootCode::number)),
            loader: self.loader,
            keys: Some(self.keys),
            copy: self.running,
        }
        .encode();
        let fill = Fill { slot, root: root.partuuid, handoff: handoff.as_str() };
        let line = verified.template()?.render(&fill)?;
        let (image, bytes) = self.read_kernel(slot, verified)?;
        Ok(Ready { image, bytes, line, verified })
    }

    fn start(&mut self, slot: Slot, ready: &Ready<'_, M::Memory>) -> Result<(), BootCode> {
        self.machine.say(format_args!("slot {slot} {} verified, starting", ready.verified.version()));
        self.machine.start(&ready.image, ready.bytes, ready.line.as_str())
    }

    /// Reads the kernel once and verifies those bytes; they lie at the start of the memory returned.
    fn read_kernel(&mut self, slot: Slot, verified: &Verified<'_>) -> Result<(M::Memory, usize), BootCode> {
        let part = verified.part(PartKind::Kernel).ok_or(BootCode::ManifestInvalid)?;
        self.read_part(slot, &part)
    }

    /// Reads a part of the firmware in `slot` once and verifies those bytes.
    fn read_part(&mut self, slot: Slot, part: &Part) -> Result<(M::Memory, usize), BootCode> {
        let place = part.kind.place(slot);
        let mut partition = self.map.window(&mut *self.disk, place.role).ok_or(BootCode::PartitionMissing)?;
        if part.size > place.room(partition.sectors()) {
            return Err(BootCode::KernelSize);
        }
        let bytes = usize::try_from(part.size).map_err(|_| BootCode::KernelSize)?;
        let room = bytes.checked_next_multiple_of(SECTOR).ok_or(BootCode::KernelSize)?;
        let mut image = self.machine.allocate(room).ok_or(BootCode::NoMemory)?;
        let mut at = place.at.div_ceil(SECTOR as u64);
        for chunk in image.as_mut().chunks_mut(CHUNK) {
            let count = u64::try_from(chunk.len() / SECTOR).unwrap_or(u64::MAX);
            partition.read(Lba(at), chunk).map_err(|_| BootCode::ReadFailed)?;
            at = at.saturating_add(count);
        }
        part.check(image.as_ref().get(..bytes).ok_or(BootCode::NoMemory)?)?;
        Ok((image, bytes))
    }
}

mod loader;
#[cfg(test)]
mod tests;
