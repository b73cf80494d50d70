//! The services of a unit and the uid each runs under.

use core::fmt;
use core::str::FromStr;
use serde::{Deserialize, Serialize};

/// Group of every service: the sockets between them are open to it and to nobody else.
pub const SERVICES_GID: u32 = 100;

/// Name of a file in the run directory that is there while the unit is in rescue mode. Init makes it before anybody
/// starts; then no service address is taken on, so that a partner or a new unit can have it.
pub const RESCUE_MODE: &str = "rescue-mode";

/// A program of the unit. All of them are the one binary; the first argument picks which.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Service {
    /// PID 1.
    Init,
    /// Interfaces, addresses, routes.
    Net,
    /// The only writer of the configuration.
    Control,
    /// The only one that opens firmware slots.
    Update,
    /// Layer 7 data path.
    Proxy,
    /// Health checks.
    Checks,
    /// Administration pages and API.
    Web,
    /// The log on disk, captures of packets, ping and its like.
    Log,
    /// The menu on serial port, screen and SSH.
    Console,
}

impl Service {
    /// Those that init starts, in this order.
    pub const SUPERVISED: [Self; 8] = [
        Self::Net,
        Self::Control,
        Self::Checks,
        Self::Proxy,
        Self::Web,
        Self::Update,
        Self::Log,
        Self::Console,
    ];

    /// Those of them that it starts in rescue mode: the network, local administration, firmware upload, and the log.
    pub const IN_RESCUE: [Self; 6] =
        [Self::Net, Self::Control, Self::Web, Self::Update, Self::Log, Self::Console];

    /// Its name: first argument of the binary, socket file, log prefix.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Init => "init",
            Self::Net => "net",
            Self::Control => "control",
            Self::Update => "update",
            Self::Proxy => "proxy",
            Self::Checks => "checks",
            Self::Web => "web",
            Self::Log => "log",
            Self::Console => "console",
        }
    }

    /// The uid it runs under. Fixed, because files on `data` keep it across firmwares.
    #[must_use]
    pub const fn uid(self) -> u32 {
        match self {
            Self::Init => 0,
            Self::Net => 101,
            Self::Control => 102,
            Self::Update => 103,
            Self::Proxy => 104,
            Self::Checks => 105,
            Self::Web => 108,
            Self::Log => 111,
            Self::Console => 109,
        }
    }

    /// File name of its socket in the run directory.
    #[must_use]
    pub fn socket_name(self) -> String {
        format!("{}.sock", self.name())
    }
}

impl fmt::Display for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Service {
    type Err = UnknownService;

    fn from_str(s: &str) -> Result<Self, UnknownService> {
        Self::SUPERVISED
            .into_iter()
            .chain([Self::Init])
            .find(|service| service.name() == s)
            .ok_or_else(|| UnknownService(s.to_owned()))
    }
}

/// A name that no service has.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("there is no service {0:?}")]
pub struct UnknownService(pub String);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_back_and_uids_differ() {
        let mut uids: Vec<u32> = Service::SUPERVISED.iter().map(|service| service.uid()).collect();
        for service in Service::SUPERVISED {
            assert_eq!(service.name().parse(), Ok(service));
        }
        uids.sort_unstable();
        uids.dedup();
        assert_eq!(uids.len(), Service::SUPERVISED.len());
        assert!("bash".parse::<Service>().is_err());
    }
}
