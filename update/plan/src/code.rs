//! What is refused, as stable codes with words.
//!
//! Numbers are never given a second meaning; `docs/firmware-refusals.md` lists them, and a test compares.

use std::fmt;

/// Why a firmware, or a step of an operator, is refused. Shown as `F05`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Code {
    /// The file is something else.
    NotAFirmware = 1,
    /// The file ends in the middle.
    Truncated = 2,
    /// The file's bytes are not those that were signed, or contradict each other.
    Damaged = 3,
    /// The signature is not that of the key it names.
    BadSignature = 4,
    /// Signed with a key that this unit does not know.
    UnknownKey = 5,
    /// Signed with a key that is not trusted any more.
    RevokedKey = 6,
    /// Signed with a development key, and this unit runs a release.
    DevelopmentKey = 7,
    /// A firmware of another product.
    WrongProduct = 8,
    /// A format that the running firmware does not know.
    FormatTooNew = 9,
    /// Older than this unit may go back to.
    BelowFloor = 10,
    /// The running firmware is older than the new one can be installed from.
    TooOldToInstallFrom = 11,
    /// The unit's loader is older than the new firmware needs.
    LoaderTooOld = 12,
    /// Larger than a slot.
    DoesNotFit = 13,
    /// This very firmware was given up on this unit.
    FailedHereBefore = 14,
    /// Something else is being done to the slots.
    Busy = 15,
    /// The other slot holds nothing that could be gone back to.
    NothingToRestore = 16,
    /// What was written does not read back.
    NotVerifiedOnDisk = 17,
    /// The disk refused to read or write.
    DiskError = 18,
    /// Somebody ended it.
    Cancelled = 19,
    /// No slot holds a firmware that was confirmed.
    NoFirmware = 20,
    /// No firmware waits for its first start.
    NothingToDiscard = 21,
    /// The running firmware has not proved itself yet, and the other one is what it falls back to.
    OnTrial = 22,
    /// The slot table, or which slot is running, is not known.
    SlotsUnknown = 23,
    /// The rescue slot holds nothing that could be started.
    NoRescue = 24,
    /// Signed with a key that the running firmware trusts and the loader does not know.
    UnknownToLoader = 25,
}

impl Code {
    /// All codes by number.
    pub const ALL: [Self; 25] = [
        Self::NotAFirmware,
        Self::Truncated,
        Self::Damaged,
        Self::BadSignature,
        Self::UnknownKey,
        Self::RevokedKey,
        Self::DevelopmentKey,
        Self::WrongProduct,
        Self::FormatTooNew,
        Self::BelowFloor,
        Self::TooOldToInstallFrom,
        Self::LoaderTooOld,
        Self::DoesNotFit,
        Self::FailedHereBefore,
        Self::Busy,
        Self::NothingToRestore,
        Self::NotVerifiedOnDisk,
        Self::DiskError,
        Self::Cancelled,
        Self::NoFirmware,
        Self::NothingToDiscard,
        Self::OnTrial,
        Self::SlotsUnknown,
        Self::NoRescue,
        Self::UnknownToLoader,
    ];

    /// The code's number, from 1.
    #[must_use]
    pub const fn number(self) -> u8 {
        self as u8
    }

