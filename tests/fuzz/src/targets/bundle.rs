//! The firmware file, in pieces of every size.

use bytes::Bytes;
use crc::{CRC_32_ISO_HDLC, Crc};
use evener_formats::bundle::{BundleError, Event, Reader, encode, manifest_area};
use evener_manifest::{AREA_BYTES, Header, Keyset, PartKind, sha256};
use sha2::{Digest, Sha256};

use crate::random::Random;
use crate::targets::manifest::{FIXTURE, content};
use crate::targets::{control, kind, verdict};
use crate::{Target, Verdict};

/// First byte: bit 0 puts the header's checksum right, so that what lies behind it is reached; the rest of it is the
/// seed of the pieces. Then the file.
pub(super) const BUNDLE: Target = Target {
    name: "bundle",
    what: "a firmware file, in pieces of any size",
    run,
    seeds,
    longest: 16 << 10,
    short: 1200,
    memory: 192 << 10,
};

const CRC: Crc<u32> = Crc::<u32>::new(&CRC_32_ISO_HDLC);
const AT_CRC: usize = 508;

fn seeds() -> Vec<Vec<u8>> {
    let part = |kind| (kind, Bytes::from(content(kind)));
    let all = [PartKind::Kernel, PartKind::Rootfs, PartKind::LoaderUefi].map(part);
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
    more[1 + 12] = 5;
    let entry = 1 + 16 + 4 * 16;
    more[entry] = 99;
    more[entry + 8] = 200;
    more.extend([0xaa; 200]);
    more.resize(more.len() + 312, 0);
    seeds.push(more);
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
    let whole = read(&file, || usize::MAX);
    let pieces = read(&file, || 1 + pieces.below(longest));
    match (&whole, &pieces) {
        (Ok(whole), Ok(pieces)) => assert_eq!(whole, pieces),
        // What is wrong is the same; where, is told as far as was read.
        (Err(whole), Err(pieces)) => assert_eq!(kind(whole), kind(pieces), "{whole:?} {pieces:?}"),
        _ => panic!("in pieces {pieces:?}, whole {whole:?}"),
    }
    match whole {
        Ok(unvouched) => verdict((0, unvouched.min(1000))),
        Err(BundleError::Manifest(fault)) => verdict((1, fault as u8)),
        Err(BundleError::Part { kind, fault, .. }) => verdict((2, kind as u16, fault as u8)),
        Err(BundleError::Header { field, .. }) => verdict((3, field)),
        Err(other) => verdict((4, kind(&other))),
    }
}

/// Reads the file and checks what the reader vouches for; gives the bytes that it does not.
fn read(file: &[u8], mut piece: impl FnMut() -> usize) -> Result<u64, BundleError> {
    let keys = Keyset::parse(&FIXTURE.keyset).unwrap();
    let mut reader = Reader::new(keys);
    let mut rest = file;
    let mut hash = Sha256::new();
    let mut ended = false;
    while !ended && !rest.is_empty() {
        let (mut input, behind) = rest.split_at(piece().min(rest.len()));
        rest = behind;
        let mut idle = 0;
        loop {
            let (taken, event) = reader.push(input)?;
            input = &input[taken..];
            idle = if taken > 0 { 0 } else { idle + 1 };
            assert!(idle < 64, "no end: {event:?} for {} bytes", input.len());
            assert!(reader.area().len() <= AREA_BYTES);
            match event {
                Event::Data(_, bytes) => hash.update(bytes),
                Event::PartDone(part) => {
                    let digest: [u8; 32] = std::mem::take(&mut hash).finalize().into();
                    assert_eq!(digest, part.sha256, "a part is done that is not the stated one");
                }
                Event::Manifest => {
                    let verified = Header::parse(reader.area()).unwrap().verify(&keys).unwrap();
                    assert_eq!(verified.digest(), sha256(Header::parse(reader.area()).unwrap().unsigned()));
                    assert!(FIXTURE.signed.contains(&verified.digest()), "accepted what no key signed");
                }
                Event::End => {
                    ended = true;
                    break;
                }
                Event::More if taken == 0 && input.is_empty() => break,
                Event::More => {}
            }
        }
    }
    // As an updater does: what follows the end is pushed, too, and refused.
    if !rest.is_empty() {
        reader.push(rest)?;
    }
    reader.finish()?;
    Ok(reader.unvouched())
}
