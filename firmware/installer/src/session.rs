//! The conversation: what there is, one question, the installation, and how it went.

use crate::blocks::Disk;
use crate::consoles::Consoles;
use crate::disks::{self, Glance, Sysfs};
use crate::files::{FIRST, Given};
use crate::{device, first};
use anyhow::Context;
use bytes::Bytes;
use evener_disk::Guid;
use evener_formats::Sparse;
use evener_install::{
    Answer, Candidate, How, Meter, NoChoice, Numbers, Order, Plan, Source, decimal_size, list, question,
};
use evener_manifest::Keyset;
use evener_sys::disk::FileBlocks;
use evener_sys::{random_u64, wait_for_randomness};
use std::fs;
use std::path::Path;
use std::time::Duration;

/// The empty file system that the firmware brings along.
const EMPTY: &str = "/usr/share/evener/data.ext4";
/// How often a new disk is looked for.
const LOOK_EVERY: Duration = Duration::from_secs(2);
/// Looks without a change after which the disks of a machine are taken to be complete.
const SETTLED: u32 = 3;
/// Looks after which a disk that is not there is given up.
const PATIENCE: u32 = 15;

const OFF: &str = "\nSwitching off. Nothing more is written.\n";

/// One run of the installer.
pub(crate) struct Session<'a> {
    /// The kernel's name of the disk it was started from.
    pub(crate) stick: &'a str,
    pub(crate) consoles: &'a Consoles,
    /// A folder in memory.
    pub(crate) run: &'a Path,
    pub(crate) keys: Keyset<'a>,
    pub(crate) source: &'a Source,
    pub(crate) given: Given,
}

/// Why an installation failed, and what became of the disk.
struct Failure {
    reason: anyhow::Error,
    /// Whether something was written.
    incomplete: bool,
}

