//! What happened to the slots, and what a firmware on trial leaves behind, on the data partition.
//!
//! Nothing here decides anything about the slots: they are the loader's and on partitions of their own. A full,
//! lost or read-only data partition costs the history and some words, never an installation or a confirmation;
//! what cannot be written is logged, kept in memory, and said once.

use evener_api::update::Happening;
use evener_disk::Slot;
use evener_store::{Directory, Files};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

/// Entries that are kept; older ones go.
const MOST: usize = 100;
/// Bytes of one entry's words that are kept.
const WORDS: usize = 2000;

const HISTORY: &str = "history.json";
const TRIAL: &str = "trial.json";
const BEFORE: &str = "before.json";
const REFILL: &str = "refill.json";
const RETRIES: &str = "retries.json";

/// One entry of the history.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Entry {
    /// What callers see.
    #[serde(flatten)]
    pub(crate) shown: Happening,
    /// SHA-256 of the firmware's manifest, in hex; empty where it is not known.
    #[serde(default)]
    pub(crate) digest: String,
    /// It failed without having run, so that it may be installed again unasked.
    #[serde(default)]
    pub(crate) never_ran: bool,
}

/// What a firmware on trial got to in its last boot that reached this service.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct TrialNote {
    /// SHA-256 of its manifest, in hex.
    pub(crate) digest: String,
    /// Tries that were left after that boot.
    pub(crate) tries_left: u8,
    /// What was wrong last, if anything was.
    pub(crate) fault: Option<String>,
}

/// A listener that was bound.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Bound {
    /// Number of the virtual service.
    pub(crate) vs: u32,
    /// Where.
    pub(crate) address: SocketAddr,
}

#[derive(Default, Serialize, Deserialize)]
struct History {
    entries: Vec<Entry>,
}

/// The files of this service on the data partition, and the history in memory.
#[derive(Debug)]
pub(crate) struct Journal {
    folder: PathBuf,
    entries: Vec<Entry>,
    /// Why the history could not be written the last time.
    unwritten: Option<String>,
}

impl Journal {
    /// Reads the history below `folder`. One that cannot be read is begun anew: it only tells.
    pub(crate) fn open(folder: &Path) -> Self {
        let mut journal = Self { folder: folder.to_owned(), entries: Vec::new(), unwritten: None };
        journal.entries = journal.read::<History>(HISTORY).unwrap_or_default().entries;
        journal.entries.truncate(MOST);
        journal
    }

    /// Newest first.
    pub(crate) fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// Why the history is not on the disk.
    pub(crate) fn unwritten(&self) -> Option<&str> {
        self.unwritten.as_deref()
    }

    /// Adds an entry, dated now.
    pub(crate) fn add(&mut self, mut entry: Entry) {
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        entry.shown.unix_s = now.map_or(0, |since| since.as_secs());
        let end = entry.shown.detail.floor_char_boundary(WORDS);
        entry.shown.detail.truncate(end);
        // Somebody who tries the same wrong file again and again must not push out what matters.
        if self.entries.first().is_some_and(|newest| is_again(newest, &entry)) {
            self.entries.remove(0);
        }
        self.entries.insert(0, entry);
        self.entries.truncate(MOST);
        let history = History { entries: self.entries.clone() };
        self.unwritten = self.write(HISTORY, &history).err().map(|error| error.to_string());
        if let Some(error) = &self.unwritten {
            tracing::warn!(error, "the history of updates cannot be written");
        }
    }

    /// Whether the last thing that happened to this firmware is that it failed.
    pub(crate) fn knows_failure(&self, digest: &str) -> bool {
        let about = |entry: &&Entry| entry.digest == digest && entry.shown.what != "refused";
        self.entries.iter().find(about).is_some_and(|entry| entry.shown.what == "failed")
    }

