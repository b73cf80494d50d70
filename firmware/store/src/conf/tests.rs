use super::*;
use crate::sweep::{self, SECTORS};
use evener_disk::{CutDisk, DiskGone, RamDisk};

fn bytes(generation: u64) -> Vec<u8> {
    bytes_in(record::FORMAT, generation)
}

fn bytes_in(format: u16, generation: u64) -> Vec<u8> {
    sweep::bytes_in(format, generation).unwrap()
}

fn newest(disk: &mut RamDisk) -> u64 {
    sweep::newest(disk).unwrap()
}

/// A partition with the generations 1 to `last`.
fn prepared(last: u64) -> RamDisk {
    sweep::with_copies(last).unwrap()
}

#[test]
fn the_last_four_are_held_and_the_oldest_goes_first() {
    let mut disk = prepared(6);
    let (copies, newest) = Copies::open(&mut disk).unwrap();
    assert_eq!(newest.unwrap().0.generation, 6);
    assert_eq!(generations(&copies), [3, 4, 5, 6]);
}

fn generations<B: Blocks>(copies: &Copies<B>) -> Vec<u64> {
    let mut held: Vec<u64> = copies.held.iter().map(|held| held.generation).collect();
    held.sort_unstable();
    held
}

#[test]
fn the_last_copy_that_the_former_firmware_can_read_is_spared() {
    let mut disk = prepared(6);
    let mut copies = Copies::open_in(2, &mut disk).unwrap().0;
    for generation in 7..=20 {
        copies.write(generation, &bytes_in(2, generation)).unwrap();
        assert!(copies.holds(6), "generation {generation}");
    }
    assert_eq!(generations(&copies), [6, 18, 19, 20]);
    assert_eq!(copies.newest_up_to(1).unwrap().generation, 6);
    assert_eq!(copies.newest_up_to(2).unwrap().generation, 20);
    assert_eq!(copies.newest_up_to(0), None);
}

#[test]
fn a_former_firmware_finds_its_last_copy_and_keeps_it_until_it_has_a_newer_one() {
    let mut disk = prepared(6);
    let mut copies = Copies::open_in(2, &mut disk).unwrap().0;
    for generation in 7..=10 {
        copies.write(generation, &bytes_in(2, generation)).unwrap();
    }
    let (mut copies, newest) = Copies::open(&mut disk).unwrap();
    assert_eq!(newest.unwrap().0.generation, 6);
    assert_eq!(copies.highest(), 10, "no number is given twice");
    copies.write(11, &bytes(11)).unwrap();
    assert_eq!(generations(&copies), [6, 9, 10, 11]);
    copies.write(12, &bytes(12)).unwrap();
    assert_eq!(generations(&copies), [9, 10, 11, 12], "6 has served");
    assert_eq!(Copies::open_in(2, &mut disk).unwrap().1.unwrap().0.generation, 12);
}

/// A device whose flush does nothing.
struct Unflushed(CutDisk);

impl Blocks for Unflushed {
    type Error = DiskGone;
    fn sectors(&self) -> u64 {
        self.0.sectors()
    }
    fn read(&mut self, at: Lba, buffer: &mut [u8]) -> Result<(), DiskGone> {
        self.0.read(at, buffer)
    }
    fn write(&mut self, at: Lba, data: &[u8]) -> Result<(), DiskGone> {
        self.0.write(at, data)
    }
    fn flush(&mut self) -> Result<(), DiskGone> {
        Ok(())
    }
}

#[test]
fn no_power_cut_loses_a_copy() {
    let swept = sweep::of_copies().unwrap();
    assert_eq!(swept.store_losses, 0);
    assert!(swept.store_cut_cases > 400, "only {} cases were looked at", swept.store_cut_cases);
}

#[test]
fn the_sweep_notices_a_missing_flush() {
    let mut disk = Unflushed(CutDisk::new(prepared(2)));
    Copies::open(&mut disk).unwrap().0.write(3, &bytes(3)).unwrap();
    assert_eq!(newest(&mut disk.0.after_power_cut(|_| false)), 2);
}

#[test]
fn damage_in_one_place_costs_that_place_only() {
    for sector in 0..SECTORS {
        let mut disk = prepared(5);
        disk.bytes_mut()[sector * SECTOR + 9] ^= 0x40;
        assert!(newest(&mut disk) >= 4, "sector {sector}");
    }
}

#[test]
fn a_lying_length_is_refused() {
    for length in [u64::MAX, 1 << 40, 7 * 512 + 1, 0, 1] {
        let mut disk = prepared(1);
        disk.bytes_mut()[8..16].copy_from_slice(&length.to_le_bytes());
        assert_eq!(newest(&mut disk), 0, "{length}");
    }
}

#[test]
fn a_record_that_does_not_fit_is_refused_and_costs_nothing() {
    let mut disk = prepared(4);
    let mut copies = Copies::open(&mut disk).unwrap().0;
    assert!(matches!(copies.write(5, &[b' '; 8 * SECTOR]), Err(ConfError::NoRoom { generation: 5, .. })));
    assert_eq!(newest(&mut disk), 4);
    assert!(matches!(Copies::open(RamDisk::new(7)), Err(ConfError::Small { sectors: 7 })));
}
