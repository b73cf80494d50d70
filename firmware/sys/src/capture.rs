//! A socket that sees every frame on an interface, or on all, as it is on the wire (`packet(7)`).
//!
//! Made for a thread of its own, which may wait: reading is not tied to a runtime. On the loopback interface each packet
//! is there once, although the kernel shows it going out and coming in.

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::net::{AddressFamily, SocketFlags, SocketType, netdevice, socket_with};
use socket2::{SockFilter, SockRef};
use std::io;
use std::mem::size_of;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

const ETH_P_ALL: u16 = 3;
const AF_PACKET: u16 = 17;
const SOL_PACKET: libc::c_int = 263;
const PACKET_STATISTICS: libc::c_int = 6;
const PACKET_OUTGOING: u8 = 4;
/// `ARPHRD_LOOPBACK`.
const LOOPBACK: u16 = 772;
/// `SIOCGSTAMPNS_OLD` of a 64-bit kernel: when the packet that was read last came by.
const TIME_OF_LAST: libc::c_ulong = 0x8907;
const ADDRESS_BYTES: libc::socklen_t = 20;
const _: () =
    assert!(size_of::<libc::sockaddr_ll>() == ADDRESS_BYTES as usize && libc::AF_PACKET == AF_PACKET as i32);

/// One instruction of a filter: code, jump if true, jump if false, operand.
pub type FilterInstruction = (u16, u8, u8, u32);

/// A frame that came by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seen {
    /// Time since 1970, by the kernel.
    pub at: Duration,
    /// Bytes of it in the buffer.
    pub here: usize,
    /// Bytes of it on the wire.
    pub on_wire: usize,
}

/// The socket. What comes by waits in the kernel, a fraction of a MiB of it; what does not fit is counted.
#[derive(Debug)]
pub struct CaptureSocket {
    socket: OwnedFd,
}

impl CaptureSocket {
    /// Begins to see what passes the filter (everything without one) on the interface of this name, or on all.
    ///
    /// # Errors
    /// Without the right to raw sockets, when there is no such interface, or when the filter is no program.
    pub fn open(interface: Option<&str>, filter: &[FilterInstruction]) -> io::Result<Self> {
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        // With protocol 0 nothing is received until it is bound, thus nothing passes by the filter.
        let socket = socket_with(AddressFamily::PACKET, SocketType::RAW, flags, None)?;
        if !filter.is_empty() {
            let program: Vec<SockFilter> =
                filter.iter().map(|&(code, jt, jf, k)| SockFilter::new(code, jt, jf, k)).collect();
            SockRef::from(&socket).attach_filter(&program)?;
        }
        let index = interface.map(|name| netdevice::name_to_index(&socket, name)).transpose()?.unwrap_or(0);
        let mut address = unknown_address();
        address.sll_protocol = ETH_P_ALL.to_be();
        address.sll_ifindex = i32::try_from(index).map_err(io::Error::other)?;
        // SAFETY: the address is a whole sockaddr_ll and its size is given.
        let answer = unsafe { libc::bind(socket.as_raw_fd(), (&raw const address).cast(), ADDRESS_BYTES) };
        if answer != 0 {
            return Err(io::Error::last_os_error());
        }
        let opened = Self { socket };
        // The kernel takes times from the first question on.
        opened.time_of_last();
        Ok(opened)
    }

    /// Waits until there is something to read, at most so long; whether there is.
    ///
    /// # Errors
    /// The kernel's reason.
    pub fn wait(&self, most: Duration) -> io::Result<bool> {
        let most = Timespec::try_from(most).map_err(io::Error::other)?;
        let mut watched = [PollFd::new(&self.socket, PollFlags::IN)];
        Ok(poll(&mut watched, Some(&most))? > 0)
    }

    /// The next frame, into the buffer, as much of it as there is room for; `None` when none waits.
    ///
    /// # Errors
    /// The kernel's reason, such as an interface that went down.
    pub fn read(&self, buffer: &mut [u8]) -> io::Result<Option<Seen>> {
        loop {
            let mut address = unknown_address();
            let mut length = ADDRESS_BYTES;
            // SAFETY: the kernel writes at most buffer.len() bytes to the buffer and `length` bytes to the address; both
            // outlive the call.
            let received = unsafe {
                libc::recvfrom(
                    self.socket.as_raw_fd(),
                    buffer.as_mut_ptr().cast(),
                    buffer.len(),
                    libc::MSG_TRUNC,
                    (&raw mut address).cast(),
                    &raw mut length,
                )
            };
            let Ok(on_wire) = usize::try_from(received) else {
                let error = io::Error::last_os_error();
                return match error.kind() {
                    io::ErrorKind::WouldBlock => Ok(None),
                    io::ErrorKind::Interrupted => continue,
                    _ => Err(error),
                };
            };
            if address.sll_hatype == LOOPBACK && address.sll_pkttype == PACKET_OUTGOING {
                continue;
            }
            return Ok(Some(Seen { at: self.time_of_last(), here: on_wire.min(buffer.len()), on_wire }));
        }
    }

