//! What a network port leaves to its card: segmentation of outgoing TCP (`ethtool -K NAME tso off`).
//!
//! By the old `ioctl` and not by ethtool's netlink family: one integer each way, on every kernel there is, and no family to be
//! resolved first. `linux/ethtool.h`, `linux/sockios.h`.

use rustix::net::{AddressFamily, SocketType, socket};
use std::io;
use std::os::fd::AsRawFd;

const SIOCGIFNAME: libc::Ioctl = 0x8910;
const SIOCETHTOOL: libc::Ioctl = 0x8946;
const ETHTOOL_GTSO: u32 = 0x1e;
const ETHTOOL_STSO: u32 = 0x1f;

/// `struct ethtool_value`: a command, and what is set or was found.
#[repr(C)]
struct EthtoolValue {
    command: u32,
    data: u32,
}

/// Whether the interface has TCP segmentation left to its card.
///
/// # Errors
/// The kernel's reason, such as that there is no such interface.
pub fn segmentation(interface: u32) -> io::Result<bool> {
    ask(interface, ETHTOOL_GTSO, 0).map(|value| value != 0)
}

/// Leaves TCP segmentation to the card, or to the kernel.
///
/// # Errors
/// The kernel's reason: without `CAP_NET_ADMIN`, without such an interface, or for a card that cannot be told.
pub fn set_segmentation(interface: u32, is_on: bool) -> io::Result<()> {
    ask(interface, ETHTOOL_STSO, u32::from(is_on)).map(drop)
}

fn ask(interface: u32, command: u32, data: u32) -> io::Result<u32> {
    let socket = socket(AddressFamily::INET, SocketType::DGRAM, None)?;
    let index = libc::c_int::try_from(interface).map_err(io::Error::other)?;
    let place = libc::__c_anonymous_ifr_ifru { ifru_ifindex: index };
    let mut request = libc::ifreq { ifr_name: [0; libc::IFNAMSIZ], ifr_ifru: place };
    // The kernel takes a name only, which may be another one by the time that a caller has found it out.
    // SAFETY: the request reads the index and writes the name of a whole ifreq, which outlives the call.
    let named = unsafe { libc::ioctl(socket.as_raw_fd(), SIOCGIFNAME, &raw mut request) };
    if named != 0 {
        return Err(io::Error::last_os_error());
    }
    let mut value = EthtoolValue { command, data };
    request.ifr_ifru = libc::__c_anonymous_ifr_ifru { ifru_data: (&raw mut value).cast() };
    // SAFETY: both commands read and write the one value that the request points to; both outlive the call.
    let answer = unsafe { libc::ioctl(socket.as_raw_fd(), SIOCETHTOOL, &raw mut request) };
    if answer == 0 { Ok(value.data) } else { Err(io::Error::last_os_error()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_structure_has_the_kernels_size() {
        assert_eq!(size_of::<EthtoolValue>(), 8);
        assert_eq!(size_of::<libc::ifreq>(), 40);
    }

    #[test]
    fn loopback_says_how_it_has_it_and_nobody_says_it_for_no_interface() {
        // Interface 1 is `lo` in every network of Linux.
        assert!(segmentation(1).unwrap());
        assert!(segmentation(0x7fff_ffff).is_err());
        assert!(segmentation(u32::MAX).is_err());
        assert!(set_segmentation(0x7fff_ffff, true).is_err());
    }
}
