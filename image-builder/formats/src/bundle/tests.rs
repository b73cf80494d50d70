use evener_manifest::{
    Builder, Flags, Header, KeyEntry, KeyId, Keyset, ManifestError, Part, Verity, Version, emit_keyset, join,
    public_key, sha256, sign,
};

use super::*;

const SEED: [u8; 32] = [7; 32];
const TEMPLATE: &str = "ro root={root} slot={slot} handoff={handoff}";

fn parts() -> Vec<(PartKind, Bytes)> {
    let bytes = |len: usize, factor: usize| {
        let cycle: Vec<u8> = (0..=250).collect();
        Bytes::from_iter((0..len).map(|i| cycle[i * factor % 251]))
    };
    vec![
        (PartKind::Kernel, bytes(10_001, 3)),
        (PartKind::Rootfs, bytes(8192, 5)),
        (PartKind::LoaderUefi, bytes(512, 7)),
    ]
}

fn area(parts: &[(PartKind, Bytes)]) -> Vec<u8> {
    let manifest = Builder {
        version: Version([1, 2, 3, 0]),
        floor: Version([1, 0, 0, 0]),
        installable_from: Version([0, 0, 0, 0]),
        min_loader: Version([0, 0, 0, 0]),
        build_id: [1; 16],
        key_id: KeyId::of(&public_key(&SEED)),
        flags: Flags::default(),
        parts: parts
            .iter()
            .map(|(kind, bytes)| Part { kind: *kind, size: bytes.len() as u64, sha256: sha256(bytes) })
            .collect(),
        verity: Verity { root: [2; 32], salt: [3; 32], data_blocks: 1 },
        template: TEMPLATE.to_owned(),
        notes: None,
        toolchain: None,
        config_format: 1,
    }
    .emit()
    .unwrap();
    join(&manifest, &sign(&manifest, &SEED))
}

fn keyset() -> Vec<u8> {
    let key = KeyEntry { public: public_key(&SEED), development: true, revoked: false };
    emit_keyset(false, &[key]).unwrap()
}

fn flat(file: &Sparse) -> Vec<u8> {
    let mut bytes = vec![0; usize::try_from(file.length()).unwrap()];
    file.read(0, &mut bytes);
    bytes
}

/// Reads a whole bundle in pieces of `piece` bytes.
fn read(file: &[u8], piece: usize) -> Result<Vec<(PartKind, Vec<u8>)>, BundleError> {
    let keyset = keyset();
    let mut reader = Reader::new(Keyset::parse(&keyset).unwrap());
    let mut found: Vec<(PartKind, Vec<u8>)> = Vec::new();
    let mut done = Vec::new();
    for chunk in file.chunks(piece) {
        let mut rest = chunk;
        loop {
            let (taken, event) = reader.push(rest)?;
            rest = &rest[taken..];
            match event {
                Event::Data(part, bytes) => match found.last_mut().filter(|(kind, _)| *kind == part.kind) {
                    Some((_, all)) => all.extend(bytes),
                    None => found.push((part.kind, bytes.to_vec())),
                },
                Event::PartDone(part) => done.push(part.kind),
                Event::End => break,
                Event::More if rest.is_empty() && taken == 0 => break,
                Event::More | Event::Manifest => {}
            }
        }
    }
    reader.finish()?;
    assert_eq!(done, found.iter().map(|(kind, _)| *kind).collect::<Vec<_>>());
    Header::parse(reader.area()).unwrap();
    Ok(found)
}

#[test]
fn parts_come_back_whatever_the_pieces() {
    let parts = parts();
    let file = flat(&encode(&area(&parts), &parts).unwrap());
    for piece in [1, 7, 511, 512, 513, 4096, file.len()] {
        let found = read(&file, piece).unwrap();
        assert_eq!(found.len(), parts.len());
        for ((kind, bytes), (wanted_kind, wanted)) in found.iter().zip(&parts) {
            assert_eq!((kind, &bytes[..]), (wanted_kind, &wanted[..]), "pieces of {piece}");
        }
    }
}

#[test]
fn every_truncation_is_refused() {
    let parts = parts();
    let file = flat(&encode(&area(&parts), &parts).unwrap());
    // All lengths near the borders between sections, and a sample between.
    let lengths = (0..file.len()).filter(|n| n % 512 < 2 || n % 512 == 511 || n % 997 == 0);
    for length in lengths.filter(|n| *n < file.len()) {
        assert!(read(&file[..length], 4096).is_err(), "{length} of {}", file.len());
    }
}

