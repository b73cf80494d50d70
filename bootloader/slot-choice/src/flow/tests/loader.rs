//! A loader on trial.

use evener_handoff::LoaderKind;
use evener_slot_table::LoaderTrial;

use super::*;

const NEW: [u8; 700] = [0x4c; 700];

/// A unit whose slot A brings a new loader, which is on trial and lies in the second copy.
fn bed() -> (Bed, Bench) {
    let mut bed = Bed::new();
    let mut draft = draft(Slot::A);
    draft.parts.push(Part { kind: PartKind::LoaderUefi, size: 700, sha256: sha256(&NEW) });
    bed.install(Slot::A, &draft, &SEED, SlotState::Confirmed);
    let place = PartKind::LoaderUefi.place(Slot::A);
    let at = bed.at(place.role) + usize::try_from(place.at).unwrap();
    bed.disk.bytes_mut()[at..at + NEW.len()].copy_from_slice(&NEW);
    bed.table.try_loader(sha256(&NEW));
    bed.store();
    (bed, bench(false))
}

fn bench(on_trial: bool) -> Bench {
    let copy = if on_trial { LoaderCopy::Second } else { LoaderCopy::First };
    let running = Some(RunningLoader { kind: LoaderKind::Uefi, copy, on_trial });
    Bench { running, other: NEW.to_vec(), ..Bench::default() }
}

fn tries(bed: &mut Bed) -> Option<u8> {
    bed.stored().unwrap().loader.map(|loader| loader.tries)
}

#[test]
fn a_loader_on_trial_is_started_instead_of_a_firmware_and_goes_on_itself() {
    let (mut bed, mut bench) = bed();
    let started = super::super::boot(&mut bed.disk, &mut bench, &keyset(), LOADER);
    assert_eq!(started, Ok(Started::Loader(LoaderCopy::Second)));
    assert_eq!(bench.loaders, [(NEW.to_vec(), LoaderCopy::Second)]);
    assert_eq!(bench.said, ["starting the second copy of the loader on trial, 2 more tries"]);
    assert_eq!((bench.started.len(), tries(&mut bed)), (0, Some(2)));
    assert_eq!(bed.stored().unwrap().boots_without_health, 0, "the loader on trial counts the boot");

    let mut on_trial = self::bench(true);
    assert_eq!(boot(&mut bed.disk, &mut on_trial, &keyset(), LOADER), Ok(Slot::A));
    let told = handoff(&on_trial).copy.unwrap();
    assert_eq!((told.copy, told.on_trial), (LoaderCopy::Second, true));
    assert_eq!((tries(&mut bed), bed.stored().unwrap().boots_without_health), (Some(2), 1));
}

#[test]
fn one_that_never_gets_anywhere_is_started_three_times() {
    let (mut bed, _) = bed();
    for _ in 0..3 {
        let started = super::super::boot(&mut bed.disk, &mut bench(false), &keyset(), LOADER);
        assert_eq!(started, Ok(Started::Loader(LoaderCopy::Second)));
    }
    let mut installed = bench(false);
    assert_eq!(boot(&mut bed.disk, &mut installed, &keyset(), LOADER), Ok(Slot::A));
    assert_eq!(installed.said, ["slot A 0.1.0 verified, starting"]);
    assert_eq!(tries(&mut bed), Some(0), "it stays known as given up");
}

/// Boots with a loader that is not to be started.
#[track_caller]
fn goes_on_itself(bed: &mut Bed, mut bench: Bench, said: &[BootCode], tries_left: Option<u8>) {
    assert_eq!(boot(&mut bed.disk, &mut bench, &keyset(), LOADER), Ok(Slot::A));
    let words: Vec<_> = said.iter().map(|code| format!("{code}: {}", code.what())).collect();
    assert_eq!(bench.said[..words.len()], words);
    assert_eq!(bench.said.last().unwrap(), "slot A 0.1.0 verified, starting");
    assert_eq!(tries(bed), tries_left);
}

#[test]
fn what_is_not_what_a_firmware_brings_is_not_started_and_not_counted() {
    let (mut bed, bench) = bed();
    let torn = Bench { other: NEW[1..].to_vec(), ..bench };
    goes_on_itself(&mut bed, torn, &[BootCode::LoaderDiffers], Some(3));

    let (mut bed, bench) = self::bed();
    bed.table.loader = Some(LoaderTrial { digest: [7; 32], tries: 3 });
    bed.store();
    goes_on_itself(&mut bed, bench, &[BootCode::LoaderDiffers], Some(3));

    let (mut bed, bench) = self::bed();
    let place = PartKind::LoaderUefi.place(Slot::A);
    bed.flip(place.role, usize::try_from(place.at).unwrap() + 5);
    goes_on_itself(&mut bed, bench, &[BootCode::KernelDigest], Some(3));
}

#[test]
fn a_loader_that_only_a_firmware_below_the_floor_brings_is_not_started() {
    let (mut bed, bench) = bed();
    let newer = Builder { version: Version([0, 2, 0, 0]), ..draft(Slot::B) };
    bed.install(Slot::B, &newer, &SEED, SlotState::Confirmed);
    bed.table.floor = Version([0, 2, 0, 0]);
    bed.store();
    let mut bench = bench;
    assert_eq!(boot(&mut bed.disk, &mut bench, &keyset(), LOADER), Ok(Slot::B));
    assert!(bench.said[0].starts_with("E31"), "{:?}", bench.said);
}

#[test]
fn one_that_the_machine_refuses_costs_a_try_and_no_boot() {
    let (mut bed, bench) = bed();
    let mut refusing = Bench { refuses_loaders: true, ..bench };
    assert_eq!(boot(&mut bed.disk, &mut refusing, &keyset(), LOADER), Ok(Slot::A));
    assert!(refusing.said[1].starts_with("E32"), "{:?}", refusing.said);
    assert_eq!(tries(&mut bed), Some(2));
}

#[test]
fn a_try_that_cannot_be_counted_is_not_made() {
    let (bed, bench) = bed();
    // The first write is the one that takes the try.
    let mut disk = CutDisk::cutting(bed.disk, 0, Cut::Before);
    let mut bench = bench;
    let started = super::super::boot(&mut disk, &mut bench, &keyset(), LOADER);
    assert!(bench.loaders.is_empty(), "{started:?}");
}

#[test]
fn a_loader_that_does_not_know_where_it_is_starts_no_other() {
    let (mut bed, bench) = bed();
    goes_on_itself(&mut bed, Bench { running: None, ..bench }, &[], Some(3));
}
