//! Installing, copying, restoring and checking on a disk in memory of full size.
#![allow(clippy::unwrap_used, reason = "test crate")]

use bytes::Bytes;
use evener_disk::{Blocks, Guid, Lba, PartitionMap, Role, Rot, SECTOR, Slot, SparseDisk, TraceDisk};
use evener_formats::bundle::{BundleError, encode};
use evener_handoff::{LoaderCopy, LoaderKind};
use evener_manifest::{
    Builder, Flags, KERNEL_AT, KeyEntry, KeyId, Keyset, ManifestError, Part, PartKind, Verity, Version,
    emit_keyset, join, public_key, sha256, sign,
};
use evener_slot_table::{NotRestorable, SlotState, SlotTable, TRIES, store};
use evener_slots::{
    Fault, Loaders, MappedDisk, Offer, Partitions, area, change, check, copy, discard, restore, table,
};
use evener_stage2::{COPIES, COPIES_FIELD, HEADER_BYTES, STAGE2_AT, Stage2};

const SEED: [u8; 32] = [7; 32];
const SECTORS: u64 = 288 * 2048;

struct Firmware {
    area: Vec<u8>,
    bundle: Vec<u8>,
    version: Version,
}

fn bytes(length: usize, salt: u16) -> Bytes {
    (0..length).map(|index| u8::try_from((index * 7 + usize::from(salt) * 31) % 253).unwrap()).collect()
}

fn loader_bios(patch: u16) -> Bytes {
    let mut file = vec![u8::try_from(patch).unwrap(); STAGE2_AT + 2 * SECTOR];
    file[COPIES_FIELD..STAGE2_AT + HEADER_BYTES].fill(0);
    evener_stage2::seal(&mut file, Version([1, 0, patch, 0])).unwrap();
    file.into()
}

fn firmware(patch: u16, kernel: usize, rootfs: usize) -> Firmware {
    let version = Version([1, 0, patch, 0]);
    let parts = [
        (PartKind::Kernel, bytes(kernel, patch)),
        (PartKind::Rootfs, bytes(rootfs, patch + 1)),
        (PartKind::LoaderUefi, bytes(700, patch + 2)),
        (PartKind::LoaderBios, loader_bios(patch)),
    ];
    let stated = parts.iter().map(|(kind, bytes)| {
        let size = u64::try_from(bytes.len()).unwrap();
        Part { kind: *kind, size, sha256: sha256(bytes) }
    });
    let manifest = Builder {
        version,
        floor: Version([1, 0, 1, 0]),
        installable_from: Version::default(),
        min_loader: Version::default(),
        build_id: [u8::try_from(patch).unwrap(); 16],
        key_id: KeyId::of(&public_key(&SEED)),
        flags: Flags::default(),
        parts: stated.collect(),
        verity: Verity { root: [2; 32], salt: [3; 32], data_blocks: 1 },
        template: "root={root} slot={slot} handoff={handoff}".into(),
        notes: None,
        toolchain: None,
        config_format: 1,
    }
    .emit()
    .unwrap();
    let area = join(&manifest, &sign(&manifest, &SEED));
    let file = encode(&area, &parts).unwrap();
    let mut bundle = vec![0; usize::try_from(file.length()).unwrap()];
    file.read(0, &mut bundle);
    Firmware { area, bundle, version }
}

fn keyset() -> Vec<u8> {
    let key = KeyEntry { public: public_key(&SEED), development: true, revoked: false };
    emit_keyset(false, &[key]).unwrap()
}

type Disk = MappedDisk<TraceDisk<SparseDisk>>;

fn map() -> PartitionMap {
    let guid = |role: Role| Guid::from_random([u8::try_from(role.index()).unwrap(); 16]);
    PartitionMap::lay_out(SECTORS, Guid([1; 16]), guid).unwrap()
}

/// An empty disk with an empty slot table whose floor is 1.0.1.
fn blank() -> Disk {
    let mut disk = MappedDisk::new(TraceDisk::new(SparseDisk::new(SECTORS)), map());
    let mut table = SlotTable { floor: Version([1, 0, 1, 0]), ..SlotTable::default() };
    store(&mut disk.open(Role::SlotTable, true).unwrap(), &mut table).unwrap();
    disk
}

