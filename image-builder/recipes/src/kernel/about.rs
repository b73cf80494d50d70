//! What a kernel of ours is, for the bill of materials.

use std::fs;

use evener_supply::{Component, Kind};

use super::{Ingredients, Kernel, read_lock};
use crate::digest::{hex, sha256};
use crate::error::{RecipeError, file};
use crate::shop::Shop;

/// Name, source, patches and configuration of `kernel`.
///
/// # Errors
/// [`RecipeError`] when the tree's lock file or fragments cannot be read.
pub(crate) fn about(shop: &Shop<'_>, kernel: &Kernel) -> Result<Component, RecipeError> {
    let ingredients = Ingredients::read(&shop.workspace)?;
    let pinned = read_lock(&shop.workspace)?;
    let entry = kernel.image.parent().and_then(|entry| entry.file_name());
    // Built from another source, its digest is not the one that the lock file has.
    let locked = entry.is_some_and(|name| *name == *ingredients.key(&pinned.sha256));
    let config = file("reading", &kernel.config, fs::read(&kernel.config))?;
    let digest = |bytes: &[u8]| hex(&sha256(bytes));
    let mut properties = vec![("evener:config-sha256".to_owned(), digest(&config))];
    let patch = |(name, _, content): &(String, _, Vec<u8>)| (format!("evener:patch:{name}"), digest(content));
    properties.extend(ingredients.patches.iter().map(patch));
    Ok(Component {
        kind: Kind::OperatingSystem,
        name: "linux".into(),
        version: kernel.version.clone(),
        licence: "GPL-2.0-only WITH Linux-syscall-note".into(),
        sha256: locked.then_some(pinned.sha256),
        purl: format!("pkg:generic/linux@{}", kernel.version),
        source: "https://git.kernel.org/pub/scm/linux/kernel/git/stable/linux.git".into(),
        properties,
    })
}
