//! When a firmware has proved its health, and when it has not in time. Looks and their times in, a verdict out.

use std::time::Duration;

/// How a firmware runs, as far as its proof of health goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// It must prove itself in time or be replaced.
    Trial,
    /// It was confirmed before: it has all the time it needs, and the loader counts boots that never get there.
    Confirmed,
}

/// What the looks so far say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Look again.
    Wait,
    /// Healthy for long enough.
    Proven,
    /// On trial, and the time is over.
    TooLate,
}

/// A proof of health under way. Times are since the machine started, so that a service that is started anew
/// does not get new time.
#[derive(Clone, Debug)]
pub struct Trial {
    mode: Mode,
    healthy_since: Option<Duration>,
}

impl Trial {
    /// Good looks must reach back this far without a bad one between.
    pub const HEALTHY_FOR: Duration = Duration::from_secs(60);
    /// From the start of the machine, a firmware on trial has this long.
    pub const WITHIN: Duration = Duration::from_secs(300);

    /// A proof that has no look yet.
    #[must_use]
    pub fn new(mode: Mode) -> Self {
        Self { mode, healthy_since: None }
    }

    /// Whether it is on trial.
    #[must_use]
    pub fn on_trial(&self) -> bool {
        self.mode == Mode::Trial
    }

    /// Takes one look, made at `now`.
    pub fn look(&mut self, now: Duration, healthy: bool) -> Verdict {
        if healthy {
            let since = *self.healthy_since.get_or_insert(now);
            if now.saturating_sub(since) >= Self::HEALTHY_FOR {
                return Verdict::Proven;
            }
        } else {
            self.healthy_since = None;
        }
        if self.mode == Mode::Trial && now >= Self::WITHIN { Verdict::TooLate } else { Verdict::Wait }
    }

    /// There is nothing better to start: from now on it has all the time it needs.
    pub fn stay(&mut self) {
        self.mode = Mode::Confirmed;
    }

    /// How long it has been healthy without a break.
    #[must_use]
    pub fn healthy_for(&self, now: Duration) -> Duration {
        self.healthy_since.map_or(Duration::ZERO, |since| now.saturating_sub(since).min(Self::HEALTHY_FOR))
    }

    /// How long it still has; `None` when it has all the time it needs.
    #[must_use]
    pub fn left(&self, now: Duration) -> Option<Duration> {
        self.on_trial().then(|| Self::WITHIN.saturating_sub(now))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Verdict::{Proven, TooLate, Wait};

    fn verdicts(mode: Mode, looks: &[(u64, bool)]) -> Vec<Verdict> {
        let mut trial = Trial::new(mode);
        looks.iter().map(|(second, healthy)| trial.look(Duration::from_secs(*second), *healthy)).collect()
    }

    #[test]
    fn proven_after_a_minute_of_good_looks() {
        for mode in [Mode::Trial, Mode::Confirmed] {
            assert_eq!(verdicts(mode, &[(5, true), (64, true), (65, true)]), [Wait, Wait, Proven]);
        }
    }

    #[test]
    fn one_bad_look_starts_the_minute_again() {
        assert_eq!(
            verdicts(
                Mode::Trial,
                &[(0, true), (59, true), (60, false), (61, true), (120, true), (121, true)]
            ),
            [Wait, Wait, Wait, Wait, Wait, Proven]
        );
    }

    #[test]
    fn a_trial_ends_after_five_minutes() {
        let looks = [(10, false), (241, true), (299, true), (300, true)];
        assert_eq!(verdicts(Mode::Trial, &looks), [Wait, Wait, Wait, TooLate]);
        assert_eq!(verdicts(Mode::Trial, &[(240, true), (300, true)]), [Wait, Proven], "just in time");
        assert_eq!(verdicts(Mode::Confirmed, &[(300, false), (900, false)]), [Wait, Wait]);
    }

    #[test]
    fn a_service_that_was_started_anew_gets_no_new_time() {
        assert_eq!(verdicts(Mode::Trial, &[(299, false), (300, false)]), [Wait, TooLate]);
    }

    #[test]
    fn who_stays_for_want_of_something_better_may_still_prove_itself() {
        let mut trial = Trial::new(Mode::Trial);
        let at = Duration::from_secs;
        assert_eq!(trial.look(at(300), false), TooLate);
        assert_eq!(trial.left(at(300)), Some(Duration::ZERO));
        trial.stay();
        assert_eq!((trial.look(at(301), true), trial.left(at(301))), (Wait, None));
        assert_eq!(trial.healthy_for(at(341)), at(40));
        assert_eq!(trial.look(at(361), true), Proven);
    }
}
