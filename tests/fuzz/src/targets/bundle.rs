//! The firmware file, in pieces of every size.

use bytes::Bytes;
use crc::{CRC_32_ISO_HDLC, Crc};
use evener_formats::bundle::{BundleError, Event, Reader, encode, manifest_area};
use evener_manifest::{AREA_BYTES, Header, Keyset, PartKind, sha256};

use crate::random::Random;
use crate::targets::manifest::{FIXTURE, content};
use crate::targets::{control, kind, verdict};
use crate::{Target, Verdict};

/// First byte: bit 0 puts the header's checksum right, so that what lies behind it is reached; bit 5 sends a MiB of zeros
/// after the file, because a header may promise what never ends; the rest of it is the seed of the pieces. Then the file.
pub(super) const BUNDLE: Target = Target {
    name: "bundle",
    what: "a firmware file, in pieces of any size",
    run,
    seeds,
    longest: 16 << 10,
    short: 800,
    memory: 192 << 10,
};

const CRC: Crc<u32> = Crc::<u32>::new(&CRC_32_ISO_HDLC);
const AT_CRC: usize = 508;
const ENDLESS: u8 = 1 << 5;
static ZEROS: [u8; 64 << 10] = [0; 64 << 10];

fn seeds() -> Vec<Vec<u8>> {
    let part = |kind| (kind, Bytes::from(content(kind)));
    let all = PartKind::ALL.map(part);
    let mut seeds = Vec::new();
    for (number, area) in (0_u8..).zip(&FIXTURE.areas) {
        let sparse = encode(area, &all).unwrap();
        let mut file = vec![number.wrapping_mul(64 + 2) | 1];
        file.resize(1 + usize::try_from(sparse.length()).unwrap(), 0);
        sparse.read(0, &mut file[1..]);
        seeds.push(file);
    }
    // One with a section that the manifest does not name: kind 99 behind the others.
    let mut more = seeds[0].clone();
    more[1 + 12] = 6;
    let entry = 1 + 16 + 5 * 16;
    more[entry] = 99;
    more[entry + 8] = 200;
    more.extend([0xaa; 200]);
    more.resize(more.len() + 312, 0);
    seeds.push(more);
    // One with a byte behind its end, and one with a byte behind its manifest's signature.
    seeds.push([&seeds[0][..], &[0]].concat());
    let sparse = encode(&[&FIXTURE.areas[0][..], &[0]].concat(), &all).unwrap();
    let mut ridden = vec![1; 1 + usize::try_from(sparse.length()).unwrap()];
    sparse.read(0, &mut ridden[1..]);
    seeds.push(ridden);
    // One that claims a manifest of 1 MiB.
    let mut huge = seeds[0].clone();
    huge[0] |= ENDLESS;
    huge[1 + 16 + 8..][..8].copy_from_slice(&(1_u64 << 20).to_le_bytes());
    seeds.push(huge);
    seeds
}

fn run(data: &[u8]) -> Verdict {
    let (control, file) = control(data);
    let mut file = file.to_vec();
    if control & 1 != 0 && file.len() >= AT_CRC + 4 {
        let sum = CRC.checksum(&file[..AT_CRC]);
        file[AT_CRC..AT_CRC + 4].copy_from_slice(&sum.to_le_bytes());
    }
    if let Ok(area) = manifest_area(&file) {
        assert!(area.end <= file.len());
    }
    let mut pieces = Random::new(control.into());
    let longest = [3, 70, 600, 5000][usize::from(control >> 6)];
    let endless = control & ENDLESS != 0;
    let whole = read(&file, endless, || usize::MAX);
    let pieces = read(&file, endless, || 1 + pieces.below(longest));
    match (&whole, &pieces) {
        (Ok(whole), Ok(pieces)) => {
            assert_eq!(whole, pieces);
            written_again(&file, whole);
        }
        // What is wrong is the same; where, is told as far as was read.
        (Err(whole), Err(pieces)) => assert_eq!(kind(whole), kind(pieces), "{whole:?} {pieces:?}"),
        _ => panic!("in pieces {pieces:?}, whole {whole:?}"),
    }
    match whole {
        Ok(found) => verdict((0, found.unvouched.min(1000), found.parts.len())),
        Err(BundleError::Manifest(fault)) => verdict((1, fault as u8)),
        Err(BundleError::Part { kind, fault, .. }) => verdict((2, kind as u16, fault as u8)),
        Err(BundleError::Header { field, .. }) => verdict((3, field)),
        Err(other) => verdict((4, kind(&other))),
    }
}

