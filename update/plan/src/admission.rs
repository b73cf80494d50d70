//! Whether a firmware may be installed here and where it goes; whether the other steps are possible.

use evener_disk::Slot;
use evener_manifest::permits;
use evener_slot_table::{SlotFacts, SlotState, SlotTable};

use crate::{Code, Refusal, Statement, UnitFacts, is_held_against};

/// A firmware may be installed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Admission {
    /// Into which slot, A or B.
    pub slot: Slot,
    /// It has failed on this unit before, and the operator wants it all the same.
    pub although_it_failed: bool,
}

/// Whether `offer`, whose signature held, may be installed on this unit, and into which slot.
///
/// # Errors
/// The first rule that it breaks; the one that can be overridden comes last, so overriding it never hides another.
pub fn admit(offer: &Statement, unit: &UnitFacts, even_if_it_failed: bool) -> Result<Admission, Refusal> {
    let (running, table) = known(unit)?;
    if !permits(offer.version, table.floor) {
        let words = format!("{} is older than {}, the floor of this unit", offer.version, table.floor);
        return Err(Refusal::new(Code::BelowFloor, words));
    }
    if unit.version < offer.installable_from {
        let words = format!(
            "{} can be installed from {} on, and {} is running",
            offer.version, offer.installable_from, unit.version
        );
        return Err(Refusal::new(Code::TooOldToInstallFrom, words));
    }
    if unit.loader < offer.min_loader {
        let words = format!(
            "{} needs a loader of version {}, and this unit's is {}",
            offer.version, offer.min_loader, unit.loader
        );
        return Err(Refusal::new(Code::LoaderTooOld, words));
    }
    // Our own keyset may be ahead of the loader's (docs/decisions/005-changing-keys.md).
    if unit.loader_keys.is_some_and(|keys| !keys.trust(offer.signer)) {
        let words = format!(
            "{} is signed with key {}, which this unit's loader does not know and would not start",
            offer.version, offer.signer
        );
        return Err(Refusal::new(Code::UnknownToLoader, words));
    }
    let slot = target(running, table, unit)?;
    fits(offer, unit, slot)?;
    let although_it_failed = has_failed(offer.digest, table, &unit.failed);
    if although_it_failed && !even_if_it_failed {
        let words = format!("{} was given up on this unit before", offer.version);
        return Err(Refusal::new(Code::FailedHereBefore, words));
    }
    Ok(Admission { slot, although_it_failed })
}

fn known(unit: &UnitFacts) -> Result<(Slot, &SlotTable), Refusal> {
    let running = unit.running.ok_or_else(|| {
        Refusal::new(Code::SlotsUnknown, "which slot is running is not known: the loader did not say")
    })?;
    let table = unit
        .table
        .as_ref()
        .ok_or_else(|| Refusal::new(Code::SlotsUnknown, "no copy of the slot table is valid"))?;
    Ok((running, table))
}

/// The slot that is written: never the one that runs. Rescue runs from neither; then it is the one whose loss
/// matters less.
fn target(running: Slot, table: &SlotTable, unit: &UnitFacts) -> Result<Slot, Refusal> {
    let slot = match running {
        Slot::A => Slot::B,
        Slot::B => Slot::A,
        Slot::R => {
            // A tie goes to B, because the loader gives it to A.
            let worth = |slot: &Slot| {
                let confirmed = table.slot(*slot).state == SlotState::Confirmed;
                (unit.may_boot(*slot), confirmed, table.slot(*slot).priority)
            };
            return Ok(if worth(&Slot::A) < worth(&Slot::B) { Slot::A } else { Slot::B });
        }
    };
    // A firmware that has not proved itself must not destroy the one that the unit would fall back to.
    if table.slot(running).state == SlotState::Trial && unit.may_boot(slot) {
        let words = format!("slot {slot} is what the unit falls back to until {} is confirmed", unit.version);
        return Err(Refusal::new(Code::OnTrial, words));
    }
    Ok(slot)
}