impl Session<'_> {
    /// Runs until the machine is to be switched off.
    pub(crate) fn run(&self) {
        for fault in &self.given.faults {
            self.consoles.say(&format!("\n{fault}\n"));
        }
        let sysfs = Sysfs::new("/sys");
        if let Some(order) = self.given.order.as_ref().filter(|_| self.given.faults.is_empty())
            && self.unattended(&sysfs, order)
        {
            return;
        }
        let (mut shown, mut disks, mut numbers) = (None, Vec::new(), Numbers::default());
        loop {
            let glance = sysfs.glance();
            if shown.as_ref() != Some(&glance) {
                disks = self.show(&sysfs, &mut numbers);
                shown = Some(glance);
            }
            match self.consoles.answer(LOOK_EVERY) {
                Some(Answer::Install { number, how }) => {
                    if self.chosen(&disks, number, how) {
                        return;
                    }
                    shown = None;
                }
                Some(Answer::List) => shown = None,
                Some(Answer::Off) => return self.consoles.say(OFF),
                Some(Answer::Unclear(words)) => self.consoles.say(&format!("\n{words}\n\n{}", question())),
                Some(Answer::Nothing) | None => {}
            }
        }
    }

    /// Does what `install.toml` says. False when that was not possible, and somebody has to answer.
    fn unattended(&self, sysfs: &Sysfs, order: &Order) -> bool {
        self.consoles.say(&format!(
            "\nThis stick installs by itself, as its install.toml says: {}.\nlooking for disks; type \"list\" to choose yourself\n",
            order.disk
        ));
        let (mut before, mut same) = (sysfs.glance(), 0);
        for look in 1.. {
            match self.consoles.answer(LOOK_EVERY) {
                Some(Answer::List | Answer::Install { .. }) => return false,
                Some(Answer::Off) => {
                    self.consoles.say(OFF);
                    return true;
                }
                Some(Answer::Unclear(_) | Answer::Nothing) | None => {}
            }
            let now = sysfs.glance();
            same = if now == before { same + 1 } else { 0 };
            before = now;
            if same < SETTLED {
                continue;
            }
            let disks: Vec<_> = self.disks(sysfs).into_iter().map(|(_, disk)| disk).collect();
            match order.choose(&disks, self.source.version) {
                Ok(chosen) => {
                    return disks.get(chosen.index).is_some_and(|disk| self.attempt(disk, chosen.how));
                }
                // Some controllers take their time.
                Err(NoChoice::None(_)) if look < PATIENCE => {}
                Err(reason) => {
                    self.consoles.say(&format!("\nNothing was installed: {reason}.\n"));
                    return false;
                }
            }
        }
        false
    }

    fn disks(&self, sysfs: &Sysfs) -> Vec<(Glance, Candidate)> {
        sysfs.disks(self.stick, disks::holds)
    }

    /// Shows the list and asks; gives what it shows.
    fn show(&self, sysfs: &Sysfs, numbers: &mut Numbers<Glance>) -> Vec<(usize, Candidate)> {
        let disks = self.disks(sysfs).into_iter();
        let disks: Vec<_> = disks.map(|(glance, disk)| (numbers.of(glance), disk)).collect();
        let version = self.source.version;
        self.consoles.say(&format!("\nDisks of this machine:\n\n{}\n{}", list(&disks, version), question()));
        disks
    }

    fn chosen(&self, disks: &[(usize, Candidate)], number: usize, how: How) -> bool {
        match disks.iter().find(|(known, _)| *known == number) {
            Some((_, disk)) => self.attempt(disk, how),
            None => {
                self.consoles.say(&format!("\nThere is no disk {number} in the list.\n"));
                false
            }
        }
    }

    /// Installs a disk and says how it went; whether it is installed.
    fn attempt(&self, disk: &Candidate, how: How) -> bool {
        let name = &disk.name;
        let Err(Failure { reason, incomplete }) = self.install(disk, how) else {
            self.consoles.say(&format!(
                "\nEvener {} is installed on {name}. The machine switches itself off now.\n\
                 Then pull the stick out, before you switch it on again.\n",
                self.source.version
            ));
            return true;
        };
        let state = match (incomplete, how) {
            (false, _) => "Nothing was changed on it.",
            (true, How::Erase) => {
                "It is incomplete, and nothing starts from it: install it again, or replace it."
            }
            (true, How::Keep) => {
                "Its firmware is incomplete, and nothing starts from it; what it keeps is untouched. Install it again \
                 with \"keep\", or replace it."
            }
        };
        self.consoles.say(&format!("\n{name} was NOT installed: {reason:#}.\n{state}\n"));
        false
    }

    fn install(&self, seen: &Candidate, how: How) -> Result<(), Failure> {
        let untouched = |reason| Failure { reason, incomplete: false };
        let (mut target, mut plan) = self.prepare(seen, how).map_err(untouched)?;
        self.consoles.say(&format!(
            "\nInstalling Evener {} on {} ({}): {}\n\n",
            self.source.version,
            seen.name,
            decimal_size(seen.sectors),
            match how {
                How::Erase => "all that was on it is lost.",
                How::Keep => "its configuration and data stay.",
            }
        ));
        let written = self.write(&mut plan, &mut target, seen, how);
        written.map_err(|reason| Failure { reason, incomplete: plan.has_changed_the_disk() })
    }

    /// Everything that can be checked before the first write.
    fn prepare(&self, seen: &Candidate, how: How) -> anyhow::Result<(Disk, Plan)> {
        let now = self.disks(&Sysfs::new("/sys"));
        let now =
            now.iter().map(|(_, disk)| disk).find(|disk| disk.name == seen.name).context("it is gone")?;
        anyhow::ensure!(now == seen, "it is not what it was when it was listed");
        now.permits(how, self.source.version)?;
        let path = device(&seen.name);
        let opened =
            FileBlocks::open_alone(&path).with_context(|| format!("cannot open {}", path.display()))?;
        let mut target = Disk(opened);
        let sectors = seen.sectors;
        let plan = match how {
            How::Keep => Plan::keep(self.source, &mut target)?,
            How::Erase => Plan::erase(self.source, sectors, empty_file_system()?, &mut guids()?)?,
        };
        Ok((target, plan))
    }

    fn write(&self, plan: &mut Plan, target: &mut Disk, disk: &Candidate, how: How) -> anyhow::Result<()> {
        let mut meter = Meter::default();
        plan.prepare(target, |step, percent| {
            if let Some(line) = meter.line(step, percent) {
                self.consoles.say(&format!("{line}\n"));
            }
        })?;
        if let (Some(text), How::Erase) = (&self.given.first, how) {
            // While it is open for us alone, nothing on it can be mounted.
            let path = device(&disk.name);
            target.0 =
                FileBlocks::open(&path, true).with_context(|| format!("cannot open {}", path.display()))?;
            first::put(&disk.name, text, &self.run.join("target")).context("the first configuration")?;
            self.consoles.say(&format!("  the first configuration ({FIRST}) is on it\n"));
        } else if self.given.first.is_some() {
            self.consoles.say(&format!("  {FIRST} is not used: the unit has a configuration\n"));
        }
        Ok(plan.commit(target, &self.keys)?)
    }
}

fn empty_file_system() -> anyhow::Result<Sparse> {
    let bytes = Bytes::from(fs::read(EMPTY).context("the empty file system cannot be read")?);
    let mut data = Sparse::new(bytes.len() as u64);
    data.put_nonzero(0, &bytes)?;
    Ok(data)
}

/// GUIDs that no other disk has.
fn guids() -> anyhow::Result<impl FnMut() -> Guid> {
    wait_for_randomness().context("there is no randomness for the disk's identity")?;
    let mut number = 0_u64;
    // One disk needs fifteen; the kernel's answer is whole or an error, which by now it has no reason for.
    let seeds: Vec<u64> = (0..64).map(|_| random_u64()).collect::<Result<_, _>>()?;
    let mut seeds = seeds.into_iter();
    Ok(move || {
        let mut bytes = [0; 16];
        let (first, second) = bytes.split_at_mut(8);
        number += 1;
        first.copy_from_slice(&seeds.next().unwrap_or(number).to_le_bytes());
        second.copy_from_slice(&seeds.next().unwrap_or(number).to_le_bytes());
        Guid::from_random(bytes)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_guid_is_another() {
        let mut guid = guids().unwrap();
        let mut all: Vec<Guid> = (0..15).map(|_| guid()).collect();
        all.sort();
        all.dedup();
        assert_eq!(all.len(), 15);
    }
}
