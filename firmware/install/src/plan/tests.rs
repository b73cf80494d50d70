use evener_disk::{SparseDisk, Window};
use evener_manifest::Version;
use evener_slot_table::CopyState;

use super::*;
use crate::bench::{
    FLOOR, Flaky, NEW, OLD, SECTORS, data, fresh_guids, keyset, old_unit, on_disk, source, startable,
};
use crate::{Holds, look};

fn erase() -> Plan {
    Plan::erase(&source(), SECTORS, data(), &mut fresh_guids()).unwrap()
}

fn carry_out<B: Blocks>(mut plan: Plan, disk: &mut B) -> Result<Plan, InstallError> {
    plan.prepare(disk, |_, _| ())?;
    plan.commit(disk, &Keyset::parse(&keyset()).unwrap())?;
    Ok(plan)
}

fn window(disk: &mut SparseDisk, role: Role) -> Window<&mut SparseDisk> {
    let map = PartitionMap::read(disk).unwrap();
    map.window(disk, role).unwrap()
}

fn sector(disk: &mut SparseDisk, role: Role, at: u64) -> [u8; SECTOR] {
    let mut bytes = [0; SECTOR];
    window(disk, role).read(Lba(at), &mut bytes).unwrap();
    bytes
}

/// A disk full of what somebody left on it.
fn used() -> SparseDisk {
    let mut disk = SparseDisk::new(SECTORS);
    for at in (0..SECTORS).step_by(2048) {
        disk.write(Lba(at), &[0xee; 2 * SECTOR]).unwrap();
    }
    disk
}

#[test]
fn an_erased_disk_is_the_one_that_the_builder_makes_with_guids_of_its_own() {
    for mut disk in [SparseDisk::new(SECTORS), used(), old_unit()] {
        let plan = carry_out(erase(), &mut disk).unwrap();
        let built = disk_of(&plan);
        let map = PartitionMap::read(&mut disk).unwrap();
        assert_eq!((map.source(), map.disk()), (Table::Primary, plan.map().disk()));
        for role in Role::ALL {
            assert_eq!(map.get(role), plan.map().get(role), "{role}");
        }
        for (at, sectors) in all_but_data_and_what_no_slot_uses(&map) {
            let (mut one, mut other) = (vec![0; sectors * SECTOR], vec![0; sectors * SECTOR]);
            disk.read(Lba(at), &mut one).unwrap();
            built.clone().read(Lba(at), &mut other).unwrap();
            assert!(one == other, "{sectors} sectors from {at} on");
        }
        let started = startable(&disk);
        assert_eq!(started, [(Slot::A, NEW, true), (Slot::R, NEW, true)]);
        assert_eq!(sector(&mut disk, Role::Data, 2)[..20], *b"an empty file system");
        assert!(matches!(look(&mut disk, |_, _| false), Holds::Unit(unit) if unit.version == Some(NEW)));
    }
}

fn disk_of(plan: &Plan) -> SparseDisk {
    on_disk(&plan.image)
}

/// Everything before the slots, the manifest of each and the kernel's first MiB, `conf`, and both tables.
fn all_but_data_and_what_no_slot_uses(map: &PartitionMap) -> Vec<(u64, usize)> {
    let part = |role| map.get(role).unwrap();
    let mut ranges = vec![(0, 34), (map.backup_at().0, 33)];
    for role in [Role::BiosBoot, Role::EspA, Role::EspB, Role::Conf] {
        ranges.push((part(role).start.0, usize::try_from(part(role).sectors).unwrap()));
    }
    for copy in 0..4 {
        ranges.push((part(Role::SlotTable).start.0 + copy * 2048, 1));
    }
    for slot in Slot::ALL {
        ranges.push((part(Role::Boot(slot)).start.0, 128));
    }
    for slot in [Slot::A, Slot::R] {
        ranges.push((part(Role::Boot(slot)).start.0 + 128, 200));
        ranges.push((part(Role::Root(slot)).start.0, 320));
    }
    ranges
}

