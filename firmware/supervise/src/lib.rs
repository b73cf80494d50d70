//! When a service is started, declared dead, restarted: events and time in, orders out.
//!
//! init asks [`Supervision`] and does what it says; there is no other place that decides about a service's
//! life. A service is never given up: a load balancer that stopped trying would need a person at its console,
//! so after every end comes another start, only less and less often.
//!
//! `now` is the time since the kernel started, by one clock that never goes back.

#![forbid(unsafe_code)]

mod service;
mod unit;

pub use service::{End, Event, Health};
pub use unit::{Order, Supervision};

use core::time::Duration;
use evener_api::Service;
use evener_api::lifeline::{BEAT_EVERY_MS, SILENCE_MS, STOP_WITHIN_MS};

/// Pause before the first restart; it doubles with each end that follows.
pub const FIRST_BACK_OFF: Duration = Duration::from_millis(200);
/// Longest pause before a restart.
pub const LONGEST_BACK_OFF: Duration = Duration::from_secs(10);
/// A service that ran this long starts again from [`FIRST_BACK_OFF`].
pub const PROVEN_AFTER: Duration = Duration::from_secs(60);
/// Time without a heartbeat after which a service is killed.
pub const SILENCE: Duration = Duration::from_millis(SILENCE_MS);
/// Time that a service has to stop before it is killed; and, once killed, to be gone.
pub const STOP_WITHIN: Duration = Duration::from_millis(STOP_WITHIN_MS);
/// [`Supervision::tick`] is to be called at least this often. A much longer gap means that init itself (or the
/// whole virtual machine) stood still, and then no service's silence means anything.
pub const TICK_EVERY: Duration = Duration::from_millis(BEAT_EVERY_MS);

/// The order in which the services of a unit stop; those of one stage together. First what would ask for changes,
/// then what carries them, the data path as late as possible, then the addresses it stands on; last of all the log, which has the
/// words of all the others by then.
pub const STOP_STAGES: [&[Service]; 5] = [
    &[Service::Web, Service::Update, Service::Console],
    &[Service::Control, Service::Checks],
    &[Service::Proxy],
    &[Service::Net],
    &[Service::Log],
];
