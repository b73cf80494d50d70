//! Signing with a key that is on another machine: a digest goes there, a signature comes back.
//!
//! What is signed is made of the digest alone (`evener_manifest::signing_message_of`), so the machine with the key
//! needs this program and nothing of the firmware. What comes back is put in only if it verifies; the file that
//! waits for it is not changed, and the signed one appears whole or not at all.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail, ensure};
use evener_formats::bundle::manifest_area;
use evener_keys::{KeyFolder, PublicKey, SigningKey, hex, parse_digest, parse_signature};
use evener_manifest::{Header, KeyId, Keyset, SIGNATURE_BYTES, emit_keyset, sha256};
use evener_recipes::UNSIGNED;

use crate::inspect;

/// What a program may read of a step, and what is for the person beside it.
#[derive(Debug)]
pub(crate) struct Told {
    pub(crate) result: String,
    pub(crate) notes: String,
}

/// What a bundle that waits for its signature needs: `evener-image sign FILE --digest`.
pub(crate) fn digest(file: &Path) -> anyhow::Result<Told> {
    let waiting = Waiting::read(file)?;
    let digest = hex(&sha256(&waiting.manifest));
    let bytes = waiting.manifest.len();
    Ok(Told {
        result: digest.clone(),
        notes: format!(
            "{}: to be signed with key {}\n\
             below is the SHA-256 of its manifest ({bytes} bytes); what is signed is the text \"evener-manifest-v1\", \
             a zero byte, and these 32 bytes\n\
             on the machine with the key: evener-image sign --key SECRET --digest {digest}",
            file.display(),
            waiting.key
        ),
    })
}

/// Signs a digest: `evener-image sign --key SECRET --digest HEX`, on the machine with the key.
pub(crate) fn sign_digest(key: &Path, digest: &str) -> anyhow::Result<Told> {
    let Some(bytes) = parse_digest(digest) else {
        bail!("--digest: 64 hex digits are needed; these are {} characters", digest.trim().len());
    };
    let key = SigningKey::read(key)?;
    let kind = if key.public().development { "development" } else { "production" };
    Ok(Told {
        result: hex(&key.sign_digest(&bytes)),
        notes: format!("{} signed with {kind} key {}", hex(&bytes), key.public().id()),
    })
}

/// Puts a signature into a bundle: `evener-image sign FILE --signature HEX|FILE`. Gives the signed file's path.
pub(crate) fn put_in(
    file: &Path,
    signature: &str,
    key: Option<&Path>,
    folder: &KeyFolder,
) -> anyhow::Result<PathBuf> {
    let waiting = Waiting::read(file)?;
    let signature = read_signature(signature)?;
    let key = public_key(&waiting, key, folder)?;
    let signed = waiting.with(&signature);
    let area = signed.get(waiting.area.clone()).unwrap_or_default();
    let keyset = emit_keyset(false, &[key.entry()])?;
    Header::parse(area)?.verify(&Keyset::parse(&keyset)?).with_context(|| {
        let digest = hex(&sha256(&waiting.manifest));
        format!("{}: this is not a signature of key {} over {digest}", file.display(), key.id())
    })?;
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    let target = match name.strip_suffix(UNSIGNED) {
        Some(stem) => file.with_file_name(format!("{stem}.evfw")),
        None => file.to_owned(),
    };
    write_if_whole(&target, &signed, &key)?;
    Ok(target)
}

/// Writes the file beside its place, looks at all of it as `verify` does, and only then renames it.
fn write_if_whole(target: &Path, signed: &[u8], key: &PublicKey) -> anyhow::Result<()> {
    let temporary = target.with_extension("evfw.new");
    fs::write(&temporary, signed).with_context(|| format!("writing {}", temporary.display()))?;
    let report = inspect::file(&temporary, &[*key]);
    let faults = report.map(|report| report.faults().join("; "));
    if faults.as_ref().is_ok_and(String::is_empty) {
        return fs::rename(&temporary, target).with_context(|| format!("writing {}", target.display()));
    }
    let _ = fs::remove_file(&temporary);
    bail!("the signature is right, but not the rest: {}", faults?)
}

/// A bundle whose signature is to be put in.
struct Waiting {
    content: Vec<u8>,
    area: std::ops::Range<usize>,
    manifest: Vec<u8>,
    key: KeyId,
}

impl Waiting {
    fn read(file: &Path) -> anyhow::Result<Self> {
        let name = || file.display().to_string();
        let content = fs::read(file).with_context(|| format!("reading {}", file.display()))?;
        let area = manifest_area(&content).with_context(name)?;
        let header = Header::parse(content.get(area.clone()).unwrap_or_default()).with_context(name)?;
        let (manifest, key) = (header.unsigned().to_vec(), header.key_id());
        ensure!(header.bytes() == area.len(), "{}: there is more behind the manifest", file.display());
        Ok(Self { area, manifest, key, content })
    }

    fn with(&self, signature: &[u8; SIGNATURE_BYTES]) -> Vec<u8> {
        let mut signed = self.content.clone();
        let start = self.area.end.saturating_sub(SIGNATURE_BYTES);
        if let Some(place) = signed.get_mut(start..self.area.end) {
            place.copy_from_slice(signature);
        }
        signed
    }
}

/// The signature given as hex digits, or the file that it is in, as hex digits or as 64 bytes.
fn read_signature(given: &str) -> anyhow::Result<[u8; SIGNATURE_BYTES]> {
    if let Some(signature) = parse_signature(given) {
        return Ok(signature);
    }
    let path = Path::new(given);
    if !path.exists() {
        bail!(
            "--signature: 128 hex digits or a file are needed; these are {} characters",
            given.trim().len()
        );
    }
    let bytes = fs::read(path).with_context(|| format!("reading {}", path.display()))?;
    let text = || parse_signature(std::str::from_utf8(&bytes).ok()?);
    let signature = <[u8; SIGNATURE_BYTES]>::try_from(bytes.as_slice()).ok().or_else(text);
    signature.with_context(|| format!("{}: neither 128 hex digits nor 64 bytes", path.display()))
}

/// The public key that the manifest names: the one given, or from the key directory.
fn public_key(waiting: &Waiting, key: Option<&Path>, folder: &KeyFolder) -> anyhow::Result<PublicKey> {
    let id = waiting.key;
    if let Some(path) = key {
        let key = PublicKey::read(path)?;
        ensure!(
            key.id() == id,
            "this firmware is to be signed with key {id}; {} is {}",
            path.display(),
            key.id()
        );
        return Ok(key);
    }
    let mut known = folder.public_keys().into_iter().map(|(_, key)| key);
    known
        .find(|key| key.id() == id)
        .with_context(|| format!("no public key {id} in the key directory; --key PUB"))
}

#[cfg(test)]
mod tests;
