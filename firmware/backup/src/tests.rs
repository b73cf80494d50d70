use super::file::{Cost, USUAL, read, seal_at};
use super::*;
use evener_config::{PasswordHash, first};
use proptest::prelude::*;
use sha2::{Digest, Sha256};

const PASSWORD: &str = "staple battery";
const FORMAT: u16 = 1;
/// The least that Argon2 does: these tests are about files, not about guessing.
const CHEAP: Cost = Cost { memory_kib: 8, passes: 1, lanes: 1 };

fn config() -> Config {
    let text = "hostname = \"lb1\"\n[[virtual_services]]\nname = \"shop\"\naddress = { literal = \"192.0.2.10\" }\nport = 80\n\
        [[virtual_services.real_servers]]\naddress = \"10.0.0.5\"\nport = 8080\n";
    let mut config = first::parse(text).unwrap().config;
    let password = PasswordHash(String::from("$argon2id$v=19$m=8,t=1,p=1$c2FsdHNhbHQ$aGFzaA"));
    config.shared.users = vec![User { name: String::from("bal"), password, must_change_password: false }];
    config
}

fn contents(parts: &[Part]) -> Contents {
    let made = Made { unix_s: 1_790_000_000, hostname: String::from("lb1"), generation: 7 };
    Contents::of(&config(), parts, FORMAT, made)
}

fn backup() -> Vec<u8> {
    seal_at(CHEAP, &contents(&Part::ALL), PASSWORD, &[7; ENTROPY]).unwrap()
}

/// A file with other bytes at a place, whose digest is right: made by somebody, not by a dying disk.
fn forged(at: usize, bytes: &[u8]) -> Vec<u8> {
    let mut file = backup();
    file[at..at + bytes.len()].copy_from_slice(bytes);
    let end = file.len() - 32;
    let digest = Sha256::digest(&file[..end]);
    file[end..].copy_from_slice(&digest);
    file
}

#[test]
fn what_was_backed_up_comes_back() {
    let file = seal(&contents(&Part::ALL), PASSWORD, &[7; ENTROPY]).unwrap();
    assert_eq!(open(&file, PASSWORD, FORMAT), Ok(contents(&Part::ALL)));
    assert_eq!(u32::from_le_bytes(*file[12..].first_chunk().unwrap()), USUAL.memory_kib);
    for text in ["shop", "argon2id", "bal"] {
        assert!(!file.windows(text.len()).any(|window| window == text.as_bytes()), "{text} is in the clear");
    }
}

#[test]
fn parts_are_chosen_when_it_is_made_and_when_it_is_brought_back() {
    let all = contents(&Part::ALL);
    assert_eq!(all.parts(), Part::ALL);
    assert!(all.services.as_ref().unwrap().users.is_empty(), "accounts are a part of their own");
    let some = contents(&[Part::Services, Part::Users]);
    assert_eq!(some.parts(), [Part::Services, Part::Users]);
    let file = seal_at(CHEAP, &some, PASSWORD, &[7; ENTROPY]).unwrap();
    let read = open(&file, PASSWORD, FORMAT).unwrap();
    assert_eq!(read.clone().only(&[Part::Users]).unwrap().parts(), [Part::Users]);
    assert_eq!(read.only(&[Part::Unit]), Err(BackupError::Missing(Part::Unit)));
    for part in Part::ALL {
        assert_eq!(Part::of_word(part.word()), Some(part));
    }
    assert_eq!(Part::of_word("everything"), None);
}

#[test]
fn a_wrong_password_is_told_from_damage() {
    let file = backup();
    for wrong in ["", "staple batterz", "Staple battery", "staple battery "] {
        assert_eq!(open(&file, wrong, FORMAT), Err(BackupError::Password), "{wrong}");
    }
    for bit in 0..file.len() * 8 {
        let mut damaged = file.clone();
        damaged[bit / 8] ^= 1 << (bit % 8);
        let error = open(&damaged, PASSWORD, FORMAT).unwrap_err();
        let is_told = match bit / 8 {
            0..8 => error == BackupError::NotABackup,
            8..10 => matches!(error, BackupError::NewerFile { .. } | BackupError::Damaged),
            // A longer length reads as a file that was cut.
            64..68 => matches!(error, BackupError::Truncated { .. } | BackupError::Damaged),
            _ => error == BackupError::Damaged,
        };
        assert!(is_told, "bit {bit}: {error:?}");
    }
}

