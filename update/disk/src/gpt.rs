//! The bytes of a GUID partition table: header, entries, checksums (UEFI 2.10 §5.3.2, §5.3.3).
//!
//! ```text
//! header (LBA 1, and the last LBA)        entry (128 bytes, 128 of them = 32 sectors)
//!  0  8 "EFI PART"                          0 16 type GUID, all zero = unused
//!  8  4 revision 1.0                       16 16 unique GUID (Linux: PARTUUID)
//! 12  4 header size, 92..=512              32  8 first LBA
//! 16  4 CRC-32 of the header, field zero   40  8 last LBA, inclusive
//! 24  8 own LBA      32 8 other header     48  8 attributes
//! 40  8 first usable 48 8 last usable      56 72 name, UTF-16LE
//! 56 16 disk GUID
//! 72  8 LBA of the entries
//! 80  4 entries  84 4 bytes an entry
//! 88  4 CRC-32 of all entries
//! ```

use crc::{CRC_32_ISO_HDLC, Crc};

use crate::field::{array, put, u32_at, u64_at};
use crate::{Blocks, Guid, Lba, SECTOR};

/// Sectors of one copy of the table: a header and 128 entries.
pub const TABLE_SECTORS: u64 = 33;
/// Bytes of one copy of the table.
pub const TABLE_BYTES: usize = 33 * SECTOR;

pub(crate) const CRC32: Crc<u32> = Crc::<u32>::new(&CRC_32_ISO_HDLC);
pub(crate) const ENTRY: usize = 128;
pub(crate) const ENTRIES: u32 = 128;
/// The most entry sectors that are read: 256 entries of 128 bytes. We write 32 sectors; more is a bound.
const MAX_ENTRY_SECTORS: u64 = 64;

/// Why a partition table cannot be used. The number is stable and shown to operators.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GptError {
    /// The device failed to answer.
    Device = 1,
    /// No header with the right magic, size and checksum.
    Header = 2,
    /// The entries do not match the header's checksum, or have an unsupported form.
    Entries = 3,
    /// Partitions overlap or leave the usable range.
    Bounds = 4,
    /// Two partitions have the same role.
    Duplicate = 5,
    /// The disk is too small for the layout.
    TooSmall = 6,
    /// The table holds partitions that are not ours; rewriting it would lose them.
    Foreign = 7,
}

impl core::fmt::Display for GptError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            Self::Device => "the disk could not be read or written",
            Self::Header => "no valid partition table header",
            Self::Entries => "partition entries are damaged",
            Self::Bounds => "partitions overlap or leave the disk",
            Self::Duplicate => "two partitions have the same role",
            Self::TooSmall => "the disk is too small",
            Self::Foreign => "the table holds partitions of others",
        })
    }
}

impl core::error::Error for GptError {}

/// A header whose checksum is right and whose geometry fits the disk.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Header {
    pub(crate) disk: Guid,
    pub(crate) first_usable: u64,
    pub(crate) last_usable: u64,
    entries_at: u64,
    entry_sectors: u64,
    entries_crc: u32,
    entry_bytes: u64,
}

impl Header {
    /// Reads and checks the header at `at`; the entries are not looked at.
    pub(crate) fn read<B: Blocks>(disk: &mut B, at: u64) -> Result<Self, GptError> {
        let mut sector = [0; SECTOR];
        disk.read(Lba(at), &mut sector).map_err(|_| GptError::Device)?;
        Self::parse(&sector, at, disk.sectors())
    }

    /// Where the primary header says that the backup one is. Nothing of it is checked: what is found there is.
    pub(crate) fn stated_backup<B: Blocks>(disk: &mut B) -> Result<u64, GptError> {
        let mut sector = [0; SECTOR];
        disk.read(Lba(1), &mut sector).map_err(|_| GptError::Device)?;
        Ok(u64_at(&sector, 32))
    }

    fn parse(sector: &[u8; SECTOR], at: u64, disk_sectors: u64) -> Result<Self, GptError> {
        let size = usize::try_from(u32_at(sector, 12)).map_err(|_| GptError::Header)?;
        if !sector.starts_with(b"EFI PART") || !(92..=SECTOR).contains(&size) {
            return Err(GptError::Header);
        }
        let mut zeroed = *sector;
        put(&mut zeroed, 16, &[0; 4]);
        let sum = CRC32.checksum(zeroed.get(..size).ok_or(GptError::Header)?);
        if sum != u32_at(sector, 16) || u64_at(sector, 24) != at {
            return Err(GptError::Header);
        }
        let count = u64::from(u32_at(sector, 80));
        let entry = u64::from(u32_at(sector, 84));
        let entry_bytes = count.checked_mul(entry).ok_or(GptError::Entries)?;
        let entry_sectors = entry_bytes.div_ceil(512);
        if entry != 128 || count == 0 || entry_sectors > MAX_ENTRY_SECTORS {
            return Err(GptError::Entries);
        }
        let header = Self {
            disk: Guid(array(sector, 56).unwrap_or_default()),
            first_usable: u64_at(sector, 40),
            last_usable: u64_at(sector, 48),
            entries_at: u64_at(sector, 72),
            entry_sectors,
            entries_crc: u32_at(sector, 88),
            entry_bytes,
        };
        let entries_end = header.entries_at.checked_add(entry_sectors).ok_or(GptError::Header)?;
        if entries_end > disk_sectors || header.last_usable >= disk_sectors {
            return Err(GptError::Bounds);
        }
        Ok(header)
    }

