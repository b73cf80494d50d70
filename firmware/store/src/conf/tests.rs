use super::*;
use crate::{Draft, NextIds};
use evener_config::Config;
use evener_disk::{Cut, CutDisk, DiskGone, RamDisk};

/// Sectors of a small conf partition: four places of 8 sectors.
const SECTORS: usize = 32;

fn bytes(generation: u64) -> Vec<u8> {
    bytes_in(record::FORMAT, generation)
}

fn bytes_in(format: u16, generation: u64) -> Vec<u8> {
    let next_ids = NextIds { vs: 1, rs: 1 };
    let summary = vec!["x".repeat(1000)];
    let draft = Draft { author: "bal".into(), unix_s: 0, summary, next_ids, config: Config::default() };
    record::encode(&Record::new(format, generation, None, draft)).unwrap().0
}

fn newest(disk: &mut RamDisk) -> u64 {
    Copies::open(disk).unwrap().1.map_or(0, |(record, _)| record.generation)
}

/// A partition with the generations 1 to `last`.
fn prepared(last: u64) -> RamDisk {
    let mut disk = RamDisk::new(SECTORS);
    let mut copies = Copies::open(&mut disk).unwrap().0;
    for generation in 1..=last {
        copies.write(generation, &bytes(generation)).unwrap();
    }
    disk
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
    let cuts = [Cut::Before, Cut::After].into_iter().chain((0..=5 * SECTOR).step_by(64).map(Cut::Torn));
    for last in 1..=6 {
        for cut in cuts.clone() {
            for survives in [false, true] {
                let mut disk = CutDisk::cutting(prepared(last), 0, cut);
                let mut copies = Copies::open(&mut disk).unwrap().0;
                assert!(
                    copies.write(last + 1, &bytes(last + 1)).is_err(),
                    "the power failed before the flush"
                );
                let mut disk = disk.after_power_cut(|_| survives);
                let found = newest(&mut disk);
                assert!(found == last || found == last + 1, "{found} after {last}, {cut:?}, {survives}");
            }
        }
        let mut disk = CutDisk::new(prepared(last));
        Copies::open(&mut disk).unwrap().0.write(last + 1, &bytes(last + 1)).unwrap();
        assert_eq!(newest(&mut disk.after_power_cut(|_| false)), last + 1, "what was promised stays");
    }
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
