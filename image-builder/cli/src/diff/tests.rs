use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::PathBuf;

use evener_disk::Slot;
use evener_formats::{Format, bundle};

use super::*;
use crate::bench::Bench;

fn lines(bench: &Bench, one: &Path, other: &Path) -> Vec<String> {
    diff([one, other], &[bench.key.public()]).unwrap()
}

fn bundle_of(bench: &Bench, name: &str) -> PathBuf {
    bench.file(name, &bundle::encode(&bench.area(), &bench.parts().0).unwrap())
}

#[test]
fn the_format_of_a_disk_is_no_difference() {
    let bench = Bench::new();
    let disk = bench.disk();
    let raw = bench.file("a.raw", &disk);
    for format in Format::ALL {
        let other = bench.in_format(format, &disk);
        assert_eq!(lines(&bench, &raw, &other), [] as [String; 0], "{format:?}");
        assert_eq!(lines(&bench, &other, &raw), [] as [String; 0], "{format:?}");
    }
}

#[test]
fn another_firmware_on_a_disk_is_told_by_version_and_digest() {
    let mut bench = Bench::new();
    let one = bench.in_format(Format::Qcow2, &bench.disk());
    bench.version = [3, 3, 0, 0];
    let other = bench.in_format(Format::Vhdx, &bench.disk());
    let text = lines(&bench, &one, &other).join("\n");
    for words in [
        "slot A, version: A 3.2.1, not a release; B 3.3.0, not a release",
        "slot R (rescue), version: A 3.2.1",
        "slot A, digest: A ",
        "slot table, slot A: … version A 3.2.1, priority 3, tries 0, manifest ",
        "boot-a: first difference at byte ",
        "partition table: … GUID A ",
        "partition table, boot-a: … PARTUUID A ",
        "boot-r: first difference",
        "outside of the partitions, from byte 0 on: first difference",
    ] {
        assert!(text.contains(words), "{words} in\n{text}");
    }
    assert!(!text.contains("root-a: first"), "{text}");
}

#[test]
fn a_file_on_one_of_two_sticks_is_told_with_the_installers_partition() {
    let bench = Bench::new();
    let (one, other) = (bench.file("a.raw", &bench.stick()), bench.file("b.raw", &bench.stick()));
    assert_eq!(lines(&bench, &one, &other), [] as [String; 0]);
    let map = PartitionMap::read(&mut DiskFile::raw(&one).unwrap()).unwrap();
    bench.flip(&other, map.installer().unwrap().start.0 * 512 + 70_000);
    let told = lines(&bench, &one, &other).join("\n");
    assert!(told.starts_with("installer: first difference at byte 70000"), "{told}");
}

#[test]
fn a_byte_that_differs_is_told_with_its_partition_and_its_place_there() {
    let bench = Bench::new();
    let disk = bench.disk();
    let one = bench.file("a.raw", &disk);
    let mut image = DiskFile::raw(&one).unwrap();
    let map = PartitionMap::read(&mut image).unwrap();
    let at = |role: Role| map.get(role).unwrap().start.0 * 512;
    for (offset, words) in [
        (
            at(Role::Root(Slot::A)) + 40 * 4096 + 3,
            "root-a: first difference at byte 163843 of it, sectors that differ: 1",
        ),
        (at(Role::Data) + 70_000, "data: first difference at byte 70000 of it"),
        (at(Role::Conf) + 5, "conf: first difference at byte 5 of it"),
        (100, "outside of the partitions, from byte 0 on: first difference at byte 100 of it"),
    ] {
        let other = bench.file("b.raw", &disk);
        bench.flip(&other, offset);
        let told = lines(&bench, &one, &other);
        assert!(told.iter().any(|line| line.starts_with(words)), "{words}: {told:?}");
    }
    // The kernel is covered by a digest, too, so words come before bytes.
    let other = bench.file("b.raw", &disk);
    bench.flip(&other, at(Role::Boot(Slot::A)) + 65_536 + 7);
    let told = lines(&bench, &one, &other);
    assert!(told[0].starts_with("slot A, kernel: … "), "{told:?}");
    assert!(
        told.contains(&"boot-a: first difference at byte 65543 of it, sectors that differ: 1".to_owned())
    );
    assert!(told.iter().any(|line| line.starts_with("a fault in B only: slot A: kernel")), "{told:?}");
}

#[test]
fn two_bundles_are_compared_by_what_their_manifests_say_and_part_by_part() {
    let mut bench = Bench::new();
    let one = bundle_of(&bench, "a.evfw");
    assert_eq!(lines(&bench, &one, &bundle_of(&bench, "b.evfw")), [] as [String; 0]);
    bench.version = [4, 0, 0, 0];
    let other = bundle_of(&bench, "b.evfw");
    let text = lines(&bench, &one, &other).join("\n");
    assert!(text.contains("firmware bundle") || text.contains("version: A 3.2.1"), "{text}");
    assert!(text.contains("manifest and signature: first difference at byte"), "{text}");
    assert!(!text.contains("rootfs"), "{text}");
}

#[test]
fn disks_without_a_partition_table_are_compared_as_bytes() {
    let bench = Bench::new();
    let (one, other) = (bench.folder.path().join("a.raw"), bench.folder.path().join("b.raw"));
    for path in [&one, &other] {
        File::create(path).unwrap().set_len(1 << 20).unwrap();
    }
    assert_eq!(lines(&bench, &one, &other), [] as [String; 0]);
    File::options().write(true).open(&other).unwrap().write_all_at(&[1], 70_000).unwrap();
    assert_eq!(
        lines(&bench, &one, &other),
        ["content: first difference at byte 70000 of it, sectors that differ: 1"]
    );
    File::options().write(true).open(&other).unwrap().set_len(60_000).unwrap();
    assert_eq!(
        lines(&bench, &one, &other),
        [
            "size: A 1048576 bytes, B 60000 bytes",
            "content: A has 1048576 bytes, B has 60000; the same up to there"
        ]
    );
}

#[test]
fn what_cannot_be_read_or_compared_is_an_error_with_its_offset() {
    let bench = Bench::new();
    let raw = bench.file("a.raw", &bench.disk());
    let bundle = bundle_of(&bench, "a.evfw");
    let error = diff([&raw, &bundle], &[]).unwrap_err().to_string();
    assert!(error.contains("is a disk") && error.contains("is a bundle"), "{error}");
    let vmdk = bench.in_format(Format::Vmdk, &bench.disk());
    let half = fs::metadata(&vmdk).unwrap().len() / 2;
    File::options().write(true).open(&vmdk).unwrap().set_len(half).unwrap();
    let error = format!("{:#}", diff([&raw, &vmdk], &[]).unwrap_err());
    assert!(error.contains("offset"), "{error}");
}

#[test]
fn of_long_texts_only_what_differs_is_shown() {
    let long = "console=tty0 console=ttyS0,115200n8 root=/dev/dm-0 rootfstype=squashfs ro";
    let other = long.replace("dm-0", "dm-1");
    assert_eq!(apart("x", long, &other), "x: … console=ttyS0,115200n8 A root=/dev/dm-0; B root=/dev/dm-1");
    assert_eq!(apart("x", "1, 2", "1, 3"), "x: A 1, 2; B 1, 3");
    let more = format!("{long} quiet");
    assert_eq!(apart("x", long, &more), format!("x: A {long}; B {more}"));
    let first = long.replacen("console=tty0", "a,", 1);
    assert_eq!(apart("x", long, &first), "x: A console=tty0; B a");
}
