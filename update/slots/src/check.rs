//! Whether a slot holds what a trusted key signed, read from the disk.

use evener_disk::{Blocks, Lba, Role, SECTOR, Slot};
use evener_manifest::{AREA_BYTES, Header, Keyset, ManifestError, Part, Verified};
use evener_slot_table::SlotFacts;

use crate::fill::{open, sectors};
use crate::{Fault, Partitions};

/// Bytes read at a time, and the most that is held: 1 MiB.
pub(crate) const CHUNK: usize = 1 << 20;

/// Manifest and signature of a slot, as the disk has them: the first 64 KiB of its boot partition. Nothing is
/// checked.
///
/// # Errors
/// [`Fault::Open`], [`Fault::Device`].
pub fn area<P: Partitions>(parts: &mut P, slot: Slot) -> Result<Vec<u8>, Fault> {
    let role = Role::Boot(slot);
    let mut area = vec![0; AREA_BYTES];
    open(parts, role, false)?.read(Lba(0), &mut area).map_err(|error| Fault::device(role, "read", &error))?;
    Ok(area)
}

/// Verifies all of the firmware in `slot` as the disk has it: the manifest's signature, then size and digest of each
/// part. Writes nothing.
///
/// The digest of the root file system covers its dm-verity tree, which lies behind it in the same part; the root
/// hash on the signed command line is the builder's statement about those very bytes. So the tree need not
/// be built again here: bytes with this digest verify block by block or never did on any machine.
///
/// # Errors
/// [`Fault::Manifest`], [`Fault::Part`]; [`Fault::Open`], [`Fault::Device`] where the disk gave no answer.
pub fn check<P: Partitions>(parts: &mut P, slot: Slot, keys: &Keyset<'_>) -> Result<SlotFacts, Fault> {
    let area = area(parts, slot)?;
    let verified = verify(&area, slot, keys)?;
    for part in verified.parts() {
        let wrong = |fault| Fault::Part { slot, part: part.kind, fault };
        digest(parts, slot, &part)?.map_err(wrong)?;
    }
    Ok(SlotFacts::from(&verified))
}

/// The manifest in `area`, which is that of `slot`, verified.
pub(crate) fn verify<'a>(area: &'a [u8], slot: Slot, keys: &Keyset<'_>) -> Result<Verified<'a>, Fault> {
    let verified = Header::parse(area).and_then(|header| header.verify(keys));
    verified.map_err(|fault| Fault::Manifest { slot, fault })
}

/// Reads `part` from `slot` and compares it with what its manifest says.
///
/// The outer error is the disk's, the inner one the bytes'.
pub(crate) fn digest<P: Partitions>(
    parts: &mut P,
    slot: Slot,
    part: &Part,
) -> Result<Result<(), ManifestError>, Fault> {
    let place = part.kind.place(slot);
    let role = place.role;
    let mut blocks = open(parts, role, false)?;
    if part.size > place.room(blocks.sectors()) {
        return Ok(Err(ManifestError::PartSize));
    }
    let mut check = part.checker();
    let room = usize::try_from(part.size).unwrap_or(CHUNK).min(CHUNK).next_multiple_of(SECTOR);
    let mut chunk = vec![0; room];
    let mut left = part.size;
    let mut at = sectors(place.at);
    while left > 0 {
        let bytes = usize::try_from(left).unwrap_or(CHUNK).min(CHUNK);
        let whole = chunk.get_mut(..bytes.next_multiple_of(SECTOR)).unwrap_or_default();
        blocks.read(Lba(at), whole).map_err(|error| Fault::device(role, "read", &error))?;
        check.update(whole.get(..bytes).unwrap_or_default());
        left = left.saturating_sub(bytes as u64);
        at = at.saturating_add(sectors(bytes as u64));
    }
    Ok(check.finish())
}
