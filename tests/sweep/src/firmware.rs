//! Firmwares of less than 64 sectors, signed with a key of their own.

use anyhow::{Context, Result};
use bytes::Bytes;
use evener_formats::bundle::encode;
use evener_manifest::{
    Builder, Flags, KeyEntry, KeyId, Part, PartKind, Verity, Version, emit_keyset, join, public_key, sha256,
    sign,
};

use crate::loaders::Loader;

const SEED: [u8; 32] = [11; 32];
/// The version of the loader that the units have.
pub const LOADER: Version = Version([7, 2, 36, 0]);
/// The floor that the units start with.
pub const FLOOR: Version = Version([7, 2, 36, 0]);

/// A firmware file and what is in it.
#[derive(Clone, Debug)]
pub struct Firmware {
    /// Its version.
    pub version: Version,
    /// The floor it asks for.
    pub floor: Version,
    /// SHA-256 of its manifest.
    pub digest: [u8; 32],
    /// Manifest and signature.
    pub area: Vec<u8>,
    /// Kernel, root file system and loaders; none but the BIOS loader in whole sectors.
    pub parts: Vec<(PartKind, Bytes)>,
    /// The firmware file.
    pub bundle: Vec<u8>,
}

/// The firmwares of a unit's life.
#[derive(Clone, Debug)]
pub struct Catalogue {
    /// 7.2.36: what rescue ships with.
    pub oldest: Firmware,
    /// 7.2.40: what slot A ships with.
    pub shipped: Firmware,
    /// 7.3.0, with the floor as it is.
    pub newer: Firmware,
    /// 7.4.0, which raises the floor to itself, so that all slots have to follow.
    pub newest: Firmware,
    /// 7.3.1, which brings a loader that does not work on this machine.
    pub hanging: Firmware,
    /// The loaders: the one that units ship with, the one that hangs, that of the newest firmware.
    loaders: [Loader; 3],
    /// The keys that loader and firmware trust.
    pub keyset: Vec<u8>,
}

impl Firmware {
    /// The bytes of one part.
    #[must_use]
    pub fn part(&self, kind: PartKind) -> Bytes {
        self.parts
            .iter()
            .find(|(known, _)| *known == kind)
            .map(|(_, bytes)| bytes.clone())
            .unwrap_or_default()
    }
}

impl Catalogue {
    /// Makes them; the same each time.
    ///
    /// # Errors
    /// Never with these constants.
    pub fn make() -> Result<Self> {
        let key = KeyEntry { public: public_key(&SEED), development: true, revoked: false };
        let newest = Version([7, 4, 0, 0]);
        let loaders = [
            Loader::make(LOADER, true, 0x11)?,
            Loader::make(Version([7, 3, 1, 0]), false, 0x22)?,
            Loader::make(newest, true, 0x33)?,
        ];
        let [old, hangs, new] = &loaders;
        Ok(Self {
            oldest: firmware(Version([7, 2, 36, 0]), FLOOR, old)?,
            shipped: firmware(Version([7, 2, 40, 0]), FLOOR, old)?,
            newer: firmware(Version([7, 3, 0, 0]), FLOOR, old)?,
            hanging: firmware(hangs.version, FLOOR, hangs)?,
            newest: firmware(newest, newest, new)?,
            loaders,
            keyset: emit_keyset(false, &[key]).context("the keyset")?,
        })
    }

    /// The loader that units ship with.
    #[must_use]
    pub fn loader(&self) -> &Loader {
        let [old, ..] = &self.loaders;
        old
    }

    /// All loaders.
    pub(crate) fn loaders(&self) -> &[Loader; 3] {
        &self.loaders
    }
}

fn firmware(version: Version, floor: Version, loader: &Loader) -> Result<Firmware> {
    let salt =
        version.0.iter().fold(0_u8, |sum, number| sum.wrapping_mul(31).wrapping_add(number.to_le_bytes()[0]));
    let bytes = |length: u32, kind: u8| -> Bytes {
        (0..length).map(|index| index.to_le_bytes()[0].wrapping_mul(7) ^ salt ^ kind).collect()
    };
    let parts = vec![
        (PartKind::Kernel, bytes(10_100, 1)),
        (PartKind::Rootfs, bytes(8192, 2)),
        (PartKind::LoaderUefi, loader.uefi.clone()),
        (PartKind::LoaderBios, loader.bios.clone()),
    ];
    let stated = parts.iter().map(|(kind, bytes)| Part {
        kind: *kind,
        size: bytes.len() as u64,
        sha256: sha256(bytes),
    });
    let manifest = Builder {
        version,
        floor,
        installable_from: Version::default(),
        min_loader: LOADER,
        build_id: [salt; 16],
        key_id: KeyId::of(&public_key(&SEED)),
        flags: Flags::default(),
        parts: stated.collect(),
        verity: Verity { root: [2; 32], salt: [3; 32], data_blocks: 1 },
        template: "root={root} slot={slot} evener.handoff={handoff}".into(),
        notes: None,
        toolchain: None,
        config_format: 1,
    }
    .emit()
    .context("the manifest")?;
    let area = join(&manifest, &sign(&manifest, &SEED));
    let file = encode(&area, &parts).context("the bundle")?;
    let mut bundle = vec![0; usize::try_from(file.length())?];
    file.read(0, &mut bundle);
    Ok(Firmware { version, floor, digest: sha256(&manifest), area, parts, bundle })
}
