//! The file of the BIOS loader: what of it lies where on a disk, and how one knows that it is whole.
//!
//! ```text
//! the loader's file                 the disk
//!   0  boot code, 440 bytes   ──►   sector 0, before the partition entries; the sectors of both copies filled in
//! 1024 stage 2, whole sectors ──►   bios-boot, at its start
//!                             └─►   bios-boot, 512 KiB further: the second copy
//!
//! stage 2
//!   0  8 "EVENERS2"
//!   8  4 length in bytes, this header included; whole sectors
//!  12  4 CRC-32 of bytes 16 to the end
//!  16  2 format, 1
//!  18  2 zero
//!  20  8 loader version, four u16
//!  28  4 CRC-32 of the boot code, without the sectors at its end
//!  32 32 zero
//!  64  16-bit code, started here with DL = drive and DH = number of the copy, 0 or 1; with bit 7 set when the other
//!      copy started this one, to try it
//! ```
//!
//! The boot code of sector 0 checks magic, length and CRC of the first copy, and takes the second when that one fails;
//! builder, `inspect` and updater do it with the code below. A checksum finds damage; it is no signature. What a
//! BIOS runs nobody can verify, and whoever can write sector 0 can write a loader of their own.
#![no_std]
#![forbid(unsafe_code)]
#![cfg_attr(not(test), warn(clippy::indexing_slicing, clippy::arithmetic_side_effects))]

#[cfg(test)]
extern crate std;

use core::fmt;

use crc::{CRC_32_ISO_HDLC, Crc};
use evener_disk::field::{array, put, u16_at, u32_at};
use evener_disk::{Lba, Partition, SECTOR};
use evener_manifest::Version;

/// Bytes of code in sector 0; behind them a disk has its signature and the partition entries.
pub const BOOT_CODE_BYTES: usize = 440;
/// Where the boot code has the sectors of both copies, two `u32`.
pub const COPIES_FIELD: usize = 432;
/// Where stage 2 begins in the loader's file.
pub const STAGE2_AT: usize = 1024;
/// Bytes of stage 2's header; its 16-bit code follows.
pub const HEADER_BYTES: usize = 64;
/// The longest stage 2 in bytes: what fits between its address, 0x8000, and the buffer for disk transfers at 0x30000.
pub const MAX_BYTES: usize = 0x2_8000;
/// Sectors from the start of `bios-boot` to each copy.
pub const COPIES: [u64; 2] = [0, 1024];
/// The magic number.
pub const MAGIC: [u8; 8] = *b"EVENERS2";

const AT_LENGTH: usize = 8;
const AT_CRC: usize = 12;
/// What the checksum covers begins here.
const AT_COVERED: usize = 16;
const AT_VERSION: usize = 20;
const AT_BOOT_CODE: usize = 28;
const FORMAT: u16 = 1;
const CRC32: Crc<u32> = Crc::<u32>::new(&CRC_32_ISO_HDLC);

/// Why bytes are not a loader that a BIOS would start. The number is stable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage2Error {
    /// The magic number is missing.
    Magic = 1,
    /// The length is none that can be: not whole sectors, too long, or more than there is.
    Length = 2,
    /// The checksum does not match: the bytes are damaged.
    Checksum = 3,
    /// A format that is not known here.
    Format = 4,
    /// The boot code is too long for sector 0.
    BootCode = 5,
    /// The partition lies behind the 2 TiB that the boot code can address.
    Address = 6,
}

impl fmt::Display for Stage2Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Magic => "no BIOS loader (\"EVENERS2\" at offset 0)",
            Self::Length => "the length at offset 8 cannot be right",
            Self::Checksum => "the checksum at offset 12 does not match",
            Self::Format => "the format at offset 16 is not known",
            Self::BootCode => "the boot code is longer than 440 bytes",
            Self::Address => "the partition is out of the boot code's reach",
        })
    }
}

impl core::error::Error for Stage2Error {}

/// A stage 2 whose checksum is right.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stage2<'a> {
    bytes: &'a [u8],
}

impl<'a> Stage2<'a> {
    /// Checks the stage 2 at the start of `bytes`, which may be longer.
    ///
    /// # Errors
    /// [`Stage2Error`]: all but [`Stage2Error::Format`] keep the boot code from starting it, too.
    pub fn check(bytes: &'a [u8]) -> Result<Self, Stage2Error> {
        let whole = bytes.get(..length(bytes)?).ok_or(Stage2Error::Length)?;
        let covered = whole.get(AT_COVERED..).unwrap_or_default();
        if CRC32.checksum(covered) != u32_at(whole, AT_CRC) {
            return Err(Stage2Error::Checksum);
        }
        if u16_at(whole, AT_COVERED) != FORMAT {
            return Err(Stage2Error::Format);
        }
        Ok(Self { bytes: whole })
    }

