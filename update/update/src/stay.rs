//! Rescue that nobody asked for: after some time without a person the unit tries its firmware again by itself.

use evener_disk::Slot;
use evener_ipc::Progress;
use evener_plan::Stay;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use crate::Pace;
use crate::prove::restart;
use crate::unit::{About, Unit};

/// Waits until the firmware is to be tried again, and restarts the unit. Returns when this stay has no such end, or
/// when its one restart was asked for.
pub(crate) async fn stay(unit: &Arc<Unit>, pace: &Pace, progress: &Progress) {
    let retries = unit.journal().retries();
    let Some(mut stay) = unit.handoff.and_then(|handoff| Stay::of(&handoff, retries)) else { return };
    let minutes = stay.patience().as_secs() / 60;
    unit.tell(format!(
        "A firmware that was started five times without a healthy minute may be sound, if the power failed each time. \
         When nobody has done anything on this unit for {minutes} minutes, it restarts and tries the firmware again by itself."
    ));
    unit.publish();
    let mut interval = tokio::time::interval(pace.look_every);
    interval.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        interval.tick().await;
        progress.mark();
        let attended = unit.attended.swap(false, Relaxed);
        if !stay.look((pace.now)(), attended) {
            continue;
        }
        // While it is held nobody begins an installation. Whoever is at one now is a person at work.
        let Ok(_claim) = unit.claim("the unit restarts to try its firmware again", false) else {
            unit.attended.store(true, Relaxed);
            continue;
        };
        match unit.blocking(move |unit| try_again(unit, retries)).await {
            Some(Ok(())) => return restart(unit).await,
            Some(Err(reason)) => {
                tracing::error!(reason, "the firmware is not tried again");
                return;
            }
            None => return,
        }
    }
}

/// Forgets the boots that were counted, so that the next one starts the firmware.
fn try_again(unit: &Unit, retries: u32) -> Result<(), String> {
    let table = unit.seen().facts.table.ok_or("the slot table cannot be read")?;
    if table.next == Some(Slot::R) {
        return Err("somebody asked for rescue at the next boot".into());
    }
    let slot = unit.forgive().map_err(|refusal| refusal.detail)?;
    unit.journal().set_retries(retries.saturating_add(1));
    let record = *table.slot(slot);
    tracing::warn!(%slot, version = %record.version, "nobody is at work in rescue: trying the firmware again");
    let about = About {
        version: Some(record.version),
        detail: "it had five boots without a healthy minute, which may have been the power; the unit tried it again",
        ..About::by_unit()
    };
    unit.note("retried", Some(slot), about);
    Ok(())
}
