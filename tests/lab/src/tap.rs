//! A place on the switch from which a test watches what units and hosts send.

use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use anyhow::{Result, bail};

use crate::link::PortId;
use crate::switch::Switch;

/// Something that was seen on the switch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen<T> {
    /// When it entered the switch.
    pub at: Instant,
    /// Where it entered.
    pub from: PortId,
    /// What the tap made of it.
    pub what: T,
}

/// Watches until it is dropped. What was seen waits until the test asks for it.
#[derive(Debug)]
pub struct Tap<T>(Receiver<Seen<T>>);

impl Switch {
    /// Looks at each frame that enters the switch from now on, and keeps what `read` makes of it.
    pub fn tap<T: Send + 'static>(&self, read: impl Fn(&[u8]) -> Option<T> + Send + 'static) -> Tap<T> {
        let (seen, waiting) = std::sync::mpsc::channel();
        self.watch(Box::new(move |from, frame| {
            let Some(what) = read(frame) else { return true };
            seen.send(Seen { at: Instant::now(), from, what }).is_ok()
        }));
        Tap(waiting)
    }
}

impl<T: std::fmt::Debug> Tap<T> {
    /// The next that is `good`; what came before it is passed over.
    ///
    /// # Errors
    /// When none comes within `limit`; the error shows the last few that were passed over.
    pub fn wait_for(&self, limit: Duration, good: impl Fn(&Seen<T>) -> bool) -> Result<Seen<T>> {
        let deadline = Instant::now() + limit;
        let mut passed = Vec::new();
        loop {
            match self.0.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                Ok(seen) if good(&seen) => return Ok(seen),
                Ok(seen) => passed.push(seen.what),
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {
                    let last = &passed[passed.len().saturating_sub(8)..];
                    bail!("watched {limit:?} in vain; {} others, the last: {last:?}", passed.len());
                }
            }
        }
    }

    /// All that were seen and not asked for yet.
    #[must_use]
    pub fn rest(&self) -> Vec<Seen<T>> {
        self.0.try_iter().collect()
    }
}