    /// The same as a word for programs.
    #[must_use]
    pub const fn kind(self) -> &'static str {
        match self {
            Self::NotAFirmware => "not-a-firmware",
            Self::Truncated => "truncated",
            Self::Damaged => "damaged",
            Self::BadSignature => "bad-signature",
            Self::UnknownKey => "unknown-key",
            Self::RevokedKey => "revoked-key",
            Self::DevelopmentKey => "development-key",
            Self::WrongProduct => "wrong-product",
            Self::FormatTooNew => "format-too-new",
            Self::BelowFloor => "below-floor",
            Self::TooOldToInstallFrom => "too-old-to-install-from",
            Self::LoaderTooOld => "loader-too-old",
            Self::DoesNotFit => "does-not-fit",
            Self::FailedHereBefore => "failed-here-before",
            Self::Busy => "busy",
            Self::NothingToRestore => "nothing-to-restore",
            Self::NotVerifiedOnDisk => "not-verified-on-disk",
            Self::DiskError => "disk-error",
            Self::Cancelled => "cancelled",
            Self::NoFirmware => "no-firmware",
            Self::NothingToDiscard => "nothing-to-discard",
            Self::OnTrial => "on-trial",
            Self::SlotsUnknown => "slots-unknown",
            Self::NoRescue => "no-rescue",
            Self::UnknownToLoader => "unknown-to-loader",
        }
    }

    /// What happened, in general; a [refusal](crate::Refusal) says it with its versions and offsets.
    #[must_use]
    pub const fn what(self) -> &'static str {
        match self {
            Self::NotAFirmware => "the file is not a firmware",
            Self::Truncated => "the file ends in the middle",
            Self::Damaged => "the file is damaged: its bytes are not those that were signed",
            Self::BadSignature => "the signature does not match",
            Self::UnknownKey => "signed with a key that this unit does not know",
            Self::RevokedKey => "signed with a key that is not trusted any more",
            Self::DevelopmentKey => "signed with a development key, which a release refuses",
            Self::WrongProduct => "firmware of another product",
            Self::FormatTooNew => "made for a later firmware than the running one",
            Self::BelowFloor => "older than this unit may go back to",
            Self::TooOldToInstallFrom => "the running firmware is too old to install it",
            Self::LoaderTooOld => "the unit's loader is too old to start it",
            Self::DoesNotFit => "larger than a slot of this unit",
            Self::FailedHereBefore => "this very firmware was given up on this unit",
            Self::Busy => "something else is being done to the firmware",
            Self::NothingToRestore => "there is no previous firmware to go back to",
            Self::NotVerifiedOnDisk => "the disk does not give back what was written",
            Self::DiskError => "the disk refuses to read or write",
            Self::Cancelled => "it was ended before it was complete",
            Self::NoFirmware => "no slot holds a firmware that was confirmed",
            Self::NothingToDiscard => "no firmware waits for its first start",
            Self::OnTrial => "the running firmware has not proved itself yet",
            Self::SlotsUnknown => "the state of the slots is not known",
            Self::NoRescue => "the rescue slot holds no firmware that may be started",
            Self::UnknownToLoader => "signed with a key that the unit's loader does not know",
        }
    }

    /// What an operator does next.
    #[must_use]
    pub const fn remedy(self) -> &'static str {
        match self {
            Self::NotAFirmware => "Choose a firmware file, which ends in .evfw.",
            Self::Truncated | Self::Damaged | Self::BadSignature => {
                "Fetch the file again and compare its SHA-256 with the published one."
            }
            Self::UnknownKey | Self::RevokedKey => {
                "Use a firmware from your supplier's current list; after a change of keys, install the version that brings the new key first."
            }
            Self::DevelopmentKey => "Use a release firmware.",
            Self::WrongProduct => "Choose the firmware that was made for this product.",
            Self::FormatTooNew => "Update in two steps: first to a version in between.",
            Self::BelowFloor => "Choose this or a later version than the floor that is shown.",
            Self::TooOldToInstallFrom => "Update in two steps: first to the version that is named.",
            Self::LoaderTooOld => {
                "Update in two steps: first to a version that brings that loader; once it is confirmed, restart the unit, wait a minute, and install this one."
            }
            Self::DoesNotFit => {
                "Use a firmware for this disk layout, or write the disk anew from a current image."
            }
            Self::FailedHereBefore => {
                "Read in the history why it failed. If the cause was elsewhere, install it once more with \"even if it failed\"."
            }
            Self::Busy => "Wait until it is done, or end it, then try again.",
            Self::NothingToRestore => "Install the version that you want.",
            Self::NotVerifiedOnDisk | Self::DiskError => {
                "Try once more; if it comes back, save the settings and replace the disk."
            }
            Self::Cancelled => "Install it again when you want to; the running firmware was not touched.",
            Self::NoFirmware => "Install a firmware.",
            Self::NothingToDiscard => "Nothing.",
            Self::OnTrial => "Wait until it is confirmed or given up; that takes five minutes at most.",
            Self::SlotsUnknown => {
                "Restart the unit: its loader derives the slot table anew. If it comes back, check the disk."
            }
            Self::NoRescue => "Install a firmware; the rescue slot is refreshed once it is confirmed.",
            Self::UnknownToLoader => {
                "Use a version that was signed with the key before and brings the new key; once it is confirmed, restart the unit, wait a minute, and install this one."
            }
        }
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "F{:02}", self.number())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn numbers_are_dense_and_kinds_differ() {
        for (code, number) in Code::ALL.into_iter().zip(1..) {
            assert_eq!(code.number(), number);
        }
        let kinds: BTreeSet<&str> = Code::ALL.into_iter().map(Code::kind).collect();
        assert_eq!(kinds.len(), Code::ALL.len());
    }

    #[test]
    fn the_manual_lists_every_code_as_it_is() {
        let manual = include_str!("../../../docs/firmware-refusals.md");
        let rows: Vec<&str> = manual.lines().filter(|line| line.starts_with("| F")).collect();
        let row = |code: &Code| format!("| {code} | {} | {} | {} |", code.kind(), code.what(), code.remedy());
        assert_eq!(rows, Code::ALL.iter().map(row).collect::<Vec<_>>());
    }
}
