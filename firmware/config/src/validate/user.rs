//! Rules on accounts.

use super::text;
use crate::User;
use crate::violation::{Findings, Path};
use std::collections::BTreeSet;

/// The account that may do everything and cannot be missing.
const ADMINISTRATOR: &str = "bal";

pub(super) fn check(users: &[User], at: &Path, findings: &mut Findings) {
    let list = at.field("users");
    findings.require(users.iter().any(|user| user.name == ADMINISTRATOR), &list, || {
        format!("the account {ADMINISTRATOR} is missing: nobody could administer the unit")
    });
    let mut names = BTreeSet::new();
    for (index, user) in users.iter().enumerate() {
        let at = at.element("users", index);
        if let Some(reason) = text::why_not_a_user(&user.name) {
            findings.add(at.field("name"), reason);
        } else if !names.insert(&user.name) {
            findings.add(at.field("name"), format!("there is already an account {}", user.name));
        }
        if let Some(reason) = text::why_not_a_password_hash(&user.password.0) {
            findings.add(at.field("password"), reason);
        }
    }
}
