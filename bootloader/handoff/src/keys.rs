//! Which keys the loader that booted this unit trusts, as far as an updater must know.
//!
//! Firmware and loader each embed a keyset, and the loader's is older until the loader itself is updated. A
//! firmware whose key only the running firmware knows would install and then not boot, so the updater asks here
//! first (`docs/decisions/005-changing-keys.md`).
//!
//! Four bytes of each id do: this is a forecast, made so that an operator hears of it before and not after an
//! installation. The decision is the loader's, with the whole key.

use evener_disk::field::{array, u8_at};
use evener_manifest::{KeyId, Keyset, MAX_KEYS};

use crate::HandoffError;

/// Bytes of an id that are handed over.
const ID_BYTES: usize = 4;
/// The longest list in bytes: a count and the ids.
pub(crate) const LIST_BYTES: usize = 1 + MAX_KEYS * ID_BYTES;

/// The keys that the loader trusts; not those that it revoked, nor, in a release, development keys.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct LoaderKeys {
    ids: [[u8; ID_BYTES]; MAX_KEYS],
    count: usize,
}

impl core::fmt::Debug for LoaderKeys {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_list().entries(self.ids()).finish()
    }
}

impl LoaderKeys {
    /// What a loader with this keyset hands over.
    #[must_use]
    pub fn of(keyset: &Keyset<'_>) -> Self {
        let mut keys = Self { ids: [[0; ID_BYTES]; MAX_KEYS], count: 0 };
        let trusted = keyset.keys().filter(|key| keyset.trusted(key.id).is_ok());
        for (slot, key) in keys.ids.iter_mut().zip(trusted) {
            *slot = first_bytes(key.id);
            keys.count = keys.count.saturating_add(1);
        }
        keys
    }

    /// Whether the loader will, as far as can be told, start a firmware signed with this key.
    #[must_use]
    pub fn trust(&self, id: KeyId) -> bool {
        self.ids().any(|known| *known == first_bytes(id))
    }

    /// Bytes of the list as it is handed over.
    pub(crate) fn bytes(&self) -> usize {
        self.count.saturating_mul(ID_BYTES).saturating_add(1)
    }

    fn ids(&self) -> impl Iterator<Item = &[u8; ID_BYTES]> {
        self.ids.iter().take(self.count)
    }

    /// The list as bytes, and how many of them count.
    pub(crate) fn encode(&self) -> ([u8; LIST_BYTES], usize) {
        let mut bytes = [0; LIST_BYTES];
        let (count, ids) = bytes.split_at_mut(1);
        count.fill(u8::try_from(self.count).unwrap_or(0));
        for (place, id) in ids.chunks_exact_mut(ID_BYTES).zip(self.ids()) {
            place.copy_from_slice(id);
        }
        (bytes, self.bytes())
    }

    /// Reads the list at the start of `bytes`; `None` where there is not even a count.
    pub(crate) fn decode(bytes: &[u8]) -> Result<Option<Self>, HandoffError> {
        if bytes.is_empty() {
            return Ok(None);
        }
        let count = usize::from(u8_at(bytes, 0));
        let mut keys = Self { ids: [[0; ID_BYTES]; MAX_KEYS], count };
        if count > MAX_KEYS {
            return Err(HandoffError::Field);
        }
        for (index, slot) in keys.ids.iter_mut().take(count).enumerate() {
            let at = index.saturating_mul(ID_BYTES).saturating_add(1);
            *slot = array(bytes, at).ok_or(HandoffError::TooShort)?;
        }
        Ok(Some(keys))
    }
}

fn first_bytes(KeyId([a, b, c, d, ..]): KeyId) -> [u8; ID_BYTES] {
    [a, b, c, d]
}

#[cfg(test)]
mod tests {
    extern crate std;
    use std::vec::Vec;

    use evener_manifest::{KeyEntry, emit_keyset, public_key};

    use super::*;

    fn entry(seed: u8, development: bool, revoked: bool) -> KeyEntry {
        KeyEntry { public: public_key(&[seed; 32]), development, revoked }
    }

    fn id(seed: u8) -> KeyId {
        KeyId::of(&public_key(&[seed; 32]))
    }

    fn keys(release: bool, entries: &[KeyEntry]) -> LoaderKeys {
        let bytes = emit_keyset(release, entries).unwrap();
        LoaderKeys::of(&Keyset::parse(&bytes).unwrap())
    }

    #[test]
    fn only_what_the_loader_would_boot_is_handed_over() {
        let entries = [entry(1, true, false), entry(2, false, true), entry(3, false, false)];
        let ours = keys(false, &entries);
        assert_eq!([1, 2, 3, 4].map(|seed| ours.trust(id(seed))), [true, false, true, false]);
        let release = keys(true, &entries);
        assert_eq!([1, 2, 3].map(|seed| release.trust(id(seed))), [false, false, true]);
    }

    #[test]
    fn lists_of_every_length_survive() {
        for count in 0..=MAX_KEYS {
            let entries: Vec<_> = (0..count).map(|n| entry(u8::try_from(n).unwrap(), true, false)).collect();
            let given = keys(false, &entries);
            let (bytes, length) = given.encode();
            assert_eq!(LoaderKeys::decode(&bytes[..length]), Ok(Some(given)), "{count} keys");
            for cut in 1..length {
                assert_eq!(LoaderKeys::decode(&bytes[..cut]), Err(HandoffError::TooShort), "{cut}");
            }
        }
    }

    #[test]
    fn a_count_that_no_keyset_has_is_refused() {
        assert_eq!(LoaderKeys::decode(&[17; 100]), Err(HandoffError::Field));
        assert_eq!(LoaderKeys::decode(&[]), Ok(None));
    }
}
