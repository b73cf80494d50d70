//! Files that are cut or changed: an error that says where, or the same disk; never a panic.

use std::fs;

use evener_formats::{Disk, Format, ReaderError, Survey, WriteAt, raw_zst};

use crate::bench::{Bench, disk_of, noise};

/// A file in memory.
#[derive(Default)]
struct Memory(Vec<u8>);

impl WriteAt for Memory {
    type Error = std::convert::Infallible;

    fn write_at(&mut self, offset: u64, bytes: &[u8]) -> Result<(), Self::Error> {
        let end = offset as usize + bytes.len();
        self.0.resize(self.0.len().max(end), 0);
        self.0[offset as usize..end].copy_from_slice(bytes);
        Ok(())
    }

    fn set_length(&mut self, length: u64) -> Result<(), Self::Error> {
        self.0.resize(length as usize, 0);
        Ok(())
    }
}

/// Reads all of the disk in these bytes: its digest, or what is wrong, in words.
fn read(format: Format, file: &[u8]) -> Result<[u8; 32], String> {
    if format == Format::RawZst {
        let mut disk = Memory::default();
        raw_zst::unpack(file, &mut disk).map_err(|error| error.to_string())?;
        return Ok(Survey::of(&mut Format::Raw.open(&disk.0[..]).unwrap()).unwrap().digest());
    }
    let mut disk = format.open(file).map_err(|error| error.to_string())?;
    Survey::of(&mut disk).map(|survey| survey.digest()).map_err(|error| error.to_string())
}

fn small(format: Format) -> Vec<u8> {
    let mut disk = evener_formats::Sparse::new(3 << 20);
    disk.put(0, noise(5000, 1).into()).unwrap();
    disk.put((2 << 20) + 70_000, noise(90_000, 2).into()).unwrap();
    fs::read(Bench::new().write(format, &disk)).unwrap()
}

const WITH_STRUCTURE: [Format; 6] =
    [Format::Qcow2, Format::Vhd, Format::Vhdx, Format::Vmdk, Format::Ova, Format::RawZst];

#[test]
fn a_file_that_is_cut_anywhere_says_at_which_offset() {
    for format in WITH_STRUCTURE {
        let file = small(format);
        let cuts =
            (0..600).chain((600..file.len()).step_by(file.len() / 150)).chain(file.len() - 600..file.len());
        for length in cuts {
            // The zeros at the end of a tar may be missing: they mark the end, nothing else.
            if format == Format::Ova && length > file.len() - 1024 {
                continue;
            }
            if format == Format::RawZst && length == 0 {
                continue;
            }
            let error = read(format, &file[..length]).expect_err(&format!("{format:?} cut to {length}"));
            assert!(error.contains("offset"), "{format:?} cut to {length}: {error}");
        }
    }
}

#[test]
fn a_flipped_bit_is_an_error_with_an_offset_or_does_not_matter_or_is_content() {
    for format in WITH_STRUCTURE {
        let file = small(format);
        let right = read(format, &file).unwrap();
        let mut told = 0;
        // Every byte of a header, and the rest in steps.
        let middle = (700..file.len()).step_by(file.len() / 100);
        let end = (file.len() - 1600..file.len()).step_by(5);
        let places = (0..110).chain((110..700).step_by(3)).chain(middle).chain(end);
        for at in places {
            let mut bad = file.clone();
            bad[at] ^= 1 << (at % 8);
            match read(format, &bad) {
                Ok(digest) if digest == right => {}
                // What holds content and has no checksum of it cannot notice.
                Ok(_) => assert!(
                    matches!(format, Format::Qcow2 | Format::Vhd | Format::Vhdx | Format::Vmdk),
                    "{format:?} at {at}: other content, unnoticed"
                ),
                Err(error) => {
                    told += 1;
                    assert!(error.contains("offset"), "{format:?} at {at}: {error}");
                }
            }
        }
        assert!(told > 5, "{format:?}: {told}");
    }
}

