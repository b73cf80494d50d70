//! The QEMU machine that imitates a board.
//!
//! What the loader and the kernel see of a board is its buses: which controller the disk hangs on, what the network
//! ports are, whether there is a screen, which watchdog. The device models are therefore a closed list: those that the
//! kernel of `board-support/kernel` has drivers for.

use serde::{Deserialize, Deserializer};

use crate::field;

/// Chip sets: i440FX with IDE, and ICH9 with AHCI and PCI Express.
const MACHINES: [&str; 2] = ["pc", "q35"];
/// Disks. `ide-hd` hangs on what the machine has: IDE in `pc`, AHCI in `q35`.
const DISKS: [&str; 5] = ["ide-hd", "nvme", "scsi-hd", "usb-storage", "virtio-blk-pci"];
/// Controllers that a disk needs and no machine has by itself.
const CONTROLLERS: [&str; 6] =
    ["megasas-gen2", "mptsas1068", "pvscsi", "qemu-xhci", "usb-ehci", "virtio-scsi-pci"];
/// The one of them that is SAS.
const SAS: &str = "mptsas1068";
/// Network ports.
const NICS: [&str; 4] = ["e1000", "e1000e", "virtio-net-pci", "vmxnet3"];
/// Ports whose segmentation offload QEMU 7.2 does wrongly.
const BREAKS_SEGMENTS: [&str; 2] = ["e1000e", "vmxnet3"];

/// What to give QEMU; everything that is the board's and nothing that is the test's.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Qemu {
    /// `-machine`.
    #[serde(deserialize_with = "machine")]
    pub machine: String,
    /// `-cpu`.
    pub cpu: String,
    /// `-smp`, 1 to 64.
    #[serde(deserialize_with = "field::within::<1, 64, _>")]
    pub cpus: u32,
    /// `-m`, 64 to 65536 MiB.
    #[serde(deserialize_with = "field::within::<64, 65536, _>")]
    pub memory_mib: u32,
    /// Device model of the disk.
    #[serde(deserialize_with = "disk")]
    pub disk: String,
    /// Device model of the controller that the disk hangs on, where the machine has none for it.
    #[serde(default, deserialize_with = "controller")]
    pub controller: Option<String>,
    /// Device model of each network port.
    #[serde(deserialize_with = "nic")]
    pub nic: String,
    /// Device model of the watchdog, if it is a device of its own.
    pub watchdog: Option<String>,
    /// Whether there is a screen; there is, unless the file says no.
    #[serde(default = "yes")]
    pub screen: bool,
    /// Further arguments.
    #[serde(default)]
    pub extra: Vec<String>,
}

impl Qemu {
    /// Machine, CPUs, memory, watchdog and the disk's controller as arguments; disk, network and firmware are the
    /// caller's.
    #[must_use]
    pub fn arguments(&self) -> Vec<String> {
        let mut arguments: Vec<String> =
            ["-machine", &self.machine, "-cpu", &self.cpu].map(Into::into).into();
        arguments.extend(["-smp".into(), self.cpus.to_string()]);
        arguments.extend(["-m".into(), self.memory_mib.to_string()]);
        if !self.screen {
            arguments.extend(["-vga".into(), "none".into()]);
        }
        for device in [&self.watchdog, &self.controller].into_iter().flatten() {
            arguments.extend(["-device".into(), device.clone()]);
        }
        arguments.extend(self.extra.iter().cloned());
        arguments
    }

    /// The value of `-device` for the disk whose block node is `node`.
    #[must_use]
    pub fn disk_device(&self, node: &str) -> String {
        // A controller without a name of its own offers its bus under the bus's: "scsi.0" or "usb-bus.0".
        let place = match self.disk.as_str() {
            // On SAS a disk's name is its address; QEMU gives it none, and Linux passes over address 0.
            "scsi-hd" if self.controller.as_deref() == Some(SAS) => ",bus=scsi.0,wwn=0x3000000000000001",
            "scsi-hd" => ",bus=scsi.0",
            "usb-storage" => ",bus=usb-bus.0",
            // No controller by NVMe's rules is without a serial number, and QEMU starts none.
            "nvme" => ",serial=evener",
            _ => "",
        };
        format!("{}{place},drive={node},bootindex=1", self.disk)
    }

