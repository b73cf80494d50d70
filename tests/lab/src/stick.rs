//! A stick with an operator's files on it, put there as an operator's computer does.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use evener_disk::SECTOR;

use crate::disk::DiskFile;
use crate::tool;

/// Copies the raw image of an installer's stick to `folder`, with these files (name, content) on its own partition.
///
/// # Errors
/// When it is no stick, or cp or mtools fail.
pub fn stick_with(image: &Path, folder: &Path, files: &[(&str, &str)]) -> Result<PathBuf> {
    let stick = folder.join("stick.raw");
    let arguments = ["--sparse=always".as_ref(), image.as_os_str(), stick.as_os_str()];
    tool::run("cp", "coreutils", &arguments)?;
    let part = DiskFile::open(&stick)?.map()?.installer();
    let part = part.with_context(|| format!("{} is no installer's stick", image.display()))?;
    // The partition is a part of the image: mtools takes its offset behind the name.
    let volume = format!("{}@@{}", stick.display(), part.start.0 * SECTOR as u64);
    for (name, content) in files {
        let text = folder.join(name);
        std::fs::write(&text, content).with_context(|| format!("writing {}", text.display()))?;
        let place = format!("::{name}");
        let arguments = ["-o".as_ref(), "-i".as_ref(), volume.as_ref(), text.as_os_str(), place.as_ref()];
        tool::run("mcopy", "mtools", &arguments)?;
    }
    Ok(stick)
}
