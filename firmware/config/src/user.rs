//! Who may administer the unit.

use core::fmt;
use serde::{Deserialize, Serialize};

/// An account.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct User {
    /// 1 to 64 characters, letters, digits, `.`, `_`, `-`; starts with a letter. `bal` may do everything.
    pub name: String,
    /// Argon2id hash.
    pub password: PasswordHash,
    /// Nothing but changing the password is allowed while this is set. It is set for the first password.
    #[serde(default)]
    pub must_change_password: bool,
}

/// A password hash in PHC string format (`$argon2id$…`). Never printed: `Debug` hides it.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct PasswordHash(pub String);

impl fmt::Debug for PasswordHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PasswordHash(hidden)")
    }
}
