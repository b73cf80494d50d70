//! Which interface is which port: the numbers in `eth0`, `eth1`, … and who has none.
//!
//! The kernel numbers interfaces as its drivers find them: all ports of one driver, then those of the next, in the
//! order in which the drivers were linked. A card in a slot may so come before the ports on the case, and a virtual
//! function between two adapters. The settings name interfaces by number, so the numbers have to mean the same port at
//! every boot and after every update. They follow one rule on every machine:
//!
//! 1. adapters that Hyper-V offers, in the order of its offers (`hv_netvsc` probes one after the other for that);
//! 2. ports that the machine's firmware numbers itself (SMBIOS type 41 or ACPI `_DSM`), by that number;
//! 3. all others with a PCI address, ascending; several ports of one PCI function by `dev_port`.
//!
//! A port keeps its number as long as the unit runs; one that comes later gets the lowest that is free.
//!
//! **Virtual functions.** With Azure's accelerated networking an adapter (`hv_netvsc`, "synthetic") has a second
//! interface, a PCI virtual function with the same hardware address. The kernel makes it the adapter's subordinate,
//! brings it up, and moves traffic to it and back while the unit runs. Whoever gives it an address, a DHCP client or so
//! much as `down` takes the adapter's traffic away. It is therefore left alone altogether and gets no number, also in
//! the moment before the kernel has joined the two (`netvsc_register_vf`, drivers/net/hyperv/netvsc_drv.c).
//!
//! All of it is decided from facts that `ports/read.rs` finds in sysfs. Pure.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

mod read;
pub(crate) use read::Known;

/// The driver of Hyper-V's own network adapter.
const SYNTHETIC: &str = "hv_netvsc";
/// The drivers of the virtual functions that Azure pairs with one.
const VIRTUAL_FUNCTIONS: [&str; 3] = ["mlx5_core", "mlx4_core", "mana"];

/// Where a PCI function is: domain, bus, device, function.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct PciAddress {
    domain: u32,
    bus: u8,
    device: u8,
    function: u8,
}

impl PciAddress {
    /// Reads `0000:02:00.1`, as sysfs names its folders.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (front, function) = text.rsplit_once('.')?;
        let mut numbers = front.split(':');
        let [domain, bus, device] = [numbers.next()?, numbers.next()?, numbers.next()?];
        let is_short = domain.len() >= 4 && bus.len() == 2 && device.len() == 2 && function.len() == 1;
        (is_short && numbers.next().is_none()).then_some(())?;
        Some(Self {
            domain: u32::from_str_radix(domain, 16).ok()?,
            bus: u8::from_str_radix(bus, 16).ok()?,
            device: u8::from_str_radix(device, 16).ok()?,
            function: u8::from_str_radix(function, 16).ok()?,
        })
    }
}

/// What carries a port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// Hyper-V's bus.
    Offer,
    Pci {
        address: PciAddress,
        /// Which port of the function it is.
        port: u32,
        /// The number that the machine's firmware gives it.
        onboard: Option<u32>,
    },
    /// Some other bus, such as USB.
    Other,
}

/// An interface with a device behind it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Port {
    pub(crate) index: u32,
    pub(crate) name: String,
    pub(crate) mac: [u8; 6],
    /// Whose subordinate it is.
    pub(crate) master: Option<u32>,
    pub(crate) driver: String,
    pub(crate) place: Place,
}

/// A name that we give.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Name {
    /// `eth0`: a port by its number.
    Port(u32),
    /// `vf-eth0`: the virtual function of that port's adapter.
    Follower(u32),
    /// `port-2`: on the way from one number to another that is still taken. By interface index.
    Parked(u32),
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Port(number) => write!(f, "eth{number}"),
            Self::Follower(number) => write!(f, "vf-eth{number}"),
            Self::Parked(index) => write!(f, "port-{index}"),
        }
    }
}

