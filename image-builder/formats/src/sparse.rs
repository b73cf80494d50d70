//! Bytes at offsets, with holes that read as zero.
//!
//! A 512 MiB disk holds about 30 MiB of content. Describing it as extents keeps the builder's
//! memory at the size of the content, lets slots share one copy of the same kernel, and lets a
//! writer leave holes in the file. Extents are kept sorted and never overlap, so a writer can go
//! through them once from front to back.

use bytes::Bytes;

/// Granularity at which [`Sparse::put_nonzero`] looks for holes, in bytes.
const HOLE_BYTES: usize = 4096;
static ZEROS: [u8; HOLE_BYTES] = [0; HOLE_BYTES];

/// A run of bytes and where it lies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Extent {
    /// Offset of the first byte, in bytes from the start.
    pub at: u64,
    /// The content; never empty.
    pub bytes: Bytes,
}

impl Extent {
    /// Offset just behind the last byte.
    #[must_use]
    pub fn end(&self) -> u64 {
        self.at.saturating_add(self.bytes.len() as u64)
    }
}

/// Why an extent was not accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SparseError {
    /// The extent would end behind the end of the image.
    #[error("{len} bytes at offset {at} do not fit into {length} bytes")]
    OutOfRange {
        /// Offset asked for, in bytes.
        at: u64,
        /// Size of the extent, in bytes.
        len: u64,
        /// Size of the image, in bytes.
        length: u64,
    },
    /// Something else already lies there.
    #[error("{len} bytes at offset {at} overlap what lies at offset {other}")]
    Overlap {
        /// Offset asked for, in bytes.
        at: u64,
        /// Size of the extent, in bytes.
        len: u64,
        /// Offset of the extent in the way.
        other: u64,
    },
}

/// An image of fixed length, described by its extents.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sparse {
    length: u64,
    extents: Vec<Extent>,
}

impl Sparse {
    /// An image of `length` bytes that is one hole.
    #[must_use]
    pub fn new(length: u64) -> Self {
        Self { length, extents: Vec::new() }
    }

    /// Length including holes, in bytes.
    #[must_use]
    pub fn length(&self) -> u64 {
        self.length
    }

    /// The extents, in ascending order.
    #[must_use]
    pub fn extents(&self) -> &[Extent] {
        &self.extents
    }

    /// Sum of the sizes of all extents, in bytes.
    #[must_use]
    pub fn content_bytes(&self) -> u64 {
        self.extents.iter().map(|e| e.bytes.len() as u64).sum()
    }

    /// Lays `bytes` at offset `at`. Empty bytes are accepted and ignored.
    ///
    /// # Errors
    /// [`SparseError`] if they do not fit or something already lies there.
    pub fn put(&mut self, at: u64, bytes: Bytes) -> Result<(), SparseError> {
        let len = bytes.len() as u64;
        if len == 0 {
            return Ok(());
        }
        let end = at.checked_add(len).filter(|end| *end <= self.length);
        let Some(end) = end else {
            return Err(SparseError::OutOfRange { at, len, length: self.length });
        };
        let index = self.extents.partition_point(|e| e.end() <= at);
        if let Some(next) = self.extents.get(index).filter(|next| next.at < end) {
            return Err(SparseError::Overlap { at, len, other: next.at });
        }
        self.extents.insert(index, Extent { at, bytes });
        Ok(())
    }

    /// Lays `bytes` at offset `at`, leaving holes where whole 4 KiB blocks are zero.
    ///
    /// # Errors
    /// As [`Sparse::put`].
    pub fn put_nonzero(&mut self, at: u64, bytes: &Bytes) -> Result<(), SparseError> {
        let mut start = 0;
        while start < bytes.len() {
            let run = run_end(bytes, start, false);
            self.put(at.saturating_add(start as u64), bytes.slice(start..run))?;
            start = run_end(bytes, run, true);
        }
        Ok(())
    }

