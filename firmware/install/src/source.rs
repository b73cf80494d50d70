//! What is installed: the firmware of the stick itself, verified as a loader verifies it, and in memory.
//!
//! Verified bytes are written, not bytes read a second time: a stick that is dying, or was changed while it ran, is
//! found out before the first write to the target. A firmware has 16 MiB; a machine that runs Evener has that to spare.
//! Its loaders are those of the slot: who signed them is known, which is not so of those that the stick was started by.

use bytes::Bytes;
use evener_disk::{Blocks, Lba, PartitionMap, Role, SECTOR, Slot};
use evener_layout::Firmware;
use evener_manifest::{AREA_BYTES, Header, Keyset, PartKind, Version};
use evener_slot_table::SlotFacts;

/// Why the stick cannot install anything. Nothing was written then.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SourceError {
    /// A part of it cannot be read.
    #[error("the {what} cannot be read: {reason}")]
    Unreadable {
        /// Which part.
        what: String,
        /// The device's words.
        reason: String,
    },
    /// A part of it is not what was signed, or is not there.
    #[error("the {what} is damaged: {reason}")]
    Damaged {
        /// Which part.
        what: String,
        /// What is wrong.
        reason: String,
    },
}

/// Everything that a disk is made of, but for the empty file system.
#[derive(Clone, Debug)]
pub struct Source {
    /// Version of the firmware.
    pub version: Version,
    /// The firmware as it lies in a slot.
    pub firmware: Firmware,
}

fn damaged(what: &str, reason: impl std::fmt::Display) -> SourceError {
    SourceError::Damaged { what: what.to_owned(), reason: format!("{reason}") }
}

impl Source {
    /// Reads and verifies slot R of `stick`. Writes nothing.
    ///
    /// # Errors
    /// [`SourceError`].
    pub fn read<B: Blocks>(stick: &mut B, keys: &Keyset<'_>) -> Result<Self, SourceError> {
        const MANIFEST: &str = "manifest";
        let map = PartitionMap::read(stick).map_err(|fault| damaged("partition table", fault))?;
        let area = part_of(stick, &map, Role::Boot(Slot::R), 0, AREA_BYTES as u64, MANIFEST)?;
        let header = Header::parse(&area).map_err(|fault| damaged(MANIFEST, fault))?;
        let verified = header.verify(keys).map_err(|fault| damaged(MANIFEST, fault))?;
        let mut read = |kind: PartKind| {
            let what = kind.to_string();
            let part = verified.part(kind).ok_or_else(|| damaged(&what, "the manifest does not name it"))?;
            let place = kind.place(Slot::R);
            let bytes = part_of(stick, &map, place.role, place.at, part.size, &what)?;
            part.check(&bytes).map_err(|fault| damaged(&what, fault))?;
            Ok(Bytes::from(bytes))
        };
        let firmware = Firmware {
            kernel: read(PartKind::Kernel)?,
            rootfs: read(PartKind::Rootfs)?,
            loader_uefi: read(PartKind::LoaderUefi)?,
            loader_bios: read(PartKind::LoaderBios)?,
            facts: SlotFacts::from(&verified),
            area: Bytes::copy_from_slice(area.get(..header.bytes()).unwrap_or(&area)),
        };
        Ok(Self { version: verified.version(), firmware })
    }
}

/// `bytes` of a partition from byte `at` on, which is the start of a sector.
fn part_of<B: Blocks>(
    stick: &mut B,
    map: &PartitionMap,
    role: Role,
    at: u64,
    bytes: u64,
    what: &str,
) -> Result<Vec<u8>, SourceError> {
    let mut window = map.window(stick, role).ok_or_else(|| damaged(what, "its partition is missing"))?;
    let start = at / 512;
    // The manifest is signed, but the partition table is not.
    if bytes.div_ceil(SECTOR as u64) > window.sectors().saturating_sub(start) {
        return Err(damaged(what, "it is larger than its partition"));
    }
    let length = usize::try_from(bytes).map_err(|_| damaged(what, "it is too large"))?;
    let mut buffer = vec![0; length.next_multiple_of(SECTOR)];
    let read = window.read(Lba(start), &mut buffer);
    read.map_err(|error| SourceError::Unreadable { what: what.to_owned(), reason: format!("{error:?}") })?;
    buffer.truncate(length);
    Ok(buffer)
}

#[cfg(test)]
mod tests;