#[test]
fn what_is_kept_is_untouched_and_the_rest_is_new() {
    let mut disk = old_unit();
    let before = disk.clone();
    let plan = Plan::keep(&source(), &mut disk).unwrap();
    assert!(disk == before, "planning writes nothing");
    carry_out(plan, &mut disk).unwrap();
    assert_eq!(startable(&disk), [(Slot::A, NEW, true), (Slot::R, NEW, true)]);
    let (old_map, map) =
        (PartitionMap::read(&mut before.clone()).unwrap(), PartitionMap::read(&mut disk).unwrap());
    assert_eq!(map, old_map, "its GUIDs are its own");
    for role in [Role::Conf, Role::Data] {
        let (mut kept, mut now) = (vec![0; 8 << 20], vec![0; 8 << 20]);
        window(&mut before.clone(), role).read(Lba(0), &mut kept).unwrap();
        window(&mut disk, role).read(Lba(0), &mut now).unwrap();
        assert!(kept == now, "{role}");
    }
    assert_eq!(sector(&mut disk, Role::Boot(Slot::B), 0), [0; SECTOR]);
    let mut sector_0 = [0; SECTOR];
    disk.read(Lba(0), &mut sector_0).unwrap();
    assert_eq!(sector_0[..8], source().firmware.loader_bios[..8]);
    let copies = load(&mut window(&mut disk, Role::SlotTable)).copies;
    assert!(
        copies.iter().all(|copy| matches!(copy, CopyState::Valid(seq) if *seq > 4)),
        "none of them is old: {copies:?}"
    );
}

#[test]
fn a_unit_with_a_damaged_partition_table_is_kept_and_its_table_is_whole_again() {
    let mut disk = old_unit();
    disk.write(Lba(1), &[0; SECTOR]).unwrap();
    let plan = Plan::keep(&source(), &mut disk).unwrap();
    carry_out(plan, &mut disk).unwrap();
    let map = PartitionMap::read(&mut disk).unwrap();
    assert_eq!((map.source(), startable(&disk).len()), (Table::Primary, 2));
    assert_eq!(sector(&mut disk, Role::Data, 4000), [0xc0; SECTOR]);
}

#[test]
fn the_floor_of_a_unit_that_is_kept_never_goes_down() {
    for (floor, expected) in [(Version([0; 4]), FLOOR), (OLD, OLD)] {
        let mut disk = old_unit();
        let mut part = window(&mut disk, Role::SlotTable);
        let mut table = load(&mut part).table.unwrap();
        table.floor = floor;
        store(&mut part, &mut table).unwrap();
        let plan = Plan::keep(&source(), &mut disk).unwrap();
        carry_out(plan, &mut disk).unwrap();
        assert_eq!(load(&mut window(&mut disk, Role::SlotTable)).table.unwrap().floor, expected);
    }
}

#[test]
fn nothing_is_kept_of_what_is_no_unit_of_this_layout() {
    let source = source();
    assert_eq!(Plan::keep(&source, &mut used()).unwrap_err(), InstallError::Map(GptError::Header));
    let mut lost = old_unit();
    for copy in 0..4 {
        window(&mut lost, Role::SlotTable).write(Lba(copy * 2048), &[0; SECTOR]).unwrap();
    }
    assert_eq!(Plan::keep(&source, &mut lost).unwrap_err(), InstallError::RecordLost);
    let mut stick = crate::bench::stick();
    assert!(Plan::keep(&source, &mut stick).is_err());
}

#[test]
fn a_disk_that_takes_no_write_is_what_it_was_and_the_plan_says_so() {
    for keep in [false, true] {
        let mut disk = Flaky::new(old_unit());
        disk.writes_left = 0;
        let mut plan = if keep { Plan::keep(&source(), &mut disk).unwrap() } else { erase() };
        assert!(plan.prepare(&mut disk, |_, _| ()).is_err());
        assert!(disk.seen == old_unit() && !plan.has_changed_the_disk(), "keep {keep}");
    }
}

#[test]
fn a_disk_that_stores_something_else_is_found_out_and_does_not_boot() {
    let map = erase().map().clone();
    let start = |role| map.get(role).unwrap().start.0;
    for at in [
        start(Role::BiosBoot),
        start(Role::EspB) + 1,
        start(Role::Root(Slot::R)) + 5,
        start(Role::Boot(Slot::A)) + 128,
        start(Role::Data) + 2,
        1,
        start(Role::SlotTable),
    ] {
        let mut disk = Flaky::new(SparseDisk::new(SECTORS));
        disk.rotten = Some(Lba(at));
        let failed = carry_out(erase(), &mut disk).unwrap_err();
        assert_eq!(failed, InstallError::NotAsWritten(Lba(at)));
        assert_eq!(startable(&disk.seen), [], "{at}");
    }
}

