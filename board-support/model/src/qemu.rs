//! The QEMU machine that imitates a board.

use serde::Deserialize;

/// What to give QEMU; everything that is the board's and nothing that is the test's.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Qemu {
    /// `-machine`.
    pub machine: String,
    /// `-cpu`.
    pub cpu: String,
    /// `-smp`, 1 to 64.
    #[serde(deserialize_with = "within::<1, 64, _>")]
    pub cpus: u32,
    /// `-m`, 64 to 65536 MiB.
    #[serde(deserialize_with = "within::<64, 65536, _>")]
    pub memory_mib: u32,
    /// Device model of the disk.
    pub disk: String,
    /// Device model of each network port.
    pub nic: String,
    /// Device model of the watchdog, if it is a device of its own.
    pub watchdog: Option<String>,
    /// Further arguments.
    #[serde(default)]
    pub extra: Vec<String>,
}

impl Qemu {
    /// Machine, CPUs, memory and watchdog as arguments; disk, network and firmware are the caller's.
    #[must_use]
    pub fn arguments(&self) -> Vec<String> {
        let mut arguments: Vec<String> =
            ["-machine", &self.machine, "-cpu", &self.cpu].map(Into::into).into();
        arguments.extend(["-smp".into(), self.cpus.to_string()]);
        arguments.extend(["-m".into(), self.memory_mib.to_string()]);
        if let Some(watchdog) = &self.watchdog {
            arguments.extend(["-device".into(), watchdog.clone()]);
        }
        arguments.extend(self.extra.iter().cloned());
        arguments
    }

    /// The value of `-device` for the disk whose block node is `node`.
    #[must_use]
    pub fn disk_device(&self, node: &str) -> String {
        format!("{},drive={node},bootindex=1", self.disk)
    }

    /// The value of `-device` for a network port on the netdev `id`.
    #[must_use]
    pub fn nic_device(&self, id: &str, mac: &str) -> String {
        // Without a boot ROM the firmware does not try the network, which costs OVMF 0.4 s.
        format!("{},netdev={id},mac={mac},romfile=", self.nic)
    }
}

fn within<'de, const LOW: u32, const HIGH: u32, D: serde::Deserializer<'de>>(
    from: D,
) -> Result<u32, D::Error> {
    let value = u32::deserialize(from)?;
    if (LOW..=HIGH).contains(&value) {
        return Ok(value);
    }
    Err(serde::de::Error::custom(format!("{value} is not between {LOW} and {HIGH}")))
}

#[cfg(test)]
mod tests {
    use crate::Board;

    #[test]
    fn the_arguments_imitate_the_board() {
        let board = Board::parse(include_str!("../../boards/qemu.toml")).unwrap();
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
}
