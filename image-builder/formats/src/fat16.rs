//! A FAT16 volume, written in one go and never changed: the EFI system partition.
//!
//! Source: Microsoft FAT specification 1.03; UEFI 2.10 §13.3. Why an own writer: `mkfs.vfat` and
//! mtools stamp the time and a random serial, and all that an ESP of ours holds is one file two
//! directories deep. Files lie contiguously in the order in which they were added, times are the
//! epoch of the format (1980-01-01), the serial number is an argument.
//!
//! Not supported, because firmware never needs it: long names, other FAT sizes, growing.

use std::collections::BTreeMap;

use bytes::Bytes;

use crate::sparse::{Sparse, SparseError};

mod reader;
pub use reader::{ReadError, extract};

const SECTOR: usize = 512;
const SECTORS_PER_CLUSTER: usize = 4;
const CLUSTER: usize = SECTOR * SECTORS_PER_CLUSTER;
const RESERVED_SECTORS: usize = 1;
const FATS: usize = 2;
const ROOT_ENTRIES: usize = 512;
const ROOT_SECTORS: usize = ROOT_ENTRIES * ENTRY / SECTOR;
const ENTRY: usize = 32;
/// A volume is FAT16 exactly if its cluster count is in this range (FAT specification, "FAT type
/// determination"); the type string in the boot sector means nothing.
const CLUSTERS: std::ops::Range<usize> = 4085..65525;
const MEDIA_FIXED: u8 = 0xf8;
const END_OF_CHAIN: u16 = 0xffff;
const ATTR_VOLUME: u8 = 0x08;
const ATTR_DIRECTORY: u8 = 0x10;
/// 1980-01-01, the earliest date that the format can state.
const DATE: u16 = (1 << 5) | 1;

/// Why a volume could not be written.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FatError {
    /// A path component that needs a long name.
    #[error("\"{0}\" is not an upper-case 8.3 name")]
    Name(String),
    /// The same path twice, or a file where a directory is needed.
    #[error("\"{0}\" is there already")]
    Duplicate(String),
    /// The volume size gives no FAT16 volume.
    #[error("{sectors} sectors make {clusters} clusters; FAT16 has 4085 to 65524")]
    Size {
        /// Size of the volume in 512-byte sectors.
        sectors: usize,
        /// Clusters of 2 KiB that this makes.
        clusters: usize,
    },
    /// The files need more room than the volume has.
    #[error("the files need {needed} clusters of 2 KiB, the volume has {available}")]
    Full {
        /// Clusters needed.
        needed: usize,
        /// Clusters there are.
        available: usize,
    },
    /// Writer and volume size disagree.
    #[error("the volume layout does not fit")]
    Layout(#[from] SparseError),
}

/// What a volume will hold.
#[derive(Clone, Debug)]
pub struct Volume {
    sectors: usize,
    label: [u8; 11],
    serial: u32,
    hidden_sectors: u32,
    root: Directory,
}

type Directory = BTreeMap<[u8; 11], Node>;

#[derive(Clone, Debug)]
enum Node {
    File(Bytes),
    Directory(Directory),
}

impl Volume {
    /// An empty volume of `sectors` 512-byte sectors that begins at sector `hidden_sectors` of its
    /// disk. `label` is cut or padded to 11 characters.
    #[must_use]
    pub fn new(sectors: u16, hidden_sectors: u32, label: &str, serial: u32) -> Self {
        let mut padded = [b' '; 11];
        for (to, from) in padded.iter_mut().zip(label.bytes()) {
            *to = from;
        }
        Self { sectors: usize::from(sectors), label: padded, serial, hidden_sectors, root: Directory::new() }
    }