    /// The loader's version.
    #[must_use]
    pub fn version(&self) -> Version {
        Version::read(self.bytes, AT_VERSION)
    }

    /// All of it, header included.
    #[must_use]
    pub fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// Whether `code` is the boot code that was built together with it; the sectors in it do not count.
    #[must_use]
    pub fn came_with(&self, code: &[u8]) -> bool {
        code.get(..COPIES_FIELD).is_some_and(|code| CRC32.checksum(code) == u32_at(self.bytes, AT_BOOT_CODE))
    }
}

/// The length that the header at the start of `bytes` states, in bytes: whole sectors, [`MAX_BYTES`] at most.
///
/// # Errors
/// [`Stage2Error::Magic`], [`Stage2Error::Length`].
pub fn length(bytes: &[u8]) -> Result<usize, Stage2Error> {
    if !bytes.starts_with(&MAGIC) {
        return Err(Stage2Error::Magic);
    }
    let length = usize::try_from(u32_at(bytes, AT_LENGTH)).map_err(|_| Stage2Error::Length)?;
    let fits = length > 0 && length.is_multiple_of(SECTOR) && length <= MAX_BYTES;
    if fits { Ok(length) } else { Err(Stage2Error::Length) }
}

/// Fills in the header of the loader's `file` as the linker left it: zeros where the header is, whole sectors.
///
/// # Errors
/// [`Stage2Error::Length`] when it is no such file or too long; [`Stage2Error::BootCode`] when something lies between
/// the boot code and stage 2.
pub fn seal(file: &mut [u8], version: Version) -> Result<(), Stage2Error> {
    let (first, stage2) = file.split_at_mut_checked(STAGE2_AT).ok_or(Stage2Error::Length)?;
    let (code, rest) = first.split_at_checked(COPIES_FIELD).ok_or(Stage2Error::Length)?;
    if rest.iter().any(|byte| *byte != 0) {
        return Err(Stage2Error::BootCode);
    }
    let length = u32::try_from(stage2.len()).map_err(|_| Stage2Error::Length)?;
    put(stage2, 0, &MAGIC);
    put(stage2, AT_LENGTH, &length.to_le_bytes());
    put(stage2, AT_COVERED, &FORMAT.to_le_bytes());
    version.write(stage2, AT_VERSION);
    put(stage2, AT_BOOT_CODE, &CRC32.checksum(code).to_le_bytes());
    let sum = CRC32.checksum(stage2.get(AT_COVERED..).ok_or(Stage2Error::Length)?);
    put(stage2, AT_CRC, &sum.to_le_bytes());
    Stage2::check(stage2).map(|_| ())
}

/// The boot code and stage 2 of a sealed loader's file.
///
/// # Errors
/// As [`Stage2::check`].
pub fn parts(file: &[u8]) -> Result<([u8; BOOT_CODE_BYTES], Stage2<'_>), Stage2Error> {
    let code = array(file, 0).ok_or(Stage2Error::Length)?;
    let stage2 = Stage2::check(file.get(STAGE2_AT..).ok_or(Stage2Error::Length)?)?;
    Ok((code, stage2))
}

/// The boot code for the disk whose `bios-boot` is `partition`: it looks for the copies there.
///
/// # Errors
/// [`Stage2Error::Address`].
pub fn boot_code(
    code: &[u8; BOOT_CODE_BYTES],
    partition: &Partition,
) -> Result<[u8; BOOT_CODE_BYTES], Stage2Error> {
    let mut code = *code;
    for (index, offset) in COPIES.into_iter().enumerate() {
        let at = partition.start.0.checked_add(offset).and_then(|at| u32::try_from(at).ok());
        let field = COPIES_FIELD.saturating_add(index.saturating_mul(4));
        put(&mut code, field, &at.ok_or(Stage2Error::Address)?.to_le_bytes());
    }
    Ok(code)
}

/// The sectors in which a disk's boot code looks for the copies.
#[must_use]
pub fn copies_of(code: &[u8]) -> [Lba; 2] {
    [0, 4].map(|offset| Lba(u64::from(u32_at(code, COPIES_FIELD.saturating_add(offset)))))
}

#[cfg(test)]
mod tests;
