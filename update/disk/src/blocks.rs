//! Whole sectors on a device, and a window on a part of them.
//!
//! `Blocks` is implemented by the UEFI and BIOS loaders, by the updater (a block device) and by test disks
//! that lose power, so the code that must survive a power cut is the very code that ships.

/// Bytes in a sector. Disks with 4096-byte sectors are not supported (`docs/decisions/001-disk-crate.md`).
pub const SECTOR: usize = 512;

/// Sectors in a mebibyte, the alignment of every partition.
pub const SECTORS_PER_MIB: u64 = 2048;

/// The address of a 512-byte sector, counted from the start of the disk or [`Window`] it is used with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Lba(pub u64);

/// A device of 512-byte sectors.
///
/// Buffers hold whole sectors; the address and length must lie inside the device. An implementation answers
/// a violation with its own error and touches nothing.
pub trait Blocks {
    /// What a failed transfer says.
    type Error: core::fmt::Debug;

    /// Size of the device in sectors.
    fn sectors(&self) -> u64;

    /// Fills `buffer` from the sectors that start at `at`.
    ///
    /// # Errors
    /// The device's own error, also for a range outside the device or a buffer that is not whole sectors.
    fn read(&mut self, at: Lba, buffer: &mut [u8]) -> Result<(), Self::Error>;

    /// Writes `data` to the sectors that start at `at`. Durable only after [`Blocks::flush`].
    ///
    /// # Errors
    /// As [`Blocks::read`].
    fn write(&mut self, at: Lba, data: &[u8]) -> Result<(), Self::Error>;

    /// Returns when all acknowledged writes are on stable storage.
    ///
    /// # Errors
    /// The device's own error; then nothing is known about the writes since the last flush.
    fn flush(&mut self) -> Result<(), Self::Error>;
}

impl<B: Blocks + ?Sized> Blocks for &mut B {
    type Error = B::Error;

    fn sectors(&self) -> u64 {
        (**self).sectors()
    }

    fn read(&mut self, at: Lba, buffer: &mut [u8]) -> Result<(), Self::Error> {
        (**self).read(at, buffer)
    }

    fn write(&mut self, at: Lba, data: &[u8]) -> Result<(), Self::Error> {
        (**self).write(at, data)
    }

    fn flush(&mut self) -> Result<(), Self::Error> {
        (**self).flush()
    }
}

/// One partition as [`Blocks`]: sector 0 is the partition's first, and nothing outside can be reached.
#[derive(Debug)]
pub struct Window<B> {
    disk: B,
    start: u64,
    sectors: u64,
}

impl<B: Blocks> Window<B> {
    /// The `sectors` of `disk` that start at `start`, cut to what the disk has.
    pub fn new(disk: B, start: Lba, sectors: u64) -> Self {
        let available = disk.sectors().saturating_sub(start.0);
        Self { disk, start: start.0, sectors: sectors.min(available) }
    }

    /// The address on the disk for a transfer of `bytes` at `at`; one past every device if it would leave
    /// the window, so that the device itself refuses it.
    fn absolute(&self, at: Lba, bytes: usize) -> Lba {
        let count = u64::try_from(bytes.div_ceil(SECTOR)).unwrap_or(u64::MAX);
        let inside = at.0.checked_add(count).is_some_and(|end| end <= self.sectors);
        if inside { Lba(self.start.saturating_add(at.0)) } else { Lba(u64::MAX) }
    }
}

impl<B: Blocks> Blocks for Window<B> {
    type Error = B::Error;

    fn sectors(&self) -> u64 {
        self.sectors
    }

    fn read(&mut self, at: Lba, buffer: &mut [u8]) -> Result<(), Self::Error> {
        let at = self.absolute(at, buffer.len());
        self.disk.read(at, buffer)
    }

    fn write(&mut self, at: Lba, data: &[u8]) -> Result<(), Self::Error> {
        let at = self.absolute(at, data.len());
        self.disk.write(at, data)
    }

    fn flush(&mut self) -> Result<(), Self::Error> {
        self.disk.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::RamDisk;

    #[test]
    fn a_window_cannot_be_left() {
        let mut disk = RamDisk::new(64);
        let mut window = Window::new(&mut disk, Lba(8), 4);
        assert_eq!(window.sectors(), 4);
        window.write(Lba(3), &[7; SECTOR]).unwrap();
        assert!(window.write(Lba(4), &[7; SECTOR]).is_err());
        assert!(window.read(Lba(3), &mut [0; 2 * SECTOR]).is_err());
        assert!(window.read(Lba(u64::MAX), &mut [0; SECTOR]).is_err());
        assert_eq!(disk.bytes()[11 * SECTOR..12 * SECTOR], [7; SECTOR]);
        assert!(disk.bytes()[12 * SECTOR..].iter().all(|byte| *byte == 0));
    }

    #[test]
    fn a_window_is_cut_to_its_disk() {
        let mut disk = RamDisk::new(16);
        assert_eq!(Window::new(&mut disk, Lba(10), 100).sectors(), 6);
        assert_eq!(Window::new(&mut disk, Lba(100), 1).sectors(), 0);
    }
}
