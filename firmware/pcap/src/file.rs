//! The classic format of libpcap, with nanoseconds, little-endian.
//!
//! ```text
//! file    0 magic 0xa1b23c4d   4 version 2.4   8 zone, 0   12 accuracy, 0   16 longest packet   20 link type, 1 = Ethernet
//! packet  0 seconds since 1970   4 nanoseconds   8 bytes here   12 bytes on the wire   16 the packet
//! ```
//! Source: draft-ietf-opsawg-pcap §4 and §5. Everything that reads pcap reads it, tcpdump, tshark and Wireshark among them.

use core::time::Duration;

/// Bytes before the first packet.
pub const FILE_HEADER_BYTES: u64 = 24;
/// Bytes before each packet.
pub const RECORD_HEADER_BYTES: u64 = 16;
/// Bytes of a packet that are kept. What a card puts together, or takes apart, is up to 64 KiB and a header.
pub const SNAP_BYTES: u32 = 65_635;

const MAGIC: u32 = 0xa1b2_3c4d;
const LINKTYPE_ETHERNET: u32 = 1;

/// The file up to its first packet.
#[must_use]
pub fn file_header() -> [u8; 24] {
    let mut header = [0; 24];
    let version = u32::from_le_bytes([2, 0, 4, 0]);
    for (place, field) in
        header.chunks_exact_mut(4).zip([MAGIC, version, 0, 0, SNAP_BYTES, LINKTYPE_ETHERNET])
    {
        place.copy_from_slice(&field.to_le_bytes());
    }
    header
}

/// What stands before a packet of which `here` bytes are kept and `on_wire` were sent. `at` is the time since 1970;
/// after the year 2106 it begins anew, as the format has it.
#[must_use]
pub fn record_header(at: Duration, here: u32, on_wire: u32) -> [u8; 16] {
    let mut header = [0; 16];
    // The lower half of the seconds.
    let [a, b, c, d, ..] = at.as_secs().to_le_bytes();
    let seconds = u32::from_le_bytes([a, b, c, d]);
    for (place, field) in header.chunks_exact_mut(4).zip([seconds, at.subsec_nanos(), here, on_wire]) {
        place.copy_from_slice(&field.to_le_bytes());
    }
    header
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_headers_are_these_bytes() {
        let file = file_header();
        assert_eq!(file[..8], [0x4d, 0x3c, 0xb2, 0xa1, 2, 0, 4, 0]);
        assert_eq!(file[8..], [0, 0, 0, 0, 0, 0, 0, 0, 0x63, 0x00, 0x01, 0, 1, 0, 0, 0]);
        let record = record_header(Duration::new((1 << 32) + 1, 999_999_999), 60, 1514);
        assert_eq!(record, [1, 0, 0, 0, 0xff, 0xc9, 0x9a, 0x3b, 60, 0, 0, 0, 0xea, 5, 0, 0]);
        assert_eq!((file.len() as u64, record.len() as u64), (FILE_HEADER_BYTES, RECORD_HEADER_BYTES));
    }
}
