//! Answers that are kept, or made smaller.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Answers that are kept and given again (RFC 9111).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(extend("x-inactive" = true))]
pub struct Caching {
    /// Whether any are.
    #[schemars(title = "Caching")]
    pub cache: bool,
    /// The most of the unit's cache that this service may fill.
    #[schemars(title = "Share of the cache", range(min = 1, max = 100), extend("x-unit" = "%"))]
    pub share_percent: u8,
}

impl Default for Caching {
    fn default() -> Self {
        Self { cache: false, share_percent: 100 }
    }
}

/// Answers that are made smaller for clients that say they can take it (RFC 9110 §12.5.3).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(extend("x-inactive" = true))]
pub struct Compression {
    /// Whether any are.
    #[schemars(title = "Compression")]
    pub compress: bool,
}

/// What all services have in common about keeping and compressing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(extend("x-inactive" = true))]
pub struct Acceleration {
    /// Memory for kept answers.
    #[schemars(title = "Size of the cache", range(min = 1, max = 4096), extend("x-unit" = "MiB"))]
    pub cache_mib: u32,
    /// Endings of paths whose answers are not kept, such as `.php`.
    #[schemars(title = "Not kept", length(max = 128), inner(length(max = 32)))]
    pub not_kept: Vec<String>,
    /// Endings of paths whose answers are not compressed, such as `.jpg`.
    #[schemars(title = "Not compressed", length(max = 128), inner(length(max = 32)))]
    pub not_compressed: Vec<String>,
}

impl Default for Acceleration {
    fn default() -> Self {
        let endings = |list: &[&str]| list.iter().map(|it| (*it).to_owned()).collect();
        Self {
            cache_mib: 100,
            not_kept: endings(&[".aspx", ".jsp", ".php", ".shtml"]),
            not_compressed: endings(&[
                ".gif", ".gz", ".jpeg", ".jpg", ".mp4", ".pdf", ".png", ".webp", ".zip",
            ]),
        }
    }
}
