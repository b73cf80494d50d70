//! The life of one service.

use crate::{FIRST_BACK_OFF, LONGEST_BACK_OFF, PROVEN_AFTER, SILENCE, STOP_WITHIN};
use core::fmt;
use core::time::Duration;
use evener_api::init::ServiceState;

/// Something that happened to a service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// It said that it serves.
    Ready,
    /// Its heart beat.
    Beat,
    /// Its process is gone, or there never was one.
    Ended(End),
}

/// How a process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// By itself, with this status.
    Exited(i32),
    /// By this signal.
    Signalled(i32),
    /// By SIGKILL from init, because its heart had stopped.
    Silent,
    /// It could not be started at all.
    NotStarted,
}

impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exited(status) => write!(f, "exited with status {status}"),
            Self::Signalled(signal) => write!(f, "ended by signal {signal}"),
            Self::Silent => write!(f, "gave no sign of life for {} s and was killed", SILENCE.as_secs()),
            Self::NotStarted => f.write_str("could not be started"),
        }
    }
}

/// What is known about a service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Health {
    /// What it is doing.
    pub state: ServiceState,
    /// Times it was started again.
    pub restarts: u32,
    /// How it last ended.
    pub last_end: Option<End>,
    /// Time since it was started; zero without a process.
    pub running: Duration,
}

/// What is to be done about a service now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    Start,
    Kill,
    Stop,
}

#[derive(Clone, Copy, Debug)]
enum Phase {
    /// No process; one is started at `until`.
    Waiting { until: Duration },
    /// A process that has given its last sign of life at `sign`.
    Alive { since: Duration, sign: Duration, ready: bool },
    /// SIGKILL was sent for silence; the process is not gone yet.
    Killed { since: Duration },
    /// Told to stop; SIGKILL follows at `until`, or was sent and the process is given up at `until`.
    Stopping { since: Duration, until: Duration, killed: bool },
    /// No process, and there will be none.
    Stopped,
}

/// One service's state.
#[derive(Debug)]
pub(crate) struct Supervised {
    phase: Phase,
    back_off: Duration,
    restarts: u32,
    last_end: Option<End>,
}

impl Supervised {
    pub(crate) fn new(now: Duration) -> Self {
        let phase = Phase::Waiting { until: now };
        Self { phase, back_off: FIRST_BACK_OFF, restarts: 0, last_end: None }
    }

    pub(crate) fn on(&mut self, event: Event, now: Duration) {
        match (event, &mut self.phase) {
            (Event::Beat, Phase::Alive { sign, .. }) => *sign = now,
            (Event::Ready, Phase::Alive { sign, ready, .. }) => (*sign, *ready) = (now, true),
            (Event::Ended(end), Phase::Alive { since, .. }) => {
                let ran = now.saturating_sub(*since);
                self.ended(end, ran, now);
            }
            (Event::Ended(_), Phase::Killed { since }) => {
                let ran = now.saturating_sub(*since);
                self.ended(End::Silent, ran, now);
            }
            (Event::Ended(end), Phase::Stopping { .. }) => {
                self.last_end = Some(end);
                self.phase = Phase::Stopped;
            }
            // A word that was under way when its process ended.
            (_, Phase::Waiting { .. } | Phase::Stopped | Phase::Killed { .. } | Phase::Stopping { .. }) => {}
        }
    }

    fn ended(&mut self, end: End, ran: Duration, now: Duration) {
        if ran >= PROVEN_AFTER {
            self.back_off = FIRST_BACK_OFF;
        }
        self.last_end = Some(end);
        self.phase = Phase::Waiting { until: now + self.back_off };
        self.back_off = (self.back_off * 2).min(LONGEST_BACK_OFF);
    }

    /// What is due at `now`, if anything.
    pub(crate) fn tick(&mut self, now: Duration) -> Option<Action> {
        match &mut self.phase {
            Phase::Waiting { until } if *until <= now => {
                if self.last_end.is_some() {
                    self.restarts = self.restarts.saturating_add(1);
                }
                self.phase = Phase::Alive { since: now, sign: now, ready: false };
                Some(Action::Start)
            }
            Phase::Alive { since, sign, .. } if *sign + SILENCE <= now => {
                self.phase = Phase::Killed { since: *since };
                Some(Action::Kill)
            }
            Phase::Stopping { until, killed, .. } if *until <= now => {
                if *killed {
                    // SIGKILL did not help: it hangs in the kernel. The unit must still go down.
                    self.phase = Phase::Stopped;
                    return None;
                }
                (*until, *killed) = (now + STOP_WITHIN, true);
                Some(Action::Kill)
            }
            _ => None,
        }
    }

    /// The pause until it is started (again).
    pub(crate) fn starts_in(&self, now: Duration) -> Option<Duration> {
        match self.phase {
            Phase::Waiting { until } => Some(until.saturating_sub(now)),
            Phase::Alive { .. } | Phase::Killed { .. } | Phase::Stopping { .. } | Phase::Stopped => None,
        }
    }

    /// To be stopped for good.
    pub(crate) fn stop(&mut self, now: Duration) -> Option<Action> {
        let until = now + STOP_WITHIN;
        match self.phase {
            Phase::Alive { since, .. } => {
                self.phase = Phase::Stopping { since, until, killed: false };
                Some(Action::Stop)
            }
            Phase::Killed { since } => {
                self.phase = Phase::Stopping { since, until, killed: true };
                None
            }
            Phase::Waiting { .. } | Phase::Stopping { .. } | Phase::Stopped => None,
        }
    }

    /// Without a process there is nothing to stop, and nothing is to be started.
    pub(crate) fn do_not_restart(&mut self) {
        if let Phase::Waiting { .. } = self.phase {
            self.phase = Phase::Stopped;
        }
    }

    /// Starts the count of silence anew, because nobody was listening.
    pub(crate) fn forgive(&mut self, now: Duration) {
        if let Phase::Alive { sign, .. } = &mut self.phase {
            *sign = now;
        }
    }

    /// When [`tick`](Self::tick) has something to do next.
    pub(crate) fn next_tick(&self) -> Option<Duration> {
        match self.phase {
            Phase::Waiting { until } | Phase::Stopping { until, .. } => Some(until),
            Phase::Alive { sign, .. } => Some(sign + SILENCE),
            Phase::Killed { .. } | Phase::Stopped => None,
        }
    }

    pub(crate) fn is_stopped(&self) -> bool {
        matches!(self.phase, Phase::Stopped)
    }

    pub(crate) fn health(&self, now: Duration) -> Health {
        let (state, since) = match self.phase {
            Phase::Waiting { .. } => (ServiceState::Waiting, None),
            Phase::Alive { since, ready: false, .. } => (ServiceState::Starting, Some(since)),
            Phase::Alive { since, ready: true, .. } => (ServiceState::Running, Some(since)),
            Phase::Killed { since } | Phase::Stopping { since, .. } => (ServiceState::Stopping, Some(since)),
            Phase::Stopped => (ServiceState::Stopped, None),
        };
        let running = since.map_or(Duration::ZERO, |since| now.saturating_sub(since));
        Health { state, restarts: self.restarts, last_end: self.last_end, running }
    }
}
