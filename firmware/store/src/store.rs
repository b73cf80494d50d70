//! The generations: opening, appending, history.
//!
//! Appending is four steps, and their order is what keeps the configuration through a power cut:
//!
//! ```text
//! write new.tmp → sync new.tmp → rename to 42.json → sync the directory → (then the copy on conf)
//!                 the content     the name exists     the name lasts
//!                 lasts first     in one step
//! ```

use crate::record::{self, Digest, FORMAT, NextIds, Record, Unreadable};
use crate::{ConfError, Copies, Files};
use evener_api::control::Cause;
use evener_config::Config;
use evener_disk::Blocks;
use std::collections::{BTreeMap, BTreeSet};
use std::io;

/// Generations that are kept.
pub const KEPT: usize = 100;
/// Name of a record that is being written.
const TEMPORARY: &str = "new.tmp";
/// Ids that are left out for each unreadable generation after the one in force: more than one change can give.
const LEFT_OUT: u32 = 10_000;

/// Why a configuration could not be stored or read.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The directory cannot be listed.
    #[error("the directory of generations cannot be read")]
    List(#[source] io::Error),
    /// Nothing was changed: the record could not be written.
    #[error("generation {generation} cannot be written")]
    Write {
        /// Its number.
        generation: u64,
        /// The kernel's reason.
        source: io::Error,
    },
    /// There is no file of this generation, or it cannot be read.
    #[error("generation {generation} cannot be read")]
    Read {
        /// Its number.
        generation: u64,
        /// The kernel's reason.
        source: io::Error,
    },
    /// The file is there but its content cannot be used.
    #[error("generation {generation} cannot be used")]
    Unreadable {
        /// Its number.
        generation: u64,
        /// Why.
        source: Unreadable,
    },
    /// A configuration that has no JSON form.
    #[error("the configuration cannot be encoded")]
    Encode(#[from] serde_json::Error),
    /// The last possible number is used.
    #[error("there are no generation numbers left")]
    Exhausted,
    /// What it was made from is not there.
    #[error("what was in force before generation {generation} is not kept any more")]
    NoParent {
        /// The number of the child.
        generation: u64,
    },
}

/// Something that an operator must know although the store works.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StoreWarning {
    /// A newer generation than the one in force is there but cannot be used.
    #[error("generation {generation} cannot be used: {reason}")]
    Skipped {
        /// Its number.
        generation: u64,
        /// Why.
        reason: String,
    },
    /// A newer firmware changed the configuration, in a way that this one cannot read.
    #[error(
        "a newer firmware changed the settings (generation {generation}, format {format}) and this one cannot read that: \
         {} in force; nothing is deleted, and the newer settings are back when that firmware runs again, unless something \
         is changed here",
        match used { Some(used) => format!("those of generation {used} are"), None => "the defaults are".to_owned() }
    )]
    Newer {
        /// The newest of those that cannot be read.
        generation: u64,
        /// The format that it is in.
        format: u32,
        /// What is in force in its place.
        used: Option<u64>,
    },
    /// The configuration came from the second copy.
    #[error("generation {generation} was taken from the second copy on the conf partition")]
    TakenFromCopy {
        /// Its number.
        generation: u64,
    },
    /// The second copy cannot be kept up.
    #[error("the second copy of the configuration is not up to date: {reason}")]
    Copy {
        /// Why.
        reason: String,
    },
}

/// A configuration to be stored, with who made it and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Draft {
    /// Who made it.
    pub author: String,
    /// Seconds since 1970-01-01 UTC by the unit's clock.
    pub unix_s: u64,
    /// Why, and what it takes or brings back.
    pub cause: Cause,
    /// The difference to the one before, in words, one line each.
    pub summary: Vec<String>,
    /// The ids to be given next.
    pub next_ids: NextIds,
    /// What is set.
    pub config: Config,
}

/// All generations of a unit, and the one that is in force.
#[derive(Debug)]
pub struct Store<F, B> {
    pub(crate) files: F,
    copies: Option<Copies<B>>,
    current: Option<(Record, Digest)>,
    /// Numbers of the files, valid or not.
    pub(crate) numbers: BTreeSet<u64>,
    /// Highest number ever seen: the next one is above it, so a number never stands for two configurations.
    highest: u64,
    pub(crate) kept: usize,
    /// The newest format that is read, and the one that is written.
    pub(crate) format: u16,
    /// Formats of generations that were looked at to be kept or not.
    formats: BTreeMap<u64, u32>,
    /// Why the second copy lacks the configuration in force.
    copy_lacks: Option<String>,
}

impl<F: Files, B: Blocks> Store<F, B> {
    /// Opens the generations in a directory, with their copy on `conf` where there is that partition. The
    /// newest valid record of both is in force; whichever lacks it gets it.
    ///
    /// # Errors
    /// [`StoreError::List`]. Unreadable records are warnings: an older configuration is better than none.
    pub fn open(files: F, conf: Option<B>) -> Result<(Self, Vec<StoreWarning>), StoreError> {
        Self::open_in(FORMAT, files, conf)
    }

