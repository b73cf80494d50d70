//! What a loader may have to say, as stable codes with words.
//!
//! The code is for the telephone and the manual, the words for whoever stands before the screen. Numbers are
//! never given a second meaning; `docs/boot-codes.md` lists them, and a test compares.

use core::fmt;

use evener_manifest::ManifestError;

/// Why something was refused or not done. Shown as `E07`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum BootCode {
    /// The disk that the loader was started from cannot be found.
    NoDisk = 1,
    /// Neither partition table of the disk is valid.
    NoPartitions = 2,
    /// The loader was built without keys, so it can trust nothing.
    NoKeys = 3,
    /// The disk failed to read.
    ReadFailed = 4,
    /// There is no well-formed manifest in the slot.
    ManifestInvalid = 5,
    /// The manifest's signature does not match it.
    Signature = 6,
    /// The kernel's bytes are not those that were signed.
    KernelDigest = 7,
    /// The manifest was signed with a key this loader does not trust.
    KeyUnknown = 8,
    /// The manifest was signed with a development key, and this is a release loader.
    KeyDevelopment = 9,
    /// The manifest was signed with a revoked key.
    KeyRevoked = 10,
    /// The firmware is of another product.
    Product = 11,
    /// The firmware is older than this unit may run.
    BelowFloor = 12,
    /// The firmware needs a newer loader.
    LoaderTooOld = 13,
    /// The signed command line cannot be used.
    CommandLine = 14,
    /// The kernel does not fit its partition.
    KernelSize = 15,
    /// The slot holds another firmware than the slot table says.
    NotAsRecorded = 16,
    /// No slot can be booted.
    NothingToBoot = 17,
    /// The slot is empty.
    SlotEmpty = 18,
    /// The slot's firmware was given up before.
    SlotBad = 19,
    /// The firmware on trial has used up its tries.
    TriesExhausted = 20,
    /// The firmware was booted too often without becoming healthy.
    NoHealth = 21,
    /// No copy of the slot table is valid.
    TableLost = 22,
    /// The slot table cannot be written.
    TableNotWritten = 23,
    /// The machine refused to start the kernel, or the kernel came back.
    StartFailed = 24,
    /// There is not enough memory.
    NoMemory = 25,
    /// A partition is missing.
    PartitionMissing = 26,
    /// The first partition table is damaged; the backup is used.
    BackupTable = 27,
    /// The BIOS cannot address the disk by sector number (said by the boot code in sector 0).
    BiosTooOld = 28,
    /// Both copies of the BIOS loader are damaged (said by the boot code in sector 0).
    LoaderDamaged = 29,
    /// The first copy of the BIOS loader is damaged; the second one runs.
    LoaderCopy = 30,
    /// The copy of the loader that is to be tried is not what a firmware here brings.
    LoaderDiffers = 31,
    /// The machine refused to start the loader on trial.
    LoaderNotStarted = 32,
}

impl BootCode {
    /// All codes by number.
    pub const ALL: [Self; 32] = [
        Self::NoDisk,
        Self::NoPartitions,
        Self::NoKeys,
        Self::ReadFailed,
        Self::ManifestInvalid,
        Self::Signature,
        Self::KernelDigest,
        Self::KeyUnknown,
        Self::KeyDevelopment,
        Self::KeyRevoked,
        Self::Product,
        Self::BelowFloor,
        Self::LoaderTooOld,
        Self::CommandLine,
        Self::KernelSize,
        Self::NotAsRecorded,
        Self::NothingToBoot,
        Self::SlotEmpty,
        Self::SlotBad,
        Self::TriesExhausted,
        Self::NoHealth,
        Self::TableLost,
        Self::TableNotWritten,
        Self::StartFailed,
        Self::NoMemory,
        Self::PartitionMissing,
        Self::BackupTable,
        Self::BiosTooOld,
        Self::LoaderDamaged,
        Self::LoaderCopy,
        Self::LoaderDiffers,
        Self::LoaderNotStarted,
    ];

    /// The code's number, 1 to 32 so far.
    #[must_use]
    pub const fn number(self) -> u8 {
        self as u8
    }

