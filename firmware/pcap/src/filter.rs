//! Which packets are wanted, as a program for the kernel (classic BPF; Linux, `Documentation/networking/filter.rst`).
//!
//! The kernel runs it on each Ethernet frame, so that a busy unit does not copy all its traffic to us. An address is one of
//! the two of IPv4, IPv6 or ARP. A port is one of the two of TCP, UDP or SCTP directly behind the IP header; the later
//! fragments of a packet carry none, and are left out. A VLAN tag is taken off by the kernel before.

use std::net::IpAddr;

/// What is wanted; `None` is everything.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// Sender or receiver.
    pub address: Option<IpAddr>,
    /// Of sender or receiver.
    pub port: Option<u16>,
}

/// One instruction: `struct sock_filter`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Instruction {
    /// What to do.
    pub code: u16,
    /// Instructions passed over when a comparison holds.
    pub jt: u8,
    /// And when it does not.
    pub jf: u8,
    /// The operand.
    pub k: u32,
}

/// Load into A: the word, half word or byte at `k`; the half word at X + k. Into X: four times the lower half of the
/// byte at `k`, the length of an IPv4 header.
const LOAD_WORD: u16 = 0x20;
const LOAD_HALF: u16 = 0x28;
const LOAD_BYTE: u16 = 0x30;
const LOAD_HALF_BEHIND: u16 = 0x48;
const LOAD_HEADER_LENGTH: u16 = 0xb1;
/// Compare A with `k`: equal; any bit of it set.
const IF_EQUAL: u16 = 0x15;
const IF_ANY: u16 = 0x45;
/// End: take so many bytes of the packet, or drop it.
const RETURN: u16 = 0x06;

/// Offsets in a frame (IEEE 802.3, RFC 791, 8200, 826).
const ETHERTYPE: u32 = 12;
const V4_HEADER: u32 = 14;
const V4_FRAGMENT: u32 = 20;
const V4_PROTOCOL: u32 = 23;
const V4_SOURCE: u32 = 26;
const V4_DESTINATION: u32 = 30;
const V6_NEXT_HEADER: u32 = 20;
const V6_SOURCE: u32 = 22;
const V6_DESTINATION: u32 = 38;
const V6_SOURCE_PORT: u32 = 54;
const V6_DESTINATION_PORT: u32 = 56;
const ARP_SENDER: u32 = 28;
const ARP_TARGET: u32 = 38;

const IPV4: u32 = 0x0800;
const IPV6: u32 = 0x86dd;
const ARP: u32 = 0x0806;
/// TCP, UDP, SCTP.
const WITH_PORTS: [u32; 3] = [6, 17, 132];
/// The offset of a fragment, without the flags beside it.
const FRAGMENT_OFFSET: u32 = 0x1fff;

/// A place in the program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Label {
    /// The instruction that follows.
    Next,
    V4,
    V4Ports,
    V4HasPorts,
    V6,
    V6Destination,
    V6Ports,
    V6HasPorts,
    Arp,
    Take,
    Drop,
}

#[derive(Clone, Copy, Debug)]
enum Step {
    Mark(Label),
    Load(u16, u32),
    Test(u16, u32, Label, Label),
    Return(u32),
}

impl Filter {
    /// The program. It takes a packet whole; whoever reads it cuts it.
    #[must_use]
    pub fn compile(&self) -> Vec<Instruction> {
        let mut steps = Vec::new();
        if *self != Self::default() {
            let arp = if self.port.is_some() { Label::Drop } else { Label::Arp };
            steps.extend([
                Step::Load(LOAD_HALF, ETHERTYPE),
                Step::Test(IF_EQUAL, IPV4, Label::V4, Label::Next),
                Step::Test(IF_EQUAL, IPV6, Label::V6, Label::Next),
                Step::Test(IF_EQUAL, ARP, arp, Label::Drop),
            ]);
            self.of_v4(&mut steps);
            self.of_v6(&mut steps);
            self.of_arp(&mut steps);
        }
        steps.extend([
            Step::Mark(Label::Take),
            Step::Return(u32::MAX),
            Step::Mark(Label::Drop),
            Step::Return(0),
        ]);
        assemble(&steps)
    }

