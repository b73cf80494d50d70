//! How long a unit stays in rescue that nobody asked for, before it tries its firmware again by itself.
//!
//! The loader cannot tell five power cuts from a firmware that never gets well (`docs/decisions/009-five-power-cuts.md`).
//! Rescue serves no traffic, so a unit whose firmware is sound must not wait in it for a person; a person who
//! works in it must not be disturbed; and a firmware that is broken must leave the unit within reach most of
//! the time. Hence: only when nobody acts, once a stay, and each time after twice the time.

use core::time::Duration;

use evener_handoff::{BootReason, Handoff, Mode};
use evener_slot_choice::BootCode;

/// A stay in rescue for want of health.
#[derive(Clone, Debug)]
pub struct Stay {
    patience: Duration,
    quiet_since: Option<Duration>,
}

impl Stay {
    /// The first stay ends after so long without a person.
    pub const FIRST: Duration = Duration::from_secs(300);
    /// No later one takes longer than this.
    pub const LONGEST: Duration = Duration::from_secs(3600);

    /// The stay that this boot began; `None` unless it came to rescue because a firmware that verifies was never
    /// healthy. `retries` is how often the unit has tried by itself since it was last healthy.
    #[must_use]
    pub fn of(handoff: &Handoff, retries: u32) -> Option<Self> {
        let never_healthy = handoff.skipped.contains(&Some(BootCode::NoHealth.number()));
        let unasked = handoff.mode == Mode::Rescue && handoff.reason != BootReason::Requested;
        let times = 1_u32.checked_shl(retries).unwrap_or(u32::MAX);
        let patience = Self::FIRST.saturating_mul(times).min(Self::LONGEST);
        (unasked && never_healthy).then_some(Self { patience, quiet_since: None })
    }

    /// How long nobody may have done anything before the firmware is tried again.
    #[must_use]
    pub fn patience(&self) -> Duration {
        self.patience
    }

    /// Takes one look, made at `now`; `attended` when somebody has done something since the last one. True when
    /// the firmware is to be tried again.
    pub fn look(&mut self, now: Duration, attended: bool) -> bool {
        if attended {
            self.quiet_since = None;
        }
        let since = *self.quiet_since.get_or_insert(now);
        now.saturating_sub(since) >= self.patience
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn handoff(mode: Mode, reason: BootReason, skipped: [Option<u8>; 3]) -> Handoff {
        let plain = Handoff::decode("0103020300000000000000000000000000").unwrap();
        Handoff { mode, reason, skipped, ..plain }
    }

    fn for_want_of_health() -> Handoff {
        handoff(Mode::Rescue, BootReason::NoHealth, [Some(BootCode::NoHealth.number()), Some(18), None])
    }

    fn looks(stay: &mut Stay, looks: &[(u64, bool)]) -> Vec<bool> {
        looks.iter().map(|(second, attended)| stay.look(Duration::from_secs(*second), *attended)).collect()
    }

    #[test]
    fn only_a_firmware_that_verifies_and_was_never_healthy_is_tried_again() {
        assert!(Stay::of(&for_want_of_health(), 0).is_some());
        let health = Some(BootCode::NoHealth.number());
        for (mode, reason, skipped) in [
            (Mode::Rescue, BootReason::Requested, [health, None, None]),
            (Mode::Normal, BootReason::NoHealth, [health, None, None]),
            (Mode::Rescue, BootReason::Refused, [Some(7), Some(18), None]),
        ] {
            assert!(
                Stay::of(&handoff(mode, reason, skipped), 0).is_none(),
                "{mode:?} {reason:?} {skipped:?}"
            );
        }
        let refused_too = handoff(Mode::Rescue, BootReason::Refused, [Some(7), health, None]);
        assert!(Stay::of(&refused_too, 0).is_some(), "one is damaged, the other was never healthy");
    }

    #[test]
    fn five_minutes_without_a_person_end_the_first_stay() {
        let mut stay = Stay::of(&for_want_of_health(), 0).unwrap();
        assert_eq!(looks(&mut stay, &[(8, false), (307, false), (308, false)]), [false, false, true]);
    }

    #[test]
    fn a_person_begins_the_time_anew() {
        let mut stay = Stay::of(&for_want_of_health(), 0).unwrap();
        let seen = looks(&mut stay, &[(8, false), (300, true), (599, false), (600, true), (900, false)]);
        assert_eq!(seen, [false, false, false, false, true]);
    }

    #[test]
    fn each_stay_is_twice_as_long_up_to_an_hour() {
        let minutes = |retries| Stay::of(&for_want_of_health(), retries).unwrap().patience().as_secs() / 60;
        assert_eq!([0, 1, 2, 3, 4, 31, 32, u32::MAX].map(minutes), [5, 10, 20, 40, 60, 60, 60, 60]);
    }
}
