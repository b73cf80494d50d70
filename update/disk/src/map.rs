//! Which partition is where: the table read, laid out for a new disk, grown to a larger one, and written.
//!
//! Reading takes the primary table when it is whole and the backup otherwise; it never repairs, because a
//! loader must not write where it only needed to look. Writing always does the backup first and flushes
//! between the copies, so that at each moment one whole table is on the disk.

use crate::field::put;
use crate::gpt::{CRC32, ENTRY, Entry, Header, NewHeader};
use crate::{
    Blocks, GptError, Guid, Lba, Role, SECTOR, SECTORS_PER_MIB, TABLE_BYTES, TABLE_SECTORS, Window, stick,
};

/// The first sector that a partition may use: behind MBR and primary table.
const FIRST_USABLE: u64 = 34;
/// Size of the disk images that are shipped: 512 MiB.
pub const SHIPPED_SECTORS: u64 = 512 * SECTORS_PER_MIB;

/// One partition of the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Partition {
    /// First sector on the disk.
    pub start: Lba,
    /// Size in sectors.
    pub sectors: u64,
    /// Unique GUID; the kernel's `PARTUUID=`.
    pub partuuid: Guid,
}

/// Which copy of the table a map was read from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// The table at the start of the disk.
    Primary,
    /// The table at the end, because the primary one is damaged.
    Backup,
    /// Not read but laid out.
    New,
}

/// The partitions of one disk by [`Role`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartitionMap {
    disk: Guid,
    sectors: u64,
    parts: [Option<Partition>; 12],
    pub(crate) installer: Option<Partition>,
    foreign: u32,
    source: Source,
}

impl PartitionMap {
    /// Reads the table of `disk`; the backup when the primary is damaged.
    ///
    /// # Errors
    /// The primary table's fault when neither can be used.
    pub fn read<B: Blocks>(disk: &mut B) -> Result<Self, GptError> {
        let primary = Self::read_copy(disk, 1, Source::Primary);
        let Err(fault) = primary else { return primary };
        Self::read_backup(disk).or_else(|_| Self::read_left_behind(disk)).map_err(|_| fault)
    }

    /// Reads the backup table in the last sectors of `disk`, whatever the primary one is like.
    ///
    /// # Errors
    /// Why it cannot be used.
    pub fn read_backup<B: Blocks>(disk: &mut B) -> Result<Self, GptError> {
        let last = disk.sectors().saturating_sub(1);
        Self::read_copy(disk, last, Source::Backup)
    }

    /// The backup table of a disk that was enlarged and not grown into yet: where the primary header, damaged or
    /// not, says that it is, else at the end of the disk as shipped. One that growing left behind differs
    /// in nothing but the size of `data`.
    fn read_left_behind<B: Blocks>(disk: &mut B) -> Result<Self, GptError> {
        let stated = Header::stated_backup(disk).and_then(|at| Self::read_copy(disk, at, Source::Backup));
        stated.or_else(|_| Self::read_copy(disk, SHIPPED_SECTORS.saturating_sub(1), Source::Backup))
    }

    fn read_copy<B: Blocks>(disk: &mut B, at: u64, source: Source) -> Result<Self, GptError> {
        let header = Header::read(disk, at)?;
        let mut map = Self::empty(disk.sectors(), header.disk, source);
        header.entries(disk, |entry| map.take(&header, entry))?;
        map.check_overlap()?;
        Ok(map)
    }

    fn empty(sectors: u64, disk: Guid, source: Source) -> Self {
        Self { disk, sectors, parts: [None; 12], installer: None, foreign: 0, source }
    }

    fn take(&mut self, header: &Header, entry: &Entry) -> Result<(), GptError> {
        if entry.first < header.first_usable || entry.last > header.last_usable || entry.first > entry.last {
            return Err(GptError::Bounds);
        }
        let role =
            Role::ALL.into_iter().find(|role| role.type_guid() == entry.kind && entry.is_named(role.name()));
        let sectors = entry.last.saturating_sub(entry.first).saturating_add(1);
        let part = Partition { start: Lba(entry.first), sectors, partuuid: entry.unique };
        let place = match role {
            Some(role) => self.parts.get_mut(role.index()),
            None if stick::is_installer(entry) => Some(&mut self.installer),
            None => {
                self.foreign = self.foreign.saturating_add(1);
                return Ok(());
            }
        };
        match place {
            Some(empty @ None) => *empty = Some(part),
            _ => return Err(GptError::Duplicate),
        }
        Ok(())
    }

