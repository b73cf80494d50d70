//! What a board is: how its firmware boots, its consoles, disk, network ports and watchdog, and the QEMU
//! machine that imitates it.
//!
//! One file a board, `board-support/boards/NAME.toml`; `docs/adding-a-board.md` says how to write one. A board
//! never changes the firmware (there is one bundle for all); it decides which disk images are made (`disk`;
//! `consoles` must be among those of the signed command line), what an image that describes its own machine asks
//! for (`resources`, `network.ports`), and how a test imitates the hardware (`qemu`). The other fields describe the
//! board to people: loader and system find watchdog, firmware and ports by themselves, on every machine. Text comes
//! in as an argument; errors name the line, as the TOML parser knows it, and the field.
#![forbid(unsafe_code)]

use std::collections::BTreeSet;
use std::fmt;

use serde::Deserialize;

mod field;
mod qemu;
pub use qemu::Qemu;

/// Sizes of a disk in MiB that the layout supports: from what holds every partition and a little data, to
/// the 2 TiB that a BIOS can address.
const DISK_MIB: std::ops::RangeInclusive<u32> = 320..=2_097_152;

/// Why a board file is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct BoardError(String);

/// How a board's firmware starts an operating system.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FirmwareKind {
    /// UEFI, from the EFI system partition.
    Uefi,
    /// BIOS, from the boot code in sector 0.
    Bios,
}

/// A disk image format that the builder writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DiskFormat {
    /// The bytes of the disk, with holes.
    Raw,
    /// QEMU's copy-on-write format, version 3.
    Qcow2,
    /// Fixed VHD: Azure, and Hyper-V's first generation.
    Vhd,
    /// Dynamic VHDX: Hyper-V.
    Vhdx,
    /// Stream-optimized VMDK: VMware.
    Vmdk,
    /// A virtual machine with a VMDK: what vSphere imports.
    Ova,
    /// The bytes of the disk under zstd, to be sent somewhere; written `raw-zst`.
    RawZst,
}

impl DiskFormat {
    /// File name extension.
    #[must_use]
    pub const fn extension(self) -> &'static str {
        match self {
            Self::Raw => "raw",
            Self::Qcow2 => "qcow2",
            Self::Vhd => "vhd",
            Self::Vhdx => "vhdx",
            Self::Vmdk => "vmdk",
            Self::Ova => "ova",
            Self::RawZst => "raw.zst",
        }
    }
}

impl fmt::Display for DiskFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.extension())
    }
}

/// Which port is `eth0`. The running system has one rule for every machine (`firmware/net`, `ports`) and does not
/// read this; it says which part of that rule decides on this board, for whoever labels the ports.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PortOrder {
    /// Ascending PCI address, whichever driver each port needs.
    PciAddress,
    /// The machine's own firmware numbers the ports on its main board (SMBIOS type 41, ACPI `_DSM`) as the case
    /// does; cards in slots follow by PCI address.
    OnboardIndex,
    /// As the hypervisor offers its network adapters (`VMBus`), which is the order of the machine's settings.
    HostOffer,
}

/// The board's hardware watchdog. The loader looks for every kind it knows, whatever stands here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Watchdog {
    /// Intel 6300ESB, a PCI device of its own; QEMU has it.
    I6300esb,
    /// The TCO timer in Intel chip sets.
    Tco,
    /// The board has none that the loader knows: a hang before init is not noticed by the machine.
    None,
}

/// The board's disk.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DiskModel {
    /// Size of the image in MiB, 320 to 2097152. A larger disk is used whole from the first boot on.
    #[serde(deserialize_with = "disk_mib")]
    pub size_mib: u32,
    /// The image files to write; at least one.
    #[serde(deserialize_with = "field::some")]
    pub formats: BTreeSet<DiskFormat>,
    /// Whether the stick that installs Evener on a disk is of use here; it is one for all boards and written once.
    #[serde(default)]
    pub installer: bool,
}

impl DiskModel {
    /// Size in 512-byte sectors.
    #[must_use]
    pub fn sectors(&self) -> u64 {
        u64::from(self.size_mib) * 2048
    }
}

/// The board's network ports.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NetworkModel {
    /// How ports are numbered, for whoever labels them.
    pub order: PortOrder,
    /// How many there are, 1 to 16; on a hypervisor, how many adapters the image's description asks for.
    #[serde(deserialize_with = "field::within::<1, 16, _>")]
    pub ports: u32,
}

/// Processors and memory: what the machine has at least, and what an image that describes its own machine (OVF) asks
/// for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Resources {
    /// Processors, 1 to 256, the most that the kernel takes.
    #[serde(deserialize_with = "field::within::<1, 256, _>")]
    pub cpus: u32,
    /// Memory in MiB, 256 to 1048576.
    #[serde(deserialize_with = "field::within::<256, 1_048_576, _>")]
    pub memory_mib: u32,
}

/// One board.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Board {
    /// Short name, as in `--board NAME` and in file names.
    #[serde(deserialize_with = "short_name")]
    pub name: String,
    /// What an operator calls it; shown nowhere yet.
    pub title: String,
    /// The firmware kinds that the machine has; at least one. Every image carries the loaders there are.
    #[serde(deserialize_with = "field::some")]
    pub firmware: BTreeSet<FirmwareKind>,
    /// Kernel console names in order; the last one that the machine has is `/dev/console`. At least one.
    #[serde(deserialize_with = "field::some")]
    pub consoles: Vec<String>,
    /// The watchdog that the loader will find.
    pub watchdog: Watchdog,
    /// Its processors and memory.
    pub resources: Resources,
    /// Its disk.
    pub disk: DiskModel,
    /// Its network ports.
    pub network: NetworkModel,
    /// The machine that imitates it.
    pub qemu: Qemu,
}

impl Board {
    /// Reads the text of a board file.
    ///
    /// # Errors
    /// [`BoardError`] with line, column and field.
    pub fn parse(text: &str) -> Result<Self, BoardError> {
        toml::from_str(text).map_err(|e| BoardError(e.to_string()))
    }
}

fn disk_mib<'de, D: serde::Deserializer<'de>>(from: D) -> Result<u32, D::Error> {
    let mib = u32::deserialize(from)?;
    if DISK_MIB.contains(&mib) {
        return Ok(mib);
    }
    let (low, high) = (DISK_MIB.start(), DISK_MIB.end());
    Err(serde::de::Error::custom(format!("{mib} MiB is not between {low} and {high}")))
}

fn short_name<'de, D: serde::Deserializer<'de>>(from: D) -> Result<String, D::Error> {
    let name = String::deserialize(from)?;
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    if !name.is_empty() && name.chars().all(plain) {
        return Ok(name);
    }
    Err(serde::de::Error::custom("a board name has lower-case letters, digits and '-' only"))
}

#[cfg(test)]
mod tests;
