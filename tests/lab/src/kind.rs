//! What kind of machine a unit is: its firmware, and how its disk is attached.

use evener_board::{FirmwareKind, Qemu};

/// The firmware of a unit that was not told otherwise: `EVENER_FIRMWARE=bios` runs any test under a BIOS.
const VARIABLE: &str = "EVENER_FIRMWARE";

/// How a unit's disk is attached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Attachment {
    /// A PIIX IDE channel of QEMU's machine `pc`.
    Ide,
    /// An AHCI port of QEMU's machine `q35`.
    Ahci,
    /// virtio.
    VirtioBlk,
    /// NVMe.
    Nvme,
    /// A USB stick on an xHCI controller.
    UsbStorage,
    /// An LSI SAS controller of the first generation.
    LsiSas,
    /// An LSI MegaRAID controller.
    MegaRaid,
}

impl Attachment {
    /// All of them.
    pub const ALL: [Self; 7] =
        [Self::Ide, Self::Ahci, Self::VirtioBlk, Self::Nvme, Self::UsbStorage, Self::LsiSas, Self::MegaRaid];

    /// QEMU's machine for it, if it is a part of one.
    pub(crate) fn machine(self) -> Option<&'static str> {
        match self {
            Self::Ide => Some("pc"),
            Self::Ahci => Some("q35"),
            Self::VirtioBlk | Self::Nvme | Self::UsbStorage | Self::LsiSas | Self::MegaRaid => None,
        }
    }

    /// The values of `-device` for the disk whose block node is `node`.
    pub(crate) fn devices(self, node: &str) -> Vec<String> {
        let disk = |model: &str| format!("{model},drive={node},bootindex=1");
        match self {
            Self::Ide | Self::Ahci => vec![disk("ide-hd,bus=ide.0")],
            Self::VirtioBlk => vec![disk("virtio-blk-pci")],
            Self::Nvme => vec![disk("nvme,serial=evener")],
            // On SAS a disk's name is its address; QEMU gives it none, and Linux passes over address 0.
            Self::LsiSas => vec!["mptsas1068".to_owned(), disk("scsi-hd,bus=scsi.0,wwn=0x3000000000000001")],
            Self::MegaRaid => vec!["megasas-gen2".to_owned(), disk("scsi-hd,bus=scsi.0")],
            Self::UsbStorage => vec!["qemu-xhci,id=usb".to_owned(), disk("usb-storage,bus=usb.0")],
        }
    }
}

/// The firmware of this run of the tests.
pub(crate) fn firmware_of_this_run() -> FirmwareKind {
    let bios = std::env::var(VARIABLE).is_ok_and(|name| name == "bios");
    if bios { FirmwareKind::Bios } else { FirmwareKind::Uefi }
}

/// The values of `-device` for the disk of a board, or of one that is attached in another way; then the board's machine
/// is changed to one that can.
pub(crate) fn disk_devices(board: &mut Qemu, attachment: Option<Attachment>, node: &str) -> Vec<String> {
    let Some(attachment) = attachment else { return vec![board.disk_device(node)] };
    board.controller = None;
    if let Some(machine) = attachment.machine() {
        machine.clone_into(&mut board.machine);
    }
    attachment.devices(node)
}
