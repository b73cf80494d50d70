//! DHCP messages as whole IPv4 packets (RFC 2131 §2, RFC 2132), on smoltcp's wire types.

use smoltcp::phy::ChecksumCapabilities;
use smoltcp::wire::{
    DhcpMessageType, DhcpOption, DhcpPacket, DhcpRepr, EthernetAddress, IpProtocol, Ipv4Packet, Ipv4Repr,
    UdpPacket, UdpRepr,
};
use std::net::Ipv4Addr;

const CLIENT_PORT: u16 = 68;
const SERVER_PORT: u16 = 67;
const IPV4_HEADER: usize = 20;
const UDP_HEADER: usize = 8;
/// Some servers and relays drop what is shorter than a BOOTP message (RFC 1542 §2.1).
const SHORTEST: usize = 300;
const HOST_NAME: u8 = 12;
const ROUTER: u8 = 3;
/// Mask, router, name servers, host name, broadcast, lease time, server, T1, T2.
const ASKED_FOR: &[u8] = &[1, ROUTER, 6, HOST_NAME, 28, 51, 54, 58, 59];

/// A message of ours.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Outgoing<'a> {
    pub(crate) kind: DhcpMessageType,
    pub(crate) transaction: u32,
    pub(crate) mac: [u8; 6],
    pub(crate) host_name: &'a str,
    /// Seconds since we began to ask.
    pub(crate) secs: u16,
    /// Our address, once we have one; else unspecified.
    pub(crate) from: Ipv4Addr,
    /// The server, or broadcast.
    pub(crate) to: Ipv4Addr,
    pub(crate) requested: Option<Ipv4Addr>,
    pub(crate) server: Option<Ipv4Addr>,
}

impl Outgoing<'_> {
    /// The message as an IPv4 packet.
    pub(crate) fn emit(&self) -> Vec<u8> {
        let name = self.host_name.as_bytes();
        let options =
            [DhcpOption { kind: HOST_NAME, data: name.get(..name.len().min(63)).unwrap_or_default() }];
        let mac = EthernetAddress(self.mac);
        let repr = DhcpRepr {
            message_type: self.kind,
            transaction_id: self.transaction,
            secs: self.secs,
            client_hardware_address: mac,
            client_ip: self.from,
            your_ip: Ipv4Addr::UNSPECIFIED,
            server_ip: Ipv4Addr::UNSPECIFIED,
            router: None,
            subnet_mask: None,
            relay_agent_ip: Ipv4Addr::UNSPECIFIED,
            broadcast: false,
            requested_ip: self.requested,
            client_identifier: Some(mac),
            server_identifier: self.server,
            parameter_request_list: Some(ASKED_FOR),
            dns_servers: None,
            max_size: Some(1500),
            lease_duration: None,
            renew_duration: None,
            rebind_duration: None,
            additional_options: if name.is_empty() { &[] } else { &options },
        };
        packet(self.from, self.to, (CLIENT_PORT, SERVER_PORT), &repr)
    }
}

/// A message in UDP in IPv4.
pub(crate) fn packet(from: Ipv4Addr, to: Ipv4Addr, ports: (u16, u16), message: &DhcpRepr<'_>) -> Vec<u8> {
    let length = message.buffer_len().max(SHORTEST);
    let checksums = ChecksumCapabilities::default();
    let mut bytes = vec![0; IPV4_HEADER + UDP_HEADER + length];
    let ip = Ipv4Repr {
        src_addr: from,
        dst_addr: to,
        next_header: IpProtocol::Udp,
        payload_len: UDP_HEADER + length,
        hop_limit: 64,
    };
    ip.emit(&mut Ipv4Packet::new_unchecked(&mut bytes), &checksums);
    let udp = UdpRepr { src_port: ports.0, dst_port: ports.1 };
    let body = &mut bytes[IPV4_HEADER..];
    let (from, to) = (from.into(), to.into());
    let fill = |payload: &mut [u8]| {
        let emitted = message.emit(&mut DhcpPacket::new_unchecked(payload));
        debug_assert!(emitted.is_ok(), "the buffer has the message's own length");
    };
    udp.emit(&mut UdpPacket::new_unchecked(body), &from, &to, length, fill, &checksums);
    bytes
}

/// A server's answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Incoming {
    pub(crate) kind: DhcpMessageType,
    pub(crate) transaction: u32,
    pub(crate) mac: [u8; 6],
    /// The address that is offered or confirmed.
    pub(crate) address: Ipv4Addr,
    pub(crate) mask: Option<Ipv4Addr>,
    pub(crate) router: Option<Ipv4Addr>,
    pub(crate) name_servers: Vec<Ipv4Addr>,
    pub(crate) server: Option<Ipv4Addr>,
    pub(crate) lease_s: Option<u32>,
    pub(crate) renew_s: Option<u32>,
    pub(crate) rebind_s: Option<u32>,
}

impl Incoming {
    /// Reads an IPv4 packet; `None` for what is no DHCP message to a client.
    ///
    /// The UDP checksum is not looked at: on virtual networks it is often left for hardware that is not there.
    pub(crate) fn parse(packet: &[u8]) -> Option<Self> {
        let ip = Ipv4Packet::new_checked(packet).ok()?;
        if ip.next_header() != IpProtocol::Udp
            || ip.more_frags()
            || ip.frag_offset() != 0
            || !ip.verify_checksum()
        {
            return None;
        }
        let udp = UdpPacket::new_checked(ip.payload()).ok()?;
        if udp.dst_port() != CLIENT_PORT || udp.src_port() != SERVER_PORT {
            return None;
        }
        let message = DhcpPacket::new_checked(udp.payload()).ok()?;
        let repr = DhcpRepr::parse(&message).ok()?;
        // smoltcp takes a list of exactly one router; servers may send several, the best first.
        let router = message.options().find(|option| option.kind == ROUTER).and_then(|option| {
            let first: [u8; 4] = option.data.get(..4)?.try_into().ok()?;
            Some(Ipv4Addr::from(first))
        });
        Some(Self {
            kind: repr.message_type,
            transaction: repr.transaction_id,
            mac: repr.client_hardware_address.0,
            address: repr.your_ip,
            mask: repr.subnet_mask,
            router,
            name_servers: repr
                .dns_servers
                .into_iter()
                .flatten()
                .filter(|server| !server.is_unspecified())
                .collect(),
            server: repr.server_identifier,
            lease_s: repr.lease_duration,
            renew_s: repr.renew_duration,
            rebind_s: repr.rebind_duration,
        })
    }
}
