//! Files as disks, whatever their format.

use std::fs::File;
use std::io;
use std::ops::Range;
use std::path::Path;

use anyhow::Context;
use evener_disk::{Blocks, Lba, SECTOR};
use evener_formats::{AnyDisk, Disk, Format, ReaderError, raw_zst};
use evener_recipes::OnDisk;

/// A disk in a file; read-only.
pub(crate) struct DiskFile {
    pub(crate) format: Format,
    disk: AnyDisk<'static, io::Error>,
    /// The first thing that could not be read; whoever reads sectors only learns that it failed.
    damage: Option<String>,
}

impl DiskFile {
    /// Opens a file by what is in it. A name that promises a format which is not there is an error: a VHD that lost its
    /// end would else pass as raw.
    pub(crate) fn open(path: &Path) -> anyhow::Result<Self> {
        let name = || path.display().to_string();
        let reading = || format!("reading {}", path.display());
        let file = File::open(path).with_context(reading)?;
        let mut file = OnDisk::new(file).with_context(reading)?;
        let found = Format::of(&mut file).with_context(name)?;
        let promised = Format::of_name(&path.to_string_lossy());
        let format = promised.filter(|_| found == Format::Raw).unwrap_or(found);
        if format == Format::RawZst {
            let disk = Format::Raw.open(unpacked(file).with_context(name)?).with_context(name)?;
            return Ok(Self { format, disk, damage: None });
        }
        Ok(Self { format, disk: format.open(file).with_context(name)?, damage: None })
    }

    /// Opens any file as the bytes that it is.
    pub(crate) fn raw(path: &Path) -> anyhow::Result<Self> {
        let reading = || format!("reading {}", path.display());
        let file = OnDisk::new(File::open(path).with_context(reading)?).with_context(reading)?;
        Ok(Self { format: Format::Raw, disk: Format::Raw.open(file)?, damage: None })
    }

    /// What could not be read, if something could not.
    pub(crate) fn damage(&self) -> Option<&str> {
        self.damage.as_deref()
    }
}

/// A zstd frame is read from front to back only, so the disk goes to a file without a name, in `$TMPDIR`.
fn unpacked(packed: OnDisk) -> anyhow::Result<OnDisk> {
    let target = tempfile::tempfile().context("making a temporary file (TMPDIR says where)")?;
    let mut target = OnDisk::new(target)?;
    raw_zst::unpack(packed.into_file()?, &mut target)?;
    Ok(target)
}

impl Disk for DiskFile {
    type Error = ReaderError<io::Error>;

    fn length(&self) -> u64 {
        self.disk.length()
    }

    fn read(&mut self, at: u64, out: &mut [u8]) -> Result<(), Self::Error> {
        self.disk.read(at, out)
    }

    fn next_data(&mut self, at: u64) -> Result<Option<Range<u64>>, Self::Error> {
        self.disk.next_data(at)
    }
}

impl Blocks for DiskFile {
    type Error = io::Error;

    fn sectors(&self) -> u64 {
        self.disk.length() / SECTOR as u64
    }

    fn read(&mut self, at: Lba, buffer: &mut [u8]) -> io::Result<()> {
        let read = self.disk.read(at.0.saturating_mul(SECTOR as u64), buffer);
        read.map_err(|error| {
            // Reading behind the end is the business of whoever asked; the rest is the file's.
            if !matches!(error, ReaderError::OutOfRange(_)) {
                self.damage.get_or_insert_with(|| error.to_string());
            }
            io::Error::other(error)
        })
    }

    fn write(&mut self, _: Lba, _: &[u8]) -> io::Result<()> {
        Err(io::ErrorKind::ReadOnlyFilesystem.into())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
