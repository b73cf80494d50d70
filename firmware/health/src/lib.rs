//! When a real server is up: results of single probes in, state and the next probe's time out.
//!
//! The rules are the LoadMaster's. A server starts unknown and is probed at once. One good probe makes it up.
//! Failures to connect or to answer in time count, and `retries` of them in a row make it down; the tries are
//! `interval` apart, like all probes. An answer with a bad status ends the matter without a further try: the
//! server is there, and says that it cannot work.
//!
//! Time is an argument: milliseconds on any clock that does not go backwards.

#![forbid(unsafe_code)]

/// The rules for one server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rules {
    /// Milliseconds from the start of one probe to the start of the next.
    pub interval_ms: u64,
    /// Failures in a row, from 1, that make a server down.
    pub retries: u8,
}

/// How a probe ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// As it should.
    Good,
    /// No connection, or no whole answer in time: may have been chance.
    Failed,
    /// An answer that says no.
    Refused,
}

/// Whether the server gets work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Not known yet.
    Unknown,
    /// It does.
    Up,
    /// It does not.
    Down,
}

/// One server under observation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Health {
    state: State,
    failures: u8,
    probe_at_ms: u64,
}

impl Health {
    /// A server that nothing is known of; its first probe is due at `first_probe_ms`.
    #[must_use]
    pub const fn unknown(first_probe_ms: u64) -> Self {
        Self { state: State::Unknown, failures: 0, probe_at_ms: first_probe_ms }
    }

    /// Whether it gets work.
    #[must_use]
    pub const fn state(&self) -> State {
        self.state
    }

    /// When the next probe is due.
    #[must_use]
    pub const fn probe_at_ms(&self) -> u64 {
        self.probe_at_ms
    }

    /// A probe has begun: the one after it is due one interval later.
    pub const fn begin(&mut self, now_ms: u64, rules: Rules) {
        self.probe_at_ms = now_ms.saturating_add(rules.interval_ms);
    }

    /// A probe has ended. Gives whether the state changed.
    pub fn end(&mut self, outcome: Outcome, rules: Rules) -> bool {
        let before = self.state;
        match outcome {
            Outcome::Good => {
                self.failures = 0;
                self.state = State::Up;
            }
            Outcome::Refused => {
                self.failures = 0;
                self.state = State::Down;
            }
            Outcome::Failed => {
                self.failures = self.failures.saturating_add(1);
                if self.failures >= rules.retries {
                    self.state = State::Down;
                }
            }
        }
        self.state != before
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const RULES: Rules = Rules { interval_ms: 9_000, retries: 2 };

    /// Plays probes, each given as (time of its start, outcome, state after it), and checks that each start is
    /// the time that was due.
    fn timeline(rules: Rules, steps: &[(u64, Outcome, State)]) {
        let mut health = Health::unknown(500);
        for &(at, outcome, state) in steps {
            assert_eq!(health.probe_at_ms(), at);
            let before = health.state();
            health.begin(at, rules);
            assert_eq!(health.end(outcome, rules), before != state, "at {at}");
            assert_eq!(health.state(), state, "at {at}");
        }
    }

    #[test]
    fn one_good_probe_makes_it_up() {
        timeline(RULES, &[(500, Outcome::Good, State::Up), (9_500, Outcome::Good, State::Up)]);
    }

    #[test]
    fn falls_after_as_many_failures_in_a_row_as_the_rules_say() {
        timeline(
            RULES,
            &[
                (500, Outcome::Good, State::Up),
                (9_500, Outcome::Failed, State::Up),
                (18_500, Outcome::Good, State::Up),
                (27_500, Outcome::Failed, State::Up),
                (36_500, Outcome::Failed, State::Down),
                (45_500, Outcome::Failed, State::Down),
                (54_500, Outcome::Good, State::Up),
            ],
        );
    }

    #[test]
    fn a_bad_answer_makes_it_down_at_once() {
        timeline(
            RULES,
            &[
                (500, Outcome::Refused, State::Down),
                (9_500, Outcome::Good, State::Up),
                (18_500, Outcome::Refused, State::Down),
            ],
        );
    }

    #[test]
    fn stays_unknown_until_the_first_failures_are_enough() {
        timeline(RULES, &[(500, Outcome::Failed, State::Unknown), (9_500, Outcome::Failed, State::Down)]);
        timeline(Rules { retries: 1, ..RULES }, &[(500, Outcome::Failed, State::Down)]);
    }

    #[test]
    fn a_bad_answer_breaks_a_row_of_failures() {
        let mut health = Health::unknown(0);
        health.end(Outcome::Failed, RULES);
        health.end(Outcome::Refused, RULES);
        health.end(Outcome::Good, RULES);
        assert!(!health.end(Outcome::Failed, RULES), "the first of a new row");
        assert_eq!(health.state(), State::Up);
    }

    proptest! {
        /// Up exactly when the last thing that counted was a good probe, fewer than `retries` failures ago.
        #[test]
        fn the_state_follows_from_the_last_probes(outcomes in proptest::collection::vec(0u8..3, 1..40), retries in 1u8..6) {
            let rules = Rules { interval_ms: 1, retries };
            let outcomes: Vec<_> = outcomes.iter().map(|n| [Outcome::Good, Outcome::Failed, Outcome::Refused][usize::from(*n)]).collect();
            let mut health = Health::unknown(0);
            for outcome in &outcomes {
                health.end(*outcome, rules);
            }
            let trailing = outcomes.iter().rev().take_while(|outcome| **outcome == Outcome::Failed).count();
            let last = outcomes.iter().rev().find(|outcome| **outcome != Outcome::Failed);
            let expected = match last {
                _ if trailing >= usize::from(retries) => State::Down,
                Some(Outcome::Good) => State::Up,
                Some(_) => State::Down,
                None => State::Unknown,
            };
            prop_assert_eq!(health.state(), expected);
        }
    }
}
