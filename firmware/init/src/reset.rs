//! The factory reset: everything on `data` but the history of updates, every copy of the configuration, then the order.
//!
//! `evener_store` keeps the order on the `conf` partition and says what a power cut leaves of it. The firmware slots
//! and the floor are not settings: nothing here opens them.

use anyhow::Context;
use evener_api::Service;
use evener_disk::{Blocks, Role};
use evener_observe::Dirs;
use evener_store::{finish_reset, order_reset, reset_is_ordered};
use evener_sys::disk::{FileBlocks, partition_path};
use std::ffi::OsStr;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::Path;

/// What a reset leaves on `data`: how the unit came to its firmware is no setting.
pub(crate) const KEPT: &str = Service::Update.name();
/// The file system's own.
const LOST_AND_FOUND: &str = "lost+found";
/// Longest file whose content is overwritten before it is removed: settings, keys and certificates are shorter.
const OVERWRITTEN: u64 = 4 << 20;

/// Marks the unit for a reset, by the partition that init gave to control. Blocking; durable when it returns.
///
/// # Errors
/// Why the unit is not reset, in words.
pub(crate) fn order(run: &Path) -> anyhow::Result<()> {
    let path = partition_path(run, Role::Conf);
    let mut conf = FileBlocks::open(&path, true).context("the conf partition cannot be opened")?;
    Ok(order_reset(&mut conf)?)
}

/// Carries out a reset if one was ordered, once no service runs. What is left undone is done by the next boot.
pub(crate) fn finish_at_the_end(dirs: &Dirs) -> anyhow::Result<()> {
    let path = partition_path(&dirs.run, Role::Conf);
    let mut conf = FileBlocks::open(&path, true).context("the conf partition cannot be opened")?;
    if reset_is_ordered(&mut conf)? {
        carry_out(Some(&mut conf), &dirs.data)?;
    }
    Ok(())
}

/// Erases the settings. Without a `conf` partition there is nothing but `data`.
///
/// # Errors
/// The first thing that could not be erased; the order stays.
pub(crate) fn carry_out<B: Blocks>(conf: Option<&mut B>, data: &Path) -> anyhow::Result<()> {
    erase_data(data).context("the data partition cannot be erased")?;
    if let Some(conf) = conf {
        finish_reset(conf)?;
    }
    Ok(())
}

/// Everything below `data` but what is kept. Goes on where something fails, and then fails.
fn erase_data(data: &Path) -> io::Result<()> {
    let mut outcome = Ok(());
    for entry in fs::read_dir(data)? {
        let entry = entry?;
        if ![KEPT, LOST_AND_FOUND].map(OsStr::new).contains(&&*entry.file_name()) {
            outcome = outcome.and(erase(&entry.path(), entry.file_type()?));
        }
    }
    File::open(data)?.sync_all()?;
    outcome
}

fn erase(path: &Path, kind: fs::FileType) -> io::Result<()> {
    if !kind.is_dir() {
        let overwritten = if kind.is_file() { overwrite(path) } else { Ok(()) };
        return fs::remove_file(path).and(overwritten);
    }
    let mut outcome = Ok(());
    for entry in fs::read_dir(path)? {
        let entry = entry?;
        outcome = outcome.and(erase(&entry.path(), entry.file_type()?));
    }
    outcome.and(fs::remove_dir(path))
}

/// Zeros in place of the content. What the drive keeps of it elsewhere, such as a flash disk's spare blocks, is out of
/// reach.
fn overwrite(path: &Path) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).open(path)?;
    let length = file.metadata()?.len();
    if length > OVERWRITTEN {
        return Ok(());
    }
    io::copy(&mut io::Read::take(io::repeat(0), length), &mut file)?;
    file.flush()?;
    file.sync_data()
}

#[cfg(test)]
mod tests {
    use super::*;
    use evener_disk::RamDisk;

    fn used(data: &Path) {
        for (path, content) in [
            ("control/generations/1.json", "settings"),
            ("web/key.pem", "secret"),
            ("net/settings", "addresses"),
            ("update/history", "installed 1.2.0"),
            ("lost+found/x", "orphan"),
            ("stray", "file"),
        ] {
            let path = data.join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, content).unwrap();
        }
    }

    fn left(data: &Path) -> Vec<String> {
        let mut names: Vec<String> = fs::read_dir(data)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn everything_goes_but_the_history_of_updates() {
        let data = tempfile::tempdir().unwrap();
        used(data.path());
        let mut conf = RamDisk::from_bytes(vec![9; 64 * 512]);
        order_reset(&mut conf).unwrap();
        carry_out(Some(&mut conf), data.path()).unwrap();
        assert_eq!(left(data.path()), ["lost+found", "update"]);
        assert_eq!(fs::read_to_string(data.path().join("update/history")).unwrap(), "installed 1.2.0");
        assert_eq!(conf.bytes(), [0; 64 * 512]);
    }

    #[test]
    fn the_content_is_overwritten_not_only_forgotten() {
        let data = tempfile::tempdir().unwrap();
        used(data.path());
        let kept_by_another_name = data.path().join("update/link");
        fs::hard_link(data.path().join("web/key.pem"), &kept_by_another_name).unwrap();
        carry_out::<RamDisk>(None, data.path()).unwrap();
        assert_eq!(fs::read(kept_by_another_name).unwrap(), [0; 6]);
    }

    #[test]
    fn a_half_done_reset_is_finished_by_the_next_one() {
        let data = tempfile::tempdir().unwrap();
        used(data.path());
        fs::remove_dir_all(data.path().join("control")).unwrap();
        let mut conf = RamDisk::from_bytes(vec![9; 64 * 512]);
        order_reset(&mut conf).unwrap();
        carry_out(Some(&mut conf), data.path()).unwrap();
        carry_out(Some(&mut conf), data.path()).unwrap();
        assert_eq!(left(data.path()), ["lost+found", "update"]);
    }

    #[test]
    fn while_something_is_left_the_order_stays() {
        let mut conf = RamDisk::from_bytes(vec![9; 64 * 512]);
        order_reset(&mut conf).unwrap();
        assert!(carry_out(Some(&mut conf), Path::new("/nonexistent")).is_err());
        assert!(reset_is_ordered(&mut conf).unwrap());
    }
}
