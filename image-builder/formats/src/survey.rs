//! One look over a disk before it is written: which parts of it hold something, and its digest.
//!
//! A writer must know beforehand what it will store (tables come before data) and what its ids are (each is derived
//! from the content, so that equal disks give equal files). Both need all of the disk once. What is kept is a bit for
//! each 64 KiB in use, so the memory that a conversion takes does not depend on how much the disk holds.

use std::collections::BTreeMap;

use sha2::{Digest, Sha256};

use crate::image::Disk;

/// Granularity at which holes are found, in bytes.
pub const CLUSTER: u64 = 1 << 16;
/// The same, for buffers.
pub const CLUSTER_BYTES: usize = 1 << 16;
/// Words of a page of [`Survey`]'s bits, and clusters that it stands for.
const PAGE_WORDS: usize = 32;
const PAGE: u64 = 64 * PAGE_WORDS as u64;
pub(crate) static ZEROS: [u8; CLUSTER_BYTES] = [0; CLUSTER_BYTES];

/// What a disk holds, in outline.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Survey {
    length: u64,
    digest: [u8; 32],
    /// A bit for each cluster in use, in pages: what a file claims to hold costs nothing until it holds it.
    used: BTreeMap<u64, [u64; PAGE_WORDS]>,
}

impl Survey {
    /// Reads all of `disk` once, except what it knows to be empty.
    ///
    /// # Errors
    /// The disk's own.
    pub fn of<D: Disk>(disk: &mut D) -> Result<Self, D::Error> {
        let length = disk.length();
        let mut survey = Self { length, digest: [0; 32], used: BTreeMap::new() };
        let mut hash = Sha256::new_with_prefix(b"evener-disk-v1\0");
        hash.update(length.to_le_bytes());
        let mut buffer = vec![0; CLUSTER_BYTES];
        let (mut at, mut next) = (0, 0);
        while let Some(range) = disk.next_data(at)? {
            at = range.end.min(length).max(at.saturating_add(1));
            let clusters = range.start / CLUSTER..at.div_ceil(CLUSTER);
            for number in clusters.start.max(next)..clusters.end {
                let content = read_cluster(disk, number, &mut buffer)?;
                if !is_zero(content) {
                    hash.update(number.to_le_bytes());
                    hash.update(&buffer);
                    survey.mark(number);
                }
                next = number.saturating_add(1);
            }
            if at >= length {
                break;
            }
        }
        survey.digest = hash.finalize().into();
        Ok(survey)
    }

    /// Size of the disk, in bytes.
    #[must_use]
    pub fn length(&self) -> u64 {
        self.length
    }

    /// Says which bytes the disk has; the same for the same disk in whatever format.
    #[must_use]
    pub fn digest(&self) -> [u8; 32] {
        self.digest
    }

    /// Numbers of the clusters that are not all zero, in ascending order.
    pub fn clusters(&self) -> impl Iterator<Item = u64> + '_ {
        self.used.iter().flat_map(|(page, words)| {
            let first = page.saturating_mul(PAGE);
            let bits = (0_u64..).zip(words).flat_map(|(index, word)| {
                (0..64).filter(move |bit| word >> bit & 1 == 1).map(move |bit| index * 64 + bit)
            });
            bits.map(move |bit| first.saturating_add(bit))
        })
    }

    /// Bytes in clusters that are not all zero.
    #[must_use]
    pub fn used_bytes(&self) -> u64 {
        let ones = self.used.values().flatten().map(|word| u64::from(word.count_ones()));
        ones.sum::<u64>().saturating_mul(CLUSTER)
    }

    /// Sixteen bytes that stand for `name` in an image of this disk: a UUID of version 8 (RFC 9562 §5.8), in the
    /// order in which it is written out.
    #[must_use]
    pub fn id(&self, name: &str) -> [u8; 16] {
        let hash = Sha256::new_with_prefix(b"evener-image-id-v1\0").chain_update(self.digest);
        let hash: [u8; 32] = hash.chain_update(name).finalize().into();
        let mut id = crate::image::array::<16>(&hash, 0);
        id[6] = id[6] & 0x0f | 0x80;
        id[8] = id[8] & 0x3f | 0x80;
        id
    }

    fn mark(&mut self, number: u64) {
        let page = self.used.entry(number / PAGE).or_insert([0; PAGE_WORDS]);
        let index = usize::try_from(number % PAGE / 64).unwrap_or(0);
        if let Some(word) = page.get_mut(index) {
            *word |= 1 << (number % 64);
        }
    }
}

/// Reads a cluster into `buffer`, and gives what of it lies on the disk; the rest of `buffer` is zero.
pub(crate) fn read_cluster<'a, D: Disk>(
    disk: &mut D,
    number: u64,
    buffer: &'a mut [u8],
) -> Result<&'a [u8], D::Error> {
    let at = number.saturating_mul(CLUSTER);
    let here = usize::try_from(disk.length().saturating_sub(at)).unwrap_or(usize::MAX).min(buffer.len());
    let (content, behind) = buffer.split_at_mut(here);
    behind.fill(0);
    disk.read(at, content)?;
    Ok(content)
}

pub(crate) fn is_zero(bytes: &[u8]) -> bool {
    bytes.chunks(CLUSTER_BYTES).all(|chunk| ZEROS.get(..chunk.len()) == Some(chunk))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Sparse;

    fn disk(at: u64, bytes: &[u8]) -> Sparse {
        let mut disk = Sparse::new((300 << 20) + 512);
        disk.put(at, bytes.to_vec().into()).unwrap();
        disk
    }

    #[test]
    fn clusters_are_those_that_hold_something_to_the_last_partial_one() {
        let mut image = disk(0, &[0; 200_000]);
        image.put(300_000, vec![7; 1].into()).unwrap();
        image.put(5 << 20, vec![7; 65_537].into()).unwrap();
        image.put((300 << 20) + 100, vec![7; 412].into()).unwrap();
        let survey = Survey::of(&mut &image).unwrap();
        assert_eq!(survey.clusters().collect::<Vec<_>>(), [4, 80, 81, 4800]);
        assert_eq!(survey.used_bytes(), 4 << 16);
    }

    #[test]
    fn the_digest_is_of_the_content_and_not_of_how_it_is_described() {
        let of = |image: &Sparse| Survey::of(&mut &*image).unwrap();
        let one = disk(65_000, &[3; 2000]);
        let mut pieces = disk(65_000, &[3; 1000]);
        pieces.put(66_000, vec![3; 1000].into()).unwrap();
        pieces.put(1 << 20, vec![0; 5000].into()).unwrap();
        assert_eq!(of(&one), of(&pieces));
        assert_eq!(of(&one).id("a"), of(&pieces).id("a"));
        assert_ne!(of(&one).id("a"), of(&one).id("b"));
        for other in [disk(65_001, &[3; 2000]), disk(65_000, &[4; 2000]), Sparse::new(300 << 20)] {
            assert_ne!(of(&one).digest(), of(&other).digest());
        }
    }
}