    /// The value of `-device` for a network port on the netdev `id`. Ports get ascending PCI addresses in the order in
    /// which they are given.
    #[must_use]
    pub fn nic_device(&self, id: &str, mac: &str) -> String {
        // Without a boot ROM the firmware does not try the network, which costs OVMF 0.4 s.
        format!("{},netdev={id},mac={mac},romfile=", self.nic)
    }

    /// Whether QEMU 7.2 cuts what the guest leaves to this port's segmentation offload (TSO) into IP fragments instead
    /// of TCP segments: from the unit to the test no more than 1 MB/s, or a standstill. What fits a single packet
    /// arrives. A test that sends more must have the offload switched off in the unit, or use `e1000`.
    #[must_use]
    pub fn breaks_segmentation_offload(&self) -> bool {
        BREAKS_SEGMENTS.contains(&self.nic.as_str())
    }
}

const fn yes() -> bool {
    true
}

fn machine<'de, D: Deserializer<'de>>(from: D) -> Result<String, D::Error> {
    field::one_of(from, "machine", &MACHINES)
}

fn disk<'de, D: Deserializer<'de>>(from: D) -> Result<String, D::Error> {
    field::one_of(from, "disk", &DISKS)
}

fn controller<'de, D: Deserializer<'de>>(from: D) -> Result<Option<String>, D::Error> {
    field::one_of(from, "controller", &CONTROLLERS).map(Some)
}

fn nic<'de, D: Deserializer<'de>>(from: D) -> Result<String, D::Error> {
    field::one_of(from, "network port", &NICS)
}

#[cfg(test)]
mod tests {
    use crate::tests::{QEMU, board};
    use crate::{Board, Qemu};

    #[test]
    fn the_arguments_imitate_the_board() {
        let board = Board::parse(QEMU).unwrap();
        assert_eq!(
            board.qemu.arguments().join(" "),
            "-machine q35 -cpu qemu64 -smp 2 -m 512 -device i6300esb -device virtio-rng-pci"
        );
        assert_eq!(board.qemu.disk_device("d"), "virtio-blk-pci,drive=d,bootindex=1");
        assert_eq!(
            board.qemu.nic_device("n0", "52:54:00:00:00:01"),
            "virtio-net-pci,netdev=n0,mac=52:54:00:00:00:01,romfile="
        );
    }

    #[test]
    fn the_lm2200_has_ide_four_intel_ports_and_no_screen() {
        let board = board("lm2200");
        assert_eq!(
            board.qemu.arguments().join(" "),
            "-machine pc -cpu qemu64 -smp 2 -m 1024 -vga none -device i6300esb"
        );
        assert_eq!(board.qemu.disk_device("d"), "ide-hd,drive=d,bootindex=1");
        assert_eq!((board.qemu.nic.as_str(), board.network.ports), ("e1000e", 4));
    }

    #[test]
    fn a_disk_that_needs_a_controller_hangs_on_it() {
        let board = board("vmware");
        assert!(board.qemu.arguments().join(" ").contains("-device pvscsi"));
        assert_eq!(board.qemu.disk_device("d"), "scsi-hd,bus=scsi.0,drive=d,bootindex=1");
        let sas = Qemu { controller: Some("mptsas1068".into()), ..board.qemu };
        assert_eq!(sas.disk_device("d"), "scsi-hd,bus=scsi.0,wwn=0x3000000000000001,drive=d,bootindex=1");
    }

    #[test]
    fn the_ports_whose_offload_is_broken_are_known() {
        for (name, is_broken) in [("qemu", false), ("vmware", true), ("lm2200", true), ("hyperv-gen1", false)]
        {
            assert_eq!(board(name).qemu.breaks_segmentation_offload(), is_broken, "{name}");
        }
    }
}
