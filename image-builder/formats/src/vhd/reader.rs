//! Reads a fixed VHD.

use std::ops::Range;

use super::{AT_CHECKSUM, FIXED, FOOTER_BYTES, MAGIC, MOST, checksum};
use crate::image::{Disk, ReadAt, ReaderError, array, fetch, file_data};

/// A fixed VHD, opened.
#[derive(Debug)]
pub struct Reader<F> {
    file: F,
    length: u64,
}

impl<F: ReadAt> Reader<F> {
    /// Reads and checks the footer.
    ///
    /// # Errors
    /// [`ReaderError`] naming the field and its offset; dynamic and differencing disks are not supported.
    pub fn open(mut file: F) -> Result<Self, ReaderError<F::Error>> {
        let mut footer = [0; FOOTER_BYTES];
        let start = file.length().saturating_sub(FOOTER_BYTES as u64);
        fetch(&mut file, "footer", start, &mut footer)?;
        let at = |field: u64| start.saturating_add(field);
        if !footer.starts_with(MAGIC) {
            return Err(ReaderError::Format { format: "VHD", offset: start });
        }
        if checksum(&footer) != u32::from_be_bytes(array(&footer, AT_CHECKSUM)) {
            return Err(ReaderError::Checksum { what: "footer", offset: start });
        }
        let kind = u32::from_be_bytes(array(&footer, 60));
        let version = u32::from_be_bytes(array(&footer, 12));
        let length = u64::from_be_bytes(array(&footer, 48));
        let checks = [
            ("version", 12, u64::from(version), version >> 16 == 1),
            ("kind of VHD", 60, u64::from(kind), kind == FIXED),
            ("disk size", 48, length, length > 0 && length.is_multiple_of(512) && length <= MOST.min(start)),
        ];
        for (field, offset, value, good) in checks {
            if !good {
                return Err(ReaderError::Unsupported { field, offset: at(offset), value });
            }
        }
        Ok(Self { file, length })
    }
}

impl<F: ReadAt> Disk for Reader<F> {
    type Error = ReaderError<F::Error>;

    fn length(&self) -> u64 {
        self.length
    }

    fn read(&mut self, at: u64, out: &mut [u8]) -> Result<(), Self::Error> {
        if at.checked_add(out.len() as u64).is_none_or(|end| end > self.length) {
            return Err(ReaderError::OutOfRange(at));
        }
        fetch(&mut self.file, "content", at, out)
    }

    fn next_data(&mut self, at: u64) -> Result<Option<Range<u64>>, Self::Error> {
        file_data(&mut self.file, at, self.length)
    }
}
