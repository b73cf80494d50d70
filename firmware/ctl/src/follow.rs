//! Waiting until it is settled whether a new firmware stays.

use crate::client::Client;
use crate::fault::Fault;
use crate::screen::Screen;
use crate::show;
use evener_api::update::{Candidate, FirmwareStatus, SlotStatus};
use std::time::Duration;
use tokio::time::Instant;

/// Time between two looks.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// Three tries that end by the watchdog, each after five minutes, and the way back.
const WITHIN: Duration = Duration::from_secs(25 * 60);
/// How long a unit that was told to reboot may go on answering.
const REBOOTS_WITHIN: Duration = Duration::from_secs(180);

/// How a firmware on trial stands.
#[derive(Debug, PartialEq, Eq)]
enum Standing {
    /// Confirmed, or nothing is on trial.
    Settled,
    /// It runs and is proving itself.
    Proving,
    /// Its first boot is still to come.
    Waiting,
    /// The unit went back to another one.
    GivenUp,
}

/// Waits until `expected`, or whatever is on trial at the first look, is confirmed or given up.
///
/// # Errors
/// [`Fault::GivenUp`] with the reason, [`Fault::Unsettled`] when neither happens, or why the unit cannot be asked.
pub(crate) async fn until_settled(
    client: &Client,
    expected: Option<&Candidate>,
    screen: &mut Screen,
) -> Result<FirmwareStatus, Fault> {
    let start = Instant::now();
    let mut slot = expected.map(|candidate| candidate.slot);
    let mut looks = tokio::time::interval(LOOK_EVERY);
    loop {
        looks.tick().await;
        if start.elapsed() > WITHIN {
            return Err(unsettled("in time"));
        }
        let status: FirmwareStatus = match client.get("/api/v1/firmware").await {
            Ok(status) => status,
            Err(fault) if is_passing(&fault) => {
                screen.progress("The unit does not answer: it is rebooting …");
                continue;
            }
            Err(fault) => return Err(fault),
        };
        slot = slot.or_else(|| on_trial(&status).map(|slot| slot.slot));
        match standing(&status, slot) {
            Standing::Settled => return Ok(status),
            Standing::Proving => screen.progress(&show::proving(&status)),
            Standing::Waiting if start.elapsed() > REBOOTS_WITHIN => {
                return Err(unsettled("because the unit was not rebooted: evener ctl firmware reboot"));
            }
            Standing::Waiting => screen.progress("The unit has not rebooted yet …"),
            Standing::GivenUp => return Err(Fault::GivenUp(show::given_up(&status))),
        }
    }
}

fn unsettled(why: &str) -> Fault {
    Fault::Unsettled(format!(
        "It was not settled whether the new firmware stays, {why}. Look at: evener ctl firmware"
    ))
}

/// What a reboot makes happen.
fn is_passing(fault: &Fault) -> bool {
    match fault {
        Fault::Unreachable { .. } | Fault::Silent { .. } => true,
        Fault::Refused(problem) => problem.status == 503,
        _ => false,
    }
}

fn on_trial(status: &FirmwareStatus) -> Option<&SlotStatus> {
    let mut slots = status.slots.iter();
    slots.find(|slot| slot.state == "trial" && (slot.tries > 0 || slot.slot == status.running))
}

fn standing(status: &FirmwareStatus, slot: Option<char>) -> Standing {
    let Some(slot) = slot.and_then(|letter| status.slots.iter().find(|slot| slot.slot == letter)) else {
        return Standing::Settled;
    };
    match (slot.state.as_str(), slot.slot == status.running) {
        ("confirmed", true) => Standing::Settled,
        ("trial", true) => Standing::Proving,
        ("trial", false) if slot.tries > 0 => Standing::Waiting,
        _ => Standing::GivenUp,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(running: char, state: &str, tries: u8) -> FirmwareStatus {
        let slot = |slot, state: &str, tries| SlotStatus {
            slot,
            state: state.to_owned(),
            version: Some(String::from("1.0.0")),
            signer: None,
            notes: None,
            tries,
            below_floor: false,
        };
        FirmwareStatus {
            running,
            slots: vec![slot('A', "confirmed", 0), slot('B', state, tries)],
            ..FirmwareStatus::default()
        }
    }

    #[test]
    fn a_trial_ends_in_one_of_two_ways() {
        for (status, expected) in [
            (status('A', "trial", 3), Standing::Waiting),
            (status('B', "trial", 2), Standing::Proving),
            // The last try: it is being spent.
            (status('B', "trial", 0), Standing::Proving),
            (status('B', "confirmed", 0), Standing::Settled),
            (status('A', "trial", 0), Standing::GivenUp),
            (status('A', "bad", 0), Standing::GivenUp),
            (status('A', "empty", 0), Standing::GivenUp),
        ] {
            assert_eq!(standing(&status, Some('B')), expected, "{status:?}");
        }
    }

    #[test]
    fn where_nothing_is_on_trial_there_is_nothing_to_wait_for() {
        for one in [status('A', "empty", 0), status('A', "bad", 0), status('A', "trial", 0)] {
            assert_eq!(on_trial(&one), None, "{one:?}");
            assert_eq!(standing(&one, None), Standing::Settled);
        }
        for one in [status('A', "trial", 3), status('B', "trial", 0)] {
            assert_eq!(on_trial(&one).unwrap().slot, 'B', "{one:?}");
        }
    }
}
