//! The whole build, in order, and the files that come out.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::slice;

use bytes::Bytes;
use evener_board::{Board, DiskFormat};
use evener_formats::{Format, Sparse, WriteAt, bundle};
use evener_layout::Disk;
use evener_manifest::PartKind;

use crate::digest::{Key, own_code};
use crate::disk_file::{Whole, machine, write_disk_file};
use crate::error::RecipeError;
use crate::firmware::{Firmware, Policy, Statement, TEMPLATE_CONSOLES, command_line_template, sign};
use crate::offline::{Signer, write_unsigned};
use crate::parts::{Ingredients, Packing, parts};
use crate::shop::{Shop, lock, make_folder, write_whole};
use crate::{kernel, supply, toolchain};

/// What to build.
#[derive(Debug)]
pub struct Order<'a> {
    /// For which boards. The firmware is one for all; each has disks of its own.
    pub boards: &'a [Board],
    /// Where the files go.
    pub out: &'a Path,
    /// Who signs. What is signed elsewhere is written as a bundle without disks.
    pub signer: Signer<'a>,
    /// The keyset that loader and firmware will carry.
    pub keyset: &'a [u8],
    /// Marks the firmware as a release.
    pub release: bool,
    /// A kernel source tarball instead of the cached or Debian's.
    pub kernel_source: Option<&'a Path>,
}