    /// The code with this number.
    #[must_use]
    pub fn from_number(number: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|code| code.number() == number)
    }

    /// What happened, in a few words.
    #[must_use]
    pub const fn what(self) -> &'static str {
        match self {
            Self::NoDisk => "the disk this loader was started from is not found",
            Self::NoPartitions => "the disk has no valid partition table",
            Self::NoKeys => "this loader was built without keys and trusts no firmware",
            Self::ReadFailed => "the disk cannot be read",
            Self::ManifestInvalid => "no valid manifest",
            Self::Signature => "manifest signature does not match",
            Self::KernelDigest => "kernel digest does not match",
            Self::KeyUnknown => "signed with a key that is not trusted",
            Self::KeyDevelopment => "signed with a development key",
            Self::KeyRevoked => "signed with a revoked key",
            Self::Product => "firmware of another product",
            Self::BelowFloor => "version is below the floor of this unit",
            Self::LoaderTooOld => "firmware needs a newer loader",
            Self::CommandLine => "signed command line cannot be used",
            Self::KernelSize => "kernel does not fit its partition",
            Self::NotAsRecorded => "firmware is not the one in the slot table",
            Self::NothingToBoot => "no slot can be booted",
            Self::SlotEmpty => "slot is empty",
            Self::SlotBad => "firmware was given up before",
            Self::TriesExhausted => "firmware on trial has used up its tries",
            Self::NoHealth => "firmware did not become healthy in five boots",
            Self::TableLost => "no copy of the slot table is valid",
            Self::TableNotWritten => "slot table cannot be written",
            Self::StartFailed => "kernel could not be started",
            Self::NoMemory => "not enough memory",
            Self::PartitionMissing => "a partition is missing",
            Self::BackupTable => "first partition table is damaged, using the backup",
            Self::BiosTooOld => "the BIOS cannot read this disk by sector number",
            Self::LoaderDamaged => "both copies of the BIOS loader are damaged",
            Self::LoaderCopy => "first copy of the BIOS loader is damaged, using the second",
            Self::LoaderDiffers => {
                "the loader on trial is not the one a firmware here brings, using the installed one"
            }
            Self::LoaderNotStarted => "the loader on trial could not be started, using the installed one",
        }
    }

    /// What an operator does next.
    #[must_use]
    pub const fn remedy(self) -> &'static str {
        match self {
            Self::NoDisk => "Check the disk's cable or the machine's disk settings, then restart.",
            Self::NoPartitions | Self::PartitionMissing | Self::LoaderDamaged => {
                "Write the image to the disk again."
            }
            Self::NoKeys => "Use a loader that evener-image built.",
            Self::ReadFailed => "Check the disk; replace it if this comes back.",
            Self::ManifestInvalid
            | Self::Signature
            | Self::KernelDigest
            | Self::CommandLine
            | Self::KernelSize
            | Self::NotAsRecorded => "Install the firmware again; check the disk if this comes back.",
            Self::KeyUnknown | Self::KeyRevoked | Self::Product => {
                "Install a firmware that was made for this unit."
            }
            Self::KeyDevelopment => "Install a release firmware.",
            Self::BelowFloor => "Install this or a later version than the unit ran before.",
            Self::LoaderTooOld => "Update in two steps: first to a version that brings the newer loader.",
            Self::NothingToBoot => "Write the image to the disk again, or boot the installation medium.",
            Self::SlotEmpty => "Nothing, if no update was expected; else install it again.",
            Self::SlotBad | Self::TriesExhausted => {
                "Look in the log for why it failed before installing it again."
            }
            Self::NoHealth => "Look in the log for why it failed; install another version.",
            Self::TableLost => "Nothing at once: the next boots write it anew. Check the unit's floor.",
            Self::TableNotWritten => "Check the disk: it refuses to write.",
            Self::StartFailed => "Check that Secure Boot is off; install the firmware again.",
            Self::NoMemory => "Give the machine at least 256 MiB of memory.",
            Self::BackupTable => "Nothing at once: the running system repairs it. Check the disk.",
            Self::BiosTooOld => "Attach the disk as a hard disk, or switch the machine's firmware to UEFI.",
            Self::LoaderDiffers => "Nothing at once: the firmware writes it again.",
            Self::LoaderNotStarted => {
                "Nothing at once: the installed loader stays. Look in the history of the unit."
            }
            Self::LoaderCopy => "Write the image to the disk again at the next occasion. Check the disk.",
        }
    }
}

impl fmt::Display for BootCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "E{:02}", self.number())
    }
}

impl core::error::Error for BootCode {}

impl From<ManifestError> for BootCode {
    fn from(error: ManifestError) -> Self {
        match error {
            ManifestError::Length
            | ManifestError::Magic
            | ManifestError::Format
            | ManifestError::Parts
            | ManifestError::Floor
            | ManifestError::Extension => Self::ManifestInvalid,
            ManifestError::UnknownKey => Self::KeyUnknown,
            ManifestError::RevokedKey => Self::KeyRevoked,
            ManifestError::DevelopmentKey => Self::KeyDevelopment,
            ManifestError::Signature => Self::Signature,
            ManifestError::Product => Self::Product,
            ManifestError::Template | ManifestError::CommandLine => Self::CommandLine,
            ManifestError::CriticalExtension => Self::LoaderTooOld,
            ManifestError::PartSize => Self::KernelSize,
            ManifestError::PartDigest => Self::KernelDigest,
            ManifestError::Keyset => Self::NoKeys,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::format;
    use std::vec::Vec;

    #[test]
    fn numbers_are_dense_and_go_both_ways() {
        for (code, number) in BootCode::ALL.into_iter().zip(1..) {
            assert_eq!(code.number(), number);
            assert_eq!(BootCode::from_number(number), Some(code));
        }
        assert_eq!(BootCode::from_number(0), None);
        assert_eq!(BootCode::from_number(33), None);
    }

    #[test]
    fn the_manual_lists_every_code_as_it_is() {
        let manual = include_str!("../../../docs/boot-codes.md");
        let rows: Vec<&str> = manual.lines().filter(|line| line.starts_with("| E")).collect();
        let expected: Vec<_> = BootCode::ALL
            .iter()
            .map(|code| format!("| {code} | {} | {} |", code.what(), code.remedy()))
            .collect();
        assert_eq!(rows, expected);
    }
}
