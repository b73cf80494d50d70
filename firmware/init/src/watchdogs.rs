//! The machine's watchdogs: started, fed, and at power-off stopped.
//!
//! All there are, because the loader may have armed any of them, and a watchdog that nobody feeds restarts the
//! machine.

use evener_sys::watchdog::Watchdog;
use std::path::Path;
use std::time::Duration;

/// Time-out that is asked for, in seconds. They are fed during an orderly stop too; what comes after it, writing the
/// last pages and restarting, has to be over in this time.
const TIMEOUT_S: u16 = 30;
const FEED_EVERY: Duration = Duration::from_secs(5);

/// The watchdogs that were found.
#[derive(Debug, Default)]
pub(crate) struct Watchdogs {
    open: Vec<Watchdog>,
    fed: Option<Duration>,
}

impl Watchdogs {
    /// Opens, and thereby starts, every watchdog.
    pub(crate) fn open() -> Self {
        let mut open = Vec::new();
        for number in 0..4 {
            let path = format!("/dev/watchdog{number}");
            if !Path::new(&path).exists() {
                continue;
            }
            match Watchdog::open(Path::new(&path), TIMEOUT_S) {
                Ok((watchdog, timeout_s)) => {
                    tracing::info!(path, timeout_s, "the watchdog is armed");
                    open.push(watchdog);
                }
                Err(error) => tracing::warn!(path, %error, "the watchdog cannot be armed"),
            }
        }
        Self { open, fed: None }
    }

    /// Feeds them when it is time.
    pub(crate) fn feed(&mut self, now: Duration) {
        if self.fed.is_some_and(|fed| now < fed + FEED_EVERY) {
            return;
        }
        self.fed = Some(now);
        for watchdog in &mut self.open {
            if let Err(error) = watchdog.feed() {
                tracing::warn!(%error, "the watchdog cannot be fed");
            }
        }
    }

    /// Stops them, so that a machine that was switched off stays off.
    pub(crate) fn stop(&mut self) {
        for watchdog in self.open.drain(..) {
            if let Err(error) = watchdog.stop() {
                tracing::warn!(%error, "the watchdog cannot be stopped");
            }
        }
    }
}
