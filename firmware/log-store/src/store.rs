//! The log: what waits, what is written when, what is removed, what is found.

use crate::folder::Folder;
use crate::record::{Numbered, clean, decode, encode, records};
use crate::search::Filter;
use evener_api::log::{Found, Level, Record, Search};
use std::collections::VecDeque;
use std::io;

/// How much there may be, and when it is written.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Bytes after which a segment is full; the last record may go beyond it.
    pub segment_bytes: usize,
    /// Segments kept, at least 2.
    pub segments: usize,
    /// Milliseconds that an ordinary record waits at most.
    pub calm_ms: u64,
    /// Milliseconds that a warning or an error waits at most: long enough for what belongs to it to go with it.
    pub grave_ms: u64,
    /// Bytes that wait at most: then all of them are written.
    pub waiting_bytes: usize,
}

impl Default for Limits {
    /// 8 MiB in all; ordinary records wait ten minutes, grave ones five seconds.
    fn default() -> Self {
        Self {
            segment_bytes: 1 << 20,
            segments: 8,
            calm_ms: 600_000,
            grave_ms: 5_000,
            waiting_bytes: 64 << 10,
        }
    }
}

/// Bytes that wait at most while the disk takes none; older ones are dropped then.
const MOST_WAITING_BYTES: usize = 1 << 20;
/// Milliseconds until the next try after the disk refused one.
const AGAIN_AFTER_MS: u64 = 60_000;

/// Why the log is not written, or cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum LogStoreError {
    /// The directory cannot be read.
    #[error("the directory of the log cannot be read")]
    List(#[source] io::Error),
    /// A segment cannot be read.
    #[error("{name} cannot be read")]
    Read {
        /// The segment's file.
        name: String,
        /// The kernel's reason.
        source: io::Error,
    },
    /// What waited was not, or not all, made durable. It is tried again.
    #[error("{name} cannot be written")]
    Write {
        /// The segment's file.
        name: String,
        /// The kernel's reason.
        source: io::Error,
    },
}

/// A line that is to be kept.
#[derive(Clone, Debug)]
pub struct NewRecord {
    /// Milliseconds since 1970.
    pub unix_ms: u64,
    /// Milliseconds since the kernel started.
    pub since_boot_ms: u64,
    /// Which start of the unit.
    pub boot: u32,
    /// Init's number of the line.
    pub number: u64,
    /// Name of the service; without blanks.
    pub service: String,
    /// How grave.
    pub level: Level,
    /// The words.
    pub text: String,
}

/// One file.
#[derive(Debug)]
struct Segment {
    /// No record in it has a smaller one.
    first: u64,
    /// Its length as far as known; only that of the last one counts.
    bytes: usize,
}

impl Segment {
    fn name(&self) -> String {
        format!("{:020}.log", self.first)
    }
}

/// The log over a directory of its own.
#[derive(Debug)]
pub struct LogStore<F> {
    folder: F,
    limits: Limits,
    /// From the oldest to the last, which grows.
    segments: VecDeque<Segment>,
    /// The last segment may end in the middle of a line: the power failed, or the disk refused the rest of it.
    torn: bool,
    /// The last segment ends in a record that lacks nothing but the end of its line. Nothing more goes into it: the next
    /// cut must not take back what was there.
    sealed: bool,
    /// The last segment's name is not durable yet.
    nameless: bool,
    next_seq: u64,
    /// The last line that was kept: start of the unit, init's number.
    last: Option<(u32, u64)>,
    waiting: VecDeque<(Numbered, usize)>,
    waiting_bytes: usize,
    /// When what waits has to be written.
    due_ms: Option<u64>,
    /// Not before this moment, because the disk has just refused.
    not_before_ms: u64,
    /// Records that could not wait any longer while the disk took none.
    dropped: u64,
}

