//! What an update may do, and when: every decision of the `update` service, as functions of facts.
//!
//! No disk, no clock and no network here: the service finds out, asks, and does. So each rule can be tested with
//! every combination of facts, and a reader finds the policy of updates in one place:
//!
//! * [`admit`]: whether a firmware may be installed on this unit, and into which slot;
//! * [`restorable`], [`discardable`], [`rescuable`]: the other steps an operator may ask for;
//! * [`Trial`]: when a firmware has proved itself, and when it is given up;
//! * [`Stay`]: when a unit in rescue tries its firmware again by itself;
//! * [`work_after_confirm`]: what is to be put right once it has;
//! * [`loader_step`]: how the loaders follow the firmware;
//! * [`failure_words`]: why a firmware was given up, for an operator.
//!
//! What is refused has a stable code, listed in `docs/firmware-refusals.md`.
#![forbid(unsafe_code)]

mod admission;
mod after;
mod code;
mod facts;
mod failure;
mod loader;
mod refusal;
mod stay;
mod trial;

pub use admission::{Admission, admit, discardable, rescuable, restorable};
pub use after::{Work, work_after_confirm};
pub use code::Code;
pub use facts::{Room, Statement, UnitFacts};
pub use failure::{Reached, failure_words, is_held_against};
pub use loader::{LoaderFacts, LoaderRest, LoaderStep, loader_step};
pub use refusal::Refusal;
pub use stay::Stay;
pub use trial::{Mode, Trial, Verdict};
