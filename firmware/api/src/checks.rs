//! checks: which real servers are up.

use evener_config::{RsId, VsId};
use serde::{Deserialize, Serialize};

/// What may be asked of checks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Request {
    /// One [`HealthReport`].
    Get,
    /// A [`HealthReport`] now and after every change.
    Subscribe,
}

/// Every real server's state.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct HealthReport {
    /// The configuration's generation that the checks run by.
    pub generation: u64,
    /// One for each real server of each service, in the configuration's order.
    pub servers: Vec<ServerHealth>,
}

/// One real server's state.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServerHealth {
    /// Its service.
    pub vs: VsId,
    /// The server.
    pub rs: RsId,
    /// Up, down, not known yet.
    pub state: HealthState,
    /// Why: the last probe's outcome in words.
    pub reason: String,
    /// Seconds since 1970-01-01 UTC at which the state became what it is.
    pub since_unix_s: u64,
    /// Milliseconds that the last good probe took.
    pub last_good_ms: Option<u32>,
}

/// Whether a server gets requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HealthState {
    /// Its first probe is not over: it gets requests only if no server is up.
    Unknown,
    /// It gets requests.
    Up,
    /// It gets none.
    Down,
    /// It is not probed: disabled by the operator, or its service is.
    Disabled,
}
