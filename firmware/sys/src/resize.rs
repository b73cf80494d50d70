//! What the kernel is told of a disk's partitions; growing one and the ext4 on it while both are in use.

use crate::disk::FileBlocks;
use evener_disk::{Partition, SECTOR};
use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;
use std::path::Path;

/// `_IO(0x12, 105)`.
const BLKPG: libc::Ioctl = 0x1269;
/// `_IO(0x12, 95)`.
const BLKRRPART: libc::Ioctl = 0x125f;
/// `_IO(0x12, 93)`.
const BLKROSET: libc::Ioctl = 0x125d;
const BLKPG_RESIZE_PARTITION: libc::c_int = 3;
/// `_IOW('f', 16, __u64)`.
const EXT4_IOC_RESIZE_FS: libc::Ioctl = 0x4008_6610;

/// `struct blkpg_partition` of `linux/blkpg.h`.
#[repr(C)]
struct BlkpgPartition {
    start: libc::c_longlong,
    length: libc::c_longlong,
    number: libc::c_int,
    device_name: [u8; 64],
    volume_name: [u8; 64],
}

/// `struct blkpg_ioctl_arg` of `linux/blkpg.h`.
#[repr(C)]
struct BlkpgArgument {
    operation: libc::c_int,
    flags: libc::c_int,
    length: libc::c_int,
    data: *mut BlkpgPartition,
}

/// Tells the kernel that partition `number` (from 1) of `disk` has the place and size of `partition`. Writes
/// nothing to the disk.
///
/// # Errors
/// The kernel's reason, such as an overlap with the next partition.
pub fn tell_partition_size(disk: &FileBlocks, number: u16, partition: Partition) -> io::Result<()> {
    let bytes = |sectors: u64| {
        let bytes = sectors.checked_mul(SECTOR as u64).and_then(|bytes| i64::try_from(bytes).ok());
        bytes.ok_or_else(|| io::Error::from(io::ErrorKind::InvalidInput))
    };
    let mut description = BlkpgPartition {
        start: bytes(partition.start.0)?,
        length: bytes(partition.sectors)?,
        number: number.into(),
        device_name: [0; 64],
        volume_name: [0; 64],
    };
    let argument = BlkpgArgument {
        operation: BLKPG_RESIZE_PARTITION,
        flags: 0,
        length: libc::c_int::try_from(size_of::<BlkpgPartition>()).unwrap_or(0),
        data: &raw mut description,
    };
    // SAFETY: the request reads the argument and the description it points to; both outlive the call and have
    // the layout of the kernel's header.
    let answer = unsafe { libc::ioctl(disk.file().as_raw_fd(), BLKPG, &raw const argument) };
    if answer == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Has the kernel read the partition table of `disk` anew; the device nodes are there when this returns.
///
/// # Errors
/// The kernel's reason, such as a partition that is in use.
pub fn reread_partitions(disk: &FileBlocks) -> io::Result<()> {
    // SAFETY: the request takes no argument.
    let answer = unsafe { libc::ioctl(disk.file().as_raw_fd(), BLKRRPART) };
    if answer == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Has the kernel refuse every write to `disk` and its partitions from now on, whoever asks.
///
/// # Errors
/// The kernel's reason.
pub fn forbid_writes(disk: &FileBlocks) -> io::Result<()> {
    let read_only: libc::c_int = 1;
    // SAFETY: the request reads one int, which outlives the call.
    let answer = unsafe { libc::ioctl(disk.file().as_raw_fd(), BLKROSET, &raw const read_only) };
    if answer == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Lets the ext4 that is mounted on `target` fill `bytes`, the size of its partition. A file system that is as
/// large already is left as it is. Returns its size in bytes before.
///
/// # Errors
/// The kernel's reason; the file system is then usable as it was.
pub fn grow_ext4(target: &Path, bytes: u64) -> io::Result<u64> {
    let status = rustix::fs::statvfs(target)?;
    let block = status.f_frsize.max(1);
    let blocks = bytes / block;
    let root = File::open(target)?;
    // SAFETY: the request reads one u64, which outlives the call.
    let answer = unsafe { libc::ioctl(root.as_raw_fd(), EXT4_IOC_RESIZE_FS, &raw const blocks) };
    if answer == 0 { Ok(status.f_blocks.saturating_mul(block)) } else { Err(io::Error::last_os_error()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use evener_disk::{Guid, Lba};

    #[test]
    fn the_structures_have_the_kernels_size() {
        assert_eq!(size_of::<BlkpgPartition>(), 152);
        assert_eq!(size_of::<BlkpgArgument>(), 24);
    }

    #[test]
    fn what_is_no_disk_and_no_ext4_is_refused() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let blocks = FileBlocks::open(file.path(), true).unwrap();
        let guid = Guid::new(0, 0, 0, [0; 8]);
        let partition = Partition { start: Lba(2048), sectors: 2048, partuuid: guid };
        assert!(tell_partition_size(&blocks, 1, partition).is_err());
        assert!(tell_partition_size(&blocks, 1, Partition { sectors: u64::MAX, ..partition }).is_err());
        assert!(grow_ext4(Path::new("/proc"), 1 << 20).is_err());
        assert!(reread_partitions(&blocks).is_err());
        assert!(forbid_writes(&blocks).is_err());
    }
}
