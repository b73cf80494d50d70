//! The writing half of an installation, from its first byte to the record that has it tried.

use evener_api::update::{Candidate, InstallOrder, Phase};
use evener_slot_table::SlotFacts;
use evener_slots::Offer;
use std::time::{Duration, Instant};

use crate::busy::Claim;
use crate::install::Stream;
use crate::offer::{End, Offered, offered, truncated};
use crate::unit::Unit;

/// Progress is shown at most this often, and after this many bytes at the latest.
const SHOW_EVERY: Duration = Duration::from_millis(250);
const SHOW_BYTES: u64 = 4 << 20;

/// A firmware that is on the disk, and waits for its first start.
pub(crate) struct Installed {
    /// What it is, for callers.
    pub(crate) candidate: Candidate,
    /// What it is, for the history.
    pub(crate) facts: SlotFacts,
    /// Somebody wanted it in spite of an earlier failure.
    pub(crate) although_it_failed: bool,
}

/// Takes the file from `stream` and installs it.
///
/// # Errors
/// Why not, with what it was as far as that is known.
pub(crate) fn install(
    unit: &Unit,
    order: &InstallOrder,
    stream: &mut Stream,
    claim: &Claim,
) -> Result<Installed, (Option<Box<Candidate>>, End)> {
    let mut candidate = None;
    write(unit, order, stream, claim, &mut candidate).map_err(|end| (candidate, end))
}

fn write(
    unit: &Unit,
    order: &InstallOrder,
    stream: &mut Stream,
    claim: &Claim,
    known: &mut Option<Box<Candidate>>,
) -> Result<Installed, End> {
    let mut taken = Taken::new(unit);
    let mut offer = Offer::new(unit.keys()?);
    let rest = head(&mut offer, stream, &mut taken)?;
    let Offered { mut candidate, admission, config_format } = {
        let verified = offer.verified().ok_or_else(|| truncated(taken.bytes))?;
        offered(&verified, &unit.seen().facts, order.even_if_it_failed)
    };
    candidate.loses = stream.runtime.block_on(unit.lost_by(config_format));
    *known = Some(Box::new(candidate.clone()));
    unit.show_installation(|installation| {
        if let Some(installation) = installation {
            installation.candidate = Some(candidate.clone());
        }
    });
    let admission = admission?;
    if admission.although_it_failed {
        let (version, author) = (&candidate.version, &order.author);
        tracing::warn!(
            version,
            author,
            "it failed on this unit before, and is installed because somebody wants it"
        );
    }
    let mut parts = unit.partitions();
    let mut writing = {
        let _one = unit.record();
        offer.begin(&mut parts, admission.slot, unit.running())?
    };
    unit.journal().set_refill(None);
    unit.publish();
    writing.push(&mut parts, &rest)?;
    drop(rest);
    loop {
        let chunk = stream.next()?;
        if chunk.is_empty() {
            break;
        }
        taken.more(chunk.len());
        writing.push(&mut parts, &chunk)?;
    }
    unit.show_installation(|installation| {
        if let Some(installation) = installation {
            installation.phase = Phase::Verifying;
            installation.taken = taken.bytes;
        }
    });
    stream.runtime.block_on(unit.remember_bound());
    let facts = {
        let _one = unit.record();
        writing.finish(&mut parts)?
    };
    if claim.is_ended() {
        // Ended while it was read back: as if it had been ended a moment before.
        let _one = unit.record();
        evener_slots::discard(&mut parts, admission.slot)?;
        return Err(End::Cancelled);
    }
    Ok(Installed { candidate, facts, although_it_failed: admission.although_it_failed })
}

/// Reads up to the end of the manifest; returns the bytes of the last chunk that are behind it.
fn head(offer: &mut Offer<'_>, stream: &mut Stream, taken: &mut Taken<'_>) -> Result<Vec<u8>, End> {
    loop {
        let chunk = stream.next()?;
        if chunk.is_empty() {
            return Err(truncated(taken.bytes).into());
        }
        taken.more(chunk.len());
        let (used, known) = offer.push(&chunk)?;
        if known {
            return Ok(chunk.get(used..).unwrap_or_default().to_vec());
        }
    }
}

/// Bytes of the file so far, shown now and then.
struct Taken<'a> {
    unit: &'a Unit,
    bytes: u64,
    shown: u64,
    shown_at: Instant,
}

impl<'a> Taken<'a> {
    fn new(unit: &'a Unit) -> Self {
        Self { unit, bytes: 0, shown: 0, shown_at: Instant::now() }
    }

    fn more(&mut self, bytes: usize) {
        self.bytes += bytes as u64;
        if self.bytes - self.shown < SHOW_BYTES && self.shown_at.elapsed() < SHOW_EVERY {
            return;
        }
        (self.shown, self.shown_at) = (self.bytes, Instant::now());
        let taken = self.bytes;
        self.unit.show_installation(|installation| {
            if let Some(installation) = installation {
                installation.taken = taken;
            }
        });
    }
}
