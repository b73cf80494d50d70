//! The unit's disk between two boots: copies of the shipped image, and the means to damage them.

use std::ffi::{OsStr, OsString};
use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

use anyhow::{Context, Result, anyhow};
use evener_disk::{Blocks, Lba, PartitionMap, Role, SECTOR};

use crate::tool;

/// A raw disk image as sectors.
#[derive(Debug)]
pub struct DiskFile {
    file: File,
    sectors: u64,
}

impl DiskFile {
    /// Opens a raw image for reading and writing.
    ///
    /// # Errors
    /// What the system says.
    pub fn open(path: &Path) -> Result<Self> {
        let file = OpenOptions::new().read(true).write(true).open(path);
        let file = file.with_context(|| format!("opening {}", path.display()))?;
        let sectors = file.metadata()?.len() / SECTOR as u64;
        Ok(Self { file, sectors })
    }

    /// The partitions.
    ///
    /// # Errors
    /// When neither partition table is valid.
    pub fn map(&mut self) -> Result<PartitionMap> {
        PartitionMap::read(self).map_err(|error| anyhow!("partition table: {error:?}"))
    }

    /// Where the partition with this role begins, in bytes.
    ///
    /// # Errors
    /// When there is none.
    pub fn start_of(&mut self, role: Role) -> Result<u64> {
        let part = self.map()?.get(role).with_context(|| format!("there is no partition {}", role.name()))?;
        Ok(part.start.0 * SECTOR as u64)
    }

    /// The bytes at `offset` of a partition.
    ///
    /// # Errors
    /// When there is no such partition, or it cannot be read.
    pub fn peek(&mut self, role: Role, offset: u64, length: usize) -> Result<Vec<u8>> {
        let start = self.start_of(role)?;
        let mut bytes = vec![0; length];
        self.file.read_exact_at(&mut bytes, start + offset)?;
        Ok(bytes)
    }

    /// Overwrites bytes at `offset` of a partition.
    ///
    /// # Errors
    /// When there is no such partition, or it cannot be written.
    pub fn poke(&mut self, role: Role, offset: u64, bytes: &[u8]) -> Result<()> {
        let start = self.start_of(role)?;
        Ok(self.file.write_all_at(bytes, start + offset)?)
    }

    /// Flips the lowest bit of the byte at `offset` of a partition.
    ///
    /// # Errors
    /// As [`DiskFile::peek`] and [`DiskFile::poke`].
    pub fn flip(&mut self, role: Role, offset: u64) -> Result<()> {
        let byte = self.peek(role, offset, 1)?[0];
        self.poke(role, offset, &[byte ^ 1])
    }
}

impl Blocks for DiskFile {
    type Error = io::Error;

    fn sectors(&self) -> u64 {
        self.sectors
    }

    fn read(&mut self, at: Lba, buffer: &mut [u8]) -> io::Result<()> {
        self.file.read_exact_at(buffer, offset(at)?)
    }

    fn write(&mut self, at: Lba, data: &[u8]) -> io::Result<()> {
        let end = offset(at)?.saturating_add(data.len() as u64);
        if end > self.sectors * SECTOR as u64 {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        self.file.write_all_at(data, offset(at)?)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.sync_data()
    }
}

fn offset(at: Lba) -> io::Result<u64> {
    at.0.checked_mul(SECTOR as u64).ok_or_else(|| io::ErrorKind::InvalidInput.into())
}

/// Writes the disk that `image` (qcow2) describes to `raw`, byte for byte, leaving holes where it is empty.
///
/// # Errors
/// When qemu-img fails.
pub fn raw_copy(image: &Path, raw: &Path) -> Result<()> {
    let arguments = [
        "convert".as_ref(),
        "-f".as_ref(),
        "qcow2".as_ref(),
        "-O".as_ref(),
        "raw".as_ref(),
        image.as_os_str(),
        raw.as_os_str(),
    ];
    tool::run("qemu-img", "qemu-utils", &arguments).map(|_| ())
}

/// Makes a disk at `path` that reads as `image` (qcow2) until it is written to; `image` itself never changes.
/// With `size_mib` the disk is larger than the image.
///
/// # Errors
/// When qemu-img fails.
pub fn overlay(image: &Path, path: &Path, size_mib: Option<u32>) -> Result<()> {
    overlay_of(image, "qcow2", path, size_mib)
}

/// As [`overlay`], of an image in another format: `raw`, or QEMU's name of one, such as `vpc` for VHD.
///
/// # Errors
/// As [`overlay`].
pub fn overlay_of(image: &Path, format: &str, path: &Path, size_mib: Option<u32>) -> Result<()> {
    let image = image.canonicalize().with_context(|| format!("looking for {}", image.display()))?;
    let size = size_mib.map(|mib| OsString::from(format!("{mib}M")));
    let mut arguments: Vec<&OsStr> = vec!["create".as_ref(), "-q".as_ref(), "-f".as_ref(), "qcow2".as_ref()];
    arguments.extend(["-F".as_ref(), format.as_ref(), "-b".as_ref(), image.as_os_str(), path.as_os_str()]);
    arguments.extend(size.as_deref());
    tool::run("qemu-img", "qemu-utils", &arguments).map(|_| ())
}
