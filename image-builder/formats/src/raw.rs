//! The bytes of a disk, and nothing else; holes where it is empty.

use std::ops::Range;

use crate::image::{Disk, ReadAt, ReaderError, Target, WriteAt, WriteError, check_size, fetch, file_data};
use crate::survey::{CLUSTER, CLUSTER_BYTES, Survey, read_cluster};

/// What a file can have.
const MOST: u64 = i64::MAX as u64 >> 9 << 9;

/// Writes `disk`, and gives the length of the file in bytes.
///
/// # Errors
/// [`WriteError`].
pub fn write<D: Disk, W: WriteAt>(
    disk: &mut D,
    survey: &Survey,
    file: &mut W,
) -> Result<u64, WriteError<D::Error, W::Error>> {
    check_size("raw", survey.length(), MOST)?;
    let mut file = Target(file);
    let mut buffer = vec![0; CLUSTER_BYTES];
    for number in survey.clusters() {
        let content = read_cluster(disk, number, &mut buffer).map_err(WriteError::Read)?;
        file.put(number.saturating_mul(CLUSTER), content)?;
    }
    file.end_at(survey.length())?;
    Ok(survey.length())
}

/// A raw image.
#[derive(Debug)]
pub struct Reader<F>(F);

impl<F: ReadAt> Reader<F> {
    /// Every file is one.
    pub fn new(file: F) -> Self {
        Self(file)
    }
}

impl<F: ReadAt> Disk for Reader<F> {
    type Error = ReaderError<F::Error>;

    fn length(&self) -> u64 {
        self.0.length()
    }

    fn read(&mut self, at: u64, out: &mut [u8]) -> Result<(), Self::Error> {
        if at.checked_add(out.len() as u64).is_none_or(|end| end > self.0.length()) {
            return Err(ReaderError::OutOfRange(at));
        }
        fetch(&mut self.0, "content", at, out)
    }

    fn next_data(&mut self, at: u64) -> Result<Option<Range<u64>>, Self::Error> {
        let length = self.0.length();
        file_data(&mut self.0, at, length)
    }
}