fn install(disk: &mut Disk, slot: Slot, file: &[u8], piece: usize) -> Result<Version, Fault> {
    let keyset = keyset();
    let mut offer = Offer::new(Keyset::parse(&keyset).unwrap());
    let mut pieces = file.chunks(piece);
    let rest = loop {
        let Some(bytes) = pieces.next() else { return Err(Fault::Bundle(BundleError::Truncated(0))) };
        let (taken, known) = offer.push(bytes)?;
        if known {
            break &bytes[taken..];
        }
    };
    let mut writing = offer.begin(disk, slot, Some(if slot == Slot::A { Slot::B } else { Slot::A }))?;
    let mut complete = writing.push(disk, rest)?;
    for bytes in pieces {
        complete = writing.push(disk, bytes)?;
    }
    let facts = writing.finish(disk)?;
    assert!(complete, "finish refuses what is not complete");
    Ok(facts.version)
}

fn checked(disk: &mut Disk, slot: Slot) -> Result<Version, Fault> {
    let keyset = keyset();
    check(disk, slot, &Keyset::parse(&keyset).unwrap()).map(|facts| facts.version)
}

/// A with 1.0.3, confirmed.
fn unit() -> Disk {
    let mut disk = blank();
    install(&mut disk, Slot::A, &firmware(3, 9000, 8192).bundle, 4000).unwrap();
    change(&mut disk, |table| table.confirm(Slot::A, Version([1, 0, 1, 0]))).unwrap();
    disk
}

fn state(disk: &mut Disk, slot: Slot) -> SlotState {
    table(disk).unwrap().slot(slot).state
}

#[test]
fn what_was_streamed_is_in_the_slot_whatever_the_pieces() {
    let new = firmware(4, 9001, 12_288);
    for piece in [1, 511, 4096, 5000, 1 << 20] {
        let mut disk = unit();
        assert_eq!(install(&mut disk, Slot::B, &new.bundle, piece), Ok(new.version));
        assert_eq!(checked(&mut disk, Slot::B), Ok(new.version), "pieces of {piece}");
        let record = *table(&mut disk).unwrap().slot(Slot::B);
        assert_eq!((record.state, record.tries, record.version), (SlotState::Trial, TRIES, new.version));
        let mut kernel = vec![0; 18 * SECTOR];
        disk.open(Role::Boot(Slot::B), false).unwrap().read(Lba(KERNEL_AT / 512), &mut kernel).unwrap();
        assert_eq!(kernel[..9001], bytes(9001, 4));
        assert!(kernel[9001..].iter().all(|byte| *byte == 0), "padding is zero");
    }
}

#[test]
fn an_installation_writes_at_most_two_records() {
    let mut disk = unit();
    let records = |disk: &mut Disk| {
        let part = map().get(Role::SlotTable).unwrap();
        let range = part.start.0..part.start.0 + part.sectors;
        disk.disk_mut().extents().filter(|(at, _)| range.contains(&at.0)).count()
    };
    let mut last = records(&mut disk);
    for (patch, writes, why) in [(4, 1, "the slot is empty as it is"), (5, 2, "it has to be emptied")] {
        install(&mut disk, Slot::B, &firmware(patch, 9000, 8192).bundle, 4096).unwrap();
        let now = records(&mut disk);
        assert_eq!(now - last, writes, "{why}");
        last = now;
    }
}

#[test]
fn a_file_that_is_refused_on_the_way_leaves_the_slot_empty_and_the_other_whole() {
    let new = firmware(4, 9000, 8192);
    let mut damaged = new.bundle.clone();
    let at = damaged.len() - 5000;
    damaged[at] ^= 1;
    for file in [&damaged[..], &new.bundle[..new.bundle.len() - 1], &new.bundle[..6000]] {
        let mut disk = unit();
        install(&mut disk, Slot::B, &firmware(2, 9000, 8192).bundle, 4096).unwrap();
        assert!(matches!(install(&mut disk, Slot::B, file, 4096), Err(Fault::Bundle(_))));
        assert_eq!(
            (state(&mut disk, Slot::A), state(&mut disk, Slot::B)),
            (SlotState::Confirmed, SlotState::Empty)
        );
        assert!(
            matches!(checked(&mut disk, Slot::B), Err(Fault::Manifest { .. })),
            "the old manifest is wiped"
        );
        assert_eq!(checked(&mut disk, Slot::A), Ok(Version([1, 0, 3, 0])));
        assert_eq!(install(&mut disk, Slot::B, &new.bundle, 4096), Ok(new.version), "a repeat succeeds");
    }
}

