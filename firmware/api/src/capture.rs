//! A capture of packets: what is ordered, how far it is. `log` makes it, one at a time.

use core::net::IpAddr;
use serde::{Deserialize, Serialize};

/// Most packets of a capture.
pub const MOST_PACKETS: u32 = 200_000;
/// Longest capture, in seconds.
pub const MOST_SECONDS: u32 = 600;
/// Largest file of a capture, in bytes.
pub const MOST_BYTES: u64 = 64 << 20;
/// Smallest limit of a file, in bytes: one packet of any size fits.
pub const LEAST_BYTES: u64 = 128 << 10;
/// Bytes of the file in one answer.
pub const CHUNK_BYTES: usize = 256 << 10;
/// Longest name of an interface (`IFNAMSIZ`, less the end).
const LONGEST_NAME: usize = 15;

/// Which packets, and how many. What is missing in a request has its default.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CaptureOrder {
    /// Kernel name; `None` for all.
    pub interface: Option<String>,
    /// Of sender or receiver.
    pub address: Option<IpAddr>,
    /// Of sender or receiver, 1 to 65535; TCP, UDP and SCTP.
    pub port: Option<u16>,
    /// 1 to [`MOST_PACKETS`]; default 10 000.
    pub most_packets: u32,
    /// 1 to [`MOST_SECONDS`]; default 10.
    pub most_seconds: u32,
    /// [`LEAST_BYTES`] to [`MOST_BYTES`]; default [`MOST_BYTES`].
    pub most_bytes: u64,
}

impl Default for CaptureOrder {
    fn default() -> Self {
        Self {
            interface: None,
            address: None,
            port: None,
            most_packets: 10_000,
            most_seconds: 10,
            most_bytes: MOST_BYTES,
        }
    }
}

impl CaptureOrder {
    /// Fields out of their range, with the reason.
    #[must_use]
    pub fn faults(&self) -> Vec<(&'static str, String)> {
        let mut faults = Vec::new();
        let is_name = |name: &String| {
            (1..=LONGEST_NAME).contains(&name.len())
                && name.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'/')
        };
        if self.interface.as_ref().is_some_and(|name| !is_name(name)) {
            faults.push(("interface", String::from("Not the name of an interface, such as eth0.")));
        }
        if self.port == Some(0) {
            faults.push(("port", String::from("0 is not a port: 1 to 65535.")));
        }
        if !(1..=MOST_PACKETS).contains(&self.most_packets) {
            faults.push(("most_packets", format!("Not from 1 to {MOST_PACKETS}.")));
        }
        if !(1..=MOST_SECONDS).contains(&self.most_seconds) {
            faults.push(("most_seconds", format!("Not from 1 to {MOST_SECONDS} seconds.")));
        }
        if !(LEAST_BYTES..=MOST_BYTES).contains(&self.most_bytes) {
            faults.push(("most_bytes", format!("Not from {LEAST_BYTES} to {MOST_BYTES} bytes.")));
        }
        faults
    }
}

/// The capture that runs, or the last one.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CaptureStatus {
    /// What was ordered; `None` when there was none since the service started.
    pub order: Option<CaptureOrder>,
    /// Whether it goes on.
    pub running: bool,
    /// When it began, in milliseconds since 1970.
    pub began_unix_ms: u64,
    /// Packets in the file.
    pub packets: u64,
    /// Bytes of the file.
    pub bytes: u64,
    /// Packets that came faster than they could be taken, and are not in the file.
    pub lost: u64,
    /// Why it ended, in words; empty while it runs.
    pub ended: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_limit_is_kept() {
        assert_eq!(CaptureOrder::default().faults(), []);
        let order = CaptureOrder {
            interface: Some(String::from("../eth0")),
            address: None,
            port: Some(0),
            most_packets: MOST_PACKETS + 1,
            most_seconds: 0,
            most_bytes: MOST_BYTES + 1,
        };
        let fields: Vec<_> = order.faults().into_iter().map(|(field, _)| field).collect();
        assert_eq!(fields, ["interface", "port", "most_packets", "most_seconds", "most_bytes"]);
        for name in ["", "a name", "sixteen-letters!", "é"] {
            let order = CaptureOrder { interface: Some(name.into()), ..CaptureOrder::default() };
            assert_eq!(order.faults().len(), 1, "{name}");
        }
    }
}