/// The virtual functions among these ports, each with its adapter, by interface index.
pub(crate) fn followers(ports: &[Port]) -> BTreeMap<u32, u32> {
    let adapters = || ports.iter().filter(|port| port.driver == SYNTHETIC);
    let adapter_of = |port: &Port| {
        let joined = adapters().find(|adapter| port.master == Some(adapter.index));
        let may_join =
            VIRTUAL_FUNCTIONS.contains(&port.driver.as_str()) && matches!(port.place, Place::Pci { .. });
        joined.or_else(|| adapters().find(|adapter| may_join && adapter.mac == port.mac))
    };
    let followers = ports.iter().filter(|port| port.driver != SYNTHETIC);
    followers.filter_map(|port| Some((port.index, adapter_of(port)?.index))).collect()
}

/// The renames, in the order in which they have to be made. `settled` has the ports that keep their number; `others`
/// the names of interfaces without a device.
pub(crate) fn renames(ports: &[Port], settled: &BTreeSet<u32>, others: &[&str]) -> Vec<(u32, Name)> {
    let followers = followers(ports);
    let number = |port: &Port| port.name.strip_prefix("eth").and_then(|number| number.parse::<u32>().ok());
    // What has another kind of name, such as a modem, has no number either.
    let is_numbered = |port: &&Port| {
        !followers.contains_key(&port.index) && (number(port).is_some() || port.name.starts_with("port-"))
    };
    let mut numbers: BTreeMap<u32, u32> = BTreeMap::new();
    for port in ports.iter().filter(is_numbered).filter(|port| settled.contains(&port.index)) {
        numbers.extend(number(port).map(|number| (port.index, number)));
    }
    let mut new: Vec<&Port> =
        ports.iter().filter(is_numbered).filter(|port| !numbers.contains_key(&port.index)).collect();
    let trusted = has_trusted_numbers(&new);
    new.sort_by_key(|port| rank(port, trusted));
    let mut next = 0;
    for port in new {
        while numbers.values().any(|taken| *taken == next)
            || others.contains(&Name::Port(next).to_string().as_str())
        {
            next += 1;
        }
        numbers.insert(port.index, next);
    }
    let mut names: BTreeMap<u32, Name> =
        numbers.iter().map(|(index, number)| (*index, Name::Port(*number))).collect();
    for (follower, adapter) in &followers {
        names.extend(numbers.get(adapter).map(|number| (*follower, Name::Follower(*number))));
    }
    in_order(ports, names)
}

/// Whether the numbers that the machine's firmware gives can be believed: at least two ports have one, and no two the
/// same. Boards whose maker left the template's table in their firmware fail that.
fn has_trusted_numbers(ports: &[&Port]) -> bool {
    let numbers: Vec<u32> = ports.iter().filter_map(|port| onboard(port)).collect();
    numbers.len() >= 2 && numbers.iter().collect::<BTreeSet<_>>().len() == numbers.len()
}

fn onboard(port: &Port) -> Option<u32> {
    match port.place {
        Place::Pci { onboard, .. } => onboard,
        Place::Offer | Place::Other => None,
    }
}

/// The rule at the top, as something to sort by.
fn rank(port: &Port, trusted: bool) -> (u8, Option<u32>, Option<(PciAddress, u32)>, u32) {
    match port.place {
        Place::Offer => (0, None, None, port.index),
        Place::Pci { address, port: nth, onboard: Some(number) } if trusted => {
            (1, Some(number), Some((address, nth)), port.index)
        }
        Place::Pci { address, port: nth, .. } => (2, None, Some((address, nth)), port.index),
        Place::Other => (3, None, None, port.index),
    }
}

/// Leaves out who has its name already, and parks whoever is in somebody's way first.
fn in_order(ports: &[Port], names: BTreeMap<u32, Name>) -> Vec<(u32, Name)> {
    let name_of = |index: u32| ports.iter().find(|port| port.index == index).map(|port| port.name.as_str());
    let moving: Vec<(u32, Name)> =
        names.into_iter().filter(|(index, name)| name_of(*index) != Some(&name.to_string())).collect();
    let is_wanted = |index: u32| {
        moving.iter().any(|(other, name)| *other != index && name_of(index) == Some(&name.to_string()))
    };
    let in_the_way = moving.iter().filter(|(index, _)| is_wanted(*index));
    let parked = in_the_way.map(|(index, _)| (*index, Name::Parked(*index)));
    parked.chain(moving.iter().copied()).collect()
}

#[cfg(test)]
mod tests;
