//! What is installed: the firmware of the stick itself, verified as a loader verifies it, and in memory.
//!
//! Verified bytes are written, not bytes read a second time: a stick that is dying, or was changed while it ran, is
//! found out before the first write to the target. A firmware has 16 MiB; a machine that runs Evener has that to spare.

use bytes::Bytes;
use evener_disk::{Blocks, Lba, PartitionMap, Role, SECTOR, Slot};
use evener_formats::fat16::extract;
use evener_layout::{Firmware, LOADER_PATH};
use evener_manifest::{AREA_BYTES, Header, KERNEL_AT, Keyset, Part, PartKind, Verified, Version};
use evener_slot_table::SlotFacts;
use evener_stage2::{BOOT_CODE_BYTES, COPIES, COPIES_FIELD, MAX_BYTES, STAGE2_AT, Stage2};

/// Why the stick cannot install anything. Nothing was written then.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SourceError {
    /// A part of it cannot be read.
    #[error("{what} cannot be read: {reason}")]
    Unreadable {
        /// Which part.
        what: &'static str,
        /// The device's words.
        reason: String,
    },
    /// A part of it is not what was signed, or is not there.
    #[error("{what} is damaged: {reason}")]
    Damaged {
        /// Which part.
        what: &'static str,
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
    /// `BOOTX64.EFI`.
    pub loader_uefi: Bytes,
    /// The BIOS loader's file.
    pub loader_bios: Bytes,
}

fn damaged(what: &'static str, reason: impl std::fmt::Display) -> SourceError {
    SourceError::Damaged { what, reason: format!("{reason}") }
}

impl Source {
    /// Reads and verifies slot R and the loaders of `stick`. Writes nothing.
    ///
    /// # Errors
    /// [`SourceError`].
    pub fn read<B: Blocks>(stick: &mut B, keys: &Keyset<'_>) -> Result<Self, SourceError> {
        let map = PartitionMap::read(stick).map_err(|fault| damaged("the partition table", fault))?;
        let area = part_of(stick, &map, Role::Boot(Slot::R), 0, AREA_BYTES as u64, "the manifest")?;
        let verified =
            Header::parse(&area).and_then(|header| header.verify(keys).map(|v| (header.bytes(), v)));
        let (length, verified) = verified.map_err(|fault| damaged("the manifest", fault))?;
        let mut read = |kind, role, at, what| {
            let part: Part =
                verified.part(kind).ok_or_else(|| damaged(what, "the manifest does not name it"))?;
            let bytes = part_of(stick, &map, role, at, part.size, what)?;
            part.check(&bytes).map_err(|fault| damaged(what, fault))?;
            Ok(Bytes::from(bytes))
        };
        let kernel = read(PartKind::Kernel, Role::Boot(Slot::R), KERNEL_AT, "the kernel")?;
        let rootfs = read(PartKind::Rootfs, Role::Root(Slot::R), 0, "the root file system")?;
        let loader_uefi = loader_uefi(stick, &map, &verified)?;
        let loader_bios = loader_bios(stick, &map, &verified)?;
        let facts = SlotFacts::from(&verified);
        let version = verified.version();
        let area = Bytes::copy_from_slice(area.get(..length).unwrap_or(&area));
        let firmware = Firmware { area, kernel, rootfs, facts };
        Ok(Self { version, firmware, loader_uefi, loader_bios })
    }
}

/// `bytes` of a partition from byte `at` on, which is the start of a sector.
fn part_of<B: Blocks>(
    stick: &mut B,
    map: &PartitionMap,
    role: Role,
    at: u64,
    bytes: u64,
    what: &'static str,
) -> Result<Vec<u8>, SourceError> {
    let mut window = map.window(stick, role).ok_or_else(|| damaged(what, "its partition is missing"))?;
    let start = at / 512;
    // A manifest is signed, but the partition table is not.
    if bytes.div_ceil(SECTOR as u64) > window.sectors().saturating_sub(start) {
        return Err(damaged(what, "it is larger than its partition"));
    }
    let length = usize::try_from(bytes).map_err(|_| damaged(what, "it is too large"))?;
    let mut buffer = vec![0; length.next_multiple_of(SECTOR)];
    let read = window.read(Lba(start), &mut buffer);
    read.map_err(|error| SourceError::Unreadable { what, reason: format!("{error:?}") })?;
    buffer.truncate(length);
    Ok(buffer)
}

/// From the first EFI system partition that has the one that was signed.
fn loader_uefi<B: Blocks>(
    stick: &mut B,
    map: &PartitionMap,
    verified: &Verified<'_>,
) -> Result<Bytes, SourceError> {
    const WHAT: &str = "the UEFI loader";
    let part = verified.part(PartKind::LoaderUefi);
    let part = part.ok_or_else(|| damaged(WHAT, "the manifest does not name it"))?;
    let mut first = None;
    for role in [Role::EspA, Role::EspB] {
        let bytes = map.get(role).map_or(0, |esp| esp.sectors.saturating_mul(SECTOR as u64));
        let found = part_of(stick, map, role, 0, bytes, WHAT).and_then(|volume| {
            let loader = extract(&volume, LOADER_PATH).map_err(|fault| damaged(WHAT, fault))?;
            part.check(&loader).map_err(|fault| damaged(WHAT, fault))?;
            Ok(Bytes::from(loader))
        });
        match found {
            Ok(loader) => return Ok(loader),
            Err(error) => first = first.or(Some(error)),
        }
    }
    Err(first.unwrap_or_else(|| damaged(WHAT, "there is none")))
}

/// The file again, from the boot code in sector 0 and the first whole copy of stage 2.
fn loader_bios<B: Blocks>(
    stick: &mut B,
    map: &PartitionMap,
    verified: &Verified<'_>,
) -> Result<Bytes, SourceError> {
    const WHAT: &str = "the BIOS loader";
    let mut sector = [0; SECTOR];
    let read = stick.read(Lba(0), &mut sector);
    read.map_err(|error| SourceError::Unreadable { what: WHAT, reason: format!("{error:?}") })?;
    let mut file = vec![0; STAGE2_AT];
    // Without the sectors of the copies, which are this disk's.
    let code = sector.get(..COPIES_FIELD.min(BOOT_CODE_BYTES)).unwrap_or_default();
    evener_disk::field::put(&mut file, 0, code);
    let mut first = None;
    for copy in COPIES {
        let at = copy.saturating_mul(SECTOR as u64);
        let found = part_of(stick, map, Role::BiosBoot, at, MAX_BYTES as u64, WHAT).and_then(|bytes| {
            let stage2 = Stage2::check(&bytes).map_err(|fault| damaged(WHAT, fault))?;
            if !stage2.came_with(code) {
                return Err(damaged(WHAT, "the boot code in sector 0 is of another one"));
            }
            file.truncate(STAGE2_AT);
            file.extend_from_slice(stage2.bytes());
            verified
                .part(PartKind::LoaderBios)
                .map_or(Ok(()), |part| part.check(&file))
                .map_err(|fault| damaged(WHAT, fault))
        });
        match found {
            Ok(()) => return Ok(file.into()),
            Err(error) => first = first.or(Some(error)),
        }
    }
    Err(first.unwrap_or_else(|| damaged(WHAT, "there is none")))
}

#[cfg(test)]
mod tests;
