//! One record: 512 bytes, little-endian.
//!
//! ```text
//! offset size field
//!      0    8 magic "EVENERST"
//!      8    2 format, 1
//!     10    2 flags, bit 0: degraded
//!     12    4 reserved, written as zero and ignored, as are all reserved bytes
//!     16    8 sequence number; the highest valid copy counts
//!     24    8 floor, four u16
//!     32    1 next boot only: 0 none, 1 A, 2 B, 3 R
//!     33    1 boots without health, of the confirmed firmware
//!     34    6 reserved
//!     40   48 last failure: slot u8 (0 none, else 1..=3), reserved u8, reason u16, reserved u32, manifest digest [32],
//!             reserved [8]
//!     88  144 slots A, B, R, 48 bytes each: state u8, priority u8, tries u8, reserved [5], version [8],
//!             manifest digest [32]
//!    232    1 loader on trial: boots left to it
//!    233    7 reserved
//!    240   32 SHA-256 of that loader; all zero: none is on trial
//!    272  236 reserved
//!    508    4 CRC-32C of bytes 0..508
//! ```

use core::fmt;

use crc::{CRC_32_ISCSI, Crc};
use evener_disk::field::{array, put, u8_at, u16_at, u32_at, u64_at};
use evener_disk::{SECTOR, Slot};
use evener_manifest::Version;

/// Boots a firmware on trial gets before the confirmed one is used again.
pub const TRIES: u8 = 3;

const MAGIC: &[u8; 8] = b"EVENERST";
const FORMAT: u16 = 1;
const FLAG_DEGRADED: u16 = 1;
const AT_FLAGS: usize = 10;
const AT_SEQ: usize = 16;
const AT_FLOOR: usize = 24;
const AT_NEXT: usize = 32;
const AT_BOOTS: usize = 33;
const AT_FAILURE: usize = 40;
const AT_SLOTS: usize = 88;
const SLOT_BYTES: usize = 48;
const AT_LOADER_TRIES: usize = 232;
const AT_LOADER: usize = 240;
const AT_CRC: usize = SECTOR - 4;
const CRC32C: Crc<u32> = Crc::<u32>::new(&CRC_32_ISCSI);

/// What is known about the firmware in a slot. The number is stored.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SlotState {
    /// Nothing that may boot; also while an installation is writing.
    #[default]
    Empty = 0,
    /// Installed, not confirmed: has a few tries.
    Trial = 1,
    /// Has run healthily on this unit.
    Confirmed = 2,
    /// Black-listed after panic, watchdog or health failure.
    Bad = 3,
}

impl fmt::Display for SlotState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Empty => "empty",
            Self::Trial => "trial",
            Self::Confirmed => "confirmed",
            Self::Bad => "bad",
        })
    }
}

/// What the table says about one slot.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SlotRecord {
    /// What is known about its firmware.
    pub state: SlotState,
    /// The higher one of two confirmed slots is booted; on a tie A.
    pub priority: u8,
    /// Boots left while on trial, 0..=[`TRIES`]; 0 otherwise.
    pub tries: u8,
    /// The firmware's version, to show it without reading the slot.
    pub version: Version,
    /// SHA-256 of the manifest that this record is about; another one in the slot is refused.
    pub digest: [u8; 32],
}

/// Why a firmware was given up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FailureReason {
    /// A firmware on trial used up its tries without being confirmed.
    TriesExhausted,
    /// A confirmed firmware was booted too often without becoming healthy.
    NoHealth,
    /// It ran, and its health check failed.
    HealthCheck,
    /// The kernel panicked.
    Panic,
    /// The watchdog reset the unit.
    Watchdog,
    /// The loader refused it with this `E` code.
    Refused(u8),
    /// A reason written by a program that is newer than this one.
    Other(u16),
}

impl FailureReason {
    const REFUSED: u16 = 0x0100;

    fn number(self) -> u16 {
        match self {
            Self::TriesExhausted => 1,
            Self::NoHealth => 2,
            Self::HealthCheck => 3,
            Self::Panic => 4,
            Self::Watchdog => 5,
            Self::Refused(code) => Self::REFUSED | u16::from(code),
            Self::Other(number) => number,
        }
    }

