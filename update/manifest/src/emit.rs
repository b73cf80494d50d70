//! Writing manifests and keysets, and signing. For the image builder and tests; the appliance never signs.

use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;

use ed25519_dalek::{Signer as _, SigningKey};
use evener_disk::field::put;

use crate::header::check;
use crate::layout::*;
use crate::{KeyId, ManifestError, Part, Verity, Version, keyset, sha256, signing_message_of};

/// Everything a manifest says. [`Builder::emit`] makes the bytes that are to be signed.
#[derive(Clone, Debug)]
pub struct Builder {
    /// The firmware's version.
    pub version: Version,
    /// The oldest version a unit may go back to once this firmware is confirmed.
    pub floor: Version,
    /// The oldest running version that may install this firmware.
    pub installable_from: Version,
    /// The oldest loader that may start it.
    pub min_loader: Version,
    /// Differs between any two builds with different content.
    pub build_id: [u8; 16],
    /// The key that will sign.
    pub key_id: KeyId,
    /// What the firmware says about itself.
    pub flags: Flags,
    /// At most 8 parts; kernel and rootfs must be among them, none twice.
    pub parts: Vec<Part>,
    /// The dm-verity facts of the rootfs.
    pub verity: Verity,
    /// Kernel command line with `{slot}`, `{root}` and `{handoff}`; at most 1024 bytes of printable ASCII.
    pub template: String,
    /// Text for people; an extension. At most what fits into the 64 KiB area.
    pub notes: Option<String>,
    /// What made the parts, as [`Verified::toolchain`](crate::Verified::toolchain) gives it; an extension, and bounded
    /// as the notes are.
    pub toolchain: Option<String>,
    /// The newest format of stored settings that the firmware reads; an extension.
    pub config_format: u16,
}

impl Builder {
    /// The manifest's bytes, without signature; checked as a reader will check them.
    ///
    /// # Errors
    /// What a reader would refuse: [`ManifestError::Parts`], [`ManifestError::Template`],
    /// [`ManifestError::Floor`] or, when the texts are too long, [`ManifestError::Length`].
    pub fn emit(&self) -> Result<Vec<u8>, ManifestError> {
        let mut bytes = vec![0; CORE_BYTES];
        put(&mut bytes, 0, MAGIC);
        put(&mut bytes, AT_FORMAT, &FORMAT.to_le_bytes());
        put(&mut bytes, AT_PRODUCT, PRODUCT.as_bytes());
        self.version.write(&mut bytes, AT_VERSION);
        self.floor.write(&mut bytes, AT_FLOOR);
        self.installable_from.write(&mut bytes, AT_INSTALLABLE_FROM);
        self.min_loader.write(&mut bytes, AT_MIN_LOADER);
        put(&mut bytes, AT_BUILD_ID, &self.build_id);
        put(&mut bytes, AT_KEY_ID, &self.key_id.0);
        put(&mut bytes, AT_FLAGS, &self.flags.0.to_le_bytes());
        put(&mut bytes, AT_DATA_BLOCKS, &self.verity.data_blocks.to_le_bytes());
        put(&mut bytes, AT_ROOT_HASH, &self.verity.root);
        put(&mut bytes, AT_SALT, &self.verity.salt);
        if self.parts.len() > PARTS {
            return Err(ManifestError::Parts);
        }
        for (index, part) in self.parts.iter().enumerate() {
            let at = AT_PARTS.saturating_add(index.saturating_mul(PART_BYTES));
            put(&mut bytes, at, &(part.kind as u16).to_le_bytes());
            put(&mut bytes, at.saturating_add(8), &part.size.to_le_bytes());
            put(&mut bytes, at.saturating_add(16), &part.sha256);
        }
        let length = u16::try_from(self.template.len()).map_err(|_| ManifestError::Template)?;
        put(&mut bytes, AT_TEMPLATE_LENGTH, &length.to_le_bytes());
        put(&mut bytes, AT_TEMPLATE, self.template.as_bytes());
        for (tag, text) in [(TAG_NOTES, &self.notes), (TAG_TOOLCHAIN, &self.toolchain)] {
            if let Some(text) = text {
                push_extension(&mut bytes, tag, 0, text.as_bytes())?;
            }
        }
        push_extension(&mut bytes, TAG_CONFIG_FORMAT, 0, &self.config_format.to_le_bytes())?;
        finish(bytes)
    }
}

