//! Where a build works, and to whom it reports.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::error::{RecipeError, file};

/// Is told what the build is doing. The command line prints it; tests collect it.
pub trait Reporter {
    /// A step begins or has something to say that the operator should read.
    fn say(&self, text: &str);

    /// A long step is still running.
    fn still(&self, text: &str, elapsed: Duration, log: &Path);
}

/// The directories of a build and its reporter.
#[expect(missing_debug_implementations, reason = "holds a trait object that prints")]
pub struct Shop<'a> {
    /// Root of the source tree.
    pub workspace: PathBuf,
    /// What survives between builds and source trees: kernels, sources, digests.
    pub cache: PathBuf,
    /// What belongs to this source tree: trees, logs.
    pub work: PathBuf,
    /// Where cargo builds the programs of an image.
    pub programs: PathBuf,
    /// A source other than the locked one is an error.
    pub locked: bool,
    /// Who listens.
    pub reporter: &'a dyn Reporter,
}

impl Shop<'_> {
    /// Where the output of the programs of `step` goes; a new file each build.
    ///
    /// # Errors
    /// [`RecipeError::File`].
    pub fn log(&self, step: &str) -> Result<PathBuf, RecipeError> {
        let folder = make_folder(self.work.join("log"))?;
        let log = folder.join(format!("{step}.log"));
        file("emptying", &log, fs::File::create(&log))?;
        Ok(log)
    }

    /// A directory below `work`, made if needed.
    ///
    /// # Errors
    /// [`RecipeError::File`].
    pub fn work_folder(&self, name: &str) -> Result<PathBuf, RecipeError> {
        make_folder(self.work.join(name))
    }
}

/// Takes the lock file at `path`, waiting for a build that holds it; released when dropped.
pub(crate) fn lock(shop: &Shop<'_>, path: &Path, what: &str) -> Result<fs::File, RecipeError> {
    let guard = file("opening", path, fs::File::create(path))?;
    match guard.try_lock() {
        Ok(()) => {}
        Err(fs::TryLockError::WouldBlock) => {
            shop.reporter.say(&format!("{what}: another build is at it; waiting for {}", path.display()));
            file("locking", path, guard.lock())?;
        }
        Err(fs::TryLockError::Error(error)) => return file("locking", path, Err(error)),
    }
    Ok(guard)
}

/// The directory at `path`, made if needed.
pub(crate) fn make_folder(path: PathBuf) -> Result<PathBuf, RecipeError> {
    file("making", &path, fs::create_dir_all(&path))?;
    Ok(path)
}

/// Removes a directory tree that may or may not be there.
pub(crate) fn remove_folder(path: &Path) -> Result<(), RecipeError> {
    match fs::remove_dir_all(path) {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => file("removing", path, Err(e)),
        _ => Ok(()),
    }
}

/// Makes a file or directory durable.
pub(crate) fn sync(path: &Path) -> Result<(), RecipeError> {
    file("syncing", path, fs::File::open(path).and_then(|opened| opened.sync_all()))
}

/// A name beside `path` that no other builder uses: the cache is shared by all of them, and not all of it is
/// locked.
pub(crate) fn temporary(path: &Path) -> PathBuf {
    path.with_extension(format!("new-{}", std::process::id()))
}

/// Writes a file so that it is there wholly or not at all.
///
/// # Errors
/// [`RecipeError::File`].
pub(crate) fn write_whole(path: &Path, content: &[u8]) -> Result<(), RecipeError> {
    let temporary = temporary(path);
    file("writing", &temporary, fs::write(&temporary, content))?;
    file("renaming", path, fs::rename(&temporary, path))
}
