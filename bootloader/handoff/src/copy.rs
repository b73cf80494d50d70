//! Which copy of the loader started the unit: what an updater must know before it writes over one.
//!
//! A disk has two copies of each loader. The one that has booted this machine stays until the other one has done so
//! as well (`docs/decisions/010-loader-update.md`).

use core::fmt;

use evener_disk::Role;
use evener_manifest::PartKind;

/// Which of the two loaders.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LoaderKind {
    /// `BOOTX64.EFI`, in `esp-a` and `esp-b`.
    Uefi,
    /// Stage 2, twice in `bios-boot`.
    Bios,
}

impl LoaderKind {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Uefi, Self::Bios];

    /// The part of a firmware that brings it.
    #[must_use]
    pub const fn part(self) -> PartKind {
        match self {
            Self::Uefi => PartKind::LoaderUefi,
            Self::Bios => PartKind::LoaderBios,
        }
    }

    /// The partition that holds this copy.
    #[must_use]
    pub const fn role(self, copy: LoaderCopy) -> Role {
        match (self, copy) {
            (Self::Uefi, LoaderCopy::First) => Role::EspA,
            (Self::Uefi, LoaderCopy::Second) => Role::EspB,
            (Self::Bios, _) => Role::BiosBoot,
        }
    }

    /// The other kind.
    #[must_use]
    pub const fn other(self) -> Self {
        match self {
            Self::Uefi => Self::Bios,
            Self::Bios => Self::Uefi,
        }
    }
}

impl fmt::Display for LoaderKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Uefi => "UEFI loader",
            Self::Bios => "BIOS loader",
        })
    }
}

/// Which of the two copies, in the order in which a machine tries them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LoaderCopy {
    /// `esp-a`, or the start of `bios-boot`.
    First = 1,
    /// `esp-b`, or the second half of `bios-boot`.
    Second = 2,
}

impl LoaderCopy {
    /// Both.
    pub const ALL: [Self; 2] = [Self::First, Self::Second];

    /// The other copy.
    #[must_use]
    pub const fn other(self) -> Self {
        match self {
            Self::First => Self::Second,
            Self::Second => Self::First,
        }
    }

    /// 0 for the first, 1 for the second.
    #[must_use]
    pub const fn index(self) -> usize {
        match self {
            Self::First => 0,
            Self::Second => 1,
        }
    }
}

impl fmt::Display for LoaderCopy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::First => "first",
            Self::Second => "second",
        })
    }
}

/// The loader that started the unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RunningLoader {
    /// Which of the two loaders.
    pub kind: LoaderKind,
    /// Which copy of it.
    pub copy: LoaderCopy,
    /// Another loader started it, to see whether it boots this machine.
    pub on_trial: bool,
}

impl RunningLoader {
    const BIOS: u8 = 4;
    const ON_TRIAL: u8 = 0x80;

    pub(crate) const fn byte(self) -> u8 {
        let kind = match self.kind {
            LoaderKind::Uefi => 0,
            LoaderKind::Bios => Self::BIOS,
        };
        let trial = if self.on_trial { Self::ON_TRIAL } else { 0 };
        self.copy as u8 | kind | trial
    }

    pub(crate) fn from_byte(byte: u8) -> Option<Self> {
        let copy = LoaderCopy::ALL.into_iter().find(|copy| *copy as u8 == byte & 3)?;
        let kind = if byte & Self::BIOS == 0 { LoaderKind::Uefi } else { LoaderKind::Bios };
        Some(Self { kind, copy, on_trial: byte & Self::ON_TRIAL != 0 })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_copy_of_every_loader_survives() {
        for kind in LoaderKind::ALL {
            for copy in LoaderCopy::ALL {
                for on_trial in [false, true] {
                    let given = RunningLoader { kind, copy, on_trial };
                    assert_eq!(RunningLoader::from_byte(given.byte()), Some(given));
                }
            }
        }
        assert_eq!(RunningLoader::from_byte(0), None, "a loader that does not know");
        assert_eq!(RunningLoader::from_byte(3), None);
    }
}
