//! Reads a sparse VMDK in one file: stream-optimized, as ours and vSphere's exports are, or monolithic.

use std::ops::Range;

use super::{
    COMPRESSED, DEFLATE, END, FOOTER, IN_FOOTER, MAGIC, MARKERS, MOST, NEWLINE_TEST, SECTOR, SECTOR_BYTES,
    TABLE_BYTES,
};
use crate::image::{Disk, ReadAt, ReaderError, array, fetch, in_blocks};

/// Grains from 4 KiB to 1 MiB; everybody's have 64 KiB.
const GRAINS: std::ops::RangeInclusive<u64> = 8..=2048;
/// Markers, footer: from the end of the file.
const TAIL_BYTES: usize = 3 * SECTOR_BYTES;
/// Before the zlib stream of a grain: its sector and its size.
const GRAIN_MARKER: usize = 12;

/// A VMDK file, opened.
#[derive(Debug)]
pub struct Reader<F> {
    file: F,
    length: u64,
    grain_bytes: u64,
    grains_per_table: u64,
    directory: u64,
    compressed: bool,
    marked: bool,
    /// The table that was used last, and the sector where it lies.
    table: Option<(u64, Vec<u8>)>,
    /// The grain that was unpacked last, and the sector where it lies.
    grain: Option<(u64, Vec<u8>)>,
}

impl<F: ReadAt> Reader<F> {
    /// Reads and checks the header, or the footer where there is one.
    ///
    /// # Errors
    /// [`ReaderError`] naming field and offset.
    pub fn open(mut file: F) -> Result<Self, ReaderError<F::Error>> {
        let mut header = [0; SECTOR_BYTES];
        fetch(&mut file, "header", 0, &mut header)?;
        let mut at = 0;
        if header.starts_with(MAGIC) && u64::from_le_bytes(array(&header, 56)) == IN_FOOTER {
            at = footer(&mut file, &mut header)?;
        }
        if !header.starts_with(MAGIC) {
            return Err(ReaderError::Format { format: "VMDK", offset: at });
        }
        let field = |place: usize| u32::from_le_bytes(array(&header, place));
        let long = |place: usize| u64::from_le_bytes(array(&header, place));
        let (version, flags) = (field(4), field(8));
        let (capacity, grain, per_table, directory) = (long(12), long(20), u64::from(field(44)), long(56));
        let compressed = flags & COMPRESSED != 0;
        let algorithm = u16::from_le_bytes(array(&header, 77));
        let newlines: [u8; 4] = array(&header, 73);
        let length = capacity.saturating_mul(SECTOR);
        let checks = [
            ("version", 4, u64::from(version), (1..=3).contains(&version)),
            ("disk size", 12, capacity, capacity > 0 && length <= MOST),
            ("grain size", 20, grain, grain.is_power_of_two() && GRAINS.contains(&grain)),
            ("grains in a table", 44, per_table, per_table * 4 == TABLE_BYTES),
            ("newline test", 73, u32::from_le_bytes(newlines).into(), newlines == NEWLINE_TEST),
            ("compression", 77, algorithm.into(), !compressed || algorithm == DEFLATE),
        ];
        for (field, offset, value, good) in checks {
            if !good {
                return Err(ReaderError::Unsupported { field, offset: at + offset, value });
            }
        }
        let tables = capacity.div_ceil(grain * per_table);
        let directory = directory.saturating_mul(SECTOR);
        if directory.checked_add(tables * 4).is_none_or(|end| end > file.length()) {
            let (what, length) = ("grain directory", file.length());
            return Err(ReaderError::Truncated { what, offset: directory, length });
        }
        Ok(Self {
            file,
            length,
            grain_bytes: grain * SECTOR,
            grains_per_table: per_table,
            directory,
            compressed,
            marked: flags & MARKERS != 0,
            table: None,
            grain: None,
        })
    }

    /// Where the table for guest offset `at` lies, in bytes; 0 if there is none.
    fn table_offset(&mut self, at: u64) -> Result<u64, ReaderError<F::Error>> {
        let index = at / self.table_covers();
        let mut entry = [0; 4];
        fetch(&mut self.file, "grain directory", self.directory.saturating_add(index * 4), &mut entry)?;
        Ok(u64::from(u32::from_le_bytes(entry)) * SECTOR)
    }

    /// Guest bytes that one table is about.
    fn table_covers(&self) -> u64 {
        self.grain_bytes * self.grains_per_table
    }

    /// Where the grain of guest offset `at` lies in the file, in bytes; `None` reads as zero.
    fn grain_offset(&mut self, at: u64) -> Result<Option<u64>, ReaderError<F::Error>> {
        let offset = self.table_offset(at)?;
        if offset == 0 {
            return Ok(None);
        }
        let table = match self.table.take() {
            Some((here, table)) if here == offset => table,
            _ => {
                let mut table = vec![0; usize::try_from(TABLE_BYTES).unwrap_or(0)];
                fetch(&mut self.file, "grain table", offset, &mut table)?;
                table
            }
        };
        let index = at % self.table_covers() / self.grain_bytes;
        let entry = u32::from_le_bytes(array(&table, usize::try_from(index * 4).unwrap_or(0)));
        self.table = Some((offset, table));
        // 1 means: zeros, though there is a parent; we have none.
        Ok((entry > 1).then_some(u64::from(entry) * SECTOR))
    }

