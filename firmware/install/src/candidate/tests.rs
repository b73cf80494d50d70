use evener_disk::{DiskGone, SparseDisk};

use super::*;
use crate::bench::{FLOOR, NEW, OLD, candidate, old_unit, stick, unit};

#[test]
fn what_must_not_be_written_to_is_refused_with_its_reason() {
    let disk = || candidate("sda", Holds::Nothing);
    assert_eq!(disk().check(), Ok(()));
    for (disk, words) in [
        (Candidate { is_own: true, ..disk() }, "started from"),
        (Candidate { holds: Holds::Stick, ..disk() }, "stick with an installer"),
        (Candidate { block_bytes: 4096, ..disk() }, "4096 bytes"),
        (Candidate { sectors: 65_536, ..disk() }, "too small: it has 32 MiB, and Evener needs 319"),
        (Candidate { read_only: true, ..disk() }, "read-only"),
        (Candidate { holds: Holds::Unreadable("Input/output error".into()), ..disk() }, "Input/output error"),
    ] {
        for how in [How::Erase, How::Keep] {
            let refusal = disk.permits(how, NEW).unwrap_err();
            assert_eq!(disk.check(), Err(refusal.clone()));
            assert!(refusal.to_string().contains(words), "{refusal}");
        }
    }
}

#[test]
fn the_own_stick_is_refused_whatever_else_is_true_of_it() {
    for holds in [Holds::Nothing, Holds::Unit(unit()), Holds::Other("x"), Holds::Stick] {
        let own = Candidate { is_own: true, ..candidate("sda", holds) };
        assert_eq!(own.permits(How::Erase, NEW), Err(Refusal::OwnStick));
    }
}

#[test]
fn the_least_size_has_room_for_the_layout_and_the_empty_file_system() {
    assert!(PartitionMap::check_room(least_sectors(), LEAST_DATA).is_ok());
    assert!(PartitionMap::check_room(least_sectors() - 2 * SECTORS_PER_MIB, LEAST_DATA).is_err());
}

#[test]
fn a_configuration_is_kept_only_where_there_is_one_to_keep_and_not_below_the_floor() {
    let with = |unit| candidate("sda", Holds::Unit(unit)).permits(How::Keep, NEW);
    assert_eq!(with(unit()), Ok(()));
    assert_eq!(with(Unit { version: None, ..unit() }), Ok(()), "after an installation that was cut");
    assert_eq!(with(Unit { same_layout: false, ..unit() }), Err(Refusal::OtherLayout));
    assert_eq!(with(Unit { floor: None, ..unit() }), Err(Refusal::FloorLost));
    let above = Version([9, 0, 0, 0]);
    let refused = with(Unit { floor: Some(above), ..unit() });
    assert_eq!(refused, Err(Refusal::BelowFloor { version: NEW, floor: above }));
    for holds in [Holds::Nothing, Holds::Other("x")] {
        assert_eq!(candidate("sda", holds).permits(How::Keep, NEW), Err(Refusal::NothingToKeep));
    }
    let below_floor = candidate("sda", Holds::Unit(Unit { floor: Some(above), ..unit() }));
    assert_eq!(below_floor.permits(How::Erase, NEW), Ok(()), "an erased unit is a new one");
}

#[test]
fn a_disk_is_free_when_nothing_on_it_would_be_missed() {
    let is_free = |holds| candidate("sda", holds).is_free();
    assert!(is_free(Holds::Nothing));
    assert!(is_free(Holds::Unit(Unit { version: None, configured: false, ..unit() })));
    assert!(!is_free(Holds::Unit(Unit { version: None, ..unit() })), "its configuration would be");
    assert!(!is_free(Holds::Unit(Unit { configured: false, ..unit() })));
    assert!(!is_free(Holds::Other("x")));
}

#[test]
fn what_a_disk_holds_is_seen_without_writing_to_it() {
    let nothing = SparseDisk::new(1 << 20);
    let mut at_the_end = nothing.clone();
    at_the_end.write(Lba((1 << 20) - 1), &[1; SECTOR]).unwrap();
    let mut mbr = nothing.clone();
    mbr.flip(510);
    mbr.write(Lba(0), &{
        let mut sector = [0; SECTOR];
        sector[510..].copy_from_slice(&[0x55, 0xaa]);
        sector
    })
    .unwrap();
    let installed = Unit { version: Some(OLD), floor: Some(FLOOR), configured: true, same_layout: true };
    for (mut disk, expected) in [
        (nothing, Holds::Nothing),
        (at_the_end, Holds::Other("data of some kind")),
        (mbr, Holds::Other("another system or file system")),
        (stick(), Holds::Stick),
        (old_unit(), Holds::Unit(installed)),
    ] {
        let before = disk.clone();
        assert_eq!(look(&mut disk, |_, _| true), expected);
        assert!(disk == before);
    }
}

#[test]
fn a_unit_on_a_larger_disk_has_the_same_layout() {
    let mut disk = old_unit();
    disk.enlarge(1 << 22);
    assert!(
        matches!(look(&mut disk, |_, _| false), Holds::Unit(unit) if unit.same_layout && !unit.configured)
    );
}

#[test]
fn a_disk_that_does_not_answer_says_so() {
    struct Gone;
    impl Blocks for Gone {
        type Error = DiskGone;
        fn sectors(&self) -> u64 {
            1 << 20
        }
        fn read(&mut self, _: Lba, _: &mut [u8]) -> Result<(), DiskGone> {
            Err(DiskGone)
        }
        fn write(&mut self, _: Lba, _: &[u8]) -> Result<(), DiskGone> {
            panic!("nothing is written")
        }
        fn flush(&mut self) -> Result<(), DiskGone> {
            Ok(())
        }
    }
    assert_eq!(look(&mut Gone, |_, _| false), Holds::Unreadable("DiskGone".into()));
}
