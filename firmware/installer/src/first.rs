//! The first configuration, on its way to the unit: a file in the new `data`, where init of the unit finds it.

use crate::device;
use crate::disks::Sysfs;
use crate::files::FIRST;
use anyhow::Context;
use evener_disk::Role;
use evener_sys::disk::FileBlocks;
use evener_sys::mount::{MountFlags, mount, unmount};
use evener_sys::resize::reread_partitions;
use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// Puts `text` onto the disk with this name, whose partition table is new, and reads it back. `point` is where it is
/// mounted meanwhile.
pub(crate) fn put(disk: &str, text: &str, point: &Path) -> anyhow::Result<()> {
    let path = device(disk);
    let opened = FileBlocks::open(&path, false).with_context(|| format!("cannot open {}", path.display()))?;
    reread_partitions(&opened).context("the kernel does not take the new partition table")?;
    drop(opened);
    let node = Sysfs::new("/sys").partition(disk, Role::Data.name()).context("there is no data partition")?;
    fs::create_dir_all(point)?;
    let flags = MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC | MountFlags::NOATIME;
    mount(&node, point, "ext4", flags, None).context("the new file system cannot be mounted")?;
    let written = write(point, text);
    unmount(point).context("the new file system cannot be unmounted")?;
    written.context("it cannot be written")?;
    mount(&node, point, "ext4", flags | MountFlags::RDONLY, None).context("it cannot be mounted again")?;
    let back = fs::read_to_string(point.join(FIRST));
    unmount(point).context("the new file system cannot be unmounted")?;
    anyhow::ensure!(
        back.context("it cannot be read back")? == text,
        "the disk holds something else than was written"
    );
    Ok(())
}

fn write(folder: &Path, text: &str) -> anyhow::Result<()> {
    // It may hold a password.
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o400).open(folder.join(FIRST))?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    Ok(File::open(folder)?.sync_all()?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn the_file_is_for_nobody_else_to_read() {
        let folder = tempfile::tempdir().unwrap();
        write(folder.path(), "password = \"x\"\n").unwrap();
        let path = folder.path().join(FIRST);
        assert_eq!(fs::read_to_string(&path).unwrap(), "password = \"x\"\n");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o400);
    }

    #[test]
    fn a_disk_that_is_gone_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let error = put("no-such-disk", "", folder.path()).unwrap_err();
        assert!(format!("{error:#}").contains("cannot open /dev/no-such-disk"), "{error:#}");
    }
}