#[test]
fn nothing_is_touched_before_the_manifest_was_admitted() {
    let mut disk = unit();
    let writes = disk.disk_mut().writes();
    let mut stranger = firmware(4, 9000, 8192).bundle;
    stranger[600] ^= 1;
    assert!(matches!(
        install(&mut disk, Slot::B, &stranger, 4096),
        Err(Fault::Bundle(BundleError::Manifest(ManifestError::Signature)))
    ));
    let keyset = keyset();
    let offer = || {
        let mut offer = Offer::new(Keyset::parse(&keyset).unwrap());
        assert!(offer.verified().is_none());
        assert!(offer.push(&firmware(4, 9000, 8192).bundle).unwrap().1);
        assert_eq!(offer.verified().unwrap().version(), Version([1, 0, 4, 0]));
        offer
    };
    assert_eq!(offer().begin(&mut disk, Slot::R, None).err(), Some(Fault::Target(Slot::R)));
    assert_eq!(offer().begin(&mut disk, Slot::A, Some(Slot::A)).err(), Some(Fault::Target(Slot::A)));
    let unknown = Offer::new(Keyset::parse(&keyset).unwrap());
    assert!(matches!(unknown.begin(&mut disk, Slot::B, None), Err(Fault::Manifest { .. })));
    assert_eq!(disk.disk_mut().writes(), writes);
}

#[test]
fn what_does_not_fit_is_refused_before_anything_is_written() {
    let room = (14 << 20) - usize::try_from(KERNEL_AT).unwrap();
    let mut disk = unit();
    let writes = disk.disk_mut().writes();
    let refused = install(&mut disk, Slot::B, &firmware(4, room + 1, 8192).bundle, 1 << 20);
    let expected = Fault::DoesNotFit {
        part: PartKind::Kernel,
        bytes: u64::try_from(room).unwrap() + 1,
        role: Role::Boot(Slot::B),
        room: u64::try_from(room).unwrap(),
    };
    assert_eq!(refused, Err(expected));
    assert_eq!(disk.disk_mut().writes(), writes);
    assert!(install(&mut disk, Slot::B, &firmware(4, room, 8192).bundle, 1 << 20).is_ok());
}

#[test]
fn without_a_slot_table_nothing_is_installed_and_none_is_made() {
    let mut disk = MappedDisk::new(TraceDisk::new(SparseDisk::new(SECTORS)), map());
    let refused = install(&mut disk, Slot::B, &firmware(4, 9000, 8192).bundle, 4096);
    assert_eq!(refused, Err(Fault::TableLost));
    assert_eq!(disk.disk_mut().writes(), 0);
    let mut small = MappedDisk::new(SparseDisk::new(40), map());
    assert_eq!(table(&mut small), Err(Fault::TableUnreadable));
}

#[test]
fn a_disk_that_lies_is_found_out_and_the_slot_stays_empty() {
    let new = firmware(4, 9000, 8192);
    let clean = unit();
    let writes = {
        let mut disk = unit();
        let before = disk.disk_mut().writes();
        install(&mut disk, Slot::B, &new.bundle, 4096).unwrap();
        disk.disk_mut().writes() - before
    };
    let (stable, mut found) = (clean.into_disk().stopped(), 0);
    for write in 0..writes {
        for rot in [Rot::Flip(0), Rot::Flip(300), Rot::Lost] {
            let mut disk = MappedDisk::new(TraceDisk::rotting(stable.clone(), write, rot), map());
            let installed = install(&mut disk, Slot::B, &new.bundle, 4096);
            match installed {
                // A record that was not taken is written over another copy.
                Ok(_) => assert_eq!(checked(&mut disk, Slot::B), Ok(new.version), "write {write} {rot:?}"),
                Err(fault) => {
                    assert!(matches!(fault, Fault::NotAsWritten { .. }), "{fault}");
                    assert_eq!(state(&mut disk, Slot::B), SlotState::Empty);
                    found += 1;
                }
            }
        }
    }
    assert!(found >= 15, "each write of a part and of the manifest: {found}");
}

