//! Changes that bring something back: a generation's own change taken back, a whole generation, the parts of a backup.
//!
//! Pure functions of configurations, as `apply.rs` is for all other changes; what they make is complete and not validated.
//!
//! ```text
//! undo of 12      11 ──► 12 ──► 13 ──► 14    in force: 14
//!                 base = 12, ours = 14, theirs = 11: what 12 changed goes back, what 13 and 14 changed stays
//! ```
//!
//! Nothing here locks an operator out. A password is not taken back to one that somebody had reason to replace, and a whole
//! generation comes back without its accounts.

use evener_api::control::{Parts, Violation};
use evener_config::{Config, Shared, User};
use evener_merge::{Conflict, merge_or_refuse};
use evener_store::NextIds;

/// Why nothing is brought back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum NotBack {
    /// What was set since is in the way, at these places.
    Conflicts(Vec<Conflict>),
    /// What came of the merge is no configuration.
    Unfit(Violation),
}

/// What is in force now without what a generation changed: `changed` is that generation, `before` what it was made from.
pub(crate) fn undone(changed: &Config, before: &Config, now: &Config) -> Result<Config, NotBack> {
    let value = |config: &Config| {
        serde_json::to_value(config).map_err(|error| unfit(String::new(), &error.to_string()))
    };
    let (base, ours) = (value(&with_passwords_of(now, changed))?, value(now)?);
    let theirs = value(&with_passwords_of(now, before))?;
    let merged = merge_or_refuse(&base, &ours, &theirs).map_err(NotBack::Conflicts)?;
    serde_path_to_error::deserialize(merged).map_err(|error| {
        let field = error.path().to_string();
        unfit(field, &error.into_inner().to_string())
    })
}

/// A former configuration with the accounts of now.
pub(crate) fn brought_back(former: &Config, now: &Config) -> Config {
    let shared = Shared { users: now.shared.users.clone(), ..former.shared.clone() };
    Config { shared, unit: former.unit.clone() }
}

/// What is in force now with these parts in the place of its own.
pub(crate) fn replaced(parts: &Parts, now: &Config) -> Config {
    let Parts { services, unit, users } = parts.clone();
    let present = now.shared.users.clone();
    let users = users.map_or_else(
        || present.clone(),
        |users| {
            // A first password was shown on the console of those days; nobody can have it any more.
            let known = |user: User| {
                let same = present.iter().find(|one| one.name == user.name);
                same.filter(|_| user.must_change_password).cloned().unwrap_or(user)
            };
            users.into_iter().map(known).collect()
        },
    );
    let shared = services.unwrap_or_else(|| now.shared.clone());
    Config { shared: Shared { users, ..shared }, unit: unit.unwrap_or_else(|| now.unit.clone()) }
}

/// The ids to be given next when this configuration is in force: never one that it has.
pub(crate) fn ids_beyond(present: NextIds, config: &Config) -> NextIds {
    let after = crate::apply::ids_after(config);
    NextIds { vs: present.vs.max(after.vs), rs: present.rs.max(after.rs) }
}

/// A configuration in which each account that there is now has the password that it has now.
fn with_passwords_of(now: &Config, config: &Config) -> Config {
    let mut config = config.clone();
    for user in &mut config.shared.users {
        if let Some(present) = now.shared.users.iter().find(|one| one.name == user.name) {
            user.password = present.password.clone();
            user.must_change_password = present.must_change_password;
        }
    }
    config
}

fn unfit(field: String, reason: &str) -> NotBack {
    let reason = format!("taken back, it would be no setting: {reason}");
    NotBack::Unfit(Violation { field, reason })
}

#[cfg(test)]
mod tests;
