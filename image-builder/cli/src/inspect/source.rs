//! Files as disks.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

use anyhow::Context;
use evener_disk::{Blocks, Lba, SECTOR};
use evener_formats::qcow2::{ReadAt, Reader};

/// A file, for the qcow2 reader.
#[derive(Debug)]
pub(crate) struct OnDisk(pub(crate) File);

impl ReadAt for OnDisk {
    type Error = io::Error;

    fn read_at(&mut self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.0.read_exact_at(out, offset)
    }
}

/// A raw image; read-only.
#[derive(Debug)]
pub(crate) struct RawDisk {
    file: File,
    bytes: u64,
}

impl RawDisk {
    pub(crate) fn open(path: &Path) -> anyhow::Result<Self> {
        let file = File::open(path).with_context(|| format!("reading {}", path.display()))?;
        let bytes = file.metadata().with_context(|| format!("reading {}", path.display()))?.len();
        Ok(Self { file, bytes })
    }

    pub(crate) fn mebibytes(&self) -> u64 {
        self.bytes >> 20
    }
}

impl Blocks for RawDisk {
    type Error = io::Error;

    fn sectors(&self) -> u64 {
        self.bytes / SECTOR as u64
    }

    fn read(&mut self, at: Lba, buffer: &mut [u8]) -> io::Result<()> {
        self.file.read_exact_at(buffer, at.0.saturating_mul(SECTOR as u64))
    }

    fn write(&mut self, _: Lba, _: &[u8]) -> io::Result<()> {
        Err(io::ErrorKind::ReadOnlyFilesystem.into())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A qcow2 image; read-only.
#[derive(Debug)]
pub(crate) struct Qcow2Disk(pub(crate) Reader<OnDisk>);

impl Blocks for Qcow2Disk {
    type Error = io::Error;

    fn sectors(&self) -> u64 {
        self.0.length() / SECTOR as u64
    }

    fn read(&mut self, at: Lba, buffer: &mut [u8]) -> io::Result<()> {
        self.0.read(at.0.saturating_mul(SECTOR as u64), buffer).map_err(io::Error::other)
    }

    fn write(&mut self, _: Lba, _: &[u8]) -> io::Result<()> {
        Err(io::ErrorKind::ReadOnlyFilesystem.into())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
