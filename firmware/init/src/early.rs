//! The first moments of PID 1: kernel file systems, run directory, kernel settings.

use anyhow::Context;
use evener_api::{SERVICES_GID, Service};
use evener_sys::mount::{MountFlags, mount};
use std::fs;
use std::io;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::Path;

/// Kernel settings that differ from the kernel's own defaults: in `/proc/sys`.
const SETTINGS: [(&str, &str); 7] = [
    ("fs/protected_hardlinks", "1"),
    ("fs/protected_symlinks", "1"),
    ("fs/protected_fifos", "2"),
    ("fs/protected_regular", "2"),
    ("kernel/kptr_restrict", "2"),
    ("kernel/printk", "4 4 1 7"),
    // A new backlog of connections is as long as the services ask for.
    ("net/core/somaxconn", "65535"),
];

/// Mounts what every service takes for granted and makes the run directory.
///
/// # Errors
/// Without these the unit cannot run.
pub(crate) fn prepare(run: &Path) -> anyhow::Result<()> {
    let strict = MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC;
    let place = |kind: &str, target: &str, flags, data| {
        match mount(Path::new(kind), Path::new(target), kind, flags, data) {
            // The kernel mounts devtmpfs by itself.
            Err(error) if error.kind() == io::ErrorKind::ResourceBusy => Ok(()),
            outcome => outcome.with_context(|| format!("cannot mount {kind} on {target}")),
        }
    };
    place("proc", "/proc", strict, None)?;
    place("sysfs", "/sys", strict, None)?;
    place("devtmpfs", "/dev", MountFlags::NOSUID | MountFlags::NOEXEC, Some(c"mode=0755"))?;
    place("tmpfs", "/run", strict, Some(c"mode=0755,size=64m"))?;
    place("tmpfs", "/tmp", strict, Some(c"mode=1777,size=64m"))?;
    fs::create_dir_all(run).context("cannot make the run directory")?;
    chown(run, Some(0), Some(SERVICES_GID))?;
    // Every service makes its socket here, and the sticky bit keeps them from removing each other's.
    fs::set_permissions(run, fs::Permissions::from_mode(0o1770))?;
    // net keeps its leases over its own restarts, where nobody else can put one.
    let leases = run.join(Service::Net.name());
    fs::create_dir(&leases).context("cannot make net's part of the run directory")?;
    chown(&leases, Some(Service::Net.uid()), Some(SERVICES_GID))?;
    fs::set_permissions(&leases, fs::Permissions::from_mode(0o700))?;
    for (name, value) in SETTINGS {
        if let Err(error) = fs::write(Path::new("/proc/sys").join(name), value) {
            tracing::warn!(name, %error, "kernel setting refused");
        }
    }
    // net changes the network only where this says that the network is the unit's own.
    fs::write(run.join(evener_api::net::OWN_NETWORK), "").context("cannot write to the run directory")?;
    Ok(())
}
