//! Making the partition table fill a disk that was enlarged, and mending a damaged one.

use crate::{Blocks, GptError, PartitionMap, Source};

impl PartitionMap {
    /// Makes the table fill `disk`, and mends it when only its backup is whole. Returns the map that is on the disk
    /// now, durably, and which copy was whole before. Writes nothing when there is nothing to do, and
    /// never when strangers' partitions would be lost.
    ///
    /// # Errors
    /// As [`PartitionMap::read`], [`PartitionMap::grown`] and [`PartitionMap::write`]; one table is still whole then.
    pub fn renew<B: Blocks>(disk: &mut B) -> Result<(Self, Source), GptError> {
        let map = Self::read(disk)?;
        let found = map.source();
        let grown = map.grown(disk.sectors())?;
        let write = grown.is_some() || found == Source::Backup;
        let map = grown.unwrap_or(map);
        if write {
            map.write(disk)?;
        }
        Ok((map, found))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Guid, Lba, Role, SECTOR, SECTORS_PER_MIB, SparseDisk};

    const SMALL: u64 = 400 * SECTORS_PER_MIB;
    const LARGE: u64 = 600 * SECTORS_PER_MIB;

    /// A disk of `sectors` with the table of a disk of [`SMALL`].
    fn disk(sectors: u64) -> SparseDisk {
        let guid = |role: Role| Guid::new(1, 0, 0, [u8::try_from(role.index()).unwrap(); 8]);
        let map = PartitionMap::lay_out(SMALL, guid(Role::Data), guid).unwrap();
        let mut disk = SparseDisk::new(sectors);
        disk.write(Lba(1), &map.emit_primary()).unwrap();
        disk.write(map.backup_at(), &map.emit_backup()).unwrap();
        disk
    }

    #[test]
    fn data_grows_with_the_disk_and_nothing_else_moves() {
        let mut disk = disk(LARGE);
        let before = PartitionMap::read(&mut disk).unwrap();
        let (map, found) = PartitionMap::renew(&mut disk).unwrap();
        assert_eq!(found, Source::Primary);
        let (old, new) = (before.get(Role::Data).unwrap(), map.get(Role::Data).unwrap());
        assert_eq!((new.start, new.partuuid), (old.start, old.partuuid));
        assert_eq!(new.sectors, old.sectors + LARGE - SMALL);
        for role in Role::ALL.into_iter().filter(|role| *role != Role::Data) {
            assert_eq!(map.get(role), before.get(role), "{role}");
        }
        let on_disk = PartitionMap::read(&mut disk).unwrap();
        assert_eq!((on_disk.get(Role::Data), on_disk.source()), (Some(new), Source::Primary));
    }

    #[test]
    fn a_table_that_fits_is_not_written_again() {
        let before = disk(SMALL);
        let mut disk = before.clone();
        PartitionMap::renew(&mut disk).unwrap();
        assert!(disk == before);
    }

    #[test]
    fn a_damaged_first_table_is_mended_from_its_backup() {
        let before = disk(SMALL);
        let mut disk = before.clone();
        disk.write(Lba(1), &[0; SECTOR]).unwrap();
        assert_eq!(PartitionMap::renew(&mut disk).unwrap().1, Source::Backup);
        assert!(disk == before);
    }

    #[test]
    fn a_disk_without_a_table_is_left_alone() {
        let mut disk = SparseDisk::new(4096);
        assert_eq!(PartitionMap::renew(&mut disk), Err(GptError::Header));
        assert!(disk == SparseDisk::new(4096));
    }
}
