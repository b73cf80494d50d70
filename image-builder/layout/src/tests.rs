use super::*;
use evener_disk::{Blocks, RamDisk, Source, Window};
use evener_manifest::Version;
use evener_slot_table::{CopyState, load};
use evener_stage2::{COPIES_FIELD, HEADER_BYTES, STAGE2_AT, Stage2, copies_of};

const SECTORS: u64 = 512 * SECTORS_PER_MIB;

fn loader_bios() -> Bytes {
    let mut file = vec![0x66; 40 * SECTOR];
    file[COPIES_FIELD..STAGE2_AT + HEADER_BYTES].fill(0);
    evener_stage2::seal(&mut file, Version([1, 2, 3, 0])).unwrap();
    file.into()
}

fn disk() -> Disk {
    let bytes = |byte: u8, len: usize| Bytes::from(vec![byte; len]);
    let mut data = Sparse::new(16 << 20);
    data.put(1024, bytes(0x44, 100)).unwrap();
    Disk {
        sectors: SECTORS,
        firmware: Firmware {
            loader_uefi: bytes(0x11, 50_000),
            loader_bios: loader_bios(),
            area: bytes(0x22, 2000),
            kernel: bytes(0x33, 6_000_000),
            rootfs: bytes(0x55, 8_000_000),
            facts: SlotFacts {
                version: Version([1, 2, 3, 0]),
                floor: Version([1, 2, 0, 0]),
                digest: [9; 32],
            },
        },
        data,
    }
}

/// A view of the image as the loader and the updater have it.
struct Built(Sparse);

impl Blocks for Built {
    type Error = ();
    fn sectors(&self) -> u64 {
        self.0.length() / SECTOR as u64
    }
    fn read(&mut self, at: Lba, buffer: &mut [u8]) -> Result<(), ()> {
        self.0.read(at.0 * SECTOR as u64, buffer);
        Ok(())
    }
    fn write(&mut self, _: Lba, _: &[u8]) -> Result<(), ()> {
        Err(())
    }
    fn flush(&mut self) -> Result<(), ()> {
        Ok(())
    }
}

fn window(built: &mut Built, role: Role) -> Window<&mut Built> {
    let map = PartitionMap::read(built).unwrap();
    map.window(built, role).unwrap()
}

fn starts_with(built: &mut Built, role: Role, at: u64, wanted: &[u8]) -> bool {
    let mut sector = [0; SECTOR];
    window(built, role).read(Lba(at / SECTOR as u64), &mut sector).unwrap();
    sector.starts_with(wanted)
}

#[test]
fn the_loader_finds_every_partition_by_its_role() {
    let mut built = Built(disk().build().unwrap());
    let map = PartitionMap::read(&mut built).unwrap();
    assert_eq!((map.source(), map.foreign()), (Source::Primary, 0));
    assert!(Role::ALL.into_iter().all(|role| map.get(role).is_some()));
    assert_eq!(built.0.length(), 512 << 20);
}

#[test]
fn the_backup_table_alone_is_enough() {
    let mut image = RamDisk::from_bytes({
        let built = disk().build().unwrap();
        let mut bytes = vec![0; 512 << 20];
        built.read(0, &mut bytes);
        bytes
    });
    image.write(Lba(1), &[0; SECTOR]).unwrap();
    assert_eq!(PartitionMap::read(&mut image).unwrap().source(), Source::Backup);
}

#[test]
fn slots_a_and_r_hold_the_firmware_and_b_nothing() {
    let mut built = Built(disk().build().unwrap());
    let bios = loader_bios();
    for (slot, full) in [(Slot::A, true), (Slot::R, true), (Slot::B, false)] {
        assert_eq!(starts_with(&mut built, Role::Boot(slot), 0, &[0x22; 512]), full, "{slot}");
        let parts = [
            (PartKind::Kernel, &[0x33; 512][..]),
            (PartKind::Rootfs, &[0x55; 512]),
            (PartKind::LoaderUefi, &[0x11; 512]),
            (PartKind::LoaderBios, &bios[..440]),
        ];
        for (kind, content) in parts {
            let place = kind.place(slot);
            assert_eq!(starts_with(&mut built, place.role, place.at, content), full, "{slot} {kind}");
        }
    }
    let mut sector = [0; 2 * SECTOR];
    window(&mut built, Role::Data).read(Lba(2), &mut sector).unwrap();
    assert!(sector.starts_with(&[0x44; 100]));
}

#[test]
fn the_slot_table_boots_a_first_and_r_last_in_every_copy() {
    let mut built = Built(disk().build().unwrap());
    let loaded = load(&mut window(&mut built, Role::SlotTable));
    let table = loaded.table.unwrap();
    assert_eq!(loaded.copies, [1, 2, 3, 4].map(CopyState::Valid));
    assert!(table.slot(Slot::A).priority > table.slot(Slot::R).priority);
    assert_eq!(table.slot(Slot::B), &SlotRecord::default());
    assert_eq!(table.slot(Slot::A).digest, [9; 32]);
    assert_eq!(table.floor, Version([1, 2, 0, 0]));
    assert!(!table.degraded);
}

