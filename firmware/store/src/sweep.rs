//! The sweep: the power fails at every step of a change, and again in the life after it, with every way of losing what was
//! not synced.
//!
//! It is run by this crate's own tests, and by whoever asks for the feature `sweep`: a benchmark reports how many cases were
//! looked at, and in how many something was lost. The code that is swept is the code that ships; only the directory
//! and the disk below it are made of memory.

mod files;

pub(crate) use files::{CutFiles, Leave};

use crate::record::{self, FORMAT, NextIds, Record};
use crate::{Cause, Copies, Draft, Store, StoreError};
use evener_config::Config;
use evener_disk::{Cut, CutDisk, RamDisk, SECTOR};
use std::num::TryFromIntError;

/// A store on a directory that forgets.
pub(crate) type SweptStore = Store<CutFiles, RamDisk>;

/// Sectors of a small conf partition: four places of 8 sectors.
pub(crate) const SECTORS: usize = 32;
/// Steps of an append are fewer than this, so a sweep has an end.
const MOST_STEPS: usize = 100;

/// What a sweep came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Swept {
    /// States of the disk, after a cut, that were looked at.
    pub store_cut_cases: usize,
    /// Those in which a confirmed configuration was missing, another than the last or the one under way was there, what it
    /// was made from could not be found, or the next change could not be stored.
    pub store_losses: usize,
}

impl Swept {
    fn count(&mut self, is_good: bool) {
        self.store_cut_cases += 1;
        self.store_losses += usize::from(!is_good);
    }
}

