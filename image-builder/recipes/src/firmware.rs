//! Manifest and signature over the parts.

use std::fs;
use std::path::Path;

use bytes::Bytes;
use evener_keys::{PublicKey, SigningKey};
use evener_manifest::{
    Builder, Flags, Header, Keyset, ManifestError, Part, PartKind, Verity, Version, join, sha256,
};
use evener_slot_table::SlotFacts;
use serde::Deserialize;
use sha2::{Digest, Sha256};

use crate::error::{RecipeError, file};
use crate::parts::Parts;

/// The consoles that the signed command line names. The last one is `/dev/console`.
pub const TEMPLATE_CONSOLES: [&str; 2] = ["tty0", "ttyS0,115200n8"];

/// Which versions this firmware may follow and be followed by: `image-builder/firmware.toml` and the
/// workspace's version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Policy {
    /// This firmware's version.
    pub version: Version,
    /// The oldest version that a unit may go back to once this firmware is confirmed.
    pub floor: Version,
    /// The oldest running version that may install this firmware.
    pub installable_from: Version,
    /// The oldest loader that may start it.
    pub min_loader: Version,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PolicyFile {
    floor: String,
    installable_from: String,
    min_loader: String,
}

#[derive(Deserialize)]
struct CargoFile {
    workspace: CargoWorkspace,
}

#[derive(Deserialize)]
struct CargoWorkspace {
    package: CargoPackage,
}

#[derive(Deserialize)]
struct CargoPackage {
    version: String,
}

impl Policy {
    /// Reads both files of the source tree.
    ///
    /// # Errors
    /// [`RecipeError::File`], or [`RecipeError::Malformed`] with line or field.
    pub fn read(workspace: &Path) -> Result<Self, RecipeError> {
        let cargo = workspace.join("Cargo.toml");
        let policy = workspace.join("image-builder/firmware.toml");
        let versions: PolicyFile = parse(&policy)?;
        let cargo_file: CargoFile = parse(&cargo)?;
        let read = Self {
            version: version(&cargo, "workspace.package.version", &cargo_file.workspace.package.version)?,
            floor: version(&policy, "floor", &versions.floor)?,
            installable_from: version(&policy, "installable_from", &versions.installable_from)?,
            min_loader: version(&policy, "min_loader", &versions.min_loader)?,
        };
        if read.floor > read.version {
            let reason = format!("floor {} is above the firmware's own version {}", read.floor, read.version);
            return Err(RecipeError::Malformed { path: policy, reason });
        }
        // The loader on the disk is built from this tree and has its version.
        if read.min_loader > read.version {
            let reason = format!(
                "min_loader {} is above {}, the version of the loader that is shipped with it",
                read.min_loader, read.version
            );
            return Err(RecipeError::Malformed { path: policy, reason });
        }
        Ok(read)
    }
}

fn parse<T: serde::de::DeserializeOwned>(path: &Path) -> Result<T, RecipeError> {
    let text = file("reading", path, fs::read_to_string(path))?;
    toml::from_str(&text).map_err(|e| RecipeError::Malformed { path: path.to_owned(), reason: e.to_string() })
}

fn version(path: &Path, field: &str, text: &str) -> Result<Version, RecipeError> {
    text.parse().map_err(|_: ManifestError| RecipeError::Malformed {
        path: path.to_owned(),
        reason: format!("{field}: \"{text}\" is not a version like 1.2.3 or 1.2.3.4"),
    })
}

