//! Block devices as sysfs shows them.

use std::fs;
use std::io;
use std::path::PathBuf;

/// One block device: a whole disk or a partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct BlockDevice {
    /// The kernel's name, the node's name in `/dev`.
    pub(crate) name: String,
    /// Name in the partition table.
    pub(crate) partition_name: Option<String>,
    /// Number of the partition, 0 for a whole disk.
    pub(crate) number: u16,
    /// Size in 512-byte sectors.
    pub(crate) sectors: u64,
}

/// The tree at `/sys`, or one that stands for it.
#[derive(Debug)]
pub(crate) struct Sysfs {
    root: PathBuf,
}

impl Sysfs {
    pub(crate) fn new(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    /// The device at the bottom of a stack of device-mapper devices, if it stands on one device each time.
    pub(crate) fn lowest(&self, name: &str) -> String {
        let mut lowest = name.to_owned();
        // More layers than anybody builds; and an end, should the tree have a loop.
        for _ in 0..8 {
            let below =
                self.names(&self.root.join("class/block").join(&lowest).join("slaves")).unwrap_or_default();
            match below.into_iter().next() {
                Some(below) => lowest = below,
                None => break,
            }
        }
        lowest
    }

    /// The disk that a partition is on.
    pub(crate) fn disk_of(&self, partition: &str) -> Option<String> {
        let device = self.root.join("class/block").join(partition);
        if !device.join("partition").exists() {
            return None;
        }
        let device = fs::canonicalize(device).ok()?;
        Some(device.parent()?.file_name()?.to_str()?.to_owned())
    }

    /// The partitions of a disk.
    pub(crate) fn partitions(&self, disk: &str) -> io::Result<Vec<BlockDevice>> {
        let names = self.names(&self.root.join("class/block").join(disk))?;
        Ok(names.iter().filter_map(|name| self.device(name)).filter(|device| device.number > 0).collect())
    }

    /// Every block device that has a size.
    pub(crate) fn all(&self) -> io::Result<Vec<BlockDevice>> {
        let names = self.names(&self.root.join("class/block"))?;
        Ok(names.iter().filter_map(|name| self.device(name)).filter(|device| device.sectors > 0).collect())
    }

    fn device(&self, name: &str) -> Option<BlockDevice> {
        let folder = self.root.join("class/block").join(name);
        let sectors = fs::read_to_string(folder.join("size")).ok()?.trim().parse().ok()?;
        let number = fs::read_to_string(folder.join("partition")).ok();
        let number = number.and_then(|number| number.trim().parse().ok()).unwrap_or(0);
        let event = fs::read_to_string(folder.join("uevent")).unwrap_or_default();
        let partition_name = event.lines().find_map(|line| line.strip_prefix("PARTNAME=")).map(Into::into);
        Some(BlockDevice { name: name.to_owned(), partition_name, number, sectors })
    }

    /// Names in a directory, sorted.
    fn names(&self, folder: &std::path::Path) -> io::Result<Vec<String>> {
        let entries = fs::read_dir(folder)?;
        let mut names: Vec<String> =
            entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok()).collect();
        names.sort();
        Ok(names)
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::disk::OwnDisk;
    use evener_disk::{Role, Slot};
    use std::os::unix::fs::symlink;
    use std::path::Path;

    /// A tree with two disks that carry the same layout; the root file system is verity on `vda8`.
    pub(crate) fn tree(root: &Path) -> Sysfs {
        let class = root.join("class/block");
        fs::create_dir_all(&class).unwrap();
        for disk in ["vda", "sdb"] {
            let folder = root.join("devices/pci").join(disk);
            fs::create_dir_all(&folder).unwrap();
            fs::write(folder.join("size"), "1048576\n").unwrap();
            symlink(&folder, class.join(disk)).unwrap();
            for role in Role::ALL {
                let name = format!("{disk}{}", role.index() + 1);
                let part = folder.join(&name);
                fs::create_dir_all(&part).unwrap();
                fs::write(part.join("size"), "32768\n").unwrap();
                fs::write(part.join("partition"), format!("{}\n", role.index() + 1)).unwrap();
                let event = format!("DEVNAME={name}\nDEVTYPE=partition\nPARTN=1\nPARTNAME={role}\n");
                fs::write(part.join("uevent"), event).unwrap();
                symlink(&part, class.join(&name)).unwrap();
            }
        }
        let verity = root.join("devices/virtual/dm-0");
        fs::create_dir_all(verity.join("slaves")).unwrap();
        fs::write(verity.join("size"), "24576\n").unwrap();
        symlink(class.join("vda8"), verity.join("slaves/vda8")).unwrap();
        symlink(&verity, class.join("dm-0")).unwrap();
        Sysfs::new(root)
    }

    #[test]
    fn the_own_disk_is_the_one_below_the_root_file_system() {
        let folder = tempfile::tempdir().unwrap();
        let sysfs = tree(folder.path());
        let disk = OwnDisk::find(&sysfs, "dm-0").unwrap();
        assert_eq!(disk.name, "vda");
        assert_eq!(disk.partitions.len(), 12);
        assert_eq!(disk.node(Role::Data).unwrap(), Path::new("/dev/vda12"));
        assert_eq!(disk.node(Role::Root(Slot::A)).unwrap(), Path::new("/dev/vda8"));
        assert_eq!(sysfs.all().unwrap().len(), 2 * 13 + 1);
    }

    #[test]
    fn a_root_that_is_on_no_partition_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let sysfs = tree(folder.path());
        assert!(OwnDisk::find(&sysfs, "vda").is_err());
        assert!(OwnDisk::find(&sysfs, "nothing").is_err());
    }
}
