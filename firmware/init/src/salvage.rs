//! What can still be read of a damaged data partition, carried over to its successor in memory.
//!
//! Everything that services keep guards itself: generations have digests, a damaged identity leads to a new one. So
//! whatever can be read goes back to its place, and its owner decides what it is worth.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, fchown};
use std::path::{Path, PathBuf};

/// Most bytes that are carried over: a unit of the smallest memory must have room for them.
const MOST_BYTES: usize = 16 << 20;
/// Most files.
const MOST_FILES: usize = 4096;
/// Deepest folder below a service's own.
const DEEPEST: usize = 4;

/// Files in memory.
#[derive(Debug, Default)]
pub(crate) struct Salvage {
    files: Vec<Saved>,
    bytes: usize,
    /// Files that were there and could not be read, or for which there was no room.
    pub(crate) lost: usize,
}

#[derive(Debug)]
struct Saved {
    /// Below the data directory.
    path: PathBuf,
    content: Vec<u8>,
    uid: u32,
    gid: u32,
}

impl Salvage {
    /// Reads the folders with these names below `data`, in this order; what comes first has the room first.
    pub(crate) fn of(data: &Path, folders: &[&str]) -> Self {
        let mut salvage = Self::default();
        for folder in folders {
            salvage.walk(data, Path::new(folder), 0);
        }
        salvage
    }

    /// How many files were saved.
    pub(crate) fn len(&self) -> usize {
        self.files.len()
    }

    fn walk(&mut self, data: &Path, below: &Path, depth: usize) {
        let Ok(entries) = fs::read_dir(data.join(below)) else {
            self.lost += usize::from(data.join(below).exists());
            return;
        };
        let mut names: Vec<OsString> = Vec::new();
        for entry in entries {
            match entry {
                Ok(entry) => names.push(entry.file_name()),
                Err(_) => self.lost += 1,
            }
        }
        // Generations are numbered, and the newest are worth most.
        names.sort_by(|a, b| (b.len(), b).cmp(&(a.len(), a)));
        for name in names {
            let path = below.join(name);
            let Ok(metadata) = fs::symlink_metadata(data.join(&path)) else {
                self.lost += 1;
                continue;
            };
            if metadata.is_dir() && depth < DEEPEST {
                self.walk(data, &path, depth + 1);
            } else if metadata.is_file() {
                self.take(data, path, &metadata);
            }
        }
    }

    fn take(&mut self, data: &Path, path: PathBuf, metadata: &fs::Metadata) {
        let room = MOST_BYTES.saturating_sub(self.bytes);
        let fits =
            usize::try_from(metadata.size()).is_ok_and(|size| size <= room) && self.files.len() < MOST_FILES;
        match fits.then(|| read(&data.join(&path), room)) {
            Some(Ok(content)) => {
                self.bytes += content.len();
                self.files.push(Saved { path, content, uid: metadata.uid(), gid: metadata.gid() });
            }
            Some(Err(_)) | None => self.lost += 1,
        }
    }

    /// Writes every file to its place below `data`, durably. Gives the number of those that could not be.
    pub(crate) fn put_back(self, data: &Path) -> usize {
        let mut failed = 0;
        for saved in &self.files {
            if let Err(error) = saved.put_back(data) {
                tracing::warn!(path = %saved.path.display(), %error, "cannot be put back");
                failed += 1;
            }
        }
        failed
    }
}

impl Saved {
    fn put_back(&self, data: &Path) -> io::Result<()> {
        let path = data.join(&self.path);
        if let Some(folder) = path.parent() {
            self.make_folders(data, folder)?;
        }
        let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&path)?;
        file.write_all(&self.content)?;
        fchown(&file, Some(self.uid), Some(self.gid))?;
        file.sync_all()
    }

    fn make_folders(&self, data: &Path, folder: &Path) -> io::Result<()> {
        if folder == data || folder.is_dir() {
            return Ok(());
        }
        if let Some(parent) = folder.parent() {
            self.make_folders(data, parent)?;
        }
        fs::DirBuilder::new().mode(0o700).create(folder)?;
        let made = File::open(folder)?;
        fchown(&made, Some(self.uid), Some(self.gid))?;
        made.sync_all()
    }
}

fn read(path: &Path, room: usize) -> io::Result<Vec<u8>> {
    let mut content = Vec::new();
    let limit = u64::try_from(room).unwrap_or(u64::MAX).saturating_add(1);
    File::open(path)?.take(limit).read_to_end(&mut content)?;
    if content.len() > room { Err(io::ErrorKind::FileTooLarge.into()) } else { Ok(content) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    fn put(data: &Path, path: &str, content: &[u8]) {
        let path = data.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }

    #[test]
    fn what_was_readable_is_at_its_place_again() {
        let (old, new) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        put(old.path(), "control/generations/9.json", b"nine");
        put(old.path(), "control/generations/10.json", b"ten");
        put(old.path(), "web/key", b"secret");
        put(old.path(), "proxy/snapshot", b"not asked for");
        symlink("/etc/passwd", old.path().join("web/link")).unwrap();
        let salvage = Salvage::of(old.path(), &["web", "control", "update"]);
        assert_eq!((salvage.len(), salvage.lost), (3, 0));
        assert_eq!(salvage.files[1].content, b"ten", "the newest generation first");
        assert_eq!(salvage.put_back(new.path()), 0);
        for (path, content) in [
            ("control/generations/10.json", "ten"),
            ("control/generations/9.json", "nine"),
            ("web/key", "secret"),
        ] {
            assert_eq!(fs::read_to_string(new.path().join(path)).unwrap(), content);
        }
        assert!(!new.path().join("web/link").exists() && !new.path().join("proxy").exists());
        assert_eq!(fs::metadata(new.path().join("web/key")).unwrap().mode() & 0o777, 0o600);
    }

    #[test]
    fn what_is_too_large_is_counted_as_lost() {
        let old = tempfile::tempdir().unwrap();
        put(old.path(), "web/a", &vec![1; MOST_BYTES - 10]);
        put(old.path(), "web/0", &[2; 11]);
        let salvage = Salvage::of(old.path(), &["web"]);
        assert_eq!((salvage.len(), salvage.lost), (1, 1));
    }
}
