//! The installer: what a stick starts in the place of a unit's services.
//!
//! Thin: which disk may be written to and in which order is decided in `evener-install`. Here are the consoles, the
//! disks as the kernel shows them, and the files that operators put on the stick. It reads top to bottom as it runs;
//! `docs/installing.md` is the operator's view. Threads and blocking calls: it does one thing at a time, and init feeds
//! the watchdogs.

#![forbid(unsafe_code)]

mod blocks;
mod consoles;
mod disks;
mod files;
mod first;
mod session;

use crate::consoles::Consoles;
use crate::session::Session;
use anyhow::Context;
use evener_disk::PartitionMap;
use evener_install::Source;
use evener_manifest::Keyset;
use evener_sys::disk::FileBlocks;
use evener_sys::resize::forbid_writes;
use std::path::{Path, PathBuf};

/// The keys that the firmware trusts.
const KEYSET: &str = "/usr/share/evener/keyset";

/// Runs until the machine is to be switched off. `stick` is the kernel's name of the disk that it was started from,
/// `consoles` are the names of terminals in `/dev`, `run` is a folder in memory.
///
/// # Errors
/// When it cannot go on; the consoles were told.
pub fn run(stick: &str, consoles: &[String], run: &Path) -> anyhow::Result<()> {
    let consoles = Consoles::open(consoles);
    consoles.say(&format!(
        "\nEvener {} installer\n\nreading the stick ({stick}); nothing is written to it\n",
        env!("CARGO_PKG_VERSION")
    ));
    let outcome = install(stick, &consoles, run);
    if let Err(error) = &outcome {
        consoles.say(&format!(
            "\nThis stick cannot install anything: {error:#}.\nWrite it anew, or use another one. Type \"off\" to switch off.\n"
        ));
        consoles.wait_for_off();
    }
    consoles.finish();
    Ok(())
}

fn install(stick: &str, consoles: &Consoles, run: &Path) -> anyhow::Result<()> {
    let path = device(stick);
    let disk = FileBlocks::open(&path, false).with_context(|| format!("cannot open {}", path.display()))?;
    // Whatever goes wrong after this, the kernel lets no write through.
    forbid_writes(&disk).context("the stick cannot be protected against writing")?;
    let mut disk = blocks::Disk(disk);
    let keyset = std::fs::read(KEYSET).context("the keys cannot be read")?;
    let keys = Keyset::parse(&keyset).map_err(|fault| anyhow::anyhow!("the keys cannot be read: {fault}"))?;
    let source = Source::read(&mut disk, &keys)?;
    let map = PartitionMap::read(&mut disk).map_err(|fault| anyhow::anyhow!("partition table: {fault}"))?;
    drop(disk);
    let given = files::read(stick, map.installer().is_some(), &run.join("stick"));
    Session { stick, consoles, run, keys, source: &source, given }.run();
    Ok(())
}

/// The node of a block device.
fn device(name: &str) -> PathBuf {
    Path::new("/dev").join(name)
}
