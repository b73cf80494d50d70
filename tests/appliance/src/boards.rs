//! The image files of every board, as the builder wrote them, and units that boot from one.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};
use evener_board::{Board, DiskFormat, FirmwareKind};
use evener_formats::raw_zst;
use evener_lab::{Attachment, Machine, overlay_of};
use evener_recipes::OnDisk;

use crate::image::{log_path, out};

/// A file that `make image BOARD=all` writes, and the firmware that is to start it.
#[derive(Clone, Debug)]
pub struct BoardImage {
    /// Whose file it is.
    pub board: Board,
    /// What kind of file.
    pub format: DiskFormat,
    /// One of those that the board has.
    pub firmware: FirmwareKind,
}

/// Every format of every board under every firmware that the board has, in the order of their names.
///
/// # Errors
/// When a board file cannot be read.
pub fn board_images() -> Result<Vec<BoardImage>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../board-support/boards");
    let files = fs::read_dir(&folder).with_context(|| format!("looking into {}", folder.display()))?;
    let mut files = files.map(|entry| Ok(entry?.path())).collect::<Result<Vec<PathBuf>>>()?;
    files.sort();
    let mut images = Vec::new();
    for file in files {
        let board = Board::parse(&fs::read_to_string(&file)?).with_context(|| file.display().to_string())?;
        for format in &board.disk.formats {
            for firmware in &board.firmware {
                images.push(BoardImage { board: board.clone(), format: *format, firmware: *firmware });
            }
        }
    }
    Ok(images)
}

impl BoardImage {
    /// Such as `vmware-ova-uefi`.
    #[must_use]
    pub fn name(&self) -> String {
        format!("{}-{}-{}", self.board.name, self.format.extension().replace('.', "-"), self.firmware_name())
    }

    /// `uefi` or `bios`.
    #[must_use]
    pub const fn firmware_name(&self) -> &'static str {
        match self.firmware {
            FirmwareKind::Uefi => "uefi",
            FirmwareKind::Bios => "bios",
        }
    }

    /// The controller in place of the board's, where the board's cannot be booted from here.
    ///
    /// Debian's OVMF is built without `PvScsiDxe` (and without `MptScsiDxe`): neither name is in its firmware volumes, so
    /// it does not see such a disk. Under UEFI a VMware unit therefore has its disk on AHCI, which an OVA can name too
    /// (`vmware.sata.ahci`); what is imitated then is VMware's firmware kind, disk file and port, not its controller.
    #[must_use]
    pub fn other_controller(&self) -> Option<Attachment> {
        let has_pvscsi = self.board.qemu.controller.as_deref() == Some("pvscsi");
        (has_pvscsi && self.firmware == FirmwareKind::Uefi).then_some(Attachment::Ahci)
    }

    /// What the disk hangs on, in QEMU's words.
    #[must_use]
    pub fn disk_bus(&self) -> String {
        let qemu = &self.board.qemu;
        match (self.other_controller(), &qemu.controller) {
            (Some(_), _) => "AHCI".to_owned(),
            (None, Some(controller)) => controller.clone(),
            (None, None) if qemu.disk == "ide-hd" => {
                if qemu.machine == "pc" { "IDE" } else { "AHCI" }.to_owned()
            }
            (None, None) => qemu.disk.clone(),
        }
    }

    /// A unit that imitates the board and boots from the file; what it writes goes to an overlay in `folder`. Its cards
    /// and its medium are the caller's.
    ///
    /// # Errors
    /// When the file has not been built, or cannot be opened as what it is.
    pub fn machine(&self, name: &str, folder: &Path) -> Result<Machine> {
        Ok(self.machine_with(name, &self.disk(folder)?))
    }

    /// The same with a disk that is there already.
    #[must_use]
    pub fn machine_with(&self, name: &str, disk: &Path) -> Machine {
        let machine = Machine::new(name, disk, &log_path(name)).imitating(&self.board);
        let machine = machine.started_by(self.firmware);
        match self.other_controller() {
            Some(attachment) => machine.attached(attachment),
            None => machine,
        }
    }

    /// A disk in `folder` that begins as the file.
    ///
    /// # Errors
    /// As [`machine`](Self::machine).
    pub fn disk(&self, folder: &Path) -> Result<PathBuf> {
        let file = out().join(format!("evener-{}.{}", self.board.name, self.format.extension()));
        ensure!(file.exists(), "{} is not there; `make image BOARD=all` builds it", file.display());
        // QEMU opens the very file, but for the two that are a file within another.
        let (file, format) = match self.format {
            DiskFormat::Raw => (file, "raw"),
            DiskFormat::Qcow2 => (file, "qcow2"),
            DiskFormat::Vhd => (file, "vpc"),
            DiskFormat::Vhdx => (file, "vhdx"),
            DiskFormat::Vmdk => (file, "vmdk"),
            DiskFormat::Ova => (vmdk_of(&file, folder)?, "vmdk"),
            DiskFormat::RawZst => (unpacked(&file, folder)?, "raw"),
        };
        let disk = folder.join("disk.qcow2");
        overlay_of(&file, format, &disk, None)?;
        Ok(disk)
    }
}

/// The VMDK of an OVA, taken out by another program than ours.
#[expect(clippy::disallowed_methods, reason = "runs tar on the developer's machine")]
fn vmdk_of(ova: &Path, folder: &Path) -> Result<PathBuf> {
    let mut tar = Command::new("tar");
    tar.arg("-xf").arg(ova).arg("-C").arg(folder).stdin(Stdio::null());
    let status = tar.status().context("starting tar")?;
    ensure!(status.success(), "tar -xf {} failed ({status})", ova.display());
    let files = fs::read_dir(folder)?.filter_map(|entry| Some(entry.ok()?.path()));
    let mut disks = files.filter(|path| path.extension().is_some_and(|it| it == "vmdk"));
    disks.next().with_context(|| format!("{} has no VMDK", ova.display()))
}

/// The disk of a packed image, by the code of `evener-image convert`: that is how people unpack it.
fn unpacked(packed: &Path, folder: &Path) -> Result<PathBuf> {
    let raw = folder.join("unpacked.raw");
    let mut target = OnDisk::new(File::create(&raw)?)?;
    raw_zst::unpack(File::open(packed)?, &mut target).with_context(|| packed.display().to_string())?;
    drop(target.into_file()?);
    Ok(raw)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_board_is_booted_in_each_format_by_each_firmware() {
        let images = board_images().unwrap();
        let names: Vec<String> = images.iter().map(BoardImage::name).collect();
        for name in
            ["hyperv-gen1-vhd-bios", "hyperv-gen2-vhdx-uefi", "vmware-ova-uefi", "oem-x86-raw-zst-bios"]
        {
            assert!(names.iter().any(|known| known == name), "{name}: {names:?}");
        }
        let buses =
            |name: &str| images.iter().find(|image| image.name() == name).map(BoardImage::disk_bus).unwrap();
        assert_eq!((buses("vmware-ova-uefi"), buses("vmware-ova-bios")), ("AHCI".into(), "pvscsi".into()));
        assert_eq!((buses("lm2200-raw-bios"), buses("oem-x86-raw-uefi")), ("IDE".into(), "AHCI".into()));
        assert_eq!(buses("aws-raw-uefi"), "nvme");
    }
}
