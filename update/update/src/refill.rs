//! Slots that the floor has passed, or whose key was revoked, are filled with the running firmware, in the background.

use evener_disk::Slot;
use evener_plan::{Work, work_after_confirm};
use std::sync::Arc;
use std::time::Duration;

use crate::unit::{About, Unit};

/// While an operator does something to the slots, whoever works in the background waits.
pub(crate) const AGAIN_AFTER: Duration = Duration::from_secs(10);

/// Does what is left to do after a proof of health. What fails is logged, noted, and done again at the next boot.
pub(crate) async fn refill(unit: &Arc<Unit>) {
    let mut done: Vec<Slot> = Vec::new();
    loop {
        let skip = done.clone();
        let Some(work) = unit.blocking(move |unit| next(unit, &skip)).await.flatten() else { return };
        let words = format!("slot {} is being filled with the running firmware", work.slot);
        let Ok(claim) = unit.claim(&words, false) else {
            tokio::time::sleep(AGAIN_AFTER).await;
            continue;
        };
        done.push(work.slot);
        let copied = unit.blocking(move |unit| copy(unit, work)).await;
        drop(claim);
        if let Some(Err(reason)) = copied {
            tracing::error!(reason, slot = %work.slot, "the slot was not filled; the next boot tries again");
            unit.tell(format!(
                "Slot {} could not be filled with the running firmware ({reason}). Restart the unit to try again.",
                work.slot
            ));
        }
        unit.publish_whole().await;
    }
}

fn next(unit: &Unit, done: &[Slot]) -> Option<Work> {
    let unfinished = unit.journal().refill();
    work_after_confirm(&unit.seen().facts, unfinished).into_iter().find(|work| !done.contains(&work.slot))
}

fn copy(unit: &Unit, work: Work) -> Result<(), String> {
    let running = unit.running().ok_or("which slot is running is not known")?;
    let keys = unit.keys().map_err(|refusal| refusal.detail)?;
    tracing::info!(slot = %work.slot, from = %running, retire = work.retire, "filling a slot");
    // Before it is emptied: after a power cut nothing else tells it from one that an installation left empty.
    unit.journal().set_refill(Some(work.slot));
    let copied = {
        let _one = unit.record();
        evener_slots::copy(&mut unit.partitions(), running, work.slot, &keys)
    };
    let facts = copied.map_err(|fault| fault.to_string())?;
    unit.journal().set_refill(None);
    let detail = if work.retire {
        "what it held must not be started any more: below the floor, or signed with a revoked key"
    } else {
        ""
    };
    let about =
        About { version: Some(facts.version), digest: Some(facts.digest), detail, ..About::by_unit() };
    unit.note("refilled", Some(work.slot), about);
    tracing::info!(slot = %work.slot, version = %facts.version, "the slot is filled and verified");
    Ok(())
}
