//! The programs, run by an interpreter of the kernel's rules on frames made here.

use super::*;
use proptest::prelude::*;
use std::net::{Ipv4Addr, Ipv6Addr};

/// Runs a program as the kernel does: a load beyond the end drops the packet.
fn run(program: &[Instruction], frame: &[u8]) -> u32 {
    let load = |at: u32, bytes: usize| {
        let at = at as usize;
        let piece = frame.get(at..at + bytes)?;
        Some(piece.iter().fold(0, |value, byte| value << 8 | u32::from(*byte)))
    };
    let (mut a, mut x, mut at) = (0_u32, 0_u32, 0);
    loop {
        let Instruction { code, jt, jf, k } = program[at];
        at += 1;
        let loaded = match code {
            LOAD_WORD => load(k, 4),
            LOAD_HALF => load(k, 2),
            LOAD_BYTE => load(k, 1),
            LOAD_HALF_BEHIND => load(x + k, 2),
            LOAD_HEADER_LENGTH => {
                let Some(byte) = load(k, 1) else { return 0 };
                x = 4 * (byte & 0xf);
                continue;
            }
            IF_EQUAL | IF_ANY => {
                let holds = if code == IF_EQUAL { a == k } else { a & k != 0 };
                at += usize::from(if holds { jt } else { jf });
                continue;
            }
            RETURN => return k,
            other => panic!("no instruction {other:#x}"),
        };
        let Some(value) = loaded else { return 0 };
        a = value;
    }
}

fn ethernet(kind: u32, rest: &[u8]) -> Vec<u8> {
    let mut frame = vec![2; 12];
    frame.extend(&u16::try_from(kind).unwrap().to_be_bytes());
    frame.extend(rest);
    frame
}

fn v4(from: Ipv4Addr, to: Ipv4Addr, protocol: u8, options: usize, fragment: u16, ports: [u16; 2]) -> Vec<u8> {
    let mut packet = vec![0; 20 + options];
    packet[0] = 0x45 + u8::try_from(options / 4).unwrap();
    packet[6..8].copy_from_slice(&fragment.to_be_bytes());
    packet[9] = protocol;
    packet[12..16].copy_from_slice(&from.octets());
    packet[16..20].copy_from_slice(&to.octets());
    packet.extend(ports.iter().flat_map(|port| port.to_be_bytes()));
    ethernet(IPV4, &packet)
}

fn v6(from: Ipv6Addr, to: Ipv6Addr, protocol: u8, ports: [u16; 2]) -> Vec<u8> {
    let mut packet = vec![0x60, 0, 0, 0, 0, 4, protocol, 64];
    packet.extend(from.octets());
    packet.extend(to.octets());
    packet.extend(ports.iter().flat_map(|port| port.to_be_bytes()));
    ethernet(IPV6, &packet)
}

fn arp(sender: Ipv4Addr, target: Ipv4Addr) -> Vec<u8> {
    let mut packet = vec![0, 1, 8, 0, 6, 4, 0, 1];
    packet.extend([2; 6]);
    packet.extend(sender.octets());
    packet.extend([0; 6]);
    packet.extend(target.octets());
    ethernet(ARP, &packet)
}

const A: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);
const B: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 2);
const C: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1);
const D: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 2);

fn takes(address: Option<IpAddr>, port: Option<u16>, frame: &[u8]) -> bool {
    match run(&Filter { address, port }.compile(), frame) {
        0 => false,
        u32::MAX => true,
        other => panic!("{other}"),
    }
}

#[test]
fn without_a_filter_everything_is_taken() {
    assert_eq!(Filter::default().compile()[0], Instruction { code: RETURN, jt: 0, jf: 0, k: u32::MAX });
    assert!(takes(None, None, &[]) && takes(None, None, &ethernet(0x88cc, b"lldp")));
}

