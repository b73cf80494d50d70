//! What the unit says, as text.

use evener_api::moment;
use evener_api::update::{Candidate, FirmwareStatus, Happening, Phase, SlotStatus};
use std::fmt::Write as _;

/// Happenings shown.
const HISTORY: usize = 10;

/// Everything about the unit's firmware.
pub(crate) fn status(status: &FirmwareStatus) -> String {
    let mut text = String::new();
    for warning in &status.warnings {
        line(&mut text, "WARNING", warning);
    }
    let running = of(status, status.running);
    let mode = match status.mode.as_str() {
        "trial" => ", on trial",
        "rescue" => ", in rescue mode: clients are not served",
        _ => "",
    };
    line(&mut text, "running", &format!("{} from slot {}{mode}", version(running), status.running));
    if status.proving.as_ref().is_some_and(|proving| proving.on_trial) {
        line(&mut text, "", &proving(status));
    }
    line(&mut text, "floor", &format!("{}: no lower version is taken", status.floor));
    if let Some(next) = status.next {
        line(&mut text, "next boot", &format!("slot {next}, {}", version(of(status, next))));
    }
    for slot in &status.slots {
        line(&mut text, &format!("slot {}", slot.slot), &one_slot(slot));
    }
    if let Some(restore) = &status.restore {
        let words = match &restore.refusal {
            Some(refusal) => format!("not possible: {} ({})", refusal.detail, refusal.code),
            None if restore.loses.is_empty() => format!("{} from slot {}", restore.version, restore.slot),
            None => format!(
                "{} from slot {}; it loses {}",
                restore.version,
                restore.slot,
                restore.loses.join("; ")
            ),
        };
        line(&mut text, "restore", &words);
    }
    if let Some(installation) = &status.installation {
        let what =
            installation.candidate.as_ref().map_or("a firmware", |candidate| candidate.version.as_str());
        line(
            &mut text,
            "install",
            &format!("{what} by {}: {}", installation.author, phase(&installation.phase)),
        );
    }
    if let Some(failure) = &status.last_failure {
        line(&mut text, "failure", failure);
    }
    for (at, happening) in status.history.iter().take(HISTORY).enumerate() {
        line(&mut text, if at == 0 { "history" } else { "" }, &happened(happening));
    }
    text
}

/// What a file is, before anything is done with it.
pub(crate) fn candidate(candidate: &Candidate) -> String {
    let mut text = String::new();
    line(&mut text, "version", &candidate.version);
    line(&mut text, "signed by", &candidate.signer);
    let replaced =
        candidate.replaces.as_ref().map(|version| format!(", in place of {version}")).unwrap_or_default();
    line(&mut text, "goes to", &format!("slot {}{replaced}", candidate.slot));
    line(&mut text, "floor", &format!("at least {}, once it is confirmed", candidate.floor));
    line(&mut text, "from", &format!("{} on", candidate.installable_from));
    line(&mut text, "digest", &candidate.digest);
    for (at, note) in candidate.notes.lines().enumerate() {
        line(&mut text, if at == 0 { "notes" } else { "" }, note);
    }
    for (at, loss) in candidate.loses.iter().enumerate() {
        line(&mut text, if at == 0 { "loses" } else { "" }, loss);
    }
    text.trim_end().to_owned()
}

/// It is in its slot.
pub(crate) fn installed(candidate: &Candidate) -> String {
    format!(
        "{} is in slot {} and verified. The next boot starts it, on trial: evener ctl firmware reboot",
        candidate.version, candidate.slot
    )
}

/// How far the running firmware is with proving itself.
pub(crate) fn proving(status: &FirmwareStatus) -> String {
    let name = version(of(status, status.running));
    let Some(proving) = &status.proving else { return format!("{name} runs on trial …") };
    let mut text =
        format!("{name} runs on trial: healthy for {} of {} s", proving.healthy_s, proving.needed_s);
    if let Some(left_s) = proving.left_s {
        let _ = write!(text, ", {left_s} s left");
    }
    if let Some(fault) = &proving.fault {
        let _ = write!(text, "; now: {fault}");
    }
    text
}

/// It stays, or there was nothing to wait for.
pub(crate) fn settled(status: &FirmwareStatus) -> String {
    let name = version(of(status, status.running));
    format!("{name} runs from slot {} and is confirmed. The floor is {}.", status.running, status.floor)
}

/// It does not stay.
pub(crate) fn given_up(status: &FirmwareStatus) -> String {
    let name = version(of(status, status.running));
    let reason = status.last_failure.as_deref().unwrap_or("the unit does not say why");
    format!(
        "The new firmware was given up: {reason}.\nThe unit runs {name} from slot {} again.",
        status.running
    )
}

fn line(text: &mut String, name: &str, words: &str) {
    // Writing to a String cannot fail.
    let _ = writeln!(text, "{name:<10} {words}");
}

fn of(status: &FirmwareStatus, letter: char) -> Option<&SlotStatus> {
    status.slots.iter().find(|slot| slot.slot == letter)
}

fn version(slot: Option<&SlotStatus>) -> &str {
    slot.and_then(|slot| slot.version.as_deref()).unwrap_or("an unknown version")
}

fn one_slot(slot: &SlotStatus) -> String {
    let mut text = slot.state.clone();
    if slot.state == "trial" {
        let _ = write!(text, " ({} tries left)", slot.tries);
    }
    for part in [&slot.version, &slot.signer].into_iter().flatten() {
        let _ = write!(text, "  {part}");
    }
    if slot.below_floor {
        text.push_str("  below the floor: never started");
    }
    text
}

fn phase(phase: &Phase) -> String {
    match phase {
        Phase::Writing => String::from("being written"),
        Phase::Verifying => String::from("being read back and verified"),
        Phase::Installed => String::from("installed"),
        Phase::Cancelled => String::from("cancelled or broken off"),
        Phase::Refused(refusal) => format!("refused: {} ({})", refusal.detail, refusal.code),
    }
}

fn happened(happening: &Happening) -> String {
    let mut text = format!("{} UTC  {}", moment(happening.unix_s), happening.what);
    if let Some(version) = &happening.version {
        let _ = write!(text, " {version}");
    }
    if let Some(slot) = happening.slot {
        let _ = write!(text, " in slot {slot}");
    }
    let _ = write!(text, " by {}", happening.author);
    if !happening.detail.is_empty() {
        let _ = write!(text, ": {}", happening.detail);
    }
    text
}
