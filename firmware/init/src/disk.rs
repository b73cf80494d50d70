//! The unit's own disk: which one it is, its partitions, and growing `data` to the disk's end.

use crate::sysfs::{BlockDevice, Sysfs};
use anyhow::{Context, bail};
use evener_disk::{PartitionMap, Role, SECTOR, Source};
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
        let (map, found) = PartitionMap::renew(&mut disk).context("cannot renew the partition table")?;
        if found == Source::Backup {
            tracing::warn!("the first partition table was damaged and is written anew from its backup");
        }
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
