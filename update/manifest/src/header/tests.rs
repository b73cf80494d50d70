use alloc::string::{String, ToString};
use alloc::vec::Vec;

use super::*;
use crate::emit::push_extension;
use crate::{Builder, KeyEntry, emit_keyset, join, public_key, sign, sign_digest};

const SEED: [u8; 32] = [7; 32];

fn builder() -> Builder {
    let part = |kind, size| Part { kind, size, sha256: [kind as u8; 32] };
    Builder {
        version: Version([1, 2, 3, 0]),
        floor: Version([1, 0, 0, 0]),
        installable_from: Version([0, 9, 0, 0]),
        min_loader: Version([0, 1, 0, 0]),
        build_id: [0xb1; 16],
        key_id: KeyId::of(&public_key(&SEED)),
        flags: Flags(0),
        parts: [part(PartKind::Kernel, 5000), part(PartKind::Rootfs, 8192), part(PartKind::LoaderUefi, 100)]
            .into(),
        verity: Verity { root: [3; 32], salt: [4; 32], data_blocks: 1 },
        template: "ro root={root} s={slot} h={handoff}".to_string(),
        notes: Some("What is new".to_string()),
        toolchain: Some("rustc 1.95.0; GNU ld 2.40".to_string()),
        config_format: 3,
    }
}

fn keys(release: bool, development: bool, revoked: bool) -> Vec<u8> {
    emit_keyset(release, &[KeyEntry { public: public_key(&SEED), development, revoked }]).unwrap()
}

fn signed(manifest: &[u8]) -> Vec<u8> {
    join(manifest, &sign(manifest, &SEED))
}

fn verdict(area: &[u8]) -> Result<(), ManifestError> {
    let keys = keys(false, true, false);
    Header::parse(area)?.verify(&Keyset::parse(&keys).unwrap()).map(|_| ())
}

#[test]
fn a_signed_manifest_says_what_was_built() {
    let bytes = builder().emit().unwrap();
    let area = signed(&bytes);
    let keys = keys(false, true, false);
    let verified = Header::parse(&area).unwrap().verify(&Keyset::parse(&keys).unwrap()).unwrap();
    let built = builder();
    assert_eq!(verified.version(), built.version);
    assert_eq!(verified.floor(), built.floor);
    assert_eq!(verified.installable_from(), built.installable_from);
    assert_eq!(verified.min_loader(), built.min_loader);
    assert_eq!(verified.build_id(), built.build_id);
    assert_eq!(verified.verity(), built.verity);
    assert_eq!(verified.parts().collect::<Vec<_>>(), built.parts);
    assert_eq!(verified.part(PartKind::LoaderBios), None);
    assert_eq!(verified.template().unwrap().as_str(), built.template);
    assert_eq!(verified.notes(), built.notes.as_deref());
    assert_eq!(verified.toolchain(), built.toolchain.as_deref());
    assert_eq!(verified.config_format(), built.config_format);
    assert_eq!(verified.digest(), sha256(&bytes));
    assert!(verified.key().development);
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| alloc::format!("{byte:02x}")).collect()
}

/// Key and signature were made by OpenSSL 3 (through Python's `cryptography`), which shares no code with ours.
#[test]
fn another_implementation_signs_the_same() {
    let seed: [u8; 32] = core::array::from_fn(|at| u8::try_from(at).unwrap());
    let manifest = b"the manifest of a firmware";
    let public = "03a107bff3ce10be1d70dd18e74bc09967e4d6309ba50d5f1ddc8664125531b8";
    let digest = "cfc282d78cfb09c04ace3329caeff42b0914cdedced8547f55632471ae5b5cc7";
    let signature = "2e1f181a50f140e081b902b3e1e257087390c1e83eec8cf1deedf45a0dd9cd2d\
                     05e1c10c585f4186b1f8d5de439ef869a71d8753eadc73493d0bdd781688b000";
    assert_eq!(hex(&public_key(&seed)), public);
    assert_eq!(hex(&sha256(manifest)), digest);
    assert_eq!(hex(&sign(manifest, &seed)), signature);
    assert_eq!(hex(&sign_digest(&sha256(manifest), &seed)), signature, "from the digest alone");
}

#[test]
fn bytes_behind_the_signature_do_not_matter() {
    let mut area = signed(&builder().emit().unwrap());
    area.resize(AREA_BYTES, 0xaa);
    assert_eq!(verdict(&area), Ok(()));
}

#[test]
fn every_flipped_bit_is_refused() {
    let area = signed(&builder().emit().unwrap());
    // Every byte of the fixed fields and of the signature; of the rest a sample, as each costs a verification.
    let fields = 0..AT_PARTS;
    let signature = area.len() - SIGNATURE_BYTES..area.len();
    let rest = (AT_PARTS..signature.start).step_by(7);
    for at in fields.chain(signature).chain(rest) {
        let mut bad = area.clone();
        bad[at] ^= 1 << (at % 8);
        assert!(verdict(&bad).is_err(), "byte {at}");
    }
}

