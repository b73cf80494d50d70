//! How fast passwords may be guessed.
//!
//! Wrong passwords are counted by source address (an IPv6 source by its /64, which is what one customer gets)
//! and by user. Five are free; from then on each one doubles the time in which no further password is looked at.
//! Counting by source alone would let a crowd guess; counting by user alone would let anybody lock the operator
//! out. So the user's count holds only for sources that never logged in, and its pause stays short. Even that pause
//! a crowd could keep up for ever, and an operator at a new place would race with it for every gap. Therefore a
//! source without a wrong password behind it has a way in beside the pause, one at a time: a crowd uses up one
//! address for each guess that it makes there, and is outside for half an hour with it.
//!
//! Pure: `now` is an argument, and the table is bounded.

#![forbid(unsafe_code)]

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv6Addr};
use std::time::Duration;

/// Wrong passwords before the first pause.
const FREE: u32 = 5;
/// Longest pause for a source.
const SOURCE_PAUSE_MS: u64 = 5 * 60_000;
/// Longest pause for a user, whoever asks.
const USER_PAUSE_MS: u64 = 5_000;
/// While a user is closed, pause between two guesses of sources that have no wrong password behind them. With it a
/// crowd makes 1800 guesses an hour and needs 900 addresses to keep them up, fewer than [`ENTRIES`].
const FRESH_PAUSE_MS: u64 = 2_000;
/// After this time without a wrong password a count is forgotten.
const FORGET_MS: u64 = 30 * 60_000;
/// A source that logged in is trusted not to be part of a crowd for this long.
const KNOWN_MS: u64 = 24 * 3_600_000;
/// Most counts kept; beyond it the one that is forgotten first goes.
const ENTRIES: usize = 1024;

/// Counts wrong passwords.
#[derive(Debug, Default)]
pub struct Throttle {
    counts: BTreeMap<Key, Count>,
    known: BTreeMap<IpAddr, u64>,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Key {
    Source(IpAddr),
    User(String),
}

#[derive(Clone, Copy, Debug, Default)]
struct Count {
    wrong: u32,
    last_ms: u64,
    closed_until_ms: u64,
    /// Of a user: as `closed_until_ms`, for sources without a wrong password behind them.
    fresh_until_ms: u64,
}

impl Throttle {
    /// Whether a password from there for that user may be looked at now, else how long not.
    ///
    /// # Errors
    /// The time until one may.
    pub fn admit(&self, source: IpAddr, user: &str, now_ms: u64) -> Result<(), Duration> {
        let source = network(source);
        let known = self.known.get(&source).is_some_and(|since| now_ms.saturating_sub(*since) < KNOWN_MS);
        let of_source = self.counts.get(&Key::Source(source));
        let of_user = self.counts.get(&user_key(user)).copied().unwrap_or_default();
        let mut closed_until = of_source.map_or(0, |count| count.closed_until_ms);
        if !known {
            let is_fresh = of_source.is_none_or(|count| now_ms.saturating_sub(count.last_ms) >= FORGET_MS);
            let until = if is_fresh {
                of_user.fresh_until_ms.min(of_user.closed_until_ms)
            } else {
                of_user.closed_until_ms
            };
            closed_until = closed_until.max(until);
        }
        match closed_until.checked_sub(now_ms) {
            None | Some(0) => Ok(()),
            Some(wait_ms) => Err(Duration::from_millis(wait_ms)),
        }
    }

    /// A wrong password came.
    pub fn wrong(&mut self, source: IpAddr, user: &str, now_ms: u64) {
        // Who could have come in only beside the pause.
        let beside = self.counts.get(&user_key(user)).is_some_and(|count| count.closed_until_ms > now_ms);
        self.count(Key::Source(network(source)), SOURCE_PAUSE_MS, now_ms);
        self.count(user_key(user), USER_PAUSE_MS, now_ms);
        if let Some(count) = self.counts.get_mut(&user_key(user)).filter(|_| beside) {
            count.fresh_until_ms = now_ms.saturating_add(FRESH_PAUSE_MS);
        }
    }

    /// The right password came.
    pub fn right(&mut self, source: IpAddr, user: &str, now_ms: u64) {
        let source = network(source);
        self.counts.remove(&Key::Source(source));
        self.counts.remove(&user_key(user));
        if self.known.len() >= ENTRIES
            && !self.known.contains_key(&source)
            && let Some(oldest) = oldest(self.known.iter().map(|(key, since)| (key, *since)))
        {
            self.known.remove(&oldest);
        }
        self.known.insert(source, now_ms);
    }