/// The kernel command line that is signed; the loader fills in slot, root partition and hand-off.
///
/// * `dm-mod.create` builds the verified root device before anything is mounted. Data and tree are
///   in one partition, the tree behind the data blocks.
/// * A block that does not verify, or cannot be read, restarts the unit: the loader counts that.
/// * `dm-mod.waitfor` is for disks that come late (USB, Hyper-V); the timeout (a patch of ours) ends
///   in a panic, and `panic=5` in a restart.
/// * `watchdog.open_timeout`: the kernel feeds the watchdog that the loader armed for this many
///   seconds until init takes over.
/// * `loglevel=6` leaves the console to warnings and the kernel's own banner.
/// * The two `…=0` keep drivers from making interfaces that nobody configured.
#[must_use]
pub fn command_line_template(verity: &Verity) -> String {
    let hex = crate::hex;
    let blocks = verity.data_blocks;
    let sectors = blocks.saturating_mul(8);
    let consoles = TEMPLATE_CONSOLES.map(|console| format!("console={console} ")).concat();
    format!(
        "{consoles}root=/dev/dm-0 rootfstype=squashfs ro init=/init panic=5 loglevel=6 \
         watchdog.open_timeout=60 bonding.max_bonds=0 dummy.numdummies=0 \
         dm-mod.create=\"v,,0,ro,0 {sectors} verity 1 PARTUUID={{root}} PARTUUID={{root}} 4096 4096 \
         {blocks} {blocks} sha256 {} {} 2 restart_on_corruption restart_on_error\" \
         dm-mod.waitfor=PARTUUID={{root}} dm-mod.waitfor_timeout=30 \
         evener.slot={{slot}} evener.handoff={{handoff}}",
        hex(&verity.root),
        hex(&verity.salt),
    )
}

/// A signed firmware: its manifest area and the parts.
#[derive(Clone, Debug)]
pub struct Firmware {
    /// Manifest and signature.
    pub area: Bytes,
    /// The parts in the order of the manifest.
    pub parts: Vec<(PartKind, Bytes)>,
    /// What the slot table says about it.
    pub facts: SlotFacts,
    /// Its version.
    pub version: Version,
}

impl Firmware {
    /// The bytes of one part; empty if there is no such part.
    #[must_use]
    pub fn part(&self, kind: PartKind) -> Bytes {
        self.parts.iter().find(|(k, _)| *k == kind).map(|(_, bytes)| bytes.clone()).unwrap_or_default()
    }
}

/// What a firmware says of itself beside its parts.
#[derive(Clone, Debug)]
pub struct Statement {
    /// Its version, and which others it may follow and be followed by.
    pub policy: Policy,
    /// The kernel's command line with the loader's placeholders; see [`command_line_template`].
    pub template: String,
    /// For the operator to read.
    pub notes: String,
    /// The programs that made the parts, and their versions; none for a firmware that nobody is to build again.
    pub toolchain: Option<String>,
    /// Marks it as a release.
    pub release: bool,
}

/// Puts the manifest together, signs it, and checks the result as a loader with `keyset` will.
///
/// # Errors
/// [`RecipeError::Manifest`].
pub fn sign(
    statement: &Statement,
    parts: &Parts,
    key: &SigningKey,
    keyset: &[u8],
) -> Result<Firmware, RecipeError> {
    let manifest = manifest(statement, parts, &key.public())?;
    let area = join(&manifest, &key.sign(&manifest));
    let keys = Keyset::parse(keyset).map_err(in_words)?;
    let facts = SlotFacts::from(&Header::parse(&area).and_then(|h| h.verify(&keys)).map_err(in_words)?);
    Ok(Firmware { area: area.into(), parts: parts.listed(), facts, version: statement.policy.version })
}

/// The manifest's bytes, which `key` is to sign.
pub(crate) fn manifest(
    statement: &Statement,
    parts: &Parts,
    key: &PublicKey,
) -> Result<Vec<u8>, RecipeError> {
    let Statement { policy, template, notes, toolchain, release } = statement.clone();
    let verity = parts.root.verity;
    let stated: Vec<Part> = parts
        .listed()
        .iter()
        .map(|(kind, bytes)| Part { kind: *kind, size: bytes.len() as u64, sha256: sha256(bytes) })
        .collect();
    let mut build_id = Sha256::new_with_prefix(b"evener-build-v1\0").chain_update(&template);
    build_id.update(policy.version.to_string());
    stated.iter().for_each(|part| build_id.update(part.sha256));
    let mut id = [0; 16];
    id.copy_from_slice(&build_id.finalize()[..16]);

    Builder {
        version: policy.version,
        floor: policy.floor,
        installable_from: policy.installable_from,
        min_loader: policy.min_loader,
        build_id: id,
        key_id: key.id(),
        flags: if release { Flags::RELEASE } else { Flags::default() },
        parts: stated,
        verity,
        template,
        notes: Some(notes),
        toolchain,
        config_format: evener_store::FORMAT,
    }
    .emit()
    .map_err(in_words)
}

pub(crate) fn in_words(fault: ManifestError) -> RecipeError {
    RecipeError::Manifest(fault.to_string())
}