    /// Unpacks the grain at `offset` of the file, which is that of guest offset `at`, unless it is at hand.
    fn unpack(&mut self, at: u64, offset: u64) -> Result<&[u8], ReaderError<F::Error>> {
        let content = match self.grain.take() {
            Some((here, content)) if here == offset => content,
            _ => self.unpacked(at, offset)?,
        };
        let (_, content) = self.grain.insert((offset, content));
        Ok(content)
    }

    fn unpacked(&mut self, at: u64, offset: u64) -> Result<Vec<u8>, ReaderError<F::Error>> {
        let limit = usize::try_from(self.grain_bytes).unwrap_or(0);
        let mut size = [0; 4];
        if self.marked {
            let mut marker = [0; GRAIN_MARKER];
            fetch(&mut self.file, "grain", offset, &mut marker)?;
            let (sector, wanted) =
                (u64::from_le_bytes(array(&marker, 0)), at / self.grain_bytes * self.grain_bytes);
            if sector != wanted / SECTOR {
                return Err(ReaderError::Unsupported { field: "sector of a grain", offset, value: sector });
            }
            size = array(&marker, 8);
        } else {
            fetch(&mut self.file, "grain", offset, &mut size)?;
        }
        let begins = offset.saturating_add(if self.marked { GRAIN_MARKER as u64 } else { 4 });
        let bytes = u32::from_le_bytes(size);
        // What does not compress becomes a little longer; much longer is nonsense.
        let Some(bytes) = usize::try_from(bytes).ok().filter(|bytes| *bytes <= limit.saturating_mul(2))
        else {
            let (field, value) = ("size of a grain", bytes.into());
            return Err(ReaderError::Unsupported { field, offset: begins.saturating_sub(4), value });
        };
        let mut packed = vec![0; bytes];
        fetch(&mut self.file, "grain", begins, &mut packed)?;
        let content = miniz_oxide::inflate::decompress_to_vec_zlib_with_limit(&packed, limit);
        let mut content = content.map_err(|_| ReaderError::Compressed { offset: begins })?;
        // Only the last grain of a disk may be shorter.
        let least =
            self.length.saturating_sub(at / self.grain_bytes * self.grain_bytes).min(self.grain_bytes);
        if (content.len() as u64) < least {
            return Err(ReaderError::Compressed { offset: begins });
        }
        content.resize(limit, 0);
        Ok(content)
    }
}

/// Reads the footer into `header`, and gives its offset.
fn footer<F: ReadAt>(file: &mut F, header: &mut [u8; SECTOR_BYTES]) -> Result<u64, ReaderError<F::Error>> {
    let start = file.length().saturating_sub(TAIL_BYTES as u64);
    let mut tail = [0; TAIL_BYTES];
    fetch(file, "footer", start, &mut tail)?;
    let kind = |place: usize| u32::from_le_bytes(array(&tail, place + 12));
    let at = |place: usize| start.saturating_add(place as u64);
    for (place, expected) in [(0, FOOTER), (2 * SECTOR_BYTES, END)] {
        if kind(place) != expected {
            let (field, value) = ("marker at the end of a VMDK", kind(place).into());
            return Err(ReaderError::Unsupported { field, offset: at(place + 12), value });
        }
    }
    *header = array(&tail, SECTOR_BYTES);
    Ok(at(SECTOR_BYTES))
}

impl<F: ReadAt> Disk for Reader<F> {
    type Error = ReaderError<F::Error>;

    fn length(&self) -> u64 {
        self.length
    }

    fn read(&mut self, at: u64, out: &mut [u8]) -> Result<(), Self::Error> {
        in_blocks(self.length, self.grain_bytes, at, out, |at, inside, piece| {
            match self.grain_offset(at)? {
                None => piece.fill(0),
                Some(offset) if self.compressed => {
                    let inside = usize::try_from(inside).unwrap_or(usize::MAX);
                    let content = self.unpack(at, offset)?.get(inside..).unwrap_or_default();
                    piece.iter_mut().zip(content).for_each(|(to, from)| *to = *from);
                }
                Some(offset) => fetch(&mut self.file, "grain", offset.saturating_add(inside), piece)?,
            }
            Ok(())
        })
    }

    fn next_data(&mut self, at: u64) -> Result<Option<Range<u64>>, Self::Error> {
        let mut at = at;
        while at < self.length {
            if self.table_offset(at)? == 0 {
                at = (at / self.table_covers() + 1) * self.table_covers();
                continue;
            }
            let end = (at / self.grain_bytes + 1) * self.grain_bytes;
            if self.grain_offset(at)?.is_some() {
                return Ok(Some(at..end.min(self.length)));
            }
            at = end;
        }
        Ok(None)
    }
}
