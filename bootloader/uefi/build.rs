//! Embeds the keyset that this loader trusts, and makes the link reproducible.
//!
//! `EVENER_KEYSET` names the file; without it an empty set is embedded, and such a loader boots nothing and
//! says so (E03). A file that is not a keyset fails the build here and not a unit at its first boot.

use std::error::Error;
use std::path::PathBuf;
use std::{env, fs};

use evener_manifest::Keyset;

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-env-changed=EVENER_KEYSET");
    let target = PathBuf::from(env::var("OUT_DIR")?).join("keyset.bin");
    let bytes = match env::var("EVENER_KEYSET") {
        Ok(path) => {
            println!("cargo::rerun-if-changed={path}");
            let bytes = fs::read(&path).map_err(|error| format!("EVENER_KEYSET={path}: {error}"))?;
            Keyset::parse(&bytes).map_err(|error| format!("EVENER_KEYSET={path}: {error}"))?;
            bytes
        }
        Err(_) => Vec::new(),
    };
    fs::write(target, bytes)?;
    if env::var("CARGO_CFG_TARGET_OS")? == "uefi" {
        // Equal sources give an equal file: the linker's defaults put the time of the build into it.
        println!("cargo::rustc-link-arg-bins=/Brepro");
        println!("cargo::rustc-link-arg-bins=/DEBUG:NONE");
    }
    Ok(())
}
