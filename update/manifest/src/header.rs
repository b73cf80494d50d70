//! From bytes of unknown origin to a statement that one of our keys made.
//!
//! `parse` looks at four fields only: magic, format, length and key id. Everything else is interpreted after
//! the signature held, so the code an attacker can reach without a key is this file's first forty lines.

use ed25519_dalek::{Signature, VerifyingKey};
use evener_disk::field::{array, u16_at, u32_at, u64_at};

use crate::layout::*;
use crate::{Key, KeyId, Keyset, ManifestError, Part, PartKind, Template, Verity, Version, permits, sha256};

/// A manifest whose signature was not checked yet; it can only name the key to check it with.
#[derive(Clone, Copy, Debug)]
pub struct Header<'a> {
    manifest: &'a [u8],
    signature: [u8; SIGNATURE_BYTES],
}

impl<'a> Header<'a> {
    /// Finds manifest and signature at the start of `area`; what follows them is ignored.
    ///
    /// # Errors
    /// [`ManifestError::Magic`], [`ManifestError::Format`] or [`ManifestError::Length`].
    pub fn parse(area: &'a [u8]) -> Result<Self, ManifestError> {
        if area.len() < CORE_BYTES {
            return Err(ManifestError::Length);
        }
        if !area.starts_with(MAGIC) {
            return Err(ManifestError::Magic);
        }
        if u16_at(area, AT_FORMAT) != FORMAT {
            return Err(ManifestError::Format);
        }
        let length = usize::try_from(u32_at(area, AT_LENGTH)).map_err(|_| ManifestError::Length)?;
        let end = length.checked_add(SIGNATURE_BYTES).ok_or(ManifestError::Length)?;
        if length < CORE_BYTES || end > AREA_BYTES {
            return Err(ManifestError::Length);
        }
        let manifest = area.get(..length).ok_or(ManifestError::Length)?;
        let signature = array(area, length).ok_or(ManifestError::Length)?;
        Ok(Self { manifest, signature })
    }

    /// The key that the manifest says it was signed with.
    #[must_use]
    pub fn key_id(&self) -> KeyId {
        KeyId(array(self.manifest, AT_KEY_ID).unwrap_or_default())
    }

    /// The manifest's bytes, which nobody has vouched for yet: for those who sign them.
    #[must_use]
    pub fn unsigned(&self) -> &'a [u8] {
        self.manifest
    }

    /// Bytes of manifest and signature together.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.manifest.len().saturating_add(SIGNATURE_BYTES)
    }

    /// Checks the signature with `keys`, then everything the manifest says.
    ///
    /// # Errors
    /// Key or signature refused; or the statement itself is inconsistent, of another product, or needs a
    /// newer program.
    pub fn verify(&self, keys: &Keyset<'_>) -> Result<Verified<'a>, ManifestError> {
        let key = keys.trusted(self.key_id())?;
        let public = VerifyingKey::from_bytes(&key.public).map_err(|_| ManifestError::Keyset)?;
        let message = signing_message(self.manifest);
        public
            .verify_strict(&message, &Signature::from_bytes(&self.signature))
            .map_err(|_| ManifestError::Signature)?;
        check(self.manifest)?;
        Ok(Verified { manifest: self.manifest, key, digest: sha256(self.manifest) })
    }
}

/// What is signed: a tag of 19 bytes, so that the signature means nothing elsewhere, and the manifest's SHA-256, so
/// that a signer need not be given more than a digest.
#[must_use]
pub fn signing_message(manifest: &[u8]) -> [u8; 51] {
    signing_message_of(&sha256(manifest))
}

/// The same for a manifest of which only the SHA-256 is known: what an offline key signs.
#[must_use]
pub fn signing_message_of(manifest_sha256: &[u8; 32]) -> [u8; 51] {
    let mut message = [0; 51];
    let (tag, digest) = message.split_at_mut(SIGNATURE_TAG.len());
    tag.copy_from_slice(SIGNATURE_TAG);
    digest.copy_from_slice(manifest_sha256);
    message
}

