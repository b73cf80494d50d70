//! Each corruption against the code that boots, on a disk in memory.

use std::string::{String, ToString};
use std::vec::Vec;
use std::{format, vec};

use evener_disk::{Cut, CutDisk, DiskGone, Guid, RamDisk};
use evener_handoff::{BootReason, Mode};
use evener_manifest::{
    Builder, Flags, KeyEntry, KeyId, Part, Verity, emit_keyset, join, public_key, sha256, sign,
};
use evener_slot_table::{FailureReason, SlotRecord, SlotState};

use super::*;

mod asked;
mod bench;
mod faulty_disks;
mod loader;

use bench::{Bench, boot};

const SEED: [u8; 32] = [5; 32];
const LOADER: Version = Version([0, 1, 0, 0]);
const MIB: usize = 1 << 20;

fn kernel(slot: Slot) -> Vec<u8> {
    (0..1_300_000_u32).map(|index| (index % 251) as u8 ^ slot.number()).collect()
}

fn keyset() -> Vec<u8> {
    emit_keyset(false, &[KeyEntry { public: public_key(&SEED), development: true, revoked: false }]).unwrap()
}

fn draft(slot: Slot) -> Builder {
    let kernel = kernel(slot);
    let size = u64::try_from(kernel.len()).unwrap();
    Builder {
        version: Version([0, 1, 0, 0]),
        floor: Version([0, 1, 0, 0]),
        installable_from: Version::default(),
        min_loader: LOADER,
        build_id: [slot.number(); 16],
        key_id: KeyId::of(&public_key(&SEED)),
        flags: Flags::default(),
        parts: vec![
            Part { kind: PartKind::Kernel, size, sha256: sha256(&kernel) },
            Part { kind: PartKind::Rootfs, size: 8192, sha256: [1; 32] },
        ],
        verity: Verity { root: [2; 32], salt: [3; 32], data_blocks: 1 },
        template: "ro root={root} s={slot} evener.handoff={handoff}".to_string(),
        notes: None,
        toolchain: None,
        config_format: 1,
    }
}

struct Bed {
    disk: RamDisk,
    map: PartitionMap,
    table: SlotTable,
}

impl Bed {
    /// A and R filled and confirmed, B empty: as the image builder makes it.
    fn new() -> Self {
        let map = PartitionMap::lay_out(288 * 2048, Guid([1; 16]), |role| {
            Guid::from_random([u8::try_from(role.index()).unwrap(); 16])
        });
        let map = map.unwrap();
        let mut bed = Self { disk: RamDisk::new(288 * 2048), map, table: SlotTable::default() };
        bed.map.write(&mut bed.disk).unwrap();
        bed.install(Slot::A, &draft(Slot::A), &SEED, SlotState::Confirmed);
        bed.install(Slot::R, &draft(Slot::R), &SEED, SlotState::Confirmed);
        bed
    }

    fn install(&mut self, slot: Slot, draft: &Builder, seed: &[u8; 32], state: SlotState) {
        let manifest = draft.emit().unwrap();
        let at = self.at(Role::Boot(slot));
        let area = join(&manifest, &sign(&manifest, seed));
        let kernel = kernel(slot);
        self.disk.bytes_mut()[at..at + area.len()].copy_from_slice(&area);
        let at = at + AREA_BYTES;
        self.disk.bytes_mut()[at..at + kernel.len()].copy_from_slice(&kernel);
        let tries = if state == SlotState::Trial { 3 } else { 0 };
        let record = SlotRecord {
            state,
            priority: 9 - slot.number(),
            tries,
            version: draft.version,
            digest: sha256(&manifest),
        };
        *self.table.slot_mut(slot) = record;
        self.store();
    }

    fn store(&mut self) {
        let mut window = self.map.window(&mut self.disk, Role::SlotTable).unwrap();
        store(&mut window, &mut self.table).unwrap();
    }

