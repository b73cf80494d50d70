//! Fixed VHD: the disk as it is, and 512 bytes behind it.
//!
//! Source: Microsoft, Virtual Hard Disk Image Format Specification 1.0, "Hard Disk Footer Format". What Azure adds: the
//! disk is a whole number of MiB and the file is exactly that and 512 bytes; so a disk that is not is written with
//! zeros behind it.
//!
//! ```text
//! offset size field (big-endian)
//!      0    8 "conectix"
//!      8    4 features, 2 (reserved, always set)
//!     12    4 version, 1.0
//!     16    8 offset of a dynamic header; all ones: fixed
//!     24    4 seconds since 2000-01-01
//!     28    4 creator, "qem2"
//!     32    4 creator's version
//!     36    4 creator's system, "Wi2k"
//!     40   16 size of the disk, twice
//!     56    4 cylinders u16, heads u8, sectors u8
//!     60    4 kind, 2: fixed
//!     64    4 checksum: the complement of the sum of all bytes, without these four
//!     68   16 unique id
//!     84  428 zero
//! ```
//!
//! Cylinders, heads and sectors are the largest there are, and the creator is the one that QEMU writes when the size
//! is exact: readers that would else compute the size from the geometry (older QEMU, VirtualBox) take the size field
//! then. The time is a constant: a firmware has no date.

use crate::image::{Disk, Target, WriteAt, WriteError, check_size};
use crate::survey::{CLUSTER, CLUSTER_BYTES, Survey, read_cluster};

mod reader;
pub use reader::Reader;

/// The first eight bytes of the footer.
pub const MAGIC: &[u8; 8] = b"conectix";
/// Size of the footer, in bytes.
pub const FOOTER_BYTES: usize = 512;

const MIB: u64 = 1 << 20;
/// What Hyper-V takes.
const MOST: u64 = 2040 << 30;
const FIXED: u32 = 2;
const AT_CHECKSUM: usize = 64;

/// Size of the disk in the file, in bytes: `length` with zeros behind it up to a whole MiB.
#[must_use]
pub fn virtual_size(length: u64) -> u64 {
    length.checked_next_multiple_of(MIB).unwrap_or(u64::MAX)
}

/// Writes `disk`, and gives the length of the file in bytes.
///
/// # Errors
/// [`WriteError`]; no disk larger than 2040 GiB.
pub fn write<D: Disk, W: WriteAt>(
    disk: &mut D,
    survey: &Survey,
    file: &mut W,
) -> Result<u64, WriteError<D::Error, W::Error>> {
    let size = virtual_size(survey.length());
    check_size("VHD", survey.length(), MOST)?;
    let mut file = Target(file);
    let mut buffer = vec![0; CLUSTER_BYTES];
    for number in survey.clusters() {
        let content = read_cluster(disk, number, &mut buffer).map_err(WriteError::Read)?;
        file.put(number.saturating_mul(CLUSTER), content)?;
    }
    file.put(size, &footer(size, &survey.id("vhd")))?;
    let length = size.saturating_add(FOOTER_BYTES as u64);
    file.end_at(length)?;
    Ok(length)
}

fn footer(size: u64, id: &[u8; 16]) -> Vec<u8> {
    let mut footer = Vec::with_capacity(FOOTER_BYTES);
    footer.extend(MAGIC);
    footer.extend(2_u32.to_be_bytes());
    footer.extend(0x0001_0000_u32.to_be_bytes());
    footer.extend(u64::MAX.to_be_bytes());
    footer.extend(0_u32.to_be_bytes());
    footer.extend(b"qem2");
    footer.extend(0x0005_0003_u32.to_be_bytes());
    footer.extend(b"Wi2k");
    footer.extend(size.to_be_bytes());
    footer.extend(size.to_be_bytes());
    footer.extend(0xffff_u16.to_be_bytes());
    footer.extend([16, 255]);
    footer.extend(FIXED.to_be_bytes());
    footer.extend([0; 4]);
    footer.extend(id);
    footer.resize(FOOTER_BYTES, 0);
    let sum = checksum(&footer).to_be_bytes();
    if let Some(place) = footer.get_mut(AT_CHECKSUM..).and_then(<[u8]>::first_chunk_mut) {
        *place = sum;
    }
    footer
}

/// The complement of the sum of all bytes but the checksum's own.
fn checksum(footer: &[u8]) -> u32 {
    let own = AT_CHECKSUM..AT_CHECKSUM + 4;
    let counted = footer.iter().enumerate().filter(|(at, _)| !own.contains(at));
    !counted.fold(0_u32, |sum, (_, byte)| sum.wrapping_add(u32::from(*byte)))
}
