//! Disks in memory for tests: one that is strict, and one that loses power in the middle of a write.
//!
//! `RamDisk` refuses what a device may refuse (partial sectors, addresses outside). `CutDisk` has a volatile
//! cache: a write is stable only after a flush, and the test decides what of the unflushed rest survived.

use alloc::vec;
use alloc::vec::Vec;

use crate::{Blocks, Lba, SECTOR};

/// The error of a test disk: refused, or powered off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DiskGone;

/// A disk in memory that takes whole sectors inside its bounds and nothing else.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RamDisk {
    bytes: Vec<u8>,
}

impl RamDisk {
    /// A disk of `sectors` zeroed sectors.
    #[must_use]
    pub fn new(sectors: usize) -> Self {
        Self { bytes: vec![0; sectors.saturating_mul(SECTOR)] }
    }

    /// A disk with this content; a partial last sector is dropped.
    #[must_use]
    pub fn from_bytes(mut bytes: Vec<u8>) -> Self {
        bytes.truncate((bytes.len() / SECTOR).saturating_mul(SECTOR));
        Self { bytes }
    }

    /// Everything on the disk.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Everything on the disk, to corrupt it.
    pub fn bytes_mut(&mut self) -> &mut [u8] {
        &mut self.bytes
    }

    fn range(&self, at: Lba, length: usize) -> Result<core::ops::Range<usize>, DiskGone> {
        let start = usize::try_from(at.0).ok().and_then(|lba| lba.checked_mul(SECTOR)).ok_or(DiskGone)?;
        let end = start.checked_add(length).ok_or(DiskGone)?;
        if !length.is_multiple_of(SECTOR) || end > self.bytes.len() {
            return Err(DiskGone);
        }
        Ok(start..end)
    }
}

impl Blocks for RamDisk {
    type Error = DiskGone;

    fn sectors(&self) -> u64 {
        u64::try_from(self.bytes.len() / SECTOR).unwrap_or(u64::MAX)
    }

    fn read(&mut self, at: Lba, buffer: &mut [u8]) -> Result<(), DiskGone> {
        let range = self.range(at, buffer.len())?;
        buffer.copy_from_slice(self.bytes.get(range).ok_or(DiskGone)?);
        Ok(())
    }

    fn write(&mut self, at: Lba, data: &[u8]) -> Result<(), DiskGone> {
        let range = self.range(at, data.len())?;
        self.bytes.get_mut(range).ok_or(DiskGone)?.copy_from_slice(data);
        Ok(())
    }

    fn flush(&mut self) -> Result<(), DiskGone> {
        Ok(())
    }
}

/// What the write during which the power fails leaves behind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cut {
    /// Nothing of it.
    Before,
    /// Its first so many bytes, on stable storage.
    Torn(usize),
    /// It was acknowledged; the power fails before anything else happens, so it is not flushed.
    After,
}

/// A disk with a volatile write cache that loses power at a chosen write.
#[derive(Clone, Debug)]
pub struct CutDisk {
    stable: RamDisk,
    cache: Vec<(Lba, Vec<u8>)>,
    torn: Option<(Lba, Vec<u8>)>,
    cut: Option<(u64, Cut)>,
    writes: u64,
    flushes: u64,
    dead: bool,
}

impl CutDisk {
    /// A disk that never loses power; it counts what is done to it.
    #[must_use]
    pub fn new(stable: RamDisk) -> Self {
        Self { stable, cache: Vec::new(), torn: None, cut: None, writes: 0, flushes: 0, dead: false }
    }

    /// A disk that loses power in its `write`-th write (counted from 0).
    #[must_use]
    pub fn cutting(stable: RamDisk, write: u64, cut: Cut) -> Self {
        Self { cut: Some((write, cut)), ..Self::new(stable) }
    }

    /// Writes begun so far.
    #[must_use]
    pub fn writes(&self) -> u64 {
        self.writes
    }

    /// Flushes that completed.
    #[must_use]
    pub fn flushes(&self) -> u64 {
        self.flushes
    }