#[test]
fn a_file_that_was_cut_says_how_much_is_there() {
    let file = backup();
    for length in 1..file.len() {
        let error = open(&file[..length], PASSWORD, FORMAT).unwrap_err();
        let expected = if length < 68 { 68 + 16 + 32 } else { file.len() };
        assert_eq!(error, BackupError::Truncated { bytes: length, expected });
    }
    let longer: Vec<u8> = file.into_iter().chain([0]).collect();
    assert_eq!(open(&longer, PASSWORD, FORMAT), Err(BackupError::Damaged));
    for other in [&b""[..], b"PK\x03\x04", b"{}", b"EVENERBX_______"] {
        assert_eq!(open(other, PASSWORD, FORMAT), Err(BackupError::NotABackup));
    }
}

#[test]
fn a_hostile_file_costs_neither_memory_nor_time() {
    for (at, bytes, words) in [
        (12, u32::MAX.to_le_bytes(), "KiB of memory"),
        (12, (128 * 1024 + 1_u32).to_le_bytes(), "131073 KiB of memory"),
        (12, 0_u32.to_le_bytes(), "memory"),
        (16, u32::MAX.to_le_bytes(), "passes"),
        (16, 0_u32.to_le_bytes(), "time"),
        (20, u32::MAX.to_le_bytes(), "lanes"),
        (20, 0_u32.to_le_bytes(), "threads"),
        (8, [1, 0, 9, 0], "number 9"),
    ] {
        match open(&forged(at, &bytes), PASSWORD, FORMAT) {
            Err(BackupError::Cost(reason)) => assert!(reason.contains(words), "{reason}"),
            other => panic!("{at} {bytes:?}: {other:?}"),
        }
    }
    let large = vec![0; LARGEST + 1];
    assert_eq!(open(&large, PASSWORD, FORMAT), Err(BackupError::TooLarge));
    // Other costs than those it was sealed with lead to another key.
    assert_eq!(open(&forged(16, &2_u32.to_le_bytes()), PASSWORD, FORMAT), Err(BackupError::Password));
    assert_eq!(open(&forged(40, &[9]), PASSWORD, FORMAT), Err(BackupError::Password), "another nonce");
}

#[test]
fn what_a_newer_firmware_made_is_refused_with_its_number() {
    let file = forged(8, &2_u16.to_le_bytes());
    assert_eq!(open(&file, PASSWORD, FORMAT), Err(BackupError::NewerFile { version: 2 }));
    assert_eq!(open(&forged(8, &[0, 0]), PASSWORD, FORMAT), Err(BackupError::Damaged));
    let newer = BackupError::NewerSettings { format: FORMAT, newest: FORMAT - 1 };
    assert_eq!(open(&backup(), PASSWORD, FORMAT - 1), Err(newer));
}

#[test]
fn a_password_that_protects_nothing_is_refused() {
    let weak = seal_at(CHEAP, &contents(&Part::ALL), "short", &[7; ENTROPY]);
    assert!(matches!(weak, Err(BackupError::Weak(_))), "{weak:?}");
}

#[test]
fn salt_and_nonce_are_those_that_were_given() {
    let other = seal_at(CHEAP, &contents(&Part::ALL), PASSWORD, &[8; ENTROPY]).unwrap();
    let file = backup();
    assert_eq!((&file[24..64], &other[24..64]), (&[7; 40][..], &[8; 40][..]));
    assert_ne!(file[68..], other[68..]);
}

#[test]
fn settings_that_are_none_are_named_by_their_field() {
    for (pointer, bad, expected) in [
        ("/services/virtual_services/0/port", 70_000.into(), "services.virtual_services[0].port"),
        ("/users/0/must_change_password", "perhaps".into(), "users[0].must_change_password"),
        ("/format", "one".into(), "format"),
    ] {
        let mut json = serde_json::to_value(contents(&Part::ALL)).unwrap();
        *json.pointer_mut(pointer).unwrap() = bad;
        let error = read(&serde_json::to_vec(&json).unwrap(), FORMAT).unwrap_err();
        assert!(matches!(&error, BackupError::Content { field, .. } if field == expected), "{error:?}");
    }
    assert!(matches!(read(b"\xff{", FORMAT), Err(BackupError::Content { .. })));
}

proptest! {
    #[test]
    fn any_bytes_are_a_backup_or_an_error(bytes: Vec<u8>, cut in 0_usize..68) {
        let _ = open(&bytes, PASSWORD, FORMAT);
        let mut begins_well = backup()[..cut].to_vec();
        begins_well.extend_from_slice(&bytes);
        prop_assert!(open(&begins_well, PASSWORD, FORMAT).is_err());
    }
}