    fn stored(&mut self) -> Option<SlotTable> {
        load(&mut self.map.window(&mut self.disk, Role::SlotTable).unwrap()).table
    }

    fn at(&self, role: Role) -> usize {
        usize::try_from(self.map.get(role).unwrap().start.0).unwrap() * SECTOR
    }

    fn flip(&mut self, role: Role, offset: usize) {
        let at = self.at(role) + offset;
        self.disk.bytes_mut()[at] ^= 0x20;
    }

    fn boot(&mut self) -> (Result<Slot, BootCode>, Bench) {
        let mut bench = Bench::default();
        (boot(&mut self.disk, &mut bench, &keyset(), LOADER), bench)
    }
}

fn handoff(bench: &Bench) -> Handoff {
    Handoff::from_command_line(&bench.started.last().unwrap().1).unwrap()
}

#[test]
fn a_whole_disk_boots_a_and_counts() {
    let mut bed = Bed::new();
    let (booted, bench) = bed.boot();
    assert_eq!(booted, Ok(Slot::A));
    assert_eq!(bench.said, ["slot A 0.1.0 verified, starting"]);
    assert_eq!(bench.started[0].0, kernel(Slot::A));
    let root = bed.map.get(Role::Root(Slot::A)).unwrap().partuuid;
    assert!(bench.started[0].1.starts_with(&format!("ro root={root} s=A evener.handoff=01")));
    let handoff = handoff(&bench);
    assert_eq!((handoff.mode, handoff.reason), (Mode::Normal, BootReason::Preferred));
    assert_eq!(handoff.loader, LOADER);
    assert!(handoff.keys.unwrap().trust(KeyId::of(&public_key(&SEED))), "the updater asks for this");
    assert_eq!(bed.stored().unwrap().boots_without_health, 1);
}

#[test]
fn a_trial_boots_three_times_then_the_old_firmware_is_back() {
    let mut bed = Bed::new();
    let newer = Builder { version: Version([0, 2, 0, 0]), ..draft(Slot::B) };
    bed.install(Slot::B, &newer, &SEED, SlotState::Trial);
    for left in [2, 1, 0] {
        let (booted, bench) = bed.boot();
        assert_eq!((booted, handoff(&bench).tries_left), (Ok(Slot::B), left));
        assert_eq!(handoff(&bench).mode, Mode::Trial);
    }
    let (booted, bench) = bed.boot();
    assert_eq!(booted, Ok(Slot::A));
    assert_eq!(bench.said[0], "E20 slot B: firmware on trial has used up its tries; trying slot A");
    assert_eq!(handoff(&bench).skipped, [None, Some(20), None]);
}

/// Damages slot A and expects R with these words.
#[track_caller]
fn falls_back(damage: impl FnOnce(&mut Bed), words: &str) {
    let mut bed = Bed::new();
    damage(&mut bed);
    let (booted, bench) = bed.boot();
    assert_eq!(booted, Ok(Slot::R));
    assert_eq!(bench.said, [words, "slot R 0.1.0 verified, starting"]);
    assert_eq!(bench.started.len(), 1, "nothing unverified was started");
    assert_eq!(bench.started[0].0, kernel(Slot::R));
    let handoff = handoff(&bench);
    assert_eq!((handoff.mode, handoff.reason), (Mode::Rescue, BootReason::Refused));
    assert_eq!(handoff.skipped[0].map(|code| format!("E{code:02}")).unwrap(), words[..3]);
}

