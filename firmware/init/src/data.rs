//! The `data` partition brought up, whatever state it is in.
//!
//! ```text
//! mounts ───────────────────────────────────────────────► as it is
//! damaged ─► what can be read, into memory ─► made anew ─► put back
//! the disk fails ─► left alone: it may be well the next time
//! ```
//!
//! A file system that its own kernel refuses is not repaired here: repair guesses, and the unit must not wait for it.
//! What counts has a second copy on `conf`. `docs/decisions/007-damaged-data.md` has the reasons.

use crate::anew::write_anew;
use crate::reset;
use crate::salvage::Salvage;
use anyhow::Context;
use evener_api::Service;
use evener_disk::Blocks;
use evener_sys::disk::FileBlocks;
use evener_sys::mount::{MountFlags, mount, unmount};
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

/// The empty file system that the firmware brings along.
const EMPTY: &str = "/usr/share/evener/data.ext4";
/// Linux's EINVAL (no file system, or not one that can be mounted), EBADMSG and EUCLEAN (ext4's bad checksum and
/// corruption). Others, such as EIO, say nothing about what is on the disk.
const DAMAGE: [i32; 3] = [22, 74, 117];
/// The backup of ext4's superblock in the second group of blocks of 4 KiB, counted in KiB; there once the file system
/// was grown.
const WITH_BACKUP_SUPERBLOCK: &std::ffi::CStr = c"noload,sb=131072";
/// What is carried over, what is small and dear first.
const CARRIED_OVER: [&str; 5] = [
    Service::Update.name(),
    Service::Web.name(),
    Service::Console.name(),
    Service::Net.name(),
    Service::Control.name(),
];

/// The partition and the place where it is mounted.
pub(crate) trait Place {
    /// The directory.
    fn path(&self) -> &Path;
    /// Mounts it for use.
    fn mount(&mut self) -> io::Result<()>;
    /// Mounts it to be read as far as possible; not even its journal is played back.
    fn mount_to_read(&mut self) -> io::Result<()>;
    fn unmount(&mut self) -> io::Result<()>;
    /// Puts the empty file system in place of all that it holds.
    fn make_anew(&mut self) -> anyhow::Result<()>;
}

/// Brings it up; gives what the operator must see.
///
/// # Errors
/// When there is no data partition to be had. What it holds was not touched then, unless it was damaged.
pub(crate) fn bring_up(place: &mut impl Place) -> anyhow::Result<Option<String>> {
    match place.mount() {
        Ok(()) => Ok(None),
        Err(error) if is_damage(&error) => {
            let reason = error.to_string();
            Ok(Some(renew(place, &CARRIED_OVER, &reason)?))
        }
        Err(error) => Err(error).context("it cannot be mounted"),
    }
}

/// As [`bring_up`] with all settings erased, which also a failing disk does not prevent if it can be written.
///
/// # Errors
/// When something of them may be left; the order stays.
pub(crate) fn bring_up_erased<B: Blocks>(
    place: &mut impl Place,
    mut conf: Option<&mut B>,
) -> anyhow::Result<()> {
    let erased = match place.mount() {
        Ok(()) => match reset::carry_out(conf.as_deref_mut(), place.path()) {
            Ok(()) => return Ok(()),
            Err(error) => place.unmount().map(|()| format!("{error:#}")),
        },
        Err(error) => Ok(error.to_string()),
    };
    let reason = erased.context("the data partition can neither be erased nor unmounted")?;
    renew(place, &[reset::KEPT], &reason)?;
    reset::carry_out(conf, place.path())
}

fn is_damage(error: &io::Error) -> bool {
    error.raw_os_error().is_some_and(|code| DAMAGE.contains(&code))
}

/// Makes it anew and carries these folders over, as far as they can be read.
fn renew(place: &mut impl Place, folders: &[&str], reason: &str) -> anyhow::Result<String> {
    tracing::warn!(reason, "the data partition is made anew");
    let salvage = match place.mount_to_read() {
        Ok(()) => {
            let salvage = Salvage::of(place.path(), folders);
            place.unmount().context("the damaged data partition cannot be unmounted")?;
            salvage
        }
        Err(error) => {
            tracing::warn!(%error, "nothing of the data partition can be read");
            Salvage::default()
        }
    };
    let (saved, mut lost) = (salvage.len(), salvage.lost);
    place.make_anew()?;
    place.mount().context("not even a new file system can be mounted")?;
    let failed = salvage.put_back(place.path());
    lost += failed;
    let back = saved - failed;
    Ok(format!(
        "The data partition was damaged ({reason}) and has been made anew. {back} of its files are back, {lost} more were \
         found and are lost; the configuration is the newest that was left, here or in its second copy. Check the \
         settings and the disk; replace the disk if this comes back."
    ))
}

/// The real one.
#[derive(Debug)]
pub(crate) struct DataPartition {
    pub(crate) node: PathBuf,
    pub(crate) target: PathBuf,
}

impl Place for DataPartition {
    fn path(&self) -> &Path {
        &self.target
    }