/// What was built.
#[derive(Clone, Debug)]
pub struct Images {
    /// The firmware bundle.
    pub bundle: PathBuf,
    /// The disk images.
    pub disks: Vec<PathBuf>,
    /// The stick that installs the firmware, if one of the boards is installed so.
    pub stick: Vec<PathBuf>,
    /// Bill of materials and licence list; none for a firmware that was built elsewhere.
    pub documents: Vec<PathBuf>,
    /// Sizes of the parts in bytes, by name.
    pub sizes: Vec<(&'static str, u64)>,
}

/// Builds firmware and disk images.
///
/// # Errors
/// [`RecipeError`] of the step that failed.
pub fn build(shop: &Shop<'_>, order: &Order<'_>) -> Result<Images, RecipeError> {
    let _guard = lock(shop, &shop.work_folder("")?.join("lock"), "build")?;

    check_consoles(order.boards)?;
    let tools = toolchain::here()?;
    toolchain::check(shop, &tools)?;
    let policy = Policy::read(&shop.workspace)?;
    let parts = parts(
        shop,
        &Ingredients {
            userland: "evener",
            keyset: order.keyset,
            files: &[],
            packing: Packing::Small,
            kernel_source: order.kernel_source,
        },
    )?;
    let statement = Statement {
        policy,
        template: command_line_template(&parts.root.verity),
        notes: format!("Evener {}, Linux {}", policy.version, parts.kernel_version),
        toolchain: Some(toolchain::stated(&tools)),
        release: order.release,
    };
    let kernel = kernel::kernel(shop, order.kernel_source)?;
    let documents =
        supply::write(shop, &make_folder(order.out.to_owned())?, statement.policy.version, &kernel, &tools)?;
    let key = match order.signer {
        Signer::Here(key) => key,
        Signer::Elsewhere(key) => {
            let images = write_unsigned(shop, order.out, &statement, &parts, &key, order.keyset)?;
            return Ok(Images { documents, ..images });
        }
    };
    let firmware = sign(&statement, &parts, key, order.keyset)?;
    shop.reporter.say(&format!(
        "manifest: Evener {}, {}…, signed with {} key {}",
        firmware.version,
        crate::hex(&firmware.facts.digest[..8]),
        if key.public().development { "development" } else { "production" },
        key.public().id(),
    ));
    let content = DiskContent { firmware: &firmware, data: parts.data };
    let images = write_images(shop, order.boards, order.out, &content)?;
    Ok(Images { documents, ..images })
}

/// The command line is signed and the same for all boards, so a board cannot ask for a console that
/// is not in it.
pub(crate) fn check_consoles(boards: &[Board]) -> Result<(), RecipeError> {
    for board in boards {
        if let Some(console) = board.consoles.iter().find(|c| !TEMPLATE_CONSOLES.contains(&c.as_str())) {
            return Err(RecipeError::Malformed {
                path: format!("board-support/boards/{}.toml", board.name).into(),
                reason: format!(
                    "consoles: {console} is not on the signed command line ({TEMPLATE_CONSOLES:?})"
                ),
            });
        }
    }
    Ok(())
}

/// Writes bundle and disks into `out`, unless they are there as they were last written.
pub(crate) fn write_images(
    shop: &Shop<'_>,
    boards: &[Board],
    out: &Path,
    content: &DiskContent<'_>,
) -> Result<Images, RecipeError> {
    let firmware = content.firmware;
    let out = make_folder(out.to_owned())?;
    let code = own_code()?;
    let bundle = out.join(format!("evener-{}.evfw", firmware.version));
    let bundle_key = Key::of_code("evener-bundle-1", &code).with("area", &firmware.area).finish();
    let mut wrote = unless_there(shop, "bundle", &bundle_key, slice::from_ref(&bundle), || {
        write_bundle(&bundle, firmware)
    })?;
    let (mut disks, mut stick) = (Vec::new(), Vec::new());
    for board in boards {
        let path = |format: &DiskFormat| out.join(format!("evener-{}.{format}", board.name));
        let files: Vec<PathBuf> = board.disk.formats.iter().map(path).collect();
        wrote |=
            unless_there(shop, &format!("disk-{}", board.name), &key(&code, board, content), &files, || {
                let disk = lay_out(board, content)?;
                board
                    .disk
                    .formats
                    .iter()
                    .try_for_each(|format| write_format(&path(format), *format, board, &disk))
            })?;
        disks.extend(files);
    }
    if boards.iter().any(|board| board.disk.installer) {
        let files =
            crate::stick::FORMATS.map(|format| out.join(format!("evener-installer.{}", format.extension())));
        wrote |= unless_there(shop, "installer", &crate::stick::key(&code, firmware), &files, || {
            let disk = crate::stick::lay_out(firmware)?;
            let named = files.iter().zip(crate::stick::FORMATS);
            named.into_iter().try_for_each(|(path, format)| crate::stick::write(path, format, &disk))
        })?;
        stick.extend(files);
    }
    if !wrote {
        shop.reporter.say("images: unchanged");
    }
    Ok(Images { bundle, disks, stick, documents: Vec::new(), sizes: sizes(&firmware.parts) })
}

/// Has `write` make `files`, unless they are there as it last made them from what `key` stands for. Whether it had to.
fn unless_there(
    shop: &Shop<'_>,
    name: &str,
    key: &str,
    files: &[PathBuf],
    write: impl FnOnce() -> Result<(), RecipeError>,
) -> Result<bool, RecipeError> {
    let stamp = shop.work_folder("stamp")?.join(name);
    if fs::read_to_string(&stamp).is_ok_and(|before| before == state(key, files)) {
        return Ok(false);
    }
    let names: Vec<_> = files.iter().filter_map(|path| path.file_name()?.to_str()).collect();
    shop.reporter.say(&format!("images: writing {}", names.join(", ")));
    write()?;
    write_whole(&stamp, state(key, files).as_bytes())?;
    Ok(true)
}

/// Writes the firmware as the file that units install; whole or not at all.
///
/// # Errors
/// [`RecipeError::Manifest`] or [`RecipeError::File`].
pub fn write_bundle(path: &Path, firmware: &Firmware) -> Result<(), RecipeError> {
    let bytes = bundle::encode(&firmware.area, &firmware.parts);
    write_sparse(path, &bytes.map_err(|e| RecipeError::Manifest(e.to_string()))?)
}

/// What is on a fresh disk.
#[derive(Clone, Debug)]
pub struct DiskContent<'a> {
    /// What slots A and R hold; it brings the loaders.
    pub firmware: &'a Firmware,
    /// The empty filesystem for `data`.
    pub data: Sparse,
}

