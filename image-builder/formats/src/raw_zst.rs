//! A raw disk under zstd: the smallest file to send somewhere.
//!
//! One frame that states the disk's size and carries a checksum of it, so `zstd -d`, and every tool that takes
//! `raw.zst`, unpacks it. A frame can only be read from front to back, so the reader here writes the disk, with holes,
//! to a file that the caller gives it.
//!
//! The compressor is the reference one; its output for a level depends on its version alone, which `Cargo.lock` pins.

use std::io::{self, BufReader, Read, Write};

use zstd::stream::read::Decoder;
use zstd::stream::write::Encoder;

use crate::image::{Disk, Target, WriteAt, WriteError, check_size};
use crate::survey::{CLUSTER, CLUSTER_BYTES, Survey, ZEROS, is_zero, read_cluster};

/// The first four bytes of a frame.
pub const MAGIC: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];
/// The largest disk that is unpacked, in bytes: what a BIOS can address.
pub const MOST: u64 = 2 << 40;

/// zstd's default. Kernel and root file system are compressed already: level 19 takes 27 times as long for 0.8 % less.
const LEVEL: i32 = 3;
/// What a frame may ask for to be unpacked, as a power of two: 128 MiB, zstd's own limit.
const WINDOW_LOG: u32 = 27;

/// Why a packed disk was not unpacked.
#[derive(Debug, thiserror::Error)]
pub enum UnpackError<W> {
    /// The packed file could not be read, or is damaged.
    #[error("unpacking failed at or before offset {offset}")]
    Packed {
        /// How far the packed file was read, in bytes.
        offset: u64,
        /// What was wrong.
        source: io::Error,
    },
    /// More comes out than a disk can have.
    #[error("more than {MOST} bytes are packed at or before offset {offset}")]
    TooLarge {
        /// How far the packed file was read, in bytes.
        offset: u64,
    },
    /// The disk could not be written.
    #[error("writing the disk at offset {offset} failed")]
    Write {
        /// Where, in bytes.
        offset: u64,
        /// What the file said.
        source: W,
    },
}

/// Writes `disk`, and gives the length of the file in bytes.
///
/// # Errors
/// [`WriteError`]; the compressor's own errors come as those of the file.
pub fn write<D: Disk, W: WriteAt<Error = io::Error>>(
    disk: &mut D,
    survey: &Survey,
    file: &mut W,
) -> Result<u64, WriteError<D::Error, io::Error>> {
    check_size("raw.zst", survey.length(), MOST)?;
    let mut front = Front { file, at: 0 };
    let packed = pack(disk, survey, &mut front);
    let end = front.at;
    match packed {
        Ok(()) => {}
        Err(Packing::Disk(error)) => return Err(WriteError::Read(error)),
        Err(Packing::File(source)) => return Err(WriteError::Write { offset: end, source }),
    }
    Target(file).end_at(end)?;
    Ok(end)
}

enum Packing<R> {
    Disk(R),
    File(io::Error),
}

impl<R> From<io::Error> for Packing<R> {
    fn from(error: io::Error) -> Self {
        Self::File(error)
    }
}

fn pack<D: Disk, W: WriteAt<Error = io::Error>>(
    disk: &mut D,
    survey: &Survey,
    file: &mut Front<'_, W>,
) -> Result<(), Packing<D::Error>> {
    let mut encoder = Encoder::new(file, LEVEL)?;
    encoder.include_checksum(true)?;
    encoder.set_pledged_src_size(Some(survey.length()))?;
    let mut buffer = vec![0; CLUSTER_BYTES];
    let mut next = 0;
    for number in survey.clusters() {
        let here = number.saturating_mul(CLUSTER);
        zeros(&mut encoder, here.saturating_sub(next))?;
        let content = read_cluster(disk, number, &mut buffer).map_err(Packing::Disk)?;
        encoder.write_all(content)?;
        next = here.saturating_add(content.len() as u64);
    }
    zeros(&mut encoder, survey.length().saturating_sub(next))?;
    encoder.finish()?;
    Ok(())
}

fn zeros(to: &mut impl Write, mut count: u64) -> io::Result<()> {
    while count > 0 {
        let piece = usize::try_from(count).unwrap_or(usize::MAX).min(CLUSTER_BYTES);
        to.write_all(ZEROS.get(..piece).unwrap_or_default())?;
        count = count.saturating_sub(piece as u64);
    }
    Ok(())
}

/// A file that is written from front to back.
struct Front<'a, W> {
    file: &'a mut W,
    at: u64,
}

impl<W: WriteAt<Error = io::Error>> Write for Front<'_, W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write_at(self.at, bytes)?;
        self.at = self.at.saturating_add(bytes.len() as u64);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Unpacks all frames of `packed` into `disk`, leaving holes where there are zeros; gives its length in bytes.
///
/// # Errors
/// [`UnpackError`]. What was written until then is no whole disk.
pub fn unpack<W: WriteAt>(packed: impl Read, disk: &mut W) -> Result<u64, UnpackError<W::Error>> {
    let mut counted = Counted { inner: packed, read: 0 };
    let mut decoder = match Decoder::with_buffer(BufReader::with_capacity(CLUSTER_BYTES, &mut counted)) {
        Ok(decoder) => decoder,
        Err(source) => return Err(UnpackError::Packed { offset: 0, source }),
    };
    if let Err(source) = decoder.window_log_max(WINDOW_LOG) {
        return Err(UnpackError::Packed { offset: 0, source });
    }
    let mut buffer = vec![0; CLUSTER_BYTES];
    let mut at = 0_u64;
    loop {
        let filled = fill(&mut decoder, &mut buffer);
        let offset = decoder.get_ref().get_ref().read;
        let filled = filled.map_err(|source| UnpackError::Packed { offset, source })?;
        let piece = buffer.get(..filled).unwrap_or_default();
        if at.saturating_add(filled as u64) > MOST {
            return Err(UnpackError::TooLarge { offset });
        }
        if !is_zero(piece) {
            disk.write_at(at, piece).map_err(|source| UnpackError::Write { offset: at, source })?;
        }
        at = at.saturating_add(filled as u64);
        if filled < buffer.len() {
            break;
        }
    }
    disk.set_length(at).map_err(|source| UnpackError::Write { offset: at, source })?;
    Ok(at)
}

/// Fills `buffer` as far as there is something.
fn fill(from: &mut impl Read, buffer: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while let Some(rest) = buffer.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        match from.read(rest) {
            Ok(0) => break,
            Ok(read) => filled = filled.saturating_add(read),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

/// Says how far a file was read.
struct Counted<R> {
    inner: R,
    read: u64,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(out)?;
        self.read = self.read.saturating_add(read as u64);
        Ok(read)
    }
}
