//! Takes one file out of a FAT16 volume, to say which loader lies on an ESP.
//!
//! Reads what [`super::Volume`] and other tools write, short names only. The bytes may be anything:
//! every offset is checked, and a chain of clusters is followed at most as often as there are
//! clusters.

use super::{ATTR_DIRECTORY, ATTR_VOLUME, ENTRY, SECTOR, short_name};

/// Why a file was not found.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReadError {
    /// The boot sector is not one of a FAT16 volume.
    #[error("not a FAT16 volume (boot sector, offset {0:#x})")]
    NotFat16(usize),
    /// The path is not there.
    #[error("there is no \"{0}\"")]
    NotFound(String),
    /// Directory or allocation table contradict themselves.
    #[error("\"{0}\" is damaged: its clusters leave the volume or run in a circle")]
    Damaged(String),
}

struct Shape<'a> {
    volume: &'a [u8],
    fat: usize,
    root: usize,
    root_bytes: usize,
    data: usize,
    cluster: usize,
}

/// The content of the file at `path` (like `EFI/BOOT/BOOTX64.EFI`) in the bytes of a volume.
///
/// # Errors
/// [`ReadError`].
pub fn extract(volume: &[u8], path: &str) -> Result<Vec<u8>, ReadError> {
    let shape = Shape::of(volume)?;
    let root_end = shape.root.saturating_add(shape.root_bytes);
    let mut directory = volume.get(shape.root..root_end).unwrap_or_default().to_vec();
    let mut parts = path.split('/').peekable();
    while let Some(part) = parts.next() {
        let not_found = || ReadError::NotFound(path.to_owned());
        let name = short_name(part).map_err(|_| not_found())?;
        let entry = directory
            .chunks_exact(ENTRY)
            .take_while(|entry| entry.first() != Some(&0))
            .find(|entry| entry.starts_with(&name) && entry[11] & ATTR_VOLUME == 0)
            .ok_or_else(not_found)?;
        let first = u16::from_le_bytes([entry[26], entry[27]]);
        let size = u32::from_le_bytes([entry[28], entry[29], entry[30], entry[31]]);
        let is_directory = entry[11] & ATTR_DIRECTORY != 0;
        if is_directory != parts.peek().is_some() {
            return Err(not_found());
        }
        let damaged = || ReadError::Damaged(path.to_owned());
        directory = shape.chain(first).ok_or_else(damaged)?;
        if !is_directory {
            let size = usize::try_from(size).unwrap_or(usize::MAX);
            if size > directory.len() {
                return Err(damaged());
            }
            directory.truncate(size);
        }
    }
    Ok(directory)
}

impl<'a> Shape<'a> {
    fn of(volume: &'a [u8]) -> Result<Self, ReadError> {
        let byte = |at: usize| volume.get(at).copied().map_or(0, usize::from);
        let word = |at: usize| byte(at) | byte(at.saturating_add(1)) << 8;
        let checks = [
            (0x0b, word(0x0b) == SECTOR),
            (0x0d, byte(0x0d).is_power_of_two() && byte(0x0d) <= 128),
            (0x0e, word(0x0e) > 0),
            (0x10, matches!(byte(0x10), 1 | 2)),
            (0x16, word(0x16) > 0),
            (0x1fe, word(0x1fe) == 0xaa55),
        ];
        if let Some((at, _)) = checks.into_iter().find(|(_, good)| !good) {
            return Err(ReadError::NotFat16(at));
        }
        let fat = word(0x0e) * SECTOR;
        let root = fat + byte(0x10) * word(0x16) * SECTOR;
        let root_bytes = word(0x11) * ENTRY;
        let data = root + root_bytes;
        Ok(Self { volume, fat, root, root_bytes, data, cluster: byte(0x0d) * SECTOR })
    }

    /// The bytes of the chain that begins with cluster `first`; 0 is an empty file.
    fn chain(&self, first: u16) -> Option<Vec<u8>> {
        let mut content = Vec::new();
        let mut cluster = usize::from(first);
        let mut left = self.volume.len() / self.cluster;
        while (2..0xfff7).contains(&cluster) {
            left = left.checked_sub(1)?;
            let at = (cluster - 2).checked_mul(self.cluster)?.checked_add(self.data)?;
            content.extend_from_slice(self.volume.get(at..at.checked_add(self.cluster)?)?);
            let entry = self.fat.checked_add(cluster * 2)?;
            let next = self.volume.get(entry..entry.checked_add(2)?)?;
            cluster = usize::from(u16::from_le_bytes([next[0], next[1]]));
        }
        (cluster == 0 && first == 0 || cluster >= 0xfff8).then_some(content)
    }
}
