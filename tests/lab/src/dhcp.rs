//! A DHCP server on a host (RFC 2131): every client that asks gets the one address.

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::Result;
use smoltcp::wire::{
    DhcpMessageType, DhcpPacket, DhcpRepr, EthernetFrame, EthernetProtocol, IpAddress, IpEndpoint,
    IpProtocol, Ipv4Packet, UdpPacket,
};

use crate::host::{Host, UdpSocket};

const SERVER_PORT: u16 = 67;
const CLIENT_PORT: u16 = 68;
/// Seconds for which the address is given.
const LEASE: u32 = 3600;

/// Answers until it is dropped.
#[derive(Debug)]
pub struct DhcpServer {
    stop: Arc<AtomicBool>,
}

/// What the server gives.
#[derive(Clone, Copy, Debug)]
struct Offer {
    server: Ipv4Addr,
    client: Ipv4Addr,
    mask: Ipv4Addr,
}

impl Host {
    /// Gives `client` and this host as gateway to whoever asks by DHCP.
    ///
    /// # Errors
    /// When the port is taken.
    pub fn serve_dhcp(&self, client: Ipv4Addr, mask: Ipv4Addr) -> Result<DhcpServer> {
        let socket = self.udp(SERVER_PORT)?;
        let offer = Offer { server: self.address(), client, mask };
        let stop = Arc::new(AtomicBool::new(false));
        let told = Arc::clone(&stop);
        std::thread::spawn(move || {
            while !told.load(Ordering::Relaxed) {
                answer_one(&socket, offer);
            }
        });
        Ok(DhcpServer { stop })
    }
}

impl Drop for DhcpServer {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

/// Whether an Ethernet frame is a client's search for DHCP servers (RFC 2131 §3.1).
#[must_use]
pub fn asks_for_address(frame: &[u8]) -> bool {
    let discover = || {
        let ethernet = EthernetFrame::new_checked(frame).ok()?;
        let ip = Ipv4Packet::new_checked(ethernet.payload()).ok()?;
        let udp = UdpPacket::new_checked(ip.payload()).ok()?;
        let sent = DhcpRepr::parse(&DhcpPacket::new_checked(udp.payload()).ok()?).ok()?.message_type;
        let kinds = (ethernet.ethertype(), ip.next_header(), udp.dst_port());
        let is_dhcp = kinds == (EthernetProtocol::Ipv4, IpProtocol::Udp, SERVER_PORT);
        (is_dhcp && sent == DhcpMessageType::Discover).then_some(())
    };
    discover().is_some()
}

fn answer_one(socket: &UdpSocket, offer: Offer) {
    let Some((request, _)) = socket.receive(Duration::from_millis(200)) else { return };
    let Some(answer) = answer(&request, offer) else { return };
    // A client without an address hears broadcasts only.
    let to = IpEndpoint::new(IpAddress::Ipv4(Ipv4Addr::BROADCAST), CLIENT_PORT);
    // Should the queue be full the client asks again.
    let _ = socket.send(&answer, to);
}

/// The answer to one message, if it deserves one.
fn answer(request: &[u8], offer: Offer) -> Option<Vec<u8>> {
    let packet = DhcpPacket::new_checked(request).ok()?;
    let asked = DhcpRepr::parse(&packet).ok()?;
    let kind = match asked.message_type {
        DhcpMessageType::Discover => DhcpMessageType::Offer,
        DhcpMessageType::Request => match asked.requested_ip.unwrap_or(asked.client_ip) {
            wanted if wanted == offer.client => DhcpMessageType::Ack,
            _ => DhcpMessageType::Nak,
        },
        _ => return None,
    };
    let granted = kind != DhcpMessageType::Nak;
    let reply = DhcpRepr {
        message_type: kind,
        transaction_id: asked.transaction_id,
        secs: 0,
        client_hardware_address: asked.client_hardware_address,
        client_ip: Ipv4Addr::UNSPECIFIED,
        your_ip: if granted { offer.client } else { Ipv4Addr::UNSPECIFIED },
        server_ip: offer.server,
        router: granted.then_some(offer.server),
        subnet_mask: granted.then_some(offer.mask),
        relay_agent_ip: Ipv4Addr::UNSPECIFIED,
        broadcast: true,
        requested_ip: None,
        client_identifier: None,
        server_identifier: Some(offer.server),
        parameter_request_list: None,
        dns_servers: None,
        max_size: None,
        lease_duration: granted.then_some(LEASE),
        renew_duration: None,
        rebind_duration: None,
        additional_options: &[],
    };
    let mut bytes = vec![0; reply.buffer_len()];
    reply.emit(&mut DhcpPacket::new_unchecked(&mut bytes)).ok()?;
    Some(bytes)
}
