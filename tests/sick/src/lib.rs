//! What a firmware made for a test suffers from, and how it is told.
//!
//! The product has no switch for faults. A firmware that misbehaves is another firmware: built from the same crates
//! with the program beside this library, signed with the development key, and told by a file in its own verified
//! root file system which illness it has. One program can have them all, so all of them cost one compilation.
#![forbid(unsafe_code)]

use std::fmt;
use std::str::FromStr;

/// The file with the illness, below the root of the firmware's file system.
pub const FILE: &str = "usr/share/evener/sickness";
/// TCP port on which [`Sickness::Hand`] takes commands.
pub const HAND_PORT: u16 = 7777;

/// An illness.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Sickness {
    /// None at all: the shipped services as they are.
    None,
    /// Healthy, and PID 1 also does what a test tells it on [`HAND_PORT`]; `hand.rs` of the program has the commands.
    Hand,
    /// PID 1 ends at once, which is a kernel panic.
    Panics,
    /// The same 20 s after the start: when everything serves and the trial is not over.
    PanicsLate,
    /// PID 1 takes the watchdogs and then does nothing more.
    InitHangs,
    /// The proxy ends with an error whenever it is started.
    ProxyExits,
    /// The proxy binds every listener, says so, and never takes a connection from one.
    ProxySilent,
    /// The same for the pages and the API.
    WebExits,
    /// The same for the writer of the configuration.
    ControlExits,
}

impl Sickness {
    /// Every one.
    pub const ALL: [Self; 9] = [
        Self::None,
        Self::Hand,
        Self::Panics,
        Self::PanicsLate,
        Self::InitHangs,
        Self::ProxyExits,
        Self::ProxySilent,
        Self::WebExits,
        Self::ControlExits,
    ];

    /// How it stands in [`FILE`].
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Hand => "hand",
            Self::Panics => "panics",
            Self::PanicsLate => "panics late",
            Self::InitHangs => "init hangs",
            Self::ProxyExits => "proxy exits",
            Self::ProxySilent => "proxy silent",
            Self::WebExits => "web exits",
            Self::ControlExits => "control exits",
        }
    }
}

impl fmt::Display for Sickness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// No illness has this name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownSickness(pub String);

impl fmt::Display for UnknownSickness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "there is no sickness {:?}", self.0)
    }
}

impl std::error::Error for UnknownSickness {}

impl FromStr for Sickness {
    type Err = UnknownSickness;

    fn from_str(text: &str) -> Result<Self, UnknownSickness> {
        let found = Self::ALL.into_iter().find(|sickness| sickness.name() == text.trim());
        found.ok_or_else(|| UnknownSickness(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_illness_is_read_back_from_its_name() {
        for sickness in Sickness::ALL {
            assert_eq!(format!("{sickness}\n").parse(), Ok(sickness));
        }
        assert!("a cold".parse::<Sickness>().is_err());
    }
}
