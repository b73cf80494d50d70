//! Time as the rest of the crate sees it, so that tests can move it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

/// Tells the time. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Clock(Source);

#[derive(Clone, Debug)]
enum Source {
    Real(Instant),
    Hand(Arc<AtomicU64>),
}

impl Clock {
    /// The kernel's clocks.
    #[must_use]
    pub fn real() -> Self {
        Self(Source::Real(Instant::now()))
    }

    /// A clock that stands still, and the milliseconds that it shows, for whoever wants to move it.
    #[must_use]
    pub fn by_hand() -> (Self, Arc<AtomicU64>) {
        let hand = Arc::new(AtomicU64::new(0));
        (Self(Source::Hand(Arc::clone(&hand))), hand)
    }

    /// Milliseconds since some moment at or before this clock's making; never goes back.
    #[must_use]
    pub fn now_ms(&self) -> u64 {
        match &self.0 {
            Source::Real(start) => u64::try_from(start.elapsed().as_millis()).unwrap_or(u64::MAX),
            Source::Hand(hand) => hand.load(Ordering::Relaxed),
        }
    }

    /// Seconds since 1970-01-01 UTC by the unit's clock, which an operator may set back.
    #[must_use]
    pub fn unix_s(&self) -> u64 {
        match &self.0 {
            Source::Real(_) => {
                SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
            }
            Source::Hand(hand) => hand.load(Ordering::Relaxed) / 1000,
        }
    }
}
