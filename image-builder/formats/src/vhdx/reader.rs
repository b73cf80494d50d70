//! Reads a fixed or dynamic VHDX whose log is empty.

use std::ops::Range;

use super::{
    BAT_REGION, CHUNK_BYTES, CRC, DISK_SIZE, FILE_PARAMETERS, HEADER_BYTES, HEADERS, LOGICAL_SECTOR, MAGIC,
    METADATA_REGION, METADATA_TABLE_BYTES, MIB, MOST, PRESENT, REGION_TABLE_BYTES, REGION_TABLES, index_of,
};
use crate::image::{Disk, ReadAt, ReaderError, array, fetch, in_blocks};

/// Regions that a table may name, items that the metadata may have ([MS-VHDX] 2.2.3.1 and 2.6.1.1).
const MOST_ENTRIES: u64 = 2047;
const ENTRY_BYTES: usize = 32;
const STATE: u64 = 7;
const OFFSET: u64 = !(MIB - 1);

/// A VHDX file, opened.
#[derive(Debug)]
pub struct Reader<F> {
    file: F,
    length: u64,
    block: u64,
    bat: Region,
}

#[derive(Clone, Copy, Debug, Default)]
struct Region {
    at: u64,
    bytes: u64,
}

impl<F: ReadAt> Reader<F> {
    /// Reads and checks headers, region table and metadata.
    ///
    /// # Errors
    /// [`ReaderError`] naming field and offset. A file with a log to replay is one that a hypervisor has not closed.
    pub fn open(mut file: F) -> Result<Self, ReaderError<F::Error>> {
        let mut magic = [0; 8];
        fetch(&mut file, "file identifier", 0, &mut magic)?;
        if &magic != MAGIC {
            return Err(ReaderError::Format { format: "VHDX", offset: 0 });
        }
        check_header(&mut file)?;
        let (bat, metadata) = regions(&mut file)?;
        let (block, length) = items(&mut file, metadata)?;
        let blocks = length.div_ceil(block);
        let needed = index_of(blocks.saturating_sub(1), block).saturating_add(1).saturating_mul(8);
        if needed > bat.bytes {
            let (field, value) = ("size of the block allocation table", bat.bytes);
            return Err(ReaderError::Unsupported { field, offset: bat.at, value });
        }
        if bat.at.checked_add(needed).is_none_or(|end| end > file.length()) {
            let length = file.length();
            return Err(ReaderError::Truncated { what: "block allocation table", offset: bat.at, length });
        }
        Ok(Self { file, length, block, bat })
    }

    /// Where the block that holds guest offset `at` lies in the file; `None` reads as zero.
    fn block_offset(&mut self, at: u64) -> Result<Option<u64>, ReaderError<F::Error>> {
        let index = index_of(at / self.block, self.block);
        let offset = self.bat.at.saturating_add(index.saturating_mul(8));
        let mut entry = [0; 8];
        fetch(&mut self.file, "block allocation table", offset, &mut entry)?;
        let entry = u64::from_le_bytes(entry);
        match entry & STATE {
            PRESENT if entry & OFFSET >= MIB => Ok(Some(entry & OFFSET)),
            // Not present, undefined, zero, unmapped: without a parent all of them read as zero.
            0..=3 => Ok(None),
            _ => Err(ReaderError::Unsupported { field: "block state", offset, value: entry }),
        }
    }
}

/// The header with the highest sequence number among those that are whole counts.
fn check_header<F: ReadAt>(file: &mut F) -> Result<(), ReaderError<F::Error>> {
    let mut newest: Option<(u64, u64, Vec<u8>)> = None;
    for at in HEADERS {
        let mut header = vec![0; HEADER_BYTES];
        fetch(file, "header", at, &mut header)?;
        let sequence = u64::from_le_bytes(array(&header, 8));
        let newer = newest.as_ref().is_none_or(|(before, ..)| sequence > *before);
        if header.starts_with(b"head") && checksum_holds(&mut header) && newer {
            newest = Some((sequence, at, header));
        }
    }
    let Some((_, at, header)) = newest else {
        return Err(ReaderError::Checksum { what: "headers", offset: HEADERS[0] });
    };
    let version = u16::from_le_bytes(array(&header, 66));
    let log = u64::from_le_bytes(array(&header, 48)) | u64::from_le_bytes(array(&header, 56));
    for (field, place, value, good) in
        [("version", 66, u64::from(version), version == 1), ("log that must be replayed", 48, log, log == 0)]
    {
        if !good {
            return Err(ReaderError::Unsupported { field, offset: at.saturating_add(place), value });
        }
    }
    Ok(())
}

/// Is the CRC at offset 4 right? Leaves it zero.
fn checksum_holds(bytes: &mut [u8]) -> bool {
    let stated = u32::from_le_bytes(array(bytes, 4));
    if let Some(place) = bytes.get_mut(4..8) {
        place.fill(0);
    }
    CRC.checksum(bytes) == stated
}

