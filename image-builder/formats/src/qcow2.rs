//! qcow2 version 3: a writer that gives the same file for the same image, and a reader.
//!
//! Source: QEMU `docs/interop/qcow2.txt`. The writer turns one [`Sparse`] into another: header,
//! refcount table, refcount blocks, L1 table, L2 tables, then the data clusters in guest order.
//! 64 KiB clusters, 16-bit refcounts, no compression, no backing file: what every QEMU reads
//! fastest. Clusters of zeros are not stored.
//!
//! The reader ([`Reader`]) is for `evener-image inspect` and understands version 2 and 3 images
//! without encryption, compression, external data or backing files; it checks every offset and
//! allocates nothing that the header could make large.

use bytes::{Bytes, BytesMut};

use crate::sparse::{Sparse, SparseError};

mod reader;
pub use reader::{ReadAt, Reader, ReaderError};

/// `QFI\xfb`, the first four bytes of the file.
pub const MAGIC: [u8; 4] = *b"QFI\xfb";

const CLUSTER_BITS: u32 = 16;
const CLUSTER: u64 = 1 << CLUSTER_BITS;
const CLUSTER_BYTES: usize = 1 << CLUSTER_BITS;
const ENTRIES_PER_L2: u64 = CLUSTER / 8;
const REFCOUNTS_PER_BLOCK: u64 = CLUSTER / 2;
const HEADER_LENGTH: u32 = 104;
/// "Refcount is exactly one": the cluster may be written in place.
const COPIED: u64 = 1 << 63;

/// Where the parts of the file lie, in clusters.
struct Plan {
    refcount_table: u64,
    refcount_blocks: u64,
    l1: u64,
    l2: u64,
    data: u64,
    end: u64,
    l1_entries: u64,
}

impl Plan {
    fn of(length: u64, l2_tables: u64, data_clusters: u64) -> Self {
        let l1_entries = length.div_ceil(CLUSTER * ENTRIES_PER_L2);
        let l1_clusters = (l1_entries * 8).div_ceil(CLUSTER).max(1);
        let rest = 1 + l1_clusters + l2_tables + data_clusters;
        // The refcount structures count themselves, so the sizes are a fixed point.
        let (mut tables, mut blocks) = (1, 1);
        loop {
            let total = rest + tables + blocks;
            let needed_blocks = total.div_ceil(REFCOUNTS_PER_BLOCK);
            let needed_tables = (needed_blocks * 8).div_ceil(CLUSTER);
            if needed_blocks <= blocks && needed_tables <= tables {
                break;
            }
            blocks = needed_blocks.max(blocks);
            tables = needed_tables.max(tables);
        }
        let refcount_blocks = 1 + tables;
        let l1 = refcount_blocks + blocks;
        let l2 = l1 + l1_clusters;
        let data = l2 + l2_tables;
        Self { refcount_table: 1, refcount_blocks, l1, l2, data, end: data + data_clusters, l1_entries }
    }
}

/// The qcow2 file for the disk `image`.
///
/// # Errors
/// [`SparseError`] only if the layout computed here were wrong.
pub fn encode(image: &Sparse) -> Result<Sparse, SparseError> {
    let clusters = used_clusters(image);
    let mut l2_indices: Vec<u64> = clusters.iter().map(|(n, _)| n / ENTRIES_PER_L2).collect();
    l2_indices.dedup();
    let plan = Plan::of(image.length(), l2_indices.len() as u64, clusters.len() as u64);

    let mut file = Sparse::new(plan.end * CLUSTER);
    file.put(0, header(image.length(), &plan))?;
    let table = (plan.refcount_blocks..plan.l1).map(|block| block * CLUSTER);
    file.put(plan.refcount_table * CLUSTER, big_endian(table))?;
    // Every cluster of the file is used exactly once.
    let refcounts: Vec<u8> = (0..plan.end).flat_map(|_| 1_u16.to_be_bytes()).collect();
    file.put(plan.refcount_blocks * CLUSTER, refcounts.into())?;

    let mut l1 = vec![0; usize::try_from(plan.l1_entries).unwrap_or(0)];
    for (position, index) in l2_indices.iter().enumerate() {
        let offset = (plan.l2 + position as u64) * CLUSTER;
        if let Some(entry) = usize::try_from(*index).ok().and_then(|i| l1.get_mut(i)) {
            *entry = offset | COPIED;
        }
        let mut l2 = vec![0; CLUSTER_BYTES / 8];
        let first = clusters.partition_point(|(n, _)| n / ENTRIES_PER_L2 < *index);
        let mine = clusters.iter().enumerate().skip(first);
        for (nth, (number, _)) in mine.take_while(|(_, (n, _))| n / ENTRIES_PER_L2 == *index) {
            let slot = usize::try_from(number % ENTRIES_PER_L2).unwrap_or(0);
            l2[slot] = ((plan.data + nth as u64) * CLUSTER) | COPIED;
        }
        file.put(offset, big_endian(l2.into_iter()))?;
    }
    file.put(plan.l1 * CLUSTER, big_endian(l1.into_iter()))?;
    for (nth, (_, content)) in clusters.into_iter().enumerate() {
        file.put((plan.data + nth as u64) * CLUSTER, content)?;
    }
    // qemu-img wants the last cluster whole, which the fixed length of the file sees to.
    Ok(file)
}

/// Number and content of each cluster that is not all zero, in ascending order.
fn used_clusters(image: &Sparse) -> Vec<(u64, Bytes)> {
    let mut numbers: Vec<u64> = Vec::new();
    for extent in image.extents() {
        let first = extent.at / CLUSTER;
        let last = (extent.end() - 1) / CLUSTER;
        let from = numbers.last().map_or(first, |n| first.max(n + 1));
        numbers.extend(from..=last);
    }
    let zeros = vec![0; CLUSTER_BYTES];
    let mut clusters = Vec::with_capacity(numbers.len());
    for number in numbers {
        let mut content = BytesMut::zeroed(CLUSTER_BYTES);
        image.read(number * CLUSTER, &mut content);
        if content[..] != zeros[..] {
            clusters.push((number, content.freeze()));
        }
    }
    clusters
}

fn header(length: u64, plan: &Plan) -> Bytes {
    let mut header = Vec::with_capacity(HEADER_LENGTH as usize + 8);
    header.extend(MAGIC);
    header.extend(3_u32.to_be_bytes());
    header.extend([0; 12]); // no backing file
    header.extend(CLUSTER_BITS.to_be_bytes());
    header.extend(length.to_be_bytes());
    header.extend(0_u32.to_be_bytes()); // not encrypted
    header.extend(saturating32(plan.l1_entries).to_be_bytes());
    header.extend((plan.l1 * CLUSTER).to_be_bytes());
    header.extend((plan.refcount_table * CLUSTER).to_be_bytes());
    header.extend(saturating32(plan.refcount_blocks - plan.refcount_table).to_be_bytes());
    header.extend([0; 12]); // no snapshots
    header.extend([0; 24]); // incompatible, compatible and autoclear features
    header.extend(4_u32.to_be_bytes()); // refcounts of 2^4 bits
    header.extend(HEADER_LENGTH.to_be_bytes());
    header.extend([0; 8]); // end of header extensions
    header.into()
}

fn big_endian(values: impl Iterator<Item = u64>) -> Bytes {
    values.flat_map(u64::to_be_bytes).collect()
}

fn saturating32(value: u64) -> u32 {
    u32::try_from(value).unwrap_or(u32::MAX)
}
