//! Each format against a program that somebody else wrote.
#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    clippy::panic,
    clippy::cast_possible_truncation,
    reason = "test crate: starts host programs and checks by unwrapping"
)]

use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::process::Command;

use bytes::Bytes;
use evener_formats::fat16::{ReadError, Volume, extract};
use evener_formats::{Sparse, verity::Tree};

fn write(image: &Sparse, path: &Path) {
    let file = File::create(path).unwrap();
    file.set_len(image.length()).unwrap();
    for extent in image.extents() {
        file.write_all_at(&extent.bytes, extent.at).unwrap();
    }
}

fn run(program: &str, arguments: &[&str]) -> String {
    let out = Command::new(program).args(arguments).output().unwrap();
    let text = format!("{}{}", String::from_utf8_lossy(&out.stdout), String::from_utf8_lossy(&out.stderr));
    assert!(out.status.success(), "{program} {arguments:?}: {text}");
    text
}

/// Bytes that look different in every block, from a seed.
fn noise(len: usize, mut seed: u64) -> Vec<u8> {
    (0..len)
        .map(|_| {
            seed ^= seed << 13;
            seed ^= seed >> 7;
            seed ^= seed << 17;
            (seed >> 32) as u8
        })
        .collect()
}

#[test]
fn fsck_and_mtools_find_the_file_on_the_fat_volume() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("esp");
    let loader = noise(123_457, 1);
    let mut volume = Volume::new(32768, 2048, "EVENER-A", 0x1234_abcd);
    volume.add("EFI/BOOT/BOOTX64.EFI", loader.clone().into()).unwrap();
    volume.add("EMPTY.TXT", Bytes::new()).unwrap();
    write(&volume.build().unwrap(), &path);
    let path = path.to_str().unwrap();

    let fsck = run("fsck.vfat", &["-n", "-v", path]);
    assert!(fsck.contains("16 bit entries"), "{fsck}");
    let copy = folder.path().join("copy");
    run("mcopy", &["-i", path, "::EFI/BOOT/BOOTX64.EFI", copy.to_str().unwrap()]);
    assert_eq!(fs::read(copy).unwrap(), loader);
    let bytes = fs::read(path).unwrap();
    assert_eq!(extract(&bytes, "EFI/BOOT/BOOTX64.EFI").unwrap(), loader);
    assert_eq!(extract(&bytes, "EMPTY.TXT").unwrap(), []);
    let listing = run("mdir", &["-i", path, "::"]);
    assert!(listing.contains("EVENER-A"), "{listing}");
    assert!(listing.contains("1234-ABCD"), "{listing}");
}

#[test]
fn our_reader_takes_files_out_of_a_volume_that_mtools_filled() {
    let folder = tempfile::tempdir().unwrap();
    let (path, source) = (folder.path().join("esp"), folder.path().join("source"));
    let loader = noise(70_001, 3);
    fs::write(&source, &loader).unwrap();
    File::create(&path).unwrap().set_len(16 << 20).unwrap();
    let (path, source) = (path.to_str().unwrap(), source.to_str().unwrap());
    run("mkfs.vfat", &["-F", "16", path]);
    run("mmd", &["-i", path, "::EFI", "::EFI/BOOT"]);
    run("mcopy", &["-i", path, source, "::EFI/BOOT/BOOTX64.EFI"]);

    let mut volume = fs::read(path).unwrap();
    assert_eq!(extract(&volume, "EFI/BOOT/BOOTX64.EFI").unwrap(), loader);
    assert!(matches!(extract(&volume, "EFI/BOOT/OTHER.EFI"), Err(ReadError::NotFound(_))));
    assert!(matches!(extract(&volume, "EFI/BOOT"), Err(ReadError::NotFound(_))));
    for at in (0..80).chain([510, 511]) {
        volume[at] ^= 0xff;
        let _ = extract(&volume, "EFI/BOOT/BOOTX64.EFI");
        volume[at] ^= 0xff;
    }
    for length in [0, 100, 512, 2048, 40_000, 60_000] {
        assert!(extract(&volume[..length], "EFI/BOOT/BOOTX64.EFI").is_err(), "{length}");
    }
}

#[test]
fn the_fat_volume_of_equal_inputs_is_equal() {
    let build = || {
        let mut volume = Volume::new(32768, 0, "X", 1);
        volume.add("A/B.C", noise(5000, 2).into()).unwrap();
        volume.build().unwrap()
    };
    assert_eq!(build(), build());
}

#[test]
fn a_name_that_needs_a_long_entry_or_too_much_content_is_refused() {
    let mut volume = Volume::new(32768, 0, "X", 1);
    for name in ["lower.efi", "TOOLONGNAME", "A.TOOL", "A.B.C", "", "A//B", "Ü"] {
        assert!(volume.add(name, Bytes::new()).is_err(), "{name}");
    }
    volume.add("A", Bytes::new()).unwrap();
    assert!(volume.add("A", Bytes::new()).is_err());
    assert!(volume.add("A/B", Bytes::new()).is_err());
    volume.add("BIG", vec![1; 17 << 20].into()).unwrap();
    assert!(volume.build().is_err());
    assert!(Volume::new(1000, 0, "X", 1).build().is_err());
}

#[test]
fn veritysetup_agrees_on_tree_and_root_hash() {
    let folder = tempfile::tempdir().unwrap();
    let salt: Vec<u8> = (0..32).collect();
    let salt_hex: String = salt.iter().map(|b| format!("{b:02x}")).collect();
    // One block, one hash block exactly, one more, and three levels.
    for blocks in [1_usize, 2, 128, 129, 128 * 128 + 1] {
        let data = noise(blocks * 4096, blocks as u64);
        let (data_path, hash_path) = (folder.path().join("data"), folder.path().join("hash"));
        fs::write(&data_path, &data).unwrap();
        let _ = fs::remove_file(&hash_path);
        let text = run(
            "veritysetup",
            &[
                "format",
                "--no-superblock",
                &format!("--data-blocks={blocks}"),
                &format!("--salt={salt_hex}"),
                data_path.to_str().unwrap(),
                hash_path.to_str().unwrap(),
            ],
        );
        let root = text.lines().find_map(|l| l.strip_prefix("Root hash:"));
        let tree = Tree::of(&data, &salt).unwrap();
        let ours: String = tree.root.iter().map(|b| format!("{b:02x}")).collect();
        assert_eq!(root.map(str::trim), Some(ours.as_str()), "{blocks} blocks");
        assert_eq!(tree.data_blocks, blocks as u64);
        let theirs = fs::read(&hash_path).unwrap_or_default();
        assert_eq!(theirs[..tree.bytes.len()], tree.bytes[..], "{blocks} blocks");
        assert!(theirs[tree.bytes.len()..].iter().all(|b| *b == 0));
    }
    assert!(Tree::of(&[0; 4095], &salt).is_err());
    assert!(Tree::of(&[], &salt).is_err());
}
