//! The keys a loader or updater trusts, as bytes that are embedded at build time.
//!
//! ```text
//! offset size field
//!      0    8 magic "EVKEYSET"
//!      8    2 format, 1
//!     10    2 flags, bit 0: release (entries marked development are refused)
//!     12    2 count, 0..=16
//!     14    2 reserved
//!     16   48 each entry: key id [8], flags u32 (bit 0 development, bit 1 revoked), reserved [4], public key [32]
//! ```

use core::fmt;

use evener_disk::field::{array, u16_at, u32_at};

use crate::{ManifestError, sha256};

pub(crate) const MAGIC: &[u8; 8] = b"EVKEYSET";
pub(crate) const HEAD: usize = 16;
pub(crate) const ENTRY: usize = 48;
/// The most keys in a set.
pub const MAX_KEYS: usize = 16;
pub(crate) const SET_RELEASE: u16 = 1;
pub(crate) const KEY_DEVELOPMENT: u32 = 1;
pub(crate) const KEY_REVOKED: u32 = 2;

/// The name of a public key: the first 8 bytes of its SHA-256. Shown in hex.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct KeyId(pub [u8; 8]);

impl KeyId {
    /// The id of this public key.
    #[must_use]
    pub fn of(public: &[u8; 32]) -> Self {
        let [a, b, c, d, e, f, g, h, ..] = sha256(public);
        Self([a, b, c, d, e, f, g, h])
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// One trusted (or no longer trusted) key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Key {
    /// Its name.
    pub id: KeyId,
    /// The ed25519 public key.
    pub public: [u8; 32],
    /// A key that lies on a developer's machine; refused by a release.
    pub development: bool,
    /// A key whose signatures are refused from now on.
    pub revoked: bool,
}

/// A checked set of keys, borrowed from the embedded bytes.
#[derive(Clone, Copy, Debug)]
pub struct Keyset<'a> {
    entries: &'a [u8],
    release: bool,
}

impl<'a> Keyset<'a> {
    /// Reads a keyset. Bytes behind the last entry are ignored.
    ///
    /// # Errors
    /// [`ManifestError::Keyset`] when magic, format, count or length are wrong, or an id is not its key's.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, ManifestError> {
        let count = usize::from(u16_at(bytes, 12));
        if !bytes.starts_with(MAGIC) || u16_at(bytes, 8) != 1 || count > MAX_KEYS {
            return Err(ManifestError::Keyset);
        }
        let end = count.saturating_mul(ENTRY).saturating_add(HEAD);
        let entries = bytes.get(HEAD..end).ok_or(ManifestError::Keyset)?;
        let keyset = Self { entries, release: u16_at(bytes, 10) & SET_RELEASE != 0 };
        if keyset.keys().any(|key| key.id != KeyId::of(&key.public)) {
            return Err(ManifestError::Keyset);
        }
        Ok(keyset)
    }

    /// The keys in stored order.
    pub fn keys(&self) -> impl Iterator<Item = Key> + use<'a> {
        self.entries.chunks_exact(ENTRY).filter_map(|entry| {
            let flags = u32_at(entry, 8);
            Some(Key {
                id: KeyId(array(entry, 0)?),
                public: array(entry, 16)?,
                development: flags & KEY_DEVELOPMENT != 0,
                revoked: flags & KEY_REVOKED != 0,
            })
        })
    }

    /// True when this set trusts nothing, so that a loader with it boots nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// True for the keyset of a release, which refuses development keys.
    #[must_use]
    pub fn is_release(&self) -> bool {
        self.release
    }

    /// The key that may vouch for a manifest that names `id`.
    ///
    /// # Errors
    /// [`ManifestError::UnknownKey`], [`ManifestError::RevokedKey`], or [`ManifestError::DevelopmentKey`] where
    /// the set is that of a release.
    pub fn trusted(&self, id: KeyId) -> Result<Key, ManifestError> {
        let key = self.keys().find(|key| key.id == id).ok_or(ManifestError::UnknownKey)?;
        if key.revoked {
            return Err(ManifestError::RevokedKey);
        }
        if key.development && self.release {
            return Err(ManifestError::DevelopmentKey);
        }
        Ok(key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{KeyEntry, emit_keyset, public_key};

    #[test]
    fn reads_what_was_emitted() {
        let keys = [
            KeyEntry { public: public_key(&[1; 32]), development: true, revoked: false },
            KeyEntry { public: public_key(&[2; 32]), development: false, revoked: true },
        ];
        let bytes = emit_keyset(false, &keys).unwrap();
        let set = Keyset::parse(&bytes).unwrap();
        let read: alloc::vec::Vec<_> = set.keys().collect();
        assert_eq!(read.len(), 2);
        assert_eq!((read[0].public, read[0].development, read[0].revoked), (keys[0].public, true, false));
        assert_eq!((read[1].public, read[1].development, read[1].revoked), (keys[1].public, false, true));
        assert!(!set.is_release() && !set.is_empty());
    }

    #[test]
    fn every_truncation_is_refused() {
        let key = KeyEntry { public: public_key(&[1; 32]), development: true, revoked: false };
        let bytes = emit_keyset(true, &[key]).unwrap();
        for length in 0..bytes.len() {
            assert!(Keyset::parse(&bytes[..length]).is_err(), "{length}");
        }
    }

    #[test]
    fn an_id_that_is_not_its_keys_is_refused() {
        let key = KeyEntry { public: public_key(&[1; 32]), development: true, revoked: false };
        let mut bytes = emit_keyset(true, &[key]).unwrap();
        bytes[HEAD + 20] ^= 1;
        assert!(matches!(Keyset::parse(&bytes), Err(ManifestError::Keyset)));
    }

    #[test]
    fn an_empty_set_trusts_nothing() {
        let bytes = emit_keyset(true, &[]).unwrap();
        let set = Keyset::parse(&bytes).unwrap();
        assert!(set.is_empty());
        assert_eq!(set.trusted(KeyId([0; 8])), Err(ManifestError::UnknownKey));
    }
}
