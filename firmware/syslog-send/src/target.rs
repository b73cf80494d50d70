//! Where the log is sent.

use evener_api::log::Level;
use evener_syslog::Facility;
use std::fmt;
use std::net::SocketAddr;

/// One syslog server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// Its address and port; 514 is usual for UDP and TCP, 6514 for TLS.
    pub address: SocketAddr,
    /// How it is spoken to.
    pub transport: Transport,
    /// Records so grave or graver are sent.
    pub level: Level,
    /// What kind of program they are said to come from.
    pub facility: Facility,
}

/// How a server is spoken to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Transport {
    /// A datagram a message. What is lost on the way is lost.
    Udp,
    /// One connection, messages framed by their length.
    Tcp,
    /// The same within TLS 1.2 or 1.3.
    Tls(Trust),
}

/// Which server is believed to be the right one (RFC 5425 §4.2).
#[derive(Clone, PartialEq, Eq)]
pub enum Trust {
    /// The one with the certificate of this SHA-256, whoever issued it for whatever name.
    Certificate([u8; 32]),
    /// One with this name that one of these authorities vouches for.
    Authorities {
        /// A DNS name or an address, as it stands in the certificate.
        name: String,
        /// Certificates of the authorities, in DER.
        certificates: Vec<Vec<u8>>,
    },
}

impl fmt::Debug for Trust {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Certificate(digest) => {
                let hex: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
                write!(f, "Certificate({hex})")
            }
            Self::Authorities { name, certificates } => {
                write!(f, "Authorities({name:?}, {} certificates)", certificates.len())
            }
        }
    }
}

/// As the log calls it: `tls 192.0.2.9:6514`.
impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let transport = match self.transport {
            Transport::Udp => "udp",
            Transport::Tcp => "tcp",
            Transport::Tls(_) => "tls",
        };
        write!(f, "{transport} {}", self.address)
    }
}
