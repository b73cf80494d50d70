//! The first password: random, never "whoever comes first"; and the hashing of passwords.

use argon2::password_hash::{PasswordHasher, PasswordVerifier, SaltString};
use argon2::{Algorithm, Argon2, Params, Version};
use evener_config::PasswordHash;

/// Why there is no password.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PasswordError {
    /// The kernel gives no random bytes.
    #[error("the kernel gives no random bytes")]
    Random(#[source] getrandom::Error),
    /// It cannot be hashed.
    #[error("the password cannot be hashed")]
    Hash(#[source] argon2::password_hash::Error),
}

/// Letters and digits that nobody takes for another: no `i l o 0 1`.
const ALPHABET: &[u8; 31] = b"abcdefghjkmnpqrstuvwxyz23456789";
const GROUPS: usize = 5;
const GROUP: usize = 4;

/// Memory in KiB, passes and lanes: OWASP's first choice for Argon2id. A sign-in takes 19 MiB for some tens of
/// milliseconds, which a unit of 1 GB can afford.
const COST: (u32, u32, u32) = (19 * 1024, 2, 1);

/// A password to be read from a console and typed: `k7mw-2qxd-hf9c-t4ne-vb3r`, 99 bits.
pub(crate) fn random() -> Result<String, PasswordError> {
    let mut characters = Vec::with_capacity(GROUPS * GROUP);
    while characters.len() < GROUPS * GROUP {
        let mut bytes = [0; 32];
        getrandom::fill(&mut bytes).map_err(PasswordError::Random)?;
        characters.extend(bytes.iter().filter_map(|byte| character(*byte)));
    }
    Ok(grouped(&characters))
}

/// One character of a random byte; `None` for the few bytes that would make some characters likelier.
fn character(byte: u8) -> Option<char> {
    let usable = 256 - 256 % ALPHABET.len();
    let index = usize::from(byte);
    ALPHABET.get(index % ALPHABET.len()).filter(|_| index < usable).map(|byte| char::from(*byte))
}

fn grouped(characters: &[char]) -> String {
    let groups = characters.chunks_exact(GROUP).take(GROUPS);
    groups.map(|group| group.iter().collect::<String>()).collect::<Vec<_>>().join("-")
}

/// Hashes a password with a salt of its own.
pub(crate) fn hash(password: &str) -> Result<PasswordHash, PasswordError> {
    let mut salt = [0; 16];
    getrandom::fill(&mut salt).map_err(PasswordError::Random)?;
    let salt = SaltString::encode_b64(&salt).map_err(PasswordError::Hash)?;
    let (memory, passes, lanes) = COST;
    let params =
        Params::new(memory, passes, lanes, None).map_err(|error| PasswordError::Hash(error.into()))?;
    let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
    let hash = argon2.hash_password(password.as_bytes(), &salt).map_err(PasswordError::Hash)?;
    Ok(PasswordHash(hash.to_string()))
}

/// Why no password can ever be checked against this hash; `None` when one can. [`evener_config::validate`] looks at
/// its form and its cost; this is what Argon2 itself asks for before it begins.
pub(crate) fn why_unusable(hash: &PasswordHash) -> Option<String> {
    let parsed = argon2::PasswordHash::new(&hash.0).and_then(|hash| {
        let salt = hash.salt.ok_or(argon2::password_hash::Error::PhcStringField)?;
        salt.decode_b64(&mut [0; 64])?;
        hash.hash.ok_or(argon2::password_hash::Error::PhcStringField)?;
        Params::try_from(&hash)
    });
    let error = parsed.err()?;
    Some(format!("no password can be checked against this Argon2id hash: {error}"))
}

/// Whether this is the password of that hash.
pub(crate) fn is_right(password: &str, hash: &PasswordHash) -> bool {
    argon2::PasswordHash::new(&hash.0)
        .is_ok_and(|hash| Argon2::default().verify_password(password.as_bytes(), &hash).is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    #[test]
    fn a_random_password_can_be_read_aloud() {
        let (one, other) = (random().unwrap(), random().unwrap());
        assert_ne!(one, other);
        assert_eq!(one.len(), 24);
        for group in one.split('-') {
            assert_eq!(group.len(), GROUP);
            assert!(group.bytes().all(|byte| ALPHABET.contains(&byte)), "{one}");
        }
        assert_eq!(evener_config::why_not_a_password(&one), None);
    }

    #[test]
    fn every_character_is_equally_likely() {
        let mut counts = BTreeMap::new();
        for byte in 0..=u8::MAX {
            if let Some(character) = character(byte) {
                *counts.entry(character).or_insert(0) += 1;
            }
        }
        assert_eq!(counts.len(), 31);
        assert!(counts.values().all(|count| *count == 8), "{counts:?}");
    }

    #[test]
    fn a_hash_fits_its_password_alone_and_passes_validation() {
        let made = hash("correct horse").unwrap();
        assert!(is_right("correct horse", &made));
        assert_eq!(why_unusable(&made), None);
        assert!(!is_right("correct horsf", &made));
        assert!(made.0.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{}", made.0);
        assert_ne!(made, hash("correct horse").unwrap(), "each has its own salt");
        let user = evener_config::User { name: "bal".into(), password: made, must_change_password: false };
        let mut config = evener_config::Config::default();
        config.shared.users.push(user);
        assert_eq!(evener_config::validate(&config), []);
    }

    #[test]
    fn a_hash_that_argon2_cannot_check_is_found_out() {
        let good = hash("correct horse").unwrap().0;
        for (from, to) in [
            ("p=1$", "p=1$AAAA"),
            ("m=19456,t=2,p=1", "m=8,t=2,p=4"),
            ("m=19456", "m=019456"),
            ("$m=", "$x="),
        ] {
            let bad = PasswordHash(good.replace(from, to));
            let found = why_unusable(&bad).is_some();
            // A longer salt is another hash, which can be checked.
            assert_eq!(found, to != "p=1$AAAA", "{}", bad.0);
        }
        // 43 characters for 32 bytes leave two bits over, which must be zero.
        let last = if good.ends_with('B') { 'C' } else { 'B' };
        let bad = PasswordHash(format!("{}{last}", &good[..good.len() - 1]));
        assert!(why_unusable(&bad).is_some(), "{}", bad.0);
    }
}
