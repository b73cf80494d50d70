//! How the unit is administered: from where, and for how long at a time.

use crate::access_list::Network;
use crate::network::InterfaceName;
use crate::tls::Secret;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The administration pages of one unit.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(extend("x-inactive" = true))]
pub struct Pages {
    /// The certificate of pages and API as PEM, the unit's own first; empty: one that the unit signed by itself.
    #[schemars(title = "Administrative certificate", length(max = 131_072), extend("x-lines" = true))]
    pub certificate: String,
    /// Its key as PEM. It is never given back.
    #[schemars(title = "Administrative certificate's key", extend("maxLength" = 32_768, "x-lines" = true))]
    pub key: Secret,
    /// Whether explanations are shown beside each setting.
    #[schemars(title = "Hide explanations")]
    pub hide_help: bool,
}

impl core::fmt::Debug for Pages {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Pages").field("hide_help", &self.hide_help).finish_non_exhaustive()
    }
}

/// The console over the network.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Ssh {
    /// Whether there is one.
    #[schemars(title = "Allow remote SSH access")]
    pub is_on: bool,
    /// TCP port.
    #[schemars(title = "SSH port", range(min = 1, max = 65535), extend("x-what" = "a port"))]
    pub port: u16,
}

impl Default for Ssh {
    fn default() -> Self {
        Self { is_on: true, port: 22 }
    }
}

/// Who may reach the pages, the API and SSH.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(extend("x-inactive" = true))]
pub struct RemoteAccess {
    /// Interfaces on whose addresses the unit can be administered; none: all.
    #[schemars(title = "Administration on interfaces", length(max = 64))]
    pub interfaces: Vec<InterfaceName>,
    /// Addresses and networks from which it can be; none: any.
    #[schemars(title = "Administration from addresses", length(max = 256))]
    pub addresses: Vec<Network>,
    /// Whether the pages are there.
    #[schemars(title = "Allow web administrative access")]
    pub pages: bool,
    /// Whether the API is.
    #[schemars(title = "Enable API interface")]
    pub api: bool,
}

impl Default for RemoteAccess {
    fn default() -> Self {
        Self { interfaces: Vec::new(), addresses: Vec::new(), pages: true, api: true }
    }
}

/// Sessions of those who administer, on both units.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(extend("x-inactive" = true))]
pub struct Administration {
    /// A session ends after this without a request.
    #[schemars(title = "Idle session time-out", range(min = 60, max = 86_400), extend("x-unit" = "s"))]
    pub session_idle_s: u32,
    /// Sessions that one account may have at a time; 0 is no limit.
    #[schemars(title = "Limit of concurrent sessions", range(max = 100))]
    pub sessions: u8,
    /// Wrong passwords in a row after which a source has to wait.
    #[schemars(title = "Failed login attempts", range(min = 1, max = 99), extend("x-what" = "a number of attempts"))]
    pub failures: u8,
    /// Fewest characters of a new password.
    #[schemars(title = "Minimum password length", range(min = 8, max = 64), extend("x-what" = "a length of passwords"))]
    pub least_password: u8,
    /// What is shown before somebody signs in; empty: nothing.
    #[schemars(title = "Pre-login message", length(max = 5000), extend("x-lines" = true))]
    pub message: String,
    /// What the unit is called in the pages beside its host name.
    #[schemars(title = "Contact and location", length(max = 255))]
    pub contact: String,
}

impl Default for Administration {
    fn default() -> Self {
        Self {
            session_idle_s: 600,
            sessions: 0,
            failures: 5,
            least_password: 8,
            message: String::new(),
            contact: String::new(),
        }
    }
}
