//! The medium that brings a unit its first configuration, made as an operator makes it.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::tool;

/// Size of the medium in KiB: a small FAT12 volume, as on a floppy or an old stick.
const SIZE_KIB: &str = "1440";

/// Writes a FAT image labelled `EVENER-CFG` that holds `evener.toml` to `folder`.
///
/// # Errors
/// When the file cannot be written, or mkfs.vfat or mtools fail.
pub fn config_medium(folder: &Path, toml: &str) -> Result<PathBuf> {
    let image = folder.join("evener-cfg.img");
    let text = folder.join("evener.toml");
    std::fs::write(&text, toml).with_context(|| format!("writing {}", text.display()))?;
    match std::fs::remove_file(&image) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error.into()),
        _ => {}
    }
    let arguments =
        ["-C".as_ref(), "-n".as_ref(), "EVENER-CFG".as_ref(), image.as_os_str(), SIZE_KIB.as_ref()];
    tool::run("mkfs.vfat", "dosfstools", &arguments)?;
    // `-i` names the image; "::" is its root directory.
    let arguments = ["-i".as_ref(), image.as_os_str(), text.as_os_str(), "::evener.toml".as_ref()];
    tool::run("mcopy", "mtools", &arguments)?;
    Ok(image)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_medium_holds_the_file_under_its_long_name_and_is_labelled() {
        let folder = tempfile::tempdir().unwrap();
        let image = config_medium(folder.path(), "hostname = \"x\"\n").unwrap();
        let again = config_medium(folder.path(), "hostname = \"unit-1\"\n").unwrap();
        assert_eq!(image, again);
        let bytes = std::fs::read(&image).unwrap();
        assert_eq!(&bytes[0x2b..0x36], b"EVENER-CFG ");
        let list = tool::run("mdir", "mtools", &["-b".as_ref(), "-i".as_ref(), image.as_os_str()]).unwrap();
        assert!(String::from_utf8(list).unwrap().contains("evener.toml"));
        assert!(bytes.windows(8).any(|bytes| bytes == b"\"unit-1\""));
    }
}