#[test]
fn a_damaged_copy_of_a_vhdx_structure_is_made_up_for_by_the_other() {
    let file = small(Format::Vhdx);
    let right = read(Format::Vhdx, &file);
    for (one, other) in [(64 << 10, 128 << 10), (192 << 10, 256 << 10)] {
        for place in [one, other] {
            let mut bad = file.clone();
            bad[place + 20] ^= 1;
            assert_eq!(read(Format::Vhdx, &bad), right, "{place}");
            bad[one + other - place + 20] ^= 1;
            assert!(read(Format::Vhdx, &bad).unwrap_err().contains("checksum"), "{place}");
        }
    }
}

#[test]
fn a_corrupt_grain_is_told_with_its_place() {
    let file = small(Format::Vmdk);
    let mut bad = file.clone();
    // The first grain lies behind header and descriptor: its marker, then its stream.
    bad[65_536 + 12 + 100] ^= 0x10;
    assert_eq!(read(Format::Vmdk, &bad).unwrap_err(), "the compressed data at offset 65548 is damaged");
    let mut bad = file.clone();
    bad[65_536] = 1;
    assert_eq!(read(Format::Vmdk, &bad).unwrap_err(), "unsupported sector of a grain 0x1 at offset 65536");
    let mut bad = file;
    bad[65_536 + 8..65_536 + 12].copy_from_slice(&[0xff; 4]);
    assert_eq!(
        read(Format::Vmdk, &bad).unwrap_err(),
        "unsupported size of a grain 0xffffffff at offset 65544"
    );
}

#[test]
fn errors_inside_of_an_ova_count_from_its_start() {
    let disk = disk_of(20 << 20);
    let file = fs::read(Bench::new().write(Format::Ova, &disk)).unwrap();
    let magic = file.windows(4).position(|bytes| bytes == b"KDMV").unwrap();
    // Without a manifest nobody notices before the disk is read.
    let manifest = file.windows(9).position(|bytes| bytes == b"evener.mf").unwrap();
    let mut bad = file.clone();
    bad[manifest + 8] = b'x';
    let sum: u32 =
        (0..512).filter(|at| !(148..156).contains(at)).map(|at| u32::from(bad[manifest + at])).sum();
    bad[manifest + 148..manifest + 156].copy_from_slice(format!("{:06o}\0 ", sum + 8 * 32).as_bytes());
    let mut whole = Format::Ova.open(&bad[..]).unwrap();
    assert_eq!(whole.length(), disk.length());
    whole.read(0, &mut [0; 512]).unwrap();
    drop(whole);

    bad[magic + 65_536 + 12 + 100] ^= 0x10;
    let mut damaged = Format::Ova.open(&bad[..]).unwrap();
    let error = damaged.read(0, &mut [0; 512]).unwrap_err();
    assert_eq!(error, ReaderError::Compressed { offset: magic as u64 + 65_548 });
}

#[test]
fn a_disk_of_no_size_or_of_half_a_sector_is_refused() {
    for size in [0, 100, 513_u64] {
        let mut qcow2 = small(Format::Qcow2);
        qcow2[24..32].copy_from_slice(&size.to_be_bytes());
        let expected = format!("unsupported disk size {size:#x} at offset 24");
        assert_eq!(read(Format::Qcow2, &qcow2).unwrap_err(), expected);

        let mut vhd = small(Format::Vhd);
        let footer = vhd.len() - 512;
        vhd[footer + 48..footer + 56].copy_from_slice(&size.to_be_bytes());
        vhd[footer + 64..footer + 68].fill(0);
        let sum: u32 = vhd[footer..].iter().map(|byte| u32::from(*byte)).sum();
        vhd[footer + 64..footer + 68].copy_from_slice(&(!sum).to_be_bytes());
        let expected = format!("unsupported disk size {size:#x} at offset {}", footer + 48);
        assert_eq!(read(Format::Vhd, &vhd).unwrap_err(), expected);
    }
}