    fn mount(&mut self) -> io::Result<()> {
        let flags = MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC | MountFlags::NOATIME;
        mount(&self.node, &self.target, "ext4", flags, Some(c"errors=remount-ro"))
    }

    fn mount_to_read(&mut self) -> io::Result<()> {
        let flags = MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC | MountFlags::RDONLY;
        mount(&self.node, &self.target, "ext4", flags, Some(c"noload"))
            .or_else(|_| mount(&self.node, &self.target, "ext4", flags, Some(WITH_BACKUP_SUPERBLOCK)))
    }

    fn unmount(&mut self) -> io::Result<()> {
        unmount(&self.target)
    }

    fn make_anew(&mut self) -> anyhow::Result<()> {
        let mut device = FileBlocks::open(&self.node, true).context("the data partition cannot be opened")?;
        let empty = File::open(EMPTY).context("the empty file system is not there")?;
        write_anew(&mut device, empty)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use evener_disk::RamDisk;
    use evener_store::{order_reset, reset_is_ordered};
    use std::fs;

    /// A directory whose content is there while it is mounted.
    struct Fake {
        folder: tempfile::TempDir,
        target: PathBuf,
        /// Why it does not mount, until it was made anew.
        refuses: Option<i32>,
        readable: bool,
        anew: usize,
        mounted: bool,
    }

    impl Fake {
        fn new(refuses: Option<i32>, readable: bool) -> Self {
            let folder = tempfile::tempdir().unwrap();
            let target = folder.path().join("mounted");
            let fake = Self { folder, target, refuses, readable, anew: 0, mounted: false };
            for (path, content) in
                [("inside/web/key", "key"), ("inside/update/history", "long"), ("inside/other/x", "x")]
            {
                let path = fake.folder.path().join(path);
                fs::create_dir_all(path.parent().unwrap()).unwrap();
                fs::write(path, content).unwrap();
            }
            fake
        }

        fn go(&mut self, from: &str, to: &str) {
            let at = |name: &str| self.folder.path().join(name);
            fs::rename(at(from), at(to)).unwrap();
            self.mounted = to == "mounted";
        }

        fn has(&self, path: &str) -> bool {
            self.path().join(path).exists()
        }
    }

    impl Place for Fake {
        fn path(&self) -> &Path {
            &self.target
        }
        fn mount(&mut self) -> io::Result<()> {
            assert!(!self.mounted);
            match self.refuses {
                Some(code) => Err(io::Error::from_raw_os_error(code)),
                None => {
                    self.go("inside", "mounted");
                    Ok(())
                }
            }
        }
        fn mount_to_read(&mut self) -> io::Result<()> {
            if !self.readable {
                return Err(io::Error::from_raw_os_error(22));
            }
            self.go("inside", "mounted");
            Ok(())
        }
        fn unmount(&mut self) -> io::Result<()> {
            self.go("mounted", "inside");
            Ok(())
        }
        fn make_anew(&mut self) -> anyhow::Result<()> {
            assert!(!self.mounted, "never under a mounted file system");
            fs::remove_dir_all(self.folder.path().join("inside")).unwrap();
            fs::create_dir(self.folder.path().join("inside")).unwrap();
            (self.refuses, self.anew) = (None, self.anew + 1);
            Ok(())
        }
    }

    #[test]
    fn what_mounts_is_left_as_it_is() {
        let mut place = Fake::new(None, true);
        assert_eq!(bring_up(&mut place).unwrap(), None);
        assert!(place.has("other/x") && place.anew == 0);
    }

    #[test]
    fn what_is_damaged_is_made_anew_with_what_could_be_read() {
        for code in DAMAGE {
            let mut place = Fake::new(Some(code), true);
            let words = bring_up(&mut place).unwrap().unwrap();
            assert!(words.contains("2 of its files are back"), "{words}");
            assert!(place.has("web/key") && place.has("update/history") && !place.has("other/x"));
        }
        let mut place = Fake::new(Some(22), false);
        let words = bring_up(&mut place).unwrap().unwrap();
        assert!(words.contains("0 of its files are back") && place.mounted, "{words}");
    }

    #[test]
    fn a_disk_that_does_not_answer_is_no_reason_to_erase_it() {
        for code in [5, 6, 12, 16, 19] {
            let mut place = Fake::new(Some(code), true);
            assert!(bring_up(&mut place).is_err());
            assert_eq!(place.anew, 0, "{code}");
        }
    }

    #[test]
    fn a_reset_erases_what_mounts_and_what_does_not() {
        for refuses in [None, Some(22), Some(5)] {
            let mut place = Fake::new(refuses, true);
            let mut conf = RamDisk::from_bytes(vec![9; 64 * 512]);
            order_reset(&mut conf).unwrap();
            bring_up_erased(&mut place, Some(&mut conf)).unwrap();
            assert!(place.has("update/history") && !place.has("web") && !place.has("other"), "{refuses:?}");
            assert!(!reset_is_ordered(&mut conf).unwrap());
        }
    }
}