    fn from_number(number: u16) -> Self {
        let [low, high] = number.to_le_bytes();
        match (high, low) {
            (0, 1) => Self::TriesExhausted,
            (0, 2) => Self::NoHealth,
            (0, 3) => Self::HealthCheck,
            (0, 4) => Self::Panic,
            (0, 5) => Self::Watchdog,
            (1, code) => Self::Refused(code),
            _ => Self::Other(number),
        }
    }
}

impl fmt::Display for FailureReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TriesExhausted => f.write_str("used up its tries without being confirmed"),
            Self::NoHealth => f.write_str("was booted too often without becoming healthy"),
            Self::HealthCheck => f.write_str("ran, but failed its health check"),
            Self::Panic => f.write_str("its kernel panicked"),
            Self::Watchdog => f.write_str("hung, and the watchdog reset the unit"),
            Self::Refused(code) => write!(f, "was refused by the loader with E{code:02}"),
            Self::Other(number) => write!(f, "failed for reason {number}, which this firmware does not know"),
        }
    }
}

/// The last firmware that was given up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Failure {
    /// Where it was.
    pub slot: Slot,
    /// Its manifest's SHA-256, so that the updater does not install it again unasked.
    pub digest: [u8; 32],
    /// Why.
    pub reason: FailureReason,
}

/// A loader that was written over the copy that did not boot, and is to be booted through before it may replace the
/// other copy as well.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LoaderTrial {
    /// SHA-256 of the loader as the manifest that brought it states it.
    pub digest: [u8; 32],
    /// Times that the installed loader still starts it, 0..=[`TRIES`]. With none left it was given up.
    pub tries: u8,
}

/// The whole record.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SlotTable {
    /// Number of this record; [`crate::store`] raises it.
    pub seq: u64,
    /// A, B, R; use [`SlotTable::slot`].
    pub slots: [SlotRecord; 3],
    /// The lowest version that this unit may run.
    pub floor: Version,
    /// Boots of the confirmed firmware since it was last healthy; health clears it.
    pub boots_without_health: u8,
    /// Boot this slot once; the loader clears it in its counting write.
    pub next: Option<Slot>,
    /// The last firmware that was given up.
    pub last_failure: Option<Failure>,
    /// The loader on trial.
    pub loader: Option<LoaderTrial>,
    /// The record was lost and derived from manifests: the floor may be lower than it was.
    pub degraded: bool,
}

/// Why a sector is not a record. The number is stable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RecordError {
    /// All zero: never written.
    Blank = 1,
    /// Wrong magic.
    Magic = 2,
    /// Torn or damaged.
    Checksum = 3,
    /// A format this program does not know.
    Format = 4,
    /// A field has a value that no writer gives it.
    Field = 5,
}

impl fmt::Display for RecordError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Blank => "never written",
            Self::Magic => "not a slot table",
            Self::Checksum => "checksum is wrong",
            Self::Format => "format is not known",
            Self::Field => "a field is invalid",
        })
    }
}

impl core::error::Error for RecordError {}

impl SlotTable {
    /// The record of one slot.
    #[must_use]
    pub fn slot(&self, slot: Slot) -> &SlotRecord {
        slot.of(&self.slots)
    }

    /// The record of one slot, to change it.
    pub fn slot_mut(&mut self, slot: Slot) -> &mut SlotRecord {
        slot.of_mut(&mut self.slots)
    }

    /// An orderly reboot gives back what the boot of `slot` was charged: only crashes and hangs count. Rescue is
    /// not charged, so it has nothing to get back.
    pub fn give_back(&mut self, slot: Slot) {
        let record = self.slot_mut(slot);
        if record.state == SlotState::Trial {
            record.tries = record.tries.saturating_add(1).min(TRIES);
        } else if slot != Slot::R {
            self.boots_without_health = self.boots_without_health.saturating_sub(1);
        }
    }

