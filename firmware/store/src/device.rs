//! The `conf` partition as whole sectors.

use evener_disk::{Blocks, Lba, SECTOR};
use std::fs::{File, OpenOptions};
use std::io::{self, Seek, SeekFrom};
use std::os::unix::fs::FileExt;
use std::path::Path;

/// A block device, or a file in its place.
#[derive(Debug)]
pub struct Device {
    file: File,
    sectors: u64,
}

impl Device {
    /// Opens a device for reading and writing.
    ///
    /// # Errors
    /// The kernel's reason, among them that there is none.
    pub fn open(path: &Path) -> io::Result<Self> {
        let mut file = OpenOptions::new().read(true).write(true).open(path)?;
        // A block device's metadata does not have its size; its end does.
        let bytes = file.seek(SeekFrom::End(0))?;
        Ok(Self { file, sectors: bytes / SECTOR_BYTES })
    }

    fn offset(&self, at: Lba, length: usize) -> io::Result<u64> {
        let count = u64::try_from(length / SECTOR).ok().filter(|_| length.is_multiple_of(SECTOR));
        let end = count.and_then(|count| at.0.checked_add(count)).filter(|end| *end <= self.sectors);
        let start = end.and_then(|_| at.0.checked_mul(SECTOR_BYTES));
        start.ok_or_else(|| {
            io::Error::new(io::ErrorKind::InvalidInput, "outside the device, or part of a sector")
        })
    }
}

const SECTOR_BYTES: u64 = 512;
const _: () = assert!(SECTOR == 512);

impl Blocks for Device {
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

    fn flush(&mut self) -> io::Result<()> {
        self.file.sync_data()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_serves_as_a_device_and_cannot_be_left() {
        let file = tempfile::NamedTempFile::new().unwrap();
        file.as_file().set_len(4 * SECTOR_BYTES).unwrap();
        let mut device = Device::open(file.path()).unwrap();
        assert_eq!(device.sectors(), 4);
        device.write(Lba(3), &[7; SECTOR]).unwrap();
        device.flush().unwrap();
        let mut seen = [0; 2 * SECTOR];
        device.read(Lba(2), &mut seen).unwrap();
        assert_eq!((seen[SECTOR - 1], seen[SECTOR]), (0, 7));
        assert!(device.write(Lba(4), &[7; SECTOR]).is_err());
        assert!(device.write(Lba(u64::MAX), &[7; SECTOR]).is_err());
        assert!(device.read(Lba(0), &mut [0; 100]).is_err());
    }
}
