//! Packet sockets: what goes over one interface below the kernel's own IP (`packet(7)`).
//!
//! The kernel adds and removes the Ethernet header; we see what follows it. DHCP needs this because it talks
//! before there is an address, ARP probes because the kernel has no call for them.

use crate::device::Device;
use rustix::net::{AddressFamily, SocketFlags, SocketType, socket_with};
use socket2::{SockFilter, SockRef};
use std::io;
use std::mem::size_of;
use std::os::fd::{AsFd, AsRawFd};

const ETH_P_IP: u16 = 0x0800;
const ETH_P_ARP: u16 = 0x0806;
const AF_PACKET: u16 = 17;
const ADDRESS_BYTES: libc::socklen_t = 20;
const _: () =
    assert!(size_of::<libc::sockaddr_ll>() == ADDRESS_BYTES as usize && libc::AF_PACKET == AF_PACKET as i32);

/// Passes unfragmented UDP to port 68 and nothing else, so that a busy unit does not copy all its traffic here.
const TO_DHCP_CLIENT: [SockFilter; 9] = [
    SockFilter::new(0x30, 0, 0, 9),      // load the protocol
    SockFilter::new(0x15, 0, 6, 17),     // not UDP: drop
    SockFilter::new(0x28, 0, 0, 6),      // load the fragment offset
    SockFilter::new(0x45, 4, 0, 0x1fff), // not the first fragment: drop
    SockFilter::new(0xb1, 0, 0, 0),      // index register: length of the IP header
    SockFilter::new(0x48, 0, 0, 2),      // load the destination port
    SockFilter::new(0x15, 0, 1, 68),     // not ours: drop
    SockFilter::new(0x06, 0, 0, 0xffff), // pass
    SockFilter::new(0x06, 0, 0, 0),      // drop
];

/// A packet socket on one interface, to be opened inside a runtime.
#[derive(Debug)]
pub struct PacketSocket {
    socket: Device,
    interface: u32,
    protocol: u16,
}

impl PacketSocket {
    /// Receives IPv4 packets for a DHCP client (UDP port 68); sends any IPv4 packet.
    ///
    /// # Errors
    /// Without the right to raw sockets, or when there is no such interface.
    pub fn dhcp(interface: u32) -> io::Result<Self> {
        Self::open(interface, ETH_P_IP, &TO_DHCP_CLIENT)
    }

    /// Receives and sends every IPv4 packet, which on a busy interface is a lot to copy.
    ///
    /// # Errors
    /// As [`PacketSocket::dhcp`].
    pub fn ipv4(interface: u32) -> io::Result<Self> {
        Self::open(interface, ETH_P_IP, &[])
    }

    /// Receives and sends ARP packets.
    ///
    /// # Errors
    /// As [`PacketSocket::dhcp`].
    pub fn arp(interface: u32) -> io::Result<Self> {
        Self::open(interface, ETH_P_ARP, &[])
    }

    fn open(interface: u32, protocol: u16, filter: &[SockFilter]) -> io::Result<Self> {
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        // With protocol 0 nothing is received until it is bound, thus nothing passes by the filter.
        let socket = socket_with(AddressFamily::PACKET, SocketType::DGRAM, flags, None)?;
        if !filter.is_empty() {
            SockRef::from(&socket).attach_filter(filter)?;
        }
        let opened = Self { socket: Device::new(socket)?, interface, protocol };
        let address = opened.address([0; 6])?;
        // SAFETY: the address is a whole sockaddr_ll and its size is given.
        let answer = unsafe {
            libc::bind(opened.socket.as_fd().as_raw_fd(), (&raw const address).cast(), ADDRESS_BYTES)
        };
        if answer == 0 { Ok(opened) } else { Err(io::Error::last_os_error()) }
    }

    fn address(&self, mac: [u8; 6]) -> io::Result<libc::sockaddr_ll> {
        let mut hardware = [0; 8];
        hardware[..6].copy_from_slice(&mac);
        Ok(libc::sockaddr_ll {
            sll_family: AF_PACKET,
            sll_protocol: self.protocol.to_be(),
            sll_ifindex: i32::try_from(self.interface).map_err(io::Error::other)?,
            sll_hatype: 0,
            sll_pkttype: 0,
            sll_halen: 6,
            sll_addr: hardware,
        })
    }

    /// Sends one packet to this hardware address.
    ///
    /// # Errors
    /// [`io::ErrorKind::WouldBlock`] when the queue is full; the kernel's reason when the interface is down.
    pub fn send(&self, to: [u8; 6], packet: &[u8]) -> io::Result<()> {
        let address = self.address(to)?;
        // SAFETY: packet and address are valid for the lengths that are given.
        let sent = unsafe {
            libc::sendto(
                self.socket.as_fd().as_raw_fd(),
                packet.as_ptr().cast(),
                packet.len(),
                libc::MSG_NOSIGNAL,
                (&raw const address).cast(),
                ADDRESS_BYTES,
            )
        };
        if sent < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
    }

    /// Receives one packet: its length in `buffer` and the sender's hardware address. A longer packet is cut.
    /// Cancel safe.
    ///
    /// # Errors
    /// The kernel's reason, such as an interface that went down.
    pub async fn receive(&self, buffer: &mut [u8]) -> io::Result<(usize, [u8; 6])> {
        let empty = self.address([0; 6])?;
        self.socket
            .when_readable(|socket| {
                let mut address = empty;
                let mut length = ADDRESS_BYTES;
                // SAFETY: the kernel writes at most buffer.len() bytes to the buffer and `length` bytes to the
                // address; both outlive the call.
                let received = unsafe {
                    libc::recvfrom(
                        socket.as_raw_fd(),
                        buffer.as_mut_ptr().cast(),
                        buffer.len(),
                        0,
                        (&raw mut address).cast(),
                        &raw mut length,
                    )
                };
                let received = usize::try_from(received).map_err(|_| io::Error::last_os_error())?;
                let [a, b, c, d, e, f, ..] = address.sll_addr;
                Ok((received, [a, b, c, d, e, f]))
            })
            .await
    }
}
