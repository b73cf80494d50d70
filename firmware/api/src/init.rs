//! init: the unit as a whole.

use crate::Service;
use serde::{Deserialize, Serialize};

/// Name of a folder in the run directory with a link to each terminal that the menu is for, named by its number and the
/// device's name, such as `0-ttyS0`. Init makes it; the devices belong to console.
pub const CONSOLES: &str = "console";

/// What may be asked of init.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Request {
    /// Answered by [`Reply::Status`].
    Get,
    /// Stop every service in order, unmount, reboot. By web, console and update only.
    Reboot,
    /// Stop every service in order, unmount, power off. By web and console only.
    PowerOff,
    /// Erase all settings, passwords, certificates and logs, and restart as on the first day; the firmware and its
    /// floor stay. By web and console only. Once this is answered by [`Reply::Done`] no power cut keeps it from being finished.
    /// Answered by [`Reply::Failed`] when nothing was changed.
    FactoryReset,
    /// Print the first password on the console again and again until it was changed. By control only.
    Announce(Announcement),
    /// The lines of the log that follow the one with this number, as far as init still has them, and then every new
    /// one: a stream of [`crate::log::Lines`]. By log only.
    FollowLog(u64),
    /// Keep the log off the terminal with this number of [`CONSOLES`], because somebody is at the menu there, or put it
    /// back. It is back by itself when console ends. By console only.
    Quiet {
        /// The terminal.
        terminal: u8,
        /// Whether to keep it off.
        quiet: bool,
    },
    /// Set the unit's clock and that of the machine, in seconds since 1970-01-01 UTC. By console only. Answered by
    /// [`Reply::Failed`] when nothing was changed.
    SetClock(u64),
}

/// Something for the person at the console to read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Announcement {
    /// The file that holds the first password is there: print it with the addresses of the pages.
    FirstPassword,
    /// It was changed: print it no longer.
    PasswordChanged,
}

/// Init's answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Reply {
    /// To [`Request::Get`].
    Status(Box<UnitStatus>),
    /// It is done, or has begun.
    Done,
    /// This service may not ask this.
    Forbidden,
    /// Nothing was changed, and why.
    Failed(String),
}

/// The unit as a whole.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UnitStatus {
    /// Version of the firmware, such as `1.2.0`.
    pub version: String,
    /// Milliseconds since the kernel started.
    pub uptime_ms: u64,
    /// `MemTotal` of the kernel, in bytes.
    pub memory_total_bytes: u64,
    /// `MemAvailable` of the kernel, in bytes: what services could still get.
    pub memory_available_bytes: u64,
    /// The hand-off record of the loader in hex, as it stood on the command line; empty without one.
    pub handoff: String,
    /// Things an operator must see, in words, each with what to do about it.
    pub warnings: Vec<String>,
    /// Every supervised service.
    pub services: Vec<ServiceHealth>,
}

/// One supervised service.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServiceHealth {
    /// Which.
    pub service: Service,
    /// What it is doing.
    pub state: ServiceState,
    /// Its process, while there is one.
    pub pid: Option<u32>,
    /// Times that init started it again after it had died or stopped answering.
    pub restarts: u32,
    /// How it last ended, in words; empty if it never did.
    pub last_end: String,
    /// Milliseconds since it started.
    pub running_ms: u64,
}

/// What a supervised service is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ServiceState {
    /// Started, has not said that it is ready.
    Starting,
    /// Ready, and its heart beats.
    Running,
    /// Ended; will be started again when its back-off is over.
    Waiting,
    /// Told to stop.
    Stopping,
    /// Ended, and is not to be started again.
    Stopped,
}
