//! The kernel's network over rtnetlink (`rtnetlink(7)`): read as a whole, changed one thing at a time. What a port leaves
//! to its card is not in there, but an `ioctl` on any socket.

use crate::plan::{Actual, Change, Link, Placed, Route};
use evener_sys::offload;
use futures_util::TryStreamExt;
use futures_util::stream::StreamExt;
use rtnetlink::packet_route::address::{AddressAttribute, AddressHeaderFlags, AddressMessage};
use rtnetlink::packet_route::link::{InfoKind, LinkAttribute, LinkFlags, LinkInfo, LinkMessage};
use rtnetlink::packet_route::route::{RouteAddress, RouteAttribute, RouteHeader, RouteMessage};
use rtnetlink::{
    AddressMessageBuilder, Error, Handle, LinkUnspec, MulticastGroup, RouteMessageBuilder,
    new_multicast_connection,
};
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use tokio::sync::mpsc;

/// `ESRCH`, in the kernel's answer to the removal of a route.
const NO_SUCH_ROUTE: i32 = 3;
/// `EADDRNOTAVAIL`, in its answer to the removal of an address.
const NO_SUCH_ADDRESS: i32 = 99;

/// A connection to the kernel.
#[derive(Debug)]
pub(crate) struct Kernel {
    handle: Handle,
}

impl Kernel {
    /// Connects; the receiver gets a message after anything changed. To be called inside the runtime.
    ///
    /// # Errors
    /// Without netlink.
    pub(crate) fn connect() -> io::Result<(Self, mpsc::Receiver<()>)> {
        let groups = [
            MulticastGroup::Link,
            MulticastGroup::Ipv4Ifaddr,
            MulticastGroup::Ipv6Ifaddr,
            MulticastGroup::Ipv4Route,
        ];
        let (connection, handle, mut messages) = new_multicast_connection(&groups)?;
        tokio::spawn(connection);
        // Which change it was does not matter, because the whole state is read again: so one place suffices.
        let (changed, changes) = mpsc::channel(1);
        tokio::spawn(async move {
            while messages.next().await.is_some() {
                let _ = changed.try_send(());
            }
        });
        Ok((Self { handle }, changes))
    }

    /// The network as it is.
    ///
    /// # Errors
    /// The kernel's reason.
    pub(crate) async fn read(&self) -> Result<Actual, Error> {
        let links: Vec<LinkMessage> = self.handle.link().get().execute().try_collect().await?;
        let addresses: Vec<AddressMessage> = self.handle.address().get().execute().try_collect().await?;
        let all_routes = RouteMessageBuilder::<Ipv4Addr>::new().build();
        let routes: Vec<RouteMessage> = self.handle.route().get(all_routes).execute().try_collect().await?;
        Ok(Actual {
            links: links.iter().filter_map(link).collect(),
            addresses: addresses.iter().filter_map(placed).collect(),
            routes: routes.iter().filter_map(default_route).collect(),
        })
    }

    /// Makes one change. To remove what is gone by itself, as routes are with their address, is no error.
    ///
    /// # Errors
    /// The kernel's reason.
    pub(crate) async fn make(&self, change: Change) -> io::Result<()> {
        if let Change::SegmentationOffload(index, is_on) = change {
            return offload::set_segmentation(index, is_on);
        }
        self.ask(change).await.map_err(io::Error::other)
    }

    /// What rtnetlink has a message for.
    async fn ask(&self, change: Change) -> Result<(), Error> {
        let set_link = |message| self.handle.link().set(message).execute();
        let by_index = LinkUnspec::new_with_index;
        match change {
            Change::Name(index, name) => set_link(by_index(index).name(name.to_string()).build()).await,
            Change::Down(index) => set_link(by_index(index).down().build()).await,
            Change::Up(index) => set_link(by_index(index).up().build()).await,
            Change::Mtu(index, mtu) => set_link(by_index(index).mtu(mtu.into()).build()).await,
            // Made by another call.
            Change::SegmentationOffload(..) => Ok(()),
            Change::AddAddress(placed) => {
                let mut request = self.handle.address().add(placed.index, placed.address, placed.prefix);
                if placed.address.is_ipv6() {
                    // A service address must answer at once; the operator vouches that it is free.
                    request.message_mut().header.flags |= AddressHeaderFlags::Nodad;
                }
                request.execute().await
            }
            Change::RemoveAddress(placed) => {
                or_gone(self.handle.address().del(address_message(placed)).execute().await)
            }
            Change::AddRoute { route, on_link } => {
                let message = route_message(route);
                let message = if on_link { message.onlink() } else { message };
                self.handle.route().add(message.build()).execute().await
            }
            Change::RemoveRoute(route) => {
                or_gone(self.handle.route().del(route_message(route).build()).execute().await)
            }
        }
    }
}

