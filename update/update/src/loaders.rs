//! The loaders of the disk follow the running firmware, in the background and one step at a time.
//!
//! What may be done is `evener-plan`'s business, how a copy is written over is `evener-slots`'. Nothing is remembered but
//! what the slot table has: each step is seen on the disk (`docs/decisions/010-loader-update.md`).

use evener_api::update::LoaderStatus;
use evener_handoff::{Handoff, LoaderKind, RunningLoader};
use evener_manifest::Version;
use evener_plan::{LoaderFacts, LoaderRest, LoaderStep, loader_step};
use evener_slot_table::SlotTable;
use evener_slots::{Fault, Loaders};
use std::sync::Arc;

use crate::refill::AGAIN_AFTER;
use crate::unit::{About, Unit};

/// Does what is to be done in this boot, after its proof of health. What fails is logged, said, and done again at the next
/// boot.
pub(crate) async fn follow(unit: &Arc<Unit>) {
    let mut wrote_other_kind = false;
    loop {
        let done = unit.blocking(move |unit| next(unit, wrote_other_kind)).await;
        match done {
            Some(Ok(Done::Step { of_other_kind })) => wrote_other_kind |= of_other_kind,
            Some(Ok(Done::Busy)) => tokio::time::sleep(AGAIN_AFTER).await,
            Some(Ok(Done::Rest(rest))) => {
                say(unit, rest);
                break;
            }
            Some(Err(fault)) => {
                tracing::error!(%fault, "the loader was not replaced; the next boot tries again");
                unit.tell(format!(
                    "The loader of this unit could not be replaced ({fault}); the one that boots it was not touched. \
                     Restart the unit to try again, and look at the disk."
                ));
                break;
            }
            None => break,
        }
    }
    unit.publish_whole().await;
}

/// What came of a look at the loaders.
enum Done {
    /// One step was done; another may follow.
    Step { of_other_kind: bool },
    /// An operator is at the slots.
    Busy,
    /// Nothing is to be done in this boot.
    Rest(LoaderRest),
}

fn next(unit: &Unit, wrote_other_kind: bool) -> Result<Done, Fault> {
    // Looked at first without being in anybody's way: most boots find nothing to do.
    if let Err(rest) = look(unit, wrote_other_kind)?.next {
        return Ok(Done::Rest(rest));
    }
    let Ok(_claim) = unit.claim("the loader of this unit is being replaced", false) else {
        return Ok(Done::Busy);
    };
    let found = look(unit, wrote_other_kind)?;
    match found.next {
        Ok(step) => act(unit, &found, step),
        Err(rest) => Ok(Done::Rest(rest)),
    }
}

/// The loaders as the disk has them, and what follows.
struct Found {
    loaders: Loaders,
    firmware: Version,
    next: Result<LoaderStep, LoaderRest>,
}

fn look(unit: &Unit, wrote_other_kind: bool) -> Result<Found, Fault> {
    let firmware = unit.seen().facts.version;
    let (Some((handoff, running)), Ok(keys)) = (told(unit), unit.keys()) else {
        return Ok(Found { loaders: Loaders::default(), firmware, next: Err(LoaderRest::UpToDate) });
    };
    let mut parts = unit.partitions();
    let loaders = Loaders::of(&mut parts, handoff.slot, &keys)?;
    let facts = LoaderFacts {
        running,
        version: handoff.loader,
        firmware,
        brought: loaders.digests(),
        same: loaders.same(),
        start_every_slot: loaders.start_every_slot(),
        table: &evener_slots::table(&mut parts)?,
        wrote_other_kind,
    };
    let next = loader_step(&facts);
    Ok(Found { loaders, firmware, next })
}

/// What the loader told, if it said which copy it is.
fn told(unit: &Unit) -> Option<(Handoff, RunningLoader)> {
    unit.handoff.and_then(|handoff| Some((handoff, handoff.copy?)))
}

fn act(unit: &Unit, found: &Found, step: LoaderStep) -> Result<Done, Fault> {
    let version = found.firmware;
    let note = |detail: &str| {
        unit.note("loader", None, About { version: Some(version), detail, ..About::by_unit() });
    };
    match step {
        LoaderStep::Write(kind, copy) => {
            tracing::info!(%kind, %copy, %version, "writing a copy of the loader");
            found.loaders.write(&mut unit.partitions(), kind, copy)?;
            tracing::info!(%kind, %copy, "the copy is written and was read back");
            let own = told(unit).is_some_and(|(_, running)| running.kind == kind);
            return Ok(Done::Step { of_other_kind: !own });
        }
        LoaderStep::Try(digest) => {
            unit.change(|table| table.try_loader(digest))?;
            tracing::info!(%version, "the next restart goes through the new loader");
            note(
                "its new loader is on the disk; the next restart tries it, and comes back by the old one if it fails",
            );
        }
        LoaderStep::EndTrial => {
            unit.change(SlotTable::end_loader_trial)?;
            if told(unit).is_some_and(|(_, running)| running.on_trial) {
                tracing::info!(%version, "the new loader has booted this unit");
                note("its new loader has booted this unit, and replaces the old one");
            }
        }
    }
    Ok(Done::Step { of_other_kind: false })
}

/// Shows what the unit has of its loaders.
fn say(unit: &Unit, rest: LoaderRest) {
    let Some((handoff, running)) = unit.handoff.and_then(|handoff| Some((handoff, handoff.copy?))) else {
        return;
    };
    let version = handoff.loader;
    let words = match rest {
        LoaderRest::UpToDate | LoaderRest::Newer => None,
        LoaderRest::Waiting => Some("the next restart tries the loader of the running firmware"),
        LoaderRest::Slots => Some("is replaced once no slot holds a firmware that the new one would refuse"),
        LoaderRest::Later => Some("is replaced further at the next restart"),
        LoaderRest::GivenUp => {
            unit.tell(format!(
                "The loader that {} brings did not get this unit to health in three starts, and was given up; loader \
                 {version} stays. Install another version, or this one again once the cause is known.",
                unit.seen().facts.version
            ));
            // Before the word below: who reads that looks for the reason.
            unit.publish();
            Some("the newer one was given up")
        }
    };
    unit.show_loader(LoaderStatus {
        kind: match running.kind {
            LoaderKind::Uefi => "UEFI".into(),
            LoaderKind::Bios => "BIOS".into(),
        },
        version: version.to_string(),
        copy: running.copy.to_string(),
        update: words.map(Into::into),
    });
}
