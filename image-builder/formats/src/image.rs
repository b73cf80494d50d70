//! What disk formats have in common: a disk to read, a file to read it from, a file to write it to.
//!
//! Writers take any [`Disk`] and never hold more than a block of it, readers are a [`Disk`] again, so each format
//! converts to each other one. Files come in as [`ReadAt`] and [`WriteAt`], because this crate does no IO.
//!
//! A reader believes nothing: each offset in a file is held against the file's length before anything is read or
//! allocated, and what is wrong is told with the byte offset where it stands.

use std::convert::Infallible;
use std::ops::Range;

use crate::sparse::Sparse;

/// Random access to the bytes of a file, supplied by whoever does the IO.
pub trait ReadAt {
    /// What may go wrong while reading.
    type Error;

    /// Length of the file, in bytes.
    fn length(&self) -> u64;

    /// Fills `out` from `offset` on.
    ///
    /// # Errors
    /// Whatever the underlying file says; reading behind its end is an error.
    fn read_at(&mut self, offset: u64, out: &mut [u8]) -> Result<(), Self::Error>;

    /// The first range at or behind `offset` that is not a hole; all of the rest where nobody knows of holes.
    ///
    /// # Errors
    /// Whatever the underlying file says.
    fn next_data(&mut self, offset: u64) -> Result<Option<Range<u64>>, Self::Error> {
        Ok((offset < self.length()).then(|| offset..self.length()))
    }
}

/// A file to be written, supplied by whoever does the IO. What is never written reads as zero.
pub trait WriteAt {
    /// What may go wrong while writing.
    type Error;

    /// Writes all of `bytes` from `offset` on; the file grows as needed.
    ///
    /// # Errors
    /// Whatever the underlying file says.
    fn write_at(&mut self, offset: u64, bytes: &[u8]) -> Result<(), Self::Error>;

    /// Sets the length of the file, in bytes; what is new reads as zero.
    ///
    /// # Errors
    /// Whatever the underlying file says.
    fn set_length(&mut self, length: u64) -> Result<(), Self::Error>;
}

/// A disk as its guest sees it.
pub trait Disk {
    /// What may go wrong while reading.
    type Error;

    /// Size of the disk, in bytes.
    fn length(&self) -> u64;

    /// Fills `out` with what lies at offset `at`.
    ///
    /// # Errors
    /// The implementation's own, also for a range that is not wholly on the disk.
    fn read(&mut self, at: u64, out: &mut [u8]) -> Result<(), Self::Error>;

    /// The first range at or behind `at` that may hold something else than zeros; never empty. What lies before it
    /// is known to be zero.
    ///
    /// # Errors
    /// The implementation's own.
    fn next_data(&mut self, at: u64) -> Result<Option<Range<u64>>, Self::Error>;
}

impl Disk for &Sparse {
    type Error = Infallible;

    fn length(&self) -> u64 {
        Sparse::length(self)
    }

    fn read(&mut self, at: u64, out: &mut [u8]) -> Result<(), Infallible> {
        Sparse::read(self, at, out);
        Ok(())
    }

    fn next_data(&mut self, at: u64) -> Result<Option<Range<u64>>, Infallible> {
        let index = self.extents().partition_point(|extent| extent.end() <= at);
        Ok(self.extents().get(index).map(|extent| extent.at.max(at)..extent.end()))
    }
}

/// Bytes in memory are a file, too.
impl ReadAt for &[u8] {
    type Error = BehindTheEnd;

    fn length(&self) -> u64 {
        self.len() as u64
    }

    fn read_at(&mut self, offset: u64, out: &mut [u8]) -> Result<(), BehindTheEnd> {
        let from = usize::try_from(offset).map_err(|_| BehindTheEnd)?;
        let to = from.checked_add(out.len()).ok_or(BehindTheEnd)?;
        out.copy_from_slice(self.get(from..to).ok_or(BehindTheEnd)?);
        Ok(())
    }
}

/// Read behind the end of bytes in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("behind the end")]
pub struct BehindTheEnd;

/// Why an image cannot be read. Every variant says where.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReaderError<E> {
    /// The file could not be read.
    #[error("reading at offset {offset} failed")]
    File {
        /// Where, in bytes.
        offset: u64,
        /// What the file said.
        source: E,
    },
    /// The file ends before what should be there.
    #[error("the {what} at offset {offset} lies behind the end of the file ({length} bytes)")]
    Truncated {
        /// What is missing.
        what: &'static str,
        /// Where it should be, in bytes.
        offset: u64,
        /// Length of the file, in bytes.
        length: u64,
    },
    /// The file is of another kind.
    #[error("not a {format} file (offset {offset})")]
    Format {
        /// What it should be.
        format: &'static str,
        /// Where that would be said, in bytes.
        offset: u64,
    },
    /// A field has a value that cannot be right, or that this reader does not know.
    #[error("unsupported {field} {value:#x} at offset {offset}")]
    Unsupported {
        /// What the field means.
        field: &'static str,
        /// Where it lies, in bytes.
        offset: u64,
        /// Its value.
        value: u64,
    },
    /// A checksum does not match.
    #[error("the checksum of the {what} at offset {offset} does not match")]
    Checksum {
        /// What it covers.
        what: &'static str,
        /// Where that begins, in bytes.
        offset: u64,
    },
    /// Compressed bytes do not decompress to what should be there.
    #[error("the compressed data at offset {offset} is damaged")]
    Compressed {
        /// Where it begins, in bytes.
        offset: u64,
    },
    /// A guest offset behind the end of the disk.
    #[error("offset {0} lies behind the end of the disk")]
    OutOfRange(u64),
}

