//! What a firmware file is, from its first bytes, and whether this unit takes it.

use evener_api::update::{Candidate, Inspected};
use evener_disk::Slot;
use evener_manifest::Verified;
use evener_plan::{Admission, Code, Refusal, Statement, UnitFacts, admit};
use evener_slots::{Fault, Offer};
use std::sync::Arc;

use crate::slots::signer;
use crate::unit::{Unit, to_hex};
use crate::words;

/// Why an installation did not come to its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// The sender went away, or somebody ended it.
    Cancelled,
    /// It was refused.
    Refused(Refusal),
}

impl From<Fault> for End {
    fn from(fault: Fault) -> Self {
        Self::Refused(words::refusal(&fault))
    }
}

/// What a verified manifest says, and what this unit makes of it.
pub(crate) struct Offered {
    /// For callers; without what it loses.
    pub(crate) candidate: Candidate,
    /// Whether it may be installed.
    pub(crate) admission: Result<Admission, Refusal>,
    /// The newest records of the configuration that it reads.
    pub(crate) config_format: u16,
}

/// Compares a manifest with the unit.
pub(crate) fn offered(verified: &Verified<'_>, facts: &UnitFacts, even_if_it_failed: bool) -> Offered {
    let statement = Statement::from(verified);
    let admission = admit(&statement, facts, even_if_it_failed);
    // Where it would go, even if it does not.
    let slot = admission.as_ref().map_or_else(
        |_| if facts.running == Some(Slot::B) { Slot::A } else { Slot::B },
        |admission| admission.slot,
    );
    let candidate = Candidate {
        version: statement.version.to_string(),
        signer: signer(verified),
        floor: statement.floor.to_string(),
        installable_from: statement.installable_from.to_string(),
        notes: verified.notes().unwrap_or_default().into(),
        digest: to_hex(&statement.digest),
        slot: slot.letter(),
        replaces: slot.of(&facts.manifests).map(|found| found.version.to_string()),
        loses: Vec::new(),
        refusal: admission.as_ref().err().map(words::told),
    };
    Offered { candidate, admission, config_format: verified.config_format() }
}

/// What the head of a file says.
pub(crate) async fn inspect(unit: &Arc<Unit>, head: Vec<u8>) -> Inspected {
    let looked = unit.blocking(move |unit| look(unit, &head)).await;
    match looked {
        Some(Ok(offered)) => {
            let mut candidate = offered.candidate;
            candidate.loses = unit.lost_by(offered.config_format).await;
            Inspected::Firmware(Box::new(candidate))
        }
        Some(Err(refusal)) => Inspected::Refused(words::told(&refusal)),
        None => Inspected::Refused(words::told(&Code::DiskError.into())),
    }
}

fn look(unit: &Unit, head: &[u8]) -> Result<Offered, Refusal> {
    let mut offer = Offer::new(unit.keys()?);
    let (_, known) = offer.push(head).map_err(|fault| words::refusal(&fault))?;
    let verified = offer.verified().filter(|_| known);
    let verified = verified.ok_or_else(|| truncated(head.len() as u64))?;
    Ok(offered(&verified, &unit.seen().facts, false))
}

/// The file ended before its manifest did.
pub(crate) fn truncated(bytes: u64) -> Refusal {
    Refusal::new(Code::Truncated, format!("the file ends at offset {bytes}, before its manifest does"))
}
