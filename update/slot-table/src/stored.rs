//! The four copies: reading the newest, replacing the one that matters least.

use core::fmt;

use evener_disk::{Blocks, Lba, SECTOR, SECTORS_PER_MIB};

use crate::{RecordError, SlotTable};

/// Copies of the record; copy `n` is the first sector of MiB `n` of the partition.
pub const COPIES: usize = 4;

/// What was found in one copy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CopyState {
    /// A whole record with this sequence number.
    Valid(u64),
    /// Not a record.
    Invalid(RecordError),
    /// The device failed to read it.
    Unreadable,
}

impl CopyState {
    fn seq(self) -> Option<u64> {
        match self {
            Self::Valid(seq) => Some(seq),
            Self::Invalid(_) | Self::Unreadable => None,
        }
    }
}

/// What [`load`] found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Loaded {
    /// The valid record with the highest sequence number.
    pub table: Option<SlotTable>,
    /// The state of each copy.
    pub copies: [CopyState; COPIES],
}

impl Loaded {
    /// Whether there is no record on the disk, as opposed to one that could not be read this time. Only
    /// then may a [derived](SlotTable::derive) one be stored.
    #[must_use]
    pub fn is_lost(&self) -> bool {
        self.table.is_none() && !self.copies.contains(&CopyState::Unreadable)
    }
}

/// Why a record was not stored. The number is stable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StoreError {
    /// Every copy that may be overwritten refused the write, or did not read back as written.
    Device = 1,
    /// The partition is smaller than four copies.
    TooSmall = 2,
    /// The sequence number cannot grow.
    Sequence = 3,
    /// The disk has a newer record than the one that was loaded and changed.
    Stale = 4,
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Device => "the slot table could not be written",
            Self::TooSmall => "the slot table's partition is too small",
            Self::Sequence => "the slot table's sequence number is exhausted",
            Self::Stale => "the slot table on the disk is newer than the one that was changed",
        })
    }
}

impl core::error::Error for StoreError {}

/// Reads all copies of the partition and takes the newest valid one. Writes nothing.
pub fn load<B: Blocks>(partition: &mut B) -> Loaded {
    let mut copies = [CopyState::Unreadable; COPIES];
    let mut table: Option<SlotTable> = None;
    for (index, copy) in copies.iter_mut().enumerate() {
        let mut sector = [0; SECTOR];
        if partition.read(place(index), &mut sector).is_err() {
            continue;
        }
        *copy = match SlotTable::decode(&sector) {
            Ok(found) => {
                let seq = found.seq;
                if table.as_ref().is_none_or(|newest| found.seq > newest.seq) {
                    table = Some(found);
                }
                CopyState::Valid(seq)
            }
            Err(fault) => CopyState::Invalid(fault),
        };
    }
    Loaded { table, copies }
}

/// Writes `table` as the newest record, durable when this returns; sets `table.seq`.
///
/// An invalid copy is overwritten first, else the oldest; the newest valid copy never. When a copy does not
/// take the write or reads back differently, the next one is tried.
///
/// `table` is the loaded record with its `seq`, changed; one that was derived has 0. If the disk has a newer one
/// by now, it was written by somebody else or could not be read before: nothing is written then.
///
/// # Errors
/// [`StoreError`]. The record that was newest before is still there then; the new one may be as well.
pub fn store<B: Blocks>(partition: &mut B, table: &mut SlotTable) -> Result<(), StoreError> {
    if partition.sectors() < (COPIES as u64).saturating_mul(SECTORS_PER_MIB) {
        return Err(StoreError::TooSmall);
    }
    let copies = load(partition).copies;
    let newest = copies.iter().enumerate().filter_map(|(index, copy)| Some((copy.seq()?, index))).max();
    if newest.is_some_and(|(seq, _)| seq > table.seq) {
        return Err(StoreError::Stale);
    }
    let seq = table.seq.checked_add(1).ok_or(StoreError::Sequence)?;
    table.seq = seq;
    let sector = table.encode();
    let mut tried = [false; COPIES];
    while let Some(index) = least_valuable(&copies, newest.map(|(_, index)| index), &tried) {
        if let Some(mark) = tried.get_mut(index) {
            *mark = true;
        }
        if write_copy(partition, place(index), &sector) {
            return Ok(());
        }
    }
    Err(StoreError::Device)
}

/// The untried copy to overwrite: unreadable ones last, then by sequence, where invalid counts as oldest.
fn least_valuable(
    copies: &[CopyState; COPIES],
    newest: Option<usize>,
    tried: &[bool; COPIES],
) -> Option<usize> {
    let rank = |copy: &CopyState| {
        (matches!(copy, CopyState::Unreadable), copy.seq().map_or(0, |seq| seq.saturating_add(1)))
    };
    copies
        .iter()
        .zip(tried)
        .enumerate()
        .filter(|(index, (_, tried))| !**tried && Some(*index) != newest)
        .min_by_key(|(_, (copy, _))| rank(copy))
        .map(|(index, _)| index)
}

fn write_copy<B: Blocks>(partition: &mut B, at: Lba, sector: &[u8; SECTOR]) -> bool {
    let mut back = [0; SECTOR];
    partition.write(at, sector).is_ok()
        && partition.flush().is_ok()
        && partition.read(at, &mut back).is_ok()
        && back == *sector
}

fn place(index: usize) -> Lba {
    Lba(u64::try_from(index).unwrap_or(u64::MAX).saturating_mul(SECTORS_PER_MIB))
}

#[cfg(test)]
mod tests;