    fn of_v4(&self, steps: &mut Vec<Step>) {
        steps.push(Step::Mark(Label::V4));
        match self.address {
            Some(IpAddr::V4(address)) => {
                let address = address.to_bits();
                steps.extend([
                    Step::Load(LOAD_WORD, V4_SOURCE),
                    Step::Test(IF_EQUAL, address, Label::V4Ports, Label::Next),
                    Step::Load(LOAD_WORD, V4_DESTINATION),
                    Step::Test(IF_EQUAL, address, Label::V4Ports, Label::Drop),
                ]);
            }
            Some(IpAddr::V6(_)) => steps.push(Step::Return(0)),
            None => {}
        }
        steps.push(Step::Mark(Label::V4Ports));
        if let Some(port) = self.port {
            steps.push(Step::Load(LOAD_BYTE, V4_PROTOCOL));
            if_with_ports(steps, Label::V4HasPorts);
            steps.extend([
                Step::Load(LOAD_HALF, V4_FRAGMENT),
                Step::Test(IF_ANY, FRAGMENT_OFFSET, Label::Drop, Label::Next),
                Step::Load(LOAD_HEADER_LENGTH, V4_HEADER),
                Step::Load(LOAD_HALF_BEHIND, V4_HEADER),
                Step::Test(IF_EQUAL, port.into(), Label::Take, Label::Next),
                Step::Load(LOAD_HALF_BEHIND, V4_HEADER + 2),
                Step::Test(IF_EQUAL, port.into(), Label::Take, Label::Drop),
            ]);
        } else {
            steps.push(Step::Return(u32::MAX));
        }
    }

    fn of_v6(&self, steps: &mut Vec<Step>) {
        steps.push(Step::Mark(Label::V6));
        match self.address {
            Some(IpAddr::V6(address)) => {
                let bits = address.to_bits();
                // Source, then destination: the first word that differs decides.
                for (from, differs) in [(V6_SOURCE, Label::V6Destination), (V6_DESTINATION, Label::Drop)] {
                    if from == V6_DESTINATION {
                        steps.push(Step::Mark(Label::V6Destination));
                    }
                    for (word, shift) in [(0, 96), (4, 64), (8, 32), (12, 0)] {
                        let value = u32::try_from((bits >> shift) & u128::from(u32::MAX)).unwrap_or_default();
                        let same = if word == 12 { Label::V6Ports } else { Label::Next };
                        steps.push(Step::Load(LOAD_WORD, from.saturating_add(word)));
                        steps.push(Step::Test(IF_EQUAL, value, same, differs));
                    }
                }
            }
            Some(IpAddr::V4(_)) => steps.push(Step::Return(0)),
            None => {}
        }
        steps.push(Step::Mark(Label::V6Ports));
        if let Some(port) = self.port {
            steps.push(Step::Load(LOAD_BYTE, V6_NEXT_HEADER));
            if_with_ports(steps, Label::V6HasPorts);
            steps.extend([
                Step::Load(LOAD_HALF, V6_SOURCE_PORT),
                Step::Test(IF_EQUAL, port.into(), Label::Take, Label::Next),
                Step::Load(LOAD_HALF, V6_DESTINATION_PORT),
                Step::Test(IF_EQUAL, port.into(), Label::Take, Label::Drop),
            ]);
        } else {
            steps.push(Step::Return(u32::MAX));
        }
    }

    fn of_arp(&self, steps: &mut Vec<Step>) {
        steps.push(Step::Mark(Label::Arp));
        if let Some(IpAddr::V4(address)) = self.address {
            let address = address.to_bits();
            steps.extend([
                Step::Load(LOAD_WORD, ARP_SENDER),
                Step::Test(IF_EQUAL, address, Label::Take, Label::Next),
                Step::Load(LOAD_WORD, ARP_TARGET),
                Step::Test(IF_EQUAL, address, Label::Take, Label::Next),
            ]);
        }
        steps.push(Step::Return(0));
    }
}

/// Goes on at `then`, which follows, when A is a protocol with ports.
fn if_with_ports(steps: &mut Vec<Step>, then: Label) {
    let [tcp, udp, sctp] = WITH_PORTS;
    steps.extend([
        Step::Test(IF_EQUAL, tcp, then, Label::Next),
        Step::Test(IF_EQUAL, udp, then, Label::Next),
        Step::Test(IF_EQUAL, sctp, then, Label::Drop),
        Step::Mark(then),
    ]);
}

/// Puts distances in place of labels, all of which are ahead.
fn assemble(steps: &[Step]) -> Vec<Instruction> {
    let is_instruction = |step: &&Step| !matches!(step, Step::Mark(_));
    let position = |label: Label| {
        let at = steps.iter().position(|step| matches!(step, Step::Mark(mark) if *mark == label));
        steps.iter().take(at.unwrap_or(steps.len())).filter(is_instruction).count()
    };
    let instructions = steps.iter().filter(is_instruction).enumerate();
    let assembled = instructions.map(|(at, step)| {
        let distance = |label: Label| match label {
            Label::Next => 0,
            // A program has fewer than 60 instructions.
            label => u8::try_from(position(label).saturating_sub(at).saturating_sub(1)).unwrap_or(u8::MAX),
        };
        match *step {
            Step::Load(code, k) => Instruction { code, jt: 0, jf: 0, k },
            Step::Test(code, k, yes, no) => Instruction { code, jt: distance(yes), jf: distance(no), k },
            Step::Return(k) => Instruction { code: RETURN, jt: 0, jf: 0, k },
            // Left out above.
            Step::Mark(_) => Instruction { code: RETURN, jt: 0, jf: 0, k: 0 },
        }
    });
    assembled.collect()
}

#[cfg(test)]
mod tests;
