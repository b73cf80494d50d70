//! VMDK, stream-optimized: what vSphere imports, alone or in an OVA.
//!
//! Source: VMware, Virtual Disk Format 5.0. The disk is cut into grains of 64 KiB; those of zeros are not stored, the
//! others as zlib streams, each behind a marker that says where it belongs. A table of 512 grains follows the grains
//! that it is about, the directory of the tables follows them all, so the file is written from front to back and never
//! looked at again:
//!
//! ```text
//! sector 0    header; its directory offset is all ones: see the footer
//!        1    descriptor, text, 20 sectors
//!      128    grains: { sector u64, size u32, zlib stream }, padded to whole sectors
//!             after the grains of a table: marker 1, the table: 512 sector numbers u32
//!      ...    marker 2, the directory: sector numbers u32 of the tables
//!             marker 3, the footer: the header with the directory's sector
//!             marker 0: the end
//! ```
//!
//! All numbers are little-endian. The compressor is `miniz_oxide`: it gives the same bytes on every machine, while
//! those that choose their code by the processor at hand may not.

use crate::image::{Disk, Target, WriteAt, WriteError, check_size};
use crate::survey::{CLUSTER_BYTES, Survey, read_cluster};

mod descriptor;
mod reader;
pub use reader::Reader;

/// The first four bytes of the file.
pub const MAGIC: &[u8; 4] = b"KDMV";

const SECTOR: u64 = 512;
const SECTOR_BYTES: usize = 512;
const GRAIN_SECTORS: u64 = 128;
const GRAINS_PER_TABLE: u64 = 512;
const TABLE_BYTES: u64 = GRAINS_PER_TABLE * 4;
const DESCRIPTOR_SECTORS: u64 = 20;
const VERSION: u32 = 3;
/// Flags: the newline test is there, grains are compressed, markers are there.
const NEWLINES: u32 = 1;
const COMPRESSED: u32 = 1 << 16;
const MARKERS: u32 = 1 << 17;
/// The directory's place is in the footer.
const IN_FOOTER: u64 = u64::MAX;
const NEWLINE_TEST: [u8; 4] = *b"\n \r\n";
const DEFLATE: u16 = 1;
/// Kinds of markers.
const END: u32 = 0;
const TABLE: u32 = 1;
const DIRECTORY: u32 = 2;
const FOOTER: u32 = 3;
/// Sector numbers have 32 bits; a grain that does not compress takes a little more than 64 KiB.
const MOST: u64 = 1 << 40;
/// The balance that zlib calls its default.
const LEVEL: u8 = 6;

/// Writes `disk` from front to back, and gives the length of the file in bytes.
///
/// # Errors
/// [`WriteError`]; no disk larger than 1 TiB.
pub fn write<D: Disk, W: WriteAt>(
    disk: &mut D,
    survey: &Survey,
    file: &mut W,
) -> Result<u64, WriteError<D::Error, W::Error>> {
    check_size("VMDK", survey.length(), MOST)?;
    let capacity = survey.length() / SECTOR;
    let tables = capacity.div_ceil(GRAIN_SECTORS * GRAINS_PER_TABLE);
    let mut stream = Stream { file: Target(file), at: 0 };
    stream.put(&header(capacity, IN_FOOTER))?;
    let mut text = descriptor::text(capacity, survey).into_bytes();
    // The header and the descriptor fill the first grain.
    text.resize(CLUSTER_BYTES - SECTOR_BYTES, 0);
    stream.put(&text)?;

    let mut directory = vec![0_u32; usize::try_from(tables).unwrap_or(0)];
    let mut table: Option<(u64, Vec<u32>)> = None;
    let mut buffer = vec![0; CLUSTER_BYTES];
    for number in survey.clusters() {
        let index = number / GRAINS_PER_TABLE;
        if let Some((before, grains)) = table.take_if(|(here, _)| *here != index) {
            stream.table(before, &grains, &mut directory)?;
        }
        let (_, grains) =
            table.get_or_insert_with(|| (index, vec![0; usize::try_from(GRAINS_PER_TABLE).unwrap_or(0)]));
        let place = usize::try_from(number % GRAINS_PER_TABLE).unwrap_or(0);
        if let Some(entry) = grains.get_mut(place) {
            *entry = stream.sector();
        }
        read_cluster(disk, number, &mut buffer).map_err(WriteError::Read)?;
        stream.grain(number * GRAIN_SECTORS, &buffer)?;
    }
    if let Some((index, grains)) = table {
        stream.table(index, &grains, &mut directory)?;
    }
    let bytes = (directory.len() as u64 * 4).next_multiple_of(SECTOR);
    stream.marker(DIRECTORY, bytes / SECTOR)?;
    let directory_at = stream.at / SECTOR;
    stream.numbers(&directory, bytes)?;
    stream.marker(FOOTER, 1)?;
    stream.put(&header(capacity, directory_at))?;
    stream.marker(END, 0)?;
    let end = stream.at;
    stream.file.end_at(end)?;
    Ok(end)
}

