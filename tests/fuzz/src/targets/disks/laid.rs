//! A file made of sectors far apart, to write to and to read from.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crc::{CRC_32_ISCSI, Crc};
use evener_formats::{Format, ReadAt, WriteAt};

const SECTOR: usize = 512;
const CRC: Crc<u32> = Crc::<u32>::new(&CRC_32_ISCSI);

/// The sectors of a file that are not zero, and its length.
#[derive(Clone, Debug, Default)]
pub(super) struct Shape {
    sectors: Vec<(u64, [u8; SECTOR])>,
    length: u64,
}

impl Shape {
    /// The sectors, one behind the other; of a file that ends inside of a sector, no more than there is.
    pub(super) fn content(&self) -> Vec<u8> {
        let mut all: Vec<u8> = self.sectors.iter().flat_map(|(_, bytes)| *bytes).collect();
        if let Some((last, _)) = self.sectors.last() {
            let behind = ((last + 1) * SECTOR as u64).saturating_sub(self.length);
            all.truncate(all.len() - usize::try_from(behind).unwrap());
        }
        all
    }
}

/// A file in memory that takes no room for zeros.
#[derive(Debug, Default)]
pub(super) struct Sink {
    sectors: BTreeMap<u64, [u8; SECTOR]>,
    length: u64,
}

impl Sink {
    pub(super) fn shape(self) -> Shape {
        let kept = self.sectors.into_iter().filter(|(_, bytes)| *bytes != [0; SECTOR]);
        Shape { sectors: kept.collect(), length: self.length }
    }

    /// All of it, to be read.
    pub(super) fn file(self) -> Laid {
        Laid { sectors: self.sectors, length: self.length, budget: Reads(Arc::new(AtomicU64::new(0))) }
    }

    /// How much it holds.
    pub(super) fn bytes(&self) -> usize {
        self.sectors.len() * SECTOR
    }
}

/// What is kept at most, in bytes.
const HOLDS: usize = 1 << 20;

impl WriteAt for Sink {
    type Error = io::Error;

    fn write_at(&mut self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        if self.bytes() + bytes.len() > HOLDS {
            return Err(io::ErrorKind::StorageFull.into());
        }
        put(&mut self.sectors, offset, bytes);
        self.length = self.length.max(offset + bytes.len() as u64);
        Ok(())
    }

    fn set_length(&mut self, length: u64) -> io::Result<()> {
        self.length = length;
        Ok(())
    }
}

fn put(sectors: &mut BTreeMap<u64, [u8; SECTOR]>, offset: u64, bytes: &[u8]) {
    let mut at = offset;
    let mut rest = bytes;
    while !rest.is_empty() {
        let inside = usize::try_from(at % SECTOR as u64).unwrap();
        let (piece, behind) = rest.split_at(rest.len().min(SECTOR - inside));
        let sector = sectors.entry(at / SECTOR as u64).or_insert([0; SECTOR]);
        sector[inside..inside + piece.len()].copy_from_slice(piece);
        at += piece.len() as u64;
        rest = behind;
    }
}

/// More was read than a file of this size can need.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("more reads than there may be")]
pub(super) struct Budget;

impl Budget {
    /// Reads of one pass over a disk.
    pub(super) const MOST: u64 = 20_000;
}

/// How many reads there were.
#[derive(Clone, Debug)]
pub(super) struct Reads(Arc<AtomicU64>);

impl Reads {
    pub(super) fn used(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    pub(super) fn again(&self) {
        self.0.store(0, Ordering::Relaxed);
    }
}

/// A file of which the sectors that matter come from an input. It takes a limited number of reads: tables may say that
/// a small file is a large disk, which is no fault and has no end within a test.
#[derive(Debug)]
pub(super) struct Laid {
    sectors: BTreeMap<u64, [u8; SECTOR]>,
    length: u64,
    budget: Reads,
}

impl Laid {
    /// Lays `bytes` where the sectors of `shape` are; what is too much is left out, what is missing is zero.
    pub(super) fn new(shape: &Shape, bytes: &[u8]) -> Self {
        let mut sectors = BTreeMap::new();
        for ((place, _), content) in shape.sectors.iter().zip(bytes.chunks(SECTOR)) {
            put(&mut sectors, place * SECTOR as u64, content);
        }
        Self { sectors, length: shape.length, budget: Reads(Arc::new(AtomicU64::new(0))) }
    }

    pub(super) fn reads(&self) -> Reads {
        self.budget.clone()
    }

    /// Cuts nothing, some bytes, a sector, half.
    pub(super) fn cut(&mut self, how: u8) {
        self.length -= [0, 7, SECTOR as u64, self.length / 2][usize::from(how)];
    }

    pub(super) fn put_checksums_right(&mut self, format: Format) {
        match format {
            Format::Vhd => {
                let at = self.length - SECTOR as u64;
                let mut footer = self.bytes(at, SECTOR);
                footer[64..68].fill(0);
                let sum = footer.iter().fold(0_u32, |sum, byte| sum.wrapping_add(u32::from(*byte)));
                put(&mut self.sectors, at + 64, &(!sum).to_be_bytes());
            }
            Format::Vhdx => {
                for (at, bytes) in [(64, 4), (128, 4), (192, 64), (256, 64)] {
                    let mut table = self.bytes(at << 10, bytes << 10);
                    table[4..8].fill(0);
                    put(&mut self.sectors, (at << 10) + 4, &CRC.checksum(&table).to_le_bytes());
                }
            }
            Format::Ova => {
                let is_header = |bytes: &[u8; SECTOR]| bytes[257..262] == *b"ustar";
                for sector in self.sectors.values_mut().filter(|bytes| is_header(bytes)) {
                    sector[148..156].fill(b' ');
                    let sum: u32 = sector.iter().map(|byte| u32::from(*byte)).sum();
                    sector[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
                }
            }
            _ => {}
        }
    }

    fn bytes(&self, offset: u64, length: usize) -> Vec<u8> {
        let mut out = vec![0; length];
        self.fill(offset, &mut out);
        out
    }

    fn fill(&self, offset: u64, out: &mut [u8]) {
        out.fill(0);
        let sector = SECTOR as u64;
        let end = offset + out.len() as u64;
        for (place, content) in self.sectors.range(offset / sector..end.div_ceil(sector)) {
            let start = place * sector;
            let (from, to) = (start.max(offset), (start + sector).min(end));
            let index = |at: u64, base: u64| usize::try_from(at - base).unwrap();
            out[index(from, offset)..index(to, offset)]
                .copy_from_slice(&content[index(from, start)..index(to, start)]);
        }
    }
}

impl ReadAt for Laid {
    type Error = Budget;

    fn length(&self) -> u64 {
        self.length
    }

    fn read_at(&mut self, offset: u64, out: &mut [u8]) -> Result<(), Budget> {
        let end = offset.checked_add(out.len() as u64).unwrap();
        assert!(end <= self.length, "read from {offset} to {end} in a file of {} bytes", self.length);
        if self.budget.0.fetch_add(1, Ordering::Relaxed) >= Budget::MOST {
            return Err(Budget);
        }
        self.fill(offset, out);
        Ok(())
    }
}
