//! What the loader's record means for the operator.

use evener_disk::Slot;
use evener_handoff::{BootReason, Handoff};

/// Everything in the record that an operator must see, in words, each with what to do about it.
pub(crate) fn from_handoff(record: &str) -> Vec<String> {
    if record.is_empty() {
        return vec![
            "The loader left no record of this boot. Install this firmware again to renew the loader.".into(),
        ];
    }
    let handoff = match Handoff::decode(record) {
        Ok(handoff) => handoff,
        Err(error) => {
            return vec![format!(
                "The loader's record of this boot cannot be read ({error}). Install this firmware again to renew the loader."
            )];
        }
    };
    let mut warnings = Vec::new();
    if handoff.slot == Slot::R {
        warnings.push(
            "This is the rescue firmware, from slot R. Install a firmware, then restart the unit.".into(),
        );
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
    use evener_handoff::Mode;

    #[test]
    fn an_ordinary_boot_is_no_matter() {
        assert_eq!(from_handoff("0101000000000000000000000000000000"), Vec::<String>::new());
    }

    #[test]
    fn whatever_went_wrong_is_said() {
        let mut handoff = Handoff::decode("0101000000000000000000000000000000").unwrap();
        (handoff.slot, handoff.mode, handoff.reason) = (Slot::R, Mode::Rescue, BootReason::Refused);
        handoff.skipped = [Some(6), Some(18), None];
        (handoff.degraded, handoff.uncounted) = (true, true);
        let text = from_handoff(&handoff.encode()).join("\n");
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
        assert!(from_handoff("")[0].contains("no record"));
        assert!(from_handoff("zz")[0].contains("cannot be read"));
    }
}