impl<F: Folder> LogStore<F> {
    /// Opens the log that a former life left. Nothing is written.
    ///
    /// # Errors
    /// [`LogStoreError::List`], or [`LogStoreError::Read`] of the last segment.
    pub fn open(mut folder: F, limits: Limits) -> Result<Self, LogStoreError> {
        let names = folder.list().map_err(LogStoreError::List)?;
        let first =
            |name: &String| name.strip_suffix(".log").filter(|digits| digits.len() == 20)?.parse().ok();
        let mut firsts: Vec<u64> = names.iter().filter_map(first).collect();
        firsts.sort_unstable();
        let segments: VecDeque<Segment> =
            firsts.into_iter().map(|first| Segment { first, bytes: 0 }).collect();
        let mut store = Self {
            folder,
            limits,
            segments,
            torn: false,
            sealed: false,
            nameless: false,
            next_seq: 1,
            last: None,
            waiting: VecDeque::new(),
            waiting_bytes: 0,
            due_ms: None,
            not_before_ms: 0,
            dropped: 0,
        };
        // The last record of all is in the last segment, or in the one before when a cut came right after its making.
        for at in (0..store.segments.len()).rev().take(2) {
            let content = store.read(at)?;
            if at + 1 == store.segments.len() {
                let tail = content.rsplit(|byte| *byte == b'\n').next().unwrap_or_default();
                store.sealed = decode(tail).is_some();
                store.torn = !tail.is_empty();
                store.next_seq = store.segments.back().map_or(1, |segment| segment.first).max(1);
            }
            if let Some(segment) = store.segments.get_mut(at) {
                segment.bytes = content.len();
            }
            if let Some(last) = records(&content).last() {
                store.next_seq = store.next_seq.max(last.record.seq.saturating_add(1));
                store.last = Some((last.record.boot, last.number));
                break;
            }
        }
        Ok(store)
    }

    /// Init's number of the last line that was kept of this start of the unit; 0 when there is none.
    #[must_use]
    pub fn last_number(&self, boot: u32) -> u64 {
        self.last.filter(|(last_boot, _)| *last_boot == boot).map_or(0, |(_, number)| number)
    }

    /// Adds a record, and gives it with its place in the log. It waits in memory; see [`due`](Self::due).
    pub fn add(&mut self, new: NewRecord, now_ms: u64) -> Record {
        let NewRecord { unix_ms, since_boot_ms, boot, number, service, level, text } = new;
        let record = Record {
            seq: self.next_seq,
            unix_ms,
            since_boot_ms,
            boot,
            service: clean(&service).replace(' ', "_"),
            level,
            text: clean(&text),
        };
        self.next_seq = self.next_seq.saturating_add(1);
        self.last = Some((boot, number));
        let numbered = Numbered { record: record.clone(), number };
        let bytes = encode(&numbered).len();
        self.waiting.push_back((numbered, bytes));
        self.waiting_bytes += bytes;
        while self.waiting_bytes > MOST_WAITING_BYTES
            && let Some((_, bytes)) = self.waiting.pop_front()
        {
            self.waiting_bytes -= bytes;
            self.dropped += 1;
        }
        let wait_ms = match level {
            _ if self.waiting_bytes >= self.limits.waiting_bytes => 0,
            Level::Error | Level::Warning => self.limits.grave_ms,
            Level::Info | Level::Debug => self.limits.calm_ms,
        };
        let due_ms = now_ms.saturating_add(wait_ms);
        self.due_ms = Some(self.due_ms.map_or(due_ms, |earlier| earlier.min(due_ms)));
        record
    }

    /// When [`write`](Self::write) is to be called; `None` while nothing waits.
    #[must_use]
    pub fn due(&self) -> Option<u64> {
        self.due_ms.map(|due_ms| due_ms.max(self.not_before_ms))
    }

    /// Records that were dropped since the last call because the disk took none.
    pub fn take_dropped(&mut self) -> u64 {
        std::mem::take(&mut self.dropped)
    }

    /// Writes all that waits, durably. Blocking.
    ///
    /// # Errors
    /// [`LogStoreError::Write`]; what was not written waits on, and is due again in a minute.
    pub fn write(&mut self, now_ms: u64) -> Result<(), LogStoreError> {
        while !self.waiting.is_empty() {
            if let Err(source) = self.write_batch() {
                self.not_before_ms = now_ms.saturating_add(AGAIN_AFTER_MS);
                // Some of it may be there.
                self.torn = true;
                let name = self.segments.back().map(Segment::name).unwrap_or_default();
                return Err(LogStoreError::Write { name, source });
            }
        }
        self.due_ms = None;
        Ok(())
    }

