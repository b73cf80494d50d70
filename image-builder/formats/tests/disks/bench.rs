//! Files as the writers and readers want them, and disks to write.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use evener_formats::ova::Machine;
use evener_formats::{AnyDisk, Disk, Format, ReadAt, Sparse, Survey, WriteAt, raw_zst};

/// A file on the disk of the test.
pub(crate) struct OnDisk(pub(crate) File);

impl ReadAt for OnDisk {
    type Error = io::Error;

    fn length(&self) -> u64 {
        self.0.metadata().unwrap().len()
    }

    fn read_at(&mut self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.0.read_exact_at(out, offset)
    }
}

impl WriteAt for OnDisk {
    type Error = io::Error;

    fn write_at(&mut self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.0.write_all_at(bytes, offset)
    }

    fn set_length(&mut self, length: u64) -> io::Result<()> {
        self.0.set_len(length)
    }
}

/// A directory, and the files of one disk in it.
pub(crate) struct Bench {
    folder: tempfile::TempDir,
}

impl Bench {
    pub(crate) fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Writes the disk in this format.
    pub(crate) fn write(&self, format: Format, disk: &Sparse) -> PathBuf {
        self.write_as(&format!("disk.{}", format.extension()), format, &mut &*disk)
    }

    pub(crate) fn write_as<D: Disk>(&self, name: &str, format: Format, disk: &mut D) -> PathBuf
    where
        D::Error: std::fmt::Debug,
    {
        let path = self.path(name);
        let survey = Survey::of(disk).unwrap();
        let mut file = OnDisk(File::create(&path).unwrap());
        let length = format.write(disk, &survey, &Machine::new("evener"), &mut file).unwrap();
        assert_eq!(length, fs::metadata(&path).unwrap().len(), "{format:?} says how long it is");
        path
    }

    /// Opens what was written, unpacked if need be.
    pub(crate) fn open(&self, path: &Path) -> AnyDisk<'static, io::Error> {
        let mut file = OnDisk(File::open(path).unwrap());
        let format = Format::of(&mut file).unwrap();
        if format != Format::RawZst {
            return format.open(file).unwrap();
        }
        let unpacked = self.path("unpacked");
        let mut target = OnDisk(
            File::options().read(true).write(true).create(true).truncate(true).open(unpacked).unwrap(),
        );
        raw_zst::unpack(file.0, &mut target).unwrap();
        Format::Raw.open(target).unwrap()
    }
}

pub(crate) fn run(program: &str, arguments: &[&str]) -> String {
    let out = Command::new(program).args(arguments).output().unwrap();
    let text = format!("{}{}", String::from_utf8_lossy(&out.stdout), String::from_utf8_lossy(&out.stderr));
    assert!(out.status.success(), "{program} {arguments:?}: {text}");
    text
}

pub(crate) fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// Bytes that look different in every block, from a seed.
pub(crate) fn noise(len: usize, mut seed: u64) -> Vec<u8> {
    (0..len)
        .map(|_| {
            seed ^= seed << 13;
            seed ^= seed >> 7;
            seed ^= seed << 17;
            (seed >> 32) as u8
        })
        .collect()
}

/// A disk whose content touches both ends, crosses clusters and is zero in places, in a format's every table.
pub(crate) fn disk_of(bytes: u64) -> Sparse {
    let mut disk = Sparse::new(bytes);
    disk.put(0, noise(512, 3).into()).unwrap();
    disk.put(65_000, noise(200_000, 4).into()).unwrap();
    disk.put(1 << 20, vec![0; 300_000].into()).unwrap();
    disk.put((2 << 20) + 4096, vec![0x5a; 2 << 20].into()).unwrap();
    disk.put(bytes - 100_612, noise(100_612, 5).into()).unwrap();
    disk
}

/// More than 512 MiB, so that tables of every format are several, some of them unused; the end is in a block of its own.
pub(crate) fn large_disk() -> Sparse {
    disk_of((1600 << 20) + 512)
}

/// All bytes of the disk are those of `expected`; holes are what holes are.
pub(crate) fn assert_same<D: Disk>(disk: &mut D, expected: &Sparse, what: &str)
where
    D::Error: std::fmt::Debug,
{
    let padded = disk.length();
    assert!(padded == expected.length() || padded == expected.length().next_multiple_of(1 << 20), "{what}");
    let mut whole = Sparse::new(padded);
    whole.embed(0, expected).unwrap();
    assert_eq!(Survey::of(disk).unwrap().digest(), Survey::of(&mut &whole).unwrap().digest(), "{what}");
    for (at, len) in [(0, 300_000), (65_530, 10), (700 << 20, 100_000), (expected.length() - 700, 700)] {
        let at = at.min(expected.length() - len as u64);
        let (mut wanted, mut got) = (vec![0; len], vec![1; len]);
        expected.read(at, &mut wanted);
        disk.read(at, &mut got).unwrap();
        assert!(got == wanted, "{what}: {len} bytes at {at}");
    }
    assert!(disk.read(padded - 1, &mut [0; 2]).is_err(), "{what}: behind the end");
    assert!(disk.read(u64::MAX, &mut [0; 2]).is_err(), "{what}: far behind the end");
}
