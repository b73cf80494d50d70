//! The shipped firmware under another version: the same kernel, the same programs, signed anew.
//!
//! For updates whose outcome has to say something about what ships. [`TestFirmware`](crate::TestFirmware) makes firmwares
//! that differ in what they do.

use std::path::PathBuf;

use anyhow::{Context, Result, anyhow};
use evener_formats::bundle::manifest_area;
use evener_keys::KeyFolder;
use evener_manifest::{Header, SIGNATURE_BYTES, Version, join};

use crate::image::out;

/// Where a manifest has its version and its floor (`update/manifest/src/layout.rs`).
const AT_VERSION: usize = 32;
const AT_FLOOR: usize = 40;

/// The file that an operator would upload: `out/evener-VERSION.evfw`.
#[must_use]
pub fn shipped_bundle() -> PathBuf {
    out().join(concat!("evener-", env!("CARGO_PKG_VERSION"), ".evfw"))
}

/// Its bytes, as `version` with this floor, signed with the development key.
///
/// # Errors
/// When it has not been built, is not what the builder writes, or the text is no version.
pub fn reissued(version: &str, floor: &str) -> Result<Vec<u8>> {
    let path = shipped_bundle();
    let mut file = std::fs::read(&path)
        .with_context(|| format!("reading {}; `make image` builds it", path.display()))?;
    let range = manifest_area(&file).map_err(|error| anyhow!("{}: {error}", path.display()))?;
    let area = &file[range.clone()];
    let whole = Header::parse(area).map_err(|error| anyhow!("{}: {error}", path.display()))?.bytes();
    let mut manifest = area[..whole - SIGNATURE_BYTES].to_vec();
    for (at, text) in [(AT_VERSION, version), (AT_FLOOR, floor)] {
        let number: Version = text.parse().map_err(|error| anyhow!("{text:?} is no version: {error}"))?;
        number.write(&mut manifest, at);
    }
    let (key, _) = KeyFolder::of_the_user().context("no home directory ($HOME)")?.development()?;
    let signed = join(&manifest, &key.sign(&manifest));
    file[range][..signed.len()].copy_from_slice(&signed);
    Ok(file)
}
