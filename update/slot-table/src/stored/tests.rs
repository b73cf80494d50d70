use std::vec::Vec;

use evener_disk::{Cut, CutDisk, DiskGone, RamDisk};
use evener_manifest::Version;

use super::*;
use crate::record::tests::example;

fn partition() -> RamDisk {
    RamDisk::new(COPIES * usize::try_from(SECTORS_PER_MIB).unwrap())
}

fn table(boots: u8) -> SlotTable {
    SlotTable { boots_without_health: boots, seq: 0, ..example() }
}

/// Stores a table with this count in the place of the newest one.
fn replace<B: Blocks>(disk: &mut B, boots: u8) -> Result<(), StoreError> {
    let seq = load(disk).table.map_or(0, |newest| newest.seq);
    store(disk, &mut SlotTable { seq, ..table(boots) })
}

/// A partition after `stores` writes; the newest has `boots_without_health` = stores.
fn after(stores: u8) -> RamDisk {
    let mut disk = partition();
    for boots in 1..=stores {
        replace(&mut disk, boots).unwrap();
    }
    disk
}

fn boots(disk: &mut RamDisk) -> Option<u8> {
    load(disk).table.map(|table| table.boots_without_health)
}

fn corrupt(disk: &mut RamDisk, copy: usize) {
    disk.bytes_mut()[copy << 20 | 100] ^= 1;
}

#[test]
fn a_blank_partition_has_no_table() {
    let loaded = load(&mut partition());
    assert_eq!(loaded, Loaded { table: None, copies: [CopyState::Invalid(RecordError::Blank); COPIES] });
}

#[test]
fn the_newest_record_counts_and_all_copies_are_used() {
    for stores in 1..10 {
        let mut disk = after(stores);
        assert_eq!(boots(&mut disk), Some(stores));
        let valid = load(&mut disk).copies.iter().filter(|copy| copy.seq().is_some()).count();
        assert_eq!(valid, usize::from(stores).min(COPIES));
        assert_eq!(load(&mut disk).table.unwrap().seq, u64::from(stores));
    }
}

#[test]
fn any_three_damaged_copies_leave_a_record() {
    for kept in 0..COPIES {
        let mut disk = after(4);
        (0..COPIES).filter(|copy| *copy != kept).for_each(|copy| corrupt(&mut disk, copy));
        assert!(boots(&mut disk).is_some());
        replace(&mut disk, 77).unwrap();
        assert_eq!(boots(&mut disk), Some(77));
    }
}

#[test]
fn a_damaged_copy_is_replaced_before_an_old_one() {
    let mut disk = after(5);
    corrupt(&mut disk, 2);
    replace(&mut disk, 6).unwrap();
    assert_eq!(load(&mut disk).copies[2], CopyState::Valid(6));
}

#[test]
fn four_damaged_copies_leave_none_and_one_store_cures() {
    let mut disk = after(4);
    (0..COPIES).for_each(|copy| corrupt(&mut disk, copy));
    assert_eq!(load(&mut disk).table, None);
    replace(&mut disk, 9).unwrap();
    assert_eq!(boots(&mut disk), Some(9));
}

#[test]
fn the_sequence_does_not_wrap() {
    let mut disk = partition();
    disk.write(Lba(0), &SlotTable { seq: u64::MAX, ..example() }.encode()).unwrap();
    assert_eq!(replace(&mut disk, 1), Err(StoreError::Sequence));
}

#[test]
fn a_partition_too_small_is_refused() {
    assert_eq!(store(&mut RamDisk::new(2048), &mut table(1)), Err(StoreError::TooSmall));
    assert_eq!(load(&mut RamDisk::new(0)).copies, [CopyState::Unreadable; COPIES]);
}

