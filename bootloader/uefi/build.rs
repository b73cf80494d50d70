//! Embeds the keyset that this loader trusts, and makes the link reproducible.

use std::env;
use std::error::Error;
use std::path::Path;

mod keyset;

fn main() -> Result<(), Box<dyn Error>> {
    keyset::embed(Path::new(&env::var("OUT_DIR")?))?;
    if env::var("CARGO_CFG_TARGET_OS")? == "uefi" {
        // Equal sources give an equal file: the linker's defaults put the time of the build into it.
        println!("cargo::rustc-link-arg-bins=/Brepro");
        println!("cargo::rustc-link-arg-bins=/DEBUG:NONE");
    }
    Ok(())
}
