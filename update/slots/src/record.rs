//! The slot table through [`Partitions`]: reading it, and changing it in one record write.

use evener_disk::{Role, Slot};
use evener_manifest::Keyset;
use evener_slot_table::{SlotFacts, SlotTable, load, store};

use crate::fill::open;
use crate::{Fault, Partitions, check};

/// The newest valid record. Writes nothing.
///
/// # Errors
/// [`Fault::TableLost`], [`Fault::TableUnreadable`], [`Fault::Open`].
pub fn table<P: Partitions>(parts: &mut P) -> Result<SlotTable, Fault> {
    let loaded = load(&mut open(parts, Role::SlotTable, false)?);
    let lost = loaded.is_lost();
    loaded.table.ok_or(if lost { Fault::TableLost } else { Fault::TableUnreadable })
}

/// Has `edit` change the newest record and stores it, in one write that is durable when this returns; nothing is
/// written when `edit` says `false`. Returns what `edit` said.
///
/// # Errors
/// As [`table`], and [`Fault::Table`]; the record is then the one before, or the new one.
pub fn change<P: Partitions>(
    parts: &mut P,
    edit: impl FnOnce(&mut SlotTable) -> bool,
) -> Result<bool, Fault> {
    let mut table = table(parts)?;
    let changed = edit(&mut table);
    if changed {
        store(&mut open(parts, Role::SlotTable, true)?, &mut table)?;
    }
    Ok(changed)
}

/// Has the next boots try the firmware in `slot`, which was confirmed before. It is verified from the disk first,
/// every part of it. One record write.
///
/// # Errors
/// [`Fault::NotRestorable`]; what [`check`] finds; [`Fault::NotAsRecorded`]; as [`change`].
pub fn restore<P: Partitions>(parts: &mut P, slot: Slot, keys: &Keyset<'_>) -> Result<SlotFacts, Fault> {
    let mut planned = table(parts)?;
    planned.restore(slot).map_err(|reason| Fault::NotRestorable(slot, reason))?;
    let facts = check(parts, slot, keys)?;
    if planned.slot(slot).digest != facts.digest {
        return Err(Fault::NotAsRecorded(slot));
    }
    // Planned on the record that was looked at: one that changed meanwhile is refused as stale.
    store(&mut open(parts, Role::SlotTable, true)?, &mut planned)?;
    Ok(facts)
}

/// Undoes what was installed or restored in `slot` and not started yet. One record write; `false` when it is not on
/// trial. The firmware of a discarded installation stays on the disk, where nothing boots it.
///
/// # Errors
/// As [`change`].
pub fn discard<P: Partitions>(parts: &mut P, slot: Slot) -> Result<bool, Fault> {
    change(parts, |table| table.discard(slot))
}
