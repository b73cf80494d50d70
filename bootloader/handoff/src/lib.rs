//! What the loader tells init: slot, mode, reason, tries left; as ASCII hex on the kernel command line.
//!
//! The kernel command line is the one channel from a loader to init that exists under BIOS and UEFI alike and
//! needs no driver. It is signed except for three placeholders, and this record is one of them, hence hex: no
//! value of it can add a kernel parameter. init finds it as `evener.handoff=` in `/proc/cmdline`.
//!
//! ```text
//! byte  field
//!    0  format, 1
//!    1  slot: 1 A, 2 B, 3 R
//!    2  mode: 0 normal, 1 trial, 2 rescue
//!    3  reason, see [`BootReason`]
//!    4  tries left, counted after this boot was charged
//!    5  flags, bit 0: slot table degraded, bit 1: this boot could not be counted,
//!       bit 2: all settings are to be erased first
//!    6  3 bytes: for A, B, R the number of the `E` code why it was passed over, 0 none
//!    9  8 bytes: loader version, four little-endian u16
//!   17  number of keys that the loader trusts, at most 16; absent from loaders that do not say
//!   18  4 bytes each: the first four of the key's id
//!    +  which copy of the loader runs, behind the last key: bits 0..=1: 0 unknown, 1 the first, 2 the second;
//!       bit 2: a BIOS started it; bit 7: it is on trial, and another loader started it
//! ```
//!
//! A later loader may append bytes; a firmware reads those it knows.
#![no_std]
#![forbid(unsafe_code)]
#![cfg_attr(not(test), warn(clippy::indexing_slicing, clippy::arithmetic_side_effects))]

use core::fmt;

use evener_disk::Slot;
use evener_disk::field::{put, u8_at};
use evener_manifest::Version;
use heapless::String;

mod copy;
mod keys;

pub use copy::{LoaderCopy, LoaderKind, RunningLoader};
pub use keys::LoaderKeys;

/// The name of the kernel parameter that carries the record.
pub const PARAMETER: &str = "evener.handoff";

/// What every record has; the list of keys follows.
const BYTES: usize = 17;
const FORMAT: u8 = 1;
const FLAG_DEGRADED: u8 = 1;
const FLAG_UNCOUNTED: u8 = 2;
const FLAG_RESET: u8 = 4;
/// Longest record of any later format that is looked at, in bytes.
const MAX_BYTES: usize = 128;

/// The record as lower-case hex digits.
pub type Hex = String<{ 2 * (BYTES + keys::LIST_BYTES + 1) }>;

/// How the firmware is to run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Confirmed firmware, all services.
    Normal = 0,
    /// Not confirmed yet: must prove its health or be replaced.
    Trial = 1,
    /// Rescue: neither A nor B would do.
    Rescue = 2,
}

/// Why this slot was booted. Everything but `Preferred`, `Trial` and `Requested` is shown loudly.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BootReason {
    /// The confirmed slot of highest priority, as always.
    Preferred = 0,
    /// A new firmware has its try.
    Trial = 1,
    /// Asked for, for one boot.
    Requested = 2,
    /// The preferred slot was booted too often without becoming healthy.
    NoHealth = 3,
    /// A slot that came first was refused (see the codes) or has used up its tries.
    Refused = 4,
    /// Nothing better verifies: the slot that failed is booted again rather than nothing.
    LastResort = 5,
}

/// The record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Handoff {
    /// The slot that was booted.
    pub slot: Slot,
    /// How to run.
    pub mode: Mode,
    /// Why this slot.
    pub reason: BootReason,
    /// Boots left to a firmware on trial after this one; 0 otherwise.
    pub tries_left: u8,
    /// The slot table was lost and derived from the signed manifests.
    pub degraded: bool,
    /// The slot table could not be written, so this boot was not counted.
    pub uncounted: bool,
    /// A person at the console asked for the factory reset: all settings are to be erased before anything else.
    pub reset: bool,
    /// For A, B, R the number of the boot code why that slot was passed over.
    pub skipped: [Option<u8>; 3],
    /// The loader's version.
    pub loader: Version,
    /// The keys that the loader trusts; `None` from a loader that does not say.
    pub keys: Option<LoaderKeys>,
    /// Which copy of the loader runs; `None` from a loader that does not say, as those without `keys` do not.
    pub copy: Option<RunningLoader>,
}

/// Why a text is not a record. The number is stable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HandoffError {
    /// Not pairs of hex digits, or too many of them.
    NotHex = 1,
    /// Shorter than a record.
    TooShort = 2,
    /// A format this firmware does not know.
    Format = 3,
    /// A field has a value that this firmware does not know.
    Field = 4,
}

