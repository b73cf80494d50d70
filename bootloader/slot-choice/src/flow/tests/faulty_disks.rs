//! Disks that fail to read or write, against the code that boots.

use super::*;

/// A disk on which the first reads of the slot table fail.
struct Flaky<'a> {
    disk: &'a mut RamDisk,
    table: core::ops::Range<u64>,
    failures: usize,
}

impl Blocks for Flaky<'_> {
    type Error = DiskGone;

    fn sectors(&self) -> u64 {
        self.disk.sectors()
    }

    fn read(&mut self, at: Lba, buffer: &mut [u8]) -> Result<(), DiskGone> {
        if self.failures > 0 && self.table.contains(&at.0) {
            self.failures -= 1;
            return Err(DiskGone);
        }
        self.disk.read(at, buffer)
    }

    fn write(&mut self, at: Lba, data: &[u8]) -> Result<(), DiskGone> {
        self.disk.write(at, data)
    }

    fn flush(&mut self) -> Result<(), DiskGone> {
        self.disk.flush()
    }
}

#[test]
fn a_table_that_could_not_be_read_is_not_replaced() {
    let mut bed = Bed::new();
    bed.table.slots[0].state = SlotState::Bad;
    bed.store();
    let written = bed.stored();
    let table = bed.map.get(Role::SlotTable).unwrap();
    let table = table.start.0..table.start.0 + table.sectors;
    for (failures, expected, counted) in [(4, Slot::R, true), (5, Slot::R, true), (8, Slot::A, false)] {
        let mut bench = Bench::default();
        let mut disk = Flaky { disk: &mut bed.disk, table: table.clone(), failures };
        assert_eq!(boot(&mut disk, &mut bench, &keyset(), LOADER), Ok(expected), "{failures} failed reads");
        assert_eq!(handoff(&bench).uncounted, !counted);
        assert_eq!(bench.said[0].contains("E22"), !counted, "{:?}", bench.said);
        let now = bed.stored();
        assert_eq!(now.as_ref().unwrap().slots, written.as_ref().unwrap().slots);
        assert!(!now.unwrap().degraded);
    }
}

/// A disk that cannot be written, and fails to read a range.
struct Failing<'a> {
    disk: &'a mut RamDisk,
    unreadable: core::ops::Range<u64>,
}

impl Blocks for Failing<'_> {
    type Error = DiskGone;

    fn sectors(&self) -> u64 {
        self.disk.sectors()
    }

    fn read(&mut self, at: Lba, buffer: &mut [u8]) -> Result<(), DiskGone> {
        let end = at.0 + (buffer.len() / SECTOR) as u64;
        let clear = end <= self.unreadable.start || at.0 >= self.unreadable.end;
        if clear { self.disk.read(at, buffer) } else { Err(DiskGone) }
    }

    fn write(&mut self, _: Lba, _: &[u8]) -> Result<(), DiskGone> {
        Err(DiskGone)
    }

    fn flush(&mut self) -> Result<(), DiskGone> {
        Err(DiskGone)
    }
}

#[test]
fn a_disk_that_cannot_be_written_boots_the_confirmed_firmware() {
    let mut bed = Bed::new();
    bed.install(Slot::B, &draft(Slot::B), &SEED, SlotState::Trial);
    let mut bench = Bench::default();
    let mut disk = Failing { disk: &mut bed.disk, unreadable: 0..0 };
    assert_eq!(boot(&mut disk, &mut bench, &keyset(), LOADER), Ok(Slot::A));
    assert_eq!(bench.said[0], "E23: slot table cannot be written");
    assert!(handoff(&bench).uncounted);
}

#[test]
fn unreadable_sectors_are_said_and_passed_over() {
    let mut bed = Bed::new();
    let start = bed.map.get(Role::Boot(Slot::A)).unwrap().start.0;
    for sector in [start, start + 128, start + 2400] {
        let mut bench = Bench::default();
        let mut disk = Failing { disk: &mut bed.disk, unreadable: sector..sector + 1 };
        assert_eq!(boot(&mut disk, &mut bench, &keyset(), LOADER), Ok(Slot::R));
        assert!(
            bench.said.contains(&"E04 slot A: the disk cannot be read; trying slot R".to_string()),
            "{:?}",
            bench.said
        );
    }
}
