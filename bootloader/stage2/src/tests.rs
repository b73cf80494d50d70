use std::vec;
use std::vec::Vec;

use evener_disk::Guid;

use super::*;

const VERSION: Version = Version([1, 2, 3, 4]);

fn linked(stage2: usize) -> Vec<u8> {
    let mut file = vec![0; STAGE2_AT + stage2];
    file[..4].copy_from_slice(&[0xfa, 0x31, 0xc0, 0x8e]);
    for (index, byte) in file.iter_mut().enumerate().skip(STAGE2_AT + HEADER_BYTES) {
        *byte = u8::try_from(index % 251).unwrap();
    }
    file
}

fn sealed(stage2: usize) -> Vec<u8> {
    let mut file = linked(stage2);
    seal(&mut file, VERSION).unwrap();
    file
}

#[test]
fn what_was_sealed_is_whole_and_says_its_version() {
    let file = sealed(5 * SECTOR);
    let (code, stage2) = parts(&file).unwrap();
    assert_eq!((stage2.version(), stage2.bytes().len()), (VERSION, 5 * SECTOR));
    assert!(stage2.came_with(&code));
    assert_eq!(stage2.bytes()[HEADER_BYTES..], linked(5 * SECTOR)[STAGE2_AT + HEADER_BYTES..]);
}

#[test]
fn any_flipped_bit_of_stage_2_is_found() {
    let file = sealed(2 * SECTOR);
    for at in STAGE2_AT..file.len() {
        for bit in 0..8 {
            let mut damaged = file.clone();
            damaged[at] ^= 1 << bit;
            assert!(parts(&damaged).is_err(), "bit {bit} of byte {at}");
        }
    }
}

#[test]
fn a_copy_is_checked_with_whatever_lies_behind_it() {
    let mut copy = sealed(2 * SECTOR)[STAGE2_AT..].to_vec();
    let whole = copy.clone();
    copy.resize(10 * SECTOR, 0xee);
    assert_eq!(Stage2::check(&copy).unwrap().bytes(), whole);
    for cut in 0..whole.len() {
        assert!(Stage2::check(&whole[..cut]).is_err(), "{cut}");
    }
}

#[test]
fn lengths_that_cannot_be_are_refused() {
    for (length, fault) in
        [(0, Stage2Error::Length), (513, Stage2Error::Length), (MAX_BYTES + SECTOR, Stage2Error::Length)]
    {
        let mut bytes = sealed(2 * SECTOR)[STAGE2_AT..].to_vec();
        bytes[AT_LENGTH..AT_LENGTH + 4].copy_from_slice(&u32::try_from(length).unwrap().to_le_bytes());
        assert_eq!(Stage2::check(&bytes), Err(fault), "{length}");
    }
    assert_eq!(seal(&mut linked(MAX_BYTES + SECTOR), VERSION), Err(Stage2Error::Length));
    assert_eq!(seal(&mut linked(SECTOR + 1), VERSION), Err(Stage2Error::Length));
    assert_eq!(seal(&mut [0; 100], VERSION), Err(Stage2Error::Length));
}

#[test]
fn boot_code_that_is_too_long_is_refused() {
    let mut file = linked(SECTOR);
    file[COPIES_FIELD] = 1;
    assert_eq!(seal(&mut file, VERSION), Err(Stage2Error::BootCode));
}

#[test]
fn the_boot_code_of_a_disk_knows_where_the_copies_are() {
    let file = sealed(SECTOR);
    let (code, stage2) = parts(&file).unwrap();
    let partition = |start| Partition { start: Lba(start), sectors: 2048, partuuid: Guid([1; 16]) };
    let placed = boot_code(&code, &partition(2048)).unwrap();
    assert_eq!(copies_of(&placed), [Lba(2048), Lba(3072)]);
    assert!(stage2.came_with(&placed));
    let mut other = placed;
    other[7] ^= 1;
    assert!(!stage2.came_with(&other));
    assert_eq!(boot_code(&code, &partition(u64::from(u32::MAX))), Err(Stage2Error::Address));
}