    /// As [`Store::open`], by a firmware of another format.
    pub(crate) fn open_in(
        format: u16,
        mut files: F,
        conf: Option<B>,
    ) -> Result<(Self, Vec<StoreWarning>), StoreError> {
        let (mut warnings, mut newer) = (Vec::new(), None);
        let numbers: BTreeSet<u64> =
            files.list().map_err(StoreError::List)?.iter().filter_map(|name| number_of(name)).collect();
        let mut current = None;
        for generation in numbers.iter().rev().copied() {
            match read(&mut files, generation, format) {
                Ok(found) => {
                    current = Some(found);
                    break;
                }
                Err(StoreError::Unreadable { source: Unreadable::Newer { format, .. }, .. }) => {
                    newer = newer.or(Some((generation, format)));
                }
                Err(error) => {
                    let source = std::error::Error::source(&error).map(ToString::to_string);
                    let reason = source.unwrap_or_else(|| error.to_string());
                    warnings.push(StoreWarning::Skipped { generation, reason });
                }
            }
        }
        let mut copy_lacks = None;
        let (copies, copy) = match conf.map(|conf| Copies::open_in(format, conf)).transpose() {
            Ok(opened) => opened.map_or((None, None), |(copies, newest)| (Some(copies), newest)),
            Err(error) => {
                copy_lacks = Some(error.to_string());
                (None, None)
            }
        };
        let of_files = numbers.last().copied().unwrap_or(0);
        let highest = of_files.max(copies.as_ref().map_or(0, Copies::highest));
        let formats = BTreeMap::new();
        let mut store =
            Self { files, copies, current, numbers, highest, kept: KEPT, format, formats, copy_lacks };
        store.take_newer(copy, &mut warnings);
        let used = store.current().map(|record| record.generation);
        if let Some((generation, format)) =
            newer.filter(|(generation, _)| used.is_none_or(|used| used < *generation))
        {
            warnings.push(StoreWarning::Newer { generation, format, used });
        }
        if let Err(error) = store.complete_copy() {
            store.copy_lacks = Some(error.to_string());
        }
        warnings.extend(store.copy_warning());
        store.leave_ids_out();
        Ok((store, warnings))
    }

    /// The configuration in force; `None` on a unit that never had one.
    #[must_use]
    pub fn current(&self) -> Option<&Record> {
        self.current.as_ref().map(|(record, _)| record)
    }

    /// Stores a configuration; from here on it is in force, also after a power cut. Returns its generation.
    /// That the second copy could not be written is no error, see [`copy_warning`](Self::copy_warning).
    ///
    /// # Errors
    /// [`StoreError::Write`], [`StoreError::Encode`], [`StoreError::Exhausted`]; the one before stays in force.
    pub fn append(&mut self, draft: Draft) -> Result<u64, StoreError> {
        let generation = self.highest.checked_add(1).ok_or(StoreError::Exhausted)?;
        let parent = self.current.as_ref().map(|(_, digest)| digest.clone());
        let record = Record::new(self.format, generation, parent, draft);
        let (bytes, digest) = record::encode(&record)?;
        self.write(generation, &bytes)?;
        self.highest = generation;
        self.current = Some((record, digest));
        if let Some(copies) = &mut self.copies {
            self.copy_lacks = copies.write(generation, &bytes).err().map(|error| error.to_string());
            if let Some(reason) = &self.copy_lacks {
                tracing::warn!(reason, "the second copy of the configuration is not up to date");
            }
        }
        self.prune();
        Ok(generation)
    }

    /// That the second copy lacks the configuration in force, while it does. Without a second copy there is nothing
    /// to say.
    #[must_use]
    pub fn copy_warning(&self) -> Option<StoreWarning> {
        self.copy_lacks.clone().map(|reason| StoreWarning::Copy { reason })
    }

    /// The generation that a firmware would run with that reads formats up to this one; `None` when it could read none.
    #[must_use]
    pub fn newest_up_to(&mut self, format: u16) -> Option<Record> {
        let readable = |record: &Record| record.format() <= u32::from(format);
        if let Some(record) = self.current().filter(|record| readable(record)) {
            return Some(record.clone());
        }
        let (numbers, own) = (self.numbers.iter().rev().copied(), self.format);
        let of_files =
            numbers.filter_map(|number| Some(read(&mut self.files, number, own).ok()?.0)).find(readable);
        let of_copies = self.copies.as_mut().and_then(|copies| copies.newest_up_to(format));
        of_files.into_iter().chain(of_copies).max_by_key(|record| record.generation)
    }

