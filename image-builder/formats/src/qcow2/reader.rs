//! Reads guest bytes out of a qcow2 file.

use std::ops::Range;

use super::{MAGIC, MOST};
use crate::image::{Disk, ReadAt, ReaderError, fetch, in_blocks};

/// A qcow2 file, opened.
#[derive(Debug)]
pub struct Reader<F> {
    file: F,
    cluster_bits: u32,
    length: u64,
    l1_offset: u64,
}

const OFFSET_MASK: u64 = 0x00ff_ffff_ffff_fe00;
const COMPRESSED: u64 = 1 << 62;
const ZERO: u64 = 1;
/// The only incompatible feature that does not change what a cluster means: "dirty refcounts".
const INCOMPATIBLE_DIRTY: u64 = 1;

impl<F: ReadAt> Reader<F> {
    /// Reads and checks the header.
    ///
    /// # Errors
    /// [`ReaderError`] naming the field and its offset.
    pub fn open(mut file: F) -> Result<Self, ReaderError<F::Error>> {
        let mut header = [0; 80];
        fetch(&mut file, "header", 0, &mut header)?;
        if header[..4] != MAGIC {
            return Err(ReaderError::Format { format: "qcow2", offset: 0 });
        }
        let version = be32(&header, 4);
        let cluster_bits = be32(&header, 20);
        let l1_entries = u64::from(be32(&header, 36));
        let length = be64(&header, 24);
        let incompatible = if version == 3 { be64(&header, 72) } else { 0 };
        let checks = [
            ("version", 4, u64::from(version), matches!(version, 2 | 3)),
            ("backing file", 8, be64(&header, 8), be64(&header, 8) == 0),
            ("cluster bits", 20, u64::from(cluster_bits), (9..=21).contains(&cluster_bits)),
            ("disk size", 24, length, length > 0 && length.is_multiple_of(512) && length <= MOST),
            ("encryption", 32, u64::from(be32(&header, 32)), be32(&header, 32) == 0),
            ("features", 72, incompatible, incompatible & !INCOMPATIBLE_DIRTY == 0),
        ];
        for (field, offset, value, good) in checks {
            if !good {
                return Err(ReaderError::Unsupported { field, offset, value });
            }
        }
        let needed = length.div_ceil(1 << (2 * cluster_bits - 3));
        if l1_entries < needed {
            let (field, value) = ("number of L1 entries", l1_entries);
            return Err(ReaderError::Unsupported { field, offset: 36, value });
        }
        let l1_offset = be64(&header, 40);
        if l1_offset.checked_add(needed.saturating_mul(8)).is_none_or(|end| end > file.length()) {
            let length = file.length();
            return Err(ReaderError::Truncated { what: "L1 table", offset: l1_offset, length });
        }
        Ok(Self { file, cluster_bits, length, l1_offset })
    }

    /// Where the cluster of guest offset `at` lies in the file; `None` reads as zero.
    fn cluster_offset(&mut self, at: u64) -> Result<Option<u64>, ReaderError<F::Error>> {
        let l2_bits = self.cluster_bits - 3;
        let number = at >> self.cluster_bits;
        let table = self.l2_table(at)?;
        if table == 0 {
            return Ok(None);
        }
        let l2_index = number & ((1 << l2_bits) - 1);
        let l2 = self.entry(table, l2_index)?;
        if l2 & COMPRESSED != 0 {
            let offset = table.saturating_add(l2_index.saturating_mul(8));
            return Err(ReaderError::Unsupported { field: "compressed cluster", offset, value: l2 });
        }
        Ok((l2 & ZERO == 0 && l2 & OFFSET_MASK != 0).then_some(l2 & OFFSET_MASK))
    }

    /// Where the L2 table for guest offset `at` lies; 0 if there is none.
    fn l2_table(&mut self, at: u64) -> Result<u64, ReaderError<F::Error>> {
        let l1_index = at >> (2 * self.cluster_bits - 3);
        Ok(self.entry(self.l1_offset, l1_index)? & OFFSET_MASK)
    }

    fn entry(&mut self, table: u64, index: u64) -> Result<u64, ReaderError<F::Error>> {
        let mut entry = [0; 8];
        let at = table.saturating_add(index.saturating_mul(8));
        fetch(&mut self.file, "cluster table", at, &mut entry)?;
        Ok(u64::from_be_bytes(entry))
    }
}

impl<F: ReadAt> Disk for Reader<F> {
    type Error = ReaderError<F::Error>;

    fn length(&self) -> u64 {
        self.length
    }

    fn read(&mut self, at: u64, out: &mut [u8]) -> Result<(), Self::Error> {
        let cluster = 1_u64 << self.cluster_bits;
        in_blocks(self.length, cluster, at, out, |at, inside, piece| match self.cluster_offset(at)? {
            Some(host) => fetch(&mut self.file, "cluster", host.saturating_add(inside), piece),
            None => {
                piece.fill(0);
                Ok(())
            }
        })
    }

    fn next_data(&mut self, at: u64) -> Result<Option<Range<u64>>, Self::Error> {
        let (cluster, bits) = (1_u64 << self.cluster_bits, self.cluster_bits);
        let mut at = at;
        while at < self.length {
            // A table that is not there is empty at once; one table covers 2^(2n-3) bytes.
            let covered = 1_u64 << (2 * bits - 3);
            if at.is_multiple_of(covered) && self.l2_table(at)? == 0 {
                at = at.saturating_add(covered);
                continue;
            }
            let end = (at & !(cluster - 1)).saturating_add(cluster);
            if self.cluster_offset(at)?.is_some() {
                return Ok(Some(at..end.min(self.length)));
            }
            at = end;
        }
        Ok(None)
    }
}

fn be32(header: &[u8; 80], at: usize) -> u32 {
    let mut bytes = [0; 4];
    bytes.copy_from_slice(&header[at..at + 4]);
    u32::from_be_bytes(bytes)
}

fn be64(header: &[u8; 80], at: usize) -> u64 {
    let mut bytes = [0; 8];
    bytes.copy_from_slice(&header[at..at + 8]);
    u64::from_be_bytes(bytes)
}
