use super::*;
use crate::{Cut, CutDisk, RamDisk, Slot};

const MIB: usize = 1 << 20;

fn guid(role: Role) -> Guid {
    Guid::from_random([u8::try_from(role.index() + 1).unwrap(); 16])
}

/// A sparse stand-in: only the tables are looked at, so a small disk with a `data` of 1 MiB is enough.
fn disk_of(mib: usize) -> (RamDisk, PartitionMap) {
    let sectors = mib * MIB / SECTOR;
    let map = PartitionMap::lay_out(sectors as u64, Guid([9; 16]), guid).unwrap();
    let mut disk = RamDisk::new(sectors);
    disk.write(Lba(0), &map.emit_mbr(&[0x90; 440])).unwrap();
    map.write(&mut disk).unwrap();
    (disk, map)
}

#[test]
fn the_default_disk_has_the_documented_layout() {
    let map = PartitionMap::lay_out(512 * SECTORS_PER_MIB, Guid([9; 16]), guid).unwrap();
    let start_mib = |role| map.get(role).unwrap().start.0 / SECTORS_PER_MIB;
    assert_eq!(start_mib(Role::BiosBoot), 1);
    assert_eq!(start_mib(Role::EspA), 2);
    assert_eq!(start_mib(Role::SlotTable), 34);
    assert_eq!(start_mib(Role::Boot(Slot::A)), 38);
    assert_eq!(start_mib(Role::Root(Slot::A)), 86);
    assert_eq!(start_mib(Role::Conf), 278);
    assert_eq!(start_mib(Role::Data), 286);
    assert_eq!(map.get(Role::Data).unwrap().sectors, 225 * SECTORS_PER_MIB);
}

#[test]
fn reads_back_what_it_wrote() {
    let (mut disk, map) = disk_of(288);
    let read = PartitionMap::read(&mut disk).unwrap();
    assert_eq!(read.source(), Source::Primary);
    assert_eq!(read.parts, map.parts);
    assert_eq!(read.disk(), Guid([9; 16]));
    assert_eq!(disk.bytes()[510..512], [0x55, 0xaa]);
}

#[test]
fn a_damaged_primary_gives_way_to_the_backup() {
    let (disk, map) = disk_of(288);
    for offset in [SECTOR, SECTOR + 16, SECTOR + 60, 2 * SECTOR + 40, 33 * SECTOR] {
        let mut bad = disk.clone();
        bad.bytes_mut()[offset] ^= 0x10;
        let read = PartitionMap::read(&mut bad).unwrap();
        assert_eq!(read.source(), Source::Backup, "offset {offset}");
        assert_eq!(read.parts, map.parts);
    }
}

#[test]
fn two_damaged_tables_are_an_error() {
    let (mut disk, _) = disk_of(288);
    let end = disk.bytes().len();
    disk.bytes_mut()[SECTOR + 60] ^= 1;
    disk.bytes_mut()[end - SECTOR + 60] ^= 1;
    assert_eq!(PartitionMap::read(&mut disk), Err(GptError::Header));
}

#[test]
fn an_enlarged_disk_with_a_damaged_primary_is_still_read() {
    let (small, map) = disk_of(288);
    let mut bytes = small.bytes().to_vec();
    bytes.resize(300 * MIB, 0);
    bytes[SECTOR + 60] ^= 1;
    let read = PartitionMap::read(&mut RamDisk::from_bytes(bytes.clone())).unwrap();
    assert_eq!((read.source(), read.parts), (Source::Backup, map.parts));
    assert_eq!(read.sectors(), 300 * SECTORS_PER_MIB, "it may grow");

    // The whole header is lost: no telling where the end was.
    bytes[SECTOR..2 * SECTOR].fill(0);
    assert_eq!(PartitionMap::read(&mut RamDisk::from_bytes(bytes)), Err(GptError::Header));
    let (shipped, map) = disk_of(512);
    let mut bytes = shipped.bytes().to_vec();
    bytes.resize(520 * MIB, 0);
    bytes[SECTOR..2 * SECTOR].fill(0);
    assert_eq!(PartitionMap::read(&mut RamDisk::from_bytes(bytes)).unwrap().parts, map.parts);
}

#[test]
fn the_backup_is_read_whatever_the_primary_says() {
    let (mut disk, map) = disk_of(288);
    assert_eq!(PartitionMap::read_backup(&mut disk).unwrap().parts, map.parts);
    let end = disk.bytes().len();
    disk.bytes_mut()[end - SECTOR + 60] ^= 1;
    assert_eq!(PartitionMap::read_backup(&mut disk), Err(GptError::Header));
    assert_eq!(PartitionMap::read(&mut disk).unwrap().source(), Source::Primary);
}

