//! A disk that might be installed, and why it must not be.

use std::fmt;

use evener_disk::{Blocks, Lba, PartitionMap, Role, SECTOR, SECTORS_PER_MIB};
use evener_manifest::{Version, permits};
use evener_slot_table::{SlotState, load};

/// Sectors of `data` without which a disk is too small: the empty file system, 32 MiB.
const LEAST_DATA: u64 = 32 * SECTORS_PER_MIB;
/// Sectors at each end of a disk that are looked at before it counts as empty: 1 MiB.
const LOOKED_AT: usize = 2048;

/// How a disk is attached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bus {
    /// IDE or SATA.
    Ata,
    /// NVMe.
    Nvme,
    /// SAS, parallel SCSI, or a RAID controller that shows its volumes so.
    Scsi,
    /// USB.
    Usb,
    /// A hypervisor's.
    Virtual,
    /// A memory card or soldered flash.
    Mmc,
    /// Anything else.
    Other,
}

impl fmt::Display for Bus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Ata => "ATA",
            Self::Nvme => "NVMe",
            Self::Scsi => "SCSI",
            Self::Usb => "USB",
            Self::Virtual => "virtual",
            Self::Mmc => "MMC",
            Self::Other => "other",
        })
    }
}

/// An Evener on a disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unit {
    /// The version that would start; none when nothing would, as after an installation that was broken off.
    pub version: Option<Version>,
    /// The unit's floor; none when its slot table is lost, and then nobody knows.
    pub floor: Option<Version>,
    /// Whether there is a configuration to keep.
    pub configured: bool,
    /// Whether its partitions lie where this firmware has them.
    pub same_layout: bool,
}

/// What is on a disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Holds {
    /// Zeros, as far as was looked.
    Nothing,
    /// An Evener.
    Unit(Unit),
    /// An installer, like the one that runs.
    Stick,
    /// Something else, in words.
    Other(&'static str),
    /// It could not be read, in the system's words.
    Unreadable(String),
}

impl fmt::Display for Holds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nothing => f.write_str("nothing"),
            Self::Unit(unit) => {
                match unit.version {
                    Some(version) => write!(f, "Evener {version}")?,
                    None => f.write_str("Evener, which would not start")?,
                }
                f.write_str(if unit.configured { ", with a configuration" } else { "" })
            }
            Self::Stick => f.write_str("an Evener installer"),
            Self::Other(what) => f.write_str(what),
            Self::Unreadable(reason) => write!(f, "cannot be read: {reason}"),
        }
    }
}

/// What is to become of what the disk holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum How {
    /// All of it is lost.
    Erase,
    /// The firmware is replaced; configuration, certificates and logs stay.
    Keep,
}

/// A disk of the machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// The kernel's name, such as `sda`.
    pub name: String,
    /// Size in 512-byte sectors.
    pub sectors: u64,
    /// Size of its own sectors in bytes.
    pub block_bytes: u32,
    /// What it calls itself; may be empty.
    pub model: String,
    /// Its serial number; may be empty.
    pub serial: String,
    /// How it is attached.
    pub bus: Bus,
    /// Whether its medium can be taken out.
    pub removable: bool,
    /// Whether it refuses writes.
    pub read_only: bool,
    /// Whether it is the stick that the installer was started from.
    pub is_own: bool,
    /// What is on it.
    pub holds: Holds,
}

/// Why a disk is not installed. Nothing is written to it then.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The installer runs from it.
    #[error("the stick that this installer was started from")]
    OwnStick,
    /// Another stick.
    #[error("a stick with an installer, like this one")]
    AnotherStick,
    /// It refuses writes.
    #[error("read-only: is there a switch on it?")]
    ReadOnly,
    /// Its sectors have another size.
    #[error("it has sectors of {0} bytes, and Evener needs 512")]
    BlockSize(u32),
    /// It is too small.
    #[error("too small: it has {has} MiB, and Evener needs {needs}")]
    TooSmall {
        /// Its size in MiB.
        has: u64,
        /// The least size in MiB.
        needs: u64,
    },
    /// It does not answer.
    #[error("it cannot be read ({0})")]
    Unreadable(String),
    /// Nothing there that could be kept.
    #[error("there is no Evener on it to keep anything of; \"erase\" installs it")]
    NothingToKeep,
    /// The partitions lie elsewhere.
    #[error("its partitions are laid out in another way, so nothing can be kept; \"erase\" installs it")]
    OtherLayout,
    /// The unit's floor is not known.
    #[error(
        "the record of its firmware slots is lost, and with it the oldest version that it may run; start it once, or \
         \"erase\" it"
    )]
    FloorLost,
    /// Older than the unit allows.
    #[error("this installer brings version {version}, and the unit accepts nothing below {floor}")]
    BelowFloor {
        /// The installer's version.
        version: Version,
        /// The unit's floor.
        floor: Version,
    },
}

