//! One DNS question and its answer (RFC 1035, RFC 3596).
//!
//! For a person who wants to see what a server says, so answers are words. No recursion, no cache, no DNSSEC here.

use std::fmt::Write;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// IPv4 addresses.
    A,
    /// IPv6 addresses.
    Aaaa,
    /// The name of an address.
    Ptr,
    /// Mail servers.
    Mx,
    /// Name servers.
    Ns,
    /// Texts.
    Txt,
}

impl Kind {
    /// All, with their numbers and names.
    pub const ALL: [(Self, u16, &'static str); 6] = [
        (Self::A, 1, "A"),
        (Self::Aaaa, 28, "AAAA"),
        (Self::Ptr, 12, "PTR"),
        (Self::Mx, 15, "MX"),
        (Self::Ns, 2, "NS"),
        (Self::Txt, 16, "TXT"),
    ];

    fn number(self) -> u16 {
        Self::ALL.iter().find(|(kind, ..)| *kind == self).map_or(0, |(_, number, _)| *number)
    }
}

/// Why a question cannot be asked, or an answer not be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DnsError {
    /// The name has an empty label, one over 63 bytes, over 253 in all, or is not ASCII.
    #[error("{0:?} is not a name that can be asked for")]
    Name(String),
    /// It is too short for what it says.
    #[error("the answer is cut off at byte {0}")]
    Short(usize),
    /// It answers something else.
    #[error("this is no answer to the question")]
    Foreign,
    /// The names in it point at each other.
    #[error("a name in the answer has no end")]
    Endless,
}

/// What a server said.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Answer {
    /// Why there is no answer: the name does not exist, the server refuses, …; `None` when it is well.
    pub problem: Option<String>,
    /// The server had more to say than fits into a datagram.
    pub truncated: bool,
    /// One a line: name, seconds that it may be kept, kind, value.
    pub records: Vec<String>,
}

const HEADER: usize = 12;
/// Pointers that are followed in one name.
const MOST_JUMPS: usize = 32;
const LONGEST_NAME: usize = 253;

/// The name that is asked for an address's name (RFC 1035 §3.5, RFC 3596 §2.5).
#[must_use]
pub fn reverse_name(address: IpAddr) -> String {
    let mut name = String::new();
    match address {
        IpAddr::V4(address) => {
            for octet in address.octets().iter().rev() {
                // Writing into a string does not fail, here and below.
                let _ = write!(name, "{octet}.");
            }
            name.push_str("in-addr.arpa");
        }
        IpAddr::V6(address) => {
            for octet in address.octets().iter().rev() {
                let _ = write!(name, "{:x}.{:x}.", octet & 0xf, octet >> 4);
            }
            name.push_str("ip6.arpa");
        }
    }
    name
}

/// The question as a message; recursion is asked for.
///
/// # Errors
/// [`DnsError::Name`].
pub fn query(id: u16, name: &str, kind: Kind) -> Result<Vec<u8>, DnsError> {
    let wrong = || DnsError::Name(name.to_owned());
    let bare = name.strip_suffix('.').unwrap_or(name);
    if bare.len() > LONGEST_NAME {
        return Err(wrong());
    }
    let mut message = id.to_be_bytes().to_vec();
    message.extend([1, 0, 0, 1, 0, 0, 0, 0, 0, 0]);
    for label in bare.split('.') {
        let length = u8::try_from(label.len()).ok().filter(|length| (1..=63).contains(length));
        if !label.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(wrong());
        }
        message.push(length.ok_or_else(wrong)?);
        message.extend(label.bytes());
    }
    message.push(0);
    message.extend(kind.number().to_be_bytes());
    message.extend([0, 1]);
    Ok(message)
}

/// Reads the answer to a question that [`query`] made.
///
/// # Errors
/// Any but [`DnsError::Name`].
pub fn read(question: &[u8], message: &[u8]) -> Result<Answer, DnsError> {
    let mut reader = Reader { message, at: 0 };
    let (id, flags) = (reader.u16()?, reader.u16()?);
    let asked = Reader { message: question, at: 0 }.u16()?;
    let (questions, answers) = (reader.u16()?, reader.u16()?);
    reader.at = HEADER;
    let same = question.get(HEADER..).unwrap_or_default();
    let given = message.get(HEADER..HEADER.saturating_add(same.len())).unwrap_or_default();
    if id != asked || flags & 0x8000 == 0 || questions != 1 || !given.eq_ignore_ascii_case(same) {
        return Err(DnsError::Foreign);
    }
    reader.at = HEADER.saturating_add(same.len());
    let mut records = Vec::new();
    for _ in 0..answers {
        records.push(reader.record()?);
    }
    let problem = match flags & 0xf {
        0 => None,
        1 => Some(String::from("the server does not understand the question")),
        2 => Some(String::from("the server could not find out")),
        3 => Some(String::from("the name does not exist")),
        5 => Some(String::from("the server refuses to answer")),
        other => Some(format!("the server answers with error {other}")),
    };
    Ok(Answer { problem, truncated: flags & 0x0200 != 0, records })
}

