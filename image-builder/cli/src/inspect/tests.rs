use std::fs;
use std::os::unix::fs::FileExt;

use evener_disk::{Role, Slot};
use evener_formats::{Format, Sparse, bundle};
use evener_keys::KeyFolder;
use evener_manifest::PartKind;

use super::*;
use crate::bench::Bench;

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
        "made with      rustc 1.95.0; GNU ld 2.40",
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
fn a_stick_is_whole_without_data_and_says_what_it_is_for() {
    let bench = Bench::new();
    let report = bench.inspect(&bench.file("stick.raw", &bench.stick()));
    assert_eq!(report.faults(), [] as [String; 0]);
    let text = report.text();
    for words in [
        "installer        16 MiB",
        "a stick that installs Evener",
        "slot A         empty",
        "slot R         confirmed, version 3.2.1",
    ] {
        assert!(text.contains(words), "{words} in\n{text}");
    }
}

#[test]
fn disks_of_all_formats_tell_the_same() {
    let bench = Bench::new();
    let disk = bench.disk();
    let raw = bench.inspect(&bench.file("d.raw", &disk));
    assert_eq!(raw.faults(), [] as [String; 0]);
    for format in Format::ALL {
        let other = bench.inspect(&bench.in_format(format, &disk));
        assert_eq!(other.faults(), [] as [String; 0], "{format:?}");
        assert_eq!(raw.entries()[1..], other.entries()[1..], "{format:?}");
    }
    let text = raw.text();
    for words in [
        "slot-table        4 MiB",
        "copy 3         seq 4, CRC right",
        "slot A         confirmed, version 3.2.1, priority 3",
        "slot B         empty",
        "slot R (rescue)",
        "the one that the firmware in slot A brings",
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
    let mut image = DiskFile::raw(&bench.file("d.raw", &disk)).unwrap();
    let map = evener_disk::PartitionMap::read(&mut image).unwrap();
    let at = |role: Role| map.get(role).unwrap().start.0 * 512;
    for (offset, words) in [
        (at(Role::Boot(Slot::A)) + 40, "slot A: manifest: manifest signature"),
        (at(Role::Boot(Slot::R)) + 65_536, "slot R (rescue): kernel: digest"),
        (at(Role::Boot(Slot::A)) + (14 << 20), "slot A: UEFI loader: digest"),
        (at(Role::Boot(Slot::A)) + (15 << 20) + 2000, "slot A: BIOS loader: digest"),
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
    let map = evener_disk::PartitionMap::read(&mut DiskFile::raw(&path).unwrap()).unwrap();
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
    for (kind, bytes) in bench.parts().0.into_iter().filter(|(kind, _)| *kind != PartKind::Rootfs) {
        slot.put(kind.place(Slot::A).at, bytes).unwrap();
    }
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

#[test]
fn damage_to_the_file_itself_is_named_by_its_offset() {
    let bench = Bench::new();
    let disk = bench.disk();
    // The first grain of a VMDK begins behind its descriptor; an OVA has digests of all of it.
    for (format, at, words) in [
        (Format::Vmdk, 65_536 + 12 + 20, "the compressed data at offset 65548"),
        (Format::Ova, 40_000, "the checksum of the member of an OVA at offset"),
    ] {
        let path = bench.in_format(format, &disk);
        bench.flip(&path, at);
        let told = match file(&path, &[bench.key.public()]) {
            Ok(report) => report.faults().join(" "),
            Err(error) => format!("{error:#}"),
        };
        assert!(told.contains(words), "{format:?}: {told}");
    }
    for format in [Format::Qcow2, Format::Vhd, Format::Vhdx, Format::Vmdk, Format::Ova, Format::RawZst] {
        let path = bench.in_format(format, &disk);
        let target = fs::File::options().write(true).open(&path).unwrap();
        target.set_len(fs::metadata(&path).unwrap().len() / 2).unwrap();
        let told = match file(&path, &[bench.key.public()]) {
            Ok(report) => report.faults().join(" "),
            Err(error) => format!("{error:#}"),
        };
        assert!(told.contains("offset"), "{format:?}: {told}");
    }
}