#[test]
fn every_damage_to_a_slot_is_named_and_leads_to_the_other() {
    let boot_a = Role::Boot(Slot::A);
    let last = AREA_BYTES + kernel(Slot::A).len() - 1;
    for at in [AREA_BYTES, AREA_BYTES + 700_000, last] {
        falls_back(|bed| bed.flip(boot_a, at), "E07 slot A: kernel digest does not match; trying slot R");
    }
    falls_back(|bed| bed.flip(boot_a, 40), "E06 slot A: manifest signature does not match; trying slot R");
    falls_back(|bed| bed.flip(boot_a, 565), "E06 slot A: manifest signature does not match; trying slot R");
    falls_back(
        |bed| bed.flip(boot_a, 1584 + 20),
        "E06 slot A: manifest signature does not match; trying slot R",
    );
    falls_back(|bed| bed.flip(boot_a, 3), "E05 slot A: no valid manifest; trying slot R");
    falls_back(
        |bed| {
            let at = bed.at(boot_a) + last - 4000;
            bed.disk.bytes_mut()[at..at + 4001].fill(0);
        },
        "E07 slot A: kernel digest does not match; trying slot R",
    );
}

/// Signs a changed manifest for A; `seed` signs.
fn installs(change: impl FnOnce(&mut Builder), seed: [u8; 32]) -> impl FnOnce(&mut Bed) {
    let mut draft = draft(Slot::A);
    change(&mut draft);
    move |bed| bed.install(Slot::A, &draft, &seed, SlotState::Confirmed)
}

#[test]
fn what_a_right_signature_does_not_excuse() {
    let other = public_key(&[6; 32]);
    falls_back(
        installs(|b| b.key_id = KeyId::of(&other), [6; 32]),
        "E08 slot A: signed with a key that is not trusted; trying slot R",
    );
    falls_back(installs(|_| (), [6; 32]), "E06 slot A: manifest signature does not match; trying slot R");
    falls_back(
        installs(|b| b.min_loader = Version([0, 1, 0, 1]), SEED),
        "E13 slot A: firmware needs a newer loader; trying slot R",
    );
    falls_back(
        installs(|b| b.parts[0].size = 16 << 20, SEED),
        "E15 slot A: kernel does not fit its partition; trying slot R",
    );
    falls_back(
        installs(|b| b.parts[0].size = u64::MAX, SEED),
        "E15 slot A: kernel does not fit its partition; trying slot R",
    );
    falls_back(
        installs(|b| b.template = format!("{}{{slot}}{{handoff}}", "{root}".repeat(100)), SEED),
        "E14 slot A: signed command line cannot be used; trying slot R",
    );
    falls_back(
        |bed| {
            let old = Version([0, 0, 9, 0]);
            installs(|b| (b.version, b.floor) = (old, old), SEED)(bed);
            bed.table.floor = Version([0, 1, 0, 0]);
            bed.store();
        },
        "E12 slot A: version is below the floor of this unit; trying slot R",
    );
    falls_back(
        |bed| {
            bed.table.slots[0].digest = [0; 32];
            bed.store();
        },
        "E16 slot A: firmware is not the one in the slot table; trying slot R",
    );
}

#[test]
fn damaged_copies_of_the_table_do_not_matter_while_one_is_left() {
    let mut bed = Bed::new();
    (0..6).for_each(|_| bed.store());
    let newest = bed.table.seq;
    for copy in 0..3 {
        bed.flip(Role::SlotTable, copy * MIB + 50);
    }
    let (booted, bench) = bed.boot();
    assert_eq!((booted, bench.said.len()), (Ok(Slot::A), 1));
    assert!(bed.stored().unwrap().seq > newest - 4);
}

#[test]
fn a_lost_table_is_derived_from_the_manifests() {
    let mut bed = Bed::new();
    let at = bed.at(Role::SlotTable);
    bed.disk.bytes_mut()[at..at + 4 * MIB].fill(0xff);
    let (booted, bench) = bed.boot();
    assert_eq!(booted, Ok(Slot::A));
    assert_eq!(bench.said[0], "E22: no copy of the slot table is valid; derived from the signed manifests");
    assert!(handoff(&bench).degraded);
    let stored = bed.stored().unwrap();
    assert!(stored.degraded);
    assert_eq!((stored.floor, stored.boots_without_health), (Version([0, 1, 0, 0]), 1));
}

