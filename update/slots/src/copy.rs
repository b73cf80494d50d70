//! Filling one slot with the firmware of another: after the floor has passed what it held.

use evener_disk::{Blocks, Lba, SECTOR, Slot};
use evener_manifest::{Keyset, Part};
use evener_slot_table::{SlotFacts, SlotState};

use crate::check::{CHUNK, area, verify};
use crate::fill::{PartWriter, check_room, empty, open, seal, sectors};
use crate::{Fault, Partitions, check, table};

/// Copies the confirmed firmware in `from` to `to`, in the order of an installation: `to` is empty, then written,
/// read back, verified, and confirmed as the second choice. Two record writes. Holds 1 MiB.
///
/// Nothing is changed unless `from` is whole; a cut or a fault after that leaves `to` empty, and the copy is
/// repeated.
///
/// # Errors
/// [`Fault::Target`] when both are one; what [`check`] finds wrong with `from`; [`Fault::NotAsRecorded`] when `from` is
/// not confirmed, or not what the slot table is about; and the faults of an installation.
pub fn copy<P: Partitions>(
    parts: &mut P,
    from: Slot,
    to: Slot,
    keys: &Keyset<'_>,
) -> Result<SlotFacts, Fault> {
    if from == to {
        return Err(Fault::Target(to));
    }
    let facts = check(parts, from, keys)?;
    let record = *table(parts)?.slot(from);
    if record.state != SlotState::Confirmed || record.digest != facts.digest {
        return Err(Fault::NotAsRecorded(from));
    }
    let area = area(parts, from)?;
    let verified = verify(&area, from, keys)?;
    check_room(parts, to, verified.parts())?;
    empty(parts, to)?;
    let largest = verified.parts().map(|part| usize::try_from(part.size).unwrap_or(CHUNK)).max();
    let mut chunk = vec![0; largest.unwrap_or(CHUNK).min(CHUNK).next_multiple_of(SECTOR)];
    for part in verified.parts() {
        copy_part(parts, &part, from, to, &mut chunk)?;
    }
    // The area on the disk is longer than the manifest; what follows that is nobody's statement.
    let length = evener_manifest::Header::parse(&area).map_or(area.len(), |header| header.bytes());
    let manifest = area.get(..length).unwrap_or(&area);
    seal(parts, to, manifest, keys, |table, _| table.refilled(to, from))
}

fn copy_part<P: Partitions>(
    parts: &mut P,
    part: &Part,
    from: Slot,
    to: Slot,
    chunk: &mut [u8],
) -> Result<(), Fault> {
    let place = part.kind.place(from);
    let role = place.role;
    let mut writer = PartWriter::new(part.kind, to);
    let mut left = part.size;
    let mut at = sectors(place.at);
    while left > 0 {
        let bytes = usize::try_from(left).unwrap_or(chunk.len()).min(chunk.len());
        let whole = chunk.get_mut(..bytes.next_multiple_of(SECTOR)).unwrap_or_default();
        let read = open(parts, role, false)?.read(Lba(at), whole);
        read.map_err(|error| Fault::device(role, "read", &error))?;
        writer.write(parts, whole.get(..bytes).unwrap_or_default())?;
        left = left.saturating_sub(bytes as u64);
        at = at.saturating_add(sectors(bytes as u64));
    }
    writer.end(parts)
}
