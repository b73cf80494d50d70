//! One directory of small files, step by step.
//!
//! Each method is one step that the kernel may lose in a power cut unless a later one makes it durable:
//! [`sync`](Files::sync) the content of a file, [`sync_dir`](Files::sync_dir) the names. Callers put the steps
//! in order; the tests replace the directory by one that forgets.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// Largest file that is read, 32 MiB: a damaged directory must not exhaust the memory.
const MAX_FILE: u64 = 32 << 20;

/// A directory without sub-directories.
pub trait Files {
    /// Names of all files.
    ///
    /// # Errors
    /// The directory cannot be read.
    fn list(&mut self) -> io::Result<Vec<String>>;

    /// The whole content of a file.
    ///
    /// # Errors
    /// There is none, or it cannot be read.
    fn read(&mut self, name: &str) -> io::Result<Vec<u8>>;

    /// Makes a file with this content, or replaces the content. Not durable yet.
    ///
    /// # Errors
    /// No space, or the disk's own error; a part of the content may be there.
    fn write(&mut self, name: &str, content: &[u8]) -> io::Result<()>;

    /// Makes the content of a file durable, but not its name.
    ///
    /// # Errors
    /// The disk's own error; nothing is known about the content then.
    fn sync(&mut self, name: &str) -> io::Result<()>;

    /// Gives a file another name, in one step; a file that had it is gone. Not durable yet.
    ///
    /// # Errors
    /// There is no such file, or the disk's own error.
    fn rename(&mut self, from: &str, to: &str) -> io::Result<()>;

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
    /// Opens a directory; it and its parents are made, durably, where they are missing.
    ///
    /// # Errors
    /// The kernel's reason when it cannot be made.
    pub fn create(path: &Path) -> io::Result<Self> {
        let mut missing = Vec::new();
        let mut existing = path;
        while !existing.is_dir() {
            missing.push(existing);
            existing =
                existing.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        }
        for directory in missing.into_iter().rev() {
            match DirBuilder::new().mode(0o700).create(directory) {
                Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
                _ => {}
            }
            let parent = directory.parent().filter(|parent| !parent.as_os_str().is_empty());
            File::open(parent.unwrap_or(Path::new(".")))?.sync_all()?;
        }
        Ok(Self { path: path.to_owned() })
    }
}

impl Files for Directory {
    fn list(&mut self) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in fs::read_dir(&self.path)? {
            names.extend(entry?.file_name().into_string().ok());
        }
        Ok(names)
    }

    fn read(&mut self, name: &str) -> io::Result<Vec<u8>> {
        let mut content = Vec::new();
        File::open(self.path.join(name))?.take(MAX_FILE + 1).read_to_end(&mut content)?;
        if u64::try_from(content.len()).is_ok_and(|length| length > MAX_FILE) {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        Ok(content)
    }

    fn write(&mut self, name: &str, content: &[u8]) -> io::Result<()> {
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(true).mode(0o600);
        options.open(self.path.join(name))?.write_all(content)
    }

    fn sync(&mut self, name: &str) -> io::Result<()> {
        File::open(self.path.join(name))?.sync_all()
    }

    fn rename(&mut self, from: &str, to: &str) -> io::Result<()> {
        fs::rename(self.path.join(from), self.path.join(to))
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
    fn a_directory_and_its_files_are_their_owners_alone() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("control/generations");
        let mut files = Directory::create(&path).unwrap();
        files.write("1.json", b"x").unwrap();
        for (path, expected) in [(path.clone(), 0o700), (path.join("1.json"), 0o600)] {
            assert_eq!(fs::metadata(path).unwrap().permissions().mode() & 0o777, expected);
        }
        Directory::create(&path).unwrap();
    }

    #[test]
    fn files_are_replaced_renamed_listed_and_removed() {
        let root = tempfile::tempdir().unwrap();
        let mut files = Directory::create(root.path()).unwrap();
        files.write("a", b"long content").unwrap();
        files.write("a", b"short").unwrap();
        files.sync("a").unwrap();
        files.rename("a", "b").unwrap();
        files.sync_dir().unwrap();
        assert_eq!(files.list().unwrap(), ["b"]);
        assert_eq!(files.read("b").unwrap(), b"short");
        files.remove("b").unwrap();
        assert!(files.read("b").is_err());
    }
}
