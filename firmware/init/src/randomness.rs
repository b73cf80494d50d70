//! Has the kernel gather randomness from the first moment on.
//!
//! Where neither processor nor firmware nor a device gives any, the kernel makes its own from timing noise, one bit a
//! timer tick, but only while somebody waits for it (`docs/decisions/003-entropy.md`). Waiting here from the start
//! lets that second pass beside all the others of a boot.

use std::thread;
use std::time::{Duration, Instant};

/// Waits shorter than this are not worth a line in the log.
const WORTH_A_WORD: Duration = Duration::from_millis(100);

/// Waits on a thread of its own.
pub(crate) fn gather() {
    let waiting = thread::Builder::new().name("randomness".into()).spawn(|| {
        let start = Instant::now();
        match evener_sys::wait_for_randomness() {
            Ok(()) if start.elapsed() < WORTH_A_WORD => {}
            Ok(()) => {
                let took_ms = u64::try_from(start.elapsed().as_millis()).unwrap_or(u64::MAX);
                tracing::info!(took_ms, "random numbers had to be gathered from timing noise");
            }
            Err(error) => tracing::warn!(%error, "the kernel gives no random numbers"),
        }
    });
    if let Err(error) = waiting {
        // Whoever needs them first waits then.
        tracing::warn!(%error, "nothing waits for random numbers");
    }
}
