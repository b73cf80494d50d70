//! The disks of the machine, as sysfs shows them and as they answer.

use crate::blocks::Disk;
use crate::device;
use evener_disk::{PartitionMap, Role};
use evener_install::{Bus, Candidate, Holds, look};
use evener_store::Copies;
use evener_sys::disk::FileBlocks;
use std::fs;
use std::path::{Path, PathBuf};

/// Beginnings of the names of what is no disk, or none that a machine starts from.
const NO_DISKS: [&str; 9] = ["loop", "ram", "zram", "dm-", "md", "sr", "fd", "nbd", "mtd"];

/// Size in sectors, the kernel's running number, name.
pub(crate) type Glance = (u64, u64, String);

/// The tree at `/sys`, or one that stands for it.
#[derive(Clone, Debug)]
pub(crate) struct Sysfs(PathBuf);

impl Sysfs {
    pub(crate) fn new(root: impl Into<PathBuf>) -> Self {
        Self(root.into())
    }

    /// Names and sizes of the disks, to see whether something has come or gone. A disk that comes back may have the name
    /// of the one that went; the number that the kernel counts them by is another one.
    pub(crate) fn glance(&self) -> Vec<Glance> {
        let names = self.names().into_iter();
        names.filter_map(|name| Some((self.sectors(&name)?, self.number_of(&name), name))).collect()
    }

    fn number_of(&self, name: &str) -> u64 {
        text(&self.0.join("block").join(name).join("diskseq")).parse().unwrap_or(0)
    }

    /// All disks, `stick` among them. What is on them is looked at by `holds`.
    pub(crate) fn disks(&self, stick: &str, holds: impl Fn(&str) -> Holds) -> Vec<(Glance, Candidate)> {
        let candidate = |glance: Glance| {
            let (sectors, _, name) = glance.clone();
            (glance, self.candidate(name, sectors, stick, &holds))
        };
        self.glance().into_iter().map(candidate).collect()
    }

    /// The node of the partition of `disk` with this name in the table.
    pub(crate) fn partition(&self, disk: &str, partition: &str) -> Option<PathBuf> {
        let wanted = format!("PARTNAME={partition}");
        fs::read_dir(self.0.join("block").join(disk)).ok()?.flatten().find_map(|entry| {
            let event = fs::read_to_string(entry.path().join("uevent")).ok()?;
            let is_it = entry.path().join("partition").exists() && event.lines().any(|line| line == wanted);
            is_it.then(|| device(&entry.file_name().to_string_lossy()))
        })
    }

    fn candidate(
        &self,
        name: String,
        sectors: u64,
        stick: &str,
        holds: &impl Fn(&str) -> Holds,
    ) -> Candidate {
        let folder = self.0.join("block").join(&name);
        let number = |path: &str| text(&folder.join(path)).parse::<u32>().ok();
        let is_own = name == stick;
        Candidate {
            sectors,
            block_bytes: number("queue/logical_block_size").unwrap_or(512),
            model: model(&folder),
            serial: serial(&folder),
            bus: bus(&folder),
            removable: number("removable") == Some(1),
            read_only: number("ro") == Some(1),
            is_own,
            holds: if is_own { Holds::Stick } else { holds(&name) },
            name,
        }
    }

    fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(self.0.join("block")).into_iter().flatten().flatten();
        let mut names: Vec<String> =
            entries.filter_map(|entry| entry.file_name().into_string().ok()).collect();
        names.retain(|name| self.is_disk(name));
        names.sort();
        names
    }

    fn is_disk(&self, name: &str) -> bool {
        let hidden = text(&self.0.join("block").join(name).join("hidden")) == "1";
        // Soldered flash has small areas of its own beside the disk.
        let is_area = name.starts_with("mmcblk") && (name.contains("boot") || name.contains("rpmb"));
        !hidden && !is_area && !NO_DISKS.iter().any(|begin| name.starts_with(begin))
    }

    fn sectors(&self, name: &str) -> Option<u64> {
        text(&self.0.join("block").join(name).join("size")).parse().ok().filter(|sectors| *sectors > 0)
    }
}

/// What is on the disk with this name. Writes nothing.
pub(crate) fn holds(name: &str) -> Holds {
    match FileBlocks::open(&device(name), false) {
        Ok(disk) => look(&mut Disk(disk), is_configured),
        Err(error) => Holds::Unreadable(error.to_string()),
    }
}

/// Whether the second copy has a configuration; whatever is in `data` came through there.
fn is_configured(disk: &mut Disk, map: &PartitionMap) -> bool {
    let conf = map.window(disk, Role::Conf);
    conf.and_then(|conf| Copies::open(conf).ok()).is_some_and(|(_, newest)| newest.is_some())
}

fn text(path: &Path) -> String {
    let bytes = fs::read(path).unwrap_or_default();
    String::from_utf8_lossy(&bytes).trim_matches(|c: char| c.is_whitespace() || c == '\0').to_owned()
}

/// Maker and model; every ATA disk has the maker "ATA".
fn model(folder: &Path) -> String {
    let (vendor, model) = (text(&folder.join("device/vendor")), text(&folder.join("device/model")));
    // That of a virtio disk is a number, and some makers say who they are twice.
    let says_nothing = vendor == "ATA" || vendor.starts_with("0x") || model.starts_with(&vendor);
    let vendor = if says_nothing { String::new() } else { vendor };
    let name = text(&folder.join("device/name"));
    [vendor, model, name].into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(" ")
}

fn serial(folder: &Path) -> String {
    let plain = ["serial", "device/serial"].map(|path| text(&folder.join(path)));
    if let Some(serial) = plain.into_iter().find(|serial| !serial.is_empty()) {
        return serial;
    }
    // SCSI: a page with a header of four bytes.
    let page = fs::read(folder.join("device/vpd_pg80")).unwrap_or_default();
    String::from_utf8_lossy(page.get(4..).unwrap_or_default()).trim().to_owned()
}

fn bus(folder: &Path) -> Bus {
    let path = fs::canonicalize(folder).unwrap_or_default();
    let path = path.to_string_lossy();
    let known = [
        ("/usb", Bus::Usb),
        ("/nvme", Bus::Nvme),
        ("/virtio", Bus::Virtual),
        ("/VMBUS", Bus::Virtual),
        ("/mmc", Bus::Mmc),
        ("/ata", Bus::Ata),
        ("/host", Bus::Scsi),
    ];
    known.into_iter().find(|(part, _)| path.contains(part)).map_or(Bus::Other, |(_, bus)| bus)
}

#[cfg(test)]
mod tests;