    /// Adds a file; directories on its path are made. `path` is like `EFI/BOOT/BOOTX64.EFI`.
    ///
    /// # Errors
    /// [`FatError::Name`] or [`FatError::Duplicate`].
    pub fn add(&mut self, path: &str, content: Bytes) -> Result<(), FatError> {
        let names: Vec<_> = path.split('/').map(short_name).collect::<Result<_, _>>()?;
        let Some((name, directories)) = names.split_last() else {
            return Err(FatError::Name(path.to_owned()));
        };
        let mut here = &mut self.root;
        for directory in directories {
            let node = here.entry(*directory).or_insert_with(|| Node::Directory(Directory::new()));
            let Node::Directory(inner) = node else {
                return Err(FatError::Duplicate(path.to_owned()));
            };
            here = inner;
        }
        if here.contains_key(name) {
            return Err(FatError::Duplicate(path.to_owned()));
        }
        here.insert(*name, Node::File(content));
        Ok(())
    }

    /// The bytes of the volume.
    ///
    /// # Errors
    /// [`FatError::Size`] or [`FatError::Full`].
    pub fn build(&self) -> Result<Sparse, FatError> {
        let geometry = Geometry::of(self.sectors)?;
        let mut writer =
            Writer { fat: vec![u16::from_le_bytes([MEDIA_FIXED, 0xff]), END_OF_CHAIN], clusters: Vec::new() };
        let mut root = entry(self.label, ATTR_VOLUME, 0, 0).to_vec();
        root.extend(writer.entries(&self.root, 0));
        let needed = writer.fat.len() - 2;
        if needed > geometry.clusters || root.len() > ROOT_ENTRIES * ENTRY {
            return Err(FatError::Full { needed, available: geometry.clusters });
        }

        let mut volume = Sparse::new((self.sectors * SECTOR) as u64);
        volume.put(0, Bytes::copy_from_slice(&self.boot_sector(&geometry)))?;
        let fat: Bytes = writer.fat.iter().flat_map(|e| e.to_le_bytes()).collect();
        for copy in 0..FATS {
            let at = RESERVED_SECTORS + copy * geometry.fat_sectors;
            volume.put((at * SECTOR) as u64, fat.clone())?;
        }
        volume.put((geometry.root_sector() * SECTOR) as u64, root.into())?;
        let data = geometry.root_sector() + ROOT_SECTORS;
        for (first, content) in writer.clusters {
            let at = data * SECTOR + (usize::from(first) - 2) * CLUSTER;
            volume.put(at as u64, content)?;
        }
        Ok(volume)
    }

    fn boot_sector(&self, geometry: &Geometry) -> [u8; SECTOR] {
        let mut sector = [0; SECTOR];
        let mut put = |at: usize, bytes: &[u8]| sector[at..at + bytes.len()].copy_from_slice(bytes);
        put(0x00, &[0xeb, 0x3c, 0x90]);
        put(0x03, b"EVENER  ");
        put(0x0b, &le16(SECTOR));
        put(0x0d, &le16(SECTORS_PER_CLUSTER)[..1]);
        put(0x0e, &le16(RESERVED_SECTORS));
        put(0x10, &le16(FATS)[..1]);
        put(0x11, &le16(ROOT_ENTRIES));
        put(0x13, &le16(self.sectors));
        put(0x15, &[MEDIA_FIXED]);
        put(0x16, &le16(geometry.fat_sectors));
        put(0x18, &le16(32));
        put(0x1a, &le16(64));
        put(0x1c, &self.hidden_sectors.to_le_bytes());
        put(0x24, &[0x80, 0, 0x29]);
        put(0x27, &self.serial.to_le_bytes());
        put(0x2b, &self.label);
        put(0x36, b"FAT16   ");
        // Whoever boots this sector as BIOS code gets `int 18h` (no bootable medium) and a halt.
        put(0x3e, &[0xcd, 0x18, 0xf4, 0xeb, 0xfd]);
        put(0x1fe, &[0x55, 0xaa]);
        sector
    }
}

struct Geometry {
    fat_sectors: usize,
    clusters: usize,
}