/// Every kind of cut at every write of two stores in a row, from every earlier number of records, and a
/// second cut while the first one is being repaired.
#[test]
fn a_power_cut_leaves_the_old_or_the_new_record() {
    let cuts: Vec<Cut> = [Cut::Before, Cut::After]
        .into_iter()
        .chain([0, 1, 17, 33, 41, 100, 255, 256, 400, 508, 509, 511, 512].map(Cut::Torn))
        .collect();
    let mut seen_old = 0;
    let mut seen_new = 0;
    for stores in 1..=6 {
        for first in &cuts {
            for survives in [false, true] {
                let mut disk = CutDisk::cutting(after(stores), 0, *first);
                assert!(replace(&mut disk, 100).is_err());
                let mut once = disk.after_power_cut(|_| survives);
                let found = boots(&mut once).unwrap();
                assert!(found == stores || found == 100, "{stores} {first:?}: {found}");
                if found == 100 {
                    seen_new += 1
                } else {
                    seen_old += 1
                }
                for second in [Cut::Before, Cut::Torn(41), Cut::Torn(509), Cut::After] {
                    let mut disk = CutDisk::cutting(once.clone(), 0, second);
                    assert!(replace(&mut disk, 101).is_err());
                    let mut twice = disk.after_power_cut(|_| survives);
                    let again = boots(&mut twice).unwrap();
                    assert!(again == found || again == 101, "{stores} {first:?} {second:?}: {again}");
                }
                replace(&mut once, 102).unwrap();
                assert_eq!(boots(&mut once), Some(102));
            }
        }
    }
    assert!(seen_old > 0 && seen_new > 0, "the sweep must see both outcomes");
}

#[test]
fn a_stored_record_is_durable() {
    let mut disk = CutDisk::new(after(3));
    replace(&mut disk, 50).unwrap();
    assert_eq!((disk.writes(), disk.flushes()), (1, 1));
    assert_eq!(boots(&mut disk.after_power_cut(|_| false)), Some(50));
}

/// Refuses to write, or silently does not, one sector.
struct Stubborn {
    disk: RamDisk,
    at: Lba,
    silently: bool,
}

impl Blocks for Stubborn {
    type Error = DiskGone;

    fn sectors(&self) -> u64 {
        self.disk.sectors()
    }

    fn read(&mut self, at: Lba, buffer: &mut [u8]) -> Result<(), DiskGone> {
        self.disk.read(at, buffer)
    }

    fn write(&mut self, at: Lba, data: &[u8]) -> Result<(), DiskGone> {
        match (at == self.at, self.silently) {
            (false, _) => self.disk.write(at, data),
            (true, true) => Ok(()),
            (true, false) => Err(DiskGone),
        }
    }

    fn flush(&mut self) -> Result<(), DiskGone> {
        Ok(())
    }
}

#[test]
fn a_sector_that_cannot_be_written_is_passed_over() {
    for silently in [false, true] {
        for copy in 0..COPIES {
            let mut disk = Stubborn { disk: after(4), at: place(copy), silently };
            for boots in 10..20 {
                replace(&mut disk, boots).unwrap();
                assert_eq!(load(&mut disk).table.unwrap().boots_without_health, boots);
            }
        }
    }
}

#[test]
fn versions_and_floor_come_back() {
    let mut disk = partition();
    let mut written = SlotTable { floor: Version([7, 2, 36, 0]), ..example() };
    store(&mut disk, &mut written).unwrap();
    assert_eq!(load(&mut disk).table, Some(written));
}

#[test]
fn a_record_newer_than_the_one_that_was_loaded_is_never_replaced() {
    let mut disk = after(5);
    let before = disk.bytes().to_vec();
    for seq in 0..5 {
        let mut stale = SlotTable { seq, ..table(90) };
        assert_eq!(store(&mut disk, &mut stale), Err(StoreError::Stale));
        assert_eq!(stale.seq, seq, "it is still the one that was loaded");
    }
    assert!(*disk.bytes() == before, "nothing was written");
}

#[test]
fn only_a_disk_that_was_read_has_lost_its_table() {
    assert!(load(&mut partition()).is_lost());
    assert!(!load(&mut after(1)).is_lost());
    assert!(!load(&mut RamDisk::new(0)).is_lost(), "what cannot be read may still be there");
}