#[test]
fn an_address_is_that_of_sender_or_receiver() {
    let frames = [v4(A, B, 6, 0, 0, [1, 2]), v4(B, A, 1, 0, 0, [0, 0]), arp(A, B), arp(B, A)];
    for frame in &frames {
        assert!(takes(Some(A.into()), None, frame) && takes(Some(B.into()), None, frame));
        assert!(!takes(Some(Ipv4Addr::LOCALHOST.into()), None, frame));
        assert!(!takes(Some(C.into()), None, frame));
    }
    for frame in [v6(C, D, 6, [1, 2]), v6(D, C, 58, [0, 0])] {
        assert!(takes(Some(C.into()), None, &frame) && takes(Some(D.into()), None, &frame));
        assert!(!takes(Some(Ipv6Addr::LOCALHOST.into()), None, &frame));
        assert!(!takes(Some(A.into()), None, &frame));
    }
    assert!(!takes(Some(A.into()), None, &ethernet(0x88cc, b"lldp")));
}

#[test]
fn a_port_is_that_of_sender_or_receiver_in_tcp_udp_and_sctp() {
    for protocol in [6, 17, 132] {
        for frame in [
            v4(A, B, protocol, 0, 0, [80, 5000]),
            v4(A, B, protocol, 40, 0x4000, [5000, 80]),
            v6(C, D, protocol, [80, 5000]),
            v6(C, D, protocol, [5000, 80]),
        ] {
            assert!(takes(None, Some(80), &frame) && takes(None, Some(5000), &frame));
            assert!(!takes(None, Some(81), &frame));
        }
    }
    assert!(!takes(None, Some(80), &v4(A, B, 1, 0, 0, [80, 80])), "no ports in ICMP");
    assert!(!takes(None, Some(80), &v6(C, D, 58, [80, 80])));
    assert!(!takes(None, Some(80), &v4(A, B, 6, 0, 0x2001, [80, 80])), "nor in a later fragment");
    assert!(takes(None, Some(80), &v4(A, B, 6, 0, 0x2000, [80, 80])), "the first one has them");
    assert!(!takes(None, Some(80), &arp(A, B)));
}

#[test]
fn address_and_port_are_both_asked_for() {
    let (of_a, of_c) = (Some(IpAddr::from(A)), Some(IpAddr::from(C)));
    assert!(takes(of_a, Some(80), &v4(B, A, 6, 0, 0, [80, 1])));
    assert!(!takes(of_a, Some(80), &v4(B, A, 6, 0, 0, [81, 1])));
    assert!(!takes(of_a, Some(80), &v4(B, B, 6, 0, 0, [80, 1])));
    assert!(!takes(of_a, Some(80), &v6(C, D, 6, [80, 1])) && !takes(of_a, Some(80), &arp(A, B)));
    assert!(takes(of_c, Some(80), &v6(D, C, 17, [1, 80])));
    assert!(!takes(of_c, Some(80), &v6(D, C, 17, [1, 81])));
}

fn any_filter() -> impl Strategy<Value = Filter> {
    (any::<Option<IpAddr>>(), any::<Option<u16>>()).prop_map(|(address, port)| Filter { address, port })
}

proptest! {
    #[test]
    fn the_kernel_would_take_every_program(filter in any_filter()) {
        let program = filter.compile();
        prop_assert!(program.len() < 60, "{}", program.len());
        for (at, instruction) in program.iter().enumerate() {
            let farthest = at + 1 + usize::from(instruction.jt.max(instruction.jf));
            prop_assert!(instruction.code == RETURN || farthest < program.len(), "no jump leaves it");
        }
        prop_assert_eq!(program.last().unwrap().code, RETURN);
    }

    #[test]
    fn every_frame_has_an_answer(filter in any_filter(), frame: Vec<u8>) {
        run(&filter.compile(), &frame);
    }

    #[test]
    fn each_bit_of_an_address_counts(bits: u128, other: u128, flipped in 0..128_u32) {
        let (address, port) = (Ipv6Addr::from(bits), Some(53));
        let wrong = Ipv6Addr::from(bits ^ (1 << flipped));
        let other = Ipv6Addr::from(other);
        prop_assume!(other != address);
        prop_assert!(takes(Some(address.into()), port, &v6(address, other, 17, [1, 53])));
        prop_assert!(takes(Some(address.into()), port, &v6(other, address, 17, [1, 53])));
        prop_assert!(!takes(Some(address.into()), port, &v6(wrong, wrong, 17, [1, 53])));
    }
}
