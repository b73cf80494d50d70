use std::fs;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;

use bytes::Bytes;
use evener_disk::{Role, Slot};
use evener_formats::verity::Tree;
use evener_formats::{Sparse, bundle, qcow2};
use evener_keys::{KeyFolder, SigningKey};
use evener_layout::{Disk, Firmware};
use evener_manifest::{Builder, Flags, Header, Part, PartKind, Verity, Version, join, sha256};
use evener_slot_table::SlotFacts;

use super::*;

struct Bench {
    folder: tempfile::TempDir,
    key: SigningKey,
}

fn loader_bios() -> Bytes {
    let mut file = vec![0; evener_stage2::STAGE2_AT + 4096];
    file[0] = 0xfa;
    evener_stage2::seal(&mut file, Version([3, 2, 1, 0])).unwrap();
    file.into()
}

impl Bench {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (key, _) = KeyFolder::new(folder.path().join("keys")).development().unwrap();
        Self { folder, key }
    }

    fn parts(&self) -> (Vec<(PartKind, Bytes)>, Verity) {
        let mut rootfs = vec![0x5a; 40 * 4096];
        let tree = Tree::of(&rootfs, &[1; 32]).unwrap();
        rootfs.extend(&tree.bytes);
        let parts = vec![
            (PartKind::Kernel, Bytes::from(vec![0x33; 100_001])),
            (PartKind::Rootfs, rootfs.into()),
            (PartKind::LoaderUefi, Bytes::from(vec![0x44; 5000])),
        ];
        (parts, Verity { root: tree.root, salt: [1; 32], data_blocks: tree.data_blocks })
    }

    fn area(&self) -> Bytes {
        let (parts, verity) = self.parts();
        let stated = parts.iter().map(|(kind, bytes)| Part {
            kind: *kind,
            size: bytes.len() as u64,
            sha256: sha256(bytes),
        });
        let manifest = Builder {
            version: Version([3, 2, 1, 0]),
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
            config_format: 4,
        }
        .emit()
        .unwrap();
        join(&manifest, &self.key.sign(&manifest)).into()
    }

    fn disk(&self) -> Sparse {
        let area = self.area();
        let keyset = self.key.keyset(false).unwrap();
        let keys = Keyset::parse(&keyset).unwrap();
        let facts = SlotFacts::from(&Header::parse(&area).unwrap().verify(&keys).unwrap());
        let (parts, _) = self.parts();
        let [kernel, rootfs, loader_uefi] = [0, 1, 2].map(|n: usize| parts[n].1.clone());
        let firmware = Firmware { area, kernel, rootfs, facts };
        let (sectors, data) = (320 * 2048, Sparse::new(1 << 20));
        Disk { sectors, loader_uefi, loader_bios: loader_bios(), firmware, data }.build().unwrap()
    }

    fn file(&self, name: &str, content: &Sparse) -> PathBuf {
        let path = self.folder.path().join(name);
        let target = File::create(&path).unwrap();
        target.set_len(content.length()).unwrap();
        for extent in content.extents() {
            target.write_all_at(&extent.bytes, extent.at).unwrap();
        }
        path
    }

    fn inspect(&self, path: &Path) -> Report {
        file(path, &[self.key.public()]).unwrap()
    }

    fn flip(&self, path: &Path, at: u64) {
        let target = File::options().read(true).write(true).open(path).unwrap();
        let mut byte = [0];
        target.read_exact_at(&mut byte, at).unwrap();
        target.write_all_at(&[byte[0] ^ 4], at).unwrap();
    }
}

#[test]
fn a_whole_bundle_is_verified_and_told_in_words() {
    let bench = Bench::new();
    let path = bench.file("x.evfw", &bundle::encode(&bench.area(), &bench.parts().0).unwrap());
    let report = bench.inspect(&path);
    assert_eq!(report.faults(), [] as [String; 0]);
    let text = report.text();
    for words in [
        "firmware bundle",
        "verified, development key",
        "3.2.1, not a release",
        "floor          3.0.0",
        "installs from  2.0.0",
        "for the test",
        "settings       reads formats up to 4",
        "kernel         100001 bytes",
        "40 data blocks",
        "PARTUUID={root}",
    ] {
        assert!(text.contains(words), "{words} in\n{text}");
    }
}

#[test]
fn each_flipped_part_of_a_bundle_is_named() {
    let bench = Bench::new();
    let content = bundle::encode(&bench.area(), &bench.parts().0).unwrap();
    let extents: Vec<u64> = content.extents().iter().map(|e| e.at).collect();
    for (index, words) in [(0, "checksum"), (1, "manifest"), (2, "kernel"), (3, "rootfs"), (4, "UEFI loader")]
    {
        let path = bench.file("x.evfw", &content);
        bench.flip(&path, extents[index] + 40);
        let faults = bench.inspect(&path).faults().join(" ");
        assert!(faults.contains(words), "{words}: {faults}");
    }
}

#[test]
fn a_bundle_with_more_in_it_than_its_manifest_names_is_not_verified() {
    let bench = Bench::new();
    let content = bundle::encode(&bench.area(), &bench.parts().0).unwrap();
    let path = bench.file("x.evfw", &content);
    let target = File::options().write(true).open(&path).unwrap();
    target.write_all_at(&[0xee; 100_000], content.length()).unwrap();
    let faults = bench.inspect(&path).faults().join(" ");
    assert!(faults.contains("goes on behind its content"), "{faults}");
}

