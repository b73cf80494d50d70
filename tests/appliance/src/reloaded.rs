//! The shipped firmware with other loaders: what a unit has to replace its own by.
//!
//! Both loaders are changed so that they still boot, or so that they hang at their first instruction, and the firmware is
//! signed anew. On a disk the slot holds such a firmware while its own copies of the loaders are the shipped ones.

use std::path::Path;

use anyhow::{Context, Result, anyhow, ensure};
use evener_disk::{Role, Slot};
use evener_handoff::{LoaderCopy, LoaderKind};
use evener_keys::KeyFolder;
use evener_lab::DiskFile;
use evener_manifest::{Header, PartKind, SIGNATURE_BYTES, Version, join, sha256};
use evener_slot_table::{SlotRecord, load, store};
use evener_stage2::{COPIES, HEADER_BYTES, STAGE2_AT, Stage2};

/// `jmp` to itself, in every mode of the processor.
const FOR_EVER: [u8; 2] = [0xeb, 0xfe];
const SECTOR: usize = 512;
/// Where a manifest lists its parts (`update/manifest/src/layout.rs`).
const AT_PARTS: usize = 168;
const PART_BYTES: usize = 48;

/// In what a loader differs from the shipped one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// It is longer, and boots as before.
    Longer,
    /// It hangs at its first instruction.
    Hangs,
}

/// Gives slot A of a raw disk the shipped firmware with changed loaders, as an update that was confirmed leaves it. The
/// copies that boot the disk stay the shipped ones. Returns the new loaders' files, UEFI and BIOS.
///
/// # Errors
/// When the disk is not one that was just built.
pub fn reload(disk: &Path, change: Change) -> Result<[Vec<u8>; 2]> {
    let mut disk = DiskFile::open(disk)?;
    let boot = Role::Boot(Slot::A);
    let mut area = disk.peek(boot, 0, evener_manifest::AREA_BYTES)?;
    let whole = Header::parse(&area).map_err(|error| anyhow!("{error}"))?.bytes();
    area.truncate(whole - SIGNATURE_BYTES);
    let mut files = [Vec::new(), Vec::new()];
    for (kind, file) in LoaderKind::ALL.into_iter().zip(&mut files) {
        let (entry, size) = entry(&area, kind.part())?;
        let place = kind.part().place(Slot::A);
        *file = disk.peek(place.role, place.at, size)?;
        changed(kind, change, file)?;
        disk.poke(place.role, place.at, file)?;
        area[entry + 8..entry + 16].copy_from_slice(&(file.len() as u64).to_le_bytes());
        area[entry + 16..entry + 48].copy_from_slice(&sha256(file));
    }
    let (key, _) = KeyFolder::of_the_user().context("no home directory ($HOME)")?.development()?;
    disk.poke(boot, 0, &join(&area, &key.sign(&area)))?;
    let mut partition = disk.map()?.window(&mut disk, Role::SlotTable).context("no slot table")?;
    let mut table = load(&mut partition).table.context("no valid slot table")?;
    let record = SlotRecord { digest: sha256(&area), ..*table.slot(Slot::A) };
    *table.slot_mut(Slot::A) = record;
    store(&mut partition, &mut table)?;
    Ok(files)
}

/// Whether a copy on a raw disk is this loader's `file`.
///
/// # Errors
/// When the disk cannot be read.
pub fn has_loader(disk: &Path, kind: LoaderKind, copy: LoaderCopy, file: &[u8]) -> Result<bool> {
    let mut disk = DiskFile::open(disk)?;
    let role = kind.role(copy);
    if kind == LoaderKind::Uefi {
        let volume = disk.peek(role, 0, 16 << 20)?;
        let found = evener_formats::fat16::extract(&volume, evener_formats::esp::LOADER_PATH);
        return Ok(found.is_ok_and(|found| found == file));
    }
    let at = COPIES[copy.index()] * SECTOR as u64;
    let found = disk.peek(role, at, 512 << 10)?;
    let wanted = file.get(STAGE2_AT..).unwrap_or_default();
    Ok(Stage2::check(&found).is_ok_and(|found| found.bytes() == wanted))
}

/// Where a manifest states this part, and the part's size.
fn entry(manifest: &[u8], kind: PartKind) -> Result<(usize, usize)> {
    let entries = (0..8).map(|index| AT_PARTS + index * PART_BYTES);
    let entry = entries.into_iter().find(|at| manifest[*at..at + 2] == (kind as u16).to_le_bytes());
    let entry = entry.with_context(|| format!("the firmware brings no {kind}"))?;
    let size = u64::from_le_bytes(manifest[entry + 8..entry + 16].try_into()?);
    Ok((entry, usize::try_from(size)?))
}

fn changed(kind: LoaderKind, change: Change, file: &mut Vec<u8>) -> Result<()> {
    match (kind, change) {
        (_, Change::Longer) => file.resize(file.len().next_multiple_of(SECTOR) + SECTOR, 0),
        (LoaderKind::Uefi, Change::Hangs) => {
            let entry = pe_entry(file)?;
            file[entry..entry + 2].copy_from_slice(&FOR_EVER);
        }
        (LoaderKind::Bios, Change::Hangs) => {
            let entry = STAGE2_AT + HEADER_BYTES;
            file[entry..entry + 2].copy_from_slice(&FOR_EVER);
        }
    }
    if kind == LoaderKind::Bios {
        evener_stage2::seal(file, Version::default()).map_err(|error| anyhow!("{error}"))?;
    }
    Ok(())
}

/// Where the first instruction of a PE file lies in it (PE format specification, "Optional Header" and "Section Table").
fn pe_entry(file: &[u8]) -> Result<usize> {
    let word = |at: usize| -> Result<usize> {
        let bytes = file.get(at..at + 4).context("the PE file is too short")?;
        Ok(usize::try_from(u32::from_le_bytes(bytes.try_into()?))?)
    };
    let header = word(0x3c)?;
    ensure!(file.get(header..header + 4) == Some(b"PE\0\0"), "no PE file");
    let sections = word(header + 4)? >> 16;
    let optional_bytes = word(header + 20)? & 0xffff;
    let entry = word(header + 24 + 16)?;
    for index in 0..sections {
        let section = header + 24 + optional_bytes + index * 40;
        let (size, start, at) = (word(section + 8)?, word(section + 12)?, word(section + 20)?);
        if (start..start + size).contains(&entry) {
            return Ok(at + entry - start);
        }
    }
    Err(anyhow!("the entry is in no section"))
}
