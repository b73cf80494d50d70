//! The facts about ports, as sysfs has them (Documentation/ABI/testing/sysfs-class-net, sysfs-bus-pci), and the ports
//! that have their number already, kept over a new start of this service.

use super::{PciAddress, Place, Port, SYNTHETIC};
use crate::plan::Link;
use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// Highest number of a port that a machine's firmware gives with meaning (as systemd has it: VMware, for one, hands
/// out 16777728 and up).
const HIGHEST_ONBOARD: u32 = 16_383;

/// What is known about the machine's ports.
#[derive(Debug)]
pub(crate) struct Known {
    sysfs: PathBuf,
    kept: PathBuf,
    settled: BTreeSet<u32>,
}

impl Known {
    /// `sysfs` is where that is mounted; which ports have their number is kept in `folder`.
    pub(crate) fn new(sysfs: &Path, folder: &Path) -> Self {
        let kept = folder.join("ports");
        let settled = fs::read_to_string(&kept).unwrap_or_default();
        let settled = settled.lines().filter_map(|line| line.parse().ok()).collect();
        Self { sysfs: sysfs.to_owned(), kept, settled }
    }

    /// The ports among these interfaces. Where sysfs shows another network than the kernel's answer does, as in a
    /// namespace, there are none.
    pub(crate) fn ports(&self, links: &[Link]) -> Vec<Port> {
        let mut ports = read(&self.sysfs);
        ports.retain(|port| {
            links.iter().any(|link| (link.index, &link.name, link.mac) == (port.index, &port.name, port.mac))
        });
        ports
    }

    /// The ports that keep their number.
    pub(crate) fn settled(&self) -> &BTreeSet<u32> {
        &self.settled
    }

    /// From now on these keep theirs.
    ///
    /// # Errors
    /// When that cannot be kept for a new start of this service, which then may number a late comer differently.
    pub(crate) fn settle(&mut self, ports: &[Port]) -> io::Result<()> {
        let indexes: BTreeSet<u32> = ports.iter().map(|port| port.index).collect();
        if indexes == self.settled {
            return Ok(());
        }
        self.settled = indexes;
        let lines: String = self.settled.iter().map(|index| format!("{index}\n")).collect();
        if let Some(folder) = self.kept.parent() {
            fs::create_dir_all(folder)?;
        }
        fs::write(&self.kept, lines)
    }
}

/// Every interface with a device behind it. What goes away while it is read is left out.
pub(super) fn read(sysfs: &Path) -> Vec<Port> {
    let Ok(entries) = fs::read_dir(sysfs.join("class/net")) else { return Vec::new() };
    let mut ports: Vec<Port> = entries.filter_map(|entry| port(&entry.ok()?.path())).collect();
    ports.sort_by_key(|port| port.index);
    ports
}

fn port(folder: &Path) -> Option<Port> {
    let device = fs::canonicalize(folder.join("device")).ok()?;
    let driver = fs::read_link(device.join("driver")).ok();
    let driver = driver.as_deref().and_then(Path::file_name).and_then(|name| name.to_str());
    let driver = driver.unwrap_or_default().to_owned();
    Some(Port {
        index: number(&folder.join("ifindex"))?,
        name: folder.file_name()?.to_str()?.to_owned(),
        mac: mac(&fs::read_to_string(folder.join("address")).ok()?)?,
        master: number(&folder.join("master/ifindex")),
        place: if driver == SYNTHETIC { Place::Offer } else { place(folder, &device) },
        driver,
    })
}

/// Where the device is. One on a bus of its own, as virtio's, is where the PCI function is that carries that bus.
fn place(folder: &Path, device: &Path) -> Place {
    for function in device.ancestors() {
        let name = function.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        if let Some(address) = PciAddress::parse(name) {
            let given = ["acpi_index", "index"].iter().find_map(|file| number(&function.join(file)));
            let onboard = given.filter(|number| (1..=HIGHEST_ONBOARD).contains(number));
            return Place::Pci { address, port: number(&folder.join("dev_port")).unwrap_or(0), onboard };
        }
    }
    Place::Other
}

fn number(path: &Path) -> Option<u32> {
    fs::read_to_string(path).ok()?.trim().parse().ok()
}

fn mac(text: &str) -> Option<[u8; 6]> {
    let bytes: Vec<u8> =
        text.trim().split(':').map(|byte| u8::from_str_radix(byte, 16)).collect::<Result<_, _>>().ok()?;
    bytes.try_into().ok()
}
