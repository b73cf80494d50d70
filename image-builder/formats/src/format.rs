//! All disk formats behind one face: by name, by content, to write, to read.

use std::io;

use crate::image::{Disk, ReadAt, ReaderError, WriteAt, WriteError, fetch};
use crate::ova::Machine;
use crate::survey::Survey;
use crate::{ova, qcow2, raw, raw_zst, vhd, vhdx, vmdk};

/// A format of disk images.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Format {
    /// The bytes of the disk, with holes.
    Raw,
    /// QEMU's, version 3.
    Qcow2,
    /// Fixed VHD, as Azure and Hyper-V's first generation take it.
    Vhd,
    /// Dynamic VHDX, Hyper-V's own.
    Vhdx,
    /// Stream-optimized VMDK.
    Vmdk,
    /// A virtual machine with a VMDK, to import.
    Ova,
    /// The bytes of the disk under zstd.
    RawZst,
}

impl Format {
    /// All of them.
    pub const ALL: [Self; 7] =
        [Self::Raw, Self::Qcow2, Self::Vhd, Self::Vhdx, Self::Vmdk, Self::Ova, Self::RawZst];

    /// What file names end with, and what people call it.
    #[must_use]
    pub const fn extension(self) -> &'static str {
        match self {
            Self::Raw => "raw",
            Self::Qcow2 => "qcow2",
            Self::Vhd => "vhd",
            Self::Vhdx => "vhdx",
            Self::Vmdk => "vmdk",
            Self::Ova => "ova",
            Self::RawZst => "raw.zst",
        }
    }

    /// The format with this name: its extension, or that with `-` for `.`.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|format| format.extension() == name || format.extension().replace('.', "-") == name)
    }

    /// The format that a file with this name has, by the end of the name; `img` and `zst` are raw, too.
    #[must_use]
    pub fn of_name(name: &str) -> Option<Self> {
        let name = name.to_ascii_lowercase();
        let ends = |extension: &str| name.strip_suffix(extension).is_some_and(|stem| stem.ends_with('.'));
        let known = Self::ALL.into_iter().find(|format| ends(format.extension()));
        known.or(ends("img").then_some(Self::Raw)).or(ends("zst").then_some(Self::RawZst))
    }

    /// The format that a file has, by what is in it; without any mark it counts as [`Format::Raw`].
    ///
    /// # Errors
    /// [`ReaderError::File`].
    pub fn of<F: ReadAt>(file: &mut F) -> Result<Self, ReaderError<F::Error>> {
        let length = file.length();
        let mut start = [0; 512];
        let here = usize::try_from(length).unwrap_or(usize::MAX).min(start.len());
        fetch(file, "start", 0, start.get_mut(..here).unwrap_or_default())?;
        let marks: [(usize, &[u8], Self); 6] = [
            (0, &qcow2::MAGIC, Self::Qcow2),
            (0, vhdx::MAGIC, Self::Vhdx),
            (0, vmdk::MAGIC, Self::Vmdk),
            (0, &raw_zst::MAGIC, Self::RawZst),
            // A VHD that is not fixed has a copy of its footer here; the reader says what it thinks of those.
            (0, vhd::MAGIC, Self::Vhd),
            (257, b"ustar", Self::Ova),
        ];
        for (at, mark, format) in marks {
            if start.get(at..).unwrap_or_default().starts_with(mark) {
                return Ok(format);
            }
        }
        let mut end = [0; 8];
        let footer = length.checked_sub(vhd::FOOTER_BYTES as u64);
        if let Some(footer) = footer {
            fetch(file, "end", footer, &mut end)?;
        }
        Ok(if &end == vhd::MAGIC { Self::Vhd } else { Self::Raw })
    }

    /// Writes `disk`, and gives the length of the file in bytes. `machine` is what an OVA makes.
    ///
    /// # Errors
    /// [`WriteError`].
    pub fn write<D: Disk, W: WriteAt<Error = io::Error>>(
        self,
        disk: &mut D,
        survey: &Survey,
        machine: &Machine,
        file: &mut W,
    ) -> Result<u64, WriteError<D::Error, io::Error>> {
        match self {
            Self::Raw => raw::write(disk, survey, file),
            Self::Qcow2 => qcow2::write(disk, survey, file),
            Self::Vhd => vhd::write(disk, survey, file),
            Self::Vhdx => vhdx::write(disk, survey, file),
            Self::Vmdk => vmdk::write(disk, survey, file),
            Self::Ova => ova::write(disk, survey, machine, file),
            Self::RawZst => raw_zst::write(disk, survey, file),
        }
    }

    /// Opens a file of this format. [`Format::RawZst`] has to be unpacked first ([`raw_zst::unpack`]).
    ///
    /// # Errors
    /// [`ReaderError`].
    pub fn open<'a, F: ReadAt + 'a>(self, file: F) -> Result<AnyDisk<'a, F::Error>, ReaderError<F::Error>> {
        Ok(match self {
            Self::Raw => Box::new(raw::Reader::new(file)),
            Self::Qcow2 => Box::new(qcow2::Reader::open(file)?),
            Self::Vhd => Box::new(vhd::Reader::open(file)?),
            Self::Vhdx => Box::new(vhdx::Reader::open(file)?),
            Self::Vmdk => Box::new(vmdk::Reader::open(file)?),
            Self::Ova => Box::new(ova::Reader::open(file)?),
            Self::RawZst => return Err(ReaderError::Format { format: "seekable disk", offset: 0 }),
        })
    }
}

/// A disk in a file of any format.
pub type AnyDisk<'a, E> = Box<dyn Disk<Error = ReaderError<E>> + 'a>;

impl<D: Disk + ?Sized> Disk for Box<D> {
    type Error = D::Error;

    fn length(&self) -> u64 {
        (**self).length()
    }

    fn read(&mut self, at: u64, out: &mut [u8]) -> Result<(), D::Error> {
        (**self).read(at, out)
    }

    fn next_data(&mut self, at: u64) -> Result<Option<std::ops::Range<u64>>, D::Error> {
        (**self).next_data(at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_says_its_format() {
        for (name, format) in [
            ("evener-qemu.raw", Some(Format::Raw)),
            ("x.img", Some(Format::Raw)),
            ("a.b.VHDX", Some(Format::Vhdx)),
            ("a.raw.zst", Some(Format::RawZst)),
            ("a.zst", Some(Format::RawZst)),
            ("vhd", None),
            ("a.iso", None),
        ] {
            assert_eq!(Format::of_name(name), format, "{name}");
        }
        assert_eq!(Format::named("raw-zst"), Some(Format::RawZst));
        assert!(Format::ALL.into_iter().all(|format| Format::named(format.extension()) == Some(format)));
        assert_eq!(Format::named("iso"), None);
    }

    #[test]
    fn what_has_no_mark_is_raw_however_short() {
        for length in [0, 1, 511, 512, 5000] {
            assert_eq!(Format::of(&mut &vec![7; length][..]), Ok(Format::Raw), "{length}");
        }
    }
}
