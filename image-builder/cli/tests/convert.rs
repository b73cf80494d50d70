//! The program itself: its exit codes, and how much memory it takes.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "test crate: starts the program"
)]

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::process::{Command, Output};

const PROGRAM: &str = env!("CARGO_BIN_EXE_evener-image");
const FORMATS: [&str; 7] = ["raw", "qcow2", "vhd", "vhdx", "vmdk", "ova", "raw.zst"];
/// Address space of the program, code and libraries included, in KiB: less than the disk holds.
const LIMIT_KIB: u32 = 96 << 10;
const CONTENT_MIB: u64 = 112;

/// Runs the program with so much address space, and with the keys of nobody.
fn limited(kib: u32, home: &Path, arguments: &[&Path]) -> Output {
    Command::new("sh")
        .args(["-c", &format!("ulimit -v {kib}; exec \"$0\" \"$@\""), PROGRAM])
        .args(arguments)
        .env("XDG_CONFIG_HOME", home)
        .output()
        .unwrap()
}

fn run(home: &Path, arguments: &[&Path]) -> (Option<i32>, String) {
    let output = limited(LIMIT_KIB, home, arguments);
    let text = [output.stdout, output.stderr].concat();
    (output.status.code(), String::from_utf8_lossy(&text).into_owned())
}

/// A disk of 1.5 GiB with more in it than the program has memory.
fn large_disk(path: &Path) {
    let file = File::create(path).unwrap();
    file.set_len(3 << 29).unwrap();
    let mut seed = 7_u64;
    let mut block = vec![0; 1 << 20];
    for mib in 0..CONTENT_MIB {
        for byte in block.iter_mut().step_by(16) {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            *byte = seed.to_le_bytes()[7];
        }
        file.write_all_at(&block, (mib * 13) << 20).unwrap();
    }
}

#[test]
fn a_large_disk_goes_through_every_format_in_little_memory_and_comes_out_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let source = path("first.raw");
    large_disk(&source);
    // The limit is one: the program cannot hold what the disk holds.
    assert!(u64::from(LIMIT_KIB) < CONTENT_MIB << 10);
    let mut before = source.clone();
    for format in FORMATS {
        let target = path(&format!("disk.{format}"));
        let (code, text) = run(folder.path(), &["convert".as_ref(), &before, &target]);
        assert_eq!(code, Some(0), "{format}: {text}");
        assert!(text.contains("a disk of 1536 MiB with 112 MiB of content"), "{format}: {text}");
        before = target;
    }
    let (code, text) = run(folder.path(), &["diff".as_ref(), &source, &before]);
    assert_eq!((code, text.contains("hold the same")), (Some(0), true), "{text}");

    File::options().write(true).open(&source).unwrap().write_all_at(&[9], 700 << 20).unwrap();
    let (code, text) = run(folder.path(), &["diff".as_ref(), &source, &path("disk.vhdx")]);
    assert_eq!(code, Some(1), "{text}");
    assert!(text.contains("content: first difference at byte 734003200 of it"), "{text}");
}

#[test]
fn exit_codes_tell_a_fault_from_wrong_usage() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    std::fs::write(path("cut.vhd"), vec![0; 100_000]).unwrap();
    std::fs::write(path("some.raw"), vec![0; 4096]).unwrap();
    for (arguments, expected, words) in [
        (vec!["convert".into(), path("cut.vhd"), path("out.raw")], 1, "not a VHD file (offset 99488)"),
        (vec!["convert".into(), path("none.raw"), path("out.raw")], 1, "none.raw"),
        (vec!["convert".into(), path("some.raw"), path("out")], 64, "the name says no format"),
        (vec!["inspect".into(), path("cut.vhd")], 1, "offset 99488"),
        (vec!["diff".into(), path("some.raw"), path("cut.vhd")], 2, "offset 99488"),
        (vec!["diff".into(), path("some.raw")], 64, "B is missing"),
    ] {
        let arguments: Vec<&Path> = arguments.iter().map(std::path::PathBuf::as_path).collect();
        let (code, text) = run(folder.path(), &arguments);
        assert_eq!(code, Some(expected), "{arguments:?}: {text}");
        assert!(text.contains(words), "{arguments:?}: {text}");
    }
    assert!(!path("out.raw").exists());
}
