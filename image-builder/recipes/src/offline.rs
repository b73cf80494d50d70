//! Firmware that is signed on another machine: the bundle that waits for its signature, and the disks afterwards.
//!
//! The key of a release need not be where the build is. A build then ends with a bundle whose signature is zeros;
//! no unit takes it. `evener-image sign` puts in the signature that was made elsewhere from the manifest's digest,
//! and disks are laid out from the signed bundle: they would not boot before.

use std::fs;
use std::path::Path;

use bytes::Bytes;
use evener_board::Board;
use evener_formats::bundle::{self, Event};
use evener_keys::{PublicKey, SigningKey};
use evener_manifest::{Header, Keyset, PartKind, SIGNATURE_BYTES, join};
use evener_slot_table::SlotFacts;

use crate::error::{RecipeError, file};
use crate::firmware::{Firmware, Statement, in_words, manifest};
use crate::image::{DiskContent, Images, check_consoles, sizes, write_images, write_sparse};
use crate::parts::Parts;
use crate::shop::{Shop, lock, make_folder};
use crate::{data, hex, sha256};

/// How the name of a bundle ends that waits for its signature; a signed one ends in `.evfw`.
pub const UNSIGNED: &str = ".unsigned.evfw";

/// Who signs a firmware.
#[derive(Clone, Copy, Debug)]
pub enum Signer<'a> {
    /// A key on this machine.
    Here(&'a SigningKey),
    /// A key on another machine, which is given the digest.
    Elsewhere(PublicKey),
}

/// Writes the bundle of a firmware that `key` is to sign; checked but for the signature.
pub(crate) fn write_unsigned(
    shop: &Shop<'_>,
    out: &Path,
    statement: &Statement,
    parts: &Parts,
    key: &PublicKey,
    keyset: &[u8],
) -> Result<Images, RecipeError> {
    Keyset::parse(keyset).and_then(|keys| keys.trusted(key.id())).map_err(in_words)?;
    let manifest = manifest(statement, parts, key)?;
    let listed = parts.listed();
    let content = bundle::encode(&join(&manifest, &[0; SIGNATURE_BYTES]), &listed);
    let content = content.map_err(|e| RecipeError::Manifest(e.to_string()))?;
    let path = make_folder(out.to_owned())?.join(format!("evener-{}{UNSIGNED}", statement.policy.version));
    write_sparse(&path, &content)?;
    shop.reporter.say(&format!(
        "manifest: Evener {}, not signed yet; key {} is to sign {}",
        statement.policy.version,
        key.id(),
        hex(&sha256(&manifest)),
    ));
    Ok(Images {
        bundle: path,
        disks: Vec::new(),
        stick: Vec::new(),
        documents: Vec::new(),
        sizes: sizes(&listed),
    })
}

/// Lays out the disks of a firmware from its signed bundle, and puts the bundle beside them.
///
/// # Errors
/// [`RecipeError`]; [`RecipeError::Malformed`] when the bundle does not verify with `keyset`.
pub fn disks(
    shop: &Shop<'_>,
    boards: &[Board],
    out: &Path,
    bundle: &Path,
    keyset: &[u8],
) -> Result<Images, RecipeError> {
    let _guard = lock(shop, &shop.work_folder("")?.join("lock"), "build")?;
    check_consoles(boards)?;
    let content = file("reading", bundle, fs::read(bundle))?;
    let firmware = unpack(&content, keyset)
        .map_err(|reason| RecipeError::Malformed { path: bundle.to_owned(), reason })?;
    let data = data::data(shop)?.content;
    write_images(shop, boards, out, &DiskContent { firmware: &firmware, data })
}

fn unpack(content: &[u8], keyset: &[u8]) -> Result<Firmware, String> {
    let words = |fault: &dyn std::fmt::Display| fault.to_string();
    let keys = Keyset::parse(keyset).map_err(|fault| words(&fault))?;
    let mut reader = bundle::Reader::new(keys);
    let mut parts: Vec<(PartKind, Vec<u8>)> = Vec::new();
    let mut rest = content;
    loop {
        let (taken, event) = reader.push(rest).map_err(|fault| words(&fault))?;
        rest = rest.get(taken..).unwrap_or_default();
        match event {
            Event::Data(part, bytes) => match parts.last_mut().filter(|(kind, _)| *kind == part.kind) {
                Some((_, all)) => all.extend_from_slice(bytes),
                None => parts.push((part.kind, bytes.to_vec())),
            },
            Event::End => break,
            Event::More if taken == 0 && rest.is_empty() => break,
            Event::More | Event::Manifest | Event::PartDone(_) => {}
        }
    }
    reader.finish().map_err(|fault| words(&fault))?;
    let verified = Header::parse(reader.area()).and_then(|header| header.verify(&keys));
    let verified = verified.map_err(|fault| words(&fault))?;
    Ok(Firmware {
        area: Bytes::copy_from_slice(reader.area()),
        parts: parts.into_iter().map(|(kind, bytes)| (kind, bytes.into())).collect(),
        facts: SlotFacts::from(&verified),
        version: verified.version(),
    })
}
