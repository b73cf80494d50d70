//! The parts of a firmware and the check of their bytes.

use core::fmt;

use evener_disk::{Role, SECTOR, Slot};
use sha2::{Digest, Sha256};

use crate::ManifestError;
use crate::layout::{KERNEL_AT, LOADER_BIOS_AT, LOADER_UEFI_AT};

/// SHA-256 of `bytes`.
#[must_use]
pub fn sha256(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(bytes).into()
}

/// What a part is. The number is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum PartKind {
    /// A Linux kernel with an EFI stub.
    Kernel = 1,
    /// The root filesystem with its dm-verity tree behind it.
    Rootfs = 2,
    /// The UEFI loader, `BOOTX64.EFI`.
    LoaderUefi = 3,
    /// The BIOS loader: MBR code and stage 2.
    LoaderBios = 4,
}

impl PartKind {
    /// All kinds, by number.
    pub const ALL: [Self; 4] = [Self::Kernel, Self::Rootfs, Self::LoaderUefi, Self::LoaderBios];

    /// Where the part lies in `slot`.
    ///
    /// Loaders lie there as well, behind the kernel: nothing is started from that place, but a unit has them at hand
    /// when it replaces the loaders of its disk, and a slot can be checked, copied and refilled as a whole.
    #[must_use]
    pub const fn place(self, slot: Slot) -> Place {
        let (role, at, end) = match self {
            Self::Kernel => (Role::Boot(slot), KERNEL_AT, Some(LOADER_UEFI_AT)),
            Self::Rootfs => (Role::Root(slot), 0, None),
            Self::LoaderUefi => (Role::Boot(slot), LOADER_UEFI_AT, Some(LOADER_BIOS_AT)),
            Self::LoaderBios => (Role::Boot(slot), LOADER_BIOS_AT, None),
        };
        Place { role, at, end }
    }

    pub(crate) fn from_number(number: u16) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| *kind as u16 == number)
    }
}

impl fmt::Display for PartKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Kernel => "kernel",
            Self::Rootfs => "rootfs",
            Self::LoaderUefi => "UEFI loader",
            Self::LoaderBios => "BIOS loader",
        })
    }
}

/// Where a part lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// The partition.
    pub role: Role,
    /// Offset of its first byte in the partition; a whole sector.
    pub at: u64,
    /// Offset that it must not reach beyond; `None` for the partition's end.
    end: Option<u64>,
}

impl Place {
    /// Bytes that a part may have here when the partition has `sectors`.
    #[must_use]
    pub fn room(&self, sectors: u64) -> u64 {
        let bytes = sectors.saturating_mul(SECTOR as u64);
        self.end.map_or(bytes, |end| end.min(bytes)).saturating_sub(self.at)
    }
}

/// What the manifest says about one part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Part {
    /// What it is.
    pub kind: PartKind,
    /// Size in bytes.
    pub size: u64,
    /// SHA-256 of its bytes.
    pub sha256: [u8; 32],
}

impl Part {
    /// Checks that `bytes` are this part.
    ///
    /// # Errors
    /// [`ManifestError::PartSize`] or [`ManifestError::PartDigest`].
    pub fn check(&self, bytes: &[u8]) -> Result<(), ManifestError> {
        let mut check = self.checker();
        check.update(bytes);
        check.finish()
    }

    /// The same check for bytes that come piece by piece.
    #[must_use]
    pub fn checker(&self) -> PartCheck {
        PartCheck { part: *self, seen: 0, hash: Sha256::new() }
    }
}

/// A check of a part in progress.
#[derive(Clone, Debug)]
pub struct PartCheck {
    part: Part,
    seen: u64,
    hash: Sha256,
}

impl PartCheck {
    /// Takes the next bytes of the part.
    pub fn update(&mut self, bytes: &[u8]) {
        self.seen = self.seen.saturating_add(u64::try_from(bytes.len()).unwrap_or(u64::MAX));
        self.hash.update(bytes);
    }

    /// The verdict after the last byte.
    ///
    /// # Errors
    /// [`ManifestError::PartSize`] or [`ManifestError::PartDigest`].
    pub fn finish(self) -> Result<(), ManifestError> {
        if self.seen != self.part.size {
            return Err(ManifestError::PartSize);
        }
        let digest: [u8; 32] = self.hash.finalize().into();
        if digest == self.part.sha256 { Ok(()) } else { Err(ManifestError::PartDigest) }
    }
}

/// The dm-verity facts of the rootfs: what the kernel checks each block against.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Verity {
    /// Root hash of the tree.
    pub root: [u8; 32],
    /// Salt of every hash.
    pub salt: [u8; 32],
    /// Data blocks of 4096 bytes; the tree begins behind them.
    pub data_blocks: u64,
}