/// Why a sweep could not be run at all: an error of the sweep, none of the store.
#[derive(Debug, thiserror::Error)]
pub enum SweepError {
    /// What comes before the first cut failed.
    #[error("a store without power cuts fails")]
    Store(#[from] StoreError),
    /// As above.
    #[error("a second copy without power cuts fails")]
    Conf(#[from] crate::ConfError),
    /// As above.
    #[error("a record cannot be encoded")]
    Encode(#[from] serde_json::Error),
    /// A number of this sweep is too large.
    #[error("a number of the sweep is too large")]
    Number(#[from] TryFromIntError),
    /// An append has no end.
    #[error("an append takes more than {MOST_STEPS} steps")]
    Endless,
}

/// The whole sweep: of the files of generations, and of their second copy.
///
/// # Errors
/// When it could not be run; what it found is in the result.
pub fn run() -> Result<Swept, SweepError> {
    let (files, copies) = (of_files(None)?, of_copies()?);
    Ok(Swept {
        store_cut_cases: files.store_cut_cases + copies.store_cut_cases,
        store_losses: files.store_losses + copies.store_losses,
    })
}

/// A change to the generation of this number. Every second one takes back the one before it, with a reason.
pub(crate) fn draft(number: u16) -> Draft {
    let mut config = Config::default();
    config.unit.web_port = number;
    let is_undo = number.is_multiple_of(2);
    let cause = Cause {
        reason: is_undo.then(|| format!("{number} was asked for")),
        undoes: is_undo.then(|| u64::from(number.saturating_sub(1))),
        restores: None,
    };
    let next_ids = NextIds { vs: 1, rs: 1 };
    Draft {
        author: "bal".into(),
        unix_s: 0,
        cause,
        summary: vec![format!("port {number}")],
        next_ids,
        config,
    }
}

/// Three generations, all synced, of which two are kept: the next append also prunes. From then on syncs may be
/// ignored.
pub(crate) fn prepared(ignore: Option<Leave>) -> Result<CutFiles, SweepError> {
    let mut store = open(CutFiles::default())?;
    for number in 1..=3 {
        store.append(draft(number))?;
    }
    let mut files = store.files;
    (files.ignore, files.steps) = (ignore, 0);
    Ok(files)
}

fn open(files: CutFiles) -> Result<SweptStore, StoreError> {
    let mut store = SweptStore::open(files, None)?.0;
    store.kept = 2;
    Ok(store)
}

/// The generation that is in force, if it is what was drafted and what it was made from is there.
fn found(store: &mut SweptStore) -> Option<u16> {
    let record = store.current()?.clone();
    let number = record.config.unit.web_port;
    let drafted = draft(number);
    let is_as_drafted = record.generation == u64::from(number)
        && (&record.reason, record.undoes) == (&drafted.cause.reason, drafted.cause.undoes)
        && record.summary == drafted.summary;
    (is_as_drafted && store.parent_of(&record).is_ok()).then_some(number)
}

/// Cuts the power at every step of two appends in a row, twice.
///
/// # Errors
/// When it could not be run.
pub(crate) fn of_files(ignore: Option<Leave>) -> Result<Swept, SweepError> {
    let mut swept = Swept::default();
    for first_cut in 0..MOST_STEPS {
        let mut files = prepared(ignore)?;
        files.cut = Some(first_cut);
        let mut store = open(files)?;
        let promised = if store.append(draft(4)).is_ok() { 4 } else { 3 };
        let is_last = promised == 4 && first_cut > store.files.steps;
        if ignore.is_some() && swept.store_losses > 0 {
            return Ok(swept);
        }
        for files in store.files.after_power_cut() {
            life_after(files, promised, &mut swept)?;
        }
        if is_last {
            return Ok(swept);
        }
    }
    Err(SweepError::Endless)
}

/// What is found after the first cut, and after a second one in the append that follows.
fn life_after(files: CutFiles, promised: u16, swept: &mut Swept) -> Result<(), SweepError> {
    let mut again = open(files)?;
    let Some(found_now) = found(&mut again).filter(|found| (promised..=4).contains(found)) else {
        swept.count(false);
        return Ok(());
    };
    let next = found_now + 1;
    for second_cut in 0..6 {
        let mut files = again.files.clone();
        (files.steps, files.cut) = (0, Some(second_cut));
        let mut second = open(files)?;
        let promised = if second.append(draft(next)).is_ok() { next } else { found_now };
        for files in second.files.after_power_cut() {
            let last = found(&mut open(files)?);
            swept.count(last.is_some_and(|last| (promised..=next).contains(&last)));
        }
    }
    let is_stored = again.append(draft(next)).is_ok();
    swept.count(is_stored && found(&mut again) == Some(next));
    Ok(())
}

/// Cuts the power in every way while the second copy is written.
///
/// # Errors
/// When it could not be run.
pub(crate) fn of_copies() -> Result<Swept, SweepError> {
    let mut swept = Swept::default();
    let cuts = [Cut::Before, Cut::After].into_iter().chain((0..=5 * SECTOR).step_by(64).map(Cut::Torn));
    for last in 1..=6 {
        for cut in cuts.clone() {
            for survives in [false, true] {
                let mut disk = CutDisk::cutting(with_copies(last)?, 0, cut);
                // The power failed before the flush: whoever promised this write did not see it fail.
                let is_promised = write(&mut disk, last + 1).is_ok();
                let found = newest(&mut disk.after_power_cut(|_| survives))?;
                swept.count(!is_promised && (found == last || found == last + 1));
            }
        }
        let mut disk = CutDisk::new(with_copies(last)?);
        write(&mut disk, last + 1)?;
        swept.count(newest(&mut disk.after_power_cut(|_| false))? == last + 1);
    }
    Ok(swept)
}

/// The bytes of a generation.
pub(crate) fn bytes_in(format: u16, generation: u64) -> Result<Vec<u8>, SweepError> {
    let mut draft = draft(u16::try_from(generation)?);
    draft.summary = vec!["x".repeat(1000)];
    Ok(record::encode(&Record::new(format, generation, None, draft))?.0)
}

/// A partition with copies of the generations 1 to `last`.
pub(crate) fn with_copies(last: u64) -> Result<RamDisk, SweepError> {
    let mut disk = RamDisk::new(SECTORS);
    for generation in 1..=last {
        write(&mut disk, generation)?;
    }
    Ok(disk)
}

/// The newest generation that is held; 0 for none.
pub(crate) fn newest(disk: &mut RamDisk) -> Result<u64, SweepError> {
    Ok(Copies::open(disk)?.1.map_or(0, |(record, _)| record.generation))
}

fn write<B: evener_disk::Blocks>(disk: B, generation: u64) -> Result<(), SweepError> {
    Ok(Copies::open(disk)?.0.write(generation, &bytes_in(FORMAT, generation)?)?)
}
