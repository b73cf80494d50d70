//! Whether the workers live. A worker that is stuck serves nobody, and nobody but the director's thread can see it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;
use tokio::time::{Interval, MissedTickBehavior, interval};

/// Seconds without a sign of life from a worker after which the proxy gives up, to be started again.
pub(crate) const SILENCE: u32 = 10;

/// A tick each `period`, and never two closer together. Where the whole process, or the machine under it, stood still,
/// the ticks that were missed are not made up for: they would all see the same beat, and take it for silence.
pub(crate) fn ticks(period: Duration) -> Interval {
    let mut ticks = interval(period);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ticks
}

/// A worker's sign of life.
#[derive(Debug)]
pub(crate) struct Watched {
    beats: Arc<AtomicU64>,
    last: u64,
    silent: u32,
}

impl Watched {
    /// `beats` is what the worker counts up once a second.
    pub(crate) fn new(beats: Arc<AtomicU64>) -> Self {
        Self { beats, last: 0, silent: 0 }
    }

    /// To be asked at each of the [`ticks`] of a second. Counts those, not the time: only of what passed while we ran
    /// ourselves do we know that the worker could have run too.
    pub(crate) fn is_alive(&mut self) -> bool {
        let now = self.beats.load(Relaxed);
        self.silent = if now == self.last { self.silent + 1 } else { 0 };
        self.last = now;
        self.silent < SILENCE
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::time::{Instant, advance};

    #[tokio::test(start_paused = true)]
    async fn time_in_which_nobody_ran_is_no_silence() {
        let mut watched = Watched::new(Arc::default());
        let mut ticks = ticks(Duration::from_secs(1));
        ticks.tick().await;
        advance(Duration::from_secs(60)).await;
        let begun = Instant::now();
        for _ in 0..SILENCE - 1 {
            ticks.tick().await;
            assert!(watched.is_alive(), "after {:?}", begun.elapsed());
        }
        assert!(begun.elapsed() >= Duration::from_secs(8), "{:?}", begun.elapsed());
        ticks.tick().await;
        assert!(!watched.is_alive());
    }

    #[test]
    fn a_beat_ends_the_silence() {
        let beats = Arc::new(AtomicU64::new(0));
        let mut watched = Watched::new(Arc::clone(&beats));
        for _ in 0..5 {
            for _ in 0..SILENCE - 1 {
                assert!(watched.is_alive());
            }
            beats.fetch_add(1, Relaxed);
            assert!(watched.is_alive());
        }
    }
}
