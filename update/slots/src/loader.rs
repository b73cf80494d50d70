//! The loaders of the disk: whether a copy is the one that a firmware brings, and writing it over.
//!
//! ```text
//! first sector zero ─ flush        from here no machine starts this copy: it takes the other one
//! all else ─ flush, read back      what was written, or Fault::NotAsWritten
//! first sector ─ flush, read back  the one step that makes it start
//! ```
//!
//! The first sector is what a machine looks at first: the boot sector of an EFI system partition, without which there is
//! no file in it; the header of stage 2, which the boot code in sector 0 compares with all that follows. So a power cut
//! leaves this copy as it was, or one that no machine starts, or the new one; and never touches the other. Which copy may be
//! written, and when, is `evener-plan`'s business.

use bytes::Bytes;
use evener_disk::{Blocks, Lba, Role, SECTOR, Slot};
use evener_formats::esp;
use evener_formats::fat16::extract;
use evener_handoff::{LoaderCopy, LoaderKind};
use evener_manifest::{Header, Keyset, ManifestError, Part};
use evener_slot_table::SlotState;
use evener_stage2::COPIES;

use crate::check::{area, verify};
use crate::fill::{open, sectors};
use crate::{Fault, Partitions, table};

/// The loaders that the firmware in a slot brings, and which copies on the disk are those already.
#[derive(Clone, Debug, Default)]
pub struct Loaders {
    brought: [Option<Brought>; 2],
    same: [[bool; 2]; 2],
    start_every_slot: bool,
}

impl Loaders {
    /// Reads both loaders from `slot`, which is confirmed, verifies them, and compares the copies with them. Holds both, less than 2 MiB.
    /// Writes nothing.
    ///
    /// # Errors
    /// [`Fault::Manifest`], [`Fault::NotAsRecorded`], [`Fault::Part`], [`Fault::Loader`]; as [`table`]; [`Fault::Open`],
    /// [`Fault::Device`].
    pub fn of<P: Partitions>(parts: &mut P, slot: Slot, keys: &Keyset<'_>) -> Result<Self, Fault> {
        let area = area(parts, slot)?;
        let manifest = verify(&area, slot, keys)?;
        let record = *table(parts)?.slot(slot);
        if record.state != SlotState::Confirmed || record.digest != manifest.digest() {
            return Err(Fault::NotAsRecorded(slot));
        }
        let mut found = Self { start_every_slot: trusts_every_slot(parts, keys)?, ..Self::default() };
        let Self { brought, same, .. } = &mut found;
        for ((kind, brought), same) in LoaderKind::ALL.into_iter().zip(brought).zip(same) {
            let Some(part) = manifest.part(kind.part()) else { continue };
            let loader = Brought::read(parts, slot, kind, part)?;
            for (copy, same) in LoaderCopy::ALL.into_iter().zip(same) {
                *same = loader.is_in(parts, copy)?;
            }
            *brought = Some(loader);
        }
        Ok(found)
    }

    /// SHA-256 of the files, UEFI and BIOS, as the manifest states them; `None` for one that the firmware does not bring.
    #[must_use]
    pub fn digests(&self) -> [Option<[u8; 32]>; 2] {
        self.brought.each_ref().map(|loader| loader.as_ref().map(|loader| loader.part.sha256))
    }

    /// Whether these loaders trust the key of every firmware that may be started. Their keyset is the firmware's, which is
    /// `keys` of [`of`](Self::of); until it does, writing them would take a way back from the unit.
    #[must_use]
    pub fn start_every_slot(&self) -> bool {
        self.start_every_slot
    }

    /// Whether the copies are those: of the UEFI loader, of the BIOS loader; first, second.
    #[must_use]
    pub fn same(&self) -> [[bool; 2]; 2] {
        self.same
    }

    /// Writes the loader of `kind` over `copy`, durably. Until the last write no machine starts that copy; the other one is
    /// not touched. Nothing is done when the firmware does not bring it.
    ///
    /// # Errors
    /// [`Fault::Open`], [`Fault::Device`], [`Fault::NotAsWritten`]: the copy is then one that no machine starts, or, when
    /// it was the last step that failed, that or the new one.
    pub fn write<P: Partitions>(
        &self,
        parts: &mut P,
        kind: LoaderKind,
        copy: LoaderCopy,
    ) -> Result<(), Fault> {
        let [uefi, bios] = &self.brought;
        let loader = if kind == LoaderKind::Uefi { uefi } else { bios };
        loader.as_ref().map_or(Ok(()), |loader| loader.write(parts, copy))
    }
}

/// Whether no slot that may boot was signed with a key that is not among these. What is damaged is no matter of keys.
fn trusts_every_slot<P: Partitions>(parts: &mut P, keys: &Keyset<'_>) -> Result<bool, Fault> {
    let table = table(parts)?;
    for slot in Slot::ALL {
        if matches!(table.slot(slot).state, SlotState::Empty | SlotState::Bad) {
            continue;
        }
        let area = area(parts, slot)?;
        let trusted = Header::parse(&area).map(|header| keys.trusted(header.key_id()).is_ok());
        if trusted == Ok(false) {
            return Ok(false);
        }
    }
    Ok(true)
}

