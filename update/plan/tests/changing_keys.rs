//! One key comes and another goes: what updater and loader say at each step (`docs/decisions/005-changing-keys.md`).
//!
//! Real bundles, signed with real keys, through the reader, the admission and the loader's own judgement. After
//! every answer: what the updater takes, the loader starts.
#![allow(clippy::unwrap_used, clippy::panic, reason = "test crate")]

use bytes::Bytes;
use evener_disk::Slot;
use evener_formats::bundle::{self, Event, Reader};
use evener_handoff::LoaderKeys;
use evener_manifest::{
    Builder, Flags, Header, KeyEntry, KeyId, Keyset, ManifestError, Part, PartKind, Verity, Version,
    emit_keyset, join, public_key, sha256, sign,
};
use evener_plan::{Code, Refusal, Room, Statement, UnitFacts, admit};
use evener_slot_choice::{BootCode, judge};
use evener_slot_table::SlotTable;

const OLD: [u8; 32] = [1; 32];
const NEW: [u8; 32] = [2; 32];
const VERSION: Version = Version([1, 0, 0, 0]);

/// The keyset of a release; each key with whether it is revoked.
fn keyset(keys: &[([u8; 32], bool)]) -> Vec<u8> {
    let entry = |(seed, revoked): &([u8; 32], bool)| KeyEntry {
        public: public_key(seed),
        development: false,
        revoked: *revoked,
    };
    emit_keyset(true, &keys.iter().map(entry).collect::<Vec<_>>()).unwrap()
}

/// A firmware signed with this key: its manifest area and its file.
fn firmware(seed: &[u8; 32]) -> (Vec<u8>, Vec<u8>) {
    let parts =
        [(PartKind::Kernel, Bytes::from_static(b"kernel")), (PartKind::Rootfs, Bytes::from(vec![7; 8192]))];
    let state = |(kind, bytes): &(PartKind, Bytes)| Part {
        kind: *kind,
        size: bytes.len() as u64,
        sha256: sha256(bytes),
    };
    let manifest = Builder {
        version: VERSION,
        floor: VERSION,
        installable_from: VERSION,
        min_loader: VERSION,
        build_id: [1; 16],
        key_id: KeyId::of(&public_key(seed)),
        flags: Flags::RELEASE,
        parts: parts.iter().map(state).collect(),
        verity: Verity { root: [2; 32], salt: [3; 32], data_blocks: 1 },
        template: "{slot}{root}{handoff}".to_owned(),
        notes: None,
        toolchain: None,
        config_format: 1,
    };
    let manifest = manifest.emit().unwrap();
    let area = join(&manifest, &sign(&manifest, seed));
    let sparse = bundle::encode(&area, &parts).unwrap();
    let mut file = vec![0; usize::try_from(sparse.length()).unwrap()];
    sparse.read(0, &mut file);
    (area, file)
}

/// A unit with these keysets in its running firmware and in its loader.
struct Unit {
    firmware: Vec<u8>,
    loader: Vec<u8>,
    says_its_keys: bool,
}

impl Unit {
    fn new(firmware: &[([u8; 32], bool)], loader: &[([u8; 32], bool)]) -> Self {
        Self { firmware: keyset(firmware), loader: keyset(loader), says_its_keys: true }
    }

    /// What the updater answers to a firmware signed with this key.
    fn updater(&self, seed: &[u8; 32]) -> Result<(), Code> {
        let (_, file) = firmware(seed);
        let mut reader = Reader::new(Keyset::parse(&self.firmware).unwrap());
        let mut rest = &file[..];
        loop {
            let (taken, event) = reader.push(rest).map_err(|error| Refusal::from(error).code)?;
            rest = &rest[taken..];
            match event {
                Event::Manifest => {
                    let keys = Keyset::parse(&self.firmware).unwrap();
                    let offer =
                        Statement::from(&Header::parse(reader.area()).unwrap().verify(&keys).unwrap());
                    admit(&offer, &self.facts(), false).map_err(|refusal| refusal.code)?;
                }
                Event::End => return Ok(()),
                _ => {}
            }
        }
    }

    /// What the loader says to it.
    fn boot(&self, seed: &[u8; 32]) -> Result<(), BootCode> {
        judge(&firmware(seed).0, &Keyset::parse(&self.loader).unwrap(), VERSION).map(|_| ())
    }

    fn facts(&self) -> UnitFacts {
        let loader = Keyset::parse(&self.loader).unwrap();
        UnitFacts {
            running: Some(Slot::A),
            version: VERSION,
            loader: VERSION,
            loader_keys: self.says_its_keys.then(|| LoaderKeys::of(&loader)),
            table: Some(SlotTable::default()),
            room: [Room { kernel: 1 << 20, rootfs: 1 << 20 }; 3],
            ..UnitFacts::default()
        }
    }

    #[track_caller]
    fn expect(&self, old: Result<(), Code>, new: Result<(), Code>) {
        for (seed, name, expected) in [(&OLD, "old", old), (&NEW, "new", new)] {
            let answer = self.updater(seed);
            assert_eq!(answer, expected, "signed with the {name} key");
            if answer.is_ok() {
                assert_eq!(self.boot(seed), Ok(()), "the {name} key: taken, so it must start");
            }
        }
    }
}

#[test]
fn a_key_comes_and_another_goes_and_nothing_is_taken_that_would_not_start() {
    let (only_old, both, rotated) =
        ([(OLD, false)], [(OLD, false), (NEW, false)], [(OLD, true), (NEW, false)]);
    // Firmware n; then n+1, signed with the old key, which brings the new one; then its loader is written, too.
    Unit::new(&only_old, &only_old).expect(Ok(()), Err(Code::UnknownKey));
    Unit::new(&both, &only_old).expect(Ok(()), Err(Code::UnknownToLoader));
    Unit::new(&both, &both).expect(Ok(()), Ok(()));
    // Firmware n+2, signed with the new key, which revokes the old one; then its loader.
    Unit::new(&rotated, &both).expect(Err(Code::RevokedKey), Ok(()));
    let done = Unit::new(&rotated, &rotated);
    done.expect(Err(Code::RevokedKey), Ok(()));
    assert_eq!(done.boot(&OLD), Err(BootCode::KeyRevoked));
}

#[test]
fn a_key_revoked_in_haste_is_refused_by_the_updater_and_the_new_one_until_the_loader_follows() {
    let in_haste = Unit::new(&[(OLD, true), (NEW, false)], &[(OLD, false)]);
    in_haste.expect(Err(Code::RevokedKey), Err(Code::UnknownToLoader));
    assert_eq!(in_haste.boot(&OLD), Ok(()), "the running firmware goes on");
    // Such a firmware could not verify its own slot; the builder does not make one.
    let (area, _) = firmware(&OLD);
    let own = Header::parse(&area).unwrap().verify(&Keyset::parse(&in_haste.firmware).unwrap()).map(|_| ());
    assert_eq!(own, Err(ManifestError::RevokedKey));
}

#[test]
fn a_loader_that_does_not_say_its_keys_is_taken_to_trust_what_the_firmware_trusts() {
    let silent = Unit { says_its_keys: false, ..Unit::new(&[(OLD, false), (NEW, false)], &[(OLD, false)]) };
    assert_eq!(silent.updater(&NEW), Ok(()));
    assert_eq!(
        silent.boot(&NEW),
        Err(BootCode::KeyUnknown),
        "and then the loader names the key as the reason"
    );
}
