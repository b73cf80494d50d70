//! A stick that installs: in the place of a unit's services one program runs, the installer.
//!
//! Whether this is a stick says the partition table of the disk that the root file system is on: nobody but the image
//! builder makes the partition. There is no network, no `data`, no confirmation, and nothing is written to the stick;
//! the watchdogs that the loader armed are fed all the same.

use crate::command_line::CommandLine;
use crate::disk::OwnDisk;
use crate::sysfs::Sysfs;
use crate::watchdogs::Watchdogs;
use crate::{follow_power_button, follow_signals, say};
use anyhow::Context;
use evener_api::lifeline::ENVIRONMENT;
use evener_disk::INSTALLER;
use evener_sys::clock;
use evener_sys::power::{self, Finish};
use evener_sys::process::{self, Exit, Spawn};
use std::ffi::OsString;
use std::io;
use std::os::fd::AsFd;
use std::time::Duration;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;
use tokio::time::sleep;

/// How often the watchdogs are thought of.
const TICK: Duration = Duration::from_secs(1);
/// Pause before an installer that ended in a fault is started again, for somebody to read its words.
const READ_FOR: Duration = Duration::from_secs(10);
/// Most descriptors that it may have open.
const OPEN_FILES: u64 = 1 << 10;

/// The kernel's name of the disk that we run from, if it is a stick.
pub(crate) fn find(sysfs: &Sysfs, line: &CommandLine) -> Option<String> {
    let own = OwnDisk::find(sysfs, line.root.as_deref()?).ok()?;
    let partitions = sysfs.partitions(&own.name).ok()?;
    let is_stick = partitions.iter().any(|part| part.partition_name.as_deref() == Some(INSTALLER));
    is_stick.then_some(own.name)
}

/// Runs the installer until the machine is to stop.
///
/// # Errors
/// When it cannot be started.
pub(crate) fn serve(stick: &str, consoles: &[String]) -> anyhow::Result<(Finish, Watchdogs)> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let (wish, mut wishes) = mpsc::channel(1);
        power::catch_ctrl_alt_del()?;
        follow_power_button(wish.clone());
        follow_signals(wish)?;
        let mut children = signal(SignalKind::child())?;
        let mut watchdogs = Watchdogs::open();
        let mut installer = start(stick, consoles).context("the installer cannot be started")?;
        let mut again_at = None;
        let finish = loop {
            watchdogs.feed(clock::since_boot());
            if again_at.take_if(|at| *at <= clock::since_boot()).is_some() {
                installer = start(stick, consoles).context("the installer cannot be started again")?;
            }
            tokio::select! {
                () = sleep(TICK) => {}
                Some(finish) = wishes.recv() => break finish,
                _ = children.recv() => match end_of(installer) {
                    Some(Exit::Status(0)) => break Finish::PowerOff,
                    Some(exit) => {
                        say(&format!("evener-init: the installer ended ({exit:?}) and is started again"));
                        again_at = Some(clock::since_boot() + READ_FOR);
                    }
                    None => {}
                },
            }
        };
        // A disk that is being written must not be written to while the machine goes down.
        if let Err(error) = process::kill(installer) {
            tracing::debug!(%error, "the installer has ended already");
        }
        power::sync();
        if finish == Finish::PowerOff {
            watchdogs.stop();
        }
        Ok((finish, watchdogs))
    })
}

/// How the installer ended, once it has.
fn end_of(installer: u32) -> Option<Exit> {
    // One signal may stand for several ends.
    let ends: Vec<_> = std::iter::from_fn(process::reap).collect();
    ends.into_iter().find(|(pid, _)| *pid == installer).map(|(_, exit)| exit)
}

fn start(stick: &str, consoles: &[String]) -> io::Result<u32> {
    let words = ["installer", stick].into_iter().chain(consoles.iter().map(String::as_str));
    // It speaks at the consoles by itself, and of what every service says over its lifeline it says nothing.
    let (lifeline, _) = io::pipe()?;
    Spawn {
        program: std::env::current_exe()?,
        arguments: words.map(OsString::from).collect(),
        environment: &[],
        lifeline_name: ENVIRONMENT,
        lifeline: lifeline.into(),
        output: io::stderr().as_fd().try_clone_to_owned()?,
        identity: None,
        open_files: OPEN_FILES,
    }
    .start()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn a_disk_is_a_stick_when_it_has_the_installers_partition() {
        let folder = tempfile::tempdir().unwrap();
        let sysfs = crate::sysfs::tests::tree(folder.path());
        let line = CommandLine::parse("root=/dev/dm-0 ro");
        assert_eq!(find(&sysfs, &line), None);
        // Another disk in the machine may be one: that makes nobody an installer.
        let event =
            |disk: &str| folder.path().join("devices/pci").join(disk).join(format!("{disk}12/uevent"));
        fs::write(event("sdb"), "PARTN=12\nPARTNAME=installer\n").unwrap();
        assert_eq!(find(&sysfs, &line), None);
        fs::write(event("vda"), "PARTN=12\nPARTNAME=installer\n").unwrap();
        assert_eq!(find(&sysfs, &line), Some("vda".into()));
        assert_eq!(find(&sysfs, &CommandLine::default()), None);
    }
}
