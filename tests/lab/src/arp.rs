//! ARP on the wire (RFC 826, RFC 5227): what a test that listens reads, and what smoltcp leaves unanswered.
//!
//! smoltcp drops requests from 0.0.0.0, which is what a probe is ("does anybody have this address?"). Every
//! other TCP/IP answers them, and a unit that looks for a free address relies on it, so a host of the lab does.

use std::net::Ipv4Addr;

use smoltcp::wire::{
    ArpOperation, ArpPacket, ArpRepr, EthernetAddress, EthernetFrame, EthernetProtocol, EthernetRepr,
};

/// An ARP packet for IPv4.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Arp {
    /// A question; else an answer.
    pub request: bool,
    /// Whose packet it is.
    pub sender_mac: [u8; 6],
    /// Whose packet it is; unspecified in a probe.
    pub sender: Ipv4Addr,
    /// The address that it is about.
    pub target: Ipv4Addr,
}

impl Arp {
    /// What an Ethernet frame holds; `None` when that is not ARP for IPv4.
    #[must_use]
    pub fn read(frame: &[u8]) -> Option<Self> {
        let frame = EthernetFrame::new_checked(frame).ok()?;
        if frame.ethertype() != EthernetProtocol::Arp {
            return None;
        }
        let repr = ArpRepr::parse(&ArpPacket::new_checked(frame.payload()).ok()?).ok()?;
        let ArpRepr::EthernetIpv4 {
            operation,
            source_hardware_addr,
            source_protocol_addr,
            target_protocol_addr,
            ..
        } = repr
        else {
            return None;
        };
        let request = operation == ArpOperation::Request;
        let (sender, target) = (source_protocol_addr, target_protocol_addr);
        Some(Self { request, sender_mac: source_hardware_addr.0, sender, target })
    }

    /// Whether it asks for an address without claiming one (RFC 5227 §1.1).
    #[must_use]
    pub fn is_probe(&self) -> bool {
        self.request && self.sender.is_unspecified()
    }

    /// Whether it says "this address is here" to everybody (RFC 5227 §1.1).
    #[must_use]
    pub fn is_announcement(&self) -> bool {
        self.sender == self.target && !self.sender.is_unspecified()
    }
}

/// The answer of the host with this hardware address to a probe for its `address`; `None` to anything else.
pub(crate) fn answer_to_probe(frame: &[u8], mac: EthernetAddress, address: Ipv4Addr) -> Option<Vec<u8>> {
    let probe = Arp::read(frame).filter(|arp| arp.is_probe() && arp.target == address)?;
    let asker = EthernetAddress(probe.sender_mac);
    let answer = ArpRepr::EthernetIpv4 {
        operation: ArpOperation::Reply,
        source_hardware_addr: mac,
        source_protocol_addr: address,
        target_hardware_addr: asker,
        target_protocol_addr: probe.sender,
    };
    let ethernet = EthernetRepr { src_addr: mac, dst_addr: asker, ethertype: EthernetProtocol::Arp };
    let mut bytes = vec![0; EthernetFrame::<&[u8]>::buffer_len(answer.buffer_len())];
    let mut frame = EthernetFrame::new_unchecked(&mut bytes[..]);
    ethernet.emit(&mut frame);
    answer.emit(&mut ArpPacket::new_unchecked(frame.payload_mut()));
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    const OWN: Ipv4Addr = Ipv4Addr::new(192, 168, 1, 101);
    const MAC: EthernetAddress = EthernetAddress([2, 0, 0, 0, 0, 1]);
    const ASKER: [u8; 6] = [2, 0, 0, 0, 0, 2];

    /// A broadcast request, byte by byte as RFC 826 has it.
    fn request(sender: Ipv4Addr, target: Ipv4Addr) -> Vec<u8> {
        let mut frame = [[0xff; 6], ASKER].concat();
        frame.extend([0x08, 0x06, 0, 1, 0x08, 0, 6, 4, 0, 1]);
        frame.extend([&ASKER[..], &sender.octets(), &[0; 6], &target.octets()].concat());
        frame
    }

    #[test]
    fn a_probe_for_its_own_address_is_answered_and_nothing_else() {
        let probe = request(Ipv4Addr::UNSPECIFIED, OWN);
        let answer = answer_to_probe(&probe, MAC, OWN).unwrap();
        assert_eq!(answer[..12], [ASKER, MAC.0].concat());
        let read = Arp::read(&answer).unwrap();
        assert_eq!((read.request, read.sender_mac, read.sender), (false, MAC.0, OWN));
        for other in [request(Ipv4Addr::UNSPECIFIED, [192, 168, 1, 1].into()), request(OWN, OWN), answer] {
            assert_eq!(answer_to_probe(&other, MAC, OWN), None);
        }
    }

    #[test]
    fn probes_announcements_and_questions_are_told_apart() {
        let kind = |sender, target| {
            let arp = Arp::read(&request(sender, target)).unwrap();
            (arp.is_probe(), arp.is_announcement())
        };
        assert_eq!(kind(Ipv4Addr::UNSPECIFIED, OWN), (true, false));
        assert_eq!(kind(OWN, OWN), (false, true));
        assert_eq!(kind(Ipv4Addr::new(192, 168, 1, 7), OWN), (false, false));
        let frame = request(OWN, OWN);
        assert!((0..frame.len()).all(|length| Arp::read(&frame[..length]).is_none()));
    }
}