#[test]
fn a_damaged_kernel_is_not_charged_and_keeps_its_code() {
    let mut bed = Bed::new();
    bed.flip(Role::Boot(Slot::A), AREA_BYTES + 5);
    for boots in 0..12 {
        let (booted, bench) = bed.boot();
        assert_eq!(booted, Ok(Slot::R));
        assert!(bench.said[0].starts_with("E07 slot A"), "boot {boots}: {:?}", bench.said);
        let stored = bed.stored().unwrap();
        assert_eq!(stored.boots_without_health, 0, "boot {boots}");
        let failure = stored.last_failure.unwrap();
        assert_eq!((failure.slot, failure.reason), (Slot::A, FailureReason::Refused(7)));
    }

    bed.table = bed.stored().unwrap();
    let newer = Builder { version: Version([0, 2, 0, 0]), ..draft(Slot::B) };
    bed.install(Slot::B, &newer, &SEED, SlotState::Trial);
    bed.flip(Role::Boot(Slot::B), AREA_BYTES + 5);
    assert_eq!(bed.boot().0, Ok(Slot::R));
    assert_eq!(bed.stored().unwrap().slot(Slot::B).tries, 3, "it never ran");
}

#[test]
fn with_nothing_verified_it_stops_with_words() {
    let mut bed = Bed::new();
    bed.flip(Role::Boot(Slot::A), AREA_BYTES + 5);
    bed.flip(Role::Boot(Slot::R), 100);
    let (booted, bench) = bed.boot();
    assert_eq!(booted, Err(BootCode::NothingToBoot));
    assert!(bench.started.is_empty());
    assert_eq!(
        bench.said,
        [
            "E07 slot A: kernel digest does not match",
            "E18 slot B: slot is empty",
            "E06 slot R: manifest signature does not match",
            "E17: no slot can be booted.",
            BootCode::NothingToBoot.remedy(),
        ]
    );
}

#[test]
fn a_kernel_that_comes_back_is_passed_over() {
    let mut bed = Bed::new();
    let mut bench = Bench { refuse_starts: 1, ..Bench::default() };
    assert_eq!(boot(&mut bed.disk, &mut bench, &keyset(), LOADER), Ok(Slot::R));
    assert_eq!(bench.said[1], "E24 slot A: kernel could not be started; trying slot R");
    let mut bench = Bench { refuse_starts: 9, ..Bench::default() };
    assert_eq!(boot(&mut bed.disk, &mut bench, &keyset(), LOADER), Err(BootCode::NothingToBoot));
}

#[test]
fn a_damaged_partition_table_is_said_and_survived() {
    let mut bed = Bed::new();
    bed.disk.bytes_mut()[SECTOR + 60] ^= 1;
    let (booted, bench) = bed.boot();
    assert_eq!(booted, Ok(Slot::A));
    assert_eq!(bench.said[0], "E27: first partition table is damaged, using the backup");
    let end = bed.disk.bytes().len();
    bed.disk.bytes_mut()[end - SECTOR + 60] ^= 1;
    let (booted, bench) = bed.boot();
    assert_eq!(booted, Err(BootCode::NoPartitions));
    assert_eq!(bench.said[0], "E02: the disk has no valid partition table.");
}

#[test]
fn a_loader_without_keys_boots_nothing() {
    let mut bed = Bed::new();
    for keys in [emit_keyset(true, &[]).unwrap(), Vec::new(), vec![0; 100]] {
        let mut bench = Bench::default();
        assert_eq!(boot(&mut bed.disk, &mut bench, &keys, LOADER), Err(BootCode::NoKeys));
        assert!(bench.started.is_empty());
    }
}

#[test]
fn too_little_memory_is_said() {
    let mut bed = Bed::new();
    let mut bench = Bench { memory: Some(AREA_BYTES), ..Bench::default() };
    assert_eq!(boot(&mut bed.disk, &mut bench, &keyset(), LOADER), Err(BootCode::NothingToBoot));
    assert_eq!(bench.said[0], "E25 slot A: not enough memory; trying slot R");
}

