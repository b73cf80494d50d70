//! The medium with the first configuration: any FAT or ISO 9660 volume labelled `EVENER-CFG`.
//!
//! It is only copied from, never written to, and unmounted at once. What the file says is control's business.

use crate::label;
use crate::sysfs::{BlockDevice, Sysfs};
use anyhow::Context;
use evener_api::{SERVICES_GID, Service};
use evener_sys::disk::FileBlocks;
use evener_sys::mount::{MountFlags, mount, unmount};
use std::fs::{self, File, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::fs::{OpenOptionsExt, chown};
use std::path::Path;

/// Volume label of the medium.
const LABEL: &str = "EVENER-CFG";
/// The file on it, in any case of letters.
const FILE: &str = "evener.toml";
/// Largest file that is taken, in bytes.
const MAX_BYTES: u64 = 1 << 20;

/// Copies the first configuration to `<run>/evener.toml`, if there is a medium with one. `own_disk` is not
/// looked at.
pub(crate) fn copy_first_configuration(
    sysfs: &Sysfs,
    own_disk: Option<&str>,
    run: &Path,
) -> anyhow::Result<bool> {
    for device in sysfs.all()? {
        if own_disk.is_some_and(|own| is_part_of(&device, own, sysfs)) {
            continue;
        }
        let path = Path::new("/dev").join(&device.name);
        // A drive without a medium does not open.
        let Ok(mut blocks) = FileBlocks::open(&path, false) else { continue };
        let Some(kind) = label::find(&mut blocks, LABEL) else { continue };
        drop(blocks);
        let point = run.join("medium");
        fs::create_dir_all(&point)?;
        let flags = MountFlags::RDONLY | MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC;
        mount(&path, &point, kind.name(), flags, None)
            .with_context(|| format!("{} is labelled {LABEL} and cannot be mounted", path.display()))?;
        let copied = copy_from(&point, run);
        unmount(&point).context("the medium cannot be unmounted")?;
        copied.with_context(|| format!("cannot take {FILE} from {}", path.display()))?;
        tracing::info!(device = device.name, "took the first configuration from the medium");
        return Ok(true);
    }
    Ok(false)
}

fn is_part_of(device: &BlockDevice, disk: &str, sysfs: &Sysfs) -> bool {
    device.name == disk
        || device.name.starts_with("dm-")
        || (device.number > 0 && sysfs.disk_of(&device.name).as_deref() == Some(disk))
}

fn copy_from(folder: &Path, run: &Path) -> anyhow::Result<()> {
    let entry = fs::read_dir(folder)?.flatten().find(|entry| entry.file_name().eq_ignore_ascii_case(FILE));
    let entry = entry.with_context(|| format!("there is no file {FILE}"))?;
    let mut text = Vec::new();
    File::open(entry.path())?.take(MAX_BYTES + 1).read_to_end(&mut text)?;
    anyhow::ensure!(text.len() as u64 <= MAX_BYTES, "the file is larger than 1 MiB");
    let target = run.join(FILE);
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o640).open(&target)?;
    file.write_all(&text)?;
    // It holds a password: control reads it, and nobody else.
    chown(&target, Some(Service::Control.uid()), Some(SERVICES_GID))?;
    fs::set_permissions(&target, std::os::unix::fs::PermissionsExt::from_mode(0o400))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_is_found_in_any_case_and_copied_for_control_alone() {
        let (medium, run) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        fs::write(medium.path().join("EVENER.TOML"), "hostname = \"lb\"\n").unwrap();
        copy_from(medium.path(), run.path()).unwrap();
        let copy = run.path().join("evener.toml");
        assert_eq!(fs::read_to_string(&copy).unwrap(), "hostname = \"lb\"\n");
        let metadata = fs::metadata(&copy).unwrap();
        assert_eq!(std::os::unix::fs::MetadataExt::uid(&metadata), Service::Control.uid());
        assert_eq!(std::os::unix::fs::MetadataExt::mode(&metadata) & 0o777, 0o400);
    }

    #[test]
    fn a_file_over_one_mebibyte_is_not_taken() {
        let (medium, run) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        File::create(medium.path().join(FILE)).unwrap().set_len(MAX_BYTES + 1).unwrap();
        assert!(copy_from(medium.path(), run.path()).is_err());
        assert!(!run.path().join(FILE).exists());
    }

    #[test]
    fn the_own_disk_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let sysfs = crate::sysfs::tests::tree(folder.path());
        let strangers: Vec<String> = sysfs
            .all()
            .unwrap()
            .into_iter()
            .filter(|device| !is_part_of(device, "vda", &sysfs))
            .map(|device| device.name)
            .collect();
        assert_eq!(strangers.len(), 13);
        assert!(strangers.iter().all(|name| name.starts_with("sdb")), "{strangers:?}");
    }
}