#[test]
fn raw_and_qcow2_disks_tell_the_same() {
    let bench = Bench::new();
    let disk = bench.disk();
    let raw = bench.file("d.raw", &disk);
    let qcow2 = bench.file("d.qcow2", &qcow2::encode(&disk).unwrap());
    let (raw, qcow2) = (bench.inspect(&raw), bench.inspect(&qcow2));
    assert_eq!(raw.faults(), [] as [String; 0]);
    assert_eq!(raw.lines[1..], qcow2.lines[1..]);
    let text = raw.text();
    for words in [
        "slot-table        4 MiB",
        "copy 3         seq 4, CRC right",
        "slot A         confirmed, version 3.2.1, priority 3",
        "slot B         empty",
        "slot R (rescue)",
        "the one that the firmware brings",
        "copy 0         version 3.2.1, 4096 bytes, CRC right",
        "copy 1         version 3.2.1, 4096 bytes, CRC right",
        "boot code      the one that came with the loader",
        "no fault found",
    ] {
        assert!(text.contains(words), "{words} in\n{text}");
    }
}

#[test]
fn damage_on_a_disk_is_named_by_its_place() {
    let bench = Bench::new();
    let disk = bench.disk();
    let mut image = RawDisk::open(&bench.file("d.raw", &disk)).unwrap();
    let map = evener_disk::PartitionMap::read(&mut image).unwrap();
    let at = |role: Role| map.get(role).unwrap().start.0 * 512;
    for (offset, words) in [
        (at(Role::Boot(Slot::A)) + 40, "slot A: manifest: manifest signature"),
        (at(Role::Boot(Slot::R)) + 65_536, "slot R (rescue): kernel: digest"),
        (at(Role::Root(Slot::A)) + 5000, "slot A: hash tree: root hash"),
        (at(Role::Root(Slot::A)) + 40 * 4096 + 3, "slot A: hash tree: stored tree"),
        (at(Role::EspB) + 106 * 512, "esp-b: its loader"),
        (512 + 16, "partition table: the primary copy"),
        (320 * 2048 * 512 - 512 + 60, "partition table: the backup copy is damaged"),
        (10, "boot sector: its code is not the one"),
        (433, "boot sector: its code does not look for the loader in bios-boot"),
        (511, "boot sector: it has no signature"),
        (at(Role::BiosBoot) + 100, "BIOS loader: copy 0: the checksum"),
        (at(Role::BiosBoot) + (512 << 10) + 1, "BIOS loader: copy 1: no BIOS loader"),
        (at(Role::SlotTable) + (2 << 20) + 50, "slot table: copy 2 not valid"),
    ] {
        let path = bench.file("d.raw", &disk);
        bench.flip(&path, offset);
        let faults = bench.inspect(&path).faults().join(" ");
        assert!(faults.contains(words), "{words}: {faults}");
    }
}

#[test]
fn a_lost_slot_table_and_a_copy_with_a_wrong_crc_show() {
    let bench = Bench::new();
    let path = bench.file("d.raw", &bench.disk());
    let map = evener_disk::PartitionMap::read(&mut RawDisk::open(&path).unwrap()).unwrap();
    let table = map.get(Role::SlotTable).unwrap().start.0 * 512;
    bench.flip(&path, table + 100);
    let report = bench.inspect(&path);
    assert!(report.text().contains("copy 0         not valid"), "{}", report.text());
    assert_eq!(report.faults().len(), 1, "{:?}", report.faults());
    for copy in 1..4 {
        bench.flip(&path, table + copy * (1 << 20) + 100);
    }
    assert!(bench.inspect(&path).faults().join(" ").contains("slot table: no valid copy"));
}

#[test]
fn with_another_key_nothing_is_shown_and_everything_is_a_fault() {
    let bench = Bench::new();
    let other = KeyFolder::new(bench.folder.path().join("other")).create("k", false).unwrap().public();
    for path in [
        bench.file("x.evfw", &bundle::encode(&bench.area(), &bench.parts().0).unwrap()),
        bench.file("d.raw", &bench.disk()),
    ] {
        let report = file(&path, &[other]).unwrap();
        assert!(report.faults().join(" ").contains("signed with a key that is not trusted"));
        assert!(!report.text().contains("for the test"));
    }
}

#[test]
fn a_slot_dump_is_recognised_and_other_files_are_refused() {
    let bench = Bench::new();
    let mut slot = Sparse::new(16 << 20);
    slot.put(0, bench.area()).unwrap();
    slot.put(65_536, bench.parts().0[0].1.clone()).unwrap();
    let path = bench.file("slot", &slot);
    let report = bench.inspect(&path);
    assert_eq!(report.faults(), [] as [String; 0]);
    assert!(report.text().contains("contents of a boot partition"));
    assert!(report.not_covered()[0].starts_with("root filesystem"), "{:?}", report.not_covered());

    fs::write(&path, [7; 100_000]).unwrap();
    let error = file(&path, &[]).unwrap_err().to_string();
    assert!(error.contains("neither a bundle"), "{error}");
    fs::write(&path, b"tiny").unwrap();
    assert!(file(&path, &[]).is_err());
}