/// What a file brought.
#[derive(Debug, PartialEq, Eq)]
struct Found {
    area: Vec<u8>,
    parts: Vec<(PartKind, Vec<u8>)>,
    /// Bytes that nobody vouches for.
    unvouched: u64,
}

/// Written again, the file is the same, but for its header, where nothing is believed.
fn written_again(file: &[u8], found: &Found) {
    if found.unvouched > 0 {
        return;
    }
    let parts: Vec<_> =
        found.parts.iter().map(|(kind, bytes)| (*kind, Bytes::copy_from_slice(bytes))).collect();
    let sparse = encode(&found.area, &parts).unwrap();
    let mut again = vec![0; usize::try_from(sparse.length()).unwrap()];
    sparse.read(0, &mut again);
    assert!(again[512..] == file[512..], "something rides along");
}

/// Reads the file and checks what the reader vouches for.
fn read(file: &[u8], endless: bool, mut piece: impl FnMut() -> usize) -> Result<Found, BundleError> {
    let keys = Keyset::parse(&FIXTURE.keyset).unwrap();
    let mut reader = Reader::new(keys);
    let mut parts = Vec::new();
    let mut rest = file;
    while !rest.is_empty() {
        let (input, behind) = rest.split_at(piece().min(rest.len()));
        rest = behind;
        push(&mut reader, &keys, input, &mut parts)?;
    }
    if endless {
        (0..16).try_for_each(|_| push(&mut reader, &keys, &ZEROS, &mut parts))?;
    }
    reader.finish()?;
    Ok(Found { area: reader.area().to_vec(), parts, unvouched: reader.unvouched() })
}

/// Pushes a piece as an updater does, until the reader wants more.
fn push(
    reader: &mut Reader<'_>,
    keys: &Keyset<'_>,
    mut input: &[u8],
    parts: &mut Vec<(PartKind, Vec<u8>)>,
) -> Result<(), BundleError> {
    let mut idle = 0;
    loop {
        let (taken, event) = reader.push(input)?;
        input = &input[taken..];
        idle = if taken > 0 { 0 } else { idle + 1 };
        assert!(idle < 64, "no end: {event:?} for {} bytes", input.len());
        assert!(reader.area().len() <= AREA_BYTES);
        match event {
            Event::Data(part, bytes) => match parts.last_mut().filter(|(kind, _)| *kind == part.kind) {
                Some((_, all)) => all.extend_from_slice(bytes),
                None => parts.push((part.kind, bytes.to_vec())),
            },
            Event::PartDone(part) => {
                let (kind, bytes) = parts.last().unwrap();
                assert!(
                    *kind == part.kind && sha256(bytes) == part.sha256,
                    "a part that is not the stated one"
                );
            }
            Event::Manifest => {
                let header = Header::parse(reader.area()).unwrap();
                assert_eq!(header.bytes(), reader.area().len(), "more than the manifest");
                let verified = header.verify(keys).unwrap();
                assert!(FIXTURE.signed.contains(&verified.digest()), "accepted what no key signed");
            }
            Event::More if taken == 0 && input.is_empty() => return Ok(()),
            Event::End if input.is_empty() => return Ok(()),
            Event::More | Event::End => {}
        }
    }
}
