//! The shipped image and disks that begin as it.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use evener_lab::{overlay, raw_copy};

pub(crate) fn out() -> PathBuf {
    // tests/appliance, two below the root.
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../out")
}

/// The disk image that the builder wrote.
///
/// # Errors
/// When it has not been built.
pub fn shipped_image() -> Result<PathBuf> {
    let image = out().join("evener-qemu.qcow2");
    ensure!(image.exists(), "{} is not there; `make image` builds it", image.display());
    image.canonicalize().context("the image's path")
}

/// The stick that the builder wrote.
///
/// # Errors
/// When it has not been built.
pub fn shipped_stick() -> Result<PathBuf> {
    let stick = out().join("evener-installer.raw");
    ensure!(stick.exists(), "{} is not there; `make image` builds it", stick.display());
    stick.canonicalize().context("the stick's path")
}

/// Where the serial line of the unit `name` is logged.
#[must_use]
pub fn log_path(name: &str) -> PathBuf {
    out().join("log/appliance").join(format!("{name}.log"))
}

/// Where `make prove` leaves the figures called `name`, until it has collected them.
#[must_use]
pub fn proof_path(name: &str) -> PathBuf {
    out().join("proof").join(format!("{name}.json"))
}

/// A disk in `folder` with the image's content; with `size_mib`, a larger one.
///
/// # Errors
/// When the image is missing, or qemu-img fails.
pub fn fresh_disk(folder: &Path, size_mib: Option<u32>) -> Result<PathBuf> {
    let disk = folder.join("disk.qcow2");
    overlay(&shipped_image()?, &disk, size_mib)?;
    Ok(disk)
}

/// A raw disk in `folder` with the image's bytes, to be damaged.
///
/// # Errors
/// When the image is missing, or qemu-img fails.
pub fn raw_disk(folder: &Path) -> Result<PathBuf> {
    let disk = folder.join("disk.raw");
    raw_copy(&shipped_image()?, &disk)?;
    Ok(disk)
}