pub(crate) fn push_extension(
    bytes: &mut Vec<u8>,
    tag: u16,
    flags: u16,
    value: &[u8],
) -> Result<(), ManifestError> {
    let length = u32::try_from(value.len()).map_err(|_| ManifestError::Length)?;
    bytes.extend_from_slice(&tag.to_le_bytes());
    bytes.extend_from_slice(&flags.to_le_bytes());
    bytes.extend_from_slice(&length.to_le_bytes());
    bytes.extend_from_slice(value);
    Ok(())
}

fn finish(mut bytes: Vec<u8>) -> Result<Vec<u8>, ManifestError> {
    if bytes.len().saturating_add(SIGNATURE_BYTES) > AREA_BYTES {
        return Err(ManifestError::Length);
    }
    let length = u32::try_from(bytes.len()).map_err(|_| ManifestError::Length)?;
    put(&mut bytes, AT_LENGTH, &length.to_le_bytes());
    check(&bytes)?;
    Ok(bytes)
}

/// Signs a manifest with the private key whose 32-byte seed is given.
#[must_use]
pub fn sign(manifest: &[u8], seed: &[u8; 32]) -> [u8; SIGNATURE_BYTES] {
    sign_digest(&sha256(manifest), seed)
}

/// Signs a manifest of which only the SHA-256 is at hand, as on a machine that holds the key and nothing else.
#[must_use]
pub fn sign_digest(manifest_sha256: &[u8; 32], seed: &[u8; 32]) -> [u8; SIGNATURE_BYTES] {
    SigningKey::from_bytes(seed).sign(&signing_message_of(manifest_sha256)).to_bytes()
}

/// The public key of the private key with this seed.
#[must_use]
pub fn public_key(seed: &[u8; 32]) -> [u8; 32] {
    SigningKey::from_bytes(seed).verifying_key().to_bytes()
}

/// Manifest and signature as they lie at the start of `boot-x` and of a bundle.
#[must_use]
pub fn join(manifest: &[u8], signature: &[u8; SIGNATURE_BYTES]) -> Vec<u8> {
    [manifest, signature].concat()
}

/// One key for [`emit_keyset`].
#[derive(Clone, Copy, Debug)]
pub struct KeyEntry {
    /// The ed25519 public key.
    pub public: [u8; 32],
    /// Lies on a developer's machine.
    pub development: bool,
    /// Refused from now on.
    pub revoked: bool,
}

/// The bytes of a keyset, to be embedded in loader and firmware. `release` refuses development keys.
///
/// # Errors
/// [`ManifestError::Keyset`] for more than 16 keys.
pub fn emit_keyset(release: bool, keys: &[KeyEntry]) -> Result<Vec<u8>, ManifestError> {
    if keys.len() > keyset::MAX_KEYS {
        return Err(ManifestError::Keyset);
    }
    let mut bytes = keyset::MAGIC.to_vec();
    let count = u16::try_from(keys.len()).map_err(|_| ManifestError::Keyset)?;
    let flags = if release { keyset::SET_RELEASE } else { 0 };
    for field in [1, flags, count, 0] {
        bytes.extend_from_slice(&field.to_le_bytes());
    }
    for key in keys {
        let development = if key.development { keyset::KEY_DEVELOPMENT } else { 0 };
        let revoked = if key.revoked { keyset::KEY_REVOKED } else { 0 };
        bytes.extend_from_slice(&KeyId::of(&key.public).0);
        bytes.extend_from_slice(&(development | revoked).to_le_bytes());
        bytes.extend_from_slice(&[0; 4]);
        bytes.extend_from_slice(&key.public);
    }
    Ok(bytes)
}
