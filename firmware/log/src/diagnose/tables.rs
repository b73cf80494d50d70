//! The kernel's routes and neighbours, in words, over rtnetlink (`rtnetlink(7)`).

use futures_util::TryStreamExt;
use rtnetlink::packet_route::AddressFamily;
use rtnetlink::packet_route::link::LinkAttribute;
use rtnetlink::packet_route::neighbour::{
    NeighbourAddress, NeighbourAttribute, NeighbourMessage, NeighbourState,
};
use rtnetlink::packet_route::route::{RouteAddress, RouteAttribute, RouteHeader, RouteMessage};
use rtnetlink::{Handle, RouteMessageBuilder, new_connection};
use std::collections::BTreeMap;
use std::net::{Ipv4Addr, Ipv6Addr};
use tokio::task::JoinHandle;

/// Most lines; a unit with more has other means.
const MOST_LINES: usize = 2000;

/// A connection to the kernel, for as long as it is asked.
struct Kernel {
    handle: Handle,
    task: JoinHandle<()>,
}

impl Drop for Kernel {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Kernel {
    fn connect() -> Result<Self, String> {
        let (connection, handle, _) = new_connection().map_err(|error| format!("no netlink: {error}"))?;
        Ok(Self { handle, task: tokio::spawn(connection) })
    }

    /// Names of interfaces by their index.
    async fn names(&self) -> Result<BTreeMap<u32, String>, String> {
        let links: Vec<_> = self.handle.link().get().execute().try_collect().await.map_err(unread)?;
        let name = |attributes: &[LinkAttribute]| {
            attributes.iter().find_map(|attribute| match attribute {
                LinkAttribute::IfName(name) => Some(name.clone()),
                _ => None,
            })
        };
        Ok(links.iter().filter_map(|link| Some((link.header.index, name(&link.attributes)?))).collect())
    }
}

fn unread(error: impl std::fmt::Display) -> String {
    format!("the kernel does not tell: {error}")
}

/// Every route but those to the unit's own addresses: `default via 192.0.2.1 dev eth0 metric 100`.
pub(super) async fn routes() -> Result<Vec<String>, String> {
    let kernel = Kernel::connect()?;
    let names = kernel.names().await?;
    let mut lines = Vec::new();
    let v4 = RouteMessageBuilder::<Ipv4Addr>::new().build();
    let v6 = RouteMessageBuilder::<Ipv6Addr>::new().build();
    for all in [v4, v6] {
        let routes: Vec<RouteMessage> =
            kernel.handle.route().get(all).execute().try_collect().await.map_err(unread)?;
        lines.extend(routes.iter().filter_map(|message| route(message, &names)));
    }
    lines.truncate(MOST_LINES);
    Ok(lines)
}

fn route(message: &RouteMessage, names: &BTreeMap<u32, String>) -> Option<String> {
    /// The kernel's own table, of the unit's addresses.
    const LOCAL: u32 = 255;
    let (mut to, mut via, mut dev, mut metric) = (None, None, None, None);
    let mut table = u32::from(message.header.table);
    for attribute in &message.attributes {
        match attribute {
            RouteAttribute::Destination(address) => to = words(address),
            RouteAttribute::Gateway(address) => via = words(address),
            RouteAttribute::Oif(index) => dev = names.get(index),
            RouteAttribute::Priority(priority) => metric = Some(priority),
            RouteAttribute::Table(number) => table = *number,
            _ => {}
        }
    }
    if table == LOCAL {
        return None;
    }
    let mut line = match to {
        Some(to) => format!("{to}/{}", message.header.destination_prefix_length),
        None => String::from("default"),
    };
    if to_is_v6_default(message) {
        line.push_str(" (IPv6)");
    }
    let mut add = |word: &str, value: Option<String>| {
        line.extend(value.map(|value| format!(" {word} {value}")));
    };
    add("via", via);
    add("dev", dev.cloned());
    add("metric", metric.map(ToString::to_string));
    add("table", (table != u32::from(RouteHeader::RT_TABLE_MAIN)).then(|| table.to_string()));
    Some(line)
}

fn to_is_v6_default(message: &RouteMessage) -> bool {
    message.header.address_family == AddressFamily::Inet6 && message.header.destination_prefix_length == 0
}

fn words(address: &RouteAddress) -> Option<String> {
    match address {
        RouteAddress::Inet(address) => Some(address.to_string()),
        RouteAddress::Inet6(address) => Some(address.to_string()),
        _ => None,
    }
}

/// Who is known by which hardware address: `192.0.2.1 dev eth0 52:54:00:12:34:56 reachable`.
pub(super) async fn neighbours() -> Result<Vec<String>, String> {
    let kernel = Kernel::connect()?;
    let names = kernel.names().await?;
    let all: Vec<NeighbourMessage> =
        kernel.handle.neighbours().get().execute().try_collect().await.map_err(unread)?;
    let mut lines: Vec<String> = all.iter().filter_map(|message| neighbour(message, &names)).collect();
    lines.truncate(MOST_LINES);
    Ok(lines)
}

fn neighbour(message: &NeighbourMessage, names: &BTreeMap<u32, String>) -> Option<String> {
    // Multicast and loopback: nobody was asked.
    if message.header.state == NeighbourState::Noarp {
        return None;
    }
    let (mut address, mut mac) = (None, String::from("unknown"));
    for attribute in &message.attributes {
        match attribute {
            NeighbourAttribute::Destination(NeighbourAddress::Inet(it)) => address = Some(it.to_string()),
            NeighbourAttribute::Destination(NeighbourAddress::Inet6(it)) => address = Some(it.to_string()),
            NeighbourAttribute::LinkLayerAddress(bytes) => {
                let bytes: Vec<String> = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
                mac = bytes.join(":");
            }
            _ => {}
        }
    }
    let state = format!("{:?}", message.header.state).to_lowercase();
    let dev = names.get(&message.header.ifindex).map_or("?", String::as_str);
    Some(format!("{} dev {dev} {mac} {state}", address?))
}
