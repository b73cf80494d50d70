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
mod place;
mod service;
mod text;
mod unit;
mod user;

pub(crate) use text::why_not_a_password_hash;
pub use text::{MAX_PASSWORD_BYTES, why_not_a_password};

use crate::violation::{Findings, Path, Violation};
use crate::{Config, range::Range};

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
    unit::check(&config.unit, findings);
    service::check(&config.shared.virtual_services, &config.unit, findings);
    place::check(config, findings);
}

impl Findings {
    /// Records a number that is out of its range; true when it is a good one.
    fn number(&mut self, value: impl Into<u32> + Copy, range: &Range, at: &Path) -> bool {
        let holds = range.holds(value);
        self.require(holds, &at.field(range.field), || range.refusal(value.into()));
        holds
    }
}

#[cfg(test)]
mod tests;
