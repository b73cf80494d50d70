//! Who may administer the unit.

use core::fmt;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// An account.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("x-label" = ["account {name}"]))]
pub struct User {
    /// 1 to 64 characters, letters, digits, `.`, `_`, `-`; starts with a letter. `bal` may do everything.
    #[schemars(title = "Name")]
    pub name: String,
    /// Argon2id hash.
    #[schemars(title = "Password")]
    pub password: PasswordHash,
    /// Nothing but changing the password is allowed while this is set. It is set for the first password.
    #[serde(default)]
    #[schemars(title = "Change of password at the next sign-in")]
    pub must_change_password: bool,
}

/// A password hash in PHC string format (`$argon2id$…`). Never printed: `Debug` hides it.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
#[schemars(extend("x-secret" = true))]
pub struct PasswordHash(pub String);

impl fmt::Debug for PasswordHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PasswordHash(hidden)")
    }
}
