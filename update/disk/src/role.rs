//! The partitions of an Evener disk: what each is for, its size, name and type.
//!
//! ```text
//! part                    size      content
//! bios-boot               1 MiB     BIOS stage 2, two copies
//! esp-a, esp-b            16 MiB    FAT16, EFI/BOOT/BOOTX64.EFI (firmware never tries a second file in one)
//! slot-table              4 MiB     four copies of the slot table, each in its own MiB
//! boot-a, boot-b, boot-r  16 MiB    signed manifest at 0, kernel at 64 KiB, both loaders at 14 and 15 MiB
//! root-a, root-b, root-r  64 MiB    rootfs at 0, its dm-verity tree behind it
//! conf                    8 MiB     second copy of the configuration
//! data                    the rest  ext4
//! ```

use core::fmt;

use crate::{Guid, Lba, SECTORS_PER_MIB};

/// A place for one whole firmware: two that take turns, and the rescue firmware.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Slot {
    /// The first of the two slots that updates alternate between.
    A,
    /// The second of them.
    B,
    /// Rescue: an ordinary firmware, booted when neither A nor B will do.
    R,
}

impl Slot {
    /// All slots in the order of every per-slot array.
    pub const ALL: [Self; 3] = [Self::A, Self::B, Self::R];

    /// Position in a per-slot array: A 0, B 1, R 2.
    #[must_use]
    pub const fn index(self) -> usize {
        self as usize
    }

    /// The slot's letter as operators see it: `A`, `B` or `R`.
    #[must_use]
    pub const fn letter(self) -> char {
        match self {
            Self::A => 'A',
            Self::B => 'B',
            Self::R => 'R',
        }
    }

    /// The slot with this letter, in either case.
    #[must_use]
    pub const fn from_letter(letter: char) -> Option<Self> {
        match letter {
            'A' | 'a' => Some(Self::A),
            'B' | 'b' => Some(Self::B),
            'R' | 'r' => Some(Self::R),
            _ => None,
        }
    }

    /// The slot whose number in a stored record this is: 1 A, 2 B, 3 R; 0 is kept for "none".
    #[must_use]
    pub const fn from_number(number: u8) -> Option<Self> {
        match number {
            1 => Some(Self::A),
            2 => Some(Self::B),
            3 => Some(Self::R),
            _ => None,
        }
    }

    /// The number of this slot in stored records, 1 to 3.
    #[must_use]
    pub const fn number(self) -> u8 {
        match self {
            Self::A => 1,
            Self::B => 2,
            Self::R => 3,
        }
    }

    /// This slot's entry of a per-slot array.
    pub const fn of<T>(self, entries: &[T; 3]) -> &T {
        let [a, b, r] = entries;
        match self {
            Self::A => a,
            Self::B => b,
            Self::R => r,
        }
    }

    /// This slot's entry of a per-slot array, to change it.
    pub const fn of_mut<T>(self, entries: &mut [T; 3]) -> &mut T {
        let [a, b, r] = entries;
        match self {
            Self::A => a,
            Self::B => b,
            Self::R => r,
        }
    }
}

impl fmt::Display for Slot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.letter())
    }
}

/// What a partition is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// Stage 2 of the BIOS loader, two copies.
    BiosBoot,
    /// First EFI system partition.
    EspA,
    /// Second EFI system partition.
    EspB,
    /// Four copies of the slot table.
    SlotTable,
    /// Manifest and kernel of a slot.
    Boot(Slot),
    /// Root filesystem and verity tree of a slot.
    Root(Slot),
    /// Second copy of the configuration.
    Conf,
    /// The writable filesystem; takes what the others leave.
    Data,
}

/// BIOS boot partition, the type GRUB introduced and firmware tools know.
const TYPE_BIOS_BOOT: Guid =
    Guid::new(0x2168_6148, 0x6449, 0x6e6f, [0x74, 0x4e, 0x65, 0x65, 0x64, 0x45, 0x46, 0x49]);
/// EFI system partition (UEFI 2.10 §5.3.3).
const TYPE_ESP: Guid =
    Guid::new(0xc12a_7328, 0xf81f, 0x11d2, [0xba, 0x4b, 0x00, 0xa0, 0xc9, 0x3e, 0xc9, 0x3b]);
const TYPE_SLOT_TABLE: Guid =
    Guid::new(0x8ca2_2755, 0x7d66, 0x420d, [0xb7, 0xaa, 0x54, 0x1c, 0x01, 0x6f, 0xfb, 0xae]);
const TYPE_BOOT: Guid =
    Guid::new(0x4d02_96c3, 0x7502, 0x4152, [0x9a, 0x77, 0x01, 0xc1, 0x27, 0x4d, 0x34, 0xf9]);
