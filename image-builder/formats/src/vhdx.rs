//! VHDX, dynamic: blocks of 1 MiB, those of zeros not stored, an empty log.
//!
//! Source: Microsoft [MS-VHDX] 8.0. Everything lies at a multiple of 1 MiB:
//!
//! ```text
//!  MiB 0  file identifier at 0; headers at 64 and 128 KiB; region tables at 192 and 256 KiB
//!  MiB 1  the log: nothing in it, its GUID zero, so nobody replays it
//!  MiB 2  metadata: block size, disk size, sector sizes, id of the disk
//!  MiB 3  block allocation table, a whole number of MiB
//!  then   the blocks that hold something, in the order of the disk
//! ```
//!
//! Checksums are CRC-32C, of the structure with its checksum field zero. Both headers are valid; the second has the
//! higher sequence number and counts. The table has an entry for each block and, behind every 4096 of them, one for a
//! sector bitmap, which only a differencing disk has. A block that is not stored has the state *zero*: the state *not
//! present* leaves open what it reads as.

use crate::image::{Disk, Target, WriteAt, WriteError, check_size};
use crate::survey::{CLUSTER, CLUSTER_BYTES, Survey, read_cluster};

mod reader;
pub use reader::Reader;

/// The first eight bytes of the file.
pub const MAGIC: &[u8; 8] = b"vhdxfile";

const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;
const MOST: u64 = 64 << 40;
const BLOCK: u64 = MIB;
/// Blocks between two sector bitmap entries: 2^23 sectors of 512 bytes.
const CHUNK_BYTES: u64 = 512 << 23;
const HEADERS: [u64; 2] = [64 * KIB, 128 * KIB];
const HEADER_BYTES: usize = 4096;
const REGION_TABLES: [u64; 2] = [192 * KIB, 256 * KIB];
const REGION_TABLE_BYTES: usize = 64 << 10;
const LOG: u64 = MIB;
const METADATA: u64 = 2 * MIB;
const METADATA_TABLE_BYTES: usize = 64 << 10;
const BAT: u64 = 3 * MIB;
/// States of a block.
const ZERO: u64 = 2;
const PRESENT: u64 = 6;

const CRC: crc::Crc<u32> = crc::Crc::<u32>::new(&crc::CRC_32_ISCSI);

/// GUIDs as they lie in the file.
const BAT_REGION: [u8; 16] = guid(0x2dc2_7766, 0xf623, 0x4200, 0x9d64_115e_9bfd_4a08);
const METADATA_REGION: [u8; 16] = guid(0x8b7c_a206, 0x4790, 0x4b9a, 0xb8fe_575f_050f_886e);
const FILE_PARAMETERS: [u8; 16] = guid(0xcaa1_6737, 0xfa36, 0x4d43, 0xb3b6_33f0_aa44_e76b);
const DISK_SIZE: [u8; 16] = guid(0x2fa5_4224, 0xcd1b, 0x4876, 0xb211_5dbe_d83b_f4b8);
const DISK_ID: [u8; 16] = guid(0xbeca_12ab, 0xb2e6, 0x4523, 0x93ef_c309_e000_c746);
const LOGICAL_SECTOR: [u8; 16] = guid(0x8141_bf1d, 0xa96f, 0x4709, 0xba47_f233_a8fa_ab5f);
const PHYSICAL_SECTOR: [u8; 16] = guid(0xcda3_48c7, 0x445d, 0x4471, 0x9cc9_e988_5251_c556);

/// A metadata item is about the disk (not the file), and a reader must know it.
const OF_DISK: u32 = 2;
const REQUIRED: u32 = 4;