    fn write(&mut self, generation: u64, bytes: &[u8]) -> Result<(), StoreError> {
        let name = name_of(generation);
        let files = &mut self.files;
        let written = (|| {
            files.write(TEMPORARY, bytes)?;
            files.sync(TEMPORARY)?;
            files.rename(TEMPORARY, &name)?;
            files.sync_dir()
        })();
        if let Err(source) = written {
            // What was refused must not come back after a restart. If removing it fails as well, the disk is
            // gone, and what it holds is known to nobody.
            for name in [TEMPORARY, &name] {
                let _ = self.files.remove(name);
            }
            let _ = self.files.sync_dir();
            return Err(StoreError::Write { generation, source });
        }
        self.numbers.insert(generation);
        Ok(())
    }

    /// Takes the second copy's record where it is newer than what the files have, and makes a file of it.
    fn take_newer(&mut self, copy: Option<(Record, Digest)>, warnings: &mut Vec<StoreWarning>) {
        let newest = self.current().map_or(0, |record| record.generation);
        let Some((record, digest)) = copy.filter(|(record, _)| record.generation > newest) else { return };
        let generation = record.generation;
        warnings.push(StoreWarning::TakenFromCopy { generation });
        let written = record::encode(&record)
            .map_err(StoreError::from)
            .and_then(|(bytes, digest)| self.write(generation, &bytes).map(|()| digest));
        let digest = match written {
            // Of the file, which another firmware may have written in other words: the child names its parent by it.
            Ok(of_file) => of_file,
            Err(error) => {
                warnings.push(StoreWarning::Skipped { generation, reason: error.to_string() });
                digest
            }
        };
        self.current = Some((record, digest));
    }

    /// Skips the ids that unreadable newer generations may have given.
    fn leave_ids_out(&mut self) {
        let Some((record, _)) = &mut self.current else { return };
        let newer = self.numbers.range(record.generation.saturating_add(1)..).count();
        let skipped = u32::try_from(newer).unwrap_or(u32::MAX).saturating_mul(LEFT_OUT);
        record.next_ids.vs = record.next_ids.vs.saturating_add(skipped);
        record.next_ids.rs = record.next_ids.rs.saturating_add(skipped);
    }

    /// Writes the configuration in force to the second copy if that does not have it.
    fn complete_copy(&mut self) -> Result<(), ConfError> {
        if let (Some(copies), Some((record, _))) = (&mut self.copies, &self.current)
            && !copies.holds(record.generation)
            && let Ok((bytes, _)) = record::encode(record)
        {
            copies.write(record.generation, &bytes)?;
        }
        Ok(())
    }

    /// Removes what is older than the last [`KEPT`], but for the last generation that a former firmware can read: the
    /// other slot may be started again. A file that stays for want of a sync is removed later.
    fn prune(&mut self) {
        let excess = self.numbers.len().saturating_sub(self.kept);
        let oldest: Vec<u64> = self.numbers.iter().take(excess).copied().collect();
        for oldest in oldest {
            if self.is_needed_by_another(oldest) {
                continue;
            }
            self.numbers.remove(&oldest);
            self.formats.remove(&oldest);
            if let Err(error) = self.files.remove(&name_of(oldest)) {
                tracing::warn!(%error, generation = oldest, "an old generation cannot be removed");
            }
        }
    }

    /// Whether no newer generation can be read by a firmware that reads this one and nothing newer.
    fn is_needed_by_another(&mut self, generation: u64) -> bool {
        let newest = self.current().map_or(0, Record::format);
        let Some(format) = self.format_of(generation).filter(|format| *format < newest) else { return false };
        let newer: Vec<u64> = self.numbers.range(generation.saturating_add(1)..).rev().copied().collect();
        !newer.into_iter().any(|newer| self.format_of(newer).is_some_and(|newer| newer <= format))
    }

    /// The format of a generation; `None` when it is damaged.
    fn format_of(&mut self, generation: u64) -> Option<u32> {
        if let Some(format) = self.formats.get(&generation) {
            return Some(*format);
        }
        let format = match read(&mut self.files, generation, self.format) {
            Ok((record, _)) => record.format(),
            Err(StoreError::Unreadable { source: Unreadable::Newer { format, .. }, .. }) => format,
            Err(_) => return None,
        };
        self.formats.insert(generation, format);
        Some(format)
    }
}

pub(crate) fn read<F: Files>(
    files: &mut F,
    generation: u64,
    format: u16,
) -> Result<(Record, Digest), StoreError> {
    let bytes = files.read(&name_of(generation)).map_err(|source| StoreError::Read { generation, source })?;
    let unreadable = |source| StoreError::Unreadable { generation, source };
    let (record, digest) = record::decode(&bytes, format).map_err(unreadable)?;
    if record.generation != generation {
        let reason = format!("it is generation {} under another's name", record.generation);
        return Err(unreadable(Unreadable::Damaged(reason)));
    }
    Ok((record, digest))
}

fn name_of(generation: u64) -> String {
    format!("{generation}.json")
}

/// The number in a file's name; `None` for files that are none of ours.
fn number_of(name: &str) -> Option<u64> {
    let number = name.strip_suffix(".json")?.parse().ok()?;
    (name_of(number) == name).then_some(number)
}

#[cfg(test)]
mod tests;
