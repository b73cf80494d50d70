//! The proof of health: looking at the data plane until the running firmware is confirmed, or given up.

use evener_api::Service;
use evener_api::init::{Reply as InitReply, Request as InitRequest};
use evener_api::update::Proving;
use evener_disk::Slot;
use evener_handoff::Mode as BootMode;
use evener_ipc::{Progress, call};
use evener_plan::{Mode, Trial, Verdict};
use evener_slot_table::{FailureReason, SlotState};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use crate::Pace;
use crate::journal::{Bound, TrialNote};
use crate::loaders;
use crate::probe::Prober;
use crate::refill::refill;
use crate::rootfs;
use crate::stay::stay;
use crate::trial_note::Notes;
use crate::unit::{About, Unit, to_hex};

/// While something goes on that ends by itself, the loop leaves its mark this often.
const MARK_EVERY: Duration = Duration::from_secs(1);
/// A round of the loop takes no longer than this: a few probes, each with its own end.
pub(crate) const ROUND_WITHIN: Duration = Duration::from_secs(60);

/// Shows that the proof has begun, so that nobody takes a firmware for proven that was not looked at yet.
pub(crate) fn announce(unit: &Unit, pace: &Pace) {
    if !in_rescue(unit) {
        let on_trial = unit.on_trial();
        let mode = if on_trial { Mode::Trial } else { Mode::Confirmed };
        show(unit, on_trial, &Trial::new(mode), (pace.now)(), None);
    }
}

/// Rescue has nothing to prove: it serves no traffic, and its health says nothing about A and B.
fn in_rescue(unit: &Unit) -> bool {
    unit.handoff.is_some_and(|handoff| handoff.mode == BootMode::Rescue)
}

/// Proves the health of the running firmware, then puts right what follows from it. Does not end: the mark of this
/// loop is what init sees of the service.
pub(crate) async fn prove(unit: Arc<Unit>, pace: Pace, progress: Progress) {
    // Given up, and this service was started anew before the unit was.
    if unit.running_state() == Some(SlotState::Bad) {
        unit.settled.store(true, Relaxed);
        restart(&unit).await;
    } else if in_rescue(&unit) {
        stay(&unit, &pace, &progress).await;
    } else if until_settled(&unit, &pace, &progress).await {
        marking(&progress, refill(&unit)).await;
        marking(&progress, loaders::follow(&unit)).await;
    }
    marking(&progress, std::future::pending::<()>()).await;
}

/// Leaves marks for as long as `work` goes on, which knows by itself when to end.
async fn marking<T>(progress: &Progress, work: impl Future<Output = T>) -> T {
    let mut work = std::pin::pin!(work);
    let mut interval = tokio::time::interval(MARK_EVERY);
    loop {
        tokio::select! {
            done = &mut work => return done,
            _ = interval.tick() => progress.mark(),
        }
    }
}

/// Looks until the firmware is confirmed (true) or given up (false).
async fn until_settled(unit: &Arc<Unit>, pace: &Pace, progress: &Progress) -> bool {
    let on_trial = unit.on_trial();
    let mut trial = Trial::new(if on_trial { Mode::Trial } else { Mode::Confirmed });
    let before: Vec<Bound> = if on_trial { unit.journal().before() } else { Vec::new() };
    let prober = Prober::new(&unit.dirs.run, before);
    let mut notes = Notes::new(unit);
    let mut interval = tokio::time::interval(pace.look_every);
    interval.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut told = String::new();
    loop {
        interval.tick().await;
        progress.mark();
        let mut finding = prober.look().await;
        let now = (pace.now)();
        match trial.look(now, finding.is_ok()) {
            Verdict::Wait => {}
            Verdict::Proven => match marking(progress, settle(unit)).await {
                Ok(()) => return true,
                Err(reason) => {
                    trial.look(now, false);
                    finding = Err(reason);
                }
            },
            Verdict::TooLate => {
                let fault =
                    finding.clone().err().unwrap_or_else(|| "it was not healthy for long enough".into());
                notes.last(Some(&fault));
                match marking(progress, give_up(unit, &fault)).await {
                    Ok(()) => return false,
                    Err(reason) => {
                        trial.stay();
                        tracing::error!(
                            fault,
                            reason,
                            "it has not proved itself in time, and stays all the same"
                        );
                        let version = unit.seen().facts.version;
                        unit.tell(format!(
                            "{version} has not proved itself within five minutes ({fault}), and stays because {reason}. \
                             Install another version."
                        ));
                        unit.publish();
                    }
                }
            }
        }
        show(unit, on_trial, &trial, now, finding.as_ref().err());
        notes.now(finding.as_ref().err());
        if let Err(reason) = finding
            && reason != told
        {
            tracing::info!(reason, "not healthy yet");
            told = reason;
        }
    }
}

fn show(unit: &Unit, on_trial: bool, trial: &Trial, now: Duration, fault: Option<&String>) {
    unit.show_proving(Some(Proving {
        on_trial,
        healthy_s: trial.healthy_for(now).as_secs(),
        needed_s: Trial::HEALTHY_FOR.as_secs(),
        left_s: trial.left(now).map(|left| left.as_secs()),
        fault: fault.cloned(),
    }));
}