/// The least size of a disk in sectors.
#[must_use]
pub fn least_sectors() -> u64 {
    let fixed: u64 = Role::ALL.into_iter().filter_map(Role::sectors).fold(0, u64::saturating_add);
    // A MiB for what comes before the partitions, and one for the table at the end.
    fixed.saturating_add(LEAST_DATA).saturating_add(2 * SECTORS_PER_MIB)
}

impl Candidate {
    /// Whether this disk may be written to at all, whatever was answered.
    ///
    /// # Errors
    /// [`Refusal`].
    pub fn check(&self) -> Result<(), Refusal> {
        let mib = |sectors: u64| sectors / SECTORS_PER_MIB;
        match &self.holds {
            _ if self.is_own => Err(Refusal::OwnStick),
            Holds::Stick => Err(Refusal::AnotherStick),
            _ if self.block_bytes != 512 => Err(Refusal::BlockSize(self.block_bytes)),
            _ if self.sectors < least_sectors() => {
                Err(Refusal::TooSmall { has: mib(self.sectors), needs: mib(least_sectors()) })
            }
            _ if self.read_only => Err(Refusal::ReadOnly),
            Holds::Unreadable(reason) => Err(Refusal::Unreadable(reason.clone())),
            Holds::Nothing | Holds::Unit(_) | Holds::Other(_) => Ok(()),
        }
    }

    /// Whether `version` may be installed on it in this way.
    ///
    /// # Errors
    /// [`Refusal`].
    pub fn permits(&self, how: How, version: Version) -> Result<(), Refusal> {
        self.check()?;
        if how == How::Erase {
            return Ok(());
        }
        let Holds::Unit(unit) = &self.holds else { return Err(Refusal::NothingToKeep) };
        if !unit.same_layout {
            return Err(Refusal::OtherLayout);
        }
        let floor = unit.floor.ok_or(Refusal::FloorLost)?;
        if permits(version, floor) { Ok(()) } else { Err(Refusal::BelowFloor { version, floor }) }
    }

    /// Whether nothing is lost when it is erased: it is empty, or an installation was broken off.
    #[must_use]
    pub fn is_free(&self) -> bool {
        match &self.holds {
            Holds::Nothing => true,
            Holds::Unit(unit) => unit.version.is_none() && !unit.configured,
            Holds::Stick | Holds::Other(_) | Holds::Unreadable(_) => false,
        }
    }
}

/// Looks at what is on `disk`. `is_configured` reads the `conf` partition of an Evener. Writes nothing.
pub fn look<B: Blocks>(disk: &mut B, mut is_configured: impl FnMut(&mut B, &PartitionMap) -> bool) -> Holds {
    match PartitionMap::read(disk) {
        Ok(map) if map.installer().is_some() => Holds::Stick,
        Ok(map) if map.get(Role::SlotTable).is_some() && map.get(Role::Conf).is_some() => {
            let table = map.window(&mut *disk, Role::SlotTable).and_then(|mut part| load(&mut part).table);
            let startable = |state| matches!(state, SlotState::Confirmed | SlotState::Trial);
            let version = table.as_ref().and_then(|table| {
                let slots = evener_disk::Slot::ALL.map(|slot| *table.slot(slot));
                let first =
                    slots.into_iter().filter(|slot| startable(slot.state)).max_by_key(|slot| slot.priority);
                first.map(|slot| slot.version)
            });
            let own = PartitionMap::lay_out(disk.sectors(), map.disk(), |_| map.disk());
            let same_layout = map.foreign() == 0 && own.is_ok_and(|own| own.is_laid_out_as(&map));
            let configured = is_configured(disk, &map);
            Holds::Unit(Unit { version, floor: table.map(|table| table.floor), configured, same_layout })
        }
        Ok(_) => Holds::Other("partitions of another system"),
        Err(_) => look_at_the_ends(disk),
    }
}

fn look_at_the_ends<B: Blocks>(disk: &mut B) -> Holds {
    let sectors = disk.sectors();
    let count = u64::try_from(LOOKED_AT).unwrap_or(u64::MAX).min(sectors);
    let mut bytes = vec![0; usize::try_from(count).unwrap_or(0).saturating_mul(SECTOR)];
    for at in [0, sectors.saturating_sub(count)] {
        if let Err(error) = disk.read(Lba(at), &mut bytes) {
            return Holds::Unreadable(format!("{error:?}"));
        }
        let is_mbr = at == 0 && bytes.get(510..512) == Some(&[0x55, 0xaa]);
        if is_mbr {
            return Holds::Other("another system or file system");
        }
        if bytes.iter().any(|byte| *byte != 0) {
            return Holds::Other("data of some kind");
        }
    }
    Holds::Nothing
}

#[cfg(test)]
mod tests;
