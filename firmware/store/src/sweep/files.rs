//! A directory that forgets what was not synced when the power fails.

use crate::Files;
use std::collections::BTreeMap;
use std::io;

/// A step that a broken store would leave out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Leave {
    Sync,
    SyncDir,
}

#[derive(Clone, Debug)]
enum NameStep {
    Set(String, usize),
    Rename(String, String, usize),
    Remove(String),
}

/// A directory that forgets what was not synced when the power fails.
#[derive(Clone, Debug, Default)]
pub(crate) struct CutFiles {
    /// Content of each inode: what lasts, and what is seen.
    pub(crate) inodes: Vec<(Vec<u8>, Vec<u8>)>,
    lasting: BTreeMap<String, usize>,
    pub(crate) seen: BTreeMap<String, usize>,
    pending: Vec<NameStep>,
    pub(crate) steps: usize,
    pub(crate) cut: Option<usize>,
    pub(crate) ignore: Option<Leave>,
}

impl CutFiles {
    /// Counts one changing step; an error when the power is gone.
    fn step(&mut self) -> io::Result<()> {
        let here = self.steps;
        self.steps += 1;
        if self.cut.is_some_and(|cut| here >= cut) { Err(io::ErrorKind::Other.into()) } else { Ok(()) }
    }

    pub(crate) fn inode(&self, name: &str) -> io::Result<usize> {
        self.seen.get(name).copied().ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    /// Every directory that may be found after the power came back: each unsynced name step done or not, in any
    /// combination, and each unsynced content lost, torn, or there.
    pub(crate) fn after_power_cut(&self) -> Vec<Self> {
        let mut found = Vec::new();
        for mask in 0..1u32 << self.pending.len() {
            for content in 0..3 {
                let mut lasting = self.lasting.clone();
                for (_, step) in self.pending.iter().enumerate().filter(|(i, _)| mask & (1 << i) != 0) {
                    apply(&mut lasting, step);
                }
                let inodes = self.inodes.iter().map(|(synced, written)| {
                    let now = match content {
                        _ if synced == written => written.clone(),
                        0 => synced.clone(),
                        1 => written[..written.len() / 2].to_vec(),
                        _ => written.clone(),
                    };
                    (now.clone(), now)
                });
                found.push(Self {
                    inodes: inodes.collect(),
                    seen: lasting.clone(),
                    lasting,
                    ignore: self.ignore,
                    ..Self::default()
                });
            }
        }
        found
    }
}

fn apply(names: &mut BTreeMap<String, usize>, step: &NameStep) {
    match step {
        NameStep::Set(name, inode) => _ = names.insert(name.clone(), *inode),
        NameStep::Rename(from, to, inode) => {
            names.remove(from);
            names.insert(to.clone(), *inode);
        }
        NameStep::Remove(name) => _ = names.remove(name),
    }
}

impl Files for CutFiles {
    fn list(&mut self) -> io::Result<Vec<String>> {
        Ok(self.seen.keys().cloned().collect())
    }

    fn read(&mut self, name: &str) -> io::Result<Vec<u8>> {
        Ok(self.inodes[self.inode(name)?].1.clone())
    }

    fn write(&mut self, name: &str, content: &[u8]) -> io::Result<()> {
        let inode = self.inode(name).unwrap_or_else(|_| {
            self.inodes.push((Vec::new(), Vec::new()));
            let step = NameStep::Set(name.to_owned(), self.inodes.len() - 1);
            apply(&mut self.seen, &step);
            self.pending.push(step);
            self.inodes.len() - 1
        });
        // A cut in the middle: the new content may reach the disk, or a half of it.
        self.inodes[inode].1 = content.to_vec();
        self.step()
    }

    fn sync(&mut self, name: &str) -> io::Result<()> {
        let inode = self.inode(name)?;
        self.step()?;
        if self.ignore != Some(Leave::Sync) {
            self.inodes[inode].0 = self.inodes[inode].1.clone();
        }
        Ok(())
    }

    fn rename(&mut self, from: &str, to: &str) -> io::Result<()> {
        let step = NameStep::Rename(from.to_owned(), to.to_owned(), self.inode(from)?);
        apply(&mut self.seen, &step);
        self.pending.push(step);
        self.step()
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
