//! The unit's own disk: which one it is, its partitions, and growing `data` to the disk's end.

use crate::sysfs::{BlockDevice, Sysfs};
use anyhow::{Context, bail};
use evener_disk::{Blocks, PartitionMap, Role, SECTOR, Source};
use evener_sys::disk::FileBlocks;
use evener_sys::resize;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// The disk that the root file system is on.
#[derive(Debug)]
pub(crate) struct OwnDisk {
    /// The kernel's name of the whole disk.
    pub(crate) name: String,
    /// Device nodes of its partitions.
    pub(crate) partitions: BTreeMap<Role, BlockDevice>,
}

impl OwnDisk {
    /// Finds the disk below the root device; with verity that is one layer down.
    pub(crate) fn find(sysfs: &Sysfs, root: &str) -> anyhow::Result<Self> {
        let part = sysfs.lowest(root);
        let name = sysfs.disk_of(&part).with_context(|| format!("{part} is not a partition of a disk"))?;
        let mut partitions = BTreeMap::new();
        for device in sysfs.partitions(&name)? {
            let role =
                Role::ALL.into_iter().find(|role| device.partition_name.as_deref() == Some(role.name()));
            if let Some(role) = role {
                partitions.insert(role, device);
            }
        }
        Ok(Self { name, partitions })
    }

    /// Device node of the partition with this role.
    pub(crate) fn node(&self, role: Role) -> Option<PathBuf> {
        Some(Path::new("/dev").join(&self.partitions.get(&role)?.name))
    }

    /// Grows the partition `data` to the disk's end: in both tables on the disk, then in the kernel. Returns its
    /// size in bytes, and whether it is larger than before.
    pub(crate) fn grow_data(&self) -> anyhow::Result<(u64, bool)> {
        let path = Path::new("/dev").join(&self.name);
        let mut disk =
            FileBlocks::open(&path, true).with_context(|| format!("cannot open {}", path.display()))?;
        let map = renew_table(&mut disk)?;
        let (Some(wanted), Some(device)) = (map.get(Role::Data), self.partitions.get(&Role::Data)) else {
            bail!("there is no data partition");
        };
        // Also when the table was grown by a boot that was cut off before it came this far.
        let told = device.sectors < wanted.sectors;
        if told {
            resize::tell_partition_size(&disk, device.number, wanted)
                .context("the kernel refuses the new size")?;
        }
        Ok((wanted.sectors.saturating_mul(SECTOR as u64), told))
    }
}

/// Makes the partition table fill the disk, and mends it when only its backup is whole. Writes nothing when there is
/// nothing to do, and never when strangers' partitions would be lost.
fn renew_table<B: Blocks>(disk: &mut B) -> anyhow::Result<PartitionMap> {
    let map = PartitionMap::read(disk).context("cannot read the partition table")?;
    let grown = map.grown(disk.sectors()).context("cannot grow the partition table")?;
    let is_damaged = map.source() == Source::Backup;
    if is_damaged {
        tracing::warn!("the first partition table is damaged and is written anew from its backup");
    }
    let write = grown.is_some() || is_damaged;
    let map = grown.unwrap_or(map);
    if write {
        map.write(disk).context("cannot write the partition table")?;
    }
    Ok(map)
}

#[cfg(test)]
mod tests {
    use super::*;
    use evener_disk::{Guid, Lba, RamDisk, SECTORS_PER_MIB};

    const SMALL: u64 = 400 * SECTORS_PER_MIB;
    const LARGE: u64 = 600 * SECTORS_PER_MIB;

    /// A disk of `sectors` with the table of a disk of [`SMALL`].
    fn disk(sectors: u64) -> RamDisk {
        let guid = |role: Role| Guid::new(1, 0, 0, [u8::try_from(role.index()).unwrap(); 8]);
        let map = PartitionMap::lay_out(SMALL, guid(Role::Data), guid).unwrap();
        let mut disk = RamDisk::new(usize::try_from(sectors).unwrap());
        disk.write(Lba(1), &map.emit_primary()).unwrap();
        disk.write(map.backup_at(), &map.emit_backup()).unwrap();
        disk
    }

    #[test]
    fn data_grows_with_the_disk_and_nothing_else_moves() {
        let mut disk = disk(LARGE);
        let before = PartitionMap::read(&mut disk).unwrap();
        let map = renew_table(&mut disk).unwrap();
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
        let mut disk = disk(SMALL);
        let before = disk.bytes().to_vec();
        renew_table(&mut disk).unwrap();
        assert!(disk.bytes() == before);
    }

    #[test]
    fn a_damaged_first_table_is_mended_from_its_backup() {
        let mut disk = disk(SMALL);
        let before = disk.bytes().to_vec();
        disk.write(Lba(1), &[0; SECTOR]).unwrap();
        renew_table(&mut disk).unwrap();
        assert!(disk.bytes() == before);
    }

    #[test]
    fn a_disk_without_a_table_is_left_alone() {
        let mut disk = RamDisk::new(4096);
        assert!(renew_table(&mut disk).is_err());
        assert!(disk.bytes().iter().all(|byte| *byte == 0));
    }
}
