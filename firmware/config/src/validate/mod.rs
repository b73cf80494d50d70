//! Is a configuration one that the unit can run?
//!
//! Every rule is looked at, not only until the first finding: an operator who wrote a file wants to repair it
//! in one go. Each finding names the exact field and says what would be right. What a type already excludes
//! (a port of 70000) never gets here; [`explain`](crate::explain) has the words for it.
//!
//! The rules on addresses and ports look at the unit and its services together, in both directions: a service
//! on the port of the administration pages is refused at the service, and pages moved onto the port of a
//! service are refused at `unit.web_port` as well.

mod address;
mod names;
mod place;
mod references;
mod service;
mod text;
mod unit;
mod user;

pub(crate) use text::why_not_a_password_hash;
pub use text::{MAX_PASSWORD_BYTES, why_not_a_password};

use crate::shape::settings;
use crate::violation::{Findings, Path, Violation};
use crate::{Config, refuse};

/// Most virtual services of a unit.
pub const MAX_SERVICES: usize = 1000;
/// Most real servers of one virtual service.
pub const MAX_SERVERS_OF_A_SERVICE: usize = 500;
/// Most real servers of a unit.
pub const MAX_SERVERS: usize = 5000;
/// Most accounts of a unit.
pub const MAX_USERS: usize = 100;
/// Most interfaces of a unit.
pub const MAX_INTERFACES: usize = 64;

/// Everything that is wrong with a configuration, at most 100 findings; empty when the unit can run it.
///
/// Never panics, whatever the values are.
#[must_use]
pub fn validate(config: &Config) -> Vec<Violation> {
    let mut findings = Findings::default();
    services_and_unit(config, &mut findings);
    user::check(&config.shared.users, &Path::new("shared"), &mut findings);
    findings.into_list()
}

/// As [`validate`], for a configuration that has no accounts yet.
pub(crate) fn validate_without_users(config: &Config) -> Vec<Violation> {
    let mut findings = Findings::default();
    services_and_unit(config, &mut findings);
    findings.into_list()
}

fn services_and_unit(config: &Config, findings: &mut Findings) {
    // What each setting may be by itself comes first: the other rules need not look again.
    match serde_json::to_value(config) {
        Ok(value) => refuse::check(settings(), &value, "", findings),
        Err(error) => findings.add("", format!("the configuration has no JSON form: {error}")),
    }
    findings.are_general();
    unit::check(&config.unit, findings);
    service::check(&config.shared.virtual_services, &config.unit, findings);
    place::check(config, findings);
    names::check(config, findings);
    references::check(config, findings);
}

#[cfg(test)]
mod tests;