fn has_the_loaders_of(one: &SparseDisk, other: &SparseDisk) -> bool {
    [Role::BiosBoot, Role::EspA, Role::EspB].into_iter().all(|role| {
        let read = |disk: &SparseDisk| {
            let mut disk = disk.clone();
            let mut part = window(&mut disk, role);
            let mut bytes = vec![0; usize::try_from(part.sectors()).unwrap() * SECTOR];
            part.read(Lba(0), &mut bytes).unwrap();
            bytes
        };
        read(one) == read(other)
    })
}

/// Cuts the power at every write, of the long middle where one piece is like the next at every sixth; gives how many
/// disks it left on which a loader would start what is not whole.
fn sweep(plan: &Plan, skipped_flush: usize, mut look_at: impl FnMut(&SparseDisk)) -> usize {
    let (mut wrong, old) = (0, old_unit());
    for writes in (0..).filter(|writes| !(16..48).contains(writes) || writes % 6 == 0) {
        let mut disk = Flaky { writes_left: writes, skipped_flush, ..Flaky::new(old.clone()) };
        let done = carry_out(plan.clone(), &mut disk).is_ok();
        for left in disk.leftovers() {
            let started = startable(&left);
            let versions: Vec<Version> = started.iter().map(|found| found.1).collect();
            let is_whole = started.iter().all(|found| found.2)
                // The old firmware only with the loaders that came with it, and never beside the new one.
                && (!versions.contains(&OLD) || has_the_loaders_of(&left, &old))
                && !(versions.contains(&NEW) && versions.contains(&OLD));
            wrong += usize::from(!is_whole);
            look_at(&left);
        }
        if done {
            assert!(writes > 20, "{writes}");
            return wrong;
        }
    }
    wrong
}

#[test]
fn a_cut_leaves_nothing_that_half_boots() {
    assert_eq!(sweep(&erase(), 0, |_| ()), 0, "erase");
    let keep = Plan::keep(&source(), &mut old_unit()).unwrap();
    assert_eq!(sweep(&keep, 0, |_| ()), 0, "keep");
}

#[test]
fn the_sweep_notices_a_missing_flush() {
    assert!(sweep(&erase(), 1, |_| ()) > 0, "the one behind the wipe");
}

#[test]
fn a_unit_whose_installation_was_cut_is_found_again_with_all_that_is_kept() {
    let plan = Plan::keep(&source(), &mut old_unit()).unwrap();
    let mut number = 0_usize;
    sweep(&plan, 0, |left| {
        let mut left = left.clone();
        let found = look(&mut left, |_, _| true);
        let Holds::Unit(unit) = found else { panic!("{found:?}") };
        assert!(unit.same_layout && unit.floor == Some(FLOOR), "{unit:?}");
        number += 1;
        if number.is_multiple_of(29) {
            let plan = Plan::keep(&source(), &mut left).unwrap();
            carry_out(plan, &mut left).unwrap();
            assert_eq!(startable(&left), [(Slot::A, NEW, true), (Slot::R, NEW, true)]);
            assert_eq!(sector(&mut left, Role::Data, 4000), [0xc0; SECTOR]);
        }
    });
}

#[test]
fn progress_goes_from_nothing_to_all_in_each_step() {
    let mut heard = Vec::new();
    erase().prepare(&mut SparseDisk::new(SECTORS), |step, percent| heard.push((step, percent))).unwrap();
    let of = |wanted| {
        heard.iter().filter(|(step, _)| *step == wanted).map(|(_, percent)| *percent).collect::<Vec<_>>()
    };
    for step in [Step::Writing, Step::Checking] {
        let percents = of(step);
        assert!(percents.is_sorted() && percents.last() == Some(&100) && percents.len() > 40, "{step:?}");
    }
    let first_check = heard.iter().position(|(step, _)| *step == Step::Checking);
    assert_eq!(first_check, Some(of(Step::Writing).len()), "all is written before it is checked");
}

#[test]
fn a_disk_that_changed_its_size_is_not_written_to() {
    let mut disk = SparseDisk::new(SECTORS + 2048);
    assert_eq!(erase().prepare(&mut disk, |_, _| ()), Err(InstallError::Map(GptError::Bounds)));
    assert!(disk == SparseDisk::new(SECTORS + 2048));
    assert!(Plan::erase(&source(), 1000, data(), &mut fresh_guids()).is_err());
}
