//! `data` grown and mounted, device nodes handed to their services, the medium read.
//!
//! All of this may fail, and then the unit goes on with what it has and says so: a load balancer that does not
//! start because of its log partition helps nobody.

use crate::data::{self, DataPartition};
use crate::disk::OwnDisk;
use crate::medium;
use crate::sysfs::Sysfs;
use anyhow::Context;
use evener_api::{SERVICES_GID, Service};
use evener_disk::Role;
use evener_observe::Dirs;
use evener_store::{Copies, order_reset, reset_is_ordered};
use evener_sys::disk::{FileBlocks, partition_path};
use evener_sys::mount::{MountFlags, mount};
use evener_sys::resize;
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, symlink};
use std::path::Path;

/// Changes of the configuration are not lost, as long as `conf` takes them.
const DATA_IS_LOST: &str = "The data partition cannot be used: the configuration has only its second copy, and all \
     else is lost at the next restart. Save the configuration elsewhere and install the unit again.";

/// What could not be erased stays, and so does the order.
const RESET_FAILED: &str = "The factory reset could not be carried out in full, and is tried again at each start. \
     Replace the disk before you give the unit away.";

/// What became of the storage.
#[derive(Debug, Default)]
pub(crate) struct Storage {
    /// What the operator must see.
    pub(crate) warnings: Vec<String>,
    /// The kernel's name of the disk that the unit runs from.
    pub(crate) own_disk: Option<String>,
    /// Whether the unit has a configuration, so that a first one is not wanted.
    pub(crate) has_configuration: bool,
}

fn warning(message: &str, error: &anyhow::Error) -> String {
    tracing::warn!(error = format!("{error:#}"), "{message}");
    format!("{message} ({error:#})")
}

/// Prepares everything that services find on the own disk. Blocking; runs beside net.
pub(crate) fn prepare(dirs: &Dirs, root: Option<&str>, reset: bool) -> Storage {
    let mut warnings = Vec::new();
    let mut warn = |message: &str, error: &anyhow::Error| warnings.push(warning(message, error));
    let sysfs = Sysfs::new("/sys");
    let own =
        root.context("the command line names no root device").and_then(|root| OwnDisk::find(&sysfs, root));
    let mounted = match &own {
        Ok(own) => {
            if let Err(error) = hand_out_partitions(own, &dirs.run) {
                warn("Firmware slots or the second copy of the configuration cannot be reached.", &error);
            }
            mount_data(own, &dirs.data, reset)
        }
        Err(error) => Err(anyhow::anyhow!("{error:#}")),
    };
    let mounted = mounted.unwrap_or_else(|error| {
        warn(DATA_IS_LOST, &error);
        if let Err(error) = mount_memory(&dirs.data) {
            warn("There is no place for data at all.", &error);
        }
        None
    });
    if let Err(error) = make_service_folders(&dirs.data) {
        warn("A service has no place for its data.", &error);
    }
    warnings.extend(mounted);
    let has_configuration =
        has_configuration(&dirs.data) || own.as_ref().is_ok_and(|own| has_second_copy(own).unwrap_or(false));
    if has_configuration {
        medium::forget_installed(&dirs.data);
    }
    Storage { warnings, own_disk: own.ok().map(|own| own.name), has_configuration }
}

/// Whether control will find a configuration in the second copy.
fn has_second_copy(own: &OwnDisk) -> Option<bool> {
    let conf = FileBlocks::open(&own.node(Role::Conf)?, false).ok()?;
    Some(Copies::open(conf).ok()?.1.is_some())
}

/// Whether control has made a generation here. One that cannot be read counts: control knows what to do then.
fn has_configuration(data: &Path) -> bool {
    let generations = fs::read_dir(data.join(Service::Control.name()).join("generations"));
    generations.is_ok_and(|mut files| files.next().is_some())
}

/// Takes the first configuration from its medium. Blocking, for as long as some drive does not answer; returns what
/// the operator must see.
pub(crate) fn read_medium(dirs: &Dirs, own_disk: Option<&str>) -> Option<String> {
    let taken = medium::copy_first_configuration(&Sysfs::new("/sys"), own_disk, &dirs.data, &dirs.run);
    taken.err().map(|error| warning("The first configuration was not taken from its medium.", &error))
}