    /// Digests of firmware whose last trial failed.
    pub(crate) fn failed(&self) -> Vec<&str> {
        let mut seen = Vec::new();
        let mut failed = Vec::new();
        for entry in &self.entries {
            let tells = matches!(entry.shown.what.as_str(), "failed" | "confirmed");
            if tells && !entry.digest.is_empty() && !seen.contains(&entry.digest.as_str()) {
                seen.push(entry.digest.as_str());
                if entry.shown.what == "failed" && !entry.never_ran {
                    failed.push(entry.digest.as_str());
                }
            }
        }
        failed
    }

    /// What the last firmware on trial left behind.
    pub(crate) fn trial(&self) -> Option<TrialNote> {
        self.read(TRIAL)
    }

    /// Leaves word of a trial, or takes it away.
    pub(crate) fn set_trial(&self, note: Option<&TrialNote>) {
        self.set(TRIAL, note);
    }

    /// What was bound before the update.
    pub(crate) fn before(&self) -> Vec<Bound> {
        self.read(BEFORE).unwrap_or_default()
    }

    /// Remembers what is bound, or forgets it.
    pub(crate) fn set_before(&self, bound: Option<&[Bound]>) {
        self.set(BEFORE, bound);
    }

    /// The slot that a refill has emptied and not filled yet.
    pub(crate) fn refill(&self) -> Option<Slot> {
        self.read::<char>(REFILL).and_then(Slot::from_letter)
    }

    /// Remembers that slot.
    pub(crate) fn set_refill(&self, slot: Option<Slot>) {
        self.set(REFILL, slot.map(Slot::letter).as_ref());
    }

    /// How often rescue has tried the firmware again by itself since the unit was last healthy.
    pub(crate) fn retries(&self) -> u32 {
        self.read(RETRIES).unwrap_or_default()
    }

    /// Remembers that; 0 forgets it.
    pub(crate) fn set_retries(&self, retries: u32) {
        self.set(RETRIES, (retries > 0).then_some(&retries));
    }

    fn read<T: DeserializeOwned>(&self, name: &str) -> Option<T> {
        let path = self.folder.join(name);
        let bytes = match std::fs::read(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return None,
            Err(error) => {
                tracing::warn!(%error, path = %path.display(), "cannot be read");
                return None;
            }
        };
        serde_json::from_slice(&bytes)
            .inspect_err(|error| tracing::warn!(%error, path = %path.display(), "is damaged"))
            .ok()
    }

    fn set<T: Serialize + ?Sized>(&self, name: &str, value: Option<&T>) {
        let outcome = match value {
            Some(value) => self.write(name, value),
            None if self.folder.join(name).exists() => self.remove(name),
            None => Ok(()),
        };
        if let Err(error) = outcome {
            tracing::warn!(%error, name, "cannot be written");
        }
    }

    /// Replaces a file as a whole: a power cut leaves the old one or the new one.
    fn write<T: Serialize + ?Sized>(&self, name: &str, value: &T) -> std::io::Result<()> {
        let content = serde_json::to_vec(value)?;
        let mut folder = Directory::create(&self.folder)?;
        let temporary = format!("{name}.new");
        folder.write(&temporary, &content)?;
        folder.sync(&temporary)?;
        folder.rename(&temporary, name)?;
        folder.sync_dir()
    }

    fn remove(&self, name: &str) -> std::io::Result<()> {
        let mut folder = Directory::create(&self.folder)?;
        folder.remove(name)?;
        folder.sync_dir()
    }
}

