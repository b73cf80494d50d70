//! What the loader told: how the unit is to run, and what its record means for the operator.

use evener_disk::Slot;
use evener_handoff::{BootReason, Handoff, Mode};

/// What the loader told.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Told {
    /// Its record in hex; empty without one.
    pub(crate) record: String,
    /// Only the network, local administration and firmware upload run.
    pub(crate) rescue: bool,
    /// A person at the console asked for the factory reset.
    pub(crate) reset: bool,
    /// Everything in the record that an operator must see, in words, each with what to do about it.
    pub(crate) warnings: Vec<String>,
}

impl Told {
    /// Reads the record. One that is missing or cannot be read leaves an ordinary boot.
    pub(crate) fn by(record: &str) -> Self {
        let ordinary =
            |warning: String| Self { record: record.to_owned(), warnings: vec![warning], ..Self::default() };
        if record.is_empty() {
            return ordinary(
                "The loader left no record of this boot. Install this firmware again to renew the loader."
                    .into(),
            );
        }
        match Handoff::decode(record) {
            Ok(handoff) => Self {
                record: record.to_owned(),
                rescue: handoff.mode == Mode::Rescue,
                reset: handoff.reset,
                warnings: warnings(&handoff),
            },
            Err(error) => ordinary(format!(
                "The loader's record of this boot cannot be read ({error}). Install this firmware again to renew the loader."
            )),
        }
    }
}

fn warnings(handoff: &Handoff) -> Vec<String> {
    let mut warnings = Vec::new();
    if handoff.mode == Mode::Rescue {
        let next = match handoff.reason {
            BootReason::Requested => "It was asked for, this once: restart the unit to leave it.",
            _ => "Install a firmware, then restart the unit.",
        };
        warnings.push(format!(
            "This is the rescue firmware, from slot R: the network, these pages and the upload of firmware work, and no \
             traffic is served. {next}"
        ));
    }
    let slot = handoff.slot;
    let reason = match handoff.reason {
        BootReason::Preferred | BootReason::Trial | BootReason::Requested => None,
        BootReason::NoHealth => Some("the preferred firmware was started too often without becoming healthy"),
        BootReason::Refused => Some("the firmware that came first was refused or has used up its tries"),
        BootReason::LastResort => Some("nothing better is left: this firmware has failed before"),
    };
    if let Some(reason) = reason {
        warnings.push(format!(
            "The unit started from slot {slot} because {reason}. See the firmware page, and install a good firmware."
        ));
    }
    for (slot, code) in Slot::ALL.into_iter().zip(handoff.skipped) {
        if let Some(code) = code {
            warnings
                .push(format!("The loader passed slot {slot} over: E{code:02}. See the list of boot codes."));
        }
    }
    if handoff.degraded {
        warnings.push(
            "The record of the firmware slots was lost and derived from the firmware itself. Install a firmware to write it anew."
                .into(),
        );
    }
    if handoff.uncounted {
        warnings.push(
            "The loader could not write to the disk. Check the disk before you restart the unit.".into(),
        );
    }
    warnings
}

#[cfg(test)]
mod tests {
    use super::*;

    const ORDINARY: &str = "0101000000000000000000000000000000";

    #[test]
    fn an_ordinary_boot_is_no_matter() {
        assert_eq!(Told::by(ORDINARY), Told { record: ORDINARY.into(), ..Told::default() });
    }

    #[test]
    fn rescue_that_was_asked_for_says_how_to_leave_it() {
        let mut handoff = Handoff::decode(ORDINARY).unwrap();
        (handoff.slot, handoff.mode, handoff.reason) = (Slot::R, Mode::Rescue, BootReason::Requested);
        let told = Told::by(&handoff.encode());
        assert!(told.rescue && !told.reset);
        assert_eq!(told.warnings.len(), 1, "{:?}", told.warnings);
        assert!(told.warnings[0].contains("restart the unit to leave it"));
    }

    #[test]
    fn a_wish_for_a_reset_is_heard() {
        let handoff = Handoff { reset: true, ..Handoff::decode(ORDINARY).unwrap() };
        assert!(Told::by(&handoff.encode()).reset);
    }

    #[test]
    fn whatever_went_wrong_is_said() {
        let mut handoff = Handoff::decode(ORDINARY).unwrap();
        (handoff.slot, handoff.mode, handoff.reason) = (Slot::R, Mode::Rescue, BootReason::Refused);
        handoff.skipped = [Some(6), Some(18), None];
        (handoff.degraded, handoff.uncounted) = (true, true);
        let text = Told::by(&handoff.encode()).warnings.join("\n");
        for part in [
            "rescue firmware",
            "slot R because",
            "slot A over: E06",
            "slot B over: E18",
            "derived",
            "write to the disk",
        ] {
            assert!(text.contains(part), "{part} in {text}");
        }
    }

    #[test]
    fn a_missing_or_unreadable_record_is_said() {
        assert!(Told::by("").warnings[0].contains("no record"));
        assert!(Told::by("zz").warnings[0].contains("cannot be read"));
        assert!(!Told::by("").rescue && !Told::by("zz").rescue, "traffic rather than rescue");
    }
}