#[test]
fn every_truncation_is_refused() {
    let area = signed(&builder().emit().unwrap());
    for length in 0..area.len() {
        assert!(verdict(&area[..length]).is_err(), "{length}");
    }
}

#[test]
fn the_fault_is_named() {
    let area = signed(&builder().emit().unwrap());
    let with = |at: usize, value: u8| {
        let mut bad = area.clone();
        bad[at] = value;
        verdict(&bad)
    };
    assert_eq!(with(0, b'X'), Err(ManifestError::Magic));
    assert_eq!(with(AT_FORMAT, 2), Err(ManifestError::Format));
    assert_eq!(with(AT_LENGTH + 2, 0xff), Err(ManifestError::Length));
    assert_eq!(with(AT_KEY_ID, 0), Err(ManifestError::UnknownKey));
    assert_eq!(with(AT_VERSION, 9), Err(ManifestError::Signature));
    assert_eq!(with(area.len() - 1, area[area.len() - 1] ^ 1), Err(ManifestError::Signature));
}

#[test]
fn keys_are_refused_by_their_flags() {
    let area = signed(&builder().emit().unwrap());
    let verdict =
        |keys: &[u8]| Header::parse(&area).unwrap().verify(&Keyset::parse(keys).unwrap()).map(|_| ());
    assert_eq!(verdict(&keys(true, true, false)), Err(ManifestError::DevelopmentKey));
    assert_eq!(verdict(&keys(true, false, false)), Ok(()));
    assert_eq!(verdict(&keys(false, false, true)), Err(ManifestError::RevokedKey));
    let other =
        emit_keyset(false, &[KeyEntry { public: public_key(&[8; 32]), development: true, revoked: false }]);
    assert_eq!(verdict(&other.unwrap()), Err(ManifestError::UnknownKey));
}

/// Signs what `change` made of a good manifest: these faults lie behind a right signature.
fn signed_after(change: impl FnOnce(&mut Vec<u8>)) -> Result<(), ManifestError> {
    let mut bytes = builder().emit().unwrap();
    change(&mut bytes);
    let length = u32::try_from(bytes.len()).unwrap();
    bytes[AT_LENGTH..AT_LENGTH + 4].copy_from_slice(&length.to_le_bytes());
    verdict(&signed(&bytes))
}

#[test]
fn a_signature_does_not_excuse_nonsense() {
    assert_eq!(signed_after(|_| ()), Ok(()));
    assert_eq!(signed_after(|m| m[AT_PRODUCT] = b'x'), Err(ManifestError::Product));
    assert_eq!(signed_after(|m| m[AT_PRODUCT + 6] = b's'), Err(ManifestError::Product));
    assert_eq!(signed_after(|m| m[AT_PARTS] = 2), Err(ManifestError::Parts));
    assert_eq!(signed_after(|m| m[AT_DATA_BLOCKS] = 9), Err(ManifestError::Parts));
    assert_eq!(signed_after(|m| m[AT_DATA_BLOCKS + 7] = 0xff), Err(ManifestError::Parts));
    assert_eq!(signed_after(|m| m[AT_TEMPLATE + 9] = b'}'), Err(ManifestError::Template));
    assert_eq!(signed_after(|m| m[AT_TEMPLATE_LENGTH + 1] = 0xff), Err(ManifestError::Template));
    assert_eq!(
        signed_after(|m| Version([1, 2, 3, 1]).write(m, AT_FLOOR)),
        Err(ManifestError::Floor),
        "one above its own version"
    );
    assert_eq!(signed_after(|m| Version([1, 2, 3, 0]).write(m, AT_FLOOR)), Ok(()));
    assert_eq!(signed_after(|m| m.push(0)), Err(ManifestError::Extension));
}

#[test]
fn only_critical_unknown_extensions_are_refused() {
    assert_eq!(signed_after(|m| push_extension(m, 900, 0, b"later").unwrap()), Ok(()));
    let critical = signed_after(|m| push_extension(m, 900, EXTENSION_CRITICAL, b"later").unwrap());
    assert_eq!(critical, Err(ManifestError::CriticalExtension));
}

#[test]
fn a_reader_that_knows_nothing_of_toolchains_skips_them() {
    // To such a reader the tag is an unknown one: here one that no reader knows stands in its place.
    let mut bytes = builder().emit().unwrap();
    let head = |tag: u16| [&tag.to_le_bytes()[..], &[0; 2], &25_u32.to_le_bytes()].concat();
    let at = bytes.windows(8).position(|window| window == head(TAG_TOOLCHAIN)).unwrap();
    assert!(at < bytes.len() - EXTENSION_HEAD - 25, "something follows that must still be found");
    bytes[at..at + 8].copy_from_slice(&head(900));
    let (area, keys) = (signed(&bytes), keys(false, true, false));
    let verified = Header::parse(&area).unwrap().verify(&Keyset::parse(&keys).unwrap()).unwrap();
    assert_eq!(verified.toolchain(), None);
    assert_eq!((verified.notes(), verified.config_format()), (Some("What is new"), 3));
}

