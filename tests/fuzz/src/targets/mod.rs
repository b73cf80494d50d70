//! Every reader of bytes that come from a disk, a file or a command line on the way to a booted firmware,
//! and of the disk images that `evener-image` looks into.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::mem::Discriminant;

use crate::{Target, Verdict};

mod bundle;
mod conf;
mod disks;
mod gpt;
mod handoff;
mod manifest;
mod table;

/// All targets.
pub const ALL: [Target; 15] = [
    manifest::AREA,
    manifest::STATEMENT,
    manifest::KEYSET,
    bundle::BUNDLE,
    table::RECORD,
    table::TABLE,
    handoff::HANDOFF,
    gpt::GPT,
    conf::CONF,
    disks::QCOW2,
    disks::VHD,
    disks::VHDX,
    disks::VMDK,
    disks::OVA,
    disks::RAW_ZST,
];

/// A verdict from what tells outcomes apart.
fn verdict(of: impl Hash) -> Verdict {
    let mut hasher = DefaultHasher::new();
    of.hash(&mut hasher);
    Verdict::from_le_bytes(*hasher.finish().to_le_bytes().first_chunk().unwrap())
}

/// What kind of error or value it is, for [`verdict`].
fn kind<T>(of: &T) -> Discriminant<T> {
    std::mem::discriminant(of)
}

/// The first byte, which says how the rest is to be taken, and the rest.
fn control(data: &[u8]) -> (u8, &[u8]) {
    data.split_first().map_or((0, data), |(first, rest)| (*first, rest))
}
