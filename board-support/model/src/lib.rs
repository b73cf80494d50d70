//! What a board is: how its firmware boots, its consoles, disk, network ports and watchdog, and the QEMU
//! machine that imitates it.
//!
//! One file a board, `board-support/boards/NAME.toml`. A board never changes the firmware (there is one
//! bundle for all); it decides which disk images are made (`disk`, and `consoles` must be among those of the
//! signed command line) and how a test imitates the hardware (`qemu`). The other fields describe the board to
//! people: loader and system find watchdog, firmware and ports by themselves, on every machine. Text comes
//! in as an argument; errors name the line, as the TOML parser knows it, and the field.
#![forbid(unsafe_code)]

use std::collections::BTreeSet;
use std::fmt;

use serde::Deserialize;

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
#[serde(rename_all = "lowercase")]
pub enum DiskFormat {
    /// The bytes of the disk, with holes.
    Raw,
    /// QEMU's copy-on-write format, version 3.
    Qcow2,
}

impl DiskFormat {
    /// File name extension.
    #[must_use]
    pub const fn extension(self) -> &'static str {
        match self {
            Self::Raw => "raw",
            Self::Qcow2 => "qcow2",
        }
    }
}

impl fmt::Display for DiskFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.extension())
    }
}

/// Which port is number one on the case. The running system does not read it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PortOrder {
    /// Ascending PCI address.
    PciAddress,
}

/// The board's hardware watchdog. The loader looks for every kind it knows, whatever stands here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Watchdog {
    /// Intel 6300ESB, a PCI device of its own; QEMU has it.
    I6300esb,
    /// The TCO timer in Intel chip sets.
    Tco,
    /// The board has none that the loader knows: a hang before init is not noticed.
    None,
}

/// The board's disk.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DiskModel {
    /// Size in MiB, 320 to 2097152.
    #[serde(deserialize_with = "disk_mib")]
    pub size_mib: u32,
    /// The image files to write; at least one.
    #[serde(deserialize_with = "some_formats")]
    pub formats: BTreeSet<DiskFormat>,
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
    pub firmware: BTreeSet<FirmwareKind>,
    /// Kernel console names in order; the last one is `/dev/console`. At least one.
    pub consoles: Vec<String>,
    /// The watchdog that the loader will find.
    pub watchdog: Watchdog,
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
        let board: Self = toml::from_str(text).map_err(|e| BoardError(e.to_string()))?;
        for (field, empty) in
            [("firmware", board.firmware.is_empty()), ("consoles", board.consoles.is_empty())]
        {
            if empty {
                return Err(BoardError(format!("{field}: at least one is needed")));
            }
        }
        Ok(board)
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

fn some_formats<'de, D: serde::Deserializer<'de>>(from: D) -> Result<BTreeSet<DiskFormat>, D::Error> {
    let formats = BTreeSet::deserialize(from)?;
    if formats.is_empty() {
        Err(serde::de::Error::custom("at least one format is needed"))
    } else {
        Ok(formats)
    }
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
mod tests {
    use super::*;

    const QEMU: &str = include_str!("../../boards/qemu.toml");

    #[test]
    fn the_qemu_board_is_valid() {
        let board = Board::parse(QEMU).unwrap();
        assert_eq!(board.name, "qemu");
        assert_eq!(board.disk.sectors(), 512 * 2048);
        assert_eq!(board.consoles.last().unwrap(), "ttyS0,115200n8");
    }

    #[test]
    fn an_error_names_line_and_field() {
        for (good, bad, words) in [
            ("size_mib = 512", "size_mib = 10", ["10 MiB is not between 320", "size_mib"]),
            ("name = \"qemu\"", "name = \"Q emu\"", ["lower-case", "line 2"]),
            ("watchdog = \"i6300esb\"\n\n", "watchdog = \"dog\"\n\n", ["unknown variant `dog`", "line 7"]),
            ("cpus = 2", "cpus = 2\nsockets = 1", ["unknown field `sockets`", "sockets = 1"]),
            ("formats = [\"raw\", \"qcow2\"]", "formats = []", ["at least one format", "formats"]),
            ("firmware = [\"uefi\"]", "firmware = []", ["firmware", "at least one"]),
            ("memory_mib = 512", "memory_mib = 12", ["12 is not between 64", "memory_mib"]),
            ("title = ", "titel = ", ["unknown field `titel`", "line 3"]),
        ] {
            let text = QEMU.replace(good, bad);
            assert_ne!(text, QEMU, "{good}");
            let error = Board::parse(&text).unwrap_err().to_string();
            assert!(words.iter().all(|w| error.contains(w)), "{bad}: {error}");
        }
    }
}