/// A place in a message.
#[derive(Clone, Copy, Debug)]
struct Reader<'a> {
    message: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    fn take(&mut self, count: usize) -> Result<&'a [u8], DnsError> {
        let end = self.at.saturating_add(count);
        let taken = self.message.get(self.at..end).ok_or(DnsError::Short(self.message.len()))?;
        self.at = end;
        Ok(taken)
    }

    fn u8(&mut self) -> Result<u8, DnsError> {
        Ok(self.take(1)?.first().copied().unwrap_or_default())
    }

    fn u16(&mut self) -> Result<u16, DnsError> {
        Ok(u16::from_be_bytes([self.u8()?, self.u8()?]))
    }

    fn u32(&mut self) -> Result<u32, DnsError> {
        Ok(u32::from(self.u16()?) << 16 | u32::from(self.u16()?))
    }

    /// A name, with pointers followed (RFC 1035 §4.1.4); what is no letter of a name is escaped.
    fn name(&mut self) -> Result<String, DnsError> {
        let mut name = String::new();
        let mut reader = *self;
        let mut behind = None;
        let mut jumps: usize = 0;
        loop {
            let length = reader.u8()?;
            match length {
                0 => break,
                1..=63 => {
                    for byte in reader.take(length.into())? {
                        match byte {
                            b'.' | b'\\' => _ = write!(name, "\\{}", char::from(*byte)),
                            b'!'..=b'~' => name.push(char::from(*byte)),
                            _ => _ = write!(name, "\\{byte:03}"),
                        }
                    }
                    name.push('.');
                }
                192.. => {
                    let low = reader.u8()?;
                    behind = behind.or(Some(reader.at));
                    reader.at = usize::from(u16::from_be_bytes([length & 0x3f, low]));
                    jumps = jumps.saturating_add(1);
                }
                _ => return Err(DnsError::Foreign),
            }
            if jumps > MOST_JUMPS || name.len() > 4 * (LONGEST_NAME + 2) {
                return Err(DnsError::Endless);
            }
        }
        self.at = behind.unwrap_or(reader.at);
        Ok(if name.is_empty() { String::from(".") } else { name })
    }

    /// A record in words.
    fn record(&mut self) -> Result<String, DnsError> {
        let name = self.name()?;
        let (kind, _class, seconds, length) = (self.u16()?, self.u16()?, self.u32()?, self.u16()?);
        let start = self.at;
        self.take(length.into())?;
        let mut data = Reader { message: self.message.get(..self.at).unwrap_or_default(), at: start };
        let (word, value) = match (kind, length) {
            (1, 4) => ("A", Ipv4Addr::from_bits(data.u32()?).to_string()),
            (28, 16) => {
                let octets = data.take(16)?.try_into().unwrap_or([0; 16]);
                ("AAAA", Ipv6Addr::from(octets).to_string())
            }
            (2, _) => ("NS", data.name()?),
            (5, _) => ("CNAME", data.name()?),
            (12, _) => ("PTR", data.name()?),
            (15, _) => ("MX", format!("{} {}", data.u16()?, data.name()?)),
            (16, _) => ("TXT", data.texts()?),
            _ => return Ok(format!("{name} {seconds} TYPE{kind} of {length} bytes")),
        };
        Ok(format!("{name} {seconds} {word} {value}"))
    }

    /// The texts up to the end of the message.
    fn texts(&mut self) -> Result<String, DnsError> {
        let mut texts = Vec::new();
        while self.at < self.message.len() {
            let length = self.u8()?;
            let text = String::from_utf8_lossy(self.take(length.into())?).into_owned();
            texts.push(format!("\"{}\"", text.escape_default()));
        }
        Ok(texts.join(" "))
    }
}

#[cfg(test)]
mod tests;
