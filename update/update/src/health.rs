//! When a unit has been healthy long enough. Pure: looks and their times in, a verdict out.

use std::time::Duration;

/// Good looks must reach back this far without a bad one between.
pub(crate) const HEALTHY_FOR: Duration = Duration::from_secs(60);

/// What the looks so far say.
#[derive(Debug, Default)]
pub(crate) struct Watch {
    healthy_since: Option<Duration>,
}

impl Watch {
    /// Takes one look, made at `now` (since any fixed point), and tells whether the unit counts as healthy.
    pub(crate) fn observe(&mut self, now: Duration, healthy: bool) -> bool {
        if !healthy {
            self.healthy_since = None;
            return false;
        }
        let since = *self.healthy_since.get_or_insert(now);
        now.saturating_sub(since) >= HEALTHY_FOR
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdicts(looks: &[(u64, bool)]) -> Vec<bool> {
        let mut watch = Watch::default();
        looks.iter().map(|(second, healthy)| watch.observe(Duration::from_secs(*second), *healthy)).collect()
    }

    #[test]
    fn healthy_after_a_minute_of_good_looks() {
        assert_eq!(verdicts(&[(5, true), (64, true), (65, true)]), [false, false, true]);
    }

    #[test]
    fn one_bad_look_starts_the_minute_again() {
        assert_eq!(
            verdicts(&[(0, true), (59, true), (60, false), (61, true), (120, true), (121, true)]),
            [false, false, false, false, false, true]
        );
    }
}