    /// Writes as much of what waits as the last segment takes.
    fn write_batch(&mut self) -> io::Result<()> {
        let is_full = |last: &Segment| last.bytes >= self.limits.segment_bytes;
        if self.sealed || self.segments.back().is_none_or(is_full) {
            let first = self.waiting.front().map_or(self.next_seq, |(waiting, _)| waiting.record.seq);
            self.make_room()?;
            self.segments.push_back(Segment { first, bytes: 0 });
            (self.torn, self.sealed, self.nameless) = (false, false, true);
        }
        let Some(last) = self.segments.back_mut() else { return Ok(()) };
        // A line that was torn stays alone on its own.
        let mut batch = if self.torn { String::from("\n") } else { String::new() };
        let mut count = 0;
        for (waiting, bytes) in &self.waiting {
            if last.bytes + batch.len() >= self.limits.segment_bytes && count > 0 {
                break;
            }
            batch.reserve(*bytes);
            batch.push_str(&encode(waiting));
            count += 1;
        }
        let name = last.name();
        self.folder.append(&name, batch.as_bytes())?;
        last.bytes += batch.len();
        self.folder.sync(&name)?;
        if self.nameless {
            self.folder.sync_dir()?;
            self.nameless = false;
        }
        self.torn = false;
        for (_, bytes) in self.waiting.drain(..count) {
            self.waiting_bytes = self.waiting_bytes.saturating_sub(bytes);
        }
        Ok(())
    }

    /// Removes the oldest segments, so that there is place for one more.
    fn make_room(&mut self) -> io::Result<()> {
        let most = self.limits.segments.max(2);
        while self.segments.len() >= most
            && let Some(oldest) = self.segments.front()
        {
            match self.folder.remove(&oldest.name()) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => _ = self.segments.pop_front(),
            }
            // Of two that are removed the older one must not be the one that comes back.
            if self.segments.len() >= most {
                self.folder.sync_dir()?;
            }
        }
        Ok(())
    }

    /// What was asked for: of the disk, and of what waits. Blocking; reads up to all segments, one after the other.
    ///
    /// # Errors
    /// [`LogStoreError::Read`].
    pub fn search(&mut self, search: &Search) -> Result<Found, LogStoreError> {
        let filter = Filter::new(search);
        let most = filter.most();
        let mut found = Vec::new();
        let places = self.segments.len() + 1;
        for step in 0..places {
            let at = if search.oldest_first { step } else { places - 1 - step };
            if !self.may_hold(at, &filter) {
                continue;
            }
            let mut here: Vec<Record> = if at == self.segments.len() {
                let waiting = self.waiting.iter().map(|(waiting, _)| &waiting.record);
                waiting.filter(|record| filter.wants(record)).cloned().collect()
            } else {
                // What failed half way is on the disk and waits, too.
                let waits_from = self.waiting.front().map_or(u64::MAX, |(waiting, _)| waiting.record.seq);
                let content = self.read(at)?;
                let on_disk = records(&content).map(|numbered| numbered.record);
                on_disk.filter(|record| record.seq < waits_from && filter.wants(record)).collect()
            };
            if !search.oldest_first {
                here.reverse();
            }
            found.append(&mut here);
            // One more shows that there is more.
            if found.len() > most {
                found.truncate(most);
                let next = found.last().map(|record| record.seq);
                return Ok(Found { records: found, next });
            }
        }
        Ok(Found { records: found, next: None })
    }

    /// Whether a segment (or, behind the last, what waits) can hold anything that is still ahead.
    fn may_hold(&self, at: usize, filter: &Filter<'_>) -> bool {
        let first = self.segments.get(at).map_or(0, |segment| segment.first);
        let end = self.segments.get(at + 1).map_or(self.next_seq, |segment| segment.first);
        filter.is_ahead(first) || filter.is_ahead(end.saturating_sub(1))
    }

    fn read(&mut self, at: usize) -> Result<Vec<u8>, LogStoreError> {
        let Some(name) = self.segments.get(at).map(Segment::name) else { return Ok(Vec::new()) };
        match self.folder.read(&name) {
            // One whose making failed.
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
            outcome => outcome.map_err(|source| LogStoreError::Read { name, source }),
        }
    }
}

#[cfg(test)]
mod tests;
