//! The slots as the disk has them: facts for decisions, and the part of the status that follows from them.

use evener_api::update::{FirmwareStatus, Restorable, SlotStatus};
use evener_disk::Slot;
use evener_handoff::{Handoff, Mode};
use evener_manifest::{AREA_BYTES, Header, KeyId, Keyset, ManifestError, Verified, Version};
use evener_plan::{UnitFacts, restorable};
use evener_slot_choice::{Counting, Facts, Order, SlotFact, choose, judge};
use evener_slot_table::{SlotFacts, SlotRecord, SlotState, SlotTable};
use evener_slots::{area, table};
use std::path::Path;

use crate::partitions::RunPartitions;
use crate::words;

/// What is on the disk.
#[derive(Clone, Debug, Default)]
pub(crate) struct Seen {
    /// For decisions; without what the history knows.
    pub(crate) facts: UnitFacts,
    /// For operators; without what is not on the disk.
    pub(crate) status: FirmwareStatus,
    /// Records of the configuration that the firmware in each slot reads, up to this format.
    pub(crate) config_formats: [Option<u16>; 3],
}

/// Reads the slot table and every slot's manifest. What cannot be read is said to be unknown, not guessed.
pub(crate) fn look(run: &Path, keyset: &[u8], handoff: Option<&Handoff>, version: Version) -> Seen {
    let mut parts = RunPartitions::new(run);
    let table = table(&mut parts).inspect_err(|error| tracing::info!(%error, "no slot table here")).ok();
    let areas = Slot::ALL.map(|slot| area(&mut parts, slot).unwrap_or_else(|_| vec![0; AREA_BYTES]));
    let keys = Keyset::parse(keyset).ok();
    let judged = areas.each_ref().map(|area| {
        let keys = keys.as_ref().ok_or(ManifestError::Keyset)?;
        Header::parse(area)?.verify(keys)
    });
    let revoked = judged.each_ref().map(|judged| matches!(judged, Err(ManifestError::RevokedKey)));
    let verified = judged.map(Result::ok);
    let manifests = verified.each_ref().map(|verified| verified.as_ref().map(SlotFacts::from));
    let running = handoff.map(|handoff| handoff.slot);
    let own = running.and_then(|slot| *slot.of(&manifests));
    let facts = UnitFacts {
        running,
        version: own.map_or(version, |own| own.version),
        loader: handoff.map_or_else(Version::default, |handoff| handoff.loader),
        loader_keys: handoff.and_then(|handoff| handoff.keys),
        room: Slot::ALL.map(|slot| parts.room(slot)),
        table,
        manifests,
        revoked,
        failed: Vec::new(),
    };
    let table = facts.table.as_ref();
    let status = FirmwareStatus {
        running: running.map_or('?', Slot::letter),
        mode: handoff.map_or_else(String::new, |handoff| mode(handoff, table).into()),
        slots: Slot::ALL.map(|slot| describe(slot, table, slot.of(&verified).as_ref())).into(),
        floor: table.map_or_else(String::new, |table| table.floor.to_string()),
        boots_without_health: table.map_or(0, |table| table.boots_without_health),
        degraded: table.is_none_or(|table| table.degraded),
        next: table.zip(keys.as_ref()).and_then(|(table, keys)| next(table, &areas, keys, facts.loader)),
        restore: previous(&facts),
        ..FirmwareStatus::default()
    };
    let config_formats = verified.map(|verified| verified.map(|verified| verified.config_format()));
    Seen { facts, status, config_formats }
}

/// How the firmware runs, for callers: one that was confirmed since the loader started it is not on trial any more.
fn mode(handoff: &Handoff, table: Option<&SlotTable>) -> &'static str {
    let confirmed = table.is_some_and(|table| table.slot(handoff.slot).state == SlotState::Confirmed);
    match handoff.mode {
        Mode::Trial if !confirmed => "trial",
        Mode::Normal | Mode::Trial => "normal",
        Mode::Rescue => "rescue",
    }
}

/// The slot that the loader would start now. Asked of the very function that the loader asks.
fn next(table: &SlotTable, areas: &[Vec<u8>; 3], keys: &Keyset<'_>, loader: Version) -> Option<char> {
    let slots = areas.each_ref().map(|area| match judge(area, keys, loader) {
        Ok(verified) => SlotFact::Usable(SlotFacts::from(&verified)),
        Err(code) => SlotFact::Refused(code),
    });
    let facts = Facts { slots, counting: Counting::Pending, asked: None };
    match choose(table, &facts) {
        Order::Boot(boot) => Some(boot.slot.letter()),
        Order::Halt { .. } => None,
    }
}

fn describe(slot: Slot, table: Option<&SlotTable>, verified: Option<&Verified<'_>>) -> SlotStatus {
    let record = table.map(|table| table.slot(slot));
    let tries = |record: &&SlotRecord| record.state == SlotState::Trial;
    SlotStatus {
        slot: slot.letter(),
        state: record.map_or_else(|| "unknown".into(), |record| record.state.to_string()),
        version: verified.map(|verified| verified.version().to_string()),
        signer: verified.map(signer),
        notes: verified.and_then(|verified| verified.notes().map(str::to_owned)),
        tries: record.filter(tries).map_or(0, |record| record.tries),
        below_floor: table
            .zip(verified)
            .is_some_and(|(table, verified)| !evener_manifest::permits(verified.version(), table.floor)),
    }
}

/// Who signed a firmware, for people.
pub(crate) fn signer(verified: &Verified<'_>) -> String {
    let (id, development): (KeyId, bool) = (verified.key().id, verified.key().development);
    if development { format!("{id} (development key)") } else { id.to_string() }
}

/// What "restore previous" would do. What it loses is added by whoever can ask.
fn previous(facts: &UnitFacts) -> Option<Restorable> {
    let other = match facts.running? {
        Slot::A => Slot::B,
        Slot::B => Slot::A,
        Slot::R => return None,
    };
    let version = other.of(&facts.manifests).map_or_else(String::new, |found| found.version.to_string());
    let refusal = restorable(facts).err().map(|refusal| words::told(&refusal));
    Some(Restorable { slot: other.letter(), version, loses: Vec::new(), refusal })
}

/// The version that the record of this slot is about; `None` for an empty one.
pub(crate) fn recorded_version(table: &SlotTable, slot: Slot, digest: [u8; 32]) -> Option<Version> {
    let record = table.slot(slot);
    (record.state != SlotState::Empty && record.digest == digest).then_some(record.version)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_a_disk_everything_is_unknown() {
        let run = tempfile::tempdir().unwrap();
        let seen = look(run.path(), &[], None, Version([1, 0, 0, 0]));
        assert_eq!((seen.status.running, seen.status.next), ('?', None));
        assert!(seen.status.slots.iter().all(|slot| slot.state == "unknown" && slot.version.is_none()));
        assert_eq!(seen.facts.version, Version([1, 0, 0, 0]));
    }
}