#[test]
fn every_part_of_a_slot_is_checked() {
    let stable = unit().into_disk().stopped();
    let at = |role| map().get(role).unwrap().start.0 * 512;
    let part = |kind: PartKind| at(kind.place(Slot::A).role) + kind.place(Slot::A).at;
    for offset in [
        at(Role::Boot(Slot::A)),
        at(Role::Boot(Slot::A)) + 1640,
        at(Role::Boot(Slot::A)) + KERNEL_AT,
        at(Role::Boot(Slot::A)) + KERNEL_AT + 8999,
        at(Role::Root(Slot::A)),
        at(Role::Root(Slot::A)) + 8191,
        part(PartKind::LoaderUefi),
        part(PartKind::LoaderUefi) + 699,
        part(PartKind::LoaderBios),
        part(PartKind::LoaderBios) + 2047,
    ] {
        let mut rotten = stable.clone();
        rotten.flip(offset);
        let mut disk = MappedDisk::new(TraceDisk::new(rotten), map());
        let fault = checked(&mut disk, Slot::A).unwrap_err();
        assert!(matches!(fault, Fault::Manifest { .. } | Fault::Part { .. }), "{offset}: {fault}");
        let keyset = keyset();
        let writes = disk.disk_mut().writes();
        let copied = copy(&mut disk, Slot::A, Slot::B, &Keyset::parse(&keyset).unwrap());
        assert_eq!(copied, Err(fault), "a rotten firmware is not spread");
        assert_eq!(disk.disk_mut().writes(), writes);
    }
}

#[test]
fn a_copy_is_confirmed_and_second() {
    let keyset = keyset();
    let keys = Keyset::parse(&keyset).unwrap();
    let mut disk = unit();
    for to in [Slot::B, Slot::R] {
        assert_eq!(copy(&mut disk, Slot::A, to, &keys).unwrap().version, Version([1, 0, 3, 0]));
        assert_eq!(checked(&mut disk, to), Ok(Version([1, 0, 3, 0])));
        assert_eq!(state(&mut disk, to), SlotState::Confirmed);
        let area = area(&mut disk, to).unwrap();
        assert!(area.starts_with(&firmware(3, 9000, 8192).area));
    }
    let table = table(&mut disk).unwrap();
    assert!(table.slot(Slot::A).priority > table.slot(Slot::B).priority);
    assert_eq!(copy(&mut disk, Slot::A, Slot::A, &keys), Err(Fault::Target(Slot::A)));
}

#[test]
fn only_confirmed_firmware_is_copied() {
    let keyset = keyset();
    let keys = Keyset::parse(&keyset).unwrap();
    let mut disk = unit();
    install(&mut disk, Slot::B, &firmware(4, 9000, 8192).bundle, 4096).unwrap();
    assert_eq!(copy(&mut disk, Slot::B, Slot::R, &keys), Err(Fault::NotAsRecorded(Slot::B)));
    change(&mut disk, |table| {
        table.slot_mut(Slot::A).digest = [9; 32];
        true
    })
    .unwrap();
    assert_eq!(copy(&mut disk, Slot::A, Slot::R, &keys), Err(Fault::NotAsRecorded(Slot::A)));
}

#[test]
fn the_previous_firmware_is_restored_only_when_it_is_whole() {
    let keyset = keyset();
    let keys = Keyset::parse(&keyset).unwrap();
    let mut disk = unit();
    assert_eq!(restore(&mut disk, Slot::A, &keys), Err(Fault::NotRestorable(Slot::A, NotRestorable::First)));
    install(&mut disk, Slot::B, &firmware(4, 9000, 8192).bundle, 4096).unwrap();
    change(&mut disk, |table| table.confirm(Slot::B, Version([1, 0, 1, 0]))).unwrap();

    let mut rotten = disk.disk_mut().clone().stopped();
    rotten.flip(map().get(Role::Root(Slot::A)).unwrap().start.0 * 512 + 77);
    let mut rotten = MappedDisk::new(TraceDisk::new(rotten), map());
    assert!(matches!(restore(&mut rotten, Slot::A, &keys), Err(Fault::Part { part: PartKind::Rootfs, .. })));
    assert_eq!(rotten.disk_mut().writes(), 0);

    let mut foreign = disk.disk_mut().clone().stopped();
    let mut window = map().window(&mut foreign, Role::SlotTable).unwrap();
    let mut other = evener_slot_table::load(&mut window).table.unwrap();
    other.slot_mut(Slot::A).digest = [9; 32];
    store(&mut window, &mut other).unwrap();
    let mut foreign = MappedDisk::new(TraceDisk::new(foreign), map());
    assert_eq!(restore(&mut foreign, Slot::A, &keys), Err(Fault::NotAsRecorded(Slot::A)));

    assert_eq!(restore(&mut disk, Slot::A, &keys).unwrap().version, Version([1, 0, 3, 0]));
    assert_eq!(state(&mut disk, Slot::A), SlotState::Trial);
    assert_eq!(discard(&mut disk, Slot::A), Ok(true));
    assert_eq!(state(&mut disk, Slot::A), SlotState::Confirmed, "the firmware is still there");
    assert_eq!(discard(&mut disk, Slot::A), Ok(false));
}