impl<E> ReaderError<E> {
    /// The same, with offsets from the start of a file in which the image begins at `by`.
    #[must_use]
    pub fn moved(self, by: u64) -> Self {
        let at = |offset: u64| offset.saturating_add(by);
        match self {
            Self::File { offset, source } => Self::File { offset: at(offset), source },
            Self::Truncated { what, offset, length } => {
                Self::Truncated { what, offset: at(offset), length: at(length) }
            }
            Self::Format { format, offset } => Self::Format { format, offset: at(offset) },
            Self::Unsupported { field, offset, value } => {
                Self::Unsupported { field, offset: at(offset), value }
            }
            Self::Checksum { what, offset } => Self::Checksum { what, offset: at(offset) },
            Self::Compressed { offset } => Self::Compressed { offset: at(offset) },
            Self::OutOfRange(guest) => Self::OutOfRange(guest),
        }
    }
}

/// Why an image could not be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WriteError<R, W> {
    /// The disk could not be read.
    #[error("reading the disk failed")]
    Read(#[source] R),
    /// The file could not be written.
    #[error("writing at offset {offset} failed")]
    Write {
        /// Where, in bytes.
        offset: u64,
        /// What the file said.
        source: W,
    },
    /// The format has no room for a disk of this size.
    #[error("a disk of {length} bytes: {format} takes whole sectors up to {most} bytes")]
    Size {
        /// Which format.
        format: &'static str,
        /// Size of the disk, in bytes.
        length: u64,
        /// The largest it can hold, in bytes.
        most: u64,
    },
}

/// Fills `out` from `offset`, after a look at the length of the file.
pub(crate) fn fetch<F: ReadAt>(
    file: &mut F,
    what: &'static str,
    offset: u64,
    out: &mut [u8],
) -> Result<(), ReaderError<F::Error>> {
    let length = file.length();
    if offset.checked_add(out.len() as u64).is_none_or(|end| end > length) {
        return Err(ReaderError::Truncated { what, offset, length });
    }
    file.read_at(offset, out).map_err(|source| ReaderError::File { offset, source })
}

/// Fills `out` from `at` of a disk of `length` bytes that lies in blocks of `block` bytes: `read` is given, block by block,
/// the address, how far inside of its block that is, and the piece to fill.
pub(crate) fn in_blocks<E>(
    length: u64,
    block: u64,
    at: u64,
    out: &mut [u8],
    mut read: impl FnMut(u64, u64, &mut [u8]) -> Result<(), ReaderError<E>>,
) -> Result<(), ReaderError<E>> {
    if at.checked_add(out.len() as u64).is_none_or(|end| end > length) {
        return Err(ReaderError::OutOfRange(at));
    }
    let mut at = at;
    let mut rest = out;
    while !rest.is_empty() {
        let inside = at % block;
        let room = usize::try_from(block.saturating_sub(inside)).unwrap_or(usize::MAX);
        let (piece, tail) = rest.split_at_mut(room.min(rest.len()));
        read(at, inside, piece)?;
        at = at.saturating_add(piece.len() as u64);
        rest = tail;
    }
    Ok(())
}

/// The first range of a disk of `length` bytes, which begins where `file` does, that is not a hole.
pub(crate) fn file_data<F: ReadAt>(
    file: &mut F,
    at: u64,
    length: u64,
) -> Result<Option<Range<u64>>, ReaderError<F::Error>> {
    if at >= length {
        return Ok(None);
    }
    let found = file.next_data(at).map_err(|source| ReaderError::File { offset: at, source })?;
    Ok(found.map(|range| range.start.max(at)..range.end.min(length)).filter(|range| !range.is_empty()))
}

/// A file under a writer, with the errors of [`WriteError`].
pub(crate) struct Target<'a, W>(pub(crate) &'a mut W);

impl<W: WriteAt> Target<'_, W> {
    pub(crate) fn put<R>(&mut self, offset: u64, bytes: &[u8]) -> Result<(), WriteError<R, W::Error>> {
        self.0.write_at(offset, bytes).map_err(|source| WriteError::Write { offset, source })
    }

    pub(crate) fn end_at<R>(&mut self, length: u64) -> Result<(), WriteError<R, W::Error>> {
        self.0.set_length(length).map_err(|source| WriteError::Write { offset: length, source })
    }
}

/// Is this a size that the format can hold?
pub(crate) fn check_size<R, W>(format: &'static str, length: u64, most: u64) -> Result<(), WriteError<R, W>> {
    if length == 0 || !length.is_multiple_of(512) || length > most {
        return Err(WriteError::Size { format, length, most });
    }
    Ok(())
}

/// `N` bytes at `at`; zeros if they are not there, which the fixed sizes of our buffers rule out.
pub(crate) fn array<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
    bytes.get(at..).and_then(<[u8]>::first_chunk).copied().unwrap_or([0; N])
}
