//! Passwords: whether one is right, and the hash of a new one.
//!
//! Argon2id costs about 19 MiB and tens of milliseconds a time, so at most two run at once, away from the loop
//! that serves. An API client that sends its password with every request pays once: a keyed digest of what was
//! found right is remembered for some minutes, in memory, for as long as the stored hash stays the same.

#![forbid(unsafe_code)]

use argon2::password_hash::{PasswordHash, PasswordHasher, PasswordVerifier, SaltString};
use argon2::{Algorithm, Argon2, Params, Version};
use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use evener_config::MAX_PASSWORD_BYTES;
use sha2::{Digest, Sha256};
use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};
use tokio::sync::Semaphore;

/// How long a right password is remembered.
const REMEMBER_MS: u64 = 5 * 60_000;
/// Most right passwords remembered.
const REMEMBERED: usize = 8;
/// Argon2id: 19 MiB, two passes, one lane (OWASP's first choice for little memory).
const MEMORY_KIB: u32 = 19 * 1024;
const PASSES: u32 = 2;

/// Why a new password was not taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PasswordError {
    /// It breaks the model's rule for passwords, in its words.
    #[error("The new password cannot be used: {0}.")]
    Rule(String),
    /// It is the one to be replaced.
    #[error("The new password is the one you already have. Choose another.")]
    Same,
    /// It is the user's name.
    #[error("The new password must not be the user name.")]
    Name,
    /// No randomness or no memory.
    #[error("The password could not be hashed. Try again.")]
    Hashing,
}

/// Checks and makes password hashes.
#[derive(Debug)]
pub struct Passwords {
    permits: Semaphore,
    key: [u8; 32],
    dummy: String,
    right: Mutex<VecDeque<([u8; 32], u64)>>,
}

impl Passwords {
    /// None remembered yet.
    ///
    /// # Errors
    /// [`PasswordError::Hashing`] when there is no randomness.
    pub fn new() -> Result<Self, PasswordError> {
        let (mut key, mut random) = ([0; 32], [0; 48]);
        getrandom::fill(&mut key).map_err(|_| PasswordError::Hashing)?;
        getrandom::fill(&mut random).map_err(|_| PasswordError::Hashing)?;
        // Checked in place of the hash of a user who does not exist, so that both take the same time. No known
        // password has it, and it costs nothing to make.
        let (salt, output) = random.split_at(16);
        let (salt, output) = (STANDARD_NO_PAD.encode(salt), STANDARD_NO_PAD.encode(output));
        let dummy = format!("$argon2id$v=19$m={MEMORY_KIB},t={PASSES},p=1${salt}${output}");
        Ok(Self { permits: Semaphore::new(2), key, dummy, right: Mutex::default() })
    }

    /// Whether this is the password of `phc`; with `None` (no such user) it is not, after the same time. Gives
    /// `None` when `still` said no after the wait for a turn.
    pub async fn is_right(
        &self,
        password: &str,
        phc: Option<&str>,
        now_ms: u64,
        still: impl FnOnce() -> bool,
    ) -> Option<bool> {
        // Longer ones are wrong without being looked at.
        if password.len() > MAX_PASSWORD_BYTES {
            return Some(false);
        }
        let mut digest = Sha256::new_with_prefix(self.key);
        digest.update(phc.unwrap_or_default());
        digest.update([0]);
        digest.update(password);
        let digest: [u8; 32] = digest.finalize().into();
        if phc.is_some() && self.remembered(&digest, now_ms) {
            return Some(true);
        }
        let _permit = self.permits.acquire().await.ok()?;
        if !still() {
            return None;
        }
        let (tried, stored) = (password.to_owned(), phc.unwrap_or(&self.dummy).to_owned());
        let right = tokio::task::spawn_blocking(move || verify_now(&tried, &stored)).await.unwrap_or(false);
        let right = right && phc.is_some();
        if right {
            let mut list = self.right.lock().unwrap_or_else(PoisonError::into_inner);
            list.truncate(REMEMBERED - 1);
            list.push_front((digest, now_ms));
        }
        Some(right)
    }

