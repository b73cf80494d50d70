//! The firmware file `.evfw`: a signed manifest and the parts it names, in one file to stream.
//!
//! ```text
//! offset size field
//!      0    8 magic "EVENERFW"
//!      8    4 format, 1
//!     12    4 number of sections, 1..=16
//!     16  256 16 sections of 16 bytes: kind u32, reserved u32, size u64
//!    272  236 zero
//!    508    4 CRC-32 (ISO-HDLC) of bytes 0..508
//!    512    - the sections in that order, each from a multiple of 512 bytes on, padded with zeros
//! ```
//!
//! All numbers are little-endian. Section kind 0 is the manifest area (manifest and signature, at
//! most 64 KiB) and comes first; the other kinds are those of the manifest's parts. A kind that the
//! reader does not know is skipped, so that a later firmware may carry more. Padding that is not zero
//! and bytes behind the last section are refused: nothing rides along that nobody vouches for.
//!
//! The header is not signed and need not be: it only says where sections begin. The reader takes
//! sizes and digests from the manifest, after its signature held, and refuses a header that says
//! otherwise. It never holds more than one manifest area, whatever the file claims.

use bytes::Bytes;
use evener_manifest::PartKind;

use crate::sparse::{Sparse, SparseError};

mod reader;
pub use reader::{BundleError, Event, Reader, manifest_area, section_ranges};

/// The first eight bytes of the file.
pub const MAGIC: &[u8; 8] = b"EVENERFW";
/// Size of the header, and what sections are aligned to, in bytes.
pub const HEADER_BYTES: usize = 512;

const FORMAT: u32 = 1;
const MAX_SECTIONS: u32 = 16;
const AT_SECTIONS: usize = 16;
const AT_CRC: usize = 508;
const SECTION_BYTES: usize = 16;
const KIND_MANIFEST: u32 = 0;
const CRC: crc::Crc<u32> = crc::Crc::<u32>::new(&crc::CRC_32_ISO_HDLC);

/// Joins a manifest area (manifest and signature) and parts into a bundle.
///
/// # Errors
/// [`SparseError`] only for more than 15 parts or sizes beyond what a file can have.
pub fn encode(area: &[u8], parts: &[(PartKind, Bytes)]) -> Result<Sparse, SparseError> {
    let area = (KIND_MANIFEST, Bytes::copy_from_slice(area));
    let parts = parts.iter().map(|(kind, bytes)| (*kind as u32, bytes.clone()));
    let sections: Vec<(u32, Bytes)> = std::iter::once(area).chain(parts).collect();
    let Some(count) = u32::try_from(sections.len()).ok().filter(|n| *n <= MAX_SECTIONS) else {
        let len = sections.len() as u64;
        return Err(SparseError::OutOfRange { at: 0, len, length: MAX_SECTIONS.into() });
    };
    let mut header = Vec::with_capacity(HEADER_BYTES);
    header.extend(MAGIC);
    header.extend(FORMAT.to_le_bytes());
    header.extend(count.to_le_bytes());
    for (kind, bytes) in &sections {
        header.extend(kind.to_le_bytes());
        header.extend([0; 4]);
        header.extend((bytes.len() as u64).to_le_bytes());
    }
    header.resize(AT_CRC, 0);
    header.extend(CRC.checksum(&header).to_le_bytes());

    let total: u64 = sections.iter().map(|(_, bytes)| padded(bytes.len() as u64)).sum();
    let mut file = Sparse::new(HEADER_BYTES as u64 + total);
    file.put(0, header.into())?;
    let mut at = HEADER_BYTES as u64;
    for (_, bytes) in sections {
        let size = padded(bytes.len() as u64);
        file.put(at, bytes)?;
        at += size;
    }
    Ok(file)
}

fn padded(size: u64) -> u64 {
    size.next_multiple_of(HEADER_BYTES as u64)
}

#[cfg(test)]
mod tests;
