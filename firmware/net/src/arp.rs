//! ARP for IPv4 on Ethernet (RFC 826), as much as probing and announcing need (RFC 5227).

use smoltcp::wire::{ArpOperation, ArpPacket, ArpRepr, EthernetAddress};
use std::net::Ipv4Addr;

/// Bytes of an ARP packet.
const LENGTH: usize = 28;

/// The addresses in an ARP packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Arp {
    pub(crate) sender_mac: [u8; 6],
    /// Unspecified in a probe.
    pub(crate) sender: Ipv4Addr,
    pub(crate) target: Ipv4Addr,
}

impl Arp {
    /// "Does anybody have this address?", without claiming it.
    pub(crate) fn probe(mac: [u8; 6], address: Ipv4Addr) -> Self {
        Self { sender_mac: mac, sender: Ipv4Addr::UNSPECIFIED, target: address }
    }

    /// "This address is here."
    pub(crate) fn announcement(mac: [u8; 6], address: Ipv4Addr) -> Self {
        Self { sender_mac: mac, sender: address, target: address }
    }

    /// The packet.
    pub(crate) fn emit(self) -> [u8; LENGTH] {
        let repr = ArpRepr::EthernetIpv4 {
            operation: ArpOperation::Request,
            source_hardware_addr: EthernetAddress(self.sender_mac),
            source_protocol_addr: self.sender,
            target_hardware_addr: EthernetAddress([0; 6]),
            target_protocol_addr: self.target,
        };
        let mut bytes = [0; LENGTH];
        repr.emit(&mut ArpPacket::new_unchecked(&mut bytes[..]));
        bytes
    }

    /// Reads a request or reply; `None` for anything else.
    pub(crate) fn parse(packet: &[u8]) -> Option<Self> {
        let repr = ArpRepr::parse(&ArpPacket::new_checked(packet).ok()?).ok()?;
        match repr {
            ArpRepr::EthernetIpv4 {
                source_hardware_addr,
                source_protocol_addr,
                target_protocol_addr,
                ..
            } => Some(Self {
                sender_mac: source_hardware_addr.0,
                sender: source_protocol_addr,
                target: target_protocol_addr,
            }),
            _ => None,
        }
    }

    /// Whether this packet shows that somebody but `mac` has `address`, or is about to take it.
    pub(crate) fn contests(self, mac: [u8; 6], address: Ipv4Addr) -> bool {
        let claims = self.sender == address;
        let probes = self.sender.is_unspecified() && self.target == address;
        self.sender_mac != mac && (claims || probes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAC: [u8; 6] = [2, 0, 0, 0, 0, 1];
    const OTHER: [u8; 6] = [2, 0, 0, 0, 0, 2];
    const ADDRESS: Ipv4Addr = Ipv4Addr::new(192, 168, 1, 101);

    #[test]
    fn a_packet_says_what_went_into_it() {
        for packet in [Arp::probe(MAC, ADDRESS), Arp::announcement(MAC, ADDRESS)] {
            let bytes = packet.emit();
            assert_eq!(Arp::parse(&bytes), Some(packet));
            for length in 0..LENGTH {
                assert_eq!(Arp::parse(&bytes[..length]), None);
            }
        }
    }

    #[test]
    fn somebody_who_has_or_wants_the_address_contests_it() {
        assert!(Arp::announcement(OTHER, ADDRESS).contests(MAC, ADDRESS));
        assert!(Arp::probe(OTHER, ADDRESS).contests(MAC, ADDRESS));
        assert!(!Arp::probe(MAC, ADDRESS).contests(MAC, ADDRESS), "our own probe, come back");
        let question = Arp { sender_mac: OTHER, sender: Ipv4Addr::new(192, 168, 1, 5), target: ADDRESS };
        assert!(!question.contests(MAC, ADDRESS), "somebody only asks for it");
    }
}
