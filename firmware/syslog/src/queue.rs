//! Records that wait for one server.

use evener_api::log::{Level, Record};
use std::collections::VecDeque;

/// What a record costs beside its words.
const RECORD_BYTES: usize = 128;

/// The queue before one server. When it is full new records are counted instead of taken, and as soon as there is room
/// the count is a message itself, in the place of what is missing.
#[derive(Clone, Debug)]
pub struct Queue {
    records: VecDeque<Record>,
    bytes: usize,
    most_bytes: usize,
    /// Records that found no room since the last one that did; the last of them.
    lost: u64,
    last_lost: Option<Record>,
    /// Records that found no room, ever.
    lost_in_all: u64,
}

impl Queue {
    /// An empty queue of at most `most_bytes`, at least room for one record of the longest kind and for the count.
    #[must_use]
    pub fn new(most_bytes: usize) -> Self {
        let most_bytes = most_bytes.max(8 << 10);
        Self { records: VecDeque::new(), bytes: 0, most_bytes, lost: 0, last_lost: None, lost_in_all: 0 }
    }

    /// Adds a record, if there is room for it.
    pub fn push(&mut self, record: Record) {
        let note = self.note();
        let wanted = size(&record).saturating_add(note.as_ref().map_or(0, size));
        if self.bytes.saturating_add(wanted) > self.most_bytes {
            self.lost = self.lost.saturating_add(1);
            self.lost_in_all = self.lost_in_all.saturating_add(1);
            self.last_lost = Some(record);
            return;
        }
        self.bytes = self.bytes.saturating_add(wanted);
        self.records.extend(note);
        self.records.push_back(record);
        (self.lost, self.last_lost) = (0, None);
    }

    /// The record to be sent next. It stays until it [is sent](Self::sent), so that a connection that breaks loses none.
    pub fn front(&mut self) -> Option<&Record> {
        if self.records.is_empty()
            && let Some(note) = self.note()
        {
            self.bytes = self.bytes.saturating_add(size(&note));
            self.records.push_back(note);
            (self.lost, self.last_lost) = (0, None);
        }
        self.records.front()
    }

    /// The record that [`front`](Self::front) gave was sent.
    pub fn sent(&mut self) {
        if let Some(record) = self.records.pop_front() {
            self.bytes = self.bytes.saturating_sub(size(&record));
        }
    }

    /// Records that wait.
    #[must_use]
    pub fn len(&self) -> usize {
        self.records.len()
    }

    /// Whether none waits, and none is lost that was not told.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.records.is_empty() && self.lost == 0
    }

    /// Records that were lost since the queue was made.
    #[must_use]
    pub const fn lost_in_all(&self) -> u64 {
        self.lost_in_all
    }

    /// The message about what is lost, with the place and time of the last of it.
    fn note(&self) -> Option<Record> {
        let last = self.last_lost.as_ref()?;
        let text = match self.lost {
            1 => String::from("1 message was lost here: the syslog server took them too slowly"),
            lost => format!("{lost} messages were lost here: the syslog server took them too slowly"),
        };
        let service = String::from("log");
        Some(Record { level: Level::Warning, service, text, ..last.clone() })
    }
}

fn size(record: &Record) -> usize {
    record.text.len().saturating_add(record.service.len()).saturating_add(RECORD_BYTES)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::tests::record;
    use proptest::prelude::*;

    fn numbered(seq: u64) -> Record {
        Record { seq, ..record(Level::Info, "0123456789") }
    }

    #[test]
    fn what_is_lost_is_said_in_its_place() {
        let mut queue = Queue::new(0);
        for seq in 1..=100 {
            queue.push(numbered(seq));
        }
        let kept = queue.len() as u64;
        assert!(kept > 10 && kept < 100, "{kept}");
        assert_eq!(queue.lost_in_all(), 100 - kept);
        for _ in 0..4 {
            queue.sent();
        }
        queue.push(numbered(101));
        let mut sent = Vec::new();
        while let Some(record) = queue.front() {
            sent.push((record.seq, record.text.clone()));
            queue.sent();
        }
        let lost = 100 - kept;
        let words = format!("{lost} messages were lost here: the syslog server took them too slowly");
        assert_eq!(sent[sent.len() - 2], (100, words), "with the number of the last that is missing");
        assert_eq!(sent.last().unwrap().0, 101);
        assert_eq!(sent[0].0, 5);
        assert!(queue.is_empty());
    }

    #[test]
    fn the_last_losses_are_said_although_nothing_follows() {
        let mut queue = Queue::new(0);
        for seq in 1..=100 {
            queue.push(numbered(seq));
        }
        let mut last = String::new();
        while let Some(record) = queue.front() {
            last.clone_from(&record.text);
            queue.sent();
        }
        assert!(last.ends_with("messages were lost here: the syslog server took them too slowly"), "{last}");
        assert!(queue.is_empty() && queue.bytes == 0);
    }

    #[test]
    fn what_was_not_sent_is_next_again() {
        let mut queue = Queue::new(0);
        queue.push(numbered(1));
        queue.push(numbered(2));
        for _ in 0..3 {
            assert_eq!(queue.front().unwrap().seq, 1);
        }
        queue.sent();
        assert_eq!(queue.front().unwrap().seq, 2);
    }

    proptest! {
        #[test]
        fn every_record_is_sent_in_its_order_or_counted(steps: Vec<(bool, u16)>) {
            let mut queue = Queue::new(0);
            let (mut pushed, mut last_sent, mut sent) = (0_u64, 0, 0_u64);
            let mut told = 0_u64;
            let mut take = |queue: &mut Queue| {
                let Some(record) = queue.front().cloned() else { return false };
                queue.sent();
                if record.service == "log" {
                    told += record.text.split(' ').next().unwrap().parse::<u64>().unwrap();
                } else {
                    assert!(record.seq > last_sent);
                    last_sent = record.seq;
                    sent += 1;
                }
                true
            };
            for (push, length) in steps {
                if push {
                    pushed += 1;
                    let text = "x".repeat(usize::from(length) % 4000);
                    queue.push(Record { seq: pushed, ..record(Level::Info, &text) });
                    prop_assert!(queue.bytes <= queue.most_bytes);
                } else {
                    take(&mut queue);
                }
            }
            while take(&mut queue) {}
            prop_assert_eq!(sent + told, pushed);
            prop_assert_eq!(told, queue.lost_in_all());
        }
    }
}
