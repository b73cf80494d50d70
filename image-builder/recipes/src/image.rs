//! The whole build, in order, and the files that come out.

use std::fs::{self, File};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};

use bytes::Bytes;
use evener_board::{Board, DiskFormat};
use evener_disk::Role;
use evener_disk::Slot;
use evener_formats::{Sparse, bundle, qcow2};
use evener_keys::SigningKey;
use evener_layout::Disk;
use evener_manifest::{KERNEL_AT, PartKind};

use crate::digest::{Key, own_code};
use crate::error::{RecipeError, file};
use crate::firmware::{Firmware, Policy, TEMPLATE_CONSOLES, sign};
use crate::shop::{Shop, lock, make_folder, write_whole};
use crate::{cargo, data, kernel, rootfs};

/// What to build.
#[derive(Debug)]
pub struct Order<'a> {
    /// For which board.
    pub board: &'a Board,
    /// Where the files go.
    pub out: &'a Path,
    /// The key that signs.
    pub key: &'a SigningKey,
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
    /// Sizes of the parts in bytes, by name.
    pub sizes: Vec<(&'static str, u64)>,
}

/// Builds firmware and disk images.
///
/// # Errors
/// [`RecipeError`] of the step that failed.
pub fn build(shop: &Shop<'_>, order: &Order<'_>) -> Result<Images, RecipeError> {
    let _guard = lock(shop, &shop.work_folder("")?.join("lock"), "build")?;

    check_consoles(order.board)?;
    let policy = Policy::read(&shop.workspace)?;
    let kernel = kernel::kernel(shop, order.kernel_source)?;
    let keyset = cargo::keyset_file(shop, order.keyset)?;
    let loader = cargo::loader(shop, &keyset)?;
    let binary = cargo::userland(shop)?;
    let data = data::data(shop)?;
    let root = rootfs::rootfs(shop, &binary, order.keyset, &data)?;

    let read = |path: &Path| file("reading", path, fs::read(path)).map(Bytes::from);
    let kernel_bytes = read(&kernel.image)?;
    room("the kernel", &kernel_bytes, Role::Boot(Slot::A), KERNEL_AT)?;
    room("the root filesystem", &root.bytes, Role::Root(Slot::A), 0)?;
    let parts = vec![
        (PartKind::Kernel, kernel_bytes),
        (PartKind::Rootfs, root.bytes),
        (PartKind::LoaderUefi, read(&loader)?),
    ];
    let notes = format!("Evener {}, Linux {}", policy.version, kernel.version);
    let firmware = sign(&policy, parts, root.verity, notes, order.key, order.keyset, order.release)?;
    shop.reporter.say(&format!(
        "manifest: Evener {}, {}…, signed with {} key {}",
        firmware.version,
        crate::hex(&firmware.facts.digest[..8]),
        if order.key.public().development { "development" } else { "production" },
        order.key.public().id(),
    ));
    write_images(shop, order.board, order.out, &firmware, data.content)
}

/// The command line is signed and the same for all boards, so a board cannot ask for a console that
/// is not in it.
fn check_consoles(board: &Board) -> Result<(), RecipeError> {
    let missing = board.consoles.iter().find(|c| !TEMPLATE_CONSOLES.contains(&c.as_str()));
    missing.map_or(Ok(()), |console| {
        Err(RecipeError::Malformed {
            path: format!("board-support/boards/{}.toml", board.name).into(),
            reason: format!("consoles: {console} is not on the signed command line ({TEMPLATE_CONSOLES:?})"),
        })
    })
}

fn room(what: &'static str, bytes: &Bytes, role: Role, reserved: u64) -> Result<(), RecipeError> {
    let room = role.sectors().unwrap_or(0).saturating_mul(512).saturating_sub(reserved);
    let size = bytes.len() as u64;
    if size <= room { Ok(()) } else { Err(RecipeError::TooLarge { what, size, room }) }
}

/// Writes bundle and disks into `out`, unless they are there as they were last written.
pub(crate) fn write_images(
    shop: &Shop<'_>,
    board: &Board,
    out: &Path,
    firmware: &Firmware,
    data: Sparse,
) -> Result<Images, RecipeError> {
    let out = make_folder(out.to_owned())?;
    let bundle_path = out.join(format!("evener-{}.evfw", firmware.version));
    let disk_path = |format: &DiskFormat| out.join(format!("evener-{}.{format}", board.name));
    let disks: Vec<PathBuf> = board.disk.formats.iter().map(disk_path).collect();
    let sizes = firmware.parts.iter().map(|(kind, bytes)| (name_of(*kind), bytes.len() as u64)).collect();
    let images = Images { bundle: bundle_path, disks, sizes };

    let key = key(&own_code()?, board, firmware);
    let stamp = shop.work_folder("stamp")?.join(&board.name);
    if fs::read_to_string(&stamp).is_ok_and(|before| before == state(&key, &images)) {
        shop.reporter.say("images: unchanged");
        return Ok(images);
    }
    shop.reporter.say("images: writing");
    let file_of = bundle::encode(&firmware.area, &firmware.parts);
    let file_of = file_of.map_err(|e| RecipeError::Manifest(e.to_string()))?;
    write_sparse(&images.bundle, &file_of)?;
    let disk = Disk {
        sectors: board.disk.sectors(),
        loader_uefi: firmware.part(PartKind::LoaderUefi),
        firmware: evener_layout::Firmware {
            area: firmware.area.clone(),
            kernel: firmware.part(PartKind::Kernel),
            rootfs: firmware.part(PartKind::Rootfs),
            facts: firmware.facts,
        },
        data,
    }
    .build()?;
    for format in &board.disk.formats {
        let path = disk_path(format);
        match format {
            DiskFormat::Raw => write_sparse(&path, &disk)?,
            DiskFormat::Qcow2 => {
                let qcow2 = qcow2::encode(&disk).map_err(|e| RecipeError::Manifest(e.to_string()))?;
                write_sparse(&path, &qcow2)?;
            }
        }
    }
    write_whole(&stamp, state(&key, &images).as_bytes())?;
    Ok(images)
}

/// What the files are a function of: the firmware, the disk's size, and all our code that lays them out.
pub(crate) fn key(code: &str, board: &Board, firmware: &Firmware) -> String {
    Key::of_code("evener-images-1", code)
        .with("area", &firmware.area)
        .with("disk", &board.disk.size_mib.to_le_bytes())
        .finish()
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
fn state(key: &str, images: &Images) -> String {
    let mut state = key.to_owned();
    for path in images.disks.iter().chain([&images.bundle]) {
        let about = fs::metadata(path).map(|m| (m.len(), m.ino(), m.mtime(), m.mtime_nsec()));
        state.push_str(&format!("\n{} {:?}", path.display(), about.ok()));
    }
    state
}

/// Writes the content of an image and leaves holes where there is none; whole or not at all.
fn write_sparse(path: &Path, image: &Sparse) -> Result<(), RecipeError> {
    let mut temporary = path.as_os_str().to_owned();
    temporary.push(".new");
    let temporary = PathBuf::from(temporary);
    let target = file("making", &temporary, File::create(&temporary))?;
    file("sizing", &temporary, target.set_len(image.length()))?;
    for extent in image.extents() {
        file("writing", &temporary, target.write_all_at(&extent.bytes, extent.at))?;
    }
    file("renaming", path, fs::rename(&temporary, path))
}