#[test]
fn overlapping_partitions_are_refused() {
    let (mut disk, mut map) = disk_of(288);
    map.parts[Role::Conf.index()].as_mut().unwrap().start.0 -= 8;
    map.write(&mut disk).unwrap();
    assert_eq!(PartitionMap::read(&mut disk), Err(GptError::Bounds));
}

#[test]
fn partitions_beyond_the_disk_are_refused() {
    let (mut disk, mut map) = disk_of(288);
    map.parts[Role::Data.index()].as_mut().unwrap().sectors = u64::MAX / 2;
    map.write(&mut disk).unwrap();
    assert_eq!(PartitionMap::read(&mut disk), Err(GptError::Bounds));
}

#[test]
fn a_disk_too_small_is_refused() {
    let map = |mib| PartitionMap::lay_out(mib * SECTORS_PER_MIB, Guid::default(), guid);
    assert_eq!(map(287), Err(GptError::TooSmall));
    assert!(map(288).is_ok());
    assert_eq!(map(0), Err(GptError::TooSmall));
}

#[test]
fn growth_extends_data_only() {
    let (small, map) = disk_of(288);
    assert_eq!(map.grown(map.sectors()), Ok(None));
    let mut bytes = small.bytes().to_vec();
    bytes.resize(300 * MIB, 0);
    let mut disk = RamDisk::from_bytes(bytes);
    let read = PartitionMap::read(&mut disk).unwrap();
    read.grown(disk.sectors()).unwrap().unwrap().write(&mut disk).unwrap();
    let grown = PartitionMap::read(&mut disk).unwrap();
    assert_eq!(grown.get(Role::Data).unwrap().sectors, 13 * SECTORS_PER_MIB);
    for role in Role::ALL.into_iter().filter(|role| *role != Role::Data) {
        assert_eq!(grown.get(role), map.get(role));
    }
}

#[test]
fn growth_never_drops_partitions_of_others() {
    let (mut disk, map) = disk_of(288);
    let mut table = map.emit_primary();
    table[SECTOR + 20 * ENTRY] = 1;
    table[SECTOR + 20 * ENTRY + 32..][..8].copy_from_slice(&40_u64.to_le_bytes());
    table[SECTOR + 20 * ENTRY + 40..][..8].copy_from_slice(&50_u64.to_le_bytes());
    let sum = CRC32.checksum(&table[SECTOR..]);
    let header = map.header(1, map.last(), 2, sum).emit();
    table[..SECTOR].copy_from_slice(&header);
    disk.write(Lba(1), &table).unwrap();
    let read = PartitionMap::read(&mut disk).unwrap();
    assert_eq!((read.foreign(), read.source()), (1, Source::Primary));
    assert_eq!(read.grown(1 << 30), Err(GptError::Foreign));
}

/// The disk's middle is never touched by a table write, so the sweep may use the tables alone.
#[test]
fn a_power_cut_while_growing_leaves_a_whole_table() {
    let (small, _) = disk_of(288);
    let mut bytes = small.bytes().to_vec();
    bytes.resize(290 * MIB, 0);
    let disk = RamDisk::from_bytes(bytes);
    let before = PartitionMap::read(&mut disk.clone()).unwrap();
    let grown = before.grown(disk.sectors()).unwrap().unwrap();
    for write in 0..2 {
        for cut in [Cut::Before, Cut::Torn(0), Cut::Torn(700), Cut::Torn(9000), Cut::After] {
            let mut cutting = CutDisk::cutting(disk.clone(), write, cut);
            assert!(grown.write(&mut cutting).is_err());
            let mut after = cutting.after_power_cut(|_| false);
            let found = PartitionMap::read(&mut after).unwrap();
            assert!(found.parts == before.parts || found.parts == grown.parts, "write {write} {cut:?}");
        }
    }
}

#[test]
fn no_bytes_make_it_panic() {
    let (disk, _) = disk_of(288);
    let tables: std::vec::Vec<u8> = disk.bytes()[..34 * SECTOR].to_vec();
    let mut seed = 1_u64;
    for _ in 0..3000 {
        let mut bytes = tables.clone();
        for _ in 0..4 {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let offset = usize::try_from(seed >> 33).unwrap() % bytes.len();
            bytes[offset] = u8::try_from(seed & 0xff).unwrap();
        }
        // A right checksum, so that what lies behind it is reached.
        let sum = CRC32.checksum(&bytes[2 * SECTOR..]);
        bytes[SECTOR + 88..SECTOR + 92].copy_from_slice(&sum.to_le_bytes());
        bytes[SECTOR + 16..SECTOR + 20].fill(0);
        let sum = CRC32.checksum(&bytes[SECTOR..SECTOR + 92]);
        bytes[SECTOR + 16..SECTOR + 20].copy_from_slice(&sum.to_le_bytes());
        let _ = PartitionMap::read(&mut RamDisk::from_bytes(bytes));
    }
}