    /// Shows each used entry to `each`, and checks the array's checksum in the same pass.
    ///
    /// The caller must discard what it saw when this fails: the checksum is known only at the end.
    pub(crate) fn entries<B: Blocks>(
        &self,
        disk: &mut B,
        mut each: impl FnMut(&Entry) -> Result<(), GptError>,
    ) -> Result<(), GptError> {
        let mut digest = CRC32.digest();
        let mut sector = [0; SECTOR];
        let mut left = self.entry_bytes;
        let mut verdict = Ok(());
        for index in 0..self.entry_sectors {
            let at = Lba(self.entries_at.saturating_add(index));
            disk.read(at, &mut sector).map_err(|_| GptError::Device)?;
            let used = usize::try_from(left.min(512)).unwrap_or(SECTOR);
            let bytes = sector.get(..used).unwrap_or(&sector);
            digest.update(bytes);
            left = left.saturating_sub(512);
            for entry in bytes.chunks_exact(ENTRY).filter_map(Entry::parse) {
                verdict = verdict.and_then(|()| each(&entry));
            }
        }
        if digest.finalize() == self.entries_crc { verdict } else { Err(GptError::Entries) }
    }
}

/// One used partition entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) kind: Guid,
    pub(crate) unique: Guid,
    pub(crate) first: u64,
    pub(crate) last: u64,
    name: [u8; 72],
}

impl Entry {
    pub(crate) fn new(kind: Guid, unique: Guid, first: u64, last: u64, name: &str) -> Self {
        let mut units = [0; 72];
        for (index, unit) in name.encode_utf16().take(36).enumerate() {
            put(&mut units, index.saturating_mul(2), &unit.to_le_bytes());
        }
        Self { kind, unique, first, last, name: units }
    }

    fn parse(bytes: &[u8]) -> Option<Self> {
        let kind = Guid(array(bytes, 0)?);
        if kind.is_nil() {
            return None;
        }
        Some(Self {
            kind,
            unique: Guid(array(bytes, 16)?),
            first: u64_at(bytes, 32),
            last: u64_at(bytes, 40),
            name: array(bytes, 56)?,
        })
    }

    pub(crate) fn emit(&self) -> [u8; ENTRY] {
        let mut bytes = [0; ENTRY];
        put(&mut bytes, 0, &self.kind.0);
        put(&mut bytes, 16, &self.unique.0);
        put(&mut bytes, 32, &self.first.to_le_bytes());
        put(&mut bytes, 40, &self.last.to_le_bytes());
        put(&mut bytes, 56, &self.name);
        bytes
    }

    /// True when the name is exactly `name`.
    pub(crate) fn is_named(&self, name: &str) -> bool {
        let units =
            self.name.chunks_exact(2).map(|pair| u16::from_le_bytes(array(pair, 0).unwrap_or_default()));
        units.take_while(|unit| *unit != 0).eq(name.encode_utf16())
    }
}

/// One copy of a header, checksum included.
pub(crate) struct NewHeader {
    pub(crate) own: u64,
    pub(crate) other: u64,
    pub(crate) entries_at: u64,
    pub(crate) first_usable: u64,
    pub(crate) last_usable: u64,
    pub(crate) disk: Guid,
    pub(crate) entries_crc: u32,
}

impl NewHeader {
    pub(crate) fn emit(&self) -> [u8; SECTOR] {
        let mut sector = [0; SECTOR];
        put(&mut sector, 0, b"EFI PART");
        put(&mut sector, 8, &0x0001_0000_u32.to_le_bytes());
        put(&mut sector, 12, &92_u32.to_le_bytes());
        put(&mut sector, 24, &self.own.to_le_bytes());
        put(&mut sector, 32, &self.other.to_le_bytes());
        put(&mut sector, 40, &self.first_usable.to_le_bytes());
        put(&mut sector, 48, &self.last_usable.to_le_bytes());
        put(&mut sector, 56, &self.disk.0);
        put(&mut sector, 72, &self.entries_at.to_le_bytes());
        put(&mut sector, 80, &ENTRIES.to_le_bytes());
        put(&mut sector, 84, &128_u32.to_le_bytes());
        put(&mut sector, 88, &self.entries_crc.to_le_bytes());
        let sum = CRC32.checksum(sector.get(..92).unwrap_or(&[]));
        put(&mut sector, 16, &sum.to_le_bytes());
        sector
    }
}
