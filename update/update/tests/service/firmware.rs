//! Small firmwares that a test key signed.

use bytes::Bytes;
use evener_formats::bundle;
use evener_manifest::{
    Builder, Flags, KeyEntry, KeyId, Part, PartKind, Verity, Version, emit_keyset, join, public_key, sha256,
    sign,
};

/// The key that the units of these tests trust.
pub(crate) const SEED: [u8; 32] = [7; 32];
/// A key that they have revoked.
pub(crate) const REVOKED: [u8; 32] = [8; 32];
/// A development key, which a release does not trust.
pub(crate) const DEVELOPMENT: [u8; 32] = [9; 32];

/// A key that came with the running firmware, and that the loader does not know yet.
pub(crate) const NEW: [u8; 32] = [10; 32];

/// A firmware.
#[derive(Clone, Debug)]
pub(crate) struct Firmware {
    pub(crate) version: Version,
    pub(crate) floor: Version,
    pub(crate) area: Vec<u8>,
    pub(crate) kernel: Bytes,
    pub(crate) rootfs: Bytes,
}

/// The version with this text.
pub(crate) fn version(text: &str) -> Version {
    text.parse().unwrap()
}

/// The keyset of a release that knows all these keys.
pub(crate) fn keyset() -> Vec<u8> {
    let key =
        |seed: &[u8; 32], development, revoked| KeyEntry { public: public_key(seed), development, revoked };
    emit_keyset(
        true,
        &[
            key(&SEED, false, false),
            key(&REVOKED, false, true),
            key(&DEVELOPMENT, true, false),
            key(&NEW, false, false),
        ],
    )
    .unwrap()
}

/// The keyset of the loader.
pub(crate) fn loader_keyset() -> Vec<u8> {
    emit_keyset(true, &[KeyEntry { public: public_key(&SEED), development: false, revoked: false }]).unwrap()
}

impl Firmware {
    /// A firmware of this version that may go back to `floor`.
    pub(crate) fn new(version: &str, floor: &str) -> Self {
        Self::made(version, floor, &SEED, |_| {})
    }

    /// The same with another key, and whatever `edit` changes in its manifest before it is signed.
    pub(crate) fn made(text: &str, floor: &str, seed: &[u8; 32], edit: impl FnOnce(&mut Builder)) -> Self {
        let version = version(text);
        let fill = |length: usize, step: usize| -> Bytes {
            let first = usize::from(version.0.iter().sum::<u16>());
            (0..length).map(|at| u8::try_from((first + at * step) % 251).unwrap()).collect()
        };
        // More than one chunk of the conversation, and not a whole number of sectors.
        let (kernel, rootfs) = (fill(300_001, 3), fill(40 * 4096, 5));
        let part = |kind, bytes: &Bytes| Part { kind, size: bytes.len() as u64, sha256: sha256(bytes) };
        let mut builder = Builder {
            version,
            floor: self::version(floor),
            installable_from: Version::default(),
            min_loader: Version::default(),
            build_id: [1; 16],
            key_id: KeyId::of(&public_key(seed)),
            flags: Flags::RELEASE,
            parts: vec![part(PartKind::Kernel, &kernel), part(PartKind::Rootfs, &rootfs)],
            verity: Verity { root: [2; 32], salt: [3; 32], data_blocks: 30 },
            template: "ro root={root} slot={slot} handoff={handoff}".into(),
            notes: Some(format!("What is new in {text}.")),
            toolchain: None,
            config_format: 1,
        };
        edit(&mut builder);
        let manifest = builder.emit().unwrap();
        let area = join(&manifest, &sign(&manifest, seed));
        Self { version, floor: builder.floor, area, kernel, rootfs }
    }

    /// SHA-256 of the manifest.
    pub(crate) fn digest(&self) -> [u8; 32] {
        sha256(&self.area[..self.area.len() - evener_manifest::SIGNATURE_BYTES])
    }

    /// The firmware file.
    pub(crate) fn file(&self) -> Vec<u8> {
        let parts = [(PartKind::Kernel, self.kernel.clone()), (PartKind::Rootfs, self.rootfs.clone())];
        let file = bundle::encode(&self.area, &parts).unwrap();
        let mut bytes = vec![0; usize::try_from(file.length()).unwrap()];
        file.read(0, &mut bytes);
        bytes
    }
}
