//! The second copy: the last generations in the raw sectors of the `conf` partition.
//!
//! The file system of `data` is the one part of the disk that can need repair, and a data partition that will
//! not mount is set aside; then the configuration comes back from here. No file system, four places of equal
//! size, each with one record; a new one goes over the oldest, so a torn write costs nothing that counts. Two are spared:
//! the newest that this firmware can read, and the newest of an earlier format, which the firmware in the other slot may
//! need. The largest configuration that validation lets through fits into a place of an 8 MiB partition.
//!
//! ```text
//! place n, at n × size/4     0        8          16
//!                            +--------+----------+----------------------+
//!                            | magic  | length   | zeros to 512         |
//!                            +--------+----------+----------------------+
//!                            512: the record, the bytes of its file
//! last sector of the partition: the mark of a factory reset (`reset.rs`)
//! ```

use crate::record::{self, Digest, Record, Unreadable};
use evener_disk::{Blocks, Lba, SECTOR};
use std::fmt;

/// Records that are kept.
const PLACES: u64 = 4;
const MAGIC: &[u8; 8] = b"EVNCONF1";

/// Why the second copy could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum ConfError {
    /// The partition has no room for four places.
    #[error("the conf partition has {sectors} sectors, too few")]
    Small {
        /// What it has.
        sectors: u64,
    },
    /// The record is larger than a place.
    #[error("generation {generation} has {bytes} bytes, more than its place in the conf partition")]
    NoRoom {
        /// Which.
        generation: u64,
        /// Its size.
        bytes: usize,
    },
    /// The device failed.
    #[error("the conf partition cannot be {doing}: {reason}")]
    Device {
        /// `read`, `written` or `erased`.
        doing: &'static str,
        /// The device's own words.
        reason: String,
    },
}

/// The records on the `conf` partition.
#[derive(Debug)]
pub struct Copies<B> {
    device: B,
    /// Sectors of one place.
    size: u64,
    /// What is in each place.
    held: Vec<Held>,
    /// The newest format that is read, and the one that is written.
    format: u16,
}

/// What a place holds: generation and format of a whole record, also of one that only a newer firmware can read; zeros
/// for none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Held {
    generation: u64,
    format: u32,
}

impl<B: Blocks> Copies<B> {
    /// Reads the places and gives the newest valid record, if any. Places that hold something else count as
    /// empty: that is what they are on a new disk, and what a power cut may leave of the oldest.
    ///
    /// # Errors
    /// [`ConfError::Small`]; a place that cannot be read counts as empty.
    pub fn open(device: B) -> Result<(Self, Option<(Record, Digest)>), ConfError> {
        Self::open_in(record::FORMAT, device)
    }

    /// As [`Copies::open`], by a firmware of another format.
    pub(crate) fn open_in(format: u16, device: B) -> Result<(Self, Option<(Record, Digest)>), ConfError> {
        let sectors = device.sectors();
        let size = sectors / PLACES;
        if size < 3 {
            return Err(ConfError::Small { sectors });
        }
        let mut copies = Self { device, size, held: Vec::new(), format };
        let mut newest: Option<(Record, Digest)> = None;
        for place in 0..PLACES {
            let (held, found) = match copies.read(place) {
                Some(Ok(found)) => {
                    let (generation, format) = (found.0.generation, found.0.format());
                    (Held { generation, format }, Some(found))
                }
                Some(Err(Unreadable::Newer { format, generation })) => (Held { generation, format }, None),
                Some(Err(Unreadable::Damaged(_))) | None => (Held::default(), None),
            };
            copies.held.push(held);
            if let Some(found) = found
                && newest.as_ref().is_none_or(|(newest, _)| newest.generation < found.0.generation)
            {
                newest = Some(found);
            }
        }
        Ok((copies, newest))
    }

    /// Highest generation held, 0 for none.
    pub(crate) fn highest(&self) -> u64 {
        self.held.iter().map(|held| held.generation).max().unwrap_or(0)
    }

    /// Whether this generation is held.
    pub(crate) fn holds(&self, generation: u64) -> bool {
        self.held.iter().any(|held| held.generation == generation)
    }

    /// The newest record of a format up to this one.
    pub(crate) fn newest_up_to(&mut self, format: u16) -> Option<Record> {
        let generation = self.newest(|held| held.format <= u32::from(format.min(self.format)))?;
        let place = self.held.iter().position(|held| held.generation == generation)?;
        Some(self.read(u64::try_from(place).ok()?)?.ok()?.0)
    }

    /// The newest generation among those that are held and fit.
    fn newest(&self, fits: impl Fn(&Held) -> bool) -> Option<u64> {
        let fitting = self.held.iter().filter(|held| held.generation > 0 && fits(held));
        fitting.map(|held| held.generation).max()
    }

    /// Writes a record over the oldest; it is durable when this returns.
    ///
    /// # Errors
    /// [`ConfError::NoRoom`], [`ConfError::Device`]; the other records are as they were.
    pub(crate) fn write(&mut self, generation: u64, record: &[u8]) -> Result<(), ConfError> {
        // Without the header, and without the last sector: that of the last place is for the mark of a reset.
        let room = usize::try_from(self.size).unwrap_or(usize::MAX).saturating_sub(2).saturating_mul(SECTOR);
        if record.len() > room {
            return Err(ConfError::NoRoom { generation, bytes: record.len() });
        }
        let format = u32::from(self.format);
        let spared = [self.newest(|held| held.format <= format), self.newest(|held| held.format < format)];
        let places = (0..).zip(&mut self.held).filter(|(_, held)| !spared.contains(&Some(held.generation)));
        let Some((place, held)) = places.min_by_key(|(_, held)| held.generation) else { return Ok(()) };
        *held = Held::default();
        let mut bytes = Vec::with_capacity((record.len().div_ceil(SECTOR) + 1) * SECTOR);
        bytes.extend_from_slice(MAGIC);
        bytes.extend_from_slice(&u64::try_from(record.len()).unwrap_or(u64::MAX).to_le_bytes());
        bytes.resize(SECTOR, 0);
        bytes.extend_from_slice(record);
        bytes.resize(bytes.len().next_multiple_of(SECTOR), 0);
        self.device.write(Lba(place * self.size), &bytes).map_err(|error| failed("written", &error))?;
        self.device.flush().map_err(|error| failed("written", &error))?;
        *held = Held { generation, format };
        Ok(())
    }

    /// The record in a place; `None` where there is no such thing.
    fn read(&mut self, place: u64) -> Option<Result<(Record, Digest), Unreadable>> {
        let at = place * self.size;
        let mut header = [0; SECTOR];
        self.device.read(Lba(at), &mut header).ok()?;
        let (magic, rest) = header.split_first_chunk::<8>()?;
        let length = u64::from_le_bytes(*rest.first_chunk()?);
        if magic != MAGIC || length.div_ceil(512) >= self.size {
            return None;
        }
        let length = usize::try_from(length).ok()?;
        let mut bytes = vec![0; length.next_multiple_of(SECTOR)];
        self.device.read(Lba(at + 1), &mut bytes).ok()?;
        Some(record::decode(bytes.get(..length)?, self.format))
    }
}

pub(crate) fn failed(doing: &'static str, error: &impl fmt::Debug) -> ConfError {
    ConfError::Device { doing, reason: format!("{error:?}") }
}

#[cfg(test)]
mod tests;
