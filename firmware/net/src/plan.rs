//! What the network should be, and what has to change for it. Pure.

use crate::ports::Name;
use crate::settings::Settings;
use evener_api::net::AddressOrigin;
use evener_config::{Interface, Ipv4Setup};
use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr};

/// An interface as the kernel has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Link {
    pub(crate) index: u32,
    pub(crate) name: String,
    pub(crate) mac: [u8; 6],
    pub(crate) is_loopback: bool,
    pub(crate) is_up: bool,
    pub(crate) carrier: bool,
    pub(crate) mtu: u32,
    /// Whether the port cuts outgoing TCP into packets; `None` when the kernel does not say.
    pub(crate) segmentation_offload: Option<bool>,
}

/// An address on an interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Placed {
    pub(crate) index: u32,
    pub(crate) address: IpAddr,
    pub(crate) prefix: u8,
    /// Given by somebody, not by the kernel from a router's advertisement.
    pub(crate) permanent: bool,
}

/// A default route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Route {
    pub(crate) index: u32,
    pub(crate) gateway: Ipv4Addr,
}

/// The network as the kernel has it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Actual {
    pub(crate) links: Vec<Link>,
    pub(crate) addresses: Vec<Placed>,
    pub(crate) routes: Vec<Route>,
}

impl Actual {
    /// Leaves out these interfaces and all they have: they are not ours to change, nor to use.
    pub(crate) fn without(mut self, is_left_alone: impl Fn(u32) -> bool) -> Self {
        self.links.retain(|link| !is_left_alone(link.index));
        self.addresses.retain(|placed| !is_left_alone(placed.index));
        self.routes.retain(|route| !is_left_alone(route.index));
        self
    }
}

/// What was found for an interface by DHCP or in its place.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Acquired {
    pub(crate) address: Option<(Ipv4Addr, u8, AddressOrigin)>,
    pub(crate) router: Option<Ipv4Addr>,
    pub(crate) name_servers: Vec<Ipv4Addr>,
}

/// What an interface that is used is set to; `None` is what its driver says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Setup {
    pub(crate) mtu: Option<u16>,
    pub(crate) segmentation_offload: Option<bool>,
}

/// The network as it should be.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Wanted {
    /// Interfaces that are up.
    pub(crate) links: BTreeMap<u32, Setup>,
    pub(crate) addresses: Vec<Placed>,
    pub(crate) route: Option<Route>,
    /// Whether the gateway is outside every network of ours, as on some clouds.
    pub(crate) on_link: bool,
    /// Interfaces whose search for an address has no result yet: nothing is taken away from them.
    pub(crate) undecided: BTreeSet<u32>,
    /// Where each interface's own address came from.
    pub(crate) origins: BTreeMap<u32, AddressOrigin>,
    pub(crate) name_servers: Vec<IpAddr>,
}

/// Most name servers that are used.
const MOST_NAME_SERVERS: usize = 3;

/// What the settings and the servers' answers make of these interfaces. `acquired` has the results of the searches
/// that have one.
pub(crate) fn wanted(settings: &Settings, links: &[Link], acquired: &BTreeMap<String, Acquired>) -> Wanted {
    let mut wanted = Wanted::default();
    wanted
        .links
        .extend(links.iter().filter(|link| link.is_loopback).map(|link| (link.index, Setup::default())));
    let (mut first, mut learnt_router) = (None, None);
    wanted.name_servers.clone_from(&settings.unit.name_servers);
    for interface in settings.interfaces() {
        let Some(link) = links.iter().find(|link| link.name == interface.name.0 && !link.is_loopback) else {
            continue;
        };
        let index = link.index;
        first = first.or(Some(index));
        let Interface { mtu, segmentation_offload, .. } = interface;
        wanted.links.insert(index, Setup { mtu, segmentation_offload });
        let found = match interface.ipv4 {
            Ipv4Setup::Static(fixed) => Some((fixed.address, fixed.prefix, AddressOrigin::Static)),
            Ipv4Setup::None => None,
            Ipv4Setup::Dhcp => {
                let acquired = acquired.get(&link.name);
                if acquired.is_none() {
                    wanted.undecided.insert(index);
                }
                if let Some(acquired) = acquired {
                    learnt_router = learnt_router.or(acquired.router.map(|gateway| Route { index, gateway }));
                    if settings.unit.name_servers.is_empty() {
                        wanted
                            .name_servers
                            .extend(acquired.name_servers.iter().map(|server| IpAddr::V4(*server)));
                    }
                }
                acquired.and_then(|acquired| acquired.address)
            }
        };
        if let Some((address, prefix, origin)) = found {
            wanted.addresses.push(Placed { index, address: address.into(), prefix, permanent: true });
            wanted.origins.insert(index, origin);
        }
    }
    wanted.name_servers.truncate(MOST_NAME_SERVERS);
    wanted.place_services(&settings.service_addresses, first);
    wanted.route = match settings.unit.default_gateway {
        Some(gateway) => wanted.interface_of(gateway).or(first).map(|index| Route { index, gateway }),
        None => learnt_router,
    };
    wanted.on_link =
        wanted.route.is_some_and(|route| wanted.interface_of(route.gateway) != Some(route.index));
    wanted
}