    fn count(&mut self, key: Key, longest_ms: u64, now_ms: u64) {
        if self.counts.len() >= ENTRIES && !self.counts.contains_key(&key) {
            self.counts.retain(|_, count| now_ms.saturating_sub(count.last_ms) < FORGET_MS);
            if self.counts.len() >= ENTRIES
                && let Some(oldest) = oldest(self.counts.iter().map(|(key, count)| (key, count.last_ms)))
            {
                self.counts.remove(&oldest);
            }
        }
        let count = self.counts.entry(key).or_default();
        if now_ms.saturating_sub(count.last_ms) >= FORGET_MS {
            count.wrong = 0;
        }
        count.wrong = count.wrong.saturating_add(1);
        count.last_ms = now_ms;
        if let Some(over) = count.wrong.checked_sub(FREE) {
            let pause_ms = 1000_u64.checked_shl(over.min(20)).unwrap_or(longest_ms).min(longest_ms);
            count.closed_until_ms = now_ms.saturating_add(pause_ms);
        }
    }
}

fn oldest<'a, K: Clone + 'a>(entries: impl Iterator<Item = (&'a K, u64)>) -> Option<K> {
    entries.min_by_key(|(_, at)| *at).map(|(key, _)| key.clone())
}

fn user_key(user: &str) -> Key {
    // Longer names do not exist; they must not fill the memory either.
    Key::User(user.chars().take(64).collect())
}

/// The network that one guesser is assumed to own.
pub fn network(source: IpAddr) -> IpAddr {
    match source.to_canonical() {
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
        }
        v4 @ IpAddr::V4(_) => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1));
    const THERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 2));

    fn fail(throttle: &mut Throttle, source: IpAddr, times: u32, now_ms: u64) {
        for _ in 0..times {
            throttle.wrong(source, "bal", now_ms);
        }
    }

    fn of_crowd(n: u8) -> IpAddr {
        IpAddr::V4(std::net::Ipv4Addr::new(198, 51, 100, n))
    }

    fn crowd(throttle: &mut Throttle, members: std::ops::Range<u8>, now_ms: u64) {
        for n in members {
            throttle.wrong(of_crowd(n), "bal", now_ms);
        }
    }

    #[test]
    fn five_wrong_passwords_close_the_source_and_pauses_double() {
        let mut throttle = Throttle::default();
        fail(&mut throttle, HERE, 4, 0);
        assert_eq!(throttle.admit(HERE, "bal", 0), Ok(()));
        fail(&mut throttle, HERE, 1, 0);
        assert_eq!(throttle.admit(HERE, "bal", 0), Err(Duration::from_secs(1)));
        assert_eq!(throttle.admit(HERE, "bal", 1000), Ok(()));
        fail(&mut throttle, HERE, 1, 1000);
        assert_eq!(throttle.admit(HERE, "bal", 1000), Err(Duration::from_secs(2)));
        fail(&mut throttle, HERE, 30, 1000);
        assert_eq!(throttle.admit(HERE, "other", 1000), Err(Duration::from_millis(SOURCE_PAUSE_MS)));
    }

    #[test]
    fn a_crowd_closes_the_user_only_shortly_and_not_for_a_known_source() {
        let mut throttle = Throttle::default();
        throttle.right(HERE, "bal", 0);
        crowd(&mut throttle, 0..100, 10);
        assert_eq!(throttle.admit(of_crowd(7), "bal", 10), Err(Duration::from_millis(USER_PAUSE_MS)));
        assert_eq!(throttle.admit(of_crowd(7), "other", 10), Ok(()));
        assert_eq!(throttle.admit(HERE, "bal", 10), Ok(()), "the operator is not locked out");
        assert!(throttle.admit(HERE, "bal", KNOWN_MS).is_ok());
    }

    #[test]
    fn a_crowd_does_not_lock_out_an_operator_at_a_new_place() {
        let mut throttle = Throttle::default();
        crowd(&mut throttle, 0..5, 10);
        assert_eq!(throttle.admit(THERE, "bal", 10), Ok(()), "no wrong password is behind it");
        assert!(throttle.admit(of_crowd(0), "bal", 10).is_err(), "one is behind this one");
        // One by one: that is no way in for another crowd.
        crowd(&mut throttle, 5..6, 20);
        assert_eq!(throttle.admit(THERE, "bal", 20), Err(Duration::from_millis(FRESH_PAUSE_MS)));
        // However often those try who are known to the throttle, the way in opens again.
        assert_eq!(throttle.admit(THERE, "bal", 20 + FRESH_PAUSE_MS), Ok(()));
        fail(&mut throttle, THERE, 1, 20 + FRESH_PAUSE_MS);
        assert!(throttle.admit(THERE, "bal", 20 + 2 * FRESH_PAUSE_MS).is_err(), "it has had its turn");
        throttle.right(HERE, "bal", 20 + 2 * FRESH_PAUSE_MS);
        assert_eq!(throttle.admit(THERE, "bal", 20 + 2 * FRESH_PAUSE_MS), Ok(()));
    }

    #[test]
    fn the_right_password_and_time_clear_the_count() {
        let mut throttle = Throttle::default();
        fail(&mut throttle, HERE, 8, 0);
        throttle.right(HERE, "bal", 10_000);
        assert_eq!(throttle.admit(HERE, "bal", 10_000), Ok(()));
        fail(&mut throttle, HERE, 8, 20_000);
        fail(&mut throttle, HERE, 1, 20_000 + FORGET_MS);
        assert_eq!(throttle.admit(HERE, "bal", 20_000 + FORGET_MS), Ok(()), "counted from one again");
    }

    #[test]
    fn one_ipv6_network_is_one_source_and_mapped_addresses_are_ipv4() {
        let mut throttle = Throttle::default();
        for n in 0..9_u16 {
            throttle.wrong(Ipv6Addr::new(0x2001, 0xdb8, 0, 1, 9, 9, 9, n).into(), "bal", 0);
        }
        assert!(throttle.admit("2001:db8:0:1::ffff".parse().unwrap(), "x", 0).is_err());
        assert!(throttle.admit("2001:db8:0:2::1".parse().unwrap(), "x", 0).is_ok());
        fail(&mut throttle, "::ffff:192.0.2.1".parse().unwrap(), 5, 0);
        assert!(throttle.admit(HERE, "x", 0).is_err());
    }

    #[test]
    fn the_tables_stay_bounded() {
        let mut throttle = Throttle::default();
        for n in 0..5000_u32 {
            let source = IpAddr::V4(n.into());
            throttle.wrong(source, &format!("user{n}"), u64::from(n));
            throttle.right(IpAddr::V4((n + 100_000).into()), "bal", u64::from(n));
        }
        assert!(throttle.counts.len() <= ENTRIES && throttle.known.len() <= ENTRIES);
    }
}