/// The file, and how far it is written.
struct Stream<'a, W> {
    file: Target<'a, W>,
    at: u64,
}

impl<W: WriteAt> Stream<'_, W> {
    fn put<R>(&mut self, bytes: &[u8]) -> Result<(), WriteError<R, W::Error>> {
        self.file.put(self.at, bytes)?;
        self.at += bytes.len() as u64;
        Ok(())
    }

    /// The sector that is written next. [`MOST`] keeps it within 32 bits.
    fn sector(&self) -> u32 {
        u32::try_from(self.at / SECTOR).unwrap_or(u32::MAX)
    }

    fn grain<R>(&mut self, sector: u64, content: &[u8]) -> Result<(), WriteError<R, W::Error>> {
        let packed = miniz_oxide::deflate::compress_to_vec_zlib(content, LEVEL);
        let mut bytes = Vec::with_capacity(packed.len() + SECTOR_BYTES);
        bytes.extend(sector.to_le_bytes());
        bytes.extend(u32::try_from(packed.len()).unwrap_or(u32::MAX).to_le_bytes());
        bytes.extend(packed);
        bytes.resize(bytes.len().next_multiple_of(SECTOR_BYTES), 0);
        self.put(&bytes)
    }

    fn marker<R>(&mut self, kind: u32, sectors: u64) -> Result<(), WriteError<R, W::Error>> {
        let mut bytes = Vec::with_capacity(SECTOR_BYTES);
        bytes.extend(sectors.to_le_bytes());
        bytes.extend(0_u32.to_le_bytes());
        bytes.extend(kind.to_le_bytes());
        bytes.resize(SECTOR_BYTES, 0);
        self.put(&bytes)
    }

    fn numbers<R>(&mut self, numbers: &[u32], bytes: u64) -> Result<(), WriteError<R, W::Error>> {
        let mut all: Vec<u8> = numbers.iter().flat_map(|number| number.to_le_bytes()).collect();
        all.resize(usize::try_from(bytes).unwrap_or(0), 0);
        self.put(&all)
    }

    /// Writes a table of grains and enters it into the directory.
    fn table<R>(
        &mut self,
        index: u64,
        grains: &[u32],
        directory: &mut [u32],
    ) -> Result<(), WriteError<R, W::Error>> {
        self.marker(TABLE, TABLE_BYTES / SECTOR)?;
        let here = self.sector();
        if let Some(entry) = usize::try_from(index).ok().and_then(|index| directory.get_mut(index)) {
            *entry = here;
        }
        self.numbers(grains, TABLE_BYTES)
    }
}

/// ```text
///  0 magic   4 version   8 flags  12 capacity u64  20 grain u64  28 descriptor u64  36 its size u64
/// 44 grains in a table  48 second directory u64  56 directory u64  64 first grain u64
/// 72 not closed u8  73 newline test  77 compression u16; all sizes and places in sectors
/// ```
fn header(capacity: u64, directory: u64) -> Vec<u8> {
    let mut header = Vec::with_capacity(SECTOR_BYTES);
    header.extend(MAGIC);
    header.extend(VERSION.to_le_bytes());
    header.extend((NEWLINES | COMPRESSED | MARKERS).to_le_bytes());
    for field in [capacity, GRAIN_SECTORS, 1, DESCRIPTOR_SECTORS] {
        header.extend(field.to_le_bytes());
    }
    header.extend(u32::try_from(GRAINS_PER_TABLE).unwrap_or(0).to_le_bytes());
    for field in [0, directory, GRAIN_SECTORS] {
        header.extend(field.to_le_bytes());
    }
    header.extend([0]);
    header.extend(NEWLINE_TEST);
    header.extend(DEFLATE.to_le_bytes());
    header.resize(SECTOR_BYTES, 0);
    header
}