    fn check_overlap(&self) -> Result<(), GptError> {
        let all = || self.parts.iter().chain([&self.installer]);
        let parts = || all().enumerate().filter_map(|(index, part)| Some((index, part.as_ref()?)));
        for (i, a) in parts() {
            for (j, b) in parts() {
                let apart = a.start.0.saturating_add(a.sectors) <= b.start.0
                    || b.start.0.saturating_add(b.sectors) <= a.start.0;
                if i != j && !apart {
                    return Err(GptError::Bounds);
                }
            }
        }
        Ok(())
    }

    /// The layout of a new disk of `sectors`: every role in order, `data` to the end in whole MiB.
    ///
    /// `partuuid` gives each partition its unique GUID; the caller has the randomness (or derives it).
    ///
    /// # Errors
    /// [`GptError::TooSmall`] when less than 1 MiB would be left for `data`.
    pub fn lay_out(
        sectors: u64,
        disk: Guid,
        mut partuuid: impl FnMut(Role) -> Guid,
    ) -> Result<Self, GptError> {
        let mut map = Self::fixed_parts(sectors, disk, &mut partuuid);
        let start = Role::Data.start();
        let size = data_end(sectors).checked_sub(start.0).filter(|size| *size > 0);
        let size = size.ok_or(GptError::TooSmall)?;
        map.put(Role::Data, Partition { start, sectors: size, partuuid: partuuid(Role::Data) });
        Ok(map)
    }

    /// Every role but `data`.
    pub(crate) fn fixed_parts(sectors: u64, disk: Guid, partuuid: &mut impl FnMut(Role) -> Guid) -> Self {
        let mut map = Self::empty(sectors, disk, Source::New);
        for (role, size) in Role::ALL.into_iter().filter_map(|role| Some((role, role.sectors()?))) {
            map.put(role, Partition { start: role.start(), sectors: size, partuuid: partuuid(role) });
        }
        map
    }

    fn put(&mut self, role: Role, part: Partition) {
        if let Some(entry) = self.parts.get_mut(role.index()) {
            *entry = Some(part);
        }
    }

    /// The same table for the disk's present size, with `data` extended to the end.
    ///
    /// `None` when there is nothing to gain. Write the result with [`PartitionMap::write`].
    ///
    /// # Errors
    /// [`GptError::Foreign`] when the table holds partitions that rewriting would lose, or `data` is missing
    /// or not the last one: [`GptError::Bounds`].
    pub fn grown(&self, sectors: u64) -> Result<Option<Self>, GptError> {
        if self.foreign > 0 {
            return Err(GptError::Foreign);
        }
        let data = self.get(Role::Data).ok_or(GptError::Bounds)?;
        if self.parts.iter().flatten().any(|part| part.start > data.start) {
            return Err(GptError::Bounds);
        }
        let size = data_end(sectors).saturating_sub(data.start.0);
        if size <= data.sectors {
            return Ok(None);
        }
        let mut grown = Self { sectors, source: Source::New, ..self.clone() };
        grown.put(Role::Data, Partition { sectors: size, ..data });
        Ok(Some(grown))
    }

    /// The partition with this role.
    #[must_use]
    pub fn get(&self, role: Role) -> Option<Partition> {
        self.parts.get(role.index()).copied().flatten()
    }

    /// The partition with this role as a device of its own.
    pub fn window<B: Blocks>(&self, disk: B, role: Role) -> Option<Window<B>> {
        let part = self.get(role)?;
        Some(Window::new(disk, part.start, part.sectors))
    }

    /// The disk's GUID.
    #[must_use]
    pub fn disk(&self) -> Guid {
        self.disk
    }

    /// Size of the disk in sectors.
    #[must_use]
    pub fn sectors(&self) -> u64 {
        self.sectors
    }

    /// Which copy of the table this was read from.
    #[must_use]
    pub fn source(&self) -> Source {
        self.source
    }