fn or_gone(removed: Result<(), Error>) -> Result<(), Error> {
    match removed {
        Err(Error::NetlinkError(reason))
            if [NO_SUCH_ROUTE, NO_SUCH_ADDRESS].contains(&reason.raw_code().saturating_neg()) =>
        {
            Ok(())
        }
        removed => removed,
    }
}

fn address_message(placed: Placed) -> AddressMessage {
    match placed.address {
        IpAddr::V4(address) => AddressMessageBuilder::<Ipv4Addr>::new()
            .index(placed.index)
            .address(address, placed.prefix)
            .build(),
        IpAddr::V6(address) => AddressMessageBuilder::<Ipv6Addr>::new()
            .index(placed.index)
            .address(address, placed.prefix)
            .build(),
    }
}

fn route_message(route: Route) -> RouteMessageBuilder<Ipv4Addr> {
    RouteMessageBuilder::<Ipv4Addr>::new().output_interface(route.index).gateway(route.gateway)
}

fn link(message: &LinkMessage) -> Option<Link> {
    let flags = message.header.flags;
    let mut link = Link {
        index: message.header.index,
        name: String::new(),
        mac: [0; 6],
        is_loopback: flags.contains(LinkFlags::Loopback),
        is_up: flags.contains(LinkFlags::Up),
        // "Running" comes a moment after the carrier: only then does the kernel's queue take what we send.
        carrier: flags.contains(LinkFlags::LowerUp | LinkFlags::Running),
        mtu: 0,
        segmentation_offload: offload::segmentation(message.header.index).ok(),
    };
    for attribute in &message.attributes {
        match attribute {
            LinkAttribute::IfName(name) => link.name.clone_from(name),
            LinkAttribute::Mtu(mtu) => link.mtu = *mtu,
            LinkAttribute::Address(mac) => link.mac = mac.as_slice().try_into().unwrap_or_default(),
            _ => {}
        }
    }
    (!link.name.is_empty() && !is_left_over(message)).then_some(link)
}

/// The kernel makes one interface of each of these kinds when it starts, for nobody.
fn is_left_over(message: &LinkMessage) -> bool {
    let is_unused_kind = message.attributes.iter().any(|attribute| match attribute {
        LinkAttribute::LinkInfo(about) => about
            .iter()
            .any(|info| matches!(info, LinkInfo::Kind(InfoKind::Dummy | InfoKind::Bond | InfoKind::Ifb))),
        _ => false,
    });
    is_unused_kind && !message.header.flags.contains(LinkFlags::Up)
}

fn placed(message: &AddressMessage) -> Option<Placed> {
    // On a point-to-point link the "address" is the other end's; the local one is ours.
    let local = message.attributes.iter().find_map(|attribute| match attribute {
        AddressAttribute::Local(address) => Some(*address),
        _ => None,
    });
    let address = local.or_else(|| {
        message.attributes.iter().find_map(|attribute| match attribute {
            AddressAttribute::Address(address) => Some(*address),
            _ => None,
        })
    })?;
    Some(Placed {
        index: message.header.index,
        address,
        prefix: message.header.prefix_len,
        permanent: message.header.flags.contains(AddressHeaderFlags::Permanent),
    })
}

fn default_route(message: &RouteMessage) -> Option<Route> {
    if message.header.table != RouteHeader::RT_TABLE_MAIN || message.header.destination_prefix_length != 0 {
        return None;
    }
    let find = |wanted: fn(&RouteAttribute) -> Option<Ipv4Addr>| message.attributes.iter().find_map(wanted);
    let gateway = find(|attribute| match attribute {
        RouteAttribute::Gateway(RouteAddress::Inet(gateway)) => Some(*gateway),
        _ => None,
    })?;
    let index = message.attributes.iter().find_map(|attribute| match attribute {
        RouteAttribute::Oif(index) => Some(*index),
        _ => None,
    })?;
    Some(Route { index, gateway })
}
