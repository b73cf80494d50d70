//! A loader on trial: the installed one starts the other copy, a few times at most.
//!
//! A loader that does not work is the one fault that nothing else of a unit makes good. So a new one is never what a machine
//! comes upon by itself before it has booted it: the installed loader counts a try, durably, and starts the other copy,
//! which goes the whole way of a boot. If it hangs or stops, the next start of the machine comes upon the installed
//! loader again. The rest is the updater's (`docs/decisions/010-loader-update.md`).

use evener_disk::{Blocks, Role, Slot};
use evener_handoff::LoaderCopy;
use evener_manifest::{Part, PartKind, permits};
use evener_slot_table::store;

use super::{Attempt, Machine, note};
use crate::BootCode;

impl<B: Blocks, M: Machine> Attempt<'_, B, M> {
    /// Gives the loader on trial its turn. The copy that was started; `None` when this loader is to go on itself: there
    /// is none, this is it, or it could not be started, and then the words were said.
    pub(super) fn loader_on_trial(&mut self) -> Option<LoaderCopy> {
        let running = self.running.filter(|running| !running.on_trial)?;
        let trial = self.table.loader.filter(|trial| trial.tries > 0)?;
        let copy = running.copy.other();
        match self.try_loader(&trial.digest, running.kind.part(), copy) {
            Ok(()) => Some(copy),
            Err(code) => {
                note(self.machine, code);
                None
            }
        }
    }

    fn try_loader(&mut self, digest: &[u8; 32], kind: PartKind, copy: LoaderCopy) -> Result<(), BootCode> {
        let (slot, part) = self.brings(kind, digest).ok_or(BootCode::LoaderDiffers)?;
        let (file, bytes) = self.read_part(slot, &part)?;
        let file = file.as_ref().get(..bytes).ok_or(BootCode::NoMemory)?;
        let (loader, bytes) = self.machine.loader(&mut *self.disk, self.map, copy, file)?;
        let left = self.count_loader()?;
        self.machine.say(format_args!("starting the {copy} copy of the loader on trial, {left} more tries"));
        self.machine.start_loader(&loader, bytes, copy)
    }

    /// The verified firmware, not below the floor, that brings a loader with this digest.
    fn brings(&self, kind: PartKind, digest: &[u8; 32]) -> Option<(Slot, Part)> {
        Slot::ALL.into_iter().find_map(|slot| {
            let verified = slot.of(self.verdicts).as_ref().ok()?;
            let part = verified.part(kind).filter(|part| part.sha256 == *digest)?;
            permits(verified.version(), self.table.floor).then_some((slot, part))
        })
    }

    /// Takes a try, on stable storage; how many are left.
    fn count_loader(&mut self) -> Result<u8, BootCode> {
        let mut record = self.table.clone();
        record.count_loader().ok_or(BootCode::LoaderDiffers)?;
        let partition = self.map.window(&mut *self.disk, Role::SlotTable);
        let stored = partition.is_some_and(|mut partition| store(&mut partition, &mut record).is_ok());
        if !stored {
            return Err(BootCode::TableNotWritten);
        }
        self.table = record;
        Ok(self.table.loader.map_or(0, |loader| loader.tries))
    }
}