impl fmt::Display for HandoffError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotHex => "hand-off is not hex",
            Self::TooShort => "hand-off is too short",
            Self::Format => "hand-off format is not known",
            Self::Field => "hand-off has an unknown value",
        })
    }
}

impl core::error::Error for HandoffError {}

impl Handoff {
    /// The record as hex digits.
    #[must_use]
    pub fn encode(&self) -> Hex {
        let degraded = if self.degraded { FLAG_DEGRADED } else { 0 };
        let uncounted = if self.uncounted { FLAG_UNCOUNTED } else { 0 };
        let reset = if self.reset { FLAG_RESET } else { 0 };
        let mut bytes = [0; BYTES];
        let head = [FORMAT, self.slot.number(), self.mode as u8, self.reason as u8, self.tries_left];
        put(&mut bytes, 0, &head);
        put(&mut bytes, 5, &[degraded | uncounted | reset]);
        put(&mut bytes, 6, &self.skipped.map(Option::unwrap_or_default));
        self.loader.write(&mut bytes, 9);
        let (list, length) = self.keys.as_ref().map_or(([0; keys::LIST_BYTES], 0), LoaderKeys::encode);
        let copy = self.keys.and(self.copy).map(RunningLoader::byte);
        let mut hex = Hex::new();
        for byte in bytes.iter().chain(list.iter().take(length)).chain(&copy) {
            for nibble in [byte >> 4, byte & 0x0f] {
                let digit = char::from_digit(u32::from(nibble), 16).unwrap_or('0');
                // The capacity is exactly two digits a byte of the longest list.
                let _ = hex.push(digit);
            }
        }
        hex
    }

    /// Reads a record from hex digits of either case.
    ///
    /// # Errors
    /// [`HandoffError`]; a firmware that gets one runs in normal mode and says so.
    pub fn decode(hex: &str) -> Result<Self, HandoffError> {
        let mut bytes = [0; MAX_BYTES];
        let mut length = 0_usize;
        for pair in hex.as_bytes().chunks(2) {
            let [high, low] = *pair else { return Err(HandoffError::NotHex) };
            let digit = |ascii: u8| char::from(ascii).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
            let (Some(high), Some(low)) = (digit(high), digit(low)) else { return Err(HandoffError::NotHex) };
            *bytes.get_mut(length).ok_or(HandoffError::NotHex)? = high << 4 | low;
            length = length.saturating_add(1);
        }
        if length < BYTES {
            return Err(HandoffError::TooShort);
        }
        if u8_at(&bytes, 0) != FORMAT {
            return Err(HandoffError::Format);
        }
        let flags = u8_at(&bytes, 5);
        let keys = LoaderKeys::decode(bytes.get(BYTES..length).unwrap_or_default())?;
        let behind = BYTES.saturating_add(keys.as_ref().map_or(0, LoaderKeys::bytes));
        let copy = keys.and(bytes.get(..length).and_then(|bytes| bytes.get(behind).copied()));
        Ok(Self {
            slot: Slot::from_number(u8_at(&bytes, 1)).ok_or(HandoffError::Field)?,
            mode: decode_mode(u8_at(&bytes, 2)).ok_or(HandoffError::Field)?,
            reason: decode_reason(u8_at(&bytes, 3)).ok_or(HandoffError::Field)?,
            tries_left: u8_at(&bytes, 4),
            degraded: flags & FLAG_DEGRADED != 0,
            uncounted: flags & FLAG_UNCOUNTED != 0,
            reset: flags & FLAG_RESET != 0,
            skipped: [6, 7, 8].map(|at| Some(u8_at(&bytes, at)).filter(|code| *code != 0)),
            loader: Version::read(&bytes, 9),
            keys,
            copy: copy.and_then(RunningLoader::from_byte),
        })
    }

    /// Finds and reads the record in a kernel command line.
    ///
    /// # Errors
    /// As [`Handoff::decode`]; [`HandoffError::TooShort`] when the parameter is missing.
    pub fn from_command_line(line: &str) -> Result<Self, HandoffError> {
        let value = line
            .split_ascii_whitespace()
            .find_map(|word| word.strip_prefix(PARAMETER)?.strip_prefix('='))
            .ok_or(HandoffError::TooShort)?;
        Self::decode(value)
    }
}

fn decode_mode(number: u8) -> Option<Mode> {
    [Mode::Normal, Mode::Trial, Mode::Rescue].into_iter().find(|mode| *mode as u8 == number)
}

fn decode_reason(number: u8) -> Option<BootReason> {
    use BootReason::{LastResort, NoHealth, Preferred, Refused, Requested, Trial};
    [Preferred, Trial, Requested, NoHealth, Refused, LastResort]
        .into_iter()
        .find(|reason| *reason as u8 == number)
}

#[cfg(test)]
mod tests {
    extern crate std;
    use std::format;

