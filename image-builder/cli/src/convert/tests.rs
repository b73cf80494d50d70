use std::cell::Cell;
use std::fs::{self, File};
use std::path::PathBuf;

use evener_formats::ova::Machine;

use super::*;
use crate::bench::Bench;
use crate::diff::diff;

fn order(source: &Path, target: &Path, force: bool) -> Convert {
    let format = Format::of_name(&target.to_string_lossy()).unwrap();
    let machine = Machine::new("evener");
    Convert { source: source.to_owned(), target: target.to_owned(), format, force, machine }
}

fn quiet(_: &str) {}

fn files(bench: &Bench) -> Vec<PathBuf> {
    let all = fs::read_dir(bench.folder.path()).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<PathBuf> = all.filter(|path| path.is_file()).collect();
    files.sort();
    files
}

#[test]
fn every_format_becomes_every_other_and_stays_the_same_disk() {
    let bench = Bench::new();
    let disk = bench.disk();
    let raw = bench.file("first.raw", &disk);
    for from in Format::ALL {
        let source = bench.in_format(from, &disk);
        for to in Format::ALL {
            let target = bench.folder.path().join(format!("target.{}", to.extension()));
            let line = convert(&order(&source, &target, true), &quiet).unwrap();
            assert!(line.contains(&format!("(from {}), a disk of 320 MiB", from.extension())), "{line}");
            // Whatever it comes from, the file is the one that comes from raw.
            if from == Format::Qcow2 {
                assert_eq!(
                    diff([&raw, &target], &[bench.key.public()]).unwrap(),
                    [] as [String; 0],
                    "{to:?}"
                );
                let direct = bench.in_format(to, &disk);
                assert!(fs::read(&direct).unwrap() == fs::read(&target).unwrap(), "{to:?}");
            } else {
                let direct = bench.in_format(to, &disk);
                let sizes = [&direct, &target].map(|path| fs::metadata(path).unwrap().len());
                assert_eq!(sizes[0], sizes[1], "{from:?} to {to:?}");
            }
        }
    }
}

#[test]
fn a_file_that_is_there_stays_unless_told_otherwise() {
    let bench = Bench::new();
    let source = bench.file("a.raw", &bench.disk());
    let target = bench.folder.path().join("b.vhd");
    fs::write(&target, b"somebody's").unwrap();
    let error = convert(&order(&source, &target, false), &quiet).unwrap_err().to_string();
    assert!(error.contains("is there already (--force"), "{error}");
    assert_eq!(fs::read(&target).unwrap(), b"somebody's");
    convert(&order(&source, &target, true), &quiet).unwrap();
    assert_eq!(fs::metadata(&target).unwrap().len(), (320 << 20) + 512);

    let error = convert(&order(&source, &source, true), &quiet).unwrap_err().to_string();
    assert!(error.contains("is the source"), "{error}");
    let error =
        convert(&Convert { target: bench.folder.path().into(), ..order(&source, &target, true) }, &quiet);
    assert!(error.unwrap_err().to_string().contains("not a file"));
}

#[test]
fn a_damaged_source_leaves_no_target_and_is_told_with_its_offset() {
    let bench = Bench::new();
    let disk = bench.disk();
    for format in Format::ALL.into_iter().filter(|format| *format != Format::Raw) {
        let source = bench.in_format(format, &disk);
        let half = fs::metadata(&source).unwrap().len() / 2;
        File::options().write(true).open(&source).unwrap().set_len(half).unwrap();
        let before = files(&bench);
        let target = bench.folder.path().join("target.raw");
        let error = format!("{:#}", convert(&order(&source, &target, false), &quiet).unwrap_err());
        assert!(error.contains("offset"), "{format:?}: {error}");
        assert_eq!(files(&bench), before, "{format:?}");
        fs::remove_file(source).unwrap();
    }
}

#[test]
fn what_is_no_whole_number_of_sectors_is_not_converted() {
    let bench = Bench::new();
    let source = bench.folder.path().join("a.raw");
    fs::write(&source, [1; 1000]).unwrap();
    let target = bench.folder.path().join("b.qcow2");
    let error = format!("{:#}", convert(&order(&source, &target, false), &quiet).unwrap_err());
    assert!(error.contains("a disk of 1000 bytes: qcow2 takes whole sectors"), "{error}");
    assert!(!target.exists());
}

#[test]
fn a_vhd_that_is_larger_than_the_disk_is_said_to_be() {
    let bench = Bench::new();
    let source = bench.folder.path().join("a.raw");
    fs::write(&source, [1; 1024]).unwrap();
    let line = convert(&order(&source, &bench.folder.path().join("b.vhd"), false), &quiet).unwrap();
    assert!(line.contains("1047552 bytes of zeros behind it"), "{line}");
}

#[test]
fn progress_is_told_in_percent_of_the_pass() {
    let bench = Bench::new();
    let told = Cell::new(String::new());
    let say = |text: &str| told.set(text.to_owned());
    let mut disk = Metered::new(DiskFile::open(&bench.file("a.raw", &bench.disk())).unwrap(), &say);
    let long_ago = Instant::now().checked_sub(PROGRESS).unwrap();
    disk.last = long_ago;
    Disk::read(&mut disk, 0, &mut vec![0; 32 << 20]).unwrap();
    assert_eq!(told.take(), "looking through: 10 %");
    disk.next_pass("writing", 64 << 20);
    Disk::read(&mut disk, 0, &mut vec![0; 1 << 20]).unwrap();
    assert_eq!(told.take(), "", "not twice within the time");
    disk.last = long_ago;
    Disk::read(&mut disk, 0, &mut vec![0; 31 << 20]).unwrap();
    assert_eq!(told.take(), "writing: 50 %");
}