/// Writes `disk`, and gives the length of the file in bytes.
///
/// # Errors
/// [`WriteError`]; no disk larger than 64 TiB.
pub fn write<D: Disk, W: WriteAt>(
    disk: &mut D,
    survey: &Survey,
    file: &mut W,
) -> Result<u64, WriteError<D::Error, W::Error>> {
    check_size("VHDX", survey.length(), MOST)?;
    let blocks = survey.length().div_ceil(BLOCK);
    let entries = index_of(blocks.saturating_sub(1), BLOCK).saturating_add(1);
    let bat_bytes = entries.saturating_mul(8).next_multiple_of(MIB);
    let first_block = BAT.saturating_add(bat_bytes);

    let mut file = Target(file);
    file.put(0, &identifier())?;
    for (sequence, at) in (1_u64..).zip(HEADERS) {
        file.put(at, &header(sequence, survey))?;
    }
    for at in REGION_TABLES {
        file.put(at, &region_table(bat_bytes))?;
    }
    file.put(METADATA, &metadata(survey))?;

    // The table is written a piece at a time: the blocks come in the order of its entries.
    let mut table = Table { piece: Vec::with_capacity(CLUSTER_BYTES), at: BAT };
    let (mut end, mut next, mut here) = (first_block, 0, None);
    let mut buffer = vec![0; CLUSTER_BYTES];
    for number in survey.clusters() {
        let block = number.saturating_mul(CLUSTER) / BLOCK;
        if here.is_none_or(|(last, _)| last != block) {
            table.empty(next..block, &mut file)?;
            table.entry(block, end | PRESENT, &mut file)?;
            next = block.saturating_add(1);
            here = Some((block, end));
            end = end.saturating_add(BLOCK);
        }
        let (_, start) = here.unwrap_or((block, end));
        read_cluster(disk, number, &mut buffer).map_err(WriteError::Read)?;
        file.put(start.saturating_add(number.saturating_mul(CLUSTER) % BLOCK), &buffer)?;
    }
    table.empty(next..blocks, &mut file)?;
    table.flush(&mut file)?;
    file.end_at(end)?;
    Ok(end)
}

/// Index in the table of the entry of block number `block`.
fn index_of(block: u64, block_bytes: u64) -> u64 {
    block.saturating_add(block / (CHUNK_BYTES / block_bytes))
}

/// The block allocation table, being written.
struct Table {
    piece: Vec<u8>,
    at: u64,
}

impl Table {
    fn entry<R, W: WriteAt>(
        &mut self,
        block: u64,
        entry: u64,
        file: &mut Target<'_, W>,
    ) -> Result<(), WriteError<R, W::Error>> {
        let per_chunk = CHUNK_BYTES / BLOCK;
        if block > 0 && block.is_multiple_of(per_chunk) {
            self.piece.extend([0; 8]);
        }
        self.piece.extend(entry.to_le_bytes());
        if self.piece.len() >= CLUSTER_BYTES { self.flush(file) } else { Ok(()) }
    }

    fn empty<R, W: WriteAt>(
        &mut self,
        mut blocks: std::ops::Range<u64>,
        file: &mut Target<'_, W>,
    ) -> Result<(), WriteError<R, W::Error>> {
        blocks.try_for_each(|block| self.entry(block, ZERO, file))
    }

    fn flush<R, W: WriteAt>(&mut self, file: &mut Target<'_, W>) -> Result<(), WriteError<R, W::Error>> {
        file.put(self.at, &self.piece)?;
        self.at = self.at.saturating_add(self.piece.len() as u64);
        self.piece.clear();
        Ok(())
    }
}

fn identifier() -> Vec<u8> {
    let creator = "Evener".encode_utf16().flat_map(u16::to_le_bytes);
    MAGIC.iter().copied().chain(creator).collect()
}

fn header(sequence: u64, survey: &Survey) -> Vec<u8> {
    let mut header = Vec::with_capacity(HEADER_BYTES);
    header.extend(b"head");
    header.extend([0; 4]);
    header.extend(sequence.to_le_bytes());
    header.extend(swapped(survey.id("vhdx file write")));
    header.extend(swapped(survey.id("vhdx data write")));
    header.extend([0; 16]); // no log to replay
    header.extend(0_u16.to_le_bytes());
    header.extend(1_u16.to_le_bytes());
    header.extend(u32::try_from(MIB).unwrap_or(0).to_le_bytes());
    header.extend(LOG.to_le_bytes());
    header.resize(HEADER_BYTES, 0);
    with_checksum(header)
}

