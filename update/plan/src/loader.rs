//! What is to be done to the loaders of a unit, one step at a time (`docs/decisions/010-loader-update.md`).
//!
//! The rule: the copy that has booted this machine stays until the other one has booted it as well. What cannot be booted
//! through here, the loader of the kind of firmware that this machine does not have, is written one copy in a boot.

use evener_handoff::{LoaderCopy, LoaderKind, RunningLoader};
use evener_manifest::Version;
use evener_slot_table::{SlotState, SlotTable};

/// What is known about the loaders of a unit whose firmware has proved its health in this boot.
#[derive(Clone, Copy, Debug)]
pub struct LoaderFacts<'a> {
    /// The copy that started the unit.
    pub running: RunningLoader,
    /// Its version.
    pub version: Version,
    /// The version of the running firmware, which is that of the loaders it brings.
    pub firmware: Version,
    /// SHA-256 of the loaders that the running firmware brings, UEFI and BIOS; `None` for one that it does not bring.
    pub brought: [Option<[u8; 32]>; 2],
    /// Whether the copies are those: of the UEFI loader, of the BIOS loader; first, second.
    pub same: [[bool; 2]; 2],
    /// Whether those loaders would start every firmware that may be started here: their keys may be others.
    pub start_every_slot: bool,
    /// The slot table.
    pub table: &'a SlotTable,
    /// A copy of the loader that does not run here was written in this boot.
    pub wrote_other_kind: bool,
}

/// One step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LoaderStep {
    /// Write the loader that the running firmware brings over this copy.
    Write(LoaderKind, LoaderCopy),
    /// Have the next boots go through the copy that was not booted: it holds the loader with this digest.
    Try([u8; 32]),
    /// The trial is over: the loader has booted this unit, and its firmware is healthy; or nothing is left to try.
    EndTrial,
}

/// What a unit has of its loaders, when nothing is to be done in this boot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LoaderRest {
    /// Every copy is the one that the running firmware brings; or it brings none.
    UpToDate,
    /// The loader is newer than the running firmware, and stays.
    Newer,
    /// The next restart goes through the new loader.
    Waiting,
    /// The new loader did not get the unit to health in three boots; the installed one stays.
    GivenUp,
    /// A slot holds a firmware whose key the new loader does not trust; it is refilled first.
    Slots,
    /// Another step follows in a later boot.
    Later,
}

/// The next step, or why there is none now.
///
/// # Errors
/// [`LoaderRest`]: not a fault, but the end of the steps.
pub fn loader_step(facts: &LoaderFacts<'_>) -> Result<LoaderStep, LoaderRest> {
    let LoaderFacts { running, table, .. } = facts;
    if running.on_trial && table.loader.is_some() {
        return Ok(LoaderStep::EndTrial);
    }
    if facts.version > facts.firmware {
        return Err(LoaderRest::Newer);
    }
    if !facts.start_every_slot {
        return Err(LoaderRest::Slots);
    }
    let own = running.kind;
    if let Some(digest) = brought(facts, own) {
        let other = running.copy.other();
        match (same(facts, own, running.copy), same(facts, own, other)) {
            (_, false) => return Ok(LoaderStep::Write(own, other)),
            (false, true) => return boot_through(table, digest),
            (true, true) if table.loader.is_some() => return Ok(LoaderStep::EndTrial),
            (true, true) => {}
        }
    }
    let other = own.other();
    let stale = LoaderCopy::ALL.into_iter().find(|copy| !same(facts, other, *copy));
    match (brought(facts, other), stale) {
        (Some(_), Some(_)) if facts.wrote_other_kind => Err(LoaderRest::Later),
        (Some(_), Some(copy)) => Ok(LoaderStep::Write(other, copy)),
        _ => Err(LoaderRest::UpToDate),
    }
}