impl Geometry {
    fn of(sectors: usize) -> Result<Self, FatError> {
        let after_root = sectors.saturating_sub(RESERVED_SECTORS + ROOT_SECTORS);
        // One FAT entry for each cluster that could be there plus the two reserved ones: at most a
        // sector more than needed.
        let fat_sectors = ((after_root / SECTORS_PER_CLUSTER + 2) * 2).div_ceil(SECTOR);
        let clusters = after_root.saturating_sub(FATS * fat_sectors) / SECTORS_PER_CLUSTER;
        if !CLUSTERS.contains(&clusters) {
            return Err(FatError::Size { sectors, clusters });
        }
        Ok(Self { fat_sectors, clusters })
    }

    fn root_sector(&self) -> usize {
        RESERVED_SECTORS + FATS * self.fat_sectors
    }
}

struct Writer {
    fat: Vec<u16>,
    /// First cluster and content of each chain.
    clusters: Vec<(u16, Bytes)>,
}

impl Writer {
    /// Lays out everything below `directory` and gives its entries. `own` is its first cluster, 0
    /// for the root directory.
    fn entries(&mut self, directory: &Directory, own: u16) -> Vec<u8> {
        let mut entries = Vec::new();
        for (name, node) in directory {
            match node {
                Node::File(content) => {
                    let first = self.allocate(content.len());
                    if first != 0 {
                        self.clusters.push((first, content.clone()));
                    }
                    entries.extend(entry(*name, 0, first, content.len()));
                }
                Node::Directory(inner) => {
                    let first = self.allocate((inner.len() + 2) * ENTRY);
                    let mut content = entry(*b".          ", ATTR_DIRECTORY, first, 0).to_vec();
                    content.extend(entry(*b"..         ", ATTR_DIRECTORY, own, 0));
                    content.extend(self.entries(inner, first));
                    self.clusters.push((first, content.into()));
                    entries.extend(entry(*name, ATTR_DIRECTORY, first, 0));
                }
            }
        }
        entries
    }

    /// Appends a chain for `len` bytes and gives its first cluster, 0 for an empty file. Running
    /// over the 16 bits of a cluster number is caught by the caller, which counts the entries.
    fn allocate(&mut self, len: usize) -> u16 {
        let count = len.div_ceil(CLUSTER);
        if count == 0 {
            return 0;
        }
        let first = self.fat.len();
        self.fat.extend((first + 1..first + count).map(saturating16));
        self.fat.push(END_OF_CHAIN);
        saturating16(first)
    }
}

fn entry(name: [u8; 11], attributes: u8, first_cluster: u16, len: usize) -> [u8; ENTRY] {
    let mut entry = [0; ENTRY];
    entry[..11].copy_from_slice(&name);
    entry[11] = attributes;
    for date in [16, 18, 24] {
        entry[date..date + 2].copy_from_slice(&DATE.to_le_bytes());
    }
    entry[26..28].copy_from_slice(&first_cluster.to_le_bytes());
    let len = u32::try_from(len).unwrap_or(u32::MAX);
    entry[28..].copy_from_slice(&len.to_le_bytes());
    entry
}

fn short_name(name: &str) -> Result<[u8; 11], FatError> {
    let bad = || FatError::Name(name.to_owned());
    let (base, extension) = name.split_once('.').unwrap_or((name, ""));
    let allowed = |part: &str| {
        part.bytes().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || b"_-~".contains(&c))
    };
    if base.is_empty() || base.len() > 8 || extension.len() > 3 {
        return Err(bad());
    }
    if !allowed(base) || !allowed(extension) {
        return Err(bad());
    }
    let mut short = [b' '; 11];
    short[..base.len()].copy_from_slice(base.as_bytes());
    short[8..8 + extension.len()].copy_from_slice(extension.as_bytes());
    Ok(short)
}

fn le16(value: usize) -> [u8; 2] {
    saturating16(value).to_le_bytes()
}

fn saturating16(value: usize) -> u16 {
    u16::try_from(value).unwrap_or(u16::MAX)
}
