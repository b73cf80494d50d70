//! The steps that installing and copying share: empty the slot, write its parts, seal it.

use evener_disk::{Blocks, Lba, Role, SECTOR, Slot};
use evener_manifest::{BLOCK, Keyset, Part, PartKind};
use evener_slot_table::{SlotFacts, SlotTable};

use crate::check::{digest, verify};
use crate::{Fault, Partitions, change};

/// The unit of writing: a dm-verity block, which is also the kernel's page.
const UNIT: usize = 4096;
const _: () = assert!(UNIT as u64 == BLOCK);

/// Opens a partition, or says which one could not be.
pub(crate) fn open<P: Partitions>(parts: &mut P, role: Role, writable: bool) -> Result<P::Blocks<'_>, Fault> {
    parts.open(role, writable).map_err(|error| Fault::Open { role, reason: format!("{error:?}") })
}

/// Sectors that hold `bytes`.
pub(crate) fn sectors(bytes: u64) -> u64 {
    bytes.div_ceil(SECTOR as u64)
}

/// Makes sure that nothing in `slot` boots, durably, and wipes its manifest.
///
/// The record alone keeps the loader away. The manifest is wiped as well because without a record, should all its
/// copies be lost, a manifest that verifies is all the loader has to go by. That write is flushed together with
/// the parts: it guards against a second misfortune, not against a power cut.
pub(crate) fn empty<P: Partitions>(parts: &mut P, slot: Slot) -> Result<(), Fault> {
    change(parts, |table| {
        let before = table.clone();
        table.begin_install(slot);
        *table != before
    })?;
    let role = Role::Boot(slot);
    open(parts, role, true)?
        .write(Lba(0), &[0; SECTOR])
        .map_err(|error| Fault::device(role, "written", &error))
}

/// Refuses parts that do not fit into `slot`. Writes nothing.
pub(crate) fn check_room<P: Partitions>(
    parts: &mut P,
    slot: Slot,
    of: impl Iterator<Item = Part>,
) -> Result<(), Fault> {
    for part in of {
        let place = part.kind.place(slot);
        let role = place.role;
        let room = place.room(open(parts, role, false)?.sectors());
        if part.size > room {
            return Err(Fault::DoesNotFit { part: part.kind, bytes: part.size, role, room });
        }
    }
    Ok(())
}

/// Writes one part in whole blocks, whatever pieces it comes in. Holds less than a block of it.
#[derive(Debug)]
pub(crate) struct PartWriter {
    role: Role,
    at: u64,
    carry: Vec<u8>,
}

impl PartWriter {
    /// A writer for the place of `part` in `slot`.
    pub(crate) fn new(part: PartKind, slot: Slot) -> Self {
        let place = part.place(slot);
        Self { role: place.role, at: sectors(place.at), carry: Vec::with_capacity(UNIT) }
    }

    /// Takes the next bytes of the part.
    pub(crate) fn write<P: Partitions>(&mut self, parts: &mut P, mut bytes: &[u8]) -> Result<(), Fault> {
        if !self.carry.is_empty() {
            let wanted = UNIT.saturating_sub(self.carry.len()).min(bytes.len());
            let (head, rest) = bytes.split_at_checked(wanted).unwrap_or_default();
            self.carry.extend_from_slice(head);
            bytes = rest;
            if self.carry.len() == UNIT {
                let carry = core::mem::take(&mut self.carry);
                self.put(parts, &carry)?;
                self.carry = carry;
                self.carry.clear();
            }
        }
        let whole = bytes.len().saturating_sub(bytes.len() % UNIT);
        let (whole, tail) = bytes.split_at_checked(whole).unwrap_or_default();
        if !whole.is_empty() {
            self.put(parts, whole)?;
        }
        self.carry.extend_from_slice(tail);
        Ok(())
    }

    /// Writes what is left, filled up to a whole sector with zeros.
    pub(crate) fn end<P: Partitions>(mut self, parts: &mut P) -> Result<(), Fault> {
        if self.carry.is_empty() {
            return Ok(());
        }
        let mut rest = core::mem::take(&mut self.carry);
        rest.resize(rest.len().next_multiple_of(SECTOR), 0);
        self.put(parts, &rest)
    }

    fn put<P: Partitions>(&mut self, parts: &mut P, bytes: &[u8]) -> Result<(), Fault> {
        let role = self.role;
        open(parts, role, true)?
            .write(Lba(self.at), bytes)
            .map_err(|error| Fault::device(role, "written", &error))?;
        self.at = self.at.saturating_add(sectors(bytes.len() as u64));
        Ok(())
    }
}

/// Makes a slot whose parts were written a firmware that boots: verifies the parts as the disk has them, then writes
/// the manifest and, when that is on the disk, the record that `edit` makes.
pub(crate) fn seal<P: Partitions>(
    parts: &mut P,
    slot: Slot,
    manifest: &[u8],
    keys: &Keyset<'_>,
    edit: impl FnOnce(&mut SlotTable, &SlotFacts) -> bool,
) -> Result<SlotFacts, Fault> {
    let verified = verify(manifest, slot, keys)?;
    for role in [Role::Boot(slot), Role::Root(slot)] {
        flush(parts, role)?;
    }
    for part in verified.parts() {
        let role = part.kind.place(slot).role;
        digest(parts, slot, &part)?.map_err(|_| Fault::NotAsWritten { role })?;
    }
    write_manifest(parts, Role::Boot(slot), manifest)?;
    let facts = SlotFacts::from(&verified);
    if change(parts, |table| edit(table, &facts))? { Ok(facts) } else { Err(Fault::NotAsRecorded(slot)) }
}

fn write_manifest<P: Partitions>(parts: &mut P, role: Role, manifest: &[u8]) -> Result<(), Fault> {
    let mut area = manifest.to_vec();
    area.resize(area.len().next_multiple_of(SECTOR), 0);
    let mut blocks = open(parts, role, true)?;
    blocks.write(Lba(0), &area).map_err(|error| Fault::device(role, "written", &error))?;
    blocks.flush().map_err(|error| Fault::device(role, "flushed", &error))?;
    let mut back = vec![0; area.len()];
    blocks.read(Lba(0), &mut back).map_err(|error| Fault::device(role, "read", &error))?;
    if back == area { Ok(()) } else { Err(Fault::NotAsWritten { role }) }
}

fn flush<P: Partitions>(parts: &mut P, role: Role) -> Result<(), Fault> {
    open(parts, role, true)?.flush().map_err(|error| Fault::device(role, "flushed", &error))
}
