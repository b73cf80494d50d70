//! Manifests before and behind their signature, and keysets.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use evener_disk::{Guid, Slot};
use evener_manifest::{
    AREA_BYTES, BLOCK, Builder, Fill, Flags, Header, KeyEntry, KeyId, Keyset, ManifestError, Part, PartKind,
    SIGNATURE_BYTES, Verified, Verity, Version, emit_keyset, join, public_key, sha256, sign,
};

use crate::targets::{kind, verdict};
use crate::{Target, Verdict};

/// The area of a boot partition: may anything be accepted that no key signed?
pub(super) const AREA: Target = Target {
    name: "manifest",
    what: "manifest and signature as they lie on the disk",
    run: area,
    seeds: || FIXTURE.areas.clone(),
    longest: AREA_BYTES,
    short: 10000,
    memory: 4 << 10,
};

/// A manifest that is signed after it was mutated: what a reader says once the signature holds.
pub(super) const STATEMENT: Target = Target {
    name: "statement",
    what: "what a manifest states, behind a right signature",
    run: statement,
    seeds: || FIXTURE.areas.iter().map(|area| area[..area.len() - SIGNATURE_BYTES].to_vec()).collect(),
    longest: 8 << 10,
    short: 1000,
    memory: 64 << 10,
};

/// A keyset.
pub(super) const KEYSET: Target = Target {
    name: "keyset",
    what: "the keys that a loader or updater trusts",
    run: keyset,
    seeds: || vec![FIXTURE.keyset.clone(), emit_keyset(true, &[]).unwrap()],
    longest: 2 << 10,
    short: 20000,
    memory: 8 << 10,
};

const TRUSTED: [u8; 32] = [1; 32];
const DEVELOPMENT: [u8; 32] = [2; 32];
const REVOKED: [u8; 32] = [3; 32];
const STRANGER: [u8; 32] = [4; 32];

/// What the keys of this crate have signed.
pub(super) struct Fixture {
    pub(super) keyset: Vec<u8>,
    pub(super) areas: Vec<Vec<u8>>,
    /// Digests of the manifests that a trusted key signed.
    pub(super) signed: BTreeSet<[u8; 32]>,
}

pub(super) static FIXTURE: LazyLock<Fixture> = LazyLock::new(|| {
    let entry = |seed, development, revoked| KeyEntry { public: public_key(seed), development, revoked };
    let keys =
        [entry(&TRUSTED, false, false), entry(&DEVELOPMENT, true, false), entry(&REVOKED, false, true)];
    let bare = Builder { parts: parts()[..2].to_vec(), notes: None, toolchain: None, ..builder(&TRUSTED) };
    let drafts = [
        (TRUSTED, builder(&TRUSTED)),
        (TRUSTED, bare),
        (DEVELOPMENT, builder(&DEVELOPMENT)),
        (REVOKED, builder(&REVOKED)),
        (STRANGER, builder(&STRANGER)),
    ];
    let manifests = drafts.map(|(seed, draft)| (seed, draft.emit().unwrap()));
    let trusted = manifests.iter().filter(|(seed, _)| [TRUSTED, DEVELOPMENT].contains(seed));
    Fixture {
        keyset: emit_keyset(false, &keys).unwrap(),
        signed: trusted.map(|(_, manifest)| sha256(manifest)).collect(),
        areas: manifests.iter().map(|(seed, manifest)| join(manifest, &sign(manifest, seed))).collect(),
    }
});

/// The bytes of the parts that [`builder`] states, small but of several sectors.
pub(super) fn content(kind: PartKind) -> Vec<u8> {
    let size = match kind {
        PartKind::Kernel => 700,
        PartKind::Rootfs => 4096 + 32,
        PartKind::LoaderUefi => 512,
        PartKind::LoaderBios => 1100,
    };
    (0..size).map(|at: usize| at.to_le_bytes()[0] ^ kind as u8).collect()
}

fn parts() -> Vec<Part> {
    let state = |kind| {
        let bytes = content(kind);
        Part { kind, size: bytes.len() as u64, sha256: sha256(&bytes) }
    };
    PartKind::ALL.map(state).to_vec()
}

fn builder(seed: &[u8; 32]) -> Builder {
    Builder {
        version: Version([7, 2, 40, 0]),
        floor: Version([7, 2, 36, 0]),
        installable_from: Version([7, 0, 0, 0]),
        min_loader: Version([0, 1, 0, 0]),
        build_id: [0xb1; 16],
        key_id: KeyId::of(&public_key(seed)),
        flags: Flags::RELEASE,
        parts: parts(),
        verity: Verity { root: [3; 32], salt: [4; 32], data_blocks: 1 },
        template: "ro root={root} evener.slot={slot} evener.handoff={handoff}".to_owned(),
        notes: Some("What is new".to_owned()),
        toolchain: Some("rustc 1.95.0; gcc 12.2.0".to_owned()),
        config_format: 2,
    }
}

