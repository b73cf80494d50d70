//! The keys that a firmware and its loader trust, as a file that people edit and review.
//!
//! ```toml
//! # Refuse development keys: what every keyset of a release says.
//! release = true
//!
//! [[key]]
//! public = "evener-public-key-v1 production 03a1…31b8"   # the line of the .pub file
//!
//! [[key]]
//! file = "2026.pub"                                       # or the file, relative to this one
//! revoked = true
//! ```
//!
//! A revoked key stays in the file: a unit that still has an older keyset somewhere, such as in its loader,
//! then says "revoked" and not "unknown". In which firmware a key may come and go: `docs/keys.md`.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use evener_manifest::{KeyEntry, KeyId, MAX_KEYS, emit_keyset};
use serde::Deserialize;

use crate::error::at;
use crate::{KeyError, PublicKey};

/// A keyset that was read from its file and makes sense in itself.
#[derive(Clone, Debug)]
pub struct KeysetFile {
    path: PathBuf,
    release: bool,
    keys: Vec<(PublicKey, bool)>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Text {
    release: bool,
    #[serde(default)]
    key: Vec<KeyText>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct KeyText {
    public: Option<String>,
    file: Option<PathBuf>,
    #[serde(default)]
    revoked: bool,
}

impl KeysetFile {
    /// Reads a keyset file and the `.pub` files that it names.
    ///
    /// # Errors
    /// [`KeyError::File`]; [`KeyError::Malformed`] with line or key, also for a key that is named twice, more than
    /// 16 keys, no key that is not revoked, or a development key in the set of a release.
    pub fn read(path: &Path) -> Result<Self, KeyError> {
        let text = fs::read_to_string(path).map_err(at("reading", path))?;
        let text: Text = toml::from_str(&text).map_err(|e| KeyError::malformed(path, e.to_string()))?;
        let mut keys = Vec::new();
        for (number, key) in (1..).zip(text.key) {
            let revoked = key.revoked;
            keys.push((public_key(path, number, key)?, revoked));
        }
        let set = Self { path: path.to_owned(), release: text.release, keys };
        set.check()?;
        Ok(set)
    }

    fn check(&self) -> Result<(), KeyError> {
        let wrong = |reason: String| Err(KeyError::malformed(&self.path, reason));
        if self.keys.len() > MAX_KEYS {
            return wrong(format!("{} keys; a keyset holds at most {MAX_KEYS}", self.keys.len()));
        }
        let mut seen = BTreeSet::new();
        for (key, revoked) in &self.keys {
            if !seen.insert(key.bytes) {
                return wrong(format!("key {} is named twice", key.id()));
            }
            if self.release && key.development && !revoked {
                return wrong(format!(
                    "key {} is a development key, and the set is that of a release",
                    key.id()
                ));
            }
        }
        if self.keys.iter().all(|(_, revoked)| *revoked) {
            return wrong("no key that is not revoked: a loader with this set would boot nothing".to_owned());
        }
        Ok(())
    }

    /// True for the set of a release, which refuses development keys.
    #[must_use]
    pub fn is_release(&self) -> bool {
        self.release
    }

    /// The keys in the file's order, and whether each is revoked.
    #[must_use]
    pub fn keys(&self) -> &[(PublicKey, bool)] {
        &self.keys
    }

    /// Checks that a firmware with this keyset may be signed with `id`: that it is trusted by what it carries.
    ///
    /// # Errors
    /// [`KeyError::Signer`].
    pub fn admit(&self, id: KeyId) -> Result<(), KeyError> {
        let refused = |how| Err(KeyError::Signer { path: self.path.clone(), how, id });
        match self.keys.iter().find(|(key, _)| key.id() == id) {
            None => refused("does not name"),
            Some((_, true)) => refused("revokes"),
            Some((_, false)) => Ok(()),
        }
    }

    /// The bytes that loader and root filesystem carry.
    ///
    /// # Errors
    /// [`KeyError::Malformed`]; not for a set that was read.
    pub fn bytes(&self) -> Result<Vec<u8>, KeyError> {
        let entry = |(key, revoked): &(PublicKey, bool)| KeyEntry { revoked: *revoked, ..key.entry() };
        let entries: Vec<_> = self.keys.iter().map(entry).collect();
        emit_keyset(self.release, &entries)
            .map_err(|fault| KeyError::malformed(&self.path, fault.to_string()))
    }
}

fn public_key(set: &Path, number: u32, key: KeyText) -> Result<PublicKey, KeyError> {
    match (key.public, key.file) {
        (Some(line), None) => PublicKey::parse(&line)
            .map_err(|reason| KeyError::malformed(set, format!("key {number}: {reason}"))),
        (None, Some(file)) => PublicKey::read(&set.parent().unwrap_or(Path::new("")).join(file)),
        _ => Err(KeyError::malformed(set, format!("key {number}: either public or file is needed"))),
    }
}
