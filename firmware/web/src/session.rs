//! Who is logged in to the pages.
//!
//! Sessions live in memory: a restart of this service logs everybody out, and nothing on disk can be stolen. The
//! table keeps the token's SHA-256 only. A session ends after 30 minutes without a request, after 12 hours in
//! any case, and when its user's password changes.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;

/// Milliseconds without a request after which a session ends.
pub(crate) const IDLE_MS: u64 = 30 * 60_000;
/// Milliseconds after which a session ends in any case.
pub(crate) const LIFE_MS: u64 = 12 * 3_600_000;
/// Most sessions at a time; a further log-in ends the one that was idle longest.
const SESSIONS: usize = 64;

/// Everybody who is logged in.
#[derive(Debug, Default)]
pub(crate) struct Sessions {
    by_token: BTreeMap<[u8; 32], Entry>,
}

#[derive(Debug)]
struct Entry {
    session: Session,
    born_ms: u64,
    seen_ms: u64,
}

/// One log-in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Session {
    /// Who.
    pub(crate) user: String,
    /// To be sent with every form: proves that the form came from our page.
    pub(crate) csrf: String,
    /// SHA-256 of the password hash that was valid at log-in.
    password: [u8; 32],
}

impl Sessions {
    /// Begins a session; gives the token for the cookie. `entropy` must be random.
    pub(crate) fn begin(&mut self, user: &str, phc: &str, entropy: &[u8; 64], now_ms: u64) -> String {
        self.by_token.retain(|_, entry| entry.alive(now_ms));
        if self.by_token.len() >= SESSIONS {
            let idlest = self.by_token.iter().min_by_key(|(_, entry)| entry.seen_ms).map(|(key, _)| *key);
            if let Some(key) = idlest {
                self.by_token.remove(&key);
            }
        }
        let (token, csrf) = entropy.split_at(32);
        let token = URL_SAFE_NO_PAD.encode(token);
        let session = Session {
            user: user.to_owned(),
            csrf: URL_SAFE_NO_PAD.encode(csrf),
            password: Sha256::digest(phc).into(),
        };
        self.by_token.insert(digest(&token), Entry { session, born_ms: now_ms, seen_ms: now_ms });
        token
    }

    /// The session of this token, if it lives; `active` requests (not the pages' own polling) keep it alive.
    pub(crate) fn find(&mut self, token: &str, active: bool, now_ms: u64) -> Option<Session> {
        let key = digest(token);
        let entry = self.by_token.get_mut(&key)?;
        if !entry.alive(now_ms) {
            self.by_token.remove(&key);
            return None;
        }
        if active {
            entry.seen_ms = now_ms;
        }
        Some(entry.session.clone())
    }

    /// Ends the session of this token.
    pub(crate) fn end(&mut self, token: &str) {
        self.by_token.remove(&digest(token));
    }
}

impl Entry {
    fn alive(&self, now_ms: u64) -> bool {
        now_ms.saturating_sub(self.seen_ms) < IDLE_MS && now_ms.saturating_sub(self.born_ms) < LIFE_MS
    }
}

impl Session {
    /// Whether the user still has the password that was valid at log-in.
    pub(crate) fn is_of_password(&self, phc: &str) -> bool {
        self.password == <[u8; 32]>::from(Sha256::digest(phc))
    }

    /// Whether the form's token is this session's.
    pub(crate) fn csrf_matches(&self, token: &str) -> bool {
        // Over digests, so the time it takes tells nothing about the token.
        digest(&self.csrf) == digest(token)
    }
}

fn digest(token: &str) -> [u8; 32] {
    Sha256::digest(token).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn begin(sessions: &mut Sessions, seed: u8, now_ms: u64) -> String {
        sessions.begin("bal", "$argon2id$a", &[seed; 64], now_ms)
    }

    #[test]
    fn ends_when_idle_and_polling_does_not_keep_it() {
        let mut sessions = Sessions::default();
        let token = begin(&mut sessions, 1, 0);
        assert!(sessions.find(&token, true, IDLE_MS - 1).is_some());
        assert!(sessions.find(&token, false, 2 * IDLE_MS - 2).is_some());
        assert!(sessions.find(&token, true, 2 * IDLE_MS - 1).is_none());
        assert!(sessions.find("guess", true, 0).is_none());
    }

    #[test]
    fn ends_after_its_life_however_busy() {
        let mut sessions = Sessions::default();
        let token = begin(&mut sessions, 1, 0);
        let mut now = 0;
        while now + IDLE_MS / 2 < LIFE_MS {
            now += IDLE_MS / 2;
            assert!(sessions.find(&token, true, now).is_some(), "{now}");
        }
        assert!(sessions.find(&token, true, LIFE_MS).is_none());
    }

    #[test]
    fn knows_its_password_and_its_forms() {
        let mut sessions = Sessions::default();
        let token = begin(&mut sessions, 1, 0);
        let session = sessions.find(&token, true, 0).unwrap();
        assert!(session.is_of_password("$argon2id$a") && !session.is_of_password("$argon2id$b"));
        assert!(session.csrf_matches(&session.csrf.clone()) && !session.csrf_matches(""));
        sessions.end(&token);
        assert_eq!(sessions.find(&token, true, 0), None);
    }

    #[test]
    fn the_table_stays_bounded_and_the_idlest_goes_first() {
        let mut sessions = Sessions::default();
        let tokens: Vec<String> = (0..=64).map(|n| begin(&mut sessions, n, u64::from(n))).collect();
        assert_eq!(sessions.by_token.len(), SESSIONS);
        assert!(sessions.find(&tokens[0], true, 70).is_none());
        assert!(sessions.find(&tokens[1], true, 70).is_some());
    }
}
