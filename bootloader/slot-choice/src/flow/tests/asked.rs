//! What a person at the console asked for, on the way of a boot.

use super::*;

#[test]
fn the_person_at_the_console_gets_rescue_this_once() {
    for late in [false, true] {
        let mut bed = Bed::new();
        let before = bed.stored();
        let mut bench = Bench { asks: Some((Asked::Rescue, late)), ..Bench::default() };
        assert_eq!(boot(&mut bed.disk, &mut bench, &keyset(), LOADER), Ok(Slot::R));
        assert_eq!(bench.said, ["rescue asked for at the console", "slot R 0.1.0 verified, starting"]);
        assert_eq!(bench.started.len(), 1);
        assert_eq!((handoff(&bench).mode, handoff(&bench).reason), (Mode::Rescue, BootReason::Requested));
        assert_eq!(bed.stored(), before, "nothing is charged");
        assert_eq!(bed.boot().0, Ok(Slot::A));
    }
}

#[test]
fn a_reset_asked_for_is_handed_over_and_changes_nothing_else() {
    let mut bed = Bed::new();
    let mut bench = Bench { asks: Some((Asked::FactoryReset, true)), ..Bench::default() };
    assert_eq!(boot(&mut bed.disk, &mut bench, &keyset(), LOADER), Ok(Slot::A));
    assert_eq!(bench.said[0], "factory reset asked for at the console");
    assert!(handoff(&bench).reset);
    let (_, bench) = bed.boot();
    assert!(!handoff(&bench).reset, "once");
}

#[test]
fn the_person_at_the_console_is_asked_for_the_last_time_before_the_boot_counts() {
    let mut bed = Bed::new();
    let mut bench = Bench { refuse_starts: 1, ..Bench::default() };
    assert_eq!(boot(&mut bed.disk, &mut bench, &keyset(), LOADER), Ok(Slot::R));
    assert_eq!(bench.asked, [false, true]);
}

#[test]
fn rescue_that_was_asked_for_and_is_damaged_gives_way() {
    let mut bed = Bed::new();
    bed.flip(Role::Boot(Slot::R), 100);
    let mut bench = Bench { asks: Some((Asked::Rescue, false)), ..Bench::default() };
    assert_eq!(boot(&mut bed.disk, &mut bench, &keyset(), LOADER), Ok(Slot::A));
    assert_eq!(bench.said[1], "E06 slot R: manifest signature does not match; trying slot A");
}
