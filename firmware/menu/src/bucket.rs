//! How many bytes are listened to: a bucket of tokens, one for each byte.
//!
//! A person types some ten bytes a second and pastes a line now and then. A serial line brings 11520 a second, for ever if
//! its other end is a machine that talks to itself. Listening to all of it would cost the unit processor time for nothing
//! (row A10 of the requirements), so after a burst the line is not listened to for a while.

use core::time::Duration;

/// A bucket of tokens.
#[derive(Clone, Copy, Debug)]
pub struct Bucket {
    /// Most tokens.
    size: u32,
    /// Tokens that come in a second.
    a_second: u32,
    tokens: u32,
    filled_at: Duration,
}

impl Bucket {
    /// A full one of `size` bytes, which `a_second` bytes come into each second.
    #[must_use]
    pub fn new(size: u32, a_second: u32, now: Duration) -> Self {
        Self { size, a_second, tokens: size, filled_at: now }
    }

    /// How many bytes may be read now.
    pub fn level(&mut self, now: Duration) -> u32 {
        let passed = now.saturating_sub(self.filled_at);
        let come = passed.as_millis().saturating_mul(u128::from(self.a_second)) / 1000;
        if come > 0 {
            let come = u32::try_from(come).unwrap_or(u32::MAX);
            self.tokens = self.tokens.saturating_add(come).min(self.size);
            self.filled_at = now;
        }
        self.tokens
    }

    /// So many were read.
    pub fn take(&mut self, bytes: usize) {
        self.tokens = self.tokens.saturating_sub(u32::try_from(bytes).unwrap_or(u32::MAX));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_person_is_always_listened_to_and_a_flood_is_not() {
        let mut bucket = Bucket::new(100, 20, Duration::ZERO);
        for tenth in 0..1000 {
            assert!(bucket.level(Duration::from_millis(tenth * 100)) > 0, "{tenth}");
            bucket.take(1);
        }
        let mut read: usize = 0;
        for ms in 100_000..110_000 {
            let level = usize::try_from(bucket.level(Duration::from_millis(ms))).unwrap();
            bucket.take(level.min(12));
            read += level.min(12);
        }
        assert!((200..=301).contains(&read), "{read} bytes in ten seconds");
    }

    #[test]
    fn it_overflows_and_time_that_stands_still_fills_nothing() {
        let mut bucket = Bucket::new(10, 5, Duration::ZERO);
        assert_eq!(bucket.level(Duration::from_secs(1 << 40)), 10);
        bucket.take(usize::MAX);
        assert_eq!(bucket.level(Duration::from_secs(1 << 40)), 0);
        assert_eq!(bucket.level(Duration::ZERO), 0, "time that goes back is no time");
    }
}