    /// Partitions on the disk that are not ours.
    #[must_use]
    pub fn foreign(&self) -> u32 {
        self.foreign
    }

    /// The protective MBR (UEFI 2.10 §5.2.3) with `boot_code` in its first 440 bytes.
    ///
    /// The entry is marked active: some old BIOSes boot no disk without an active entry.
    #[must_use]
    pub fn emit_mbr(&self, boot_code: &[u8; 440]) -> [u8; SECTOR] {
        let mut sector = [0; SECTOR];
        put(&mut sector, 0, boot_code);
        let size = u32::try_from(self.sectors.saturating_sub(1)).unwrap_or(u32::MAX);
        put(&mut sector, 446, &[0x80, 0x00, 0x02, 0x00, 0xee, 0xff, 0xff, 0xff, 1, 0, 0, 0]);
        put(&mut sector, 458, &size.to_le_bytes());
        put(&mut sector, 510, &[0x55, 0xaa]);
        sector
    }

    /// The primary table, to be written at LBA 1: header, then entries.
    #[must_use]
    pub fn emit_primary(&self) -> [u8; TABLE_BYTES] {
        let mut table = [0; TABLE_BYTES];
        let entries_crc = self.emit_entries(table.get_mut(SECTOR..).unwrap_or_default());
        put(&mut table, 0, &self.header(1, self.last(), 2, entries_crc).emit());
        table
    }

    /// The backup table, to be written at [`PartitionMap::backup_at`]: entries, then header.
    #[must_use]
    pub fn emit_backup(&self) -> [u8; TABLE_BYTES] {
        let mut table = [0; TABLE_BYTES];
        let header_at = TABLE_BYTES.saturating_sub(SECTOR);
        let entries_crc = self.emit_entries(table.get_mut(..header_at).unwrap_or_default());
        put(&mut table, header_at, &self.header(self.last(), 1, self.backup_at().0, entries_crc).emit());
        table
    }

    /// Where the backup table begins.
    #[must_use]
    pub fn backup_at(&self) -> Lba {
        Lba(self.sectors.saturating_sub(TABLE_SECTORS))
    }

    /// Writes both tables, backup first, and flushes after each. The MBR is left alone.
    ///
    /// # Errors
    /// [`GptError::Device`]; then one of the two tables is still whole.
    pub fn write<B: Blocks>(&self, disk: &mut B) -> Result<(), GptError> {
        if disk.sectors() != self.sectors {
            return Err(GptError::Bounds);
        }
        for (at, table) in [(self.backup_at(), self.emit_backup()), (Lba(1), self.emit_primary())] {
            disk.write(at, &table).map_err(|_| GptError::Device)?;
            disk.flush().map_err(|_| GptError::Device)?;
        }
        Ok(())
    }

    fn last(&self) -> u64 {
        self.sectors.saturating_sub(1)
    }

    fn header(&self, own: u64, other: u64, entries_at: u64, entries_crc: u32) -> NewHeader {
        let last_usable = self.backup_at().0.saturating_sub(1);
        NewHeader {
            own,
            other,
            entries_at,
            first_usable: FIRST_USABLE,
            last_usable,
            disk: self.disk,
            entries_crc,
        }
    }

    fn emit_entries(&self, bytes: &mut [u8]) -> u32 {
        for role in Role::ALL {
            let Some(part) = self.get(role) else { continue };
            let last = part.start.0.saturating_add(part.sectors).saturating_sub(1);
            let entry = Entry::new(role.type_guid(), part.partuuid, part.start.0, last, role.name());
            put(bytes, role.index().saturating_mul(ENTRY), &entry.emit());
        }
        if let Some(part) = self.installer {
            put(bytes, Role::ALL.len().saturating_mul(ENTRY), &stick::entry(part).emit());
        }
        CRC32.checksum(bytes)
    }
}

/// Where `data` ends: the last whole MiB before the backup table.
fn data_end(sectors: u64) -> u64 {
    let usable = sectors.saturating_sub(TABLE_SECTORS);
    usable.saturating_sub(usable % SECTORS_PER_MIB)
}

#[cfg(test)]
mod tests;
