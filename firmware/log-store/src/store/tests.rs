//! When what is written, what is found, what is lost when the disk refuses.

use super::*;
use evener_api::log::MOST_RECORDS;
use std::collections::BTreeMap;

mod cuts;

/// A directory in memory; refuses to write while `full`.
#[derive(Clone, Debug, Default)]
struct InMemory {
    files: BTreeMap<String, Vec<u8>>,
    full: bool,
    writes: u32,
}

impl Folder for InMemory {
    fn list(&mut self) -> io::Result<Vec<String>> {
        Ok(self.files.keys().cloned().collect())
    }

    fn read(&mut self, name: &str) -> io::Result<Vec<u8>> {
        self.files.get(name).cloned().ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn append(&mut self, name: &str, content: &[u8]) -> io::Result<()> {
        self.writes += 1;
        let file = self.files.entry(name.to_owned()).or_default();
        if self.full {
            file.extend(&content[..content.len() / 2]);
            return Err(io::ErrorKind::StorageFull.into());
        }
        file.extend(content);
        Ok(())
    }

    fn sync(&mut self, _: &str) -> io::Result<()> {
        Ok(())
    }

    fn remove(&mut self, name: &str) -> io::Result<()> {
        self.files.remove(name).map(drop).ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn sync_dir(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn line(number: u64, level: Level, service: &str, text: &str) -> NewRecord {
    NewRecord {
        unix_ms: 1_000_000 + number * 1000,
        since_boot_ms: number,
        boot: 7,
        number,
        service: service.to_owned(),
        level,
        text: text.to_owned(),
    }
}

/// Segments of ten records, three of them.
const SMALL: Limits =
    Limits { segment_bytes: 600, segments: 3, calm_ms: 600_000, grave_ms: 5_000, waiting_bytes: 64 << 10 };

/// A log with records 1 to `count`, written one by one.
fn log(count: u64) -> LogStore<InMemory> {
    let mut store = LogStore::open(InMemory::default(), SMALL).unwrap();
    for number in 1..=count {
        let level = if number % 5 == 0 { Level::Error } else { Level::Info };
        let service = if number % 2 == 0 { "net" } else { "proxy" };
        store.add(line(number, level, service, &format!("Line {number}")), 0);
        store.write(0).unwrap();
    }
    store
}

fn search() -> Search {
    Search { most: MOST_RECORDS, ..Search::default() }
}

fn found(store: &mut LogStore<InMemory>, search: &Search) -> Vec<u64> {
    store.search(search).unwrap().records.iter().map(|record| record.seq).collect()
}

#[test]
fn ordinary_lines_wait_for_company_and_grave_ones_do_not() {
    let mut store = LogStore::open(InMemory::default(), Limits::default()).unwrap();
    assert_eq!(store.due(), None, "an idle unit writes nothing");
    store.add(line(1, Level::Info, "net", "a"), 1_000);
    store.add(line(2, Level::Info, "net", "b"), 500_000);
    assert_eq!(store.due(), Some(601_000), "the first one's time counts");
    store.add(line(3, Level::Warning, "net", "c"), 510_000);
    assert_eq!(store.due(), Some(515_000));
    store.add(line(4, Level::Error, "net", "d"), 512_000);
    assert_eq!(store.due(), Some(515_000), "a storm of errors is still one write in five seconds");
    store.write(515_000).unwrap();
    assert_eq!((store.folder.writes, store.due()), (1, None));
    store.write(515_001).unwrap();
    assert_eq!(store.folder.writes, 1, "nothing waits, nothing is written");
    for number in 5..2000 {
        store.add(line(number, Level::Info, "net", &"x".repeat(100)), 515_001);
    }
    assert_eq!(store.due(), Some(515_001), "many are written at once");
}

#[test]
fn there_is_never_more_than_the_limit_and_the_newest_stay() {
    let store = log(200);
    assert_eq!(store.folder.files.len(), 3);
    let bytes: usize = store.folder.files.values().map(Vec::len).sum();
    assert!(bytes <= 3 * (600 + 80), "{bytes}");
    let mut again = LogStore::open(store.folder, SMALL).unwrap();
    let all = found(&mut again, &search());
    assert_eq!(all.first(), Some(&200));
    assert_eq!(all, (200 - all.len() as u64 + 1..=200).rev().collect::<Vec<_>>(), "without a gap");
    assert!(all.len() > 16);
    assert_eq!((again.last_number(7), again.last_number(8)), (200, 0));
    again.add(line(201, Level::Info, "net", "next"), 0);
    assert_eq!(found(&mut again, &search())[0], 201, "one that waits is found, and numbers go on");
}

#[test]
fn a_batch_fills_several_segments() {
    let mut store = LogStore::open(InMemory::default(), SMALL).unwrap();
    for number in 1..=20 {
        store.add(line(number, Level::Info, "net", "together"), 0);
    }
    store.write(0).unwrap();
    assert_eq!(store.folder.files.len(), 2 + usize::from(store.folder.writes > 2));
    assert_eq!(found(&mut store, &search()).len(), 20);
}

#[test]
fn what_is_searched_is_found_by_each_of_its_sides() {
    let mut store = log(20);
    store.add(line(21, Level::Error, "web", "Waits \n here"), 0);
    for (search, expected) in [
        (Search { level: Some(Level::Error), ..search() }, vec![21, 20, 15, 10, 5]),
        (Search { service: Some("web".into()), ..search() }, vec![21]),
        (Search { text: "wAITS \\N".into(), ..search() }, vec![21]),
        (
            Search { text: "line 1".into(), oldest_first: true, ..search() },
            vec![1, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19],
        ),
        (Search { since_unix_ms: Some(1_018_000), until_unix_ms: Some(1_020_000), ..search() }, vec![19, 18]),
        (Search { text: "nothing like it".into(), ..search() }, vec![]),
    ] {
        assert_eq!(found(&mut store, &search), expected, "{search:?}");
    }
}

#[test]
fn a_cursor_goes_through_everything_once_in_both_directions() {
    for oldest_first in [false, true] {
        let mut store = log(25);
        store.add(line(26, Level::Info, "net", "waits"), 0);
        let (mut all, mut cursor) = (Vec::new(), None);
        loop {
            let answer = store.search(&Search { cursor, oldest_first, most: 4, ..search() }).unwrap();
            assert!(answer.records.len() <= 4);
            all.extend(answer.records.iter().map(|record| record.seq));
            // A new line in between disturbs nobody.
            store.add(line(99, Level::Info, "net", "between"), 0);
            cursor = answer.next;
            if cursor.is_none() || all.len() >= 26 {
                break;
            }
        }
        let mut expected: Vec<u64> = (1..=26).collect();
        if !oldest_first {
            expected.reverse();
        }
        assert_eq!(all[..26], expected);
    }
}

#[test]
fn a_full_disk_is_tried_again_and_costs_no_record_while_there_is_memory() {
    let mut store = log(12);
    store.folder.full = true;
    for number in 13..=20 {
        store.add(line(number, Level::Error, "net", "while it is full"), 0);
    }
    for try_ms in [5_000, 65_000, 125_000] {
        assert!(matches!(store.write(try_ms), Err(LogStoreError::Write { .. })));
        assert_eq!(store.due(), Some(try_ms + 60_000));
        assert_eq!(found(&mut store, &search()), (1..=20).rev().collect::<Vec<_>>(), "all of them, once");
    }
    store.folder.full = false;
    store.write(200_000).unwrap();
    assert_eq!(store.due(), None);
    let mut again = LogStore::open(store.folder, SMALL).unwrap();
    assert_eq!(found(&mut again, &search())[..10], (11..=20).rev().collect::<Vec<_>>());
}

#[test]
fn what_cannot_wait_any_longer_is_dropped_and_counted() {
    let mut store = log(1);
    store.folder.full = true;
    for number in 2..=1500 {
        store.add(line(number, Level::Info, "net", &"x".repeat(1000)), 0);
    }
    let dropped = store.take_dropped();
    assert!(dropped > 400 && store.take_dropped() == 0, "{dropped}");
    assert!(store.waiting_bytes <= MOST_WAITING_BYTES);
    assert_eq!(store.waiting.back().unwrap().0.record.seq, 1500, "the oldest go");
}

#[test]
fn files_that_are_none_of_ours_are_left_alone() {
    let mut folder = InMemory::default();
    for name in ["lost+found", "1.log", "x0000000000000000001.log", "00000000000000000001.log.bak"] {
        folder.files.insert(name.into(), b"?".to_vec());
    }
    folder.files.insert("99999999999999999999.log".into(), b"beyond any number".to_vec());
    let mut store = LogStore::open(folder, SMALL).unwrap();
    for number in 1..=100 {
        store.add(line(number, Level::Info, "net", "line"), 0);
        store.write(0).unwrap();
    }
    assert_eq!(store.folder.files.len(), 5 + 3);
}