    /// Frames that passed the filter and found no room, since the last call.
    #[must_use]
    pub fn lost(&self) -> u32 {
        let mut statistics = libc::tpacket_stats { tp_packets: 0, tp_drops: 0 };
        let mut length = STATISTICS_BYTES;
        // SAFETY: the kernel writes at most `length` bytes to the statistics, which outlive the call.
        let answer = unsafe {
            libc::getsockopt(
                self.socket.as_raw_fd(),
                SOL_PACKET,
                PACKET_STATISTICS,
                (&raw mut statistics).cast(),
                &raw mut length,
            )
        };
        if answer == 0 { statistics.tp_drops } else { 0 }
    }

    /// When the packet that was read last came by; now where the kernel does not tell.
    fn time_of_last(&self) -> Duration {
        let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
        // SAFETY: the request writes one timespec, which outlives the call.
        let answer = unsafe { libc::ioctl(self.socket.as_fd().as_raw_fd(), TIME_OF_LAST, &raw mut time) };
        match (answer, u64::try_from(time.tv_sec), u32::try_from(time.tv_nsec)) {
            (0, Ok(seconds), Ok(nanoseconds)) if nanoseconds < 1_000_000_000 => {
                Duration::new(seconds, nanoseconds)
            }
            _ => SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default(),
        }
    }
}

const STATISTICS_BYTES: libc::socklen_t = 8;
const _: () = assert!(size_of::<libc::tpacket_stats>() == STATISTICS_BYTES as usize);

fn unknown_address() -> libc::sockaddr_ll {
    libc::sockaddr_ll {
        sll_family: AF_PACKET,
        sll_protocol: 0,
        sll_ifindex: 0,
        sll_hatype: 0,
        sll_pkttype: 0,
        sll_halen: 0,
        sll_addr: [0; 8],
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::{Ipv4Addr, UdpSocket};

    /// Frames that hold these bytes, until one holds `last`.
    fn until(socket: &CaptureSocket, mark: &[u8], last: &[u8]) -> Vec<(Vec<u8>, Seen)> {
        let has = |frame: &[u8], wanted: &[u8]| frame.windows(wanted.len()).any(|window| window == wanted);
        let (mut found, mut buffer) = (Vec::new(), [0; 200]);
        for _ in 0..10_000 {
            assert!(socket.wait(Duration::from_secs(10)).unwrap(), "it comes by");
            while let Some(seen) = socket.read(&mut buffer).unwrap() {
                let frame = &buffer[..seen.here];
                if has(frame, mark) {
                    found.push((frame.to_vec(), seen));
                }
                if has(frame, last) {
                    return found;
                }
            }
        }
        panic!("the last frame never came");
    }

    #[test]
    fn a_packet_on_the_loopback_interface_is_seen_once_with_its_time_and_length() {
        let receiver = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let to = receiver.local_addr().unwrap();
        let sender = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        // Needs root, or NET_RAW.
        let socket = CaptureSocket::open(Some("lo"), &[]).unwrap();
        let before = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        sender.send_to(b"evener-each-once-one", to).unwrap();
        sender.send_to(&[b"evener-each-once-two".as_slice(), &[0; 1000]].concat(), to).unwrap();
        sender.send_to(b"evener-each-once-end", to).unwrap();
        let found = until(&socket, b"evener-each-once", b"evener-each-once-end");
        let after = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        assert_eq!(found.len(), 3, "each once");
        let headers = 14 + 20 + 8;
        assert_eq!((found[0].1.here, found[0].1.on_wire), (headers + 20, headers + 20));
        assert_eq!((found[1].1.here, found[1].1.on_wire), (200, headers + 1020), "cut to the buffer");
        assert!(found.iter().all(|(_, seen)| before <= seen.at && seen.at <= after));
        assert_eq!(found[0].0[12..14], [8, 0], "with its Ethernet header");
        assert_eq!(socket.lost(), 0);
    }

    #[test]
    fn what_the_filter_drops_is_not_seen_and_what_is_no_filter_is_refused() {
        let receiver = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let sender = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let nothing = CaptureSocket::open(Some("lo"), &[(0x06, 0, 0, 0)]).unwrap();
        let everything = CaptureSocket::open(None, &[(0x06, 0, 0, u32::MAX)]).unwrap();
        sender.send_to(b"evener-capture-three", receiver.local_addr().unwrap()).unwrap();
        assert_eq!(until(&everything, b"evener-capture-three", b"evener-capture-three").len(), 1);
        assert_eq!(nothing.read(&mut [0; 100]).unwrap(), None);
        assert!(CaptureSocket::open(Some("lo"), &[(0x05, 9, 9, 9)]).is_err());
        assert!(CaptureSocket::open(Some("nonesuch0"), &[]).is_err());
    }
}
