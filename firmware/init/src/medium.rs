//! The medium with the first configuration: any FAT or ISO 9660 volume labelled `EVENER-CFG`.
//!
//! It is only copied from, never written to, and unmounted at once. What the file says is control's business.
//!
//! A unit that was installed from a stick has the same file in `data`, where the installer put it. It counts as a medium,
//! and goes before all others; once there is a configuration it is removed, because it may hold a password.

use crate::label;
use crate::sysfs::{BlockDevice, Sysfs};
use anyhow::Context;
use evener_api::{SERVICES_GID, Service};
use evener_sys::disk::FileBlocks;
use evener_sys::mount::{MountFlags, mount, unmount};
use evener_sys::open_regular;
use std::fs::{self, OpenOptions, Permissions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt, fchown};
use std::path::Path;

/// Volume label of the medium.
const LABEL: &str = "EVENER-CFG";
/// The file on it, in any case of letters.
const FILE: &str = "evener.toml";
/// Largest file that is taken, in bytes.
const MAX_BYTES: u64 = 1 << 20;

/// Copies the first configuration to `<run>/evener.toml`, if the installer left one in `data` or there is a medium with
/// one. `own_disk` is not looked at otherwise.
pub(crate) fn copy_first_configuration(
    sysfs: &Sysfs,
    own_disk: Option<&str>,
    data: &Path,
    run: &Path,
) -> anyhow::Result<bool> {
    if data.join(FILE).exists() {
        copy_from(data, run).context("cannot take what the installer left")?;
        tracing::info!("took the first configuration that the installer left");
        return Ok(true);
    }
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

/// Removes what the installer left, when the unit has a configuration.
pub(crate) fn forget_installed(data: &Path) {
    match fs::remove_file(data.join(FILE)) {
        Ok(()) => tracing::info!("removed the first configuration that the installer left: it is in force"),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => {
            tracing::warn!(%error, "the first configuration that the installer left cannot be removed")
        }
    }
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
    open_regular(&entry.path())?.take(MAX_BYTES + 1).read_to_end(&mut text)?;
    anyhow::ensure!(text.len() as u64 <= MAX_BYTES, "the file is larger than 1 MiB");
    // Services may write to this directory, too: nothing that is there already is opened, and control, which may not
    // have waited for us, finds the whole file or none.
    let new = run.join("evener.toml.new");
    match fs::remove_file(&new) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error.into()),
        _ => {}
    }
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o400).open(&new)?;
    file.write_all(&text)?;
    // It holds a password: control reads it, and nobody else.
    fchown(&file, Some(Service::Control.uid()), Some(SERVICES_GID))?;
    file.set_permissions(Permissions::from_mode(0o400))?;
    Ok(fs::rename(&new, run.join(FILE))?)
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
        fs::File::create(medium.path().join(FILE)).unwrap().set_len(MAX_BYTES + 1).unwrap();
        assert!(copy_from(medium.path(), run.path()).is_err());
        assert!(!run.path().join(FILE).exists());
    }

    #[test]
    fn a_link_that_a_service_planted_is_replaced_and_not_followed() {
        let (medium, run) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        fs::write(medium.path().join(FILE), "hostname = \"lb\"\n").unwrap();
        let other = run.path().join("other");
        fs::write(&other, "").unwrap();
        for planted in [FILE, "evener.toml.new"] {
            std::os::unix::fs::symlink(&other, run.path().join(planted)).unwrap();
        }
        copy_from(medium.path(), run.path()).unwrap();
        assert_eq!(fs::read_to_string(&other).unwrap(), "");
        assert!(fs::symlink_metadata(run.path().join(FILE)).unwrap().is_file());
    }

    #[test]
    fn a_link_on_the_medium_is_not_followed() {
        let (medium, run) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        std::os::unix::fs::symlink("/proc/cmdline", medium.path().join(FILE)).unwrap();
        assert!(copy_from(medium.path(), run.path()).is_err());
    }

    #[test]
    fn what_the_installer_left_goes_before_any_medium_and_is_removed_once_it_is_in_force() {
        let (data, run) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let sysfs = Sysfs::new(run.path().join("no-devices"));
        assert!(copy_first_configuration(&sysfs, None, data.path(), run.path()).is_err(), "no media at all");
        fs::write(data.path().join(FILE), "hostname = \"lb\"\n").unwrap();
        assert!(copy_first_configuration(&sysfs, None, data.path(), run.path()).unwrap());
        assert_eq!(fs::read_to_string(run.path().join(FILE)).unwrap(), "hostname = \"lb\"\n");
        assert!(data.path().join(FILE).exists(), "until it is in force, each boot needs it");
        forget_installed(data.path());
        forget_installed(data.path());
        assert!(!data.path().join(FILE).exists());
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
