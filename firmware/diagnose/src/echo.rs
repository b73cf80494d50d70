//! ICMP echo requests, and what comes back for them (RFC 792, RFC 4443).
//!
//! ```text
//! 0 type   1 code   2 checksum   4 identifier   6 sequence   8 data
//! ```
//! An error message carries the packet that it is about behind its own first eight bytes: IP header, then the echo request
//! with its identifier and sequence.

/// Which ICMP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    /// ICMP.
    V4,
    /// ICMPv6. The kernel makes its checksum, which covers the addresses.
    V6,
}

/// Who an answer is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Probe {
    /// Differs from program to program.
    pub identifier: u16,
    /// Differs from request to request.
    pub sequence: u16,
}

/// What came back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// The echo itself.
    Echo,
    /// A router on the way: the packet had no hop left.
    NoHopLeft,
    /// It cannot get there; why, in words.
    Unreachable(&'static str),
}

const HEADER: usize = 8;
const V6_HEADER: usize = 40;

/// An echo request with this data.
#[must_use]
pub fn request(family: Family, probe: Probe, data: &[u8]) -> Vec<u8> {
    let kind = match family {
        Family::V4 => 8,
        Family::V6 => 128,
    };
    let mut message = vec![kind, 0, 0, 0];
    message.extend(probe.identifier.to_be_bytes());
    message.extend(probe.sequence.to_be_bytes());
    message.extend(data);
    if family == Family::V4 {
        let sum = checksum(&message).to_be_bytes();
        for (place, byte) in message.iter_mut().skip(2).zip(sum) {
            *place = byte;
        }
    }
    message
}

/// What a message says, and about which request; `None` for one that is no answer to an echo request. It begins with the
/// ICMP header.
#[must_use]
pub fn read(family: Family, message: &[u8]) -> Option<(Probe, Answer)> {
    let (&[kind, code, ..], rest) = message.split_at_checked(HEADER)? else { return None };
    let answer = match (family, kind) {
        (Family::V4, 0) | (Family::V6, 129) => return Some((probe(message)?, Answer::Echo)),
        (Family::V4, 11) | (Family::V6, 3) if code == 0 => Answer::NoHopLeft,
        (Family::V4, 3) => Answer::Unreachable(match code {
            0 => "no route to the network",
            1 => "the host does not answer its router",
            2 | 3 => "the host refuses it",
            4 => "the packet is too large for the way",
            9 | 10 | 13 => "forbidden on the way",
            _ => "it cannot be reached",
        }),
        (Family::V6, 1) => Answer::Unreachable(match code {
            0 => "no route to it",
            1 | 5 | 6 => "forbidden on the way",
            3 => "the host does not answer its router",
            4 => "the host refuses it",
            _ => "it cannot be reached",
        }),
        (Family::V6, 2) => Answer::Unreachable("the packet is too large for the way"),
        _ => return None,
    };
    let asked = match family {
        Family::V4 => {
            let length = usize::from(*rest.first()? & 0xf).saturating_mul(4);
            let is_icmp = *rest.get(9)? == 1;
            rest.get(length..).filter(|_| is_icmp && length >= 20)?
        }
        // Extension headers in between are none of ours.
        Family::V6 => rest.get(V6_HEADER..).filter(|_| rest.get(6) == Some(&58))?,
    };
    let is_request = matches!((family, asked.first()?), (Family::V4, 8) | (Family::V6, 128));
    is_request.then_some(())?;
    Some((probe(asked)?, answer))
}

fn probe(message: &[u8]) -> Option<Probe> {
    let &[_, _, _, _, a, b, c, d, ..] = message else { return None };
    Some(Probe { identifier: u16::from_be_bytes([a, b]), sequence: u16::from_be_bytes([c, d]) })
}

/// The checksum of the Internet (RFC 1071).
fn checksum(message: &[u8]) -> u16 {
    let mut sum: u32 = 0;
    for pair in message.chunks(2) {
        let word =
            u16::from_be_bytes([pair.first().copied().unwrap_or(0), pair.get(1).copied().unwrap_or(0)]);
        sum = sum.wrapping_add(word.into());
        sum = (sum & 0xffff).wrapping_add(sum >> 16);
    }
    !u16::try_from(sum & 0xffff).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const PROBE: Probe = Probe { identifier: 0x1234, sequence: 7 };

    #[test]
    fn requests_are_these_bytes() {
        let v4 = request(Family::V4, PROBE, b"abc");
        assert_eq!(v4, [8, 0, 0x21, 0x62, 0x12, 0x34, 0, 7, b'a', b'b', b'c']);
        assert_eq!(checksum(&v4), 0, "with its checksum the sum is zero");
        assert_eq!(request(Family::V6, PROBE, b"")[..], [128, 0, 0, 0, 0x12, 0x34, 0, 7]);
    }

    /// An error about a request, as a router sends it.
    fn error(family: Family, kind: u8, code: u8) -> Vec<u8> {
        let mut message = vec![kind, code, 0, 0, 0, 0, 0, 0];
        match family {
            Family::V4 => {
                let mut header = vec![0; 24];
                (header[0], header[9]) = (0x46, 1);
                message.extend(header);
            }
            Family::V6 => {
                let mut header = vec![0; 40];
                (header[0], header[6]) = (0x60, 58);
                message.extend(header);
            }
        }
        message.extend(request(family, PROBE, b""));
        message
    }

    #[test]
    fn answers_are_told_apart() {
        for (family, message, expected) in [
            (Family::V4, vec![0, 0, 0, 0, 0x12, 0x34, 0, 7, 1], Some(Answer::Echo)),
            (Family::V6, vec![129, 0, 0, 0, 0x12, 0x34, 0, 7], Some(Answer::Echo)),
            (Family::V4, error(Family::V4, 11, 0), Some(Answer::NoHopLeft)),
            (Family::V6, error(Family::V6, 3, 0), Some(Answer::NoHopLeft)),
            (Family::V4, error(Family::V4, 3, 13), Some(Answer::Unreachable("forbidden on the way"))),
            (Family::V6, error(Family::V6, 1, 0), Some(Answer::Unreachable("no route to it"))),
            (Family::V4, request(Family::V4, PROBE, b""), None),
            (Family::V6, vec![135, 0, 0, 0, 0x12, 0x34, 0, 7], None),
            (Family::V4, vec![0, 0, 0, 0, 0x12, 0x34, 0], None),
        ] {
            assert_eq!(read(family, &message), expected.map(|answer| (PROBE, answer)), "{message:?}");
        }
    }

    #[test]
    fn an_error_about_something_else_is_no_answer() {
        for family in [Family::V4, Family::V6] {
            let kind = if family == Family::V4 { 11 } else { 3 };
            let whole = error(family, kind, 0);
            for cut in 0..whole.len() {
                assert_eq!(read(family, &whole[..cut]), None, "{cut}");
            }
            let mut udp = whole.clone();
            udp[if family == Family::V4 { 8 + 9 } else { 8 + 6 }] = 17;
            assert_eq!(read(family, &udp), None);
        }
    }

    proptest! {
        #[test]
        fn any_bytes_have_an_answer_or_none(message: Vec<u8>) {
            let _ = (read(Family::V4, &message), read(Family::V6, &message));
        }
    }
}
