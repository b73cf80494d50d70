//! What two builds of the same tree left, held against each other byte for byte.
//!
//! Which files there must be is asked of the boards, not of a folder: a format that a builder forgot to write would
//! otherwise count as one that is the same. What the second build left beside them is compared, too. A stream-optimized VMDK is compared as the disk in the OVA.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Read as _;
use std::path::Path;

use anyhow::{Context, Result};
use evener_board::Board;

/// What was compared.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Comparison {
    /// How many boards' disk images.
    pub(super) boards: u32,
    /// How many files, by format or what else they are.
    pub(super) compared: BTreeMap<String, u32>,
    /// How many files were not the same.
    pub(super) differing: u32,
}

/// Compares every file that a build of all boards of the tree at `root` leaves, `other` being a folder that was empty
/// before; tells of each.
pub(super) fn all(root: &Path, one: &Path, other: &Path) -> Result<Comparison> {
    let boards = boards(root)?;
    let mut files = files(&boards);
    for entry in fs::read_dir(other).with_context(|| format!("reading {}", other.display()))? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        if name.starts_with("evener-") && !files.iter().any(|(_, known)| *known == name) {
            files.push(("other".to_owned(), name));
        }
    }
    let mut comparison = Comparison { boards: u32::try_from(boards.len())?, ..Comparison::default() };
    for (kind, name) in files {
        *comparison.compared.entry(kind).or_default() += 1;
        match first_difference(&one.join(&name), &other.join(&name))? {
            None => println!("the same      {name}"),
            Some(at) => {
                comparison.differing += 1;
                println!("DIFFERENT     {name}, from byte {at}; compare with {}", other.display());
            }
        }
    }
    Ok(comparison)
}

fn boards(root: &Path) -> Result<Vec<Board>> {
    let folder = root.join("board-support/boards");
    let mut boards = Vec::new();
    for entry in fs::read_dir(&folder).with_context(|| format!("reading {}", folder.display()))? {
        let path = entry?.path();
        let text = fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))?;
        boards.push(Board::parse(&text).with_context(|| path.display().to_string())?);
    }
    boards.sort_by(|one, other| one.name.cmp(&other.name));
    Ok(boards)
}

/// The files of a build: what each is, and its name.
fn files(boards: &[Board]) -> Vec<(String, String)> {
    let version = env!("CARGO_PKG_VERSION");
    let of_the_firmware =
        [("bundle", "evfw"), ("bill of materials", "cdx.json"), ("licence list", "licences.txt")];
    let mut files: Vec<_> = of_the_firmware
        .map(|(kind, extension)| (kind.to_owned(), format!("evener-{version}.{extension}")))
        .into();
    for board in boards {
        let name = |format| (format!("{format}"), format!("evener-{}.{format}", board.name));
        files.extend(board.disk.formats.iter().map(name));
    }
    files
}

/// The first byte in which two files differ; the length of the shorter one when one is the begin of the other.
fn first_difference(one: &Path, other: &Path) -> Result<Option<u64>> {
    let open = |path: &Path| File::open(path).with_context(|| format!("opening {}", path.display()));
    let (mut one, mut other) = (open(one)?, open(other)?);
    let (mut left, mut right) = (vec![0; 1 << 20], vec![0; 1 << 20]);
    let mut at = 0;
    loop {
        let (left, right) = (fill(&mut one, &mut left)?, fill(&mut other, &mut right)?);
        // Whole pieces first: most of a disk is alike, and a look at each byte of it would take minutes.
        if left != right {
            let same = left.iter().zip(right).take_while(|(one, other)| one == other).count();
            return Ok(Some(at + same as u64));
        }
        if left.is_empty() {
            return Ok(None);
        }
        at += left.len() as u64;
    }
}

/// As much of the file as there is and the buffer takes.
fn fill<'a>(file: &mut File, buffer: &'a mut [u8]) -> Result<&'a [u8]> {
    let mut filled = 0;
    while let Some(rest) = buffer.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        match file.read(rest)? {
            0 => break,
            read => filled += read,
        }
    }
    Ok(buffer.get(..filled).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;

    /// A folder that is gone afterwards.
    struct Folder(PathBuf);

    impl Folder {
        fn new(name: &str) -> Self {
            let path = std::env::temp_dir().join(format!("evener-{name}-{}", std::process::id()));
            fs::create_dir_all(&path).unwrap();
            Self(path)
        }

        fn put(&self, name: &str, bytes: &[u8]) -> PathBuf {
            let path = self.0.join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, bytes).unwrap();
            path
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    fn the_first_byte_that_differs_is_named() {
        let folder = Folder::new("first-difference");
        let long = vec![7; (1 << 20) + 9];
        let mut changed = long.clone();
        changed[(1 << 20) + 3] = 8;
        let one = folder.put("one", &long);
        for (name, bytes, expected) in [
            ("same", long.as_slice(), None),
            ("changed", &changed, Some((1 << 20) + 3)),
            ("shorter", &long[..100], Some(100)),
            ("empty", &[], Some(0)),
        ] {
            assert_eq!(first_difference(&one, &folder.put(name, bytes)).unwrap(), expected, "{name}");
        }
    }

    #[test]
    fn every_format_of_every_board_is_compared_and_a_missing_file_is_no_sameness() {
        let folder = Folder::new("compare-all");
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).unwrap();
        let boards = boards(root).unwrap();
        let expected = files(&boards);
        for (_, name) in &expected {
            folder.put(&format!("one/{name}"), b"same");
            folder.put(&format!("other/{name}"), b"same");
        }
        let compare = || all(root, &folder.0.join("one"), &folder.0.join("other"));
        let found = compare().unwrap();
        assert_eq!((found.boards as usize, found.differing), (boards.len(), 0));
        let disks: usize = boards.iter().map(|board| board.disk.formats.len()).sum();
        assert_eq!(found.compared.values().sum::<u32>() as usize, disks + 3);
        for kind in ["raw", "qcow2", "vhd", "vhdx", "ova", "raw.zst", "bundle", "licence list"] {
            assert!(found.compared.contains_key(kind), "{kind}: {:?}", found.compared);
        }

        folder.put("other/evener-azure.vhd", b"samE");
        assert_eq!(compare().unwrap().differing, 1);
        for side in ["one", "other"] {
            folder.put(&format!("{side}/evener-more.img"), side.as_bytes());
        }
        let found = compare().unwrap();
        assert_eq!((found.differing, found.compared["other"]), (2, 1));
        fs::remove_file(folder.0.join("other/evener-azure.vhd")).unwrap();
        assert!(format!("{:#}", compare().unwrap_err()).contains("evener-azure.vhd"));
    }
}
