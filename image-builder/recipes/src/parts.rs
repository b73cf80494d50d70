//! What a firmware is made of, before anything is said about it: kernel, loaders, root filesystem.
//!
//! The shipped firmware is one choice of ingredients; tests make others from the same tree, with another userland or
//! other files, and sign them with another [`Statement`](crate::Statement).

use std::fs;
use std::path::Path;

use bytes::Bytes;
use evener_disk::Slot;
use evener_formats::Sparse;
use evener_manifest::{PartKind, Version};

use crate::error::{RecipeError, file};
use crate::firmware::Policy;
use crate::rootfs::{self, Rootfs};
use crate::shop::Shop;
use crate::{cargo, data, kernel};

/// What the parts are made from.
#[derive(Clone, Copy, Debug)]
pub struct Ingredients<'a> {
    /// The package whose program of the same name is the userland; the shipped one is `evener`.
    pub userland: &'a str,
    /// The keyset that loaders and firmware will carry.
    pub keyset: &'a [u8],
    /// More files in the root filesystem: path below the root, content. All may read them.
    pub files: &'a [(&'a str, &'a [u8])],
    /// How the root filesystem is packed.
    pub packing: Packing,
    /// A kernel source tarball instead of the cached or Debian's.
    pub kernel_source: Option<&'a Path>,
}

/// How hard the packer tries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Packing {
    /// As small as it gets: what is shipped.
    Small,
    /// As quickly as it gets.
    Quick,
}

/// Everything that a firmware and a disk with it consist of.
#[derive(Clone, Debug)]
pub struct Parts {
    /// The bzImage.
    pub kernel: Bytes,
    /// Version of Linux, for example `6.12.117`.
    pub kernel_version: String,
    /// `BOOTX64.EFI`.
    pub loader_uefi: Bytes,
    /// The BIOS loader's file, sealed.
    pub loader_bios: Bytes,
    /// Root filesystem with its hash tree.
    pub root: Rootfs,
    /// The empty filesystem for `data`.
    pub data: Sparse,
}

impl Parts {
    /// The parts in the order of the manifest.
    pub(crate) fn listed(&self) -> Vec<(PartKind, Bytes)> {
        vec![
            (PartKind::Kernel, self.kernel.clone()),
            (PartKind::Rootfs, self.root.bytes.clone()),
            (PartKind::LoaderUefi, self.loader_uefi.clone()),
            (PartKind::LoaderBios, self.loader_bios.clone()),
        ]
    }
}

/// Makes the parts, or takes those made before from the same ingredients.
///
/// # Errors
/// [`RecipeError`] of the step that failed, or [`RecipeError::TooLarge`].
pub fn parts(shop: &Shop<'_>, from: &Ingredients<'_>) -> Result<Parts, RecipeError> {
    let kernel = kernel::kernel(shop, from.kernel_source)?;
    let keyset = cargo::keyset_file(shop, from.keyset)?;
    let loader_uefi = cargo::loader_uefi(shop, &keyset)?;
    let loader_bios = cargo::loader_bios(shop, &keyset)?;
    let binary = cargo::userland(shop, from.userland)?;
    let data = data::data(shop)?;
    let root = rootfs::rootfs(shop, &binary, from, &data)?;

    let read = |path: &Path| file("reading", path, fs::read(path)).map(Bytes::from);
    let parts = Parts {
        kernel: read(&kernel.image)?,
        kernel_version: kernel.version,
        loader_uefi: read(&loader_uefi)?,
        loader_bios: seal(&loader_bios, Policy::read(&shop.workspace)?.version)?,
        root,
        data: data.content,
    };
    for (kind, bytes) in parts.listed() {
        room(kind, &bytes)?;
    }
    Ok(parts)
}

/// The BIOS loader's file with its header filled in.
fn seal(path: &Path, version: Version) -> Result<Bytes, RecipeError> {
    let mut bytes = file("reading", path, fs::read(path))?;
    evener_stage2::seal(&mut bytes, version)
        .map_err(|fault| RecipeError::Malformed { path: path.to_owned(), reason: fault.to_string() })?;
    Ok(bytes.into())
}

/// Whether a slot has room for a part.
fn room(kind: PartKind, bytes: &Bytes) -> Result<(), RecipeError> {
    let place = kind.place(Slot::A);
    let room = place.room(place.role.sectors().unwrap_or(0));
    let size = bytes.len() as u64;
    if size <= room { Ok(()) } else { Err(RecipeError::TooLarge { what: kind.to_string(), size, room }) }
}
