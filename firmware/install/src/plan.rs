//! The order in which a disk is written.
//!
//! ```text
//! erase                                        keep
//! MBR, table headers, slot table, manifests    record: every slot is empty, floor as it was
//!   zeroed ─ flush                             manifests wiped ─ flush          from here it does not boot
//! loaders, kernels, root file systems, conf,   loaders, kernels, root file systems, boot code
//!   data ─ flush
//! all of it read back and compared             all of it read back and compared
//! both partition tables, MBR ─ flush, compared
//! ─ the caller may put files onto `data` ─
//! records ─ flush; manifests ─ flush           manifests ─ flush; records       the last thing: now it boots
//! ```
//!
//! A cut leaves a disk that says that nothing can be booted, never one that half boots; the installation is
//! repeated. One that keeps finds the unit again, because its partition table, its configuration and its floor were
//! never away.

use std::ops::Range;

use evener_disk::{
    Blocks, GptError, Guid, Lba, PartitionMap, Role, SECTOR, SECTORS_PER_MIB, SHIPPED_SECTORS, Slot,
    Source as Table, TABLE_SECTORS,
};
use evener_formats::Sparse;
use evener_layout::{Disk, LayoutError};
use evener_manifest::{AREA_BYTES, Keyset};
use evener_slot_table::{COPIES, SlotTable, StoreError, load, store};
use evener_slots::{Fault, MappedDisk};

use crate::Source;
use crate::region::{Region, bytes_of};

/// Sectors of the part of a slot that says what is in it.
const AREA: u64 = (AREA_BYTES / SECTOR) as u64;
/// Pieces after which the disk is waited for, so that progress is what is on it, and a failure is heard early.
const FLUSH_EVERY: usize = 8;

/// What is being done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Contents are written.
    Writing,
    /// They are read back and compared.
    Checking,
}