/// Brings the data partition up, erased where a reset was ordered; gives what the operator must see.
fn mount_data(own: &OwnDisk, target: &Path, reset: bool) -> anyhow::Result<Option<String>> {
    let node = own.node(Role::Data).context("the disk has no data partition")?;
    // Growing is a convenience: what goes wrong with it must not cost the data.
    let grown = own.grow_data();
    let mut place = DataPartition { node, target: target.to_owned() };
    let warning = match obey_order(own, &mut place, reset) {
        Some(Ok(())) => None,
        Some(Err(error)) if is_mounted(target) => Some(warning(RESET_FAILED, &error)),
        Some(Err(error)) => return Err(error),
        None => data::bring_up(&mut place)?,
    };
    grow_file_system(target, grown);
    Ok(warning)
}

/// Resets the unit if that was ordered, by a person at the console just now or by the mark on `conf`.
fn obey_order(own: &OwnDisk, place: &mut DataPartition, reset: bool) -> Option<anyhow::Result<()>> {
    let conf = own.node(Role::Conf).map(|node| FileBlocks::open(&node, true));
    let mut conf = conf.and_then(|opened| {
        opened.inspect_err(|error| tracing::warn!(%error, "the conf partition cannot be opened")).ok()
    });
    if reset && let Some(conf) = &mut conf {
        // Without the mark the reset is carried out all the same, only not after a power cut.
        let _ = order_reset(conf).inspect_err(|error| tracing::warn!("{error}"));
    }
    let ordered = reset || conf.as_mut().is_some_and(|conf| reset_is_ordered(conf).unwrap_or(false));
    ordered.then(|| {
        data::bring_up_erased(place, conf.as_mut())?;
        tracing::info!("factory reset: all settings are erased, the firmware is as it was");
        Ok(())
    })
}

/// Whether something is mounted there.
fn is_mounted(target: &Path) -> bool {
    let device = |path: &Path| fs::metadata(path).map(|metadata| metadata.dev()).ok();
    target.parent().is_some_and(|parent| device(parent) != device(target))
}

fn grow_file_system(target: &Path, grown: anyhow::Result<(u64, bool)>) {
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

/// Each partition by itself: one that cannot be handed out takes no other with it.
fn hand_out_partitions(own: &OwnDisk, run: &Path) -> anyhow::Result<()> {
    let owned = own.partitions.keys().filter_map(|role| Some((*role, owner(*role)?, own.node(*role)?)));
    let failed: Vec<String> = owned
        .filter_map(|(role, service, node)| {
            let error = hand_out(&node, service, &partition_path(run, role)).err()?;
            Some(format!("{role}: {error:#}"))
        })
        .collect();
    anyhow::ensure!(failed.is_empty(), "{}", failed.join("; "));
    Ok(())
}

/// Gives a device to a service, and a link that leads to it.
///
/// # Errors
/// When one of them is not possible.
pub(crate) fn hand_out(node: &Path, service: Service, link: &Path) -> anyhow::Result<()> {
    chown(node, Some(service.uid()), Some(SERVICES_GID)).context("chown")?;
    fs::set_permissions(node, fs::Permissions::from_mode(0o600)).context("chmod")?;
    if let Some(folder) = link.parent() {
        fs::create_dir_all(folder)?;
    }
    symlink(node, link).with_context(|| format!("cannot make {}", link.display()))
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
    use crate::sysfs::BlockDevice;

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
    fn a_partition_that_cannot_be_handed_out_takes_no_other_with_it() {
        let run = tempfile::tempdir().unwrap();
        let (gone, whole) = (run.path().join("sda1"), run.path().join("sda2"));
        fs::write(&whole, "").unwrap();
        let device = |node: &Path| BlockDevice {
            name: node.display().to_string(),
            partition_name: None,
            number: 1,
            sectors: 8,
        };
        let partitions = [(Role::SlotTable, device(&gone)), (Role::Conf, device(&whole))].into();
        let own = OwnDisk { name: "sda".into(), partitions };
        let error = hand_out_partitions(&own, run.path()).unwrap_err().to_string();
        assert!(error.starts_with(&format!("{}: ", Role::SlotTable)), "{error}");
        assert_eq!(fs::read_link(partition_path(run.path(), Role::Conf)).unwrap(), whole);
    }

    #[test]
    fn a_unit_has_a_configuration_once_control_made_a_generation() {
        let data = tempfile::tempdir().unwrap();
        assert!(!has_configuration(data.path()));
        let generations = data.path().join("control/generations");
        fs::create_dir_all(&generations).unwrap();
        assert!(!has_configuration(data.path()));
        fs::write(generations.join("1"), "").unwrap();
        assert!(has_configuration(data.path()));
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
