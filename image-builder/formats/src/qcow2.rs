//! qcow2 version 3: a writer that gives the same file for the same disk, and a reader.
//!
//! Source: QEMU `docs/interop/qcow2.txt`. The file is header, refcount table, refcount blocks, L1 table, L2 tables, then
//! the data clusters in guest order. 64 KiB clusters, 16-bit refcounts, no compression, no backing file: what every
//! QEMU reads fastest. Clusters of zeros are not stored.
//!
//! The reader ([`Reader`]) understands version 2 and 3 images without encryption, compression, external data or backing
//! files; it checks every offset and allocates nothing that the header could make large.

use crate::image::{Disk, Target, WriteAt, WriteError, check_size};
use crate::survey::{CLUSTER, CLUSTER_BYTES, Survey, read_cluster};

mod reader;
pub use reader::Reader;

/// `QFI\xfb`, the first four bytes of the file.
pub const MAGIC: [u8; 4] = *b"QFI\xfb";

const CLUSTER_BITS: u32 = 16;
const ENTRIES_PER_L2: u64 = CLUSTER / 8;
const REFCOUNTS_PER_BLOCK: u64 = CLUSTER / 2;
const HEADER_LENGTH: u32 = 104;
/// "Refcount is exactly one": the cluster may be written in place.
const COPIED: u64 = 1 << 63;
/// Larger disks need an L1 table larger than QEMU accepts with these clusters.
const MOST: u64 = 2 << 50;
const _: () = assert!(1 << CLUSTER_BITS == CLUSTER);

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
    fn of(survey: &Survey) -> Self {
        let (mut l2_tables, mut data_clusters, mut last) = (0_u64, 0_u64, None);
        for number in survey.clusters() {
            let table = Some(number / ENTRIES_PER_L2);
            l2_tables += u64::from(last != table);
            last = table;
            data_clusters += 1;
        }
        let l1_entries = survey.length().div_ceil(CLUSTER * ENTRIES_PER_L2);
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

/// Writes `disk`, and gives the length of the file in bytes.
///
/// # Errors
/// [`WriteError`]; no disk larger than 2 PiB.
pub fn write<D: Disk, W: WriteAt>(
    disk: &mut D,
    survey: &Survey,
    file: &mut W,
) -> Result<u64, WriteError<D::Error, W::Error>> {
    check_size("qcow2", survey.length(), MOST)?;
    let plan = Plan::of(survey);
    let mut file = Target(file);
    file.put(0, &header(survey.length(), &plan))?;
    let blocks = (plan.refcount_blocks..plan.l1).map(|block| block * CLUSTER);
    file.put(plan.refcount_table * CLUSTER, &big_endian(blocks))?;
    // Every cluster of the file is used exactly once.
    let mut counted = 0;
    while counted < plan.end {
        let here = (plan.end - counted).min(REFCOUNTS_PER_BLOCK);
        let ones: Vec<u8> = (0..here).flat_map(|_| 1_u16.to_be_bytes()).collect();
        file.put(plan.refcount_blocks * CLUSTER + counted * 2, &ones)?;
        counted += here;
    }

    let mut buffer = vec![0; CLUSTER_BYTES];
    let mut l2 = Vec::new();
    let (mut l2_at, mut table, mut host) = (plan.l2, None, plan.data);
    for number in survey.clusters() {
        let index = number / ENTRIES_PER_L2;
        if table != Some(index) {
            if table.is_some() {
                file.put(l2_at * CLUSTER, &l2)?;
                l2_at += 1;
            }
            let entry = (l2_at * CLUSTER) | COPIED;
            file.put(plan.l1 * CLUSTER + index * 8, &entry.to_be_bytes())?;
            table = Some(index);
            l2.clear();
        }
        let place = usize::try_from(number % ENTRIES_PER_L2 * 8).unwrap_or(0);
        l2.resize(place, 0);
        l2.extend(((host * CLUSTER) | COPIED).to_be_bytes());
        read_cluster(disk, number, &mut buffer).map_err(WriteError::Read)?;
        file.put(host * CLUSTER, &buffer)?;
        host += 1;
    }
    if table.is_some() {
        file.put(l2_at * CLUSTER, &l2)?;
    }
    // qemu-img wants the last cluster whole, which the length of the file sees to.
    file.end_at(plan.end * CLUSTER)?;
    Ok(plan.end * CLUSTER)
}

fn header(length: u64, plan: &Plan) -> Vec<u8> {
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
    header
}

fn big_endian(values: impl Iterator<Item = u64>) -> Vec<u8> {
    values.flat_map(u64::to_be_bytes).collect()
}

fn saturating32(value: u64) -> u32 {
    u32::try_from(value).unwrap_or(u32::MAX)
}
