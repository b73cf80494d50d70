//! Embeds the keyset that a loader trusts. The build scripts of both loaders take this very file.
//!
//! `EVENER_KEYSET` names the set; without it an empty one is embedded, and such a loader boots nothing and
//! says so (E03). A file that is not a keyset fails the build here and not a unit at its first boot.

use std::error::Error;
use std::path::Path;
use std::{env, fs};

use evener_manifest::Keyset;

/// Writes the set to `keyset.bin` in the folder `out`.
pub(crate) fn embed(out: &Path) -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-env-changed=EVENER_KEYSET");
    let bytes = match env::var("EVENER_KEYSET") {
        Ok(path) => {
            println!("cargo::rerun-if-changed={path}");
            let bytes = fs::read(&path).map_err(|error| format!("EVENER_KEYSET={path}: {error}"))?;
            Keyset::parse(&bytes).map_err(|error| format!("EVENER_KEYSET={path}: {error}"))?;
            bytes
        }
        Err(_) => Vec::new(),
    };
    fs::write(out.join("keyset.bin"), bytes)?;
    Ok(())
}
