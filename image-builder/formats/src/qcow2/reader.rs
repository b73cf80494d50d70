//! Reads guest bytes out of a qcow2 file.

use super::MAGIC;

/// Random access to the bytes of a file, supplied by whoever does the IO.
pub trait ReadAt {
    /// What may go wrong while reading.
    type Error;

    /// Fills `out` from `offset` on.
    ///
    /// # Errors
    /// Whatever the underlying file says; reading behind its end is an error.
    fn read_at(&mut self, offset: u64, out: &mut [u8]) -> Result<(), Self::Error>;
}

/// Why an image cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReaderError<E> {
    /// The file could not be read.
    #[error("reading the file failed")]
    File(E),
    /// The first four bytes are not `QFI\xfb`.
    #[error("not a qcow2 file (magic at offset 0)")]
    NotQcow2,
    /// A field of the header has a value that this reader does not know.
    #[error("unsupported {field} {value:#x} at offset {offset}")]
    Unsupported {
        /// What the field means.
        field: &'static str,
        /// Where it lies, in bytes.
        offset: u64,
        /// Its value.
        value: u64,
    },
    /// A guest offset behind the end of the disk.
    #[error("offset {0} lies behind the end of the disk")]
    OutOfRange(u64),
}

/// A qcow2 file, opened.
#[derive(Debug)]
pub struct Reader<F> {
    file: F,
    cluster_bits: u32,
    length: u64,
    l1_offset: u64,
    l1_entries: u64,
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
        file.read_at(0, &mut header).map_err(ReaderError::File)?;
        if header[..4] != MAGIC {
            return Err(ReaderError::NotQcow2);
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
            ("disk size", 24, length, length <= 1 << 50),
            ("encryption", 32, u64::from(be32(&header, 32)), be32(&header, 32) == 0),
            ("features", 72, incompatible, incompatible & !INCOMPATIBLE_DIRTY == 0),
        ];
        for (field, offset, value, good) in checks {
            if !good {
                return Err(ReaderError::Unsupported { field, offset, value });
            }
        }
        Ok(Self { file, cluster_bits, length, l1_offset: be64(&header, 40), l1_entries })
    }

    /// Size of the disk as the guest sees it, in bytes.
    #[must_use]
    pub fn length(&self) -> u64 {
        self.length
    }

    /// Fills `out` with guest bytes from `offset` on.
    ///
    /// # Errors
    /// [`ReaderError::OutOfRange`], [`ReaderError::File`], or [`ReaderError::Unsupported`] for a
    /// compressed cluster.
    pub fn read(&mut self, offset: u64, out: &mut [u8]) -> Result<(), ReaderError<F::Error>> {
        let end = offset.checked_add(out.len() as u64);
        if end.is_none_or(|end| end > self.length) {
            return Err(ReaderError::OutOfRange(offset));
        }
        let cluster = 1_u64 << self.cluster_bits;
        let mut at = offset;
        let mut rest = out;
        while !rest.is_empty() {
            let inside = at & (cluster - 1);
            let room = usize::try_from(cluster - inside).unwrap_or(usize::MAX);
            let (piece, tail) = rest.split_at_mut(room.min(rest.len()));
            match self.cluster_offset(at)? {
                Some(host) => {
                    self.file.read_at(host.saturating_add(inside), piece).map_err(ReaderError::File)?
                }
                None => piece.fill(0),
            }
            at = at.saturating_add(piece.len() as u64);
            rest = tail;
        }
        Ok(())
    }

    /// Where the cluster of guest offset `at` lies in the file; `None` reads as zero.
    fn cluster_offset(&mut self, at: u64) -> Result<Option<u64>, ReaderError<F::Error>> {
        let l2_bits = self.cluster_bits - 3;
        let number = at >> self.cluster_bits;
        let l1_index = number >> l2_bits;
        if l1_index >= self.l1_entries {
            return Err(ReaderError::OutOfRange(at));
        }
        let l1 = self.entry(self.l1_offset, l1_index)?;
        if l1 & OFFSET_MASK == 0 {
            return Ok(None);
        }
        let l2_index = number & ((1 << l2_bits) - 1);
        let l2 = self.entry(l1 & OFFSET_MASK, l2_index)?;
        if l2 & COMPRESSED != 0 {
            return Err(ReaderError::Unsupported {
                field: "compressed cluster at guest",
                offset: at,
                value: l2,
            });
        }
        Ok((l2 & ZERO == 0 && l2 & OFFSET_MASK != 0).then_some(l2 & OFFSET_MASK))
    }

    fn entry(&mut self, table: u64, index: u64) -> Result<u64, ReaderError<F::Error>> {
        let mut entry = [0; 8];
        let at = table.saturating_add(index.saturating_mul(8));
        self.file.read_at(at, &mut entry).map_err(ReaderError::File)?;
        Ok(u64::from_be_bytes(entry))
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
