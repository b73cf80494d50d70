//! The empty filesystem for `data`.
//!
//! The appliance has no mke2fs, so it ships an empty ext4: in the `data` partition of a fresh disk,
//! and in the rootfs for a unit whose data partition will not mount. It is small and the unit grows
//! it online to the partition's size; what growth needs (block groups without a size limit, a
//! journal that a large filesystem can live with) is decided here.

use std::fs::{self, File};
use std::path::PathBuf;

use bytes::Bytes;
use evener_formats::Sparse;

use crate::digest::{Key, hex, own_code, sha256};
use crate::error::{RecipeError, file};
use crate::shop::{Shop, make_folder, remove_folder, write_whole};
use crate::tool::Tool;

/// Size of the filesystem before it is grown, in bytes.
pub(crate) const DATA_BYTES: u64 = 32 << 20;
/// The UUID and hash seed of every shipped filesystem; nothing identifies a disk by it.
const UUID: &str = "2f6c1d0e-6e5d-4b57-9c3c-d1a7a9a0e7e4";

/// The program and its package.
const MKE2FS: (&str, &str) = ("mke2fs", "e2fsprogs");
/// What mke2fs reads instead of the machine's `/etc/mke2fs.conf`.
const CONFIG: &str = include_str!("mke2fs.conf");

/// The options of mke2fs, each for a reason.
const OPTIONS: [&str; 14] = [
    "-t",
    "ext4",
    "-b",
    "4096",
    // A reserved table for 4 TiB would be 2 MiB of nothing; above 16 GiB the kernel uses meta_bg.
    "-E",
    concat!(
        "resize=4194304,",      // 16 GiB in 4 KiB blocks without moving anything
        "lazy_itable_init=0,",  // no background writing after the first mount
        "lazy_journal_init=0,", //
        "nodiscard,root_owner=0:0,hash_seed=2f6c1d0e-6e5d-4b57-9c3c-d1a7a9a0e7e4"
    ),
    // 8 MiB of journal: enough for a unit's few small writers at any size.
    "-J",
    "size=8",
    "-m",
    "1",
    "-L",
    "evener-data",
    "-U",
    UUID,
];

/// The filesystem, as a sparse file and in memory.
#[derive(Clone, Debug)]
pub(crate) struct Data {
    pub(crate) path: PathBuf,
    pub(crate) content: Sparse,
}

/// Makes the filesystem, or takes the one made before.
pub(crate) fn data(shop: &Shop<'_>) -> Result<Data, RecipeError> {
    let mke2fs = Tool::new(MKE2FS.0, MKE2FS.1).arg("-V").output()?;
    let key = Key::of_code("evener-data-1", &own_code()?).with("mke2fs", &mke2fs);
    let folder = shop.work.join("data");
    let path = folder.join(format!("{}.ext4", key.finish()));
    if !path.exists() {
        remove_folder(&folder)?;
        make_folder(folder)?;
        make(shop, &path)?;
    }
    let bytes = Bytes::from(file("reading", &path, fs::read(&path))?);
    let mut content = Sparse::new(bytes.len() as u64);
    content.put_nonzero(0, &bytes).map_err(|e| RecipeError::Manifest(e.to_string()))?;
    Ok(Data { path, content })
}

fn make(shop: &Shop<'_>, path: &std::path::Path) -> Result<(), RecipeError> {
    let log = shop.log("data")?;
    shop.reporter.say(&format!("data: making ext4; log {}", log.display()));
    let temporary = path.with_extension("new");
    let config = path.with_extension("conf");
    write_whole(&config, CONFIG.as_bytes())?;
    let empty = file("making", &temporary, File::create(&temporary))?;
    file("sizing", &temporary, empty.set_len(DATA_BYTES))?;
    Tool::new(MKE2FS.0, MKE2FS.1)
        .env("MKE2FS_CONFIG", config.as_os_str())
        .args(["-q", "-F"])
        .args(OPTIONS)
        .arg(temporary.as_os_str())
        // All times in the superblock and the inodes; 0 would mean "not set".
        .env("E2FSPROGS_FAKE_TIME", "1")
        .run(shop, "data: making ext4", &log)?;
    file("renaming", path, fs::rename(&temporary, path))
}

/// Digest of the filesystem's content, for keys.
pub(crate) fn digest(data: &Data) -> String {
    let parts = data.content.extents().iter().map(|e| hex(&sha256(&e.bytes)));
    parts.collect::<Vec<_>>().concat()
}