    /// The sector that holds this record.
    #[must_use]
    pub fn encode(&self) -> [u8; SECTOR] {
        let mut sector = [0; SECTOR];
        put(&mut sector, 0, MAGIC);
        put(&mut sector, 8, &FORMAT.to_le_bytes());
        put(&mut sector, AT_FLAGS, &(if self.degraded { FLAG_DEGRADED } else { 0 }).to_le_bytes());
        put(&mut sector, AT_SEQ, &self.seq.to_le_bytes());
        self.floor.write(&mut sector, AT_FLOOR);
        put(&mut sector, AT_NEXT, &[self.next.map_or(0, Slot::number), self.boots_without_health]);
        if let Some(failure) = &self.last_failure {
            put(&mut sector, AT_FAILURE, &[failure.slot.number()]);
            put(&mut sector, AT_FAILURE + 2, &failure.reason.number().to_le_bytes());
            put(&mut sector, AT_FAILURE + 8, &failure.digest);
        }
        for (index, record) in self.slots.iter().enumerate() {
            let at = slot_offset(index);
            put(&mut sector, at, &[record.state as u8, record.priority, record.tries]);
            record.version.write(&mut sector, at.saturating_add(8));
            put(&mut sector, at.saturating_add(16), &record.digest);
        }
        if let Some(loader) = &self.loader {
            put(&mut sector, AT_LOADER_TRIES, &[loader.tries]);
            put(&mut sector, AT_LOADER, &loader.digest);
        }
        let sum = checksum(&sector);
        put(&mut sector, AT_CRC, &sum.to_le_bytes());
        sector
    }

    /// Reads a record.
    ///
    /// # Errors
    /// [`RecordError`]; the checksum is looked at before any field.
    pub fn decode(sector: &[u8; SECTOR]) -> Result<Self, RecordError> {
        if sector.iter().all(|byte| *byte == 0) {
            return Err(RecordError::Blank);
        }
        if !sector.starts_with(MAGIC) {
            return Err(RecordError::Magic);
        }
        if checksum(sector) != u32_at(sector, AT_CRC) {
            return Err(RecordError::Checksum);
        }
        if u16_at(sector, 8) != FORMAT {
            return Err(RecordError::Format);
        }
        let mut slots = [SlotRecord::default(); 3];
        for (index, record) in slots.iter_mut().enumerate() {
            *record = decode_slot(sector, slot_offset(index))?;
        }
        Ok(Self {
            seq: u64_at(sector, AT_SEQ),
            slots,
            floor: Version::read(sector, AT_FLOOR),
            boots_without_health: u8_at(sector, AT_BOOTS),
            next: decode_slot_number(u8_at(sector, AT_NEXT))?,
            last_failure: decode_slot_number(u8_at(sector, AT_FAILURE))?.map(|slot| Failure {
                slot,
                digest: array(sector, AT_FAILURE + 8).unwrap_or_default(),
                reason: FailureReason::from_number(u16_at(sector, AT_FAILURE + 2)),
            }),
            loader: decode_loader(sector)?,
            degraded: u16_at(sector, AT_FLAGS) & FLAG_DEGRADED != 0,
        })
    }
}

fn slot_offset(index: usize) -> usize {
    AT_SLOTS.saturating_add(index.saturating_mul(SLOT_BYTES))
}

fn checksum(sector: &[u8; SECTOR]) -> u32 {
    CRC32C.checksum(sector.get(..AT_CRC).unwrap_or_default())
}

fn decode_slot_number(number: u8) -> Result<Option<Slot>, RecordError> {
    if number == 0 { Ok(None) } else { Slot::from_number(number).map(Some).ok_or(RecordError::Field) }
}

fn decode_loader(sector: &[u8]) -> Result<Option<LoaderTrial>, RecordError> {
    let tries = u8_at(sector, AT_LOADER_TRIES);
    let digest: [u8; 32] = array(sector, AT_LOADER).unwrap_or_default();
    if tries > TRIES {
        return Err(RecordError::Field);
    }
    Ok((digest != [0; 32]).then_some(LoaderTrial { digest, tries }))
}

