//! The whole settings model: types, defaults, validation, difference.
//!
//! One value of [`Config`] is everything an operator can set. It has two halves: what a pair keeps equal
//! ([`Shared`]) and what belongs to one unit by nature ([`Unit`]: its addresses, its name). Synchronising a
//! pair copies the first half only, so nothing has to be filtered out, and nothing can be forgotten.
//!
//! A value that came from outside is only used after [`validate`] found nothing to say about it.

#![forbid(unsafe_code)]

mod defaults;
mod diff;
pub mod first;
mod network;
mod range;
mod service;
#[cfg(test)]
mod testing;
mod user;
mod validate;
mod violation;

pub use diff::diff;

pub use network::{Address, Interface, InterfaceName, Ipv4Setup, StaticIpv4, Unit};
pub use range::explain;
pub use service::{
    CheckKind, ForwardedFor, HealthCheck, HttpCheck, HttpMethod, Limits, Protocol, RealServer, RsId,
    Scheduler, ServiceKind, ServiceTimeouts, VirtualService, VsId, Weight,
};
pub use user::{PasswordHash, User};
pub use validate::{
    MAX_INTERFACES, MAX_PASSWORD_BYTES, MAX_SERVERS, MAX_SERVERS_OF_A_SERVICE, MAX_SERVICES, MAX_USERS,
    validate, why_not_a_password,
};
pub use violation::Violation;

use serde::{Deserialize, Serialize};

/// Everything an operator can set.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// What both units of a pair have in common.
    pub shared: Shared,
    /// What belongs to this unit alone and is never synchronised.
    pub unit: Unit,
}

/// What both units of a pair have in common.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Shared {
    /// In the order in which they were made; ids are unique.
    pub virtual_services: Vec<VirtualService>,
    /// `bal` is always among them once the unit has a configuration.
    pub users: Vec<User>,
}
