//! What the public API says when it refuses (RFC 9457, `application/problem+json`).

use serde::{Deserialize, Serialize};

/// A refusal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    /// A stable word for programs, such as `invalid-configuration`; the RFC's `type`, as a relative reference.
    #[serde(rename = "type")]
    pub kind: String,
    /// The same for people; equal for all problems of this kind.
    pub title: String,
    /// HTTP status.
    pub status: u16,
    /// What happened this time, and what to do.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub detail: Option<String>,
    /// What to do about it, when that is a step of its own.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub remedy: Option<String>,
    /// The stable code of a refused firmware, such as `F05`: `docs/firmware-refusals.md`.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub code: Option<String>,
    /// Whether the same request with `even-if-it-failed=true` would be let through.
    #[serde(skip_serializing_if = "std::ops::Not::not", default)]
    pub can_be_overridden: bool,
    /// The fields that were refused.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub fields: Vec<crate::control::Violation>,
}
