use evener_disk::{DiskGone, SparseDisk};

use super::*;
use crate::bench::{NEW, firmware, keyset, stick};

fn read<B: Blocks>(stick: &mut B) -> Result<Source, SourceError> {
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
    let expected = firmware(NEW);
    assert_eq!(source.version, NEW);
    let Firmware { area, kernel, rootfs, loader_uefi, loader_bios, facts } = source.firmware;
    assert!(area == expected.area && facts == expected.facts);
    assert!(kernel == expected.kernel && rootfs == expected.rootfs);
    assert!(loader_uefi == expected.loader_uefi && loader_bios == expected.loader_bios);
    assert!(stick == before, "nothing is written to a stick");
}

#[test]
fn each_damaged_part_is_named() {
    let place = |kind: PartKind| (kind.place(Slot::R).role, kind.place(Slot::R).at);
    let mut parts = PartKind::ALL.map(|kind| (place(kind), kind.to_string())).to_vec();
    parts.push(((Role::Boot(Slot::R), 0), "manifest".to_owned()));
    for ((role, at), what) in parts {
        for offset in [40, 4000] {
            // Behind the manifest there is nothing that anybody believes.
            if what == "manifest" && offset > 40 {
                continue;
            }
            let error = read(&mut flipped(role, at + offset)).unwrap_err().to_string();
            assert!(error.contains(&format!("the {what} is damaged")), "{role} {at}: {error}");
        }
    }
    let error = read(&mut SparseDisk::new(1 << 20)).unwrap_err().to_string();
    assert!(error.contains("partition table"), "{error}");
}

/// A stick that does not read one sector.
struct Worn(SparseDisk, u64);

impl Blocks for Worn {
    type Error = DiskGone;
    fn sectors(&self) -> u64 {
        self.0.sectors()
    }
    fn read(&mut self, at: Lba, buffer: &mut [u8]) -> Result<(), DiskGone> {
        let count = (buffer.len() / SECTOR) as u64;
        if (at.0..at.0 + count).contains(&self.1) { Err(DiskGone) } else { self.0.read(at, buffer) }
    }
    fn write(&mut self, _: Lba, _: &[u8]) -> Result<(), DiskGone> {
        panic!("nothing is written to a stick")
    }
    fn flush(&mut self) -> Result<(), DiskGone> {
        Ok(())
    }
}

#[test]
fn what_cannot_be_read_is_named() {
    let mut stick = stick();
    let start = PartitionMap::read(&mut stick).unwrap().get(Role::Root(Slot::R)).unwrap().start.0;
    let error = read(&mut Worn(stick, start + 3)).unwrap_err();
    assert_eq!(error.to_string(), "the rootfs cannot be read: DiskGone");
}
