//! The sweep: power cuts at every step, with every way of losing what was not synced.

use super::*;

/// A step that a broken log would leave out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Leave {
    Sync,
    SyncDir,
}

#[derive(Clone, Debug)]
enum NameStep {
    Set(String, usize),
    Remove(String),
}

/// A directory that forgets what was not synced when the power fails.
#[derive(Clone, Debug, Default)]
struct CutFolder {
    /// Of each file: how much of it lasts, and what is seen.
    inodes: Vec<(usize, Vec<u8>)>,
    lasting: BTreeMap<String, usize>,
    seen: BTreeMap<String, usize>,
    pending: Vec<NameStep>,
    steps: usize,
    cut: Option<usize>,
    ignore: Option<Leave>,
}

impl CutFolder {
    fn step(&mut self) -> io::Result<()> {
        let here = self.steps;
        self.steps += 1;
        if self.cut.is_some_and(|cut| here >= cut) { Err(io::ErrorKind::Other.into()) } else { Ok(()) }
    }

    fn inode(&self, name: &str) -> io::Result<usize> {
        self.seen.get(name).copied().ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    /// Every directory that may be found after the power came back: each unsynced name step done or not, in any
    /// combination; of what was appended nothing, a part, zeros in its place, or all.
    fn after_power_cut(&self) -> Vec<Self> {
        let mut found = Vec::new();
        for mask in 0..1_u32 << self.pending.len() {
            for content in 0..5 {
                let mut lasting = self.lasting.clone();
                for (_, step) in self.pending.iter().enumerate().filter(|(at, _)| mask & (1 << at) != 0) {
                    apply(&mut lasting, step);
                }
                let inodes = self.inodes.iter().map(|(synced, seen)| {
                    let behind = seen.len() - synced;
                    let mut now = seen.clone();
                    match content {
                        0 => now.truncate(*synced),
                        1 => now.truncate(synced + behind / 2),
                        2 => now.truncate(synced + behind.saturating_sub(1)),
                        3 => now[*synced..].fill(0),
                        _ => {}
                    }
                    (now.len(), now)
                });
                let inodes = inodes.collect();
                found.push(Self { inodes, seen: lasting.clone(), lasting, ..Self::default() });
            }
        }
        found
    }
}

fn apply(names: &mut BTreeMap<String, usize>, step: &NameStep) {
    match step {
        NameStep::Set(name, inode) => _ = names.insert(name.clone(), *inode),
        NameStep::Remove(name) => _ = names.remove(name),
    }
}

impl Folder for CutFolder {
    fn list(&mut self) -> io::Result<Vec<String>> {
        Ok(self.seen.keys().cloned().collect())
    }

    fn read(&mut self, name: &str) -> io::Result<Vec<u8>> {
        Ok(self.inodes[self.inode(name)?].1.clone())
    }

    fn append(&mut self, name: &str, content: &[u8]) -> io::Result<()> {
        let inode = self.inode(name).unwrap_or_else(|_| {
            self.inodes.push((0, Vec::new()));
            let step = NameStep::Set(name.to_owned(), self.inodes.len() - 1);
            apply(&mut self.seen, &step);
            self.pending.push(step);
            self.inodes.len() - 1
        });
        self.inodes[inode].1.extend(content);
        self.step()
    }

    fn sync(&mut self, name: &str) -> io::Result<()> {
        let inode = self.inode(name)?;
        self.step()?;
        if self.ignore != Some(Leave::Sync) {
            self.inodes[inode].0 = self.inodes[inode].1.len();
        }
        Ok(())
    }

    fn remove(&mut self, name: &str) -> io::Result<()> {
        self.inode(name)?;
        self.step()?;
        let step = NameStep::Remove(name.to_owned());
        apply(&mut self.seen, &step);
        self.pending.push(step);
        Ok(())
    }

    fn sync_dir(&mut self) -> io::Result<()> {
        self.step()?;
        if self.ignore != Some(Leave::SyncDir) {
            self.lasting = self.seen.clone();
            self.pending.clear();
        }
        Ok(())
    }
}

/// Segments of two records, three of them: every third batch makes a new one and removes one.
const TINY: Limits = Limits { segment_bytes: 110, segments: 3, ..SMALL };

/// Writes records one by one up to this number, or until the power is gone; the last one that was promised.
fn live(store: &mut LogStore<CutFolder>, last: u64) -> u64 {
    let mut promised = store.next_seq - 1;
    while promised < last {
        store.add(line(promised + 1, Level::Error, "net", "a line"), 0);
        if store.write(0).is_err() {
            break;
        }
        promised += 1;
    }
    promised
}

/// Whether the newest records up to the promised one are there without a gap, and nothing that was never written.
fn is_whole(folder: CutFolder, promised: u64) -> Option<LogStore<CutFolder>> {
    let mut store = LogStore::open(folder, TINY).ok()?;
    let all = store.search(&search()).ok()?.records;
    let seqs: Vec<u64> = all.iter().map(|record| record.seq).collect();
    let newest = seqs.first().copied()?;
    // Three segments of two, one of which may have been removed for a new one that is not there yet.
    let oldest_promised = promised.saturating_sub(3).max(1);
    let is_gapless = seqs == (newest + 1 - seqs.len() as u64..=newest).rev().collect::<Vec<_>>();
    let is_true = all.iter().all(|record| record.text == "a line");
    (newest >= promised
        && newest <= promised + 1
        && *seqs.last()? <= oldest_promised
        && is_gapless
        && is_true)
        .then_some(store)
}

/// Cuts the power at every step of a life, and again in the life after it. Outcomes looked at, and losses.
fn sweep(ignore: Option<Leave>) -> (usize, usize) {
    let (mut outcomes, mut losses) = (0, 0);
    let mut store = LogStore::open(CutFolder::default(), TINY).unwrap();
    assert_eq!(live(&mut store, 7), 7);
    let prepared = CutFolder { ignore, steps: 0, ..store.folder };
    for first_cut in 0.. {
        let folder = CutFolder { cut: Some(first_cut), ..prepared.clone() };
        let mut store = LogStore::open(folder, TINY).unwrap();
        let promised = live(&mut store, 12);
        for folder in store.folder.after_power_cut() {
            outcomes += 1;
            let Some(whole) = is_whole(folder, promised) else {
                losses += 1;
                continue;
            };
            for second_cut in 0..8 {
                let folder = CutFolder { ignore, cut: Some(second_cut), ..whole.folder.clone() };
                let mut again = LogStore::open(folder, TINY).unwrap();
                let found = again.next_seq - 1;
                let promised = live(&mut again, found + 3);
                for folder in again.folder.after_power_cut() {
                    outcomes += 1;
                    losses += usize::from(is_whole(folder, promised).is_none());
                }
            }
        }
        if promised == 12 || (ignore.is_some() && losses > 0) {
            break;
        }
    }
    (outcomes, losses)
}

#[test]
fn no_power_cut_loses_a_line_that_was_written() {
    let (outcomes, losses) = sweep(None);
    println!("{outcomes} outcomes");
    assert!(outcomes > 1000, "{outcomes}");
    assert_eq!(losses, 0);
}

#[test]
fn the_sweep_finds_a_log_that_does_not_sync() {
    for ignore in [Leave::Sync, Leave::SyncDir] {
        assert!(sweep(Some(ignore)).1 > 0, "{ignore:?}");
    }
}
