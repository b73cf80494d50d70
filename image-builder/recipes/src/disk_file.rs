//! A disk image as a file: in any format, with holes, whole or not at all.

use std::fs::{self, File};
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use evener_board::{Board, FirmwareKind};
use evener_formats::ova::{Firmware, Machine};
use evener_formats::{Format, ReadAt, Sparse, Survey, WriteAt, WriteError};
use rustix::fs::{SeekFrom, seek};
use rustix::io::Errno;

use crate::error::{RecipeError, file};

/// Writes `disk` in `format`.
pub(crate) fn write_disk_file(
    path: &Path,
    format: Format,
    machine: &Machine,
    disk: &Sparse,
) -> Result<(), RecipeError> {
    let mut source = disk;
    let survey = match Survey::of(&mut source) {
        Ok(survey) => survey,
        Err(never) => match never {},
    };
    let mut target = Whole::new(path)?;
    match format.write(&mut source, &survey, machine, &mut target) {
        Ok(_) => target.finish(),
        Err(WriteError::Read(never)) => match never {},
        Err(WriteError::Write { source, .. }) => Err(target.error("writing", source)),
        Err(WriteError::Size { length, most, .. }) => {
            Err(RecipeError::TooLarge { what: "the disk".to_owned(), size: length, room: most })
        }
    }
}

/// The virtual machine that an OVA of this board makes. One that has both kinds of firmware gets UEFI.
pub(crate) fn machine(board: &Board) -> Machine {
    let mut machine = Machine::new(&format!("evener-{}", board.name));
    machine.cpus = board.resources.cpus;
    machine.memory_mib = board.resources.memory_mib;
    machine.ports = board.network.ports;
    if !board.firmware.contains(&FirmwareKind::Uefi) {
        machine.firmware = Firmware::Bios;
    }
    machine
}

/// A file, for the readers and writers of formats. Its holes are known, its position is not used.
#[derive(Debug)]
pub struct OnDisk {
    file: File,
    length: u64,
}

impl OnDisk {
    /// The file or block device, which nobody else changes meanwhile.
    ///
    /// # Errors
    /// Its length cannot be found out.
    pub fn new(file: File) -> io::Result<Self> {
        // The length in a block device's metadata is zero.
        let length = seek(&file, SeekFrom::End(0))?;
        Ok(Self { file, length })
    }

    /// The file again, at its start.
    ///
    /// # Errors
    /// It cannot be rewound.
    pub fn into_file(self) -> io::Result<File> {
        seek(&self.file, SeekFrom::Start(0))?;
        Ok(self.file)
    }
}

impl ReadAt for OnDisk {
    type Error = io::Error;

    fn length(&self) -> u64 {
        self.length
    }

    fn read_at(&mut self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.file.read_exact_at(out, offset)
    }

    fn next_data(&mut self, offset: u64) -> io::Result<Option<Range<u64>>> {
        if offset >= self.length {
            return Ok(None);
        }
        let whole = offset..self.length;
        match seek(&self.file, SeekFrom::Data(offset)) {
            Ok(start) => {
                let end = seek(&self.file, SeekFrom::Hole(start)).unwrap_or(self.length);
                Ok(Some(start..end.min(self.length)).filter(|range| !range.is_empty()))
            }
            Err(Errno::NXIO) => Ok(None),
            // A file system that knows of no holes.
            Err(_) => Ok(Some(whole)),
        }
    }
}

impl WriteAt for OnDisk {
    type Error = io::Error;

    fn write_at(&mut self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.length = self.length.max(offset.saturating_add(bytes.len() as u64));
        self.file.write_all_at(bytes, offset)
    }

    fn set_length(&mut self, length: u64) -> io::Result<()> {
        self.length = length;
        self.file.set_len(length)
    }
}

/// A file that gets its name when all of it is written; until then it is `NAME.new`.
#[derive(Debug)]
pub(crate) struct Whole {
    file: OnDisk,
    temporary: PathBuf,
    path: PathBuf,
}

impl Whole {
    pub(crate) fn new(path: &Path) -> Result<Self, RecipeError> {
        let mut temporary = path.as_os_str().to_owned();
        temporary.push(".new");
        let temporary = PathBuf::from(temporary);
        let made = file("making", &temporary, File::create(&temporary).and_then(OnDisk::new))?;
        Ok(Self { file: made, temporary, path: path.to_owned() })
    }

    /// What the system said, with the file's name.
    pub(crate) fn error(&self, verb: &'static str, source: io::Error) -> RecipeError {
        RecipeError::File { verb, path: self.temporary.clone(), source }
    }

    pub(crate) fn finish(self) -> Result<(), RecipeError> {
        file("renaming", &self.path, fs::rename(&self.temporary, &self.path))
    }
}

impl WriteAt for Whole {
    type Error = io::Error;

    fn write_at(&mut self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.file.write_at(offset, bytes)
    }

    fn set_length(&mut self, length: u64) -> io::Result<()> {
        self.file.set_length(length)
    }
}
