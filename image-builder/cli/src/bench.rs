//! A firmware, and the bundles and disks that tests look into.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use evener_formats::ova::Machine;
use evener_formats::verity::Tree;
use evener_formats::{Format, Sparse, Survey};
use evener_keys::{KeyFolder, SigningKey};
use evener_layout::{Disk, Firmware, Stick};
use evener_manifest::{Builder, Flags, Header, Keyset, Part, PartKind, Verity, Version, join, sha256};
use evener_recipes::OnDisk;
use evener_slot_table::SlotFacts;

use crate::inspect::{self, Report};

pub(crate) struct Bench {
    pub(crate) folder: tempfile::TempDir,
    pub(crate) key: SigningKey,
    pub(crate) version: [u16; 4],
}

impl Bench {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (key, _) = KeyFolder::new(folder.path().join("keys")).development().unwrap();
        Self { folder, key, version: [3, 2, 1, 0] }
    }

    pub(crate) fn parts(&self) -> (Vec<(PartKind, Bytes)>, Verity) {
        let mut rootfs = vec![0x5a; 40 * 4096];
        let tree = Tree::of(&rootfs, &[1; 32]).unwrap();
        rootfs.extend(&tree.bytes);
        let parts = vec![
            (PartKind::Kernel, Bytes::from(vec![0x33; 100_001])),
            (PartKind::Rootfs, rootfs.into()),
            (PartKind::LoaderUefi, Bytes::from(vec![0x44; 5000])),
            (PartKind::LoaderBios, loader_bios()),
        ];
        (parts, Verity { root: tree.root, salt: [1; 32], data_blocks: tree.data_blocks })
    }

    pub(crate) fn area(&self) -> Bytes {
        let (parts, verity) = self.parts();
        let stated = parts.iter().map(|(kind, bytes)| Part {
            kind: *kind,
            size: bytes.len() as u64,
            sha256: sha256(bytes),
        });
        let manifest = Builder {
            version: Version(self.version),
            floor: Version([3, 0, 0, 0]),
            installable_from: Version([2, 0, 0, 0]),
            min_loader: Version([1, 0, 0, 0]),
            build_id: [0xb1; 16],
            key_id: self.key.public().id(),
            flags: Flags::default(),
            parts: stated.collect(),
            verity,
            template: evener_recipes::command_line_template(&verity),
            notes: Some("for the test".to_owned()),
            toolchain: Some("rustc 1.95.0; GNU ld 2.40".to_owned()),
            config_format: 4,
        }
        .emit()
        .unwrap();
        join(&manifest, &self.key.sign(&manifest)).into()
    }

    pub(crate) fn disk(&self) -> Sparse {
        let (sectors, data) = (320 * 2048, Sparse::new(1 << 20));
        Disk { sectors, firmware: self.firmware(), data }.build().unwrap()
    }

    pub(crate) fn stick(&self) -> Sparse {
        Stick { firmware: self.firmware(), files: Vec::new() }.build().unwrap()
    }

    fn firmware(&self) -> Firmware {
        let area = self.area();
        let keyset = self.key.keyset(false).unwrap();
        let keys = Keyset::parse(&keyset).unwrap();
        let facts = SlotFacts::from(&Header::parse(&area).unwrap().verify(&keys).unwrap());
        let (parts, _) = self.parts();
        let [kernel, rootfs, loader_uefi, loader_bios] = [0, 1, 2, 3].map(|n: usize| parts[n].1.clone());
        Firmware { area, kernel, rootfs, loader_uefi, loader_bios, facts }
    }

    pub(crate) fn file(&self, name: &str, content: &Sparse) -> PathBuf {
        let path = self.folder.path().join(name);
        let target = File::create(&path).unwrap();
        target.set_len(content.length()).unwrap();
        for extent in content.extents() {
            target.write_all_at(&extent.bytes, extent.at).unwrap();
        }
        path
    }

    /// The disk as a file of this format.
    pub(crate) fn in_format(&self, format: Format, disk: &Sparse) -> PathBuf {
        let path = self.folder.path().join(format!("disk.{}", format.extension()));
        let survey = Survey::of(&mut &*disk).unwrap();
        let mut file = OnDisk::new(File::create(&path).unwrap()).unwrap();
        format.write(&mut &*disk, &survey, &Machine::new("evener"), &mut file).unwrap();
        path
    }

    pub(crate) fn inspect(&self, path: &Path) -> Report {
        inspect::file(path, &[self.key.public()]).unwrap()
    }

    pub(crate) fn flip(&self, path: &Path, at: u64) {
        let target = File::options().read(true).write(true).open(path).unwrap();
        let mut byte = [0];
        target.read_exact_at(&mut byte, at).unwrap();
        target.write_all_at(&[byte[0] ^ 4], at).unwrap();
    }
}

fn loader_bios() -> Bytes {
    let mut file = vec![0; evener_stage2::STAGE2_AT + 4096];
    file[0] = 0xfa;
    evener_stage2::seal(&mut file, Version([3, 2, 1, 0])).unwrap();
    file.into()
}
