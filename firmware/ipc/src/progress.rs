//! Progress of a service's work: heartbeats go on only while it does.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// The mark of one loop. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Progress(Arc<Mark>);

#[derive(Debug)]
struct Mark {
    began: Instant,
    /// Milliseconds from `began` to the last mark.
    last: AtomicU64,
    within: Duration,
}

impl Progress {
    fn new(within: Duration) -> Self {
        Self(Arc::new(Mark { began: Instant::now(), last: AtomicU64::new(0), within }))
    }

    /// The loop has come round, or got a step further with something long.
    pub fn mark(&self) {
        let since = u64::try_from(self.0.began.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.0.last.store(since, Relaxed);
    }

    fn is_made(&self) -> bool {
        self.0.began.elapsed() <= Duration::from_millis(self.0.last.load(Relaxed)) + self.0.within
    }
}

/// All loops of a service that are watched.
#[derive(Clone, Debug, Default)]
pub(crate) struct Watched(Arc<Mutex<Vec<Progress>>>);

impl Watched {
    pub(crate) fn add(&self, within: Duration) -> Progress {
        let progress = Progress::new(within);
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(progress.clone());
        progress
    }

    /// Whether each of them has left its mark in time.
    pub(crate) fn all_go_on(&self) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).iter().all(Progress::is_made)
    }
}