    use evener_manifest::{KeyEntry, KeyId, Keyset, emit_keyset, public_key};

    use super::*;

    fn example() -> Handoff {
        Handoff {
            slot: Slot::R,
            mode: Mode::Rescue,
            reason: BootReason::Refused,
            tries_left: 2,
            degraded: true,
            uncounted: false,
            reset: false,
            skipped: [Some(7), None, Some(255)],
            loader: Version([0, 1, 0x1234, 9]),
            keys: None,
            copy: None,
        }
    }

    fn with_keys() -> Handoff {
        let keys = [1, 2].map(|seed| KeyEntry {
            public: public_key(&[seed; 32]),
            development: false,
            revoked: false,
        });
        let set = emit_keyset(true, &keys).unwrap();
        Handoff { keys: Some(LoaderKeys::of(&Keyset::parse(&set).unwrap())), ..example() }
    }

    #[test]
    fn the_bytes_are_the_documented_ones() {
        assert_eq!(example().encode().as_str(), "01030204020107 00ff 0000 0100 3412 0900".replace(' ', ""));
    }

    #[test]
    fn every_value_survives() {
        for slot in Slot::ALL {
            for mode in [Mode::Normal, Mode::Trial, Mode::Rescue] {
                for reason in (0..6).filter_map(decode_reason) {
                    for flags in 0..8 {
                        let handoff = Handoff {
                            slot,
                            mode,
                            reason,
                            degraded: flags & 1 != 0,
                            uncounted: flags & 2 != 0,
                            reset: flags & 4 != 0,
                            ..example()
                        };
                        assert_eq!(Handoff::decode(&handoff.encode()), Ok(handoff));
                    }
                }
            }
        }
    }

    #[test]
    fn the_loaders_keys_follow_the_record() {
        let record = with_keys().encode();
        let id = |seed: u8| format!("{}", KeyId::of(&public_key(&[seed; 32])));
        let expected = format!("{}02{}{}", example().encode(), &id(1)[..8], &id(2)[..8]);
        assert_eq!(record.as_str(), expected);
        assert_eq!(Handoff::decode(&record), Ok(with_keys()));
    }

    #[test]
    fn the_copy_follows_the_keys() {
        let copy = RunningLoader { kind: LoaderKind::Bios, copy: LoaderCopy::Second, on_trial: true };
        let given = Handoff { copy: Some(copy), ..with_keys() };
        let record = given.encode();
        assert_eq!(record.as_str(), format!("{}86", with_keys().encode()));
        assert_eq!(Handoff::decode(&record), Ok(given));
        let all_keys: std::vec::Vec<_> = (0..16)
            .map(|seed| KeyEntry { public: public_key(&[seed; 32]), development: false, revoked: false })
            .collect();
        let set = emit_keyset(true, &all_keys).unwrap();
        let longest = Handoff { keys: Some(LoaderKeys::of(&Keyset::parse(&set).unwrap())), ..given };
        assert_eq!(Handoff::decode(&longest.encode()), Ok(longest));
    }

    #[test]
    fn later_fields_are_skipped() {
        let copy = RunningLoader { kind: LoaderKind::Uefi, copy: LoaderCopy::First, on_trial: false };
        let given = Handoff { copy: Some(copy), ..with_keys() };
        let longer = format!("{}aabb", given.encode());
        assert_eq!(Handoff::decode(&longer), Ok(given));
    }

    #[test]
    fn the_fault_is_named() {
        let hex = example().encode();
        for length in (0..hex.len()).step_by(2) {
            assert_eq!(Handoff::decode(&hex[..length]), Err(HandoffError::TooShort));
        }
        assert_eq!(Handoff::decode(&hex[..33]), Err(HandoffError::NotHex));
        assert_eq!(Handoff::decode("zz"), Err(HandoffError::NotHex));
        assert_eq!(Handoff::decode("0é"), Err(HandoffError::NotHex));
        assert_eq!(Handoff::decode(&"00".repeat(129)), Err(HandoffError::NotHex));
        assert_eq!(Handoff::decode(&"00".repeat(128)), Err(HandoffError::Format));
        for (at, value) in [(2, "00"), (2, "04"), (4, "03"), (6, "06")] {
            let mut bad = hex.clone().as_str().replace(' ', "");
            bad.replace_range(at..at + 2, value);
            assert_eq!(Handoff::decode(&bad), Err(HandoffError::Field), "{bad}");
        }
    }

    #[test]
    fn init_finds_it_in_the_command_line() {
        let line = format!("quiet evener.handoffs=1 evener.handoff={} ro", example().encode());
        assert_eq!(Handoff::from_command_line(&line), Ok(example()));
        assert_eq!(Handoff::from_command_line("quiet ro"), Err(HandoffError::TooShort));
    }
}
