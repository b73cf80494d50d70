//! How a message goes over the wire.

/// Most bytes of a datagram: what every IPv6 receiver must take (RFC 5426 §3.2), and what fits an Ethernet frame even in
/// a tunnel. Receivers on IPv4 must take 480 and should take 2048.
pub const DATAGRAM_BYTES: usize = 1180;

/// The message as a datagram, cut at the end where it is too long, between two characters (RFC 5426 §3.2, 5424 §6.1).
#[must_use]
pub fn datagram(message: &str) -> &[u8] {
    let end = message.floor_char_boundary(DATAGRAM_BYTES);
    message.as_bytes().get(..end).unwrap_or_default()
}

/// The message in a stream: its length in bytes, a blank, and the message (octet counting, RFC 6587 §3.4.1; the only
/// framing over TLS, RFC 5425 §4.3). Unlike an end of line, nothing in a message can be taken for it.
#[must_use]
pub fn octet_counted(message: &str) -> Vec<u8> {
    format!("{} {message}", message.len()).into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// As a receiver reads a stream.
    fn read(mut stream: &[u8]) -> Vec<String> {
        let mut messages = Vec::new();
        while !stream.is_empty() {
            let blank = stream.iter().position(|byte| *byte == b' ').unwrap();
            let length: usize = std::str::from_utf8(&stream[..blank]).unwrap().parse().unwrap();
            let end = blank + 1 + length;
            messages.push(String::from_utf8(stream[blank + 1..end].to_vec()).unwrap());
            stream = &stream[end..];
        }
        messages
    }

    #[test]
    fn a_stream_is_these_bytes() {
        assert_eq!(octet_counted("<30>1 grö"), b"10 <30>1 gr\xc3\xb6");
    }

    #[test]
    fn a_datagram_is_cut_between_characters() {
        let long = format!("{}ööö", "x".repeat(DATAGRAM_BYTES - 3));
        assert_eq!(datagram(&long).len(), DATAGRAM_BYTES - 1);
        assert!(std::str::from_utf8(datagram(&long)).is_ok());
        assert_eq!(datagram("short"), b"short");
    }

    proptest! {
        #[test]
        fn messages_are_told_apart_whatever_they_hold(messages: Vec<String>) {
            let stream: Vec<u8> = messages.iter().flat_map(|message| octet_counted(message)).collect();
            prop_assert_eq!(read(&stream), messages);
        }
    }
}
