//! A sample of the sweep, and the count of record writes. All of it: `make prove`.
#![allow(clippy::unwrap_used, reason = "test crate")]

use evener_disk::{Role, Slot};
use evener_slot_table::{FailureReason, SlotTable};
use evener_slots::change;
use evener_sweep::firmware::Catalogue;
use evener_sweep::{Extent, Unit, operations, run};

/// Chooses the cases; `EVENER_SEED` chooses others, to repeat what somebody else saw.
fn seed() -> u64 {
    std::env::var("EVENER_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(20_261_120)
}

#[test]
fn no_sampled_power_cut_costs_a_unit() {
    let catalogue = Catalogue::make().unwrap();
    let operations = operations::all(&catalogue).unwrap();
    let seed = seed();
    let extent = Extent::Sample { seed, every: 16 };
    let outcome = run(&operations, &catalogue, extent, &|_, _| {}).unwrap();
    println!("seed {seed}: {} cases", outcome.total());
    assert_eq!(outcome.failures, Vec::<String>::new(), "seed {seed}");
    assert!(outcome.total() > 1000, "a sample of {} is none", outcome.total());
    for operation in &operations {
        assert!(
            outcome.cases.keys().any(|(name, _)| *name == operation.name),
            "{} was not sampled",
            operation.name
        );
    }
}

/// Writes to the slot table in what `boot` does: everything between two starts of the loader.
fn records(start: &str, boot: impl FnOnce(&mut Unit<'_>)) -> usize {
    let catalogue = Catalogue::make().unwrap();
    let operations = operations::all(&catalogue).unwrap();
    let disk = operations.iter().find(|operation| operation.name == start).unwrap().start.clone();
    let mut unit = Unit::new(disk, &catalogue).unwrap();
    boot(&mut unit);
    let table = unit.range(Role::SlotTable).unwrap();
    unit.disk.extents().filter(|(at, _)| table.contains(&at.0)).count()
}

fn edit(unit: &mut Unit<'_>, edit: impl FnOnce(&mut SlotTable) -> bool) {
    assert!(change(unit, edit).unwrap(), "there was something to change");
}

#[test]
fn a_boot_writes_at_most_two_records() {
    let normal = records("boot", |unit| {
        assert_eq!(unit.boot(None).unwrap().slot, Slot::A);
        edit(unit, |table| table.healthy(Slot::A));
        // Proved already, and stopped in order: nothing is left to say.
        assert!(!change(unit, |table| table.healthy(Slot::A)).unwrap());
    });
    let trial = records("boot of a firmware on trial", |unit| {
        assert_eq!(unit.boot(None).unwrap().slot, Slot::B);
        let floor = unit.catalogue.newest.floor;
        edit(unit, |table| table.confirm(Slot::B, floor));
        assert!(!change(unit, |table| table.healthy(Slot::B)).unwrap());
    });
    let failing = records("boot of a firmware on trial", |unit| {
        unit.boot(None).unwrap();
        edit(unit, |table| {
            table.give_up(Slot::B, FailureReason::HealthCheck);
            true
        });
    });
    let fallback = records("boot after five without health", |unit| {
        assert_eq!(unit.boot(None).unwrap().slot, Slot::A);
        edit(unit, |table| table.healthy(Slot::A));
    });
    let stopped = records("boot", |unit| {
        unit.boot(None).unwrap();
        edit(unit, |table| {
            table.give_back(Slot::A);
            true
        });
    });
    assert_eq!([normal, trial, failing, fallback, stopped], [2; 5]);
    let rescue = records("boot of rescue by a key", |unit| {
        assert_eq!(unit.boot(Some(evener_slot_choice::Asked::Rescue)).unwrap().slot, Slot::R);
    });
    assert!(rescue <= 1, "{rescue}");
}
