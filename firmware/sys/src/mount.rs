//! File systems come and go.

pub use rustix::mount::MountFlags;
use rustix::mount::UnmountFlags;
use std::ffi::CStr;
use std::io;
use std::path::Path;

/// Mounts `source` (a device, or any word for a file system without one) on the directory `target`.
///
/// # Errors
/// The kernel's reason.
pub fn mount(
    source: &Path,
    target: &Path,
    kind: &str,
    flags: MountFlags,
    data: Option<&CStr>,
) -> io::Result<()> {
    Ok(rustix::mount::mount(source, target, kind, flags, data)?)
}

/// Unmounts what is mounted on `target`. While somebody uses it, this fails.
///
/// # Errors
/// The kernel's reason.
pub fn unmount(target: &Path) -> io::Result<()> {
    Ok(rustix::mount::unmount(target, UnmountFlags::NOFOLLOW)?)
}

/// Makes what is mounted on `target` read-only, so that it is whole on the disk although it cannot be unmounted.
///
/// # Errors
/// The kernel's reason, such as a file that is open for writing.
pub fn make_read_only(target: &Path) -> io::Result<()> {
    Ok(rustix::mount::mount_remount(target, MountFlags::RDONLY, c"")?)
}