/// A loader that the firmware in a slot brings, read from there and verified.
#[derive(Clone, Debug)]
struct Brought {
    kind: LoaderKind,
    part: Part,
    file: Bytes,
    /// What the copies are to be, whole sectors from their start on: first, second.
    images: [Vec<u8>; 2],
}

impl Brought {
    fn read<P: Partitions>(parts: &mut P, slot: Slot, kind: LoaderKind, part: Part) -> Result<Self, Fault> {
        let place = part.kind.place(slot);
        let wrong = |fault| Fault::Part { slot, part: part.kind, fault };
        let mut blocks = open(parts, place.role, false)?;
        if part.size > place.room(blocks.sectors()) {
            return Err(wrong(ManifestError::PartSize));
        }
        let bytes = usize::try_from(part.size).map_err(|_| wrong(ManifestError::PartSize))?;
        let mut file = vec![0; bytes.next_multiple_of(SECTOR)];
        let read = blocks.read(Lba(sectors(place.at)), &mut file);
        read.map_err(|error| Fault::device(place.role, "read", &error))?;
        file.truncate(bytes);
        part.check(&file).map_err(wrong)?;
        let file = Bytes::from(file);
        let image = |copy| image(kind, copy, &file).map_err(|reason| Fault::Loader { slot, kind, reason });
        let images = [image(LoaderCopy::First)?, image(LoaderCopy::Second)?];
        Ok(Self { kind, part, file, images })
    }

    /// Whether `copy` on the disk is this loader.
    fn is_in<P: Partitions>(&self, parts: &mut P, copy: LoaderCopy) -> Result<bool, Fault> {
        let role = self.kind.role(copy);
        let image = self.image(copy);
        if read(parts, role, self.start(copy), image.len())? == image {
            return Ok(true);
        }
        if self.kind == LoaderKind::Bios {
            return Ok(false);
        }
        // Firmware without a memory of its own keeps files of its own in this partition, beside the loader.
        let bytes = role.sectors().unwrap_or(0).saturating_mul(SECTOR as u64);
        let whole = read(parts, role, Lba(0), usize::try_from(bytes).unwrap_or(0))?;
        Ok(extract(&whole, esp::LOADER_PATH).is_ok_and(|file| file == self.file))
    }

    fn write<P: Partitions>(&self, parts: &mut P, copy: LoaderCopy) -> Result<(), Fault> {
        let (role, start) = (self.kind.role(copy), self.start(copy));
        let (first, rest) = self.image(copy).split_at_checked(SECTOR).unwrap_or_default();
        let behind = Lba(start.0.saturating_add(1));
        put(parts, role, start, &[0; SECTOR])?;
        put(parts, role, behind, rest)?;
        expect(parts, role, behind, rest)?;
        put(parts, role, start, first)?;
        expect(parts, role, start, first)
    }

    fn image(&self, copy: LoaderCopy) -> &[u8] {
        let [first, second] = &self.images;
        if copy == LoaderCopy::First { first } else { second }
    }

    fn start(&self, copy: LoaderCopy) -> Lba {
        let [first, second] = COPIES;
        match (self.kind, copy) {
            (LoaderKind::Uefi, _) => Lba(0),
            (LoaderKind::Bios, LoaderCopy::First) => Lba(first),
            (LoaderKind::Bios, LoaderCopy::Second) => Lba(second),
        }
    }
}

/// The bytes of a copy of the loader's `file`, whole sectors.
fn image(kind: LoaderKind, copy: LoaderCopy, file: &Bytes) -> Result<Vec<u8>, String> {
    if kind == LoaderKind::Bios {
        let (_, stage2) = evener_stage2::parts(file).map_err(|fault| fault.to_string())?;
        return Ok(stage2.bytes().to_vec());
    }
    let volume = esp::volume(kind.role(copy), file.clone()).map_err(|fault| fault.to_string())?;
    let ends = volume.extents().iter().map(|extent| extent.at.saturating_add(extent.bytes.len() as u64));
    let end = usize::try_from(ends.max().unwrap_or(0)).map_err(|error| error.to_string())?;
    let mut bytes = vec![0; end.next_multiple_of(SECTOR)];
    volume.read(0, &mut bytes);
    Ok(bytes)
}

fn read<P: Partitions>(parts: &mut P, role: Role, at: Lba, bytes: usize) -> Result<Vec<u8>, Fault> {
    let mut found = vec![0; bytes];
    let read = open(parts, role, false)?.read(at, &mut found);
    read.map_err(|error| Fault::device(role, "read", &error))?;
    Ok(found)
}

fn put<P: Partitions>(parts: &mut P, role: Role, at: Lba, bytes: &[u8]) -> Result<(), Fault> {
    let mut blocks = open(parts, role, true)?;
    blocks.write(at, bytes).map_err(|error| Fault::device(role, "written", &error))?;
    blocks.flush().map_err(|error| Fault::device(role, "flushed", &error))
}

fn expect<P: Partitions>(parts: &mut P, role: Role, at: Lba, bytes: &[u8]) -> Result<(), Fault> {
    if read(parts, role, at, bytes.len())? == bytes { Ok(()) } else { Err(Fault::NotAsWritten { role }) }
}
