//! Looking for a fault in the network from the unit: what may be asked, and what was found. `log` does it.
//!
//! Each takes at most [`WITHIN_S`] seconds. What is found is a list of lines for a person: a network's answers are too many
//! kinds for fields, and nobody computes with them.

use core::net::IpAddr;
use serde::{Deserialize, Serialize};

/// Longest time for any of them, in seconds.
pub const WITHIN_S: u64 = 8;
/// Most echo requests of a ping.
pub const MOST_ECHOES: u8 = 20;
/// Most hops of a traceroute.
pub const MOST_HOPS: u8 = 30;

/// What is to be found out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Question {
    /// Does it answer, and how quickly? So many echo requests, 1 to [`MOST_ECHOES`].
    Ping(IpAddr, u8),
    /// Over which routers does a packet get there?
    Trace(IpAddr),
    /// What does DNS say about this name (or address, for [`RecordKind::Ptr`])? Asked of this server, or of those of the
    /// unit.
    Lookup(String, RecordKind, Option<IpAddr>),
    /// The kernel's routes.
    Routes,
    /// The hardware addresses that the kernel knows.
    Neighbours,
}

/// What DNS is asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum RecordKind {
    /// IPv4 addresses.
    #[default]
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

impl RecordKind {
    /// All, with their names.
    pub const ALL: [(Self, &'static str); 6] = [
        (Self::A, "A"),
        (Self::Aaaa, "AAAA"),
        (Self::Ptr, "PTR"),
        (Self::Mx, "MX"),
        (Self::Ns, "NS"),
        (Self::Txt, "TXT"),
    ];
}
