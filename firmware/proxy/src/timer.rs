//! One timer a connection, for everything that a peer can keep us waiting with.
//!
//! A request passes several waits, each with its limit. Arming a timer for each would cost more than reading
//! the request. So moving the deadline only sets a number; the runtime's timer is touched when it has to ring
//! earlier than it is set to, or rings too early: about once a minute on a busy connection.

use std::cell::{Cell, RefCell};
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::task::Poll;
use std::time::Duration;
use tokio::time::{Instant, Sleep, sleep_until};

/// A deadline that moves.
#[derive(Debug)]
pub(crate) struct Timer {
    due: Cell<Instant>,
    sleep: RefCell<Pin<Box<Sleep>>>,
}

/// The deadline passed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Elapsed;

impl Timer {
    /// To be called inside a runtime.
    pub(crate) fn new(limit: Duration) -> Self {
        let due = Instant::now() + limit;
        Self { due: Cell::new(due), sleep: RefCell::new(Box::pin(sleep_until(due))) }
    }

    /// The deadline is `limit` from now.
    pub(crate) fn allow(&self, limit: Duration) {
        self.due.set(Instant::now() + limit);
    }

    /// What `work` gives, unless the deadline passes first. `work` may move it meanwhile. One watch at a time.
    pub(crate) async fn watch<F: Future>(&self, work: F) -> Result<F::Output, Elapsed> {
        let mut work = pin!(work);
        poll_fn(|context| {
            if let Poll::Ready(output) = work.as_mut().poll(context) {
                return Poll::Ready(Ok(output));
            }
            let mut sleep = self.sleep.borrow_mut();
            if self.due.get() < sleep.deadline() {
                sleep.as_mut().reset(self.due.get());
            }
            while sleep.as_mut().poll(context).is_ready() {
                if Instant::now() >= self.due.get() {
                    return Poll::Ready(Err(Elapsed));
                }
                sleep.as_mut().reset(self.due.get());
            }
            Poll::Pending
        })
        .await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::pending;

    #[tokio::test(start_paused = true)]
    async fn rings_when_the_last_deadline_passes() {
        let timer = Timer::new(Duration::from_secs(60));
        let begin = Instant::now();
        timer.allow(Duration::from_secs(4));
        assert_eq!(timer.watch(pending::<()>()).await, Err(Elapsed));
        assert_eq!(begin.elapsed().as_secs(), 4, "earlier than it was set to");
        timer.allow(Duration::from_secs(60));
        assert_eq!(timer.watch(pending::<()>()).await, Err(Elapsed));
        assert_eq!(begin.elapsed().as_secs(), 64, "later than it rang before");
    }

    #[tokio::test(start_paused = true)]
    async fn progress_moves_the_deadline() {
        let timer = Timer::new(Duration::from_secs(2));
        let work = async {
            for _ in 0..10 {
                tokio::time::sleep(Duration::from_secs(1)).await;
                timer.allow(Duration::from_secs(2));
            }
        };
        assert_eq!(timer.watch(work).await, Ok(()));
    }
}