#[test]
fn a_firmware_on_trial_starts_only_after_its_try_is_on_stable_storage() {
    let mut bed = Bed::new();
    bed.install(Slot::B, &draft(Slot::B), &SEED, SlotState::Trial);
    let tries = |disk: &mut RamDisk| {
        let map = PartitionMap::read(disk).unwrap();
        load(&mut map.window(disk, Role::SlotTable).unwrap()).table.unwrap().slot(Slot::B).tries
    };
    // The disk is moved and its table put back, for it is too large to be copied for each case.
    let table = bed.at(Role::SlotTable)..bed.at(Role::SlotTable) + 4 * MIB;
    let before = bed.disk.bytes()[table.clone()].to_vec();
    let mut whole = CutDisk::new(bed.disk);
    let mut bench = Bench::default();
    assert_eq!(boot(&mut whole, &mut bench, &keyset(), LOADER), Ok(Slot::B));
    assert_eq!(whole.writes(), 1, "one record a boot");
    let mut disk = whole.after_power_cut(|_| false);
    assert_eq!(tries(&mut disk), 2);

    for (cut, survives) in
        [(Cut::Before, false), (Cut::Torn(140), false), (Cut::After, false), (Cut::After, true)]
    {
        disk.bytes_mut()[table.clone()].copy_from_slice(&before);
        let mut cutting = CutDisk::cutting(disk, 0, cut);
        let mut bench = Bench::default();
        assert!(boot(&mut cutting, &mut bench, &keyset(), LOADER).is_err());
        assert!(bench.started.is_empty(), "{cut:?}");
        disk = cutting.after_power_cut(|_| survives);
        assert_eq!(tries(&mut disk), if survives { 2 } else { 3 }, "{cut:?}");
        assert_eq!(boot(&mut disk, &mut Bench::default(), &keyset(), LOADER), Ok(Slot::B), "{cut:?}");
    }
}

/// Whatever bytes change, what is started is a kernel that was signed, and nothing panics.
#[test]
fn random_damage_never_starts_unverified_bytes() {
    let mut bed = Bed::new();
    let kernels = [kernel(Slot::A), kernel(Slot::R)];
    let table = bed.at(Role::SlotTable);
    let targets = [
        SECTOR..3 * SECTOR,
        table..table + SECTOR,
        bed.at(Role::Boot(Slot::A))..bed.at(Role::Boot(Slot::A)) + 1700,
        bed.at(Role::Boot(Slot::R))..bed.at(Role::Boot(Slot::R)) + 1700,
        bed.at(Role::Boot(Slot::A)) + AREA_BYTES..bed.at(Role::Boot(Slot::A)) + AREA_BYTES + kernels[0].len(),
    ];
    let mut random = 7_u64;
    let mut next = |bound: usize| {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(random >> 33).unwrap() % bound
    };
    let (mut fallbacks, mut halts) = (0, 0);
    for round in 0..40 {
        let mut undo = Vec::new();
        for _ in 0..=next(3) {
            let target = &targets[next(targets.len())];
            let at = target.start + next(target.len());
            undo.push((at, bed.disk.bytes()[at]));
            bed.disk.bytes_mut()[at] ^= 1 << next(8);
        }
        let (booted, bench) = bed.boot();
        match booted {
            Ok(slot) => {
                let expected = if slot == Slot::A { &kernels[0] } else { &kernels[1] };
                assert!(bench.started.len() == 1 && bench.started[0].0 == *expected, "round {round}");
                fallbacks += usize::from(slot == Slot::R);
            }
            Err(_) => {
                assert!(bench.started.is_empty(), "round {round}");
                halts += 1;
            }
        }
        for (at, byte) in undo.into_iter().rev() {
            bed.disk.bytes_mut()[at] = byte;
        }
        bed.disk.bytes_mut()[table..table + 4 * MIB].fill(0);
        bed.table.seq = 0;
        bed.store();
    }
    assert!(fallbacks > 5 && halts > 0, "the sample must reach both: {fallbacks} {halts}");
}