    /// Lays all of `other` at offset `at`, for example a filesystem into its partition.
    ///
    /// # Errors
    /// As [`Sparse::put`]; an inner image longer than what is left counts as out of range even if
    /// only its holes stick out.
    pub fn embed(&mut self, at: u64, other: &Self) -> Result<(), SparseError> {
        if at.checked_add(other.length).is_none_or(|end| end > self.length) {
            return Err(SparseError::OutOfRange { at, len: other.length, length: self.length });
        }
        for extent in &other.extents {
            self.put(at.saturating_add(extent.at), extent.bytes.clone())?;
        }
        Ok(())
    }

    /// Fills `out` with what lies at offset `at`; holes and everything behind the end read as zero.
    pub fn read(&self, at: u64, out: &mut [u8]) {
        out.fill(0);
        let end = at.saturating_add(out.len() as u64);
        let first = self.extents.partition_point(|e| e.end() <= at);
        for extent in self.extents.iter().skip(first).take_while(|e| e.at < end) {
            let from = extent.at.max(at);
            let to = extent.end().min(end);
            let (Ok(source), Ok(target), Ok(len)) =
                (usize::try_from(from - extent.at), usize::try_from(from - at), usize::try_from(to - from))
            else {
                continue;
            };
            out[target..target + len].copy_from_slice(&extent.bytes[source..source + len]);
        }
    }
}

/// End of the run of blocks from `start` on that are all zero (`zero`) or all not.
fn run_end(bytes: &[u8], start: usize, zero: bool) -> usize {
    let mut end = start;
    for block in bytes[start..].chunks(HOLE_BYTES) {
        if (block == &ZEROS[..block.len()]) != zero {
            break;
        }
        end += block.len();
    }
    end
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filled(byte: u8, len: usize) -> Bytes {
        Bytes::from(vec![byte; len])
    }

    #[test]
    fn extents_come_out_sorted_whatever_the_order_of_puts() {
        let mut image = Sparse::new(100);
        image.put(50, filled(2, 10)).unwrap();
        image.put(0, filled(1, 10)).unwrap();
        image.put(90, filled(3, 10)).unwrap();
        let offsets: Vec<u64> = image.extents().iter().map(|e| e.at).collect();
        assert_eq!(offsets, [0, 50, 90]);
        assert_eq!(image.content_bytes(), 30);
    }

    #[test]
    fn overlap_is_refused_on_either_side_and_touching_is_not() {
        let mut image = Sparse::new(100);
        image.put(40, filled(1, 20)).unwrap();
        for at in [31, 40, 45, 59] {
            assert_eq!(image.put(at, filled(2, 10)), Err(SparseError::Overlap { at, len: 10, other: 40 }));
        }
        image.put(30, filled(2, 10)).unwrap();
        image.put(60, filled(2, 10)).unwrap();
    }

    #[test]
    fn nothing_reaches_behind_the_end() {
        let mut image = Sparse::new(100);
        assert!(image.put(91, filled(1, 10)).is_err());
        assert!(image.put(u64::MAX, filled(1, 10)).is_err());
        assert!(image.embed(60, &Sparse::new(41)).is_err());
        image.embed(60, &Sparse::new(40)).unwrap();
    }

    #[test]
    fn reading_crosses_extents_and_holes() {
        let mut image = Sparse::new(12);
        image.put(2, filled(1, 2)).unwrap();
        image.put(6, filled(2, 2)).unwrap();
        let mut out = [9; 10];
        image.read(3, &mut out);
        assert_eq!(out, [1, 0, 0, 2, 2, 0, 0, 0, 0, 0]);
    }

    #[test]
    fn zero_blocks_become_holes_and_the_content_stays() {
        let mut content = vec![0; 5 * 4096 + 100];
        content[4096] = 7;
        content[4 * 4096 + 1] = 8;
        content[5 * 4096 + 99] = 9;
        let mut image = Sparse::new(1 << 20);
        image.put_nonzero(512, &Bytes::from(content.clone())).unwrap();

        assert_eq!(image.content_bytes(), 2 * 4096 + 100);
        let mut out = vec![0; content.len()];
        image.read(512, &mut out);
        assert_eq!(out, content);
    }
}