/// Writes a disk of `board`; whole or not at all.
///
/// # Errors
/// [`RecipeError`] of laying out or writing.
pub fn write_disk(
    path: &Path,
    format: DiskFormat,
    board: &Board,
    content: &DiskContent<'_>,
) -> Result<(), RecipeError> {
    write_format(path, format, board, &lay_out(board, content)?)
}

fn lay_out(board: &Board, content: &DiskContent<'_>) -> Result<Sparse, RecipeError> {
    let disk = Disk {
        sectors: board.disk.sectors(),
        firmware: in_a_slot(content.firmware),
        data: content.data.clone(),
    };
    Ok(disk.build()?)
}

/// The firmware as it lies in a slot.
pub(crate) fn in_a_slot(firmware: &Firmware) -> evener_layout::Firmware {
    evener_layout::Firmware {
        area: firmware.area.clone(),
        kernel: firmware.part(PartKind::Kernel),
        rootfs: firmware.part(PartKind::Rootfs),
        loader_uefi: firmware.part(PartKind::LoaderUefi),
        loader_bios: firmware.part(PartKind::LoaderBios),
        facts: firmware.facts,
    }
}

fn write_format(path: &Path, format: DiskFormat, board: &Board, disk: &Sparse) -> Result<(), RecipeError> {
    let format = match format {
        DiskFormat::Raw => Format::Raw,
        DiskFormat::Qcow2 => Format::Qcow2,
        DiskFormat::Vhd => Format::Vhd,
        DiskFormat::Vhdx => Format::Vhdx,
        DiskFormat::Vmdk => Format::Vmdk,
        DiskFormat::Ova => Format::Ova,
        DiskFormat::RawZst => Format::RawZst,
    };
    write_disk_file(path, format, &machine(board), disk)
}

/// What the files are a function of: the firmware, the disk's size, and all our code that lays them out.
pub(crate) fn key(code: &str, board: &Board, content: &DiskContent<'_>) -> String {
    Key::of_code("evener-images-1", code)
        .with("area", &content.firmware.area)
        .with("disk", &board.disk.size_mib.to_le_bytes())
        .with("machine", format!("{:?}", machine(board)).as_bytes())
        .finish()
}

/// Sizes of parts in bytes, by name.
pub(crate) fn sizes(parts: &[(PartKind, Bytes)]) -> Vec<(&'static str, u64)> {
    parts.iter().map(|(kind, bytes)| (name_of(*kind), bytes.len() as u64)).collect()
}

fn name_of(kind: PartKind) -> &'static str {
    match kind {
        PartKind::Kernel => "kernel",
        PartKind::Rootfs => "rootfs",
        PartKind::LoaderUefi => "loader-uefi",
        PartKind::LoaderBios => "loader-bios",
    }
}

/// The key and what is on the disk now. A file that somebody booted from, and so changed, is
/// written again.
fn state(key: &str, files: &[PathBuf]) -> String {
    let mut state = key.to_owned();
    for path in files {
        let about = fs::metadata(path).map(|m| (m.len(), m.ino(), m.mtime(), m.mtime_nsec()));
        state.push_str(&format!("\n{} {:?}", path.display(), about.ok()));
    }
    state
}

/// Writes the content of an image and leaves holes where there is none; whole or not at all.
pub(crate) fn write_sparse(path: &Path, image: &Sparse) -> Result<(), RecipeError> {
    let mut target = Whole::new(path)?;
    target.set_length(image.length()).map_err(|error| target.error("sizing", error))?;
    for extent in image.extents() {
        target.write_at(extent.at, &extent.bytes).map_err(|error| target.error("writing", error))?;
    }
    target.finish()
}