fn region_table(bat_bytes: u64) -> Vec<u8> {
    let mut table = Vec::with_capacity(REGION_TABLE_BYTES);
    table.extend(b"regi");
    table.extend([0; 4]);
    table.extend(2_u32.to_le_bytes());
    table.extend([0; 4]);
    for (region, at, bytes) in [(BAT_REGION, BAT, bat_bytes), (METADATA_REGION, METADATA, MIB)] {
        table.extend(region);
        table.extend(at.to_le_bytes());
        table.extend(u32::try_from(bytes).unwrap_or(u32::MAX).to_le_bytes());
        table.extend(1_u32.to_le_bytes());
    }
    table.resize(REGION_TABLE_BYTES, 0);
    with_checksum(table)
}

fn metadata(survey: &Survey) -> Vec<u8> {
    let block = u32::try_from(BLOCK).unwrap_or(0).to_le_bytes();
    let items: [(_, Vec<u8>, _); 5] = [
        // Behind the block size: neither "leave blocks allocated" nor "has a parent".
        (FILE_PARAMETERS, [block, [0; 4]].concat(), REQUIRED),
        (DISK_SIZE, survey.length().to_le_bytes().into(), OF_DISK | REQUIRED),
        (DISK_ID, swapped(survey.id("vhdx disk")).into(), OF_DISK | REQUIRED),
        (LOGICAL_SECTOR, 512_u32.to_le_bytes().into(), OF_DISK | REQUIRED),
        // Partitions are aligned far better; this is what Hyper-V says of its own disks.
        (PHYSICAL_SECTOR, 4096_u32.to_le_bytes().into(), OF_DISK | REQUIRED),
    ];
    let mut table = b"metadata\0\0".to_vec();
    table.extend(5_u16.to_le_bytes());
    table.extend([0; 20]);
    let mut values = Vec::new();
    for (id, value, flags) in items {
        let at = METADATA_TABLE_BYTES.saturating_add(values.len());
        table.extend(id);
        for field in [at, value.len()] {
            table.extend(u32::try_from(field).unwrap_or(u32::MAX).to_le_bytes());
        }
        table.extend(flags.to_le_bytes());
        table.extend([0; 4]);
        values.extend(value);
    }
    table.resize(METADATA_TABLE_BYTES, 0);
    table.extend(values);
    table
}

/// Puts the checksum at offset 4, where both structures have it.
fn with_checksum(mut bytes: Vec<u8>) -> Vec<u8> {
    let sum = CRC.checksum(&bytes).to_le_bytes();
    if let Some(place) = bytes.get_mut(4..).and_then(<[u8]>::first_chunk_mut) {
        *place = sum;
    }
    bytes
}

/// A UUID as GUIDs lie in files: its first three numbers little-endian.
fn swapped(id: [u8; 16]) -> [u8; 16] {
    let [a, b, c, d, e, f, g, h, rest @ ..] = id;
    let [i, j, k, l, m, n, o, p] = rest;
    [d, c, b, a, f, e, h, g, i, j, k, l, m, n, o, p]
}

const fn guid(a: u32, b: u16, c: u16, d: u64) -> [u8; 16] {
    let ([a0, a1, a2, a3], [b0, b1], [c0, c1]) = (a.to_le_bytes(), b.to_le_bytes(), c.to_le_bytes());
    let [d0, d1, d2, d3, d4, d5, d6, d7] = d.to_be_bytes();
    [a0, a1, a2, a3, b0, b1, c0, c1, d0, d1, d2, d3, d4, d5, d6, d7]
}