/// Why an installation broke off.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InstallError {
    /// The disk failed.
    #[error("sector {} cannot be {doing}: {reason}", .at.0)]
    Device {
        /// `written` or `read`.
        doing: &'static str,
        /// Where.
        at: Lba,
        /// The device's words.
        reason: String,
    },
    /// The disk did not say that what it took is stored.
    #[error("what was written cannot be stored: {0}")]
    Flush(String),
    /// The disk took what was written and has something else.
    #[error("sector {} does not hold what was written to it", .0.0)]
    NotAsWritten(Lba),
    /// The disk cannot be laid out.
    #[error(transparent)]
    Layout(#[from] LayoutError),
    /// Its partition table cannot be read or written.
    #[error("partition table: {0}")]
    Map(GptError),
    /// The record of its slots cannot be written.
    #[error(transparent)]
    Record(#[from] StoreError),
    /// The record of its slots is lost.
    #[error("no copy of the slot table is valid")]
    RecordLost,
    /// A slot is not what was signed.
    #[error(transparent)]
    Slot(#[from] Fault),
}

/// An installation of one disk.
#[derive(Clone, Debug)]
pub struct Plan {
    image: Sparse,
    map: PartitionMap,
    contents: Vec<Region>,
    kept: Option<Kept>,
    changed: bool,
}

/// What is different where a unit's settings are kept.
#[derive(Clone, Debug)]
struct Kept {
    /// The record that ends the installation, with the sequence number of the last one written.
    table: SlotTable,
    sector_0: [u8; SECTOR],
}

impl Plan {
    /// For a disk of `sectors` whose content is lost, with `data` as its file system. `guid` gives fresh ones.
    ///
    /// # Errors
    /// [`LayoutError`], such as a disk that is too small.
    pub fn erase(
        source: &Source,
        sectors: u64,
        data: Sparse,
        guid: &mut impl FnMut() -> Guid,
    ) -> Result<Self, LayoutError> {
        let file_system = data.length().div_ceil(SECTOR as u64);
        let (image, map) = disk(source, sectors, data).build_with(&mut |_| guid())?;
        let mut contents = firmware(&map);
        contents.extend(map.get(Role::Conf).iter().map(Region::dense));
        contents.extend(
            map.get(Role::Data)
                .iter()
                .map(|part| Region { sectors: file_system.min(part.sectors), ..Region::dense(part) }),
        );
        Ok(Self { image, map, contents, kept: None, changed: false })
    }

    /// For the unit on `target`, whose settings stay. Its GUIDs stay as well: they are its own. Writes nothing.
    ///
    /// # Errors
    /// [`InstallError::Map`], [`InstallError::RecordLost`], [`InstallError::Layout`].
    pub fn keep<B: Blocks>(source: &Source, target: &mut B) -> Result<Self, InstallError> {
        let map = PartitionMap::read(target).map_err(InstallError::Map)?;
        let before = map.window(&mut *target, Role::SlotTable).and_then(|mut part| load(&mut part).table);
        let before = before.ok_or(InstallError::RecordLost)?;
        let disk = disk(source, target.sectors(), Sparse::new(0));
        let (image, laid_out) = disk.build_with(&mut |_| map.disk())?;
        if !laid_out.is_laid_out_as(&map) || map.foreign() > 0 {
            return Err(InstallError::Map(GptError::Foreign));
        }
        let fresh = disk.slot_table();
        let table = SlotTable { seq: before.seq, floor: fresh.floor.max(before.floor), ..fresh };
        let code: [u8; 440] = evener_disk::field::array(&bytes_of(&image, &(0..1)), 0).unwrap_or([0; 440]);
        let kept = Kept { table, sector_0: map.emit_mbr(&code) };
        Ok(Self { contents: firmware(&map), image, map, kept: Some(kept), changed: false })
    }

    /// Where the partitions of the installed disk lie.
    #[must_use]
    pub fn map(&self) -> &PartitionMap {
        &self.map
    }

    /// Whether something was written. If not, the disk is what it was.
    #[must_use]
    pub fn has_changed_the_disk(&self) -> bool {
        self.changed
    }

    /// Writes and checks everything but what makes the disk boot. `progress` hears percentages of each step.
    ///
    /// # Errors
    /// [`InstallError`].
    pub fn prepare<B: Blocks>(
        &mut self,
        target: &mut B,
        mut progress: impl FnMut(Step, u8),
    ) -> Result<(), InstallError> {
        if target.sectors() != self.map.sectors() {
            return Err(InstallError::Map(GptError::Bounds));
        }
        self.wipe(target)?;
        let pieces: Vec<Range<u64>> =
            self.contents.iter().flat_map(|region| region.pieces(&self.image)).collect();
        let percent = |done: usize| {
            let percent = done.saturating_mul(100).checked_div(pieces.len());
            percent.and_then(|percent| u8::try_from(percent).ok()).unwrap_or(100)
        };
        for (index, piece) in pieces.iter().enumerate() {
            let bytes = bytes_of(&self.image, piece);
            self.write(target, piece.start, &bytes)?;
            let done = index.saturating_add(1);
            if done.is_multiple_of(FLUSH_EVERY) {
                flush(target)?;
            }
            progress(Step::Writing, percent(done));
        }
        flush(target)?;
        for (index, piece) in pieces.iter().enumerate() {
            compare(target, piece.start, &bytes_of(&self.image, piece))?;
            progress(Step::Checking, percent(index.saturating_add(1)));
        }
        self.write_tables(target)
    }

    /// Writes what makes the prepared disk boot, then verifies both slots as a loader would.
    ///
    /// # Errors
    /// [`InstallError`].
    pub fn commit<B: Blocks>(&mut self, target: &mut B, keys: &Keyset<'_>) -> Result<(), InstallError> {
        match self.kept.clone() {
            None => {
                let image = self.image.clone();
                let records = self.record_sectors().into_iter().map(|at| at..at.saturating_add(1));
                self.write_through(target, &image, &records.collect::<Vec<_>>())?;
                self.write_manifests(target)?;
            }
            Some(mut kept) => {
                self.write_manifests(target)?;
                // All copies, so that none of them says that the slots are empty.
                for _ in 0..COPIES {
                    self.store(target, &mut kept.table)?;
                }
                self.kept = Some(kept);
            }
        }
        let mut disk = MappedDisk::new(&mut *target, self.map.clone());
        for slot in [Slot::A, Slot::R] {
            evener_slots::check(&mut disk, slot, keys)?;
        }
        Ok(())
    }

    /// From here on nothing on the disk boots.
    fn wipe<B: Blocks>(&mut self, target: &mut B) -> Result<(), InstallError> {
        if let Some(mut kept) = self.kept.clone() {
            let (seq, floor) = (kept.table.seq, kept.table.floor);
            let mut empty = SlotTable { seq, floor, ..SlotTable::default() };
            self.store(target, &mut empty)?;
            kept.table.seq = empty.seq;
            self.kept = Some(kept);
        } else {
            let last = target.sectors().saturating_sub(1);
            // A table that was left behind where shipped disks end would be found again, too.
            let mut headers = vec![0, 1, last, SHIPPED_SECTORS.saturating_sub(1).min(last)];
            headers.extend(self.record_sectors());
            for at in headers {
                self.write(target, at, &[0; SECTOR])?;
            }
        }
        for slot in Slot::ALL {
            if let Some(part) = self.map.get(Role::Boot(slot)) {
                self.write(target, part.start.0, &[0; AREA_BYTES])?;
            }
        }
        flush(target)
    }

    fn write_tables<B: Blocks>(&mut self, target: &mut B) -> Result<(), InstallError> {
        if let Some(kept) = self.kept.clone() {
            if self.map.source() == Table::Backup {
                self.map.write(target).map_err(InstallError::Map)?;
            }
            self.write(target, 0, &kept.sector_0)?;
            flush(target)?;
            return compare(target, 0, &kept.sector_0);
        }
        self.map.write(target).map_err(InstallError::Map)?;
        self.write(target, 0, &bytes_of(&self.image, &(0..1)))?;
        flush(target)?;
        for piece in [0..TABLE_SECTORS.saturating_add(1), self.map.backup_at().0..self.map.sectors()] {
            compare(target, piece.start, &bytes_of(&self.image, &piece))?;
        }
        Ok(())
    }

    fn write_manifests<B: Blocks>(&mut self, target: &mut B) -> Result<(), InstallError> {
        let image = self.image.clone();
        let parts = [Slot::A, Slot::R].into_iter().filter_map(|slot| self.map.get(Role::Boot(slot)));
        let areas: Vec<_> = parts.map(|part| part.start.0..part.start.0.saturating_add(AREA)).collect();
        self.write_through(target, &image, &areas)
    }

    /// The sectors with the copies of the record.
    fn record_sectors(&self) -> Vec<u64> {
        let start = self.map.get(Role::SlotTable).map_or(0, |part| part.start.0);
        let copies = u64::try_from(COPIES).unwrap_or(0);
        (0..copies).map(|copy| start.saturating_add(copy.saturating_mul(SECTORS_PER_MIB))).collect()
    }

    fn store<B: Blocks>(&mut self, target: &mut B, table: &mut SlotTable) -> Result<(), InstallError> {
        let part = self.map.window(&mut *target, Role::SlotTable);
        store(&mut part.ok_or(InstallError::RecordLost)?, table)?;
        self.changed = true;
        Ok(())
    }

    fn write<B: Blocks>(&mut self, target: &mut B, at: u64, bytes: &[u8]) -> Result<(), InstallError> {
        let written = target.write(Lba(at), bytes);
        written.map_err(|error| device("written", at, &error))?;
        self.changed = true;
        Ok(())
    }

    /// Writes these sectors of the image, and reads them back when they are stored.
    fn write_through<B: Blocks>(
        &mut self,
        target: &mut B,
        image: &Sparse,
        pieces: &[Range<u64>],
    ) -> Result<(), InstallError> {
        for piece in pieces {
            self.write(target, piece.start, &bytes_of(image, piece))?;
        }
        flush(target)?;
        pieces.iter().try_for_each(|piece| compare(target, piece.start, &bytes_of(image, piece)))
    }
}

/// The disk as the image builder would make it.
fn disk(source: &Source, sectors: u64, data: Sparse) -> Disk {
    Disk { sectors, firmware: source.firmware.clone(), data }
}

/// Loaders, kernels and root file systems, without what says that they are there.
fn firmware(map: &PartitionMap) -> Vec<Region> {
    let whole = [Role::BiosBoot, Role::EspA, Role::EspB].into_iter().filter_map(|role| map.get(role));
    let mut regions: Vec<Region> = whole.map(|part| Region::dense(&part)).collect();
    for slot in [Slot::A, Slot::R] {
        regions.extend(map.get(Role::Boot(slot)).map(|part| Region::sparse(&part, AREA)));
        regions.extend(map.get(Role::Root(slot)).map(|part| Region::sparse(&part, 0)));
    }
    regions
}

fn device(doing: &'static str, at: u64, error: &impl std::fmt::Debug) -> InstallError {
    InstallError::Device { doing, at: Lba(at), reason: format!("{error:?}") }
}

fn flush<B: Blocks>(target: &mut B) -> Result<(), InstallError> {
    target.flush().map_err(|error| InstallError::Flush(format!("{error:?}")))
}

fn compare<B: Blocks>(target: &mut B, at: u64, expected: &[u8]) -> Result<(), InstallError> {
    let mut found = vec![0; expected.len()];
    target.read(Lba(at), &mut found).map_err(|error| device("read", at, &error))?;
    let pairs = found.chunks(SECTOR).zip(expected.chunks(SECTOR));
    match (at..).zip(pairs).find(|(_, (found, expected))| found != expected) {
        Some((at, _)) => Err(InstallError::NotAsWritten(Lba(at))),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests;