/// Healthy for long enough: confirms a trial, or clears the count of a firmware that was confirmed before.
async fn settle(unit: &Arc<Unit>) -> Result<(), String> {
    if unit.on_appliance {
        let read = unit.blocking(|_| rootfs::read_all(Path::new("/"))).await;
        let bytes = read
            .ok_or("the root file system was not read to its end")?
            .map_err(|error| format!("the root file system cannot be read: {error:#}"))?;
        tracing::info!(bytes, "every file of the root file system was read and verified");
    }
    unit.blocking(record_health).await.ok_or("the slot table was not written")??;
    unit.publish_whole().await;
    unit.show_proving(None);
    Ok(())
}

/// The one record write of a healthy boot.
fn record_health(unit: &Unit) -> Result<(), String> {
    let Some(running) = unit.running() else {
        tracing::info!("healthy");
        return Ok(());
    };
    let own = *running.of(&unit.seen().facts.manifests);
    let (mut confirmed, mut floor) = (None, None);
    let changed = unit
        .change(|table| {
            let record = *table.slot(running);
            // Without its own statement the floor could not rise with the confirmation, and never would again.
            if let Some(own) =
                own.filter(|own| record.state == SlotState::Trial && own.digest == record.digest)
            {
                let before = table.floor;
                if table.confirm(running, own.floor) {
                    confirmed = Some(own);
                    floor = (table.floor > before).then_some(table.floor);
                    return true;
                }
            }
            table.healthy(running)
        })
        .map_err(|fault| format!("the proof of health was not recorded: {fault}"))?;
    unit.settled.store(true, Relaxed);
    unit.untell();
    unit.journal().set_retries(0);
    if let Some(own) = confirmed {
        let detail = floor.map_or_else(String::new, |floor| format!("the floor of this unit is {floor} now"));
        tracing::info!(version = %own.version, slot = %running, detail, "confirmed");
        let about = About {
            version: Some(own.version),
            digest: Some(own.digest),
            detail: &detail,
            ..About::by_unit()
        };
        unit.note("confirmed", Some(running), about);
        unit.journal().set_trial(None);
        unit.journal().set_before(None);
    } else if unit.on_trial() {
        unit.settled.store(false, Relaxed);
        return Err(format!("slot {running} does not hold the firmware that is running"));
    } else {
        tracing::info!(count_cleared = changed, "healthy");
    }
    Ok(())
}

/// Black-lists the running firmware and restarts the unit, if it has something better to start.
///
/// # Errors
/// Why it stays: there is nothing else, or it cannot be done.
async fn give_up(unit: &Arc<Unit>, fault: &str) -> Result<(), String> {
    let fault = fault.to_owned();
    unit.blocking(move |unit| black_list(unit, &fault)).await.ok_or("the slot table was not written")??;
    unit.publish();
    restart(unit).await;
    Ok(())
}

pub(crate) async fn restart(unit: &Unit) {
    match call(&unit.dirs.run, Service::Init, &InitRequest::Reboot).await {
        Ok(InitReply::Done) => {}
        other => tracing::error!(?other, "init does not restart the unit: restart it by hand"),
    }
}

fn black_list(unit: &Unit, fault: &str) -> Result<(), String> {
    let running = unit.running().ok_or("there is no loader that could start another one")?;
    let other = match running {
        Slot::A => Slot::B,
        Slot::B => Slot::A,
        Slot::R => return Err("rescue is not given up".into()),
    };
    let facts = unit.seen().facts;
    let table = facts.table.as_ref().ok_or("the slot table cannot be read")?;
    if table.slot(other).state != SlotState::Confirmed || !facts.may_boot(other) {
        return Err(format!("slot {other} holds no firmware to go back to"));
    }
    let keys = unit.keys().map_err(|refusal| refusal.detail)?;
    let found = evener_slots::check(&mut unit.partitions(), other, &keys)
        .map_err(|fault| format!("there is none to go back to: {fault}"))?;
    unit.change(|table| {
        table.give_up(running, FailureReason::HealthCheck);
        true
    })
    .map_err(|fault| format!("it could not be given up: {fault}"))?;
    unit.settled.store(true, Relaxed);
    let version = facts.version;
    let words = format!("{version} in slot {running} did not become healthy within five minutes: {fault}");
    tracing::error!("{words}; going back to {} in slot {other}", found.version);
    let digest = running.of(&facts.manifests).map(|found| found.digest);
    let about = About { version: Some(version), digest, detail: &words, ..About::by_unit() };
    unit.note("failed", Some(running), about);
    Ok(())
}

/// The identity of the running firmware, in hex.
pub(crate) fn running_digest(unit: &Unit) -> Option<String> {
    let running = unit.running()?;
    let table = unit.seen().facts.table?;
    Some(to_hex(&table.slot(running).digest))
}

/// What a firmware on trial leaves behind when it gets this far.
pub(crate) fn trial_note(unit: &Unit) -> Option<TrialNote> {
    let handoff = unit.handoff.filter(|_| unit.on_trial())?;
    let digest = running_digest(unit)?;
    Some(TrialNote { digest, tries_left: handoff.tries_left, fault: None })
}
