//! Reading all of a file system, so that whatever stands below it has verified every block.

use anyhow::Context as _;
use std::fs::File;
use std::io::Read as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

const CHUNK: usize = 128 << 10;

/// Reads every file below `root` that is on the same device, and says how many bytes that were.
pub(crate) fn read_all(root: &Path) -> anyhow::Result<u64> {
    let device = std::fs::symlink_metadata(root)?.dev();
    let mut buffer = vec![0; CHUNK];
    read_below(root, device, &mut buffer)
}

fn read_below(folder: &Path, device: u64, buffer: &mut [u8]) -> anyhow::Result<u64> {
    let mut bytes = 0;
    let entries = std::fs::read_dir(folder).with_context(|| format!("{}", folder.display()))?;
    for entry in entries {
        let path = entry.with_context(|| format!("{}", folder.display()))?.path();
        let about = std::fs::symlink_metadata(&path).with_context(|| format!("{}", path.display()))?;
        // Another device is another file system: a mount point, which has its own ways to be healthy.
        if about.dev() != device {
            continue;
        }
        if about.is_dir() {
            bytes += read_below(&path, device, buffer)?;
        } else if about.is_file() {
            bytes += read_file(&path, buffer).with_context(|| format!("{}", path.display()))?;
        }
    }
    Ok(bytes)
}

fn read_file(path: &Path, buffer: &mut [u8]) -> std::io::Result<u64> {
    let mut file = File::open(path)?;
    let mut bytes = 0;
    loop {
        let read = file.read(buffer)?;
        if read == 0 {
            return Ok(bytes);
        }
        bytes += u64::try_from(read).unwrap_or(0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_file_below_is_read_and_links_are_not_followed() {
        let root = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(root.path().join("a/b")).unwrap();
        std::fs::write(root.path().join("one"), [1; 1000]).unwrap();
        std::fs::write(root.path().join("a/b/two"), vec![2; 300_000]).unwrap();
        std::os::unix::fs::symlink("/proc", root.path().join("elsewhere")).unwrap();
        std::os::unix::fs::symlink("missing", root.path().join("dangling")).unwrap();
        assert_eq!(read_all(root.path()).unwrap(), 301_000);
    }

    #[test]
    fn other_file_systems_are_left_alone() {
        // /proc is never on the device of /; reading it would not end.
        let device = std::fs::symlink_metadata("/").unwrap().dev();
        assert_ne!(std::fs::symlink_metadata("/proc").unwrap().dev(), device);
        assert_eq!(read_below(Path::new("/proc/self/task"), device, &mut [0; 16]).unwrap(), 0);
    }
}