/// Whether nothing was done, just as the time before.
fn is_again(before: &Entry, now: &Entry) -> bool {
    let same = Happening { unix_s: before.shown.unix_s, ..now.shown.clone() } == before.shown;
    same && matches!(now.shown.what.as_str(), "refused" | "cancelled")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(what: &str, digest: &str) -> Entry {
        let shown = Happening {
            unix_s: 0,
            what: what.into(),
            slot: Some('B'),
            version: Some("1.1.0".into()),
            author: "bal".into(),
            detail: String::new(),
        };
        Entry { shown, digest: digest.into(), never_ran: false }
    }

    #[test]
    fn the_history_is_bounded_newest_first_and_survives() {
        let folder = tempfile::tempdir().unwrap();
        let mut journal = Journal::open(folder.path());
        for number in 0..MOST + 5 {
            journal.add(entry("installed", &number.to_string()));
        }
        let mut long = entry("failed", "x");
        long.shown.detail = "é".repeat(WORDS);
        journal.add(long);
        let again = Journal::open(folder.path());
        assert_eq!(again.entries(), journal.entries());
        assert_eq!(again.entries().len(), MOST);
        assert_eq!(again.entries()[1].digest, (MOST + 4).to_string());
        assert!(again.entries()[0].shown.detail.len() <= WORDS && again.entries()[0].shown.unix_s > 0);
    }

    #[test]
    fn the_same_refusal_again_is_one_entry() {
        let folder = tempfile::tempdir().unwrap();
        let mut journal = Journal::open(folder.path());
        for what in ["installed", "refused", "refused", "cancelled", "refused"] {
            journal.add(entry(what, ""));
        }
        let whats: Vec<&str> = journal.entries().iter().map(|entry| entry.shown.what.as_str()).collect();
        assert_eq!(whats, ["refused", "cancelled", "refused", "installed"]);
    }

    #[test]
    fn a_data_partition_that_takes_nothing_costs_only_the_history() {
        let root = tempfile::tempdir().unwrap();
        let blocked = root.path().join("file");
        std::fs::write(&blocked, "").unwrap();
        let mut journal = Journal::open(&blocked);
        journal.add(entry("installed", "a"));
        journal.set_trial(Some(&TrialNote::default()));
        journal.set_refill(None);
        assert_eq!(journal.entries().len(), 1, "in memory it is known");
        assert!(journal.unwritten().is_some());
        assert_eq!(journal.trial(), None);
    }

    #[test]
    fn a_damaged_history_is_begun_anew() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join(HISTORY), "{").unwrap();
        assert!(Journal::open(folder.path()).entries().is_empty());
    }

    #[test]
    fn a_failure_counts_until_the_firmware_is_confirmed() {
        let folder = tempfile::tempdir().unwrap();
        let mut journal = Journal::open(folder.path());
        journal.add(entry("installed", "a"));
        assert!(!journal.knows_failure("a"));
        journal.add(entry("failed", "a"));
        journal.add(entry("refused", "a"));
        assert!(journal.knows_failure("a"));
        assert_eq!(journal.failed(), ["a"]);
        journal.add(entry("installed", "a"));
        assert!(!journal.knows_failure("a"), "it has another chance, and may fail once more");
        assert_eq!(journal.failed(), ["a"]);
        journal.add(entry("confirmed", "a"));
        assert!(journal.failed().is_empty());
        journal.add(Entry { never_ran: true, ..entry("failed", "b") });
        assert!(journal.failed().is_empty(), "the loader refused it: the disk may have damaged it");
        assert!(journal.knows_failure("b"));
    }

    #[test]
    fn notes_are_kept_and_taken_away() {
        let folder = tempfile::tempdir().unwrap();
        let journal = Journal::open(folder.path());
        assert_eq!((journal.trial(), journal.refill(), journal.before()), (None, None, vec![]));
        let note = TrialNote { digest: "a".into(), tries_left: 1, fault: Some("no answer".into()) };
        journal.set_trial(Some(&note));
        journal.set_refill(Some(Slot::B));
        let bound = [Bound { vs: 1, address: "127.0.0.1:80".parse().unwrap() }];
        journal.set_before(Some(&bound));
        assert_eq!(
            (journal.trial(), journal.refill(), journal.before()),
            (Some(note), Some(Slot::B), bound.into())
        );
        journal.set_trial(None);
        journal.set_refill(None);
        journal.set_before(None);
        assert_eq!((journal.trial(), journal.refill(), journal.before()), (None, None, vec![]));
    }
}