#[test]
fn equal_firmware_gives_equal_disks_and_another_one_other_guids() {
    assert_eq!(disk().build(), disk().build());
    let mut other = disk();
    other.firmware.facts.digest = [8; 32];
    let [mut a, mut b] = [disk(), other].map(|d| Built(d.build().unwrap()));
    let (a, b) = (PartitionMap::read(&mut a).unwrap(), PartitionMap::read(&mut b).unwrap());
    for role in Role::ALL {
        assert_ne!(a.get(role).unwrap().partuuid, b.get(role).unwrap().partuuid, "{role}");
    }
    assert_ne!(a.disk(), b.disk());
}

#[test]
fn what_does_not_fit_is_named_with_its_partition() {
    let mut large = disk();
    large.firmware.kernel = Bytes::from(vec![1; 14 << 20]);
    let error = large.build().unwrap_err();
    assert_eq!(
        error.to_string(),
        "the kernel does not fit into partition boot-a, which has room for 14614528 bytes of it"
    );
    let mut small = disk();
    small.sectors = 280 * SECTORS_PER_MIB;
    assert!(matches!(small.build(), Err(LayoutError::Table { .. })));
}

#[test]
fn a_bios_finds_its_loader_twice_where_the_boot_code_looks() {
    let built = disk().build().unwrap();
    let mut sector = [0; SECTOR];
    built.read(0, &mut sector);
    assert_eq!((&sector[510..], sector[446], sector[450]), (&[0x55, 0xaa][..], 0x80, 0xee));
    for at in copies_of(&sector) {
        let mut copy = vec![0; 1 << 19];
        built.read(at.0 * SECTOR as u64, &mut copy);
        let stage2 = Stage2::check(&copy).unwrap();
        assert_eq!(stage2.bytes(), &loader_bios()[STAGE2_AT..]);
        assert!(stage2.came_with(&sector));
    }
    let mut map = Built(built);
    let bios_boot = PartitionMap::read(&mut map).unwrap().get(Role::BiosBoot).unwrap();
    assert_eq!(copies_of(&sector)[0], bios_boot.start);
}

#[test]
fn a_damaged_bios_loader_gets_on_no_disk() {
    let mut damaged = loader_bios().to_vec();
    *damaged.last_mut().unwrap() ^= 1;
    let mut disk = disk();
    disk.firmware.loader_bios = damaged.into();
    assert_eq!(disk.build().unwrap_err(), LayoutError::Bios(Stage2Error::Checksum));
}

fn stick() -> Stick {
    Stick { firmware: disk().firmware, files: vec![("README.TXT", Bytes::from_static(b"read me"))] }
}

#[test]
fn a_stick_starts_its_only_slot_without_being_written_to() {
    let mut built = Built(stick().build().unwrap());
    let table = load(&mut window(&mut built, Role::SlotTable)).table.unwrap();
    assert_eq!(table.slot(Slot::R).state, SlotState::Confirmed);
    for slot in [Slot::A, Slot::B] {
        assert_eq!(table.slot(slot).state, SlotState::Empty, "slot {slot}");
        assert!(starts_with(&mut built, Role::Boot(slot), 0, &[0; SECTOR]));
    }
    assert!(starts_with(
        &mut built,
        Role::Boot(Slot::R),
        PartKind::Kernel.place(Slot::R).at,
        &[0x33; SECTOR]
    ));
    assert!(starts_with(&mut built, Role::Root(Slot::R), 0, &[0x55; SECTOR]));
    for role in [Role::EspA, Role::EspB] {
        let mut volume = vec![0; 16 << 20];
        window(&mut built, role).read(Lba(0), &mut volume).unwrap();
        assert_eq!(evener_formats::fat16::extract(&volume, esp::LOADER_PATH).unwrap(), [0x11; 50_000]);
    }
}

#[test]
fn a_stick_has_its_files_where_operators_see_them() {
    let mut built = Built(stick().build().unwrap());
    let part = PartitionMap::read(&mut built).unwrap().installer().unwrap();
    let mut volume = vec![0; usize::try_from(part.sectors).unwrap() * SECTOR];
    built.read(part.start, &mut volume).unwrap();
    assert_eq!(evener_formats::fat16::extract(&volume, "README.TXT").unwrap(), b"read me");
    assert_eq!(&volume[0x2b..0x36], b"EVENER     ");
}

#[test]
fn a_stick_and_a_disk_of_the_same_firmware_have_no_guid_in_common() {
    let stick = PartitionMap::read(&mut Built(stick().build().unwrap())).unwrap();
    let disk = PartitionMap::read(&mut Built(disk().build().unwrap())).unwrap();
    let guids = |map: &PartitionMap| {
        let parts = Role::ALL.into_iter().filter_map(|role| map.get(role)).chain(map.installer());
        parts.map(|part| part.partuuid).chain([map.disk()]).collect::<Vec<_>>()
    };
    assert_eq!((guids(&stick).len(), guids(&disk).len()), (13, 13));
    assert!(guids(&stick).iter().all(|guid| !guids(&disk).contains(guid)));
}

#[test]
fn a_disk_gets_the_guids_that_it_is_given() {
    let mut number = 0;
    let mut guid = |_: &str| {
        number += 1;
        Guid([number; 16])
    };
    let (sparse, map) = disk().build_with(&mut guid).unwrap();
    let found = PartitionMap::read(&mut Built(sparse)).unwrap();
    for role in Role::ALL {
        assert_eq!(found.get(role), map.get(role), "{role}");
    }
    assert_eq!((found.disk(), found.get(Role::Data).unwrap().partuuid), (Guid([1; 16]), Guid([13; 16])));
}
