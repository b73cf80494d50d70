//! What a firmware on trial leaves behind, with few writes.
//!
//! A firmware that hangs or panics cannot say why; what was wrong a moment before is then all that its successor
//! can tell an operator.

use std::time::{Duration, Instant};

use crate::journal::TrialNote;
use crate::prove::trial_note;
use crate::unit::Unit;

/// Writes are this far apart at least, and no more than so many in a boot.
const EVERY: Duration = Duration::from_secs(10);
const MOST: u32 = 40;

/// The note of the running trial; nothing for a firmware that is not on trial.
pub(crate) struct Notes<'a> {
    unit: &'a Unit,
    written: Option<(TrialNote, Instant)>,
    writes: u32,
}

impl<'a> Notes<'a> {
    /// Says that the trial got to its services.
    pub(crate) fn new(unit: &'a Unit) -> Self {
        let note = trial_note(unit);
        if let Some(note) = &note {
            unit.journal().set_trial(Some(note));
        }
        Self { unit, written: note.map(|note| (note, Instant::now())), writes: 0 }
    }

    /// What is wrong now; written if it is something new, and not too often.
    pub(crate) fn now(&mut self, fault: Option<&String>) {
        let due = self.written.as_ref().is_some_and(|(_, at)| at.elapsed() >= EVERY);
        if due && self.writes < MOST {
            self.last(fault.map(String::as_str));
        }
    }

    /// What is wrong now; written if it is something new.
    pub(crate) fn last(&mut self, fault: Option<&str>) {
        let Some((note, at)) = &mut self.written else { return };
        if note.fault.as_deref() == fault {
            return;
        }
        note.fault = fault.map(str::to_owned);
        *at = Instant::now();
        self.writes += 1;
        self.unit.journal().set_trial(Some(note));
    }
}
