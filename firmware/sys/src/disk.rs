//! Block devices and image files as sectors, and where a service finds the partitions it may open.

use evener_disk::{Blocks, Lba, Role, SECTOR};
use std::fs::{File, OpenOptions};
use std::io::{self, Seek, SeekFrom};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// Where init puts the name of the partition with this role: a symbolic link to its device node, which belongs
/// to the one service that may open it.
#[must_use]
pub fn partition_path(run: &Path, role: Role) -> PathBuf {
    run.join("disk").join(role.name())
}

/// A block device, or a file that stands for one.
#[derive(Debug)]
pub struct FileBlocks {
    file: File,
    sectors: u64,
}

impl FileBlocks {
    /// Opens a device or file for reading, and for writing too if `writable`.
    ///
    /// # Errors
    /// The kernel's reason.
    pub fn open(path: &Path, writable: bool) -> io::Result<Self> {
        let mut file = OpenOptions::new().read(true).write(writable).open(path)?;
        // A block device has no length in its metadata; its end does.
        let bytes = file.seek(SeekFrom::End(0))?;
        Ok(Self { file, sectors: bytes / SECTOR as u64 })
    }

    /// Opens a whole disk for writing, for nobody else meanwhile: this fails while it or a partition of it is mounted or
    /// opened in the same way.
    ///
    /// # Errors
    /// The kernel's reason.
    pub fn open_alone(path: &Path) -> io::Result<Self> {
        let mut file = OpenOptions::new().read(true).write(true).custom_flags(libc::O_EXCL).open(path)?;
        let bytes = file.seek(SeekFrom::End(0))?;
        Ok(Self { file, sectors: bytes / SECTOR as u64 })
    }

    /// The open device, for requests that are not transfers.
    #[must_use]
    pub fn file(&self) -> &File {
        &self.file
    }

    fn offset(&self, at: Lba, bytes: usize) -> io::Result<u64> {
        let count = u64::try_from(bytes / SECTOR).ok().filter(|_| bytes.is_multiple_of(SECTOR));
        let end = count.and_then(|count| at.0.checked_add(count));
        match end {
            Some(end) if end <= self.sectors => Ok(at.0 * SECTOR as u64),
            _ => Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                format!("{bytes} bytes at sector {} are not inside {} sectors", at.0, self.sectors),
            )),
        }
    }
}

impl Blocks for FileBlocks {
    type Error = io::Error;

    fn sectors(&self) -> u64 {
        self.sectors
    }

    fn read(&mut self, at: Lba, buffer: &mut [u8]) -> io::Result<()> {
        let offset = self.offset(at, buffer.len())?;
        self.file.read_exact_at(buffer, offset)
    }

    fn write(&mut self, at: Lba, data: &[u8]) -> io::Result<()> {
        let offset = self.offset(at, data.len())?;
        self.file.write_all_at(data, offset)
    }

    /// Also drops what the kernel still holds of the device, so that a read after this comes from the medium: the
    /// slot table is read back to learn whether it was written, and its own pages would always say yes.
    fn flush(&mut self) -> io::Result<()> {
        self.file.sync_data()?;
        rustix::fs::fadvise(&self.file, 0, None, rustix::fs::Advice::DontNeed)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::io::{Errno, ReadWriteFlags, preadv2};

    /// Whether the kernel could answer a read of the first sector from memory.
    fn is_cached(file: &File) -> Result<bool, Errno> {
        let mut sector = [0; SECTOR];
        match preadv2(file, &mut [io::IoSliceMut::new(&mut sector)], 0, ReadWriteFlags::NOWAIT) {
            Ok(_) => Ok(true),
            Err(Errno::AGAIN) => Ok(false),
            Err(other) => Err(other),
        }
    }

    #[test]
    fn a_read_after_a_flush_comes_from_the_medium() {
        let file = tempfile::NamedTempFile::new().unwrap();
        file.as_file().set_len(8 * SECTOR as u64).unwrap();
        let mut blocks = FileBlocks::open(file.path(), true).unwrap();
        blocks.write(Lba(0), &[7; 8 * SECTOR]).unwrap();
        match is_cached(blocks.file()) {
            // A file system in memory has no medium to read from.
            Err(Errno::OPNOTSUPP) => return,
            before => assert_eq!(before, Ok(true)),
        }
        blocks.flush().unwrap();
        assert_eq!(is_cached(blocks.file()), Ok(false));
        let mut back = [0; SECTOR];
        blocks.read(Lba(0), &mut back).unwrap();
        assert_eq!(back, [7; SECTOR]);
    }

    #[test]
    fn what_was_written_is_read_and_nothing_outside_is_touched() {
        let file = tempfile::NamedTempFile::new().unwrap();
        file.as_file().set_len(4 * SECTOR as u64 + 100).unwrap();
        let mut blocks = FileBlocks::open(file.path(), true).unwrap();
        assert_eq!(blocks.sectors(), 4);
        blocks.write(Lba(3), &[7; SECTOR]).unwrap();
        blocks.flush().unwrap();
        let mut back = [0; 2 * SECTOR];
        blocks.read(Lba(2), &mut back).unwrap();
        assert_eq!((back[0], back[SECTOR]), (0, 7));
        assert!(blocks.write(Lba(4), &[7; SECTOR]).is_err());
        assert!(blocks.write(Lba(u64::MAX), &[7; SECTOR]).is_err());
        assert!(blocks.read(Lba(0), &mut [0; 100]).is_err());
        assert_eq!(file.as_file().metadata().unwrap().len(), 4 * SECTOR as u64 + 100);
    }
}
