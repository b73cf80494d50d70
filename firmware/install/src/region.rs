//! What of an image goes onto a disk, in pieces.

use std::ops::Range;

use evener_disk::{Partition, SECTOR};
use evener_formats::Sparse;

/// Sectors that are written at once: 1 MiB.
pub(crate) const PIECE: u64 = 2048;

/// A range of sectors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Region {
    pub(crate) at: u64,
    pub(crate) sectors: u64,
    /// Whether all of it is written; else only the pieces in which the image has something, and what the disk held in
    /// the others stays.
    pub(crate) dense: bool,
}

impl Region {
    /// All of a partition.
    pub(crate) fn dense(part: &Partition) -> Self {
        Self { at: part.start.0, sectors: part.sectors, dense: true }
    }

    /// What the image has of a partition behind its first `after` sectors.
    pub(crate) fn sparse(part: &Partition, after: u64) -> Self {
        let sectors = part.sectors.saturating_sub(after);
        Self { at: part.start.0.saturating_add(after), sectors, dense: false }
    }

    /// The pieces to be written, as sectors.
    pub(crate) fn pieces(self, image: &Sparse) -> impl Iterator<Item = Range<u64>> {
        let end = self.at.saturating_add(self.sectors);
        let step = usize::try_from(PIECE).unwrap_or(usize::MAX);
        let pieces = (self.at..end).step_by(step).map(move |at| at..at.saturating_add(PIECE).min(end));
        pieces.filter(move |piece| self.dense || holds_something(image, piece))
    }
}

fn holds_something(image: &Sparse, piece: &Range<u64>) -> bool {
    let byte = |sector: u64| sector.saturating_mul(SECTOR as u64);
    let first = image.extents().partition_point(|extent| extent.end() <= byte(piece.start));
    image.extents().get(first).is_some_and(|extent| extent.at < byte(piece.end))
}

/// The image's bytes of these sectors.
pub(crate) fn bytes_of(image: &Sparse, piece: &Range<u64>) -> Vec<u8> {
    let count = usize::try_from(piece.end.saturating_sub(piece.start)).unwrap_or(0);
    let mut bytes = vec![0; count.saturating_mul(SECTOR)];
    image.read(piece.start.saturating_mul(SECTOR as u64), &mut bytes);
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_cover_a_dense_region_and_of_a_sparse_one_what_the_image_has() {
        let mut image = Sparse::new(64 << 20);
        image.put(5 << 20, vec![7; 100].into()).unwrap();
        image.put((9 << 20) - 50, vec![8; 100].into()).unwrap();
        let region = Region { at: 3 * PIECE, sectors: 6 * PIECE + 10, dense: true };
        let dense: Vec<_> = region.pieces(&image).collect();
        assert_eq!(dense.len(), 7);
        assert!(dense.windows(2).all(|pair| pair[0].end == pair[1].start));
        assert_eq!((dense[0].start, dense[6].end), (3 * PIECE, 9 * PIECE + 10));
        let sparse: Vec<_> = Region { dense: false, ..region }.pieces(&image).collect();
        assert_eq!(sparse, [dense[2].clone(), dense[5].clone(), dense[6].clone()]);
        assert_eq!(bytes_of(&image, &sparse[0])[..101], [[7; 100].as_slice(), &[0]].concat());
    }
}
