//! Entity tags (RFC 9110 §8.8.3): equal exactly for equal content, so that a change elsewhere does not get in the way
//! of a change here.

use serde_json::Value;
use sha2::{Digest, Sha256};

/// The strong entity tag of a value, with its quotes: the first 128 bits of SHA-256 of its JSON, in hexadecimal digits.
#[must_use]
pub fn tag(value: &Value) -> String {
    let digest = Sha256::digest(value.to_string().as_bytes());
    let digits: String = digest.iter().take(16).map(|byte| format!("{byte:02x}")).collect();
    format!("\"{digits}\"")
}
