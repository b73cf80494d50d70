//! Disk images, as `evener-image` takes them from anybody.
//!
//! An image is mostly zeros and far apart: a VHDX has its first content at 4 MiB. So an input is the sectors that are not
//! zero in the image of a small disk, one behind the other; they are laid where they were ([`Laid`]), and mutations meet
//! nothing but what means something. The first byte: bit 0 puts checksums right, so that what lies behind them is reached;
//! bits 1 and 2 cut the file short.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use evener_formats::ova::Machine;
use evener_formats::{Disk, Format, ReaderError, Sparse, Survey, raw_zst, vmdk};

use crate::targets::{control, kind, verdict};
use crate::{Target, Verdict};

mod laid;
use laid::{Budget, Laid, Shape, Sink};

/// Enough for every table, the unpacked grain, and what is written again.
const MEMORY: usize = 3 << 20;
/// What is small enough to be written again, in bytes.
const WRITTEN_AGAIN: u64 = 512 << 10;

pub(super) const QCOW2: Target =
    target("qcow2", "a qcow2 disk", |data| run(Format::Qcow2, data), || seeds(Format::Qcow2));
pub(super) const VHD: Target =
    target("vhd", "a VHD disk", |data| run(Format::Vhd, data), || seeds(Format::Vhd));
pub(super) const VHDX: Target =
    target("vhdx", "a VHDX disk", |data| run(Format::Vhdx, data), || seeds(Format::Vhdx));
pub(super) const VMDK: Target =
    target("vmdk", "a VMDK disk", |data| run(Format::Vmdk, data), || seeds(Format::Vmdk));
pub(super) const OVA: Target =
    target("ova", "a virtual machine with its disk", |data| run(Format::Ova, data), || seeds(Format::Ova));
/// The whole file, behind a byte that is not used: a frame has no parts to lay.
pub(super) const RAW_ZST: Target = target("raw-zst", "a disk under zstd", run_packed, seeds_packed);

const fn target(
    name: &'static str,
    what: &'static str,
    run: fn(&[u8]) -> Verdict,
    seeds: fn() -> Vec<Vec<u8>>,
) -> Target {
    Target { name, what, run, seeds, longest: 24 << 10, short: 150, memory: MEMORY }
}

/// A disk of which every format has something to say: content in two places, one of them partial.
fn small_disk() -> Sparse {
    let mut disk = Sparse::new((2 << 20) + 512);
    disk.put(100, b"evener".repeat(60).into()).unwrap();
    disk.put((1 << 20) + 70_000, vec![0xe7; 300].into()).unwrap();
    disk
}

/// Where the sectors of each format's image lie.
static SHAPES: LazyLock<BTreeMap<Format, Shape>> = LazyLock::new(|| {
    let disk = small_disk();
    let survey = Survey::of(&mut &disk).unwrap();
    let shape = |format: Format| {
        let mut sink = Sink::default();
        format.write(&mut &disk, &survey, &Machine::new("x"), &mut sink).unwrap();
        (format, sink.shape())
    };
    Format::ALL.map(shape).into()
});

fn seeds(format: Format) -> Vec<Vec<u8>> {
    let sectors = SHAPES[&format].content();
    let mut seeds: Vec<Vec<u8>> =
        [0, 1, 1 | 1 << 1, 2 << 1].map(|control| [&[control][..], &sectors].concat()).into();
    if format == Format::Ova {
        // Without the manifest of digests, what is inside is reached.
        let mut other = [&[1][..], &sectors].concat();
        let name = other.windows(5).position(|bytes| bytes == b"x.mf\0").unwrap();
        other[name + 3] = b'x';
        seeds.push(other);
    }
    seeds
}

fn run(format: Format, data: &[u8]) -> Verdict {
    let (control, bytes) = control(data);
    let mut file = Laid::new(&SHAPES[&format], bytes);
    if control & 1 != 0 {
        file.put_checksums_right(format);
    }
    file.cut(control >> 1 & 3);
    let reads = file.reads();
    let mut disk = match format.open(file) {
        Ok(disk) => disk,
        Err(error) => return told((1, format), &error),
    };
    let length = disk.length();
    assert!(length > 0 && length.is_multiple_of(512), "a disk of {length} bytes");
    assert!(matches!(disk.read(length, &mut [0]), Err(ReaderError::OutOfRange(_))), "behind the end");
    // What may hold something lies on the disk, and the search for it gets on.
    let (mut at, mut ranges) = (0, 0);
    while ranges < 64 {
        match disk.next_data(at) {
            Ok(None) => break,
            Ok(Some(range)) => {
                assert!(range.start >= at && range.start < range.end && range.end <= length, "{range:?}");
                at = range.end;
                ranges += 1;
            }
            Err(error) => return told((2, format), &error),
        }
    }
    let survey = match Survey::of(&mut disk) {
        Ok(survey) => survey,
        Err(error) => return told((3, format), &error),
    };
    assert!(reads.used() <= Budget::MOST);
    if survey.used_bytes() > WRITTEN_AGAIN {
        return verdict((4, format as u8));
    }
    reads.again();
    let mut again = Sink::default();
    if let Err(error) = vmdk::write(&mut disk, &survey, &mut again) {
        // Larger than a VMDK can be, or more reads than there may be; what was read once is read again.
        return verdict((5, kind(&error)));
    }
    let mut again = vmdk::Reader::open(again.file()).unwrap();
    assert_eq!(
        Survey::of(&mut again).unwrap().digest(),
        survey.digest(),
        "written again, it is another disk"
    );
    verdict((6, survey.clusters().count().min(8), survey.length().min(4 << 20) >> 20))
}

/// An error tells where, by its words.
fn told(place: (u8, Format), error: &ReaderError<Budget>) -> Verdict {
    assert!(error.to_string().contains("offset"), "{error}");
    let what = match error {
        ReaderError::Truncated { what, .. } | ReaderError::Checksum { what, .. } => *what,
        ReaderError::Unsupported { field, .. } => *field,
        _ => "",
    };
    verdict((place.0, place.1 as u8, kind(error), what))
}

fn seeds_packed() -> Vec<Vec<u8>> {
    let packed = SHAPES[&Format::RawZst].content();
    let whole = [&[0][..], &packed].concat();
    // Two frames are one disk.
    vec![[&whole[..], &packed].concat(), whole]
}

fn run_packed(data: &[u8]) -> Verdict {
    let (_, packed) = control(data);
    let mut disk = Sink::default();
    match raw_zst::unpack(packed, &mut disk) {
        Ok(length) => {
            assert!(length <= raw_zst::MOST);
            verdict((0, length.min(8 << 20) >> 20, disk.bytes() >> 16))
        }
        Err(error) => {
            assert!(error.to_string().contains("offset"), "{error}");
            let cause = std::error::Error::source(&error).map(ToString::to_string);
            verdict((1, kind(&error), cause))
        }
    }
}
