//! One directory of files that only grow, step by step.
//!
//! Each method is one step that the kernel may lose in a power cut unless a later one makes it durable. Callers put the
//! steps in order; the tests replace the directory by one that forgets.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// Largest file that is read, 8 MiB: a damaged directory must not exhaust the memory.
const MAX_FILE: u64 = 8 << 20;

/// A directory without sub-directories.
pub trait Folder {
    /// Names of all files.
    ///
    /// # Errors
    /// The directory cannot be read.
    fn list(&mut self) -> io::Result<Vec<String>>;

    /// The whole content of a file, up to 8 MiB of it.
    ///
    /// # Errors
    /// There is none, or it cannot be read.
    fn read(&mut self, name: &str) -> io::Result<Vec<u8>>;

    /// Adds to the end of a file; makes it where there is none. Not durable yet.
    ///
    /// # Errors
    /// No space, or the disk's own error; a part of the content may be there.
    fn append(&mut self, name: &str, content: &[u8]) -> io::Result<()>;

    /// Makes the content of a file durable, but not its name.
    ///
    /// # Errors
    /// The disk's own error; nothing is known about what was appended then.
    fn sync(&mut self, name: &str) -> io::Result<()>;

    /// Removes a file. Not durable yet.
    ///
    /// # Errors
    /// There is no such file, or the disk's own error.
    fn remove(&mut self, name: &str) -> io::Result<()>;

    /// Makes all names durable.
    ///
    /// # Errors
    /// The disk's own error; nothing is known about the last names then.
    fn sync_dir(&mut self) -> io::Result<()>;
}

/// A real directory, readable by its owner alone, as are its files.
#[derive(Clone, Debug)]
pub struct Directory {
    path: PathBuf,
}

impl Directory {
    /// Opens a directory, or makes it; its parent must be there.
    ///
    /// # Errors
    /// The kernel's reason when it cannot be made.
    pub fn create(path: &Path) -> io::Result<Self> {
        match DirBuilder::new().mode(0o700).create(path) {
            Ok(()) => {
                let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
                File::open(parent.unwrap_or(Path::new(".")))?.sync_all()?;
            }
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
        Ok(Self { path: path.to_owned() })
    }
}

impl Folder for Directory {
    fn list(&mut self) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in fs::read_dir(&self.path)? {
            names.extend(entry?.file_name().into_string().ok());
        }
        Ok(names)
    }

    fn read(&mut self, name: &str) -> io::Result<Vec<u8>> {
        let mut content = Vec::new();
        File::open(self.path.join(name))?.take(MAX_FILE).read_to_end(&mut content)?;
        Ok(content)
    }

    fn append(&mut self, name: &str, content: &[u8]) -> io::Result<()> {
        let mut options = OpenOptions::new();
        options.append(true).create(true).mode(0o600);
        options.open(self.path.join(name))?.write_all(content)
    }

    fn sync(&mut self, name: &str) -> io::Result<()> {
        File::open(self.path.join(name))?.sync_data()
    }

    fn remove(&mut self, name: &str) -> io::Result<()> {
        fs::remove_file(self.path.join(name))
    }

    fn sync_dir(&mut self) -> io::Result<()> {
        File::open(&self.path)?.sync_all()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn files_grow_and_are_their_owners_alone() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("lines");
        let mut folder = Directory::create(&path).unwrap();
        folder.append("1.log", b"one").unwrap();
        folder.append("1.log", b"two").unwrap();
        folder.sync("1.log").unwrap();
        folder.sync_dir().unwrap();
        assert_eq!(folder.read("1.log").unwrap(), b"onetwo");
        for (path, expected) in [(path.clone(), 0o700), (path.join("1.log"), 0o600)] {
            assert_eq!(fs::metadata(path).unwrap().permissions().mode() & 0o777, expected);
        }
        let mut again = Directory::create(&path).unwrap();
        assert_eq!(again.list().unwrap(), ["1.log"]);
        again.remove("1.log").unwrap();
        assert!(again.read("1.log").is_err());
    }
}
