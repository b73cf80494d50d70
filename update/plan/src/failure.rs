//! Why a firmware was given up, in words for an operator.

use evener_manifest::Version;
use evener_slot_choice::BootCode;
use evener_slot_table::{Failure, FailureReason};

/// What a firmware left behind of its last boot that reached the services.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reached {
    /// That boot was the last that it had; a later one never got so far.
    pub in_its_last_boot: bool,
    /// What was wrong last.
    pub fault: Option<String>,
}

/// What happened to the firmware in a slot, with its version if that is known, and what it left behind.
#[must_use]
pub fn failure_words(failure: &Failure, version: Option<Version>, reached: Option<&Reached>) -> String {
    let slot = failure.slot;
    let who =
        version.map_or_else(|| format!("the firmware in slot {slot}"), |it| format!("{it} in slot {slot}"));
    let fault = reached.and_then(|reached| reached.fault.as_deref());
    match failure.reason {
        FailureReason::TriesExhausted => {
            let last = match (reached.is_some_and(|reached| reached.in_its_last_boot), fault) {
                (false, _) => "its last boot never reached its services (kernel panic or hang)".to_owned(),
                (true, Some(fault)) => {
                    format!("its last boot was cut off, and this was wrong before: {fault}")
                }
                (true, None) => {
                    "its last boot was cut off before it had proved itself (panic, hang or power cut)".into()
                }
            };
            format!("{who} used up its tries: {last}")
        }
        FailureReason::HealthCheck => {
            let fault = fault.unwrap_or("what was wrong is not recorded");
            format!("{who} did not become healthy within five minutes: {fault}")
        }
        FailureReason::NoHealth => {
            let fault = fault.map_or_else(String::new, |fault| format!("; the last fault was: {fault}"));
            format!("{who} was started five times without becoming healthy{fault}")
        }
        FailureReason::Refused(number) => {
            let what = BootCode::from_number(number)
                .map_or("a code that this firmware does not know", BootCode::what);
            format!("{who} was refused by the loader with E{number:02}: {what}")
        }
        FailureReason::Panic | FailureReason::Watchdog | FailureReason::Other(_) => {
            format!("{who} was given up: it {}", failure.reason)
        }
    }
}

/// Whether a firmware that failed so is not installed again unasked. What a loader refused never ran: most
/// likely the disk damaged it, and installing it again is the cure.
#[must_use]
pub fn is_held_against(reason: FailureReason) -> bool {
    !matches!(reason, FailureReason::Refused(_))
}

#[cfg(test)]
mod tests {
    use super::*;
    use evener_disk::Slot;

    fn words(reason: FailureReason, reached: Option<&Reached>) -> String {
        let failure = Failure { slot: Slot::B, digest: [1; 32], reason };
        failure_words(&failure, Some(Version([1, 1, 0, 0])), reached)
    }

    #[test]
    fn a_boot_that_never_reached_its_services_is_told_from_one_that_did() {
        let silent = "1.1.0 in slot B used up its tries: its last boot never reached its services (kernel panic or hang)";
        assert_eq!(words(FailureReason::TriesExhausted, None), silent);
        let fault = Some("proxy: virtual service 1 at 192.0.2.1:80: no answer within 3s".to_owned());
        let earlier = Reached { in_its_last_boot: false, fault: fault.clone() };
        assert_eq!(words(FailureReason::TriesExhausted, Some(&earlier)), silent);
        let last = Reached { in_its_last_boot: true, fault };
        assert!(words(FailureReason::TriesExhausted, Some(&last)).ends_with("no answer within 3s"));
        assert!(
            words(FailureReason::HealthCheck, Some(&last))
                .contains("healthy within five minutes: proxy: virtual")
        );
        let well = Reached { in_its_last_boot: true, fault: None };
        assert!(words(FailureReason::TriesExhausted, Some(&well)).contains("power cut"));
    }

    #[test]
    fn a_loaders_refusal_is_given_with_its_code_and_words() {
        let refused = FailureReason::Refused(BootCode::KernelDigest.number());
        assert_eq!(
            words(refused, None),
            "1.1.0 in slot B was refused by the loader with E07: kernel digest does not match"
        );
        assert!(!is_held_against(refused));
    }

    #[test]
    fn without_a_version_the_slot_is_named() {
        let failure = Failure { slot: Slot::A, digest: [1; 32], reason: FailureReason::NoHealth };
        let words = failure_words(&failure, None, None);
        assert_eq!(words, "the firmware in slot A was started five times without becoming healthy");
    }
}
