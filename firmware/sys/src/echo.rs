//! Sockets for ICMP and ICMPv6 messages (`raw(7)`), for ping and traceroute.
//!
//! Made for a thread of its own, which may wait. A socket sees every message of its kind that the unit gets, so whoever
//! reads looks for its own.

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::net::{AddressFamily, Protocol, RecvFlags, SendFlags, SocketFlags, SocketType};
use rustix::net::{ipproto, recvfrom, sendto, socket_with, sockopt};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

/// A socket of one of the two families.
#[derive(Debug)]
pub struct EchoSocket {
    socket: OwnedFd,
    is_v6: bool,
}

impl EchoSocket {
    /// Opens the socket that reaches this address.
    ///
    /// # Errors
    /// Without the right to raw sockets, or without IPv6.
    pub fn to(address: IpAddr) -> io::Result<Self> {
        let (family, protocol): (_, Protocol) = match address {
            IpAddr::V4(_) => (AddressFamily::INET, ipproto::ICMP),
            IpAddr::V6(_) => (AddressFamily::INET6, ipproto::ICMPV6),
        };
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let socket = socket_with(family, SocketType::RAW, flags, Some(protocol))?;
        Ok(Self { socket, is_v6: address.is_ipv6() })
    }

    /// Sends a message that begins with its ICMP header and may take so many hops.
    ///
    /// # Errors
    /// The kernel's reason, such as that there is no route.
    pub fn send(&self, to: IpAddr, hops: u8, message: &[u8]) -> io::Result<()> {
        if self.is_v6 {
            sockopt::set_ipv6_unicast_hops(&self.socket, Some(hops))?;
        } else {
            sockopt::set_ip_ttl(&self.socket, hops.into())?;
        }
        sendto(&self.socket, message, SendFlags::NOSIGNAL, &SocketAddr::new(to, 0))?;
        Ok(())
    }

    /// The next message, from its ICMP header on, and who sent it; `None` when there is none until then.
    ///
    /// # Errors
    /// The kernel's reason.
    pub fn receive<'a>(
        &self,
        buffer: &'a mut [u8],
        until: Instant,
    ) -> io::Result<Option<(&'a [u8], IpAddr)>> {
        loop {
            match recvfrom(&self.socket, &mut *buffer, RecvFlags::empty()) {
                Ok((length, _, from)) => {
                    let from = from.and_then(|from| SocketAddr::try_from(from).ok());
                    let Some(from) = from else { continue };
                    // Of IPv4 the kernel shows the header, too.
                    let start = if self.is_v6 {
                        0
                    } else {
                        usize::from(buffer.first().copied().unwrap_or(0) & 0xf) * 4
                    };
                    return Ok(Some((buffer.get(start..length).unwrap_or_default(), from.ip())));
                }
                Err(Errno::AGAIN) => {
                    let left = until.saturating_duration_since(Instant::now());
                    if left.is_zero() || !self.wait(left)? {
                        return Ok(None);
                    }
                }
                Err(Errno::INTR) => {}
                Err(errno) => return Err(errno.into()),
            }
        }
    }

    fn wait(&self, most: Duration) -> io::Result<bool> {
        let most = Timespec::try_from(most).map_err(io::Error::other)?;
        let mut watched = [PollFd::new(&self.socket, PollFlags::IN)];
        Ok(poll(&mut watched, Some(&most))? > 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::Ipv4Addr;

    #[test]
    fn the_loopback_interface_answers_an_echo_request() {
        let to = IpAddr::V4(Ipv4Addr::LOCALHOST);
        // Needs root, or NET_RAW.
        let socket = EchoSocket::to(to).unwrap();
        // Type 8, checksum, identifier, sequence, data.
        let data = b"evener";
        let mut message = vec![8, 0, 0, 0, 0x77, 0x01, 0, 1];
        message.extend(data);
        let sum =
            message.chunks(2).fold(0_u32, |sum, pair| sum + u32::from(pair[0]) * 256 + u32::from(pair[1]));
        let sum = !u16::try_from((sum & 0xffff) + (sum >> 16)).unwrap();
        message[2..4].copy_from_slice(&sum.to_be_bytes());
        socket.send(to, 64, &message).unwrap();
        let until = Instant::now() + Duration::from_secs(10);
        let mut buffer = [0; 200];
        loop {
            let (answer, from) = socket.receive(&mut buffer, until).unwrap().expect("an answer comes");
            if answer[0] == 0 && answer[4..8] == [0x77, 0x01, 0, 1] {
                assert_eq!((from, &answer[8..]), (to, data.as_slice()));
                break;
            }
        }
        assert!(socket.receive(&mut [0; 10], Instant::now()).is_ok(), "it does not wait for nothing");
    }
}
