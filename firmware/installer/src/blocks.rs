//! A disk whose faults read as words.

use evener_disk::{Blocks, Lba};
use evener_sys::disk::FileBlocks;
use std::fmt;
use std::io;

/// A disk or a partition.
#[derive(Debug)]
pub(crate) struct Disk(pub(crate) FileBlocks);

/// What the system says. Errors that name where carry it in its `Debug` form, which for people must be words.
pub(crate) struct Reason(io::Error);

impl fmt::Debug for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl Blocks for Disk {
    type Error = Reason;

    fn sectors(&self) -> u64 {
        self.0.sectors()
    }

    fn read(&mut self, at: Lba, buffer: &mut [u8]) -> Result<(), Reason> {
        self.0.read(at, buffer).map_err(Reason)
    }

    fn write(&mut self, at: Lba, data: &[u8]) -> Result<(), Reason> {
        self.0.write(at, data).map_err(Reason)
    }

    fn flush(&mut self) -> Result<(), Reason> {
        self.0.flush().map_err(Reason)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_reads_as_words() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let mut disk = Disk(FileBlocks::open(file.path(), false).unwrap());
        let fault = disk.read(Lba(0), &mut [0; 512]).unwrap_err();
        assert_eq!(format!("{fault:?}"), "512 bytes at sector 0 are not inside 0 sectors");
    }
}