fn area(data: &[u8]) -> Verdict {
    let keys = Keyset::parse(&FIXTURE.keyset).unwrap();
    let header = match Header::parse(data) {
        Ok(header) => header,
        Err(error) => return verdict((0, error as u8)),
    };
    assert!(header.bytes() <= data.len() && header.bytes() <= AREA_BYTES);
    match header.verify(&keys) {
        Ok(verified) => {
            assert!(FIXTURE.signed.contains(&verified.digest()), "accepted what no key signed");
            use_it(&verified);
            verdict((1, verified.digest()))
        }
        Err(error) => verdict((2, error as u8)),
    }
}

fn statement(data: &[u8]) -> Verdict {
    let mut manifest = data.to_vec();
    // Bytes 12..16 are the length: a mutation that changes it says nothing new after the first.
    if let (Some(place), Ok(length)) = (manifest.get_mut(12..16), u32::try_from(data.len())) {
        place.copy_from_slice(&length.to_le_bytes());
    }
    // Bytes 80..88 name the key.
    if let Some(place) = manifest.get_mut(80..88) {
        place.copy_from_slice(&KeyId::of(&public_key(&TRUSTED)).0);
    }
    match verify(&manifest) {
        Ok(()) => {
            let area = join(&manifest, &sign(&manifest, &TRUSTED));
            let keys = Keyset::parse(&FIXTURE.keyset).unwrap();
            let verified = Header::parse(&area).unwrap().verify(&keys).unwrap();
            use_it(&verified);
            again_the_same(&verified);
            let texts = [verified.notes(), verified.toolchain()].map(|text| text.is_some());
            verdict((3, verified.parts().count(), texts, verified.config_format() > 1))
        }
        Err(error) => verdict((4, error as u8)),
    }
}

fn verify(manifest: &[u8]) -> Result<(), ManifestError> {
    let area = join(manifest, &sign(manifest, &TRUSTED));
    let keys = Keyset::parse(&FIXTURE.keyset).unwrap();
    Header::parse(&area)?.verify(&keys).map(|_| ())
}

/// Asks everything that loader and updater ask of a verified manifest.
fn use_it(verified: &Verified<'_>) {
    let template = verified.template().unwrap();
    let fill = Fill { slot: Slot::B, root: Guid([0x11; 16]), handoff: "01ab" };
    if let Ok(line) = template.render(&fill) {
        assert!(line.bytes().all(|byte| byte.is_ascii_graphic() || byte == b' '));
    }
    let (kernel, rootfs) = (verified.part(PartKind::Kernel), verified.part(PartKind::Rootfs));
    assert!(kernel.is_some_and(|part| part.size > 0));
    assert!(verified.verity().data_blocks.checked_mul(BLOCK).unwrap() <= rootfs.unwrap().size);
    assert!(verified.floor() <= verified.version());
}

/// Written again from what was read, it reads the same.
fn again_the_same(first: &Verified<'_>) {
    let builder = Builder {
        version: first.version(),
        floor: first.floor(),
        installable_from: first.installable_from(),
        min_loader: first.min_loader(),
        build_id: first.build_id(),
        key_id: first.key().id,
        flags: first.flags(),
        parts: first.parts().collect(),
        verity: first.verity(),
        template: first.template().unwrap().as_str().to_owned(),
        notes: first.notes().map(str::to_owned),
        toolchain: first.toolchain().map(str::to_owned),
        config_format: first.config_format(),
    };
    let manifest = builder.emit().unwrap();
    let area = join(&manifest, &sign(&manifest, &TRUSTED));
    let keys = Keyset::parse(&FIXTURE.keyset).unwrap();
    let second = Header::parse(&area).unwrap().verify(&keys).unwrap();
    let numbers = |m: &Verified<'_>| {
        let versions = [m.version(), m.floor(), m.installable_from(), m.min_loader()];
        (versions, m.build_id(), m.key(), m.flags(), m.verity(), m.config_format())
    };
    assert_eq!(numbers(first), numbers(&second));
    assert!(first.parts().eq(second.parts()));
    assert_eq!(first.template(), second.template());
    assert_eq!((first.notes(), first.toolchain()), (second.notes(), second.toolchain()));
}

fn keyset(data: &[u8]) -> Verdict {
    let set = match Keyset::parse(data) {
        Ok(set) => set,
        Err(error) => return verdict((kind(&error), error as u8)),
    };
    let keys: Vec<_> = set.keys().collect();
    for key in &keys {
        let trusted = set.trusted(key.id);
        assert_eq!(key.id, KeyId::of(&key.public));
        assert!(!trusted.is_ok_and(|key| key.revoked || key.development && set.is_release()));
    }
    let entries: Vec<_> = keys
        .iter()
        .map(|key| KeyEntry { public: key.public, development: key.development, revoked: key.revoked })
        .collect();
    let bytes = emit_keyset(set.is_release(), &entries).unwrap();
    let again = Keyset::parse(&bytes).unwrap();
    assert!(again.keys().eq(keys.iter().copied()) && again.is_release() == set.is_release());
    verdict((keys.len(), set.is_release()))
}