#[test]
fn every_flipped_byte_that_means_something_is_refused() {
    let parts = parts();
    let area = area(&parts);
    let file = flat(&encode(&area, &parts).unwrap());
    let manifest_end = 512 + area.len();
    let kernel = manifest_end.next_multiple_of(512);
    // The header, the manifest area, the kernel, and the padding behind both.
    let padding = (manifest_end..kernel).chain(kernel + 10_001..(kernel + 10_001).next_multiple_of(512));
    assert!(padding.clone().count() > 100);
    let meaningful =
        (0..manifest_end).step_by(13).chain((kernel..kernel + 10_001).step_by(501)).chain(padding.step_by(7));
    for at in meaningful {
        let mut bad = file.clone();
        bad[at] ^= 0x10;
        assert!(read(&bad, 4096).is_err(), "byte {at}");
    }
}

/// Puts the header's checksum right after a change.
fn with_checksum(mut file: Vec<u8>) -> Vec<u8> {
    let crc = CRC.checksum(&file[..508]);
    file[508..512].copy_from_slice(&crc.to_le_bytes());
    file
}

#[test]
fn a_wrong_file_a_short_one_and_a_later_format_are_told_apart() {
    let parts = parts();
    let file = flat(&encode(&area(&parts), &parts).unwrap());
    assert_eq!(read(b"PK\x03\x04", 4096), Err(BundleError::Magic));
    assert_eq!(read(b"EVENERMF and more", 1), Err(BundleError::Magic), "a slot, not a bundle");
    assert_eq!(read(&file[..5], 4096), Err(BundleError::Truncated(5)));
    assert_eq!(read(&[], 4096), Err(BundleError::Truncated(0)));
    let mut later = file.clone();
    later[8] = 2;
    assert!(matches!(read(&later, 4096), Err(BundleError::Header { field: "checksum", .. })));
    assert_eq!(read(&with_checksum(later), 4096), Err(BundleError::Format(2)));
}

#[test]
fn the_manifest_is_found_without_its_signature() {
    let parts = parts();
    let area = area(&parts);
    let file = flat(&encode(&area, &parts).unwrap());
    assert_eq!(file[manifest_area(&file).unwrap()], area);
    assert_eq!(manifest_area(b"PK"), Err(BundleError::Magic));
    assert_eq!(manifest_area(&file[..600]), Err(BundleError::Truncated(600)));
}

#[test]
fn nothing_rides_along_behind_the_signature() {
    let parts = parts();
    let mut area = area(&parts);
    area.push(0);
    let file = flat(&encode(&area, &parts).unwrap());
    assert!(matches!(read(&file, 4096), Err(BundleError::Header { field: "size of the manifest", .. })));
}

#[test]
fn what_follows_the_content_is_refused_whatever_the_pieces() {
    let parts = parts();
    let mut file = flat(&encode(&area(&parts), &parts).unwrap());
    let end = u64::try_from(file.len()).unwrap();
    for byte in [0, 7] {
        file.push(byte);
        for piece in [1, 512, 4096, file.len()] {
            assert_eq!(read(&file, piece), Err(BundleError::Trailing(end)), "pieces of {piece}");
        }
    }
}

#[test]
fn a_part_that_is_missing_or_of_another_size_is_named() {
    let parts = parts();
    let area = area(&parts);
    let without = flat(&encode(&area, &parts[..2]).unwrap());
    assert_eq!(read(&without, 4096), Err(BundleError::MissingPart(PartKind::LoaderUefi)));

    let mut shorter = parts.clone();
    shorter[1].1 = shorter[1].1.slice(..4096);
    let shorter = flat(&encode(&area, &shorter).unwrap());
    let error = read(&shorter, 4096).unwrap_err();
    let fault = ManifestError::PartSize;
    assert!(matches!(error, BundleError::Part { kind: PartKind::Rootfs, fault: f, .. } if f == fault));
}

#[test]
fn a_part_of_an_unknown_kind_is_skipped() {
    let parts = parts();
    let area = area(&parts);
    let mut file = flat(&encode(&area, &parts).unwrap());
    // A fifth section of kind 99 behind the others.
    file[12] = 5;
    file[16 + 4 * 16] = 99;
    file[16 + 4 * 16 + 8] = 200;
    let mut file = with_checksum(file);
    file.extend([0xaa; 200]);
    file.extend([0; 312]);
    for piece in [1, 100, 4096, file.len()] {
        assert_eq!(read(&file, piece).unwrap().len(), 3);
    }
    *file.last_mut().unwrap() = 1;
    assert!(matches!(read(&file, 4096), Err(BundleError::Padding(_))));
}

#[test]
fn a_key_that_is_not_trusted_ends_it_before_any_part() {
    let parts = parts();
    let file = flat(&encode(&area(&parts), &parts).unwrap());
    let nobody = emit_keyset(false, &[]).unwrap();
    let mut reader = Reader::new(Keyset::parse(&nobody).unwrap());
    let mut rest = &file[..];
    let error = loop {
        match reader.push(rest) {
            Ok((taken, Event::More)) => rest = &rest[taken..],
            Ok((_, event)) => panic!("{event:?}"),
            Err(error) => break error,
        }
    };
    assert_eq!(error, BundleError::Manifest(ManifestError::UnknownKey));
}