/// A manifest that one of our keys signed and that is consistent in itself.
#[derive(Clone, Copy, Debug)]
pub struct Verified<'a> {
    manifest: &'a [u8],
    key: Key,
    digest: [u8; 32],
}

impl<'a> Verified<'a> {
    /// The firmware's version.
    #[must_use]
    pub fn version(&self) -> Version {
        Version::read(self.manifest, AT_VERSION)
    }

    /// The oldest version the unit may go back to once this firmware is confirmed.
    #[must_use]
    pub fn floor(&self) -> Version {
        Version::read(self.manifest, AT_FLOOR)
    }

    /// The oldest running version that may install this firmware.
    #[must_use]
    pub fn installable_from(&self) -> Version {
        Version::read(self.manifest, AT_INSTALLABLE_FROM)
    }

    /// The oldest loader that may start this firmware.
    #[must_use]
    pub fn min_loader(&self) -> Version {
        Version::read(self.manifest, AT_MIN_LOADER)
    }

    /// The build's id.
    #[must_use]
    pub fn build_id(&self) -> [u8; 16] {
        array(self.manifest, AT_BUILD_ID).unwrap_or_default()
    }

    /// The key that signed.
    #[must_use]
    pub fn key(&self) -> Key {
        self.key
    }

    /// What the firmware says about itself.
    #[must_use]
    pub fn flags(&self) -> Flags {
        Flags(u32_at(self.manifest, AT_FLAGS))
    }

    /// SHA-256 of the manifest: the firmware's identity in the slot table.
    #[must_use]
    pub fn digest(&self) -> [u8; 32] {
        self.digest
    }

    /// The part of this kind.
    #[must_use]
    pub fn part(&self, kind: PartKind) -> Option<Part> {
        parts(self.manifest).find(|part| part.kind == kind)
    }

    /// All parts of known kinds, in stored order.
    pub fn parts(&self) -> impl Iterator<Item = Part> + use<'a> {
        parts(self.manifest)
    }

    /// The dm-verity facts of the rootfs.
    #[must_use]
    pub fn verity(&self) -> Verity {
        verity(self.manifest)
    }

    /// The command line with its placeholders.
    ///
    /// # Errors
    /// None in practice: the template was checked by [`Header::verify`].
    pub fn template(&self) -> Result<Template<'a>, ManifestError> {
        template(self.manifest)
    }

    /// Release notes or other text for people.
    #[must_use]
    pub fn notes(&self) -> Option<&'a str> {
        text(self.manifest, TAG_NOTES)
    }

    /// The compilers and packers that made the parts, as each states its version, with "; " between them. It tells
    /// whoever builds the same tree again what to build it with; nothing on the unit depends on it.
    #[must_use]
    pub fn toolchain(&self) -> Option<&'a str> {
        text(self.manifest, TAG_TOOLCHAIN)
    }

    /// The newest format of stored settings that this firmware reads; 1 where the manifest does not say.
    ///
    /// An updater compares it with the settings in force to say what is lost before an older firmware runs.
    #[must_use]
    pub fn config_format(&self) -> u16 {
        let mut all = extensions(self.manifest).flatten();
        all.find(|extension| extension.tag == TAG_CONFIG_FORMAT)
            .map_or(FIRST_CONFIG_FORMAT, |extension| u16_at(extension.value, 0))
    }
}

/// Everything that must hold beyond the signature. The builder runs it on what it is about to sign.
pub(crate) fn check(manifest: &[u8]) -> Result<(), ManifestError> {
    let product: [u8; PRODUCT_BYTES] = array(manifest, AT_PRODUCT).ok_or(ManifestError::Length)?;
    let name = product.split(|byte| *byte == 0).next().unwrap_or_default();
    if name != PRODUCT.as_bytes() {
        return Err(ManifestError::Product);
    }
    for extension in extensions(manifest) {
        let extension = extension?;
        match extension.tag {
            TAG_NOTES | TAG_TOOLCHAIN => {}
            TAG_CONFIG_FORMAT if extension.value.len() == 2 => {}
            TAG_CONFIG_FORMAT => return Err(ManifestError::Extension),
            _ if extension.critical => return Err(ManifestError::CriticalExtension),
            _ => {}
        }
    }
    if !permits(Version::read(manifest, AT_VERSION), Version::read(manifest, AT_FLOOR)) {
        return Err(ManifestError::Floor);
    }
    template(manifest)?;
    check_parts(manifest)
}

