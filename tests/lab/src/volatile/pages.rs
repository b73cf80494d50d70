//! The content of a disk: an image file that nobody writes to, and over it the pages that were written.
//!
//! Pages are shared between copies until one of them writes, so a copy of a whole disk costs a few pointers.

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::sync::Arc;

/// Size of a page in bytes: what a file system writes at a time.
const PAGE: usize = 4096;

/// A disk's bytes.
#[derive(Clone, Debug)]
pub(super) struct Pages {
    base: Arc<File>,
    base_bytes: u64,
    bytes: u64,
    written: BTreeMap<u64, Arc<[u8; PAGE]>>,
}

impl Pages {
    /// What `base` holds, and zeroes behind it up to `bytes`.
    pub(super) fn over(base: File, bytes: u64) -> io::Result<Self> {
        let base_bytes = base.metadata()?.len();
        Ok(Self { base: Arc::new(base), base_bytes, bytes, written: BTreeMap::new() })
    }

    /// Size in bytes.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Whether so many bytes at `at` lie on the disk.
    pub(super) fn holds(&self, at: u64, length: usize) -> bool {
        at.checked_add(length as u64).is_some_and(|end| end <= self.bytes)
    }

    /// Reads bytes that [`Pages::holds`].
    pub(super) fn read(&self, at: u64, buffer: &mut [u8]) -> io::Result<()> {
        // One read of the image for the whole request: page by page a boot takes seconds longer.
        self.read_base(at, buffer)?;
        let (first, last) = (at / PAGE as u64, (at + buffer.len() as u64) / PAGE as u64);
        for (number, page) in self.written.range(first..=last) {
            let (inside, outside) = overlap(*number, at, buffer.len());
            buffer[outside].copy_from_slice(&page[inside]);
        }
        Ok(())
    }

    /// Writes bytes that [`Pages::holds`].
    pub(super) fn write(&mut self, at: u64, data: &[u8]) -> io::Result<()> {
        let mut done = 0;
        while done < data.len() {
            let number = (at + done as u64) / PAGE as u64;
            let (inside, outside) = overlap(number, at, data.len());
            let end = outside.end;
            self.page(number)?[inside].copy_from_slice(&data[outside]);
            done = end;
        }
        Ok(())
    }

    /// Makes the pages that hold these bytes the same as in `other`, which has the same image below.
    pub(super) fn take_from(&mut self, other: &Self, at: u64, length: usize) {
        let (first, last) = (at / PAGE as u64, (at + length as u64).saturating_sub(1) / PAGE as u64);
        for (number, page) in other.written.range(first..=last) {
            self.written.insert(*number, Arc::clone(page));
        }
    }

    fn page(&mut self, number: u64) -> io::Result<&mut [u8; PAGE]> {
        if !self.written.contains_key(&number) {
            let mut page = [0; PAGE];
            self.read_base(number * PAGE as u64, &mut page)?;
            self.written.insert(number, Arc::new(page));
        }
        let page = self.written.get_mut(&number).ok_or(io::ErrorKind::NotFound)?;
        Ok(Arc::make_mut(page))
    }

    fn read_base(&self, at: u64, buffer: &mut [u8]) -> io::Result<()> {
        let there = self.base_bytes.saturating_sub(at).min(buffer.len() as u64);
        let (file, beyond) = buffer.split_at_mut(usize::try_from(there).unwrap_or(usize::MAX));
        beyond.fill(0);
        self.base.read_exact_at(file, at)
    }
}

/// Where the page `number` and the bytes `at..at + length` overlap: within the page, and within those bytes.
fn overlap(number: u64, at: u64, length: usize) -> (std::ops::Range<usize>, std::ops::Range<usize>) {
    let page = number * PAGE as u64;
    let start = page.max(at);
    let end = (page + PAGE as u64).min(at + length as u64).max(start);
    let within = |from: u64, at: u64| usize::try_from(at - from).unwrap_or(usize::MAX);
    (within(page, start)..within(page, end), within(at, start)..within(at, end))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    fn pages() -> Pages {
        let mut base = tempfile::tempfile().unwrap();
        base.write_all(&[7; 10_000]).unwrap();
        Pages::over(base, 40_960).unwrap()
    }

    #[test]
    fn reads_what_was_written_over_what_the_image_holds() {
        let mut pages = pages();
        let data: Vec<u8> = (0..9000_u32).map(|at| u8::try_from(at % 251).unwrap()).collect();
        pages.write(3000, &data).unwrap();
        let mut whole = vec![0; 40_960];
        pages.read(0, &mut whole).unwrap();
        assert_eq!(whole[..3000], [7; 3000]);
        assert_eq!(whole[3000..12_000], data);
        assert_eq!(whole[12_000..], [0; 28_960]);
        let mut part = [0; 100];
        pages.read(11_950, &mut part).unwrap();
        assert_eq!(part[..], whole[11_950..12_050]);
    }

    #[test]
    fn a_copy_keeps_what_it_had() {
        let mut pages = pages();
        pages.write(0, &[1; 512]).unwrap();
        let copy = pages.clone();
        pages.write(0, &[2; 512]).unwrap();
        let mut byte = [0];
        copy.read(5, &mut byte).unwrap();
        assert_eq!(byte, [1]);
    }

    #[test]
    fn knows_where_it_ends() {
        let pages = pages();
        assert!(pages.holds(40_448, 512) && !pages.holds(40_449, 512) && !pages.holds(u64::MAX, 1));
    }
}
