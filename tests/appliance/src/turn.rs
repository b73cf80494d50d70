//! How many emulated units run at once.

use std::sync::{Condvar, Mutex, PoisonError};

/// An emulated unit keeps a core busy while it boots; more of them than cores only make each one time out.
const AT_ONCE: u32 = 2;

static RUNNING: Mutex<u32> = Mutex::new(0);
static ENDED: Condvar = Condvar::new();

/// The right to run one unit, until it is dropped.
#[derive(Debug)]
pub struct Turn(());

impl Turn {
    /// Waits until fewer than two units run in this test program.
    #[must_use]
    pub fn take() -> Self {
        let running = RUNNING.lock().unwrap_or_else(PoisonError::into_inner);
        let mut running =
            ENDED.wait_while(running, |running| *running >= AT_ONCE).unwrap_or_else(PoisonError::into_inner);
        *running += 1;
        Self(())
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        *RUNNING.lock().unwrap_or_else(PoisonError::into_inner) -= 1;
        ENDED.notify_one();
    }
}