/// The new loader lies in the copy that was not booted.
fn boot_through(table: &SlotTable, digest: [u8; 32]) -> Result<LoaderStep, LoaderRest> {
    let trial = table.loader.filter(|trial| trial.digest == digest);
    match trial {
        Some(trial) if trial.tries == 0 => return Err(LoaderRest::GivenUp),
        Some(_) => return Err(LoaderRest::Waiting),
        None => {}
    }
    // What a new loader and a new firmware change at once nobody could tell apart.
    let firmware_on_trial = table.slots.iter().any(|slot| slot.state == SlotState::Trial && slot.tries > 0);
    if firmware_on_trial { Err(LoaderRest::Later) } else { Ok(LoaderStep::Try(digest)) }
}

fn brought(facts: &LoaderFacts<'_>, kind: LoaderKind) -> Option<[u8; 32]> {
    let [uefi, bios] = facts.brought;
    match kind {
        LoaderKind::Uefi => uefi,
        LoaderKind::Bios => bios,
    }
}

fn same(facts: &LoaderFacts<'_>, kind: LoaderKind, copy: LoaderCopy) -> bool {
    let [uefi, bios] = facts.same;
    let [first, second] = match kind {
        LoaderKind::Uefi => uefi,
        LoaderKind::Bios => bios,
    };
    match copy {
        LoaderCopy::First => first,
        LoaderCopy::Second => second,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OLD: Version = Version([1, 0, 0, 0]);
    const NEW: Version = Version([1, 1, 0, 0]);
    const LOADERS: [[u8; 32]; 2] = [[1; 32], [2; 32]];

    /// A unit in simulation: which loader each copy holds (0 none, 1 old, 2 new), and which one has booted it.
    struct Unit {
        kind: LoaderKind,
        copies: [[u8; 2]; 2],
        running: RunningLoader,
        table: SlotTable,
        works: bool,
    }

    impl Unit {
        fn new(kind: LoaderKind, works: bool) -> Self {
            let running = RunningLoader { kind, copy: LoaderCopy::First, on_trial: false };
            Self { kind, copies: [[1; 2]; 2], running, table: SlotTable::default(), works }
        }

        fn own(&mut self) -> &mut [u8; 2] {
            &mut self.copies[usize::from(self.kind == LoaderKind::Bios)]
        }

        /// Power on: the machine takes the first copy that is whole, which goes on itself or gives the trial its turn.
        fn boot(&mut self) {
            let works = self.works;
            let own = *self.own();
            let first =
                LoaderCopy::ALL.into_iter().find(|copy| own[copy.index()] != 0).expect("a whole copy");
            assert!(own[first.index()] == 1 || works, "the machine comes upon a loader that does not work");
            self.running = RunningLoader { kind: self.kind, copy: first, on_trial: false };
            let other = first.other();
            if own[other.index()] == 2
                && own[first.index()] != 2
                && self.table.count_loader().is_some()
                && works
            {
                self.running = RunningLoader { copy: other, on_trial: true, ..self.running };
            }
        }

        fn facts(&self, wrote_other_kind: bool) -> LoaderFacts<'_> {
            let version =
                match self.copies[usize::from(self.kind == LoaderKind::Bios)][self.running.copy.index()] {
                    2 => NEW,
                    _ => OLD,
                };
            LoaderFacts {
                running: self.running,
                version,
                firmware: NEW,
                brought: LOADERS.map(Some),
                same: self.copies.map(|kind| kind.map(|copy| copy == 2)),
                start_every_slot: true,
                table: &self.table,
                wrote_other_kind,
            }
        }

        /// All steps of one healthy boot.
        fn steps(&mut self) -> (Vec<LoaderStep>, LoaderRest) {
            let (mut steps, mut wrote) = (Vec::new(), false);
            loop {
                match loader_step(&self.facts(wrote)) {
                    Err(rest) => return (steps, rest),
                    Ok(step) => {
                        steps.push(step);
                        match step {
                            LoaderStep::Write(kind, copy) => {
                                wrote |= kind != self.kind;
                                let proven = self.copies[usize::from(kind == LoaderKind::Bios)];
                                let other = proven[copy.other().index()];
                                assert!(other == 1 || (other == 2 && (self.works || kind != self.kind)));
                                self.copies[usize::from(kind == LoaderKind::Bios)][copy.index()] = 2;
                            }
                            LoaderStep::Try(digest) => assert!(self.table.try_loader(digest)),
                            LoaderStep::EndTrial => assert!(self.table.end_loader_trial()),
                        }
                    }
                }
                assert!(steps.len() < 10, "no end: {steps:?}");
            }
        }
    }

    #[test]
    fn a_loader_that_works_is_everywhere_after_three_boots() {
        use LoaderCopy::{First, Second};
        for kind in LoaderKind::ALL {
            let mut unit = Unit::new(kind, true);
            unit.boot();
            let own = LOADERS[usize::from(kind == LoaderKind::Bios)];
            let first = [LoaderStep::Write(kind, Second), LoaderStep::Try(own)];
            assert_eq!(unit.steps(), (first.to_vec(), LoaderRest::Waiting));
            assert_eq!(unit.steps(), (vec![], LoaderRest::Waiting), "nothing is done twice");
            unit.boot();
            assert!(unit.running.on_trial && unit.running.copy == Second);
            let second = [
                LoaderStep::EndTrial,
                LoaderStep::Write(kind, First),
                LoaderStep::Write(kind.other(), First),
            ];
            assert_eq!(unit.steps(), (second.to_vec(), LoaderRest::Later));
            unit.boot();
            assert_eq!(unit.running.copy, First);
            let third = [LoaderStep::Write(kind.other(), Second)];
            assert_eq!(unit.steps(), (third.to_vec(), LoaderRest::UpToDate));
            unit.boot();
            assert_eq!(unit.steps(), (vec![], LoaderRest::UpToDate));
        }
    }

    #[test]
    fn one_that_does_not_work_is_given_up_and_the_old_one_boots_for_ever() {
        let mut unit = Unit::new(LoaderKind::Uefi, false);
        for boot in 0..10 {
            unit.boot();
            assert_eq!(unit.running.copy, LoaderCopy::First);
            let (_, rest) = unit.steps();
            let expected = if boot < 3 { LoaderRest::Waiting } else { LoaderRest::GivenUp };
            assert_eq!(rest, expected, "boot {boot}");
        }
        assert_eq!(unit.copies, [[1, 2], [1, 1]]);
    }

    #[test]
    fn a_damaged_copy_is_written_again() {
        let mut unit = Unit::new(LoaderKind::Bios, true);
        unit.copies = [[2, 0], [0, 2]];
        unit.boot();
        assert_eq!(unit.running.copy, LoaderCopy::Second);
        let steps = [
            LoaderStep::Write(LoaderKind::Bios, LoaderCopy::First),
            LoaderStep::Write(LoaderKind::Uefi, LoaderCopy::Second),
        ];
        assert_eq!(unit.steps(), (steps.to_vec(), LoaderRest::UpToDate));
    }

    #[test]
    fn a_loader_is_never_replaced_by_an_older_one() {
        let mut unit = Unit::new(LoaderKind::Uefi, true);
        unit.boot();
        let facts = LoaderFacts { version: NEW, firmware: OLD, ..unit.facts(false) };
        assert_eq!(loader_step(&facts), Err(LoaderRest::Newer));
    }

    #[test]
    fn a_loader_that_would_refuse_a_slot_waits_until_that_is_refilled() {
        let mut unit = Unit::new(LoaderKind::Uefi, true);
        unit.boot();
        let facts = LoaderFacts { start_every_slot: false, ..unit.facts(false) };
        assert_eq!(loader_step(&facts), Err(LoaderRest::Slots));
    }

    #[test]
    fn a_firmware_that_brings_no_loaders_changes_none() {
        let mut unit = Unit::new(LoaderKind::Uefi, true);
        unit.boot();
        let facts = LoaderFacts { brought: [None; 2], ..unit.facts(false) };
        assert_eq!(loader_step(&facts), Err(LoaderRest::UpToDate));
    }

    #[test]
    fn a_firmware_that_waits_for_its_first_start_goes_first() {
        let mut unit = Unit::new(LoaderKind::Uefi, true);
        unit.boot();
        unit.table.slots[1].state = SlotState::Trial;
        unit.table.slots[1].tries = 3;
        let written = [LoaderStep::Write(LoaderKind::Uefi, LoaderCopy::Second)];
        assert_eq!(unit.steps(), (written.to_vec(), LoaderRest::Later));
    }
}
