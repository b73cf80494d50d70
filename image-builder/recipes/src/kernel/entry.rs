//! One kernel in the cache: a directory with the kernel, its digest, and how it was made.
//!
//! The cache outlives builds, source trees and crashes of the machine, and what is in it gets signed.
//! A kernel is therefore taken from it only if its bytes are those that were compiled. The digest lies
//! beside them: it finds damage, not somebody who may write the cache, and who could change the
//! compiler as well.

use std::fs;
use std::path::Path;

use super::Kernel;
use crate::digest::{hex, sha256};
use crate::error::{RecipeError, file};
use crate::shop::{Shop, make_folder, remove_folder, sync};

/// Whether the entry is there and holds what was compiled; says so if it is there and does not.
pub(super) fn is_whole(shop: &Shop<'_>, entry: &Path) -> Result<bool, RecipeError> {
    let image = entry.join("bzImage");
    if !image.exists() {
        return Ok(false);
    }
    let found = hex(&sha256(&file("reading", &image, fs::read(&image))?));
    if fs::read_to_string(entry.join("bzImage.sha256")).is_ok_and(|compiled| compiled == found) {
        return Ok(true);
    }
    shop.reporter.say(&format!("kernel: {} is damaged; not used", image.display()));
    Ok(false)
}

/// The kernel of a whole entry.
pub(super) fn built(entry: &Path) -> Result<Kernel, RecipeError> {
    let version = entry.join("version");
    let version = file("reading", &version, fs::read_to_string(&version))?;
    Ok(Kernel {
        image: entry.join("bzImage"),
        config: entry.join("config"),
        version: version.trim().to_owned(),
    })
}

/// Moves what a build in `tree` made to `entry`, durable before it appears there.
pub(super) fn store(tree: &Path, entry: &Path, log: &Path) -> Result<(), RecipeError> {
    let temporary = entry.with_extension("new");
    remove_folder(&temporary)?;
    make_folder(temporary.clone())?;
    let image = tree.join("arch/x86/boot/bzImage");
    let digest = tree.join(".bzImage.sha256");
    let bytes = file("reading", &image, fs::read(&image))?;
    file("writing", &digest, fs::write(&digest, hex(&sha256(&bytes))))?;
    let products = [
        (image, "bzImage"),
        (digest, "bzImage.sha256"),
        (tree.join(".config"), "config"),
        (tree.join(".version-text"), "version"),
        (log.to_owned(), "build.log"),
    ];
    for (from, name) in products {
        let to = temporary.join(name);
        file("copying", &from, fs::copy(&from, &to))?;
        sync(&to)?;
    }
    sync(&temporary)?;
    remove_folder(entry)?;
    file("renaming", entry, fs::rename(&temporary, entry))?;
    remove_folder(tree)?;
    file("removing", log, fs::remove_file(log))
}