fn decode_slot(sector: &[u8], at: usize) -> Result<SlotRecord, RecordError> {
    let state = match u8_at(sector, at) {
        0 => SlotState::Empty,
        1 => SlotState::Trial,
        2 => SlotState::Confirmed,
        3 => SlotState::Bad,
        _ => return Err(RecordError::Field),
    };
    let tries = u8_at(sector, at.saturating_add(2));
    if tries > TRIES {
        return Err(RecordError::Field);
    }
    Ok(SlotRecord {
        state,
        priority: u8_at(sector, at.saturating_add(1)),
        tries,
        version: Version::read(sector, at.saturating_add(8)),
        digest: array(sector, at.saturating_add(16)).unwrap_or_default(),
    })
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn example() -> SlotTable {
        let slot = |state, priority, tries, patch| SlotRecord {
            state,
            priority,
            tries,
            version: Version([1, 2, patch, 0]),
            digest: [u8::try_from(patch).unwrap(); 32],
        };
        SlotTable {
            seq: 41,
            slots: [
                slot(SlotState::Confirmed, 2, 0, 3),
                slot(SlotState::Trial, 3, 2, 4),
                slot(SlotState::Confirmed, 1, 0, 1),
            ],
            floor: Version([1, 2, 0, 0]),
            boots_without_health: 2,
            next: Some(Slot::R),
            last_failure: Some(Failure { slot: Slot::B, digest: [9; 32], reason: FailureReason::Refused(7) }),
            loader: Some(LoaderTrial { digest: [3; 32], tries: 2 }),
            degraded: true,
        }
    }

    #[test]
    fn a_record_survives_the_disk() {
        for table in [
            example(),
            SlotTable::default(),
            SlotTable { next: None, last_failure: None, loader: None, ..example() },
        ] {
            assert_eq!(SlotTable::decode(&table.encode()), Ok(table));
        }
    }

    #[test]
    fn every_failure_reason_survives() {
        for number in (0..0x0210).chain([0x7fff, 0xffff]) {
            assert_eq!(FailureReason::from_number(number).number(), number);
        }
    }

    #[test]
    fn every_flipped_bit_is_noticed() {
        let good = example().encode();
        for bit in 0..SECTOR * 8 {
            let mut bad = good;
            bad[bit / 8] ^= 1 << (bit % 8);
            assert!(SlotTable::decode(&bad).is_err(), "bit {bit}");
        }
    }

    #[test]
    fn fields_no_writer_writes_are_refused() {
        let with = |at: usize, value: u8| {
            let mut sector = example().encode();
            sector[at] = value;
            let sum = checksum(&sector);
            sector[AT_CRC..].copy_from_slice(&sum.to_le_bytes());
            SlotTable::decode(&sector).map(|_| ())
        };
        assert_eq!(with(AT_SLOTS, 4), Err(RecordError::Field));
        assert_eq!(with(AT_SLOTS + 2, TRIES + 1), Err(RecordError::Field));
        assert_eq!(with(AT_NEXT, 4), Err(RecordError::Field));
        assert_eq!(with(AT_FAILURE, 4), Err(RecordError::Field));
        assert_eq!(with(AT_LOADER_TRIES, TRIES + 1), Err(RecordError::Field));
        assert_eq!(with(8, 2), Err(RecordError::Format));
        assert_eq!(with(300, 0xff), Ok(()), "reserved bytes are ignored");
        assert_eq!(SlotTable::decode(&[0; SECTOR]), Err(RecordError::Blank));
        assert_eq!(SlotTable::decode(&[0xff; SECTOR]), Err(RecordError::Magic));
    }

    #[test]
    fn an_orderly_reboot_gives_the_try_back() {
        let mut table = example();
        table.give_back(Slot::B);
        table.give_back(Slot::B);
        assert_eq!(table.slot(Slot::B).tries, TRIES);
        assert_eq!(table.boots_without_health, 2);
        table.give_back(Slot::R);
        assert_eq!(table.boots_without_health, 2, "rescue was not charged");
        for left in [1, 0, 0] {
            table.give_back(Slot::A);
            assert_eq!(table.boots_without_health, left);
        }
    }
}
