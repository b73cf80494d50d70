//! What a writer writes: read back, twice the same, no larger than it must be.

use std::fs;

use evener_formats::{Format, Sparse, Survey};

use crate::bench::{Bench, assert_same, disk_of, large_disk, noise};

#[test]
fn every_format_is_read_back_as_the_disk_that_was_written() {
    let bench = Bench::new();
    let disk = large_disk();
    for format in Format::ALL {
        let path = bench.write(format, &disk);
        assert_same(&mut bench.open(&path), &disk, format.extension());
    }
}

#[test]
fn a_file_says_by_itself_which_format_it_has() {
    let bench = Bench::new();
    for format in Format::ALL {
        let path = bench.write(format, &disk_of(20 << 20));
        assert_eq!(Format::of(&mut &fs::read(path).unwrap()[..]), Ok(format));
    }
}

#[test]
fn equal_disks_give_equal_files_whatever_they_are_read_from() {
    let bench = Bench::new();
    let disk = disk_of(70 << 20);
    for format in Format::ALL {
        let first = bench.write(format, &disk);
        // From another format, whose holes are elsewhere.
        let other = if format == Format::Qcow2 { Format::Vhdx } else { Format::Qcow2 };
        let source = bench.write_as("source", other, &mut &disk);
        let second = bench.write_as("second", format, &mut bench.open(&source));
        let (first, second) = (fs::read(first).unwrap(), fs::read(second).unwrap());
        assert!(first == second, "{format:?}");
    }
}

#[test]
fn another_disk_has_other_ids() {
    let bench = Bench::new();
    let (one, mut other) = (disk_of(20 << 20), disk_of(20 << 20));
    other.put(10 << 20, vec![1; 1].into()).unwrap();
    // Where a format keeps an id: its offset, in a VHD from the footer on.
    for (format, at) in
        [(Format::Vhd, (20 << 20) + 68), (Format::Vhdx, (64 << 10) + 16), (Format::Vhdx, (64 << 10) + 32)]
    {
        let [one, other] = [&one, &other].map(|disk| fs::read(bench.write(format, disk)).unwrap());
        assert_ne!(one[at..at + 16], [0; 16], "{format:?} at {at}");
        assert_ne!(one[at..at + 16], other[at..at + 16], "{format:?} at {at}");
    }
    let cid = |disk| {
        let file = fs::read(bench.write(Format::Vmdk, disk)).unwrap();
        let text = String::from_utf8_lossy(&file[512..2000]).into_owned();
        text.lines().find(|line| line.starts_with("CID=")).unwrap().to_owned()
    };
    assert_ne!(cid(&one), cid(&other));
}

#[test]
fn zeros_are_not_stored() {
    let bench = Bench::new();
    let mut disk = Sparse::new(1 << 30);
    disk.put(0, vec![0; 3 << 20].into()).unwrap();
    disk.put(500 << 20, noise(1 << 20, 9).into()).unwrap();
    let size = |format| fs::metadata(bench.write(format, &disk)).unwrap().len();
    // Header, refcount table and block, L1, one L2, sixteen clusters.
    assert_eq!(size(Format::Qcow2), (5 + 16) << 16);
    assert_eq!(size(Format::Vhdx), 5 << 20);
    assert_eq!(size(Format::Vhd), (1 << 30) + 512);
    for format in [Format::Vmdk, Format::Ova, Format::RawZst] {
        assert!((1 << 20..(1 << 20) + 200_000).contains(&size(format)), "{format:?}: {}", size(format));
    }
}

#[test]
fn an_empty_disk_is_a_disk() {
    let bench = Bench::new();
    let disk = Sparse::new((33 << 20) + 512);
    for format in Format::ALL {
        let path = bench.write(format, &disk);
        let mut read = bench.open(&path);
        let survey = Survey::of(&mut read).unwrap();
        assert_eq!(survey.clusters().count(), 0, "{format:?}");
        assert!(survey.length() >= disk.length());
    }
}

#[test]
fn a_disk_that_is_not_whole_sectors_is_refused() {
    for length in [0, 100, (1 << 20) + 511] {
        let disk = Sparse::new(length);
        let survey = Survey::of(&mut &disk).unwrap();
        for format in Format::ALL {
            let folder = tempfile::tempfile().unwrap();
            let machine = evener_formats::ova::Machine::new("x");
            let mut file = crate::bench::OnDisk(folder);
            let error = format.write(&mut &disk, &survey, &machine, &mut file).unwrap_err().to_string();
            assert!(error.contains(&format!("a disk of {length} bytes")), "{format:?}: {error}");
        }
    }
}

#[test]
fn a_vhd_is_a_whole_number_of_mib_and_512_bytes() {
    let bench = Bench::new();
    let disk = disk_of((20 << 20) + 512);
    let file = fs::read(bench.write(Format::Vhd, &disk)).unwrap();
    assert_eq!(file.len(), (21 << 20) + 512);
    let footer = &file[21 << 20..];
    assert_eq!(footer[40..48], (21_u64 << 20).to_be_bytes());
    assert_eq!(footer[48..56], (21_u64 << 20).to_be_bytes());
    assert_eq!(footer[56..64], [0xff, 0xff, 16, 255, 0, 0, 0, 2]);
    assert_eq!(footer[28..32], *b"qem2");
    assert_eq!(footer[16..24], [0xff; 8]);
}
