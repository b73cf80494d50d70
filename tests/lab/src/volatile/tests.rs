//! The disk as QEMU's own client uses it.

use std::ffi::OsStr;
use std::process::Stdio;

use super::*;
use crate::{Program, tool};

const LIMIT: Duration = Duration::from_secs(60);

fn disk() -> VolatileDisk {
    let file = tempfile::NamedTempFile::new().unwrap();
    file.as_file().set_len(1 << 20).unwrap();
    VolatileDisk::over(file.path()).unwrap()
}

/// What `disk` is after a power cut.
fn after(disk: &VolatileDisk, seed: u64) -> (VolatileDisk, Loss) {
    let left = VolatileDisk::serve(disk.shared.lock().cache.clone()).unwrap();
    let loss = left.power_on(seed).unwrap();
    (left, loss)
}

fn arguments(disk: &VolatileDisk, commands: &[&str]) -> Vec<String> {
    let address = format!("nbd+unix:///?socket={}", disk.socket().display());
    // Without "-t" it is a client that writes everything through.
    let mut arguments: Vec<String> = ["-t", "writeback", "-f", "raw", &address].map(str::to_owned).into();
    for command in commands {
        arguments.extend(["-c".to_owned(), (*command).to_owned()]);
    }
    arguments
}

/// Lets the client do `commands`, of which reads check what they read.
fn qemu_io(disk: &VolatileDisk, commands: &[&str]) -> String {
    let arguments = arguments(disk, commands);
    let arguments: Vec<&OsStr> = arguments.iter().map(AsRef::as_ref).collect();
    let said = String::from_utf8(tool::run("qemu-io", "qemu-utils", &arguments).unwrap()).unwrap();
    assert!(!said.contains("failed") && !said.contains("rror"), "{said}");
    said
}

/// Lets the client do `commands` until the power fails.
fn until_cut(disk: &VolatileDisk, moment: Moment, commands: &[&str]) {
    disk.cut_at(moment);
    let program =
        Program::start("qemu-io", &arguments(disk, commands), Stdio::null(), Stdio::null()).unwrap();
    disk.wait_cut(LIMIT).unwrap();
    assert!(program.runs(), "a disk without power says nothing, not even that");
}

fn sector(disk: &mut VolatileDisk, at: u64) -> [u8; SECTOR] {
    let mut bytes = [0; SECTOR];
    disk.read(Lba(at), &mut bytes).unwrap();
    bytes
}

#[test]
fn qemu_writes_reads_and_flushes() {
    let mut disk = disk();
    qemu_io(&disk, &["write -P 7 4096 8192", "read -P 7 4096 8192", "flush", "read -P 0 0 4096"]);
    let counts = disk.counts();
    assert_eq!((counts.writes, counts.bytes), (1, 8192));
    assert!(counts.flushes >= 1, "{counts:?}");
    assert_eq!((sector(&mut disk, 7), sector(&mut disk, 8)), ([0; SECTOR], [7; SECTOR]));
    let said = qemu_io(&disk, &["length", "write -f -P 9 0 512", "discard 0 4096"]);
    assert!(said.contains("1 MiB"), "{said}");
    assert_eq!(sector(&mut disk, 0), [9; SECTOR]);
}

#[test]
fn what_was_not_flushed_before_the_cut_may_be_gone_and_what_was_is_not() {
    let disk = disk();
    let commands = ["write -P 1 0 512", "flush", "write -P 2 512 512", "write -P 3 1024 512", "write 0 512"];
    until_cut(&disk, Moment::Write(3), &commands);
    let (mut lost, mut kept, mut torn) = (0, 0, 0);
    for seed in 0..200 {
        let (mut left, loss) = after(&disk, seed);
        assert_eq!(loss.unflushed, 2);
        assert_eq!(sector(&mut left, 0), [1; SECTOR], "seed {seed}");
        lost += u32::from(sector(&mut left, 1) == [0; SECTOR]);
        kept += u32::from(sector(&mut left, 1) == [2; SECTOR] && sector(&mut left, 2) == [3; SECTOR]);
        torn += u32::from(loss.torn);
    }
    assert!(lost > 10 && kept > 10 && torn > 10, "of 200, {lost} lost one, {kept} kept all, {torn} tore one");
}

#[test]
fn the_power_fails_before_the_flush_that_was_named_and_the_disk_goes_on_afterwards() {
    let mut disk = disk();
    until_cut(&disk, Moment::Flush(1), &["write -P 1 0 512", "flush", "write -P 2 0 512", "flush"]);
    let found: Vec<u8> = (0..200).map(|seed| sector(&mut after(&disk, seed).0, 0)[0]).collect();
    assert!(found.contains(&1) && found.contains(&2) && !found.contains(&0), "{found:?}");
    assert_eq!(sector(&mut disk.copy().unwrap(), 0), [2; SECTOR], "a copy has what a reader sees");

    disk.power_on(0).unwrap();
    assert!(disk.wait_cut(Duration::ZERO).is_err());
    qemu_io(&disk, &["write -P 5 512 512", "flush", "read -P 5 512 512"]);
    assert_eq!(sector(&mut disk, 1), [5; SECTOR]);
    assert!(disk.read(Lba(2048), &mut [0; SECTOR]).is_err(), "it ends where it ends");
}