#[test]
fn a_text_that_is_not_utf8_is_none_and_no_reason_to_refuse_a_firmware() {
    for tag in [TAG_NOTES, TAG_TOOLCHAIN] {
        let mut bytes = Builder { notes: None, toolchain: None, ..builder() }.emit().unwrap();
        push_extension(&mut bytes, tag, 0, b"gcc \xff").unwrap();
        let length = u32::try_from(bytes.len()).unwrap();
        bytes[AT_LENGTH..AT_LENGTH + 4].copy_from_slice(&length.to_le_bytes());
        let (area, keys) = (signed(&bytes), keys(false, true, false));
        let verified = Header::parse(&area).unwrap().verify(&Keyset::parse(&keys).unwrap()).unwrap();
        assert_eq!((verified.notes(), verified.toolchain()), (None, None));
        assert_eq!(verified.config_format(), 3);
    }
}

#[test]
fn a_text_that_runs_past_the_end_is_refused() {
    let beyond = signed_after(|m| {
        push_extension(m, TAG_TOOLCHAIN, 0, b"gcc").unwrap();
        let length = m.len() - 3 - 4;
        m[length..length + 4].copy_from_slice(&u32::MAX.to_le_bytes());
    });
    assert_eq!(beyond, Err(ManifestError::Extension));
}

#[test]
fn a_manifest_that_says_nothing_of_settings_reads_the_first_format() {
    let mut bytes = builder().emit().unwrap();
    // The extension is the last one: 8 bytes of head, 2 of value.
    bytes.truncate(bytes.len() - EXTENSION_HEAD - 2);
    let length = u32::try_from(bytes.len()).unwrap();
    bytes[AT_LENGTH..AT_LENGTH + 4].copy_from_slice(&length.to_le_bytes());
    let (area, keys) = (signed(&bytes), keys(false, true, false));
    let verified = Header::parse(&area).unwrap().verify(&Keyset::parse(&keys).unwrap()).unwrap();
    assert_eq!(verified.config_format(), 1);
    assert_eq!(verified.notes(), Some("What is new"), "the extension before it is untouched");
}

#[test]
fn a_format_of_settings_that_is_not_two_bytes_is_refused() {
    for value in [&[][..], &[1], &[1, 0, 0]] {
        let verdict = signed_after(|m| push_extension(m, TAG_CONFIG_FORMAT, 0, value).unwrap());
        assert_eq!(verdict, Err(ManifestError::Extension), "{value:?}");
    }
}

#[test]
fn unknown_part_kinds_are_skipped() {
    assert_eq!(signed_after(|m| m[AT_PARTS + 5 * PART_BYTES] = 99), Ok(()));
}

#[test]
fn a_part_is_known_by_size_and_digest() {
    let bytes = [0x5a; 3000];
    let part = Part { kind: PartKind::Kernel, size: 3000, sha256: sha256(&bytes) };
    assert_eq!(part.check(&bytes), Ok(()));
    assert_eq!(part.check(&bytes[..2999]), Err(ManifestError::PartSize));
    let mut flipped = bytes;
    flipped[1500] ^= 4;
    assert_eq!(part.check(&flipped), Err(ManifestError::PartDigest));
    let mut pieces = part.checker();
    bytes.chunks(7).for_each(|piece| pieces.update(piece));
    assert_eq!(pieces.finish(), Ok(()));
}

#[test]
fn the_builder_refuses_what_a_reader_would() {
    let refused = |change: fn(&mut Builder)| {
        let mut draft = builder();
        change(&mut draft);
        draft.emit().err()
    };
    assert_eq!(refused(|b| b.parts.clear()), Some(ManifestError::Parts));
    assert_eq!(refused(|b| b.parts = [b.parts[0]; 9].into()), Some(ManifestError::Parts));
    assert_eq!(refused(|b| b.floor = Version([2, 0, 0, 0])), Some(ManifestError::Floor));
    assert_eq!(refused(|b| b.template = String::from("ro")), Some(ManifestError::Template));
    assert_eq!(refused(|b| b.template.push_str(&"x".repeat(1024))), Some(ManifestError::Template));
    assert_eq!(refused(|b| b.notes = Some("n".repeat(64 * 1024))), Some(ManifestError::Length));
    assert_eq!(refused(|b| b.toolchain = Some("t".repeat(64 * 1024))), Some(ManifestError::Length));
}