fn fits(offer: &Statement, unit: &UnitFacts, slot: Slot) -> Result<(), Refusal> {
    let room = slot.of(&unit.room);
    for (what, size, room) in
        [("kernel", offer.kernel, room.kernel), ("root file system", offer.rootfs, room.rootfs)]
    {
        if size > room {
            let words = format!("its {what} has {size} bytes, and slot {slot} holds {room}");
            return Err(Refusal::new(Code::DoesNotFit, words));
        }
    }
    Ok(())
}

/// Whether this firmware was given up here. One that is confirmed in some slot by now has proved itself since.
fn has_failed(digest: [u8; 32], table: &SlotTable, failed: &[[u8; 32]]) -> bool {
    let confirmed =
        |slot: &Slot| table.slot(*slot).state == SlotState::Confirmed && table.slot(*slot).digest == digest;
    if Slot::ALL.iter().any(confirmed) {
        return false;
    }
    let bad = |slot: &Slot| table.slot(*slot).state == SlotState::Bad && table.slot(*slot).digest == digest;
    let last = table.last_failure.filter(|failure| is_held_against(failure.reason));
    last.is_some_and(|failure| failure.digest == digest)
        || Slot::ALL.iter().any(bad)
        || failed.contains(&digest)
}

/// The firmware that "restore previous" goes back to.
///
/// # Errors
/// [`Code::NothingToRestore`], [`Code::RevokedKey`], [`Code::BelowFloor`], [`Code::OnTrial`] or
/// [`Code::SlotsUnknown`].
pub fn restorable(unit: &UnitFacts) -> Result<(Slot, SlotFacts), Refusal> {
    let (running, table) = known(unit)?;
    let nothing = |words: String| Err(Refusal::new(Code::NothingToRestore, words));
    let slot = match running {
        Slot::A => Slot::B,
        Slot::B => Slot::A,
        Slot::R => return nothing("the rescue firmware is running".into()),
    };
    let record = table.slot(slot);
    match record.state {
        SlotState::Empty => return nothing(format!("slot {slot} is empty")),
        SlotState::Bad => return nothing(format!("the firmware in slot {slot} was given up")),
        SlotState::Trial if record.tries > 0 => {
            return nothing(format!("the firmware in slot {slot} waits for its first start"));
        }
        SlotState::Trial => return nothing(format!("the firmware in slot {slot} used up its tries")),
        SlotState::Confirmed => {}
    }
    let found = slot.of(&unit.manifests).filter(|found| found.digest == record.digest);
    let Some(found) = found else {
        if *slot.of(&unit.revoked) {
            let words =
                format!("the firmware in slot {slot} was signed with a key that is not trusted any more");
            return Err(Refusal::new(Code::RevokedKey, words));
        }
        return nothing(format!("slot {slot} does not hold the firmware that was confirmed there"));
    };
    if !permits(found.version, table.floor) {
        let words = format!("{} is older than {}, the floor of this unit", found.version, table.floor);
        return Err(Refusal::new(Code::BelowFloor, words));
    }
    if table.slot(running).state == SlotState::Trial {
        let words =
            format!("{} has not proved itself yet; it is given up by itself if it fails", unit.version);
        return Err(Refusal::new(Code::OnTrial, words));
    }
    Ok((slot, found))
}

/// The slot whose firmware was installed, or chosen, and not started yet.
///
/// # Errors
/// [`Code::NothingToDiscard`] or [`Code::SlotsUnknown`].
pub fn discardable(unit: &UnitFacts) -> Result<Slot, Refusal> {
    let (running, table) = known(unit)?;
    [Slot::A, Slot::B]
        .into_iter()
        .find(|slot| *slot != running && table.slot(*slot).state == SlotState::Trial)
        .ok_or_else(|| Code::NothingToDiscard.into())
}

/// Whether the rescue firmware can be started.
///
/// # Errors
/// [`Code::NoRescue`] or [`Code::SlotsUnknown`].
pub fn rescuable(unit: &UnitFacts) -> Result<(), Refusal> {
    known(unit)?;
    if unit.may_boot(Slot::R) { Ok(()) } else { Err(Code::NoRescue.into()) }
}

#[cfg(test)]
mod tests;