const TYPE_ROOT: Guid =
    Guid::new(0x777b_5649, 0xdd99, 0x4a9a, [0x92, 0xf6, 0x69, 0x1d, 0x42, 0x8d, 0x2b, 0x25]);
const TYPE_CONF: Guid =
    Guid::new(0xd0d0_d766, 0x6655, 0x4a23, [0xa2, 0xb6, 0xd9, 0x8b, 0xed, 0x5c, 0x33, 0x88]);
/// Ours, not "Linux filesystem data", so that a stranger's disk is never taken for one of our own.
const TYPE_DATA: Guid =
    Guid::new(0x21a5_9bbe, 0xdcd4, 0x4c42, [0xb6, 0x43, 0x7d, 0x58, 0x65, 0x9c, 0x24, 0x69]);

impl Role {
    /// All roles in the order in which they lie on the disk.
    pub const ALL: [Self; 12] = [
        Self::BiosBoot,
        Self::EspA,
        Self::EspB,
        Self::SlotTable,
        Self::Boot(Slot::A),
        Self::Boot(Slot::B),
        Self::Boot(Slot::R),
        Self::Root(Slot::A),
        Self::Root(Slot::B),
        Self::Root(Slot::R),
        Self::Conf,
        Self::Data,
    ];

    /// Position in [`Role::ALL`] and in the partition entry array.
    #[must_use]
    pub const fn index(self) -> usize {
        match self {
            Self::BiosBoot => 0,
            Self::EspA => 1,
            Self::EspB => 2,
            Self::SlotTable => 3,
            Self::Boot(slot) => 4_usize.saturating_add(slot.index()),
            Self::Root(slot) => 7_usize.saturating_add(slot.index()),
            Self::Conf => 10,
            Self::Data => 11,
        }
    }

    /// The partition's name in the GPT; Linux shows it as `PARTNAME`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::BiosBoot => "bios-boot",
            Self::EspA => "esp-a",
            Self::EspB => "esp-b",
            Self::SlotTable => "slot-table",
            Self::Boot(Slot::A) => "boot-a",
            Self::Boot(Slot::B) => "boot-b",
            Self::Boot(Slot::R) => "boot-r",
            Self::Root(Slot::A) => "root-a",
            Self::Root(Slot::B) => "root-b",
            Self::Root(Slot::R) => "root-r",
            Self::Conf => "conf",
            Self::Data => "data",
        }
    }

    /// The partition's type GUID. Roles that share one (slots, the two ESPs) differ by name.
    #[must_use]
    pub const fn type_guid(self) -> Guid {
        match self {
            Self::BiosBoot => TYPE_BIOS_BOOT,
            Self::EspA | Self::EspB => TYPE_ESP,
            Self::SlotTable => TYPE_SLOT_TABLE,
            Self::Boot(_) => TYPE_BOOT,
            Self::Root(_) => TYPE_ROOT,
            Self::Conf => TYPE_CONF,
            Self::Data => TYPE_DATA,
        }
    }

    /// Size in sectors; `None` for `data`, which takes the rest of the disk.
    #[must_use]
    pub const fn sectors(self) -> Option<u64> {
        let mib: u64 = match self {
            Self::BiosBoot => 1,
            Self::EspA | Self::EspB | Self::Boot(_) => 16,
            Self::SlotTable => 4,
            Self::Root(_) => 64,
            Self::Conf => 8,
            Self::Data => return None,
        };
        Some(mib.saturating_mul(SECTORS_PER_MIB))
    }

    /// Where the partition begins on a disk of ours: behind the first MiB and the roles before it.
    #[must_use]
    pub fn start(self) -> Lba {
        let before = Self::ALL.into_iter().take(self.index()).filter_map(Self::sectors);
        Lba(before.fold(SECTORS_PER_MIB, u64::saturating_add))
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn roles_know_their_place() {
        for (index, role) in Role::ALL.into_iter().enumerate() {
            assert_eq!(role.index(), index, "{role}");
            assert!(role.name().len() <= 36, "GPT names hold 36 UTF-16 units");
        }
    }

    #[test]
    fn type_and_name_tell_roles_apart() {
        for a in Role::ALL {
            for b in Role::ALL {
                let same = a.type_guid() == b.type_guid() && a.name() == b.name();
                assert_eq!(same, a == b, "{a} {b}");
            }
        }
    }

    #[test]
    fn slot_letters_and_numbers_go_both_ways() {
        for (index, slot) in Slot::ALL.into_iter().enumerate() {
            assert_eq!(slot.index(), index);
            assert_eq!(Slot::from_letter(slot.letter()), Some(slot));
            assert_eq!(Slot::from_number(slot.number()), Some(slot));
            assert_eq!(*slot.of(&Slot::ALL), slot);
        }
        assert_eq!(Slot::from_number(0), None);
        assert_eq!(Slot::from_letter('C'), None);
    }
}