fn check_parts(manifest: &[u8]) -> Result<(), ManifestError> {
    for kind in PartKind::ALL {
        let count = parts(manifest).filter(|part| part.kind == kind).count();
        let needed = matches!(kind, PartKind::Kernel | PartKind::Rootfs);
        if count > 1 || (needed && count == 0) {
            return Err(ManifestError::Parts);
        }
    }
    let rootfs = parts(manifest).find(|part| part.kind == PartKind::Rootfs).ok_or(ManifestError::Parts)?;
    let data = verity(manifest).data_blocks.checked_mul(BLOCK).ok_or(ManifestError::Parts)?;
    let sizes = parts(manifest).all(|part| part.size > 0);
    if sizes && data > 0 && data <= rootfs.size { Ok(()) } else { Err(ManifestError::Parts) }
}

fn parts<'a>(manifest: &'a [u8]) -> impl Iterator<Item = Part> + use<'a> {
    let end = AT_PARTS.saturating_add(PARTS.saturating_mul(PART_BYTES));
    let entries = manifest.get(AT_PARTS..end).unwrap_or_default();
    entries.chunks_exact(PART_BYTES).filter_map(|entry| {
        let kind = PartKind::from_number(u16_at(entry, 0))?;
        Some(Part { kind, size: u64_at(entry, 8), sha256: array(entry, 16)? })
    })
}

fn verity(manifest: &[u8]) -> Verity {
    Verity {
        root: array(manifest, AT_ROOT_HASH).unwrap_or_default(),
        salt: array(manifest, AT_SALT).unwrap_or_default(),
        data_blocks: u64_at(manifest, AT_DATA_BLOCKS),
    }
}

fn template(manifest: &[u8]) -> Result<Template<'_>, ManifestError> {
    let length = usize::from(u16_at(manifest, AT_TEMPLATE_LENGTH));
    let end = AT_TEMPLATE.saturating_add(length);
    let bytes =
        manifest.get(AT_TEMPLATE..end).filter(|_| end <= CORE_BYTES).ok_or(ManifestError::Template)?;
    Template::parse(bytes)
}

struct Extension<'a> {
    tag: u16,
    critical: bool,
    value: &'a [u8],
}

/// The extensions in order; an error ends them.
fn extensions<'a>(
    manifest: &'a [u8],
) -> impl Iterator<Item = Result<Extension<'a>, ManifestError>> + use<'a> {
    let mut rest = manifest.get(CORE_BYTES..).unwrap_or_default();
    core::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let next = next_extension(rest);
        rest = next.as_ref().map_or(&[], |(_, behind)| behind);
        Some(next.map(|(extension, _)| extension).ok_or(ManifestError::Extension))
    })
}

/// The text of the first extension with this tag; none if it is not UTF-8, because no text is worth refusing a firmware.
fn text(manifest: &[u8], tag: u16) -> Option<&str> {
    let value = extensions(manifest).flatten().find(|extension| extension.tag == tag)?.value;
    core::str::from_utf8(value).ok()
}

fn next_extension(bytes: &[u8]) -> Option<(Extension<'_>, &[u8])> {
    let (head, behind) = bytes.split_at_checked(EXTENSION_HEAD)?;
    let (value, behind) = behind.split_at_checked(usize::try_from(u32_at(head, 4)).ok()?)?;
    let critical = u16_at(head, 2) & EXTENSION_CRITICAL != 0;
    Some((Extension { tag: u16_at(head, 0), critical, value }, behind))
}

#[cfg(test)]
mod tests;