#[test]
fn a_record_that_changed_meanwhile_is_not_overwritten() {
    let new = firmware(4, 9000, 8192);
    let mut disk = unit();
    let keyset = keyset();
    let mut offer = Offer::new(Keyset::parse(&keyset).unwrap());
    let (taken, _) = offer.push(&new.bundle).unwrap();
    let mut writing = offer.begin(&mut disk, Slot::B, Some(Slot::A)).unwrap();
    assert_eq!(writing.slot(), Slot::B);
    assert!(writing.push(&mut disk, &new.bundle[taken..]).unwrap());
    change(&mut disk, |table| {
        table.slot_mut(Slot::B).state = SlotState::Bad;
        true
    })
    .unwrap();
    assert_eq!(writing.finish(&mut disk).err(), Some(Fault::NotAsRecorded(Slot::B)));
    assert_eq!(state(&mut disk, Slot::B), SlotState::Bad);
}

fn loaders(disk: &mut Disk, slot: Slot) -> Result<Loaders, Fault> {
    let keyset = keyset();
    Loaders::of(disk, slot, &Keyset::parse(&keyset).unwrap())
}

#[test]
fn a_copy_of_a_loader_is_written_and_known_again() {
    let mut disk = unit();
    let found = loaders(&mut disk, Slot::A).unwrap();
    assert_eq!(found.same(), [[false; 2]; 2]);
    assert_eq!(found.digests()[1], Some(sha256(&loader_bios(3))));
    for (index, kind) in LoaderKind::ALL.into_iter().enumerate() {
        for copy in LoaderCopy::ALL {
            found.write(&mut disk, kind, copy).unwrap();
            let same = loaders(&mut disk, Slot::A).unwrap().same();
            assert!(same[index][copy.index()], "{kind} {copy}");
            assert_eq!(same.iter().flatten().filter(|same| **same).count(), index * 2 + copy.index() + 1);
        }
    }
    let mut copy = vec![0; 4 * SECTOR];
    for at in COPIES {
        disk.open(Role::BiosBoot, false).unwrap().read(Lba(at), &mut copy).unwrap();
        assert_eq!(Stage2::check(&copy).unwrap().version(), Version([1, 0, 3, 0]));
    }
    // Some firmware keeps its variables in a file of its own beside the loader.
    let mut esp = disk.open(Role::EspA, true).unwrap();
    let root = Lba(1 + 2 * 32);
    let mut directory = [0; SECTOR];
    esp.read(root, &mut directory).unwrap();
    assert!(directory.starts_with(b"EVENER-A"));
    directory[64..75].copy_from_slice(b"NVVARS     ");
    esp.write(root, &directory).unwrap();
    assert_eq!(loaders(&mut disk, Slot::A).unwrap().same(), [[true; 2]; 2]);
    // The file itself, though, is looked at byte for byte.
    let data = Lba(1 + 2 * 32 + 32 + 2 * 4);
    disk.open(Role::EspA, true).unwrap().write(data, &[0x77; SECTOR]).unwrap();
    assert_eq!(loaders(&mut disk, Slot::A).unwrap().same()[0], [false, true]);
}

#[test]
fn only_the_loader_of_a_confirmed_firmware_is_written() {
    let mut disk = unit();
    install(&mut disk, Slot::B, &firmware(4, 9000, 8192).bundle, 1 << 20).unwrap();
    assert_eq!(loaders(&mut disk, Slot::B).err(), Some(Fault::NotAsRecorded(Slot::B)), "on trial");
    change(&mut disk, |table| {
        table.slot_mut(Slot::A).digest = [9; 32];
        true
    })
    .unwrap();
    assert_eq!(loaders(&mut disk, Slot::A).err(), Some(Fault::NotAsRecorded(Slot::A)));
}

#[test]
fn a_slot_that_the_new_loader_would_refuse_is_seen() {
    let mut disk = unit();
    assert!(loaders(&mut disk, Slot::A).unwrap().start_every_slot());
    install(&mut disk, Slot::B, &firmware(4, 9000, 8192).bundle, 1 << 20).unwrap();
    // Another key's id in the manifest: whether its signature is right does not matter here.
    let mut area = area(&mut disk, Slot::B).unwrap();
    area[80] ^= 1;
    disk.open(Role::Boot(Slot::B), true).unwrap().write(Lba(0), &area).unwrap();
    assert!(!loaders(&mut disk, Slot::A).unwrap().start_every_slot());
    discard(&mut disk, Slot::B).unwrap();
    assert!(loaders(&mut disk, Slot::A).unwrap().start_every_slot(), "it would not be started anyway");
}
