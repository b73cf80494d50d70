//! A disk in memory of any size that costs what is on it, and that is cloned for the price of its pages' names.
//!
//! A sweep that cuts the power at every write needs the disk of a whole unit, hundreds of MiB, thousands of times.

use alloc::collections::BTreeMap;
use alloc::sync::Arc;

use crate::{Blocks, DiskGone, Lba, SECTOR};

/// Sectors of a page, the unit of sharing: 4 KiB.
const PAGE_SECTORS: u64 = 8;
const PAGE: usize = 8 * SECTOR;

/// A disk of zeros but for the pages that were written; clones share them until one is written to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SparseDisk {
    sectors: u64,
    pages: BTreeMap<u64, Arc<[u8; PAGE]>>,
}

impl SparseDisk {
    /// A disk of `sectors` zeroed sectors.
    #[must_use]
    pub fn new(sectors: u64) -> Self {
        Self { sectors, pages: BTreeMap::new() }
    }

    /// Makes the disk larger, as a hypervisor does with one that its owner enlarges; it never becomes smaller.
    pub fn enlarge(&mut self, sectors: u64) {
        self.sectors = self.sectors.max(sectors);
    }

    /// Flips the lowest bit of one byte, as a dying disk does. Outside the disk nothing happens.
    pub fn flip(&mut self, offset: u64) {
        let mut sector = [0; SECTOR];
        let at = Lba(offset / 512);
        if self.read(at, &mut sector).is_err() {
            return;
        }
        let place = usize::try_from(offset % 512).ok().and_then(|index| sector.get_mut(index));
        if let Some(byte) = place {
            *byte ^= 1;
        }
        // What could be read can be written.
        let _ = self.write(at, &sector);
    }

    fn check(&self, at: Lba, length: usize) -> Result<(), DiskGone> {
        let count = u64::try_from(length / SECTOR).ok().filter(|_| length.is_multiple_of(SECTOR));
        let end = count.and_then(|count| at.0.checked_add(count));
        if end.is_some_and(|end| end <= self.sectors) { Ok(()) } else { Err(DiskGone) }
    }
}

/// The page of a sector, and where in it the sector begins.
fn place(sector: u64) -> (u64, usize) {
    let within = usize::try_from(sector % PAGE_SECTORS).unwrap_or(0);
    (sector / PAGE_SECTORS, within.saturating_mul(SECTOR))
}

impl Blocks for SparseDisk {
    type Error = DiskGone;

    fn sectors(&self) -> u64 {
        self.sectors
    }

    fn read(&mut self, at: Lba, buffer: &mut [u8]) -> Result<(), DiskGone> {
        self.check(at, buffer.len())?;
        for (sector, out) in (at.0..).zip(buffer.chunks_exact_mut(SECTOR)) {
            let (page, start) = place(sector);
            let found = self.pages.get(&page).and_then(|page| page.get(start..start.saturating_add(SECTOR)));
            match found {
                Some(bytes) => out.copy_from_slice(bytes),
                None => out.fill(0),
            }
        }
        Ok(())
    }

    fn write(&mut self, at: Lba, data: &[u8]) -> Result<(), DiskGone> {
        self.check(at, data.len())?;
        for (sector, bytes) in (at.0..).zip(data.chunks_exact(SECTOR)) {
            let (page, start) = place(sector);
            // Zeros over nothing stay nothing.
            if !self.pages.contains_key(&page) && bytes.iter().all(|byte| *byte == 0) {
                continue;
            }
            let page = self.pages.entry(page).or_insert_with(|| Arc::new([0; PAGE]));
            let page: &mut [u8; PAGE] = Arc::make_mut(page);
            crate::field::put(page, start, bytes);
        }
        Ok(())
    }

    fn flush(&mut self) -> Result<(), DiskGone> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_large_disk_holds_what_was_written_and_zeros() {
        let mut disk = SparseDisk::new(1 << 32);
        disk.write(Lba((1 << 32) - 3), &[7; 3 * SECTOR]).unwrap();
        let mut back = [9; 4 * SECTOR];
        disk.read(Lba((1 << 32) - 4), &mut back).unwrap();
        assert!(back[..SECTOR].iter().all(|byte| *byte == 0));
        assert!(back[SECTOR..].iter().all(|byte| *byte == 7));
        assert_eq!(disk.pages.len(), 1);
    }

    #[test]
    fn a_clone_goes_its_own_way() {
        let mut one = SparseDisk::new(64);
        one.write(Lba(9), &[1; SECTOR]).unwrap();
        let mut other = one.clone();
        other.write(Lba(10), &[2; SECTOR]).unwrap();
        let mut back = [9; SECTOR];
        one.read(Lba(10), &mut back).unwrap();
        assert_eq!(back, [0; SECTOR]);
        assert_ne!(one, other);
    }

    #[test]
    fn nothing_outside_is_touched() {
        let mut disk = SparseDisk::new(8);
        assert_eq!(disk.write(Lba(7), &[1; 2 * SECTOR]), Err(DiskGone));
        assert_eq!(disk.read(Lba(u64::MAX), &mut [0; SECTOR]), Err(DiskGone));
        assert_eq!(disk.read(Lba(0), &mut [0; 100]), Err(DiskGone));
        disk.flip(8 * 512);
        assert_eq!(disk, SparseDisk::new(8));
        disk.enlarge(9);
        assert_eq!(disk.write(Lba(7), &[1; 2 * SECTOR]), Ok(()));
    }

    #[test]
    fn one_bit_flips() {
        let mut disk = SparseDisk::new(8);
        disk.flip(1025);
        let mut back = [0; SECTOR];
        disk.read(Lba(2), &mut back).unwrap();
        assert_eq!((back[0], back[1], back[2]), (0, 1, 0));
    }
}
