//! Refusals and faults in the form in which callers get them.

use evener_api::update::{Changed, Refusal as Told};
use evener_plan::{Code, Refusal};
use evener_slots::Fault;

/// A refusal with code, words and remedy.
pub(crate) fn told(refusal: &Refusal) -> Told {
    Told {
        code: refusal.code.to_string(),
        kind: refusal.code.kind().into(),
        detail: refusal.detail.clone(),
        remedy: refusal.code.remedy().into(),
        can_be_overridden: refusal.can_be_overridden(),
    }
}

/// Which rule a fault of the slots comes under.
pub(crate) fn refusal(fault: &Fault) -> Refusal {
    let code = match fault {
        Fault::Bundle(error) => return Refusal::from(*error),
        Fault::DoesNotFit { .. } => Code::DoesNotFit,
        Fault::NotAsWritten { .. } => Code::NotVerifiedOnDisk,
        Fault::NotRestorable(..) => Code::NothingToRestore,
        Fault::Manifest { .. } | Fault::Part { .. } | Fault::Loader { .. } | Fault::NotAsRecorded(_) => {
            Code::NotVerifiedOnDisk
        }
        Fault::Target(_) => Code::SlotsUnknown,
        Fault::TableLost | Fault::TableUnreadable => Code::SlotsUnknown,
        Fault::Open { .. } | Fault::Device { .. } | Fault::Table(_) => Code::DiskError,
    };
    Refusal::new(code, fault.to_string())
}

/// What a step that was asked for ended in.
pub(crate) fn changed(outcome: Result<evener_disk::Slot, Refusal>) -> Changed {
    match outcome {
        Ok(next) => Changed::Next(next.letter()),
        Err(refusal) => Changed::Refused(told(&refusal)),
    }
}
