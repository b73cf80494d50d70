//! The stick that installs a disk: an Evener disk with one more partition in the place of `data`.
//!
//! Loaders read such a disk as any other. The partition is what tells an installer from a unit: a FAT file system, of the
//! type that desktop systems open by themselves, because operators put their files on it. It is not one of the
//! [`Role`]s, which every unit has. A table with it is never grown or mended: nothing of ours writes to a stick.

use crate::gpt::Entry;
use crate::{GptError, Guid, Partition, PartitionMap, Role, SECTORS_PER_MIB, TABLE_SECTORS};

/// Name of the installer's partition in the table; Linux shows it as `PARTNAME`.
pub const INSTALLER: &str = "installer";
/// Size of the installer's partition in sectors: 16 MiB.
pub const INSTALLER_SECTORS: u64 = 16 * SECTORS_PER_MIB;
/// "Basic data": the only type that Windows gives a letter.
const TYPE_BASIC_DATA: Guid =
    Guid::new(0xebd0_a0a2, 0xb9e5, 0x4433, [0x87, 0xc0, 0x68, 0xb6, 0xb7, 0x26, 0x99, 0xc7]);

/// Whether this is the installer's partition.
pub(crate) fn is_installer(entry: &Entry) -> bool {
    entry.kind == TYPE_BASIC_DATA && entry.is_named(INSTALLER)
}

/// Its entry in the table.
pub(crate) fn entry(part: Partition) -> Entry {
    let last = part.start.0.saturating_add(part.sectors).saturating_sub(1);
    Entry::new(TYPE_BASIC_DATA, part.partuuid, part.start.0, last, INSTALLER)
}

impl PartitionMap {
    /// The layout of a stick, which is as large as it must be: every role but `data` where a unit has it, then the
    /// installer's partition.
    ///
    /// `partuuid` gives each partition its unique GUID, by its name.
    #[must_use]
    pub fn lay_out_stick(disk: Guid, mut partuuid: impl FnMut(&str) -> Guid) -> Self {
        let start = Role::Data.start();
        // A whole MiB for the table at the end.
        let sectors = start.0.saturating_add(INSTALLER_SECTORS).saturating_add(SECTORS_PER_MIB);
        let mut map = Self::fixed_parts(sectors, disk, &mut |role: Role| partuuid(role.name()));
        map.installer = Some(Partition { start, sectors: INSTALLER_SECTORS, partuuid: partuuid(INSTALLER) });
        map
    }

    /// The installer's partition, which only a stick has.
    #[must_use]
    pub fn installer(&self) -> Option<Partition> {
        self.installer
    }

    /// Whether the fixed partitions of `other` lie where they do here, and `data` begins where it does here: then
    /// everything but `data` can be written over without moving anything.
    #[must_use]
    pub fn is_laid_out_as(&self, other: &Self) -> bool {
        let place = |map: &Self, role: Role| {
            let part = map.get(role);
            part.map(|part| (part.start, if role == Role::Data { 0 } else { part.sectors }))
        };
        Role::ALL
            .into_iter()
            .all(|role| place(self, role).is_some() && place(self, role) == place(other, role))
    }

    /// Checks that a disk of `sectors` has room for the layout and for `data_sectors` of `data` at least.
    ///
    /// # Errors
    /// [`GptError::TooSmall`].
    pub fn check_room(sectors: u64, data_sectors: u64) -> Result<(), GptError> {
        let map = Self::lay_out(sectors.max(TABLE_SECTORS), Guid::default(), |_| Guid::default())?;
        let room = map.get(Role::Data).map_or(0, |data| data.sectors);
        if room >= data_sectors { Ok(()) } else { Err(GptError::TooSmall) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Blocks, Lba, SparseDisk};

    fn guid(name: &str) -> Guid {
        let mut bytes = [7; 16];
        crate::field::put(&mut bytes, 0, name.get(..3).unwrap_or("x").as_bytes());
        Guid::from_random(bytes)
    }

    fn stick() -> SparseDisk {
        let map = PartitionMap::lay_out_stick(guid("disk"), guid);
        let mut disk = SparseDisk::new(map.sectors());
        map.write(&mut disk).unwrap();
        disk
    }

    #[test]
    fn a_stick_has_every_partition_of_a_unit_but_data_in_the_same_place() {
        let mut disk = stick();
        let map = PartitionMap::read(&mut disk).unwrap();
        let unit = PartitionMap::lay_out(1 << 20, guid("disk"), |role| guid(role.name())).unwrap();
        for role in Role::ALL {
            let expected = unit.get(role).filter(|_| role != Role::Data);
            assert_eq!(map.get(role), expected, "{role}");
        }
        let installer = map.installer().unwrap();
        assert_eq!(Some(installer.start), unit.get(Role::Data).map(|data| data.start));
        assert_eq!((installer.sectors, map.foreign()), (INSTALLER_SECTORS, 0));
        assert!(unit.installer().is_none());
        assert_eq!(PartitionMap::read_backup(&mut disk).unwrap().installer(), Some(installer));
    }

    #[test]
    fn the_table_of_a_stick_is_never_written_anew() {
        let mut large = stick();
        large.enlarge(1 << 21);
        let before = large.clone();
        assert_eq!(PartitionMap::renew(&mut large), Err(GptError::Bounds));
        assert!(large == before);
        let mut damaged = stick();
        damaged.write(Lba(1), &[0; 512]).unwrap();
        let before = damaged.clone();
        assert_eq!(PartitionMap::renew(&mut damaged), Err(GptError::Bounds));
        assert!(damaged == before);
    }

    #[test]
    fn a_layout_is_the_same_whatever_its_guids_and_the_size_of_data() {
        let lay_out = |sectors, seed| PartitionMap::lay_out(sectors, guid(seed), |_| guid(seed)).unwrap();
        let (small, large) = (lay_out(1 << 20, "one"), lay_out(1 << 22, "two"));
        assert!(small.is_laid_out_as(&large) && large.is_laid_out_as(&small));
        let stick = PartitionMap::lay_out_stick(guid("x"), guid);
        assert!(!stick.is_laid_out_as(&large) && !large.is_laid_out_as(&stick), "it has no data");
    }

    #[test]
    fn room_is_what_is_left_for_data() {
        let fixed: u64 = Role::ALL.into_iter().filter_map(Role::sectors).sum();
        let least = fixed + SECTORS_PER_MIB + 33;
        for (sectors, data, expected) in [
            (0, 1, Err(GptError::TooSmall)),
            (least, 1, Err(GptError::TooSmall)),
            (least + SECTORS_PER_MIB, SECTORS_PER_MIB, Ok(())),
            (least + SECTORS_PER_MIB, SECTORS_PER_MIB + 1, Err(GptError::TooSmall)),
        ] {
            assert_eq!(PartitionMap::check_room(sectors, data), expected, "{sectors} {data}");
        }
    }
}
