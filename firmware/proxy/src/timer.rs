//! One timer a connection, for everything that a peer can keep us waiting with.
//!
//! A request passes several waits, each with its limit. Arming a timer for each would cost more than reading
//! the request. So moving the deadline only sets a number; the runtime's timer is touched when it has to ring
//! earlier than it is set to, or rings too early: about once a minute on a busy connection.

use std::cell::{Cell, RefCell};
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::Poll;
use std::time::Duration;
use tokio::time::{Instant, Sleep, sleep_until};

/// The time at which everything ends, once it is known; shared by the timers of all connections that it ends.
pub(crate) type End = Rc<Cell<Option<Instant>>>;

/// A deadline that moves, up to an end.
#[derive(Debug)]
pub(crate) struct Timer {
    due: Cell<Instant>,
    /// Looked at when the work moves or the runtime's timer rings: setting it wakes nobody, so that a connection that
    /// does nothing ends when its own deadline passes, if that is later.
    end: End,
    sleep: RefCell<Pin<Box<Sleep>>>,
}

/// The deadline passed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Elapsed;

impl Timer {
    /// To be called inside a runtime.
    pub(crate) fn new(limit: Duration, end: End) -> Self {
        let due = Instant::now() + limit;
        Self { due: Cell::new(due), end, sleep: RefCell::new(Box::pin(sleep_until(due))) }
    }

    fn due(&self) -> Instant {
        self.end.get().map_or(self.due.get(), |end| end.min(self.due.get()))
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
            if self.due() < sleep.deadline() {
                sleep.as_mut().reset(self.due());
            }
            while sleep.as_mut().poll(context).is_ready() {
                if Instant::now() >= self.due() {
                    return Poll::Ready(Err(Elapsed));
                }
                sleep.as_mut().reset(self.due());
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
        let timer = Timer::new(Duration::from_secs(60), End::default());
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
        let timer = Timer::new(Duration::from_secs(2), End::default());
        let work = async {
            for _ in 0..10 {
                tokio::time::sleep(Duration::from_secs(1)).await;
                timer.allow(Duration::from_secs(2));
            }
        };
        assert_eq!(timer.watch(work).await, Ok(()));
    }

    #[tokio::test(start_paused = true)]
    async fn no_progress_moves_the_end() {
        let end = End::default();
        let timer = Timer::new(Duration::from_secs(2), Rc::clone(&end));
        let begin = Instant::now();
        let work = async {
            loop {
                tokio::time::sleep(Duration::from_secs(1)).await;
                timer.allow(Duration::from_secs(2));
                if begin.elapsed() > Duration::from_secs(5) && end.get().is_none() {
                    end.set(Some(Instant::now() + Duration::from_secs(30)));
                }
            }
        };
        assert_eq!(timer.watch(work).await, Err::<(), _>(Elapsed));
        assert!((35..=37).contains(&begin.elapsed().as_secs()), "{:?}", begin.elapsed());
    }
}