    /// The hash of a new password that keeps to the rules.
    ///
    /// # Errors
    /// The rule that it breaks.
    pub async fn hash_new(
        &self,
        user: &str,
        new: &str,
        current_phc: &str,
        now_ms: u64,
    ) -> Result<String, PasswordError> {
        if let Some(reason) = evener_config::why_not_a_password(new) {
            return Err(PasswordError::Rule(reason));
        }
        if new.eq_ignore_ascii_case(user) {
            return Err(PasswordError::Name);
        }
        if self.is_right(new, Some(current_phc), now_ms, || true).await == Some(true) {
            return Err(PasswordError::Same);
        }
        let _permit = self.permits.acquire().await.map_err(|_| PasswordError::Hashing)?;
        let new = new.to_owned();
        tokio::task::spawn_blocking(move || hash_now(&new)).await.unwrap_or(Err(PasswordError::Hashing))
    }

    fn remembered(&self, digest: &[u8; 32], now_ms: u64) -> bool {
        let mut list = self.right.lock().unwrap_or_else(PoisonError::into_inner);
        list.retain(|(_, since)| now_ms.saturating_sub(*since) < REMEMBER_MS);
        list.iter().any(|(right, _)| right == digest)
    }
}

fn verify_now(password: &str, phc: &str) -> bool {
    // The parameters come from the hash itself, so hashes made with others go on being right.
    PasswordHash::new(phc)
        .is_ok_and(|hash| Argon2::default().verify_password(password.as_bytes(), &hash).is_ok())
}

fn hash_now(password: &str) -> Result<String, PasswordError> {
    let mut salt = [0; 16];
    getrandom::fill(&mut salt).map_err(|_| PasswordError::Hashing)?;
    let hash = || {
        let salt = SaltString::encode_b64(&salt).ok()?;
        let params = Params::new(MEMORY_KIB, PASSES, 1, None).ok()?;
        let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
        Some(argon2.hash_password(password.as_bytes(), &salt).ok()?.to_string())
    };
    hash().ok_or(PasswordError::Hashing)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_right_password_is_remembered_until_the_hash_changes() {
        let passwords = Passwords::new().unwrap();
        let phc = hash_now("correct horse").unwrap();
        assert_eq!(passwords.is_right("correct horse", Some(&phc), 0, || true).await, Some(true));
        assert!(passwords.right.lock().unwrap().len() == 1);
        assert_eq!(passwords.is_right("correct house", Some(&phc), 0, || true).await, Some(false));
        let other = hash_now("battery staple").unwrap();
        assert_eq!(passwords.is_right("correct horse", Some(&other), 0, || true).await, Some(false));
        assert_eq!(passwords.is_right("correct horse", None, 0, || true).await, Some(false));
        let dummy = PasswordHash::new(&passwords.dummy).unwrap();
        let real = PasswordHash::new(&phc).unwrap();
        assert_eq!((dummy.algorithm, dummy.params), (real.algorithm, real.params), "as costly as a real one");
        assert_eq!(
            passwords.is_right(&"x".repeat(MAX_PASSWORD_BYTES + 1), Some(&phc), 0, || true).await,
            Some(false)
        );
        assert_eq!(passwords.is_right("x", Some(&phc), 0, || false).await, None, "no longer its turn");
    }

    #[tokio::test]
    async fn new_passwords_keep_to_the_rules() {
        let passwords = Passwords::new().unwrap();
        let phc = hash_now("correct horse").unwrap();
        let refused = |new: &'static str| passwords.hash_new("balances", new, &phc, 0);
        for broken in ["seven77", "a\tcontrol character", "x".repeat(129).leak()] {
            let rule = evener_config::why_not_a_password(broken).unwrap();
            assert_eq!(refused(broken).await, Err(PasswordError::Rule(rule)));
        }
        assert_eq!(refused("correct horse").await, Err(PasswordError::Same));
        assert_eq!(refused("BALANCES").await, Err(PasswordError::Name));
        let taken = refused("pässwörd").await.unwrap();
        assert!(taken.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{taken}");
        assert_eq!(passwords.is_right("pässwörd", Some(&taken), 0, || true).await, Some(true));
        // Whatever `evener.toml` may name as a password opens the pages.
        let longest: &'static str = "\u{1f511}".repeat(128).leak();
        let taken = refused(longest).await.unwrap();
        assert_eq!(passwords.is_right(longest, Some(&taken), 0, || true).await, Some(true));
    }
}