    /// The disk after the power came back. `survives` is asked for each unflushed write, oldest first.
    pub fn after_power_cut(mut self, mut survives: impl FnMut(usize) -> bool) -> RamDisk {
        for (index, (at, data)) in self.cache.iter().enumerate() {
            if survives(index) {
                let _ = self.stable.write(*at, data);
            }
        }
        if let Some((at, data)) = &self.torn {
            let start = usize::try_from(at.0).unwrap_or(usize::MAX).saturating_mul(SECTOR);
            crate::field::put(&mut self.stable.bytes, start, data);
        }
        self.stable
    }

    fn alive(&self) -> Result<(), DiskGone> {
        if self.dead { Err(DiskGone) } else { Ok(()) }
    }
}

impl Blocks for CutDisk {
    type Error = DiskGone;

    fn sectors(&self) -> u64 {
        self.stable.sectors()
    }

    fn read(&mut self, at: Lba, buffer: &mut [u8]) -> Result<(), DiskGone> {
        self.alive()?;
        self.stable.read(at, buffer)?;
        for (lba, data) in &self.cache {
            for (sector, bytes) in (lba.0..).zip(data.chunks_exact(SECTOR)) {
                let offset = sector.checked_sub(at.0).and_then(|sectors| usize::try_from(sectors).ok());
                let offset = offset.and_then(|sectors| sectors.checked_mul(SECTOR));
                crate::field::put(buffer, offset.unwrap_or(usize::MAX), bytes);
            }
        }
        Ok(())
    }

    fn write(&mut self, at: Lba, data: &[u8]) -> Result<(), DiskGone> {
        self.alive()?;
        self.stable.range(at, data.len())?;
        let number = self.writes;
        self.writes = self.writes.saturating_add(1);
        match self.cut {
            Some((write, cut)) if write == number => {
                self.dead = true;
                match cut {
                    Cut::Before => Err(DiskGone),
                    Cut::Torn(bytes) => {
                        self.torn = Some((at, data.get(..bytes).unwrap_or(data).to_vec()));
                        Err(DiskGone)
                    }
                    Cut::After => {
                        self.cache.push((at, data.to_vec()));
                        Ok(())
                    }
                }
            }
            _ => {
                self.cache.push((at, data.to_vec()));
                Ok(())
            }
        }
    }

    fn flush(&mut self) -> Result<(), DiskGone> {
        self.alive()?;
        for (at, data) in core::mem::take(&mut self.cache) {
            self.stable.write(at, &data)?;
        }
        self.flushes = self.flushes.saturating_add(1);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unflushed_writes_may_be_lost() {
        let mut disk = CutDisk::cutting(RamDisk::new(4), 1, Cut::After);
        disk.write(Lba(0), &[1; SECTOR]).unwrap();
        disk.flush().unwrap();
        disk.write(Lba(1), &[2; SECTOR]).unwrap();
        assert_eq!(disk.flush(), Err(DiskGone));
        assert_eq!(disk.clone().after_power_cut(|_| false).bytes()[SECTOR], 0);
        let kept = disk.after_power_cut(|_| true);
        assert_eq!((kept.bytes()[0], kept.bytes()[SECTOR]), (1, 2));
    }

    #[test]
    fn unflushed_writes_are_seen_by_reads() {
        let mut disk = CutDisk::new(RamDisk::new(8));
        disk.write(Lba(2), &[5; 3 * SECTOR]).unwrap();
        let mut seen = [0; 2 * SECTOR];
        disk.read(Lba(1), &mut seen).unwrap();
        assert_eq!((seen[SECTOR - 1], seen[SECTOR]), (0, 5));
        disk.read(Lba(4), &mut seen).unwrap();
        assert_eq!((seen[SECTOR - 1], seen[SECTOR]), (5, 0));
    }

    #[test]
    fn a_torn_write_leaves_its_beginning() {
        let mut disk = CutDisk::cutting(RamDisk::new(4), 0, Cut::Torn(100));
        assert_eq!(disk.write(Lba(2), &[9; SECTOR]), Err(DiskGone));
        let disk = disk.after_power_cut(|_| true);
        assert_eq!(disk.bytes()[2 * SECTOR + 99], 9);
        assert_eq!(disk.bytes()[2 * SECTOR + 100], 0);
    }

    #[test]
    fn partial_sectors_are_refused() {
        let mut disk = RamDisk::new(4);
        assert_eq!(disk.read(Lba(0), &mut [0; 100]), Err(DiskGone));
        assert_eq!(disk.write(Lba(3), &[0; 2 * SECTOR]), Err(DiskGone));
    }
}