/// Block allocation table and metadata, as the first region table that is whole says.
fn regions<F: ReadAt>(file: &mut F) -> Result<(Region, Region), ReaderError<F::Error>> {
    let mut table = vec![0; REGION_TABLE_BYTES];
    let mut found = None;
    for at in REGION_TABLES {
        fetch(file, "region table", at, &mut table)?;
        if table.starts_with(b"regi") && checksum_holds(&mut table) {
            found = Some(at);
            break;
        }
    }
    let Some(start) = found else {
        return Err(ReaderError::Checksum { what: "region tables", offset: REGION_TABLES[0] });
    };
    let count = u64::from(u32::from_le_bytes(array(&table, 8)));
    if count > MOST_ENTRIES {
        let offset = start.saturating_add(8);
        return Err(ReaderError::Unsupported { field: "number of regions", offset, value: count });
    }
    let (mut bat, mut metadata) = (None, None);
    for (number, entry) in (0..count).zip(table.get(16..).unwrap_or_default().chunks(ENTRY_BYTES)) {
        let offset = start.saturating_add(16).saturating_add(number.saturating_mul(ENTRY_BYTES as u64));
        let region = Region {
            at: u64::from_le_bytes(array(entry, 16)),
            bytes: u32::from_le_bytes(array(entry, 24)).into(),
        };
        let id: [u8; 16] = array(entry, 0);
        match id {
            BAT_REGION => bat = Some(region),
            METADATA_REGION => metadata = Some(region),
            _ if u32::from_le_bytes(array(entry, 28)) & 1 == 1 => {
                let value = u64::from_le_bytes(array(entry, 0));
                return Err(ReaderError::Unsupported { field: "required region", offset, value });
            }
            _ => continue,
        }
        if region.at < MIB || !region.at.is_multiple_of(MIB) {
            let offset = offset.saturating_add(16);
            return Err(ReaderError::Unsupported { field: "place of a region", offset, value: region.at });
        }
    }
    let missing = |what| ReaderError::Unsupported { field: what, offset: start.saturating_add(16), value: 0 };
    Ok((
        bat.ok_or(missing("region table without block table"))?,
        metadata.ok_or(missing("region table without metadata"))?,
    ))
}

/// Block size and disk size.
fn items<F: ReadAt>(file: &mut F, region: Region) -> Result<(u64, u64), ReaderError<F::Error>> {
    let mut table = vec![0; METADATA_TABLE_BYTES];
    fetch(file, "metadata table", region.at, &mut table)?;
    if !table.starts_with(b"metadata") {
        return Err(ReaderError::Format { format: "VHDX metadata", offset: region.at });
    }
    let count = u64::from(u16::from_le_bytes(array(&table, 10)));
    if count > MOST_ENTRIES {
        let offset = region.at.saturating_add(10);
        return Err(ReaderError::Unsupported { field: "number of metadata items", offset, value: count });
    }
    let (mut block, mut length, mut sector) = (None, None, None);
    for (_, entry) in (0..count).zip(table.get(ENTRY_BYTES..).unwrap_or_default().chunks(ENTRY_BYTES)) {
        let offset = region.at.saturating_add(u32::from_le_bytes(array(entry, 16)).into());
        let id: [u8; 16] = array(entry, 0);
        let place = match id {
            FILE_PARAMETERS => &mut block,
            DISK_SIZE => &mut length,
            LOGICAL_SECTOR => &mut sector,
            // The other ones say nothing about where the content lies.
            _ => continue,
        };
        let mut value = [0; 8];
        let bytes = if id == LOGICAL_SECTOR { 4 } else { 8 };
        fetch(file, "metadata item", offset, value.get_mut(..bytes).unwrap_or_default())?;
        *place = Some((offset, u64::from_le_bytes(value)));
    }
    let missing = |field| ReaderError::Unsupported { field, offset: region.at, value: 0 };
    let (at, parameters) = block.ok_or(missing("metadata without a block size"))?;
    let (block, flags) = (parameters & 0xffff_ffff, parameters >> 32);
    let (size_at, length) = length.ok_or(missing("metadata without a disk size"))?;
    let (sector_at, sector) = sector.ok_or(missing("metadata without a sector size"))?;
    for (field, offset, value, good) in [
        ("block size", at, block, block.is_power_of_two() && (MIB..=256 * MIB).contains(&block)),
        ("parent disk", at.saturating_add(4), flags, flags & 2 == 0),
        ("disk size", size_at, length, length > 0 && length.is_multiple_of(512) && length <= MOST),
        ("sector size", sector_at, sector, sector == 512),
    ] {
        if !good {
            return Err(ReaderError::Unsupported { field, offset, value });
        }
    }
    const { assert!(CHUNK_BYTES >= 256 * MIB) };
    Ok((block, length))
}

impl<F: ReadAt> Disk for Reader<F> {
    type Error = ReaderError<F::Error>;

    fn length(&self) -> u64 {
        self.length
    }

    fn read(&mut self, at: u64, out: &mut [u8]) -> Result<(), Self::Error> {
        in_blocks(self.length, self.block, at, out, |at, inside, piece| match self.block_offset(at)? {
            Some(host) => fetch(&mut self.file, "block", host.saturating_add(inside), piece),
            None => {
                piece.fill(0);
                Ok(())
            }
        })
    }

    fn next_data(&mut self, at: u64) -> Result<Option<Range<u64>>, Self::Error> {
        let mut at = at;
        while at < self.length {
            let end = (at / self.block).saturating_add(1).saturating_mul(self.block);
            if self.block_offset(at)?.is_some() {
                return Ok(Some(at..end.min(self.length)));
            }
            at = end;
        }
        Ok(None)
    }
}