impl Wanted {
    /// The interface whose network this address is in.
    fn interface_of(&self, address: Ipv4Addr) -> Option<u32> {
        let inside = |placed: &&Placed| match placed.address {
            IpAddr::V4(own) => {
                placed.prefix < 32 && network(own, placed.prefix) == network(address, placed.prefix)
            }
            IpAddr::V6(_) => false,
        };
        self.addresses.iter().find(inside).map(|placed| placed.index)
    }

    /// Each service address as a host address on the interface whose network it is in, else on the first one:
    /// then some router sends it to us.
    fn place_services(&mut self, addresses: &[IpAddr], first: Option<u32>) {
        for address in addresses {
            if self.addresses.iter().any(|placed| placed.address == *address) {
                continue;
            }
            let (index, prefix) = match address {
                IpAddr::V4(address) => (self.interface_of(*address).or(first), 32),
                IpAddr::V6(_) => (first, 128),
            };
            if let Some(index) = index {
                self.addresses.push(Placed { index, address: *address, prefix, permanent: true });
            }
        }
    }
}

fn network(address: Ipv4Addr, prefix: u8) -> u32 {
    let mask = u32::MAX.checked_shl(32_u32.saturating_sub(prefix.into())).unwrap_or(0);
    u32::from(address) & mask
}

/// One thing to change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    Name(u32, Name),
    Down(u32),
    Mtu(u32, u16),
    SegmentationOffload(u32, bool),
    Up(u32),
    RemoveAddress(Placed),
    AddAddress(Placed),
    RemoveRoute(Route),
    AddRoute { route: Route, on_link: bool },
}

impl Change {
    /// The change in words, with the interfaces' names.
    pub(crate) fn in_words(&self, links: &[Link]) -> String {
        let name = |index: u32| {
            let link = links.iter().find(|link| link.index == index);
            link.map_or_else(|| format!("interface {index}"), |link| link.name.clone())
        };
        match self {
            Self::Name(index, to) => format!("{} becomes {to}", name(*index)),
            Self::Down(index) => format!("{} down", name(*index)),
            Self::Mtu(index, mtu) => format!("{} with an MTU of {mtu}", name(*index)),
            Self::SegmentationOffload(index, is_on) => {
                format!("{} with{} segmentation offload", name(*index), if *is_on { "" } else { "out" })
            }
            Self::Up(index) => format!("{} up", name(*index)),
            Self::RemoveAddress(Placed { index, address, prefix, .. }) => {
                format!("{address}/{prefix} off {}", name(*index))
            }
            Self::AddAddress(Placed { index, address, prefix, .. }) => {
                format!("{address}/{prefix} on {}", name(*index))
            }
            Self::RemoveRoute(route) => format!("gateway {} off {}", route.gateway, name(route.index)),
            Self::AddRoute { route, .. } => format!("gateway {} on {}", route.gateway, name(route.index)),
        }
    }
}

/// What has to change, in the order in which it has to.
pub(crate) fn changes(actual: &Actual, wanted: &Wanted) -> Vec<Change> {
    let mut changes = Vec::new();
    for link in &actual.links {
        match wanted.links.get(&link.index) {
            None if link.is_up => changes.push(Change::Down(link.index)),
            None => {}
            Some(Setup { mtu, segmentation_offload }) => {
                let mtu = mtu.filter(|mtu| u32::from(*mtu) != link.mtu);
                changes.extend(mtu.map(|mtu| Change::Mtu(link.index, mtu)));
                // Nothing is asked of a port whose kernel does not say how it has it.
                let offload = segmentation_offload
                    .filter(|is_on| link.segmentation_offload.is_some_and(|has_it_on| has_it_on != *is_on));
                changes.extend(offload.map(|is_on| Change::SegmentationOffload(link.index, is_on)));
                if !link.is_up {
                    changes.push(Change::Up(link.index));
                }
            }
        }
    }
    // Before their addresses, which would take them along.
    for has in &actual.routes {
        let may_stay = wanted.route.is_none() && wanted.undecided.contains(&has.index);
        if wanted.route != Some(*has) && !may_stay {
            changes.push(Change::RemoveRoute(*has));
        }
    }
    let same = |a: &Placed, b: &Placed| (a.index, a.address, a.prefix) == (b.index, b.address, b.prefix);
    for has in &actual.addresses {
        let is_removable = is_ours_to_remove(has, &actual.links) && !wanted.undecided.contains(&has.index);
        if is_removable && !wanted.addresses.iter().any(|want| same(has, want)) {
            changes.push(Change::RemoveAddress(*has));
        }
    }
    for want in &wanted.addresses {
        if !actual.addresses.iter().any(|has| same(has, want)) {
            changes.push(Change::AddAddress(*want));
        }
    }
    if let Some(route) = wanted.route
        && !actual.routes.contains(&route)
    {
        changes.push(Change::AddRoute { route, on_link: wanted.on_link });
    }
    changes
}

/// Loopback's own addresses and what the kernel makes for IPv6 by itself are not ours.
fn is_ours_to_remove(placed: &Placed, links: &[Link]) -> bool {
    let on_loopback = links.iter().any(|link| link.index == placed.index && link.is_loopback);
    !on_loopback
        && match placed.address {
            IpAddr::V4(_) => true,
            IpAddr::V6(address) => placed.permanent && !address.is_unicast_link_local(),
        }
}

#[cfg(test)]
mod tests;
