//! `data` grown and mounted, device nodes handed to their services, the medium read.
//!
//! All of this may fail, and then the unit goes on with what it has and says so: a load balancer that does not
//! start because of its log partition helps nobody.

use crate::disk::OwnDisk;
use crate::medium;
use crate::sysfs::Sysfs;
use anyhow::Context;
use evener_api::{SERVICES_GID, Service};
use evener_disk::Role;
use evener_observe::Dirs;
use evener_sys::disk::partition_path;
use evener_sys::mount::{MountFlags, mount};
use evener_sys::resize;
use std::fs;
use std::os::unix::fs::{PermissionsExt, chown, symlink};
use std::path::Path;

/// What became of the storage.
#[derive(Debug, Default)]
pub(crate) struct Storage {
    /// What the operator must see.
    pub(crate) warnings: Vec<String>,
}

/// Prepares everything that services find on disks. Blocking; runs beside the first services.
pub(crate) fn prepare(dirs: &Dirs, root: Option<&str>) -> Storage {
    let mut warnings = Vec::new();
    let mut warn = |message: String, error: &anyhow::Error| {
        tracing::warn!(error = format!("{error:#}"), "{message}");
        warnings.push(format!("{message} ({error:#})"));
    };
    let sysfs = Sysfs::new("/sys");
    let own =
        root.context("the command line names no root device").and_then(|root| OwnDisk::find(&sysfs, root));
    let mounted = match &own {
        Ok(own) => {
            if let Err(error) = hand_out_partitions(own, &dirs.run) {
                warn(
                    "Firmware slots or the second copy of the configuration cannot be reached.".into(),
                    &error,
                );
            }
            mount_data(own, &dirs.data)
        }
        Err(error) => Err(anyhow::anyhow!("{error:#}")),
    };
    if let Err(error) = mounted {
        warn("The data partition cannot be used: changes and logs are lost at the next restart. Save the configuration elsewhere and install the unit again.".into(), &error);
        if let Err(error) = mount_memory(&dirs.data) {
            warn("There is no place for data at all.".into(), &error);
        }
    }
    if let Err(error) = make_service_folders(&dirs.data) {
        warn("A service has no place for its data.".into(), &error);
    }
    let own_name = own.as_ref().ok().map(|own| own.name.as_str());
    if let Err(error) = medium::copy_first_configuration(&sysfs, own_name, &dirs.run) {
        warn("The first configuration was not taken from its medium.".into(), &error);
    }
    Storage { warnings }
}

fn mount_data(own: &OwnDisk, target: &Path) -> anyhow::Result<()> {
    let node = own.node(Role::Data).context("the disk has no data partition")?;
    // Growing is a convenience: what goes wrong with it must not cost the data.
    let grown = own.grow_data();
    let flags = MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC | MountFlags::NOATIME;
    mount(&node, target, "ext4", flags, Some(c"errors=remount-ro")).context("it cannot be mounted")?;
    match grown.and_then(|(bytes, told)| Ok((resize::grow_ext4(target, bytes)?, bytes, told))) {
        Ok((before, bytes, true)) => {
            tracing::info!(
                from_bytes = before,
                partition_bytes = bytes,
                "grew the data partition to the disk's end"
            );
        }
        Ok(_) => {}
        Err(error) => {
            tracing::warn!(error = format!("{error:#}"), "the data partition stays as small as it is")
        }
    }
    Ok(())
}

fn mount_memory(target: &Path) -> anyhow::Result<()> {
    let flags = MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC;
    Ok(mount(Path::new("data"), target, "tmpfs", flags, Some(c"mode=0755,size=25%"))?)
}

/// The service that a partition's device node belongs to.
fn owner(role: Role) -> Option<Service> {
    match role {
        Role::SlotTable | Role::Boot(_) | Role::Root(_) | Role::EspA | Role::EspB | Role::BiosBoot => {
            Some(Service::Update)
        }
        Role::Conf => Some(Service::Control),
        Role::Data => None,
    }
}

fn hand_out_partitions(own: &OwnDisk, run: &Path) -> anyhow::Result<()> {
    for role in own.partitions.keys().copied() {
        let (Some(service), Some(node)) = (owner(role), own.node(role)) else { continue };
        chown(&node, Some(service.uid()), Some(SERVICES_GID)).context("chown")?;
        fs::set_permissions(&node, fs::Permissions::from_mode(0o600)).context("chmod")?;
        let link = partition_path(run, role);
        if let Some(folder) = link.parent() {
            fs::create_dir_all(folder)?;
        }
        symlink(&node, &link).with_context(|| format!("cannot make {}", link.display()))?;
    }
    Ok(())
}

fn make_service_folders(data: &Path) -> anyhow::Result<()> {
    for service in Service::SUPERVISED {
        let folder = data.join(service.name());
        fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
        chown(&folder, Some(service.uid()), Some(SERVICES_GID))?;
        fs::set_permissions(&folder, fs::Permissions::from_mode(0o700))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::MetadataExt;

    #[test]
    fn every_service_gets_a_folder_that_only_it_can_enter() {
        let data = tempfile::tempdir().unwrap();
        make_service_folders(data.path()).unwrap();
        make_service_folders(data.path()).unwrap();
        for service in Service::SUPERVISED {
            let metadata = fs::metadata(data.path().join(service.name())).unwrap();
            assert_eq!((metadata.uid(), metadata.mode() & 0o777), (service.uid(), 0o700));
        }
    }

    #[test]
    fn slots_belong_to_update_alone_and_data_to_nobody() {
        for role in Role::ALL {
            let expected = match role {
                Role::Conf => Some(Service::Control),
                Role::Data => None,
                _ => Some(Service::Update),
            };
            assert_eq!(owner(role), expected, "{role}");
        }
    }
}
