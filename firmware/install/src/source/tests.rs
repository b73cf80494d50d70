use evener_disk::SparseDisk;

use super::*;
use crate::bench::{NEW, firmware, keyset, loader_bios, stick};

fn read(stick: &mut SparseDisk) -> Result<Source, SourceError> {
    Source::read(stick, &Keyset::parse(&keyset()).unwrap())
}

/// A stick with one bit flipped at byte `at` of a partition.
fn flipped(role: Role, at: u64) -> SparseDisk {
    let mut stick = stick();
    let start = PartitionMap::read(&mut stick).unwrap().get(role).unwrap().start.0;
    stick.flip(start * SECTOR as u64 + at);
    stick
}

#[test]
fn a_whole_stick_gives_back_what_it_was_made_of() {
    let mut stick = stick();
    let before = stick.clone();
    let source = read(&mut stick).unwrap();
    let (expected, loader_uefi) = firmware(NEW);
    assert_eq!(source.version, NEW);
    assert!(source.firmware.area == expected.area && source.firmware.facts == expected.facts);
    assert!(source.firmware.kernel == expected.kernel && source.firmware.rootfs == expected.rootfs);
    assert!(source.loader_uefi == loader_uefi && source.loader_bios == loader_bios(NEW));
    assert!(stick == before, "nothing is written to a stick");
}

#[test]
fn each_damaged_part_is_named() {
    for (role, at, what) in [
        (Role::Boot(Slot::R), 40, "manifest"),
        (Role::Boot(Slot::R), KERNEL_AT + 99_999, "kernel"),
        (Role::Root(Slot::R), 40 * 4096 + 7, "root file system"),
    ] {
        let error = read(&mut flipped(role, at)).unwrap_err().to_string();
        assert!(error.contains(what) && error.contains("damaged"), "{role} {at}: {error}");
    }
    let mut other_code = stick();
    other_code.flip(3);
    let error = read(&mut other_code).unwrap_err().to_string();
    assert!(error.contains("BIOS loader") && error.contains("sector 0"), "{error}");
    let error = read(&mut SparseDisk::new(1 << 20)).unwrap_err().to_string();
    assert!(error.contains("partition table"), "{error}");
}

#[test]
fn the_second_copy_of_a_loader_will_do_and_without_any_nothing_is_installed() {
    let both = |roles: [(Role, u64); 2]| {
        let mut stick = flipped(roles[0].0, roles[0].1);
        assert!(read(&mut stick).is_ok(), "{:?}", roles[0]);
        let start = PartitionMap::read(&mut stick).unwrap().get(roles[1].0).unwrap().start.0;
        stick.flip(start * SECTOR as u64 + roles[1].1);
        read(&mut stick).unwrap_err().to_string()
    };
    let error = both([(Role::BiosBoot, 700), (Role::BiosBoot, (512 << 10) + 700)]);
    assert!(error.contains("BIOS loader"), "{error}");
    // Behind boot sector, two allocation tables and the root directory: the loader itself, or what leads to it.
    let volume = {
        let mut stick = stick();
        let map = PartitionMap::read(&mut stick).unwrap();
        part_of(&mut stick, &map, Role::EspA, 0, 16 << 20, "").unwrap()
    };
    let loader = firmware(NEW).1;
    let at = volume.windows(512).position(|bytes| bytes == &loader[..512]).unwrap() as u64;
    let error = both([(Role::EspA, at + 99), (Role::EspB, at + 99)]);
    assert!(error.contains("UEFI loader"), "{error}");
}
