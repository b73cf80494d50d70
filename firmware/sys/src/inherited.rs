//! Descriptors that a process is born with.

use rustix::io::{FdFlags, fcntl_getfd, fcntl_setfd};
use std::io;
use std::os::fd::{BorrowedFd, FromRawFd, OwnedFd};
use std::sync::atomic::{AtomicBool, Ordering};

static TAKEN: AtomicBool = AtomicBool::new(false);

/// Takes the descriptor whose number is in the environment variable `name`; `None` when there is no such
/// variable. It is made non-blocking and close-on-exec.
///
/// # Errors
/// When the value is not the number of an open descriptor above 2, or when one was taken before.
pub fn inherited_descriptor(name: &str) -> io::Result<Option<OwnedFd>> {
    let Some(value) = std::env::var_os(name) else { return Ok(None) };
    let number: i32 = value
        .to_str()
        .and_then(|text| text.parse().ok())
        .filter(|number| *number > 2)
        .ok_or_else(|| io::Error::other(format!("{name} does not hold the number of a descriptor")))?;
    if TAKEN.swap(true, Ordering::AcqRel) {
        return Err(io::Error::other("the inherited descriptor was taken before"));
    }
    // SAFETY: only looked at, to see whether the number is open at all; a closed one gives EBADF.
    let flags = fcntl_getfd(unsafe { BorrowedFd::borrow_raw(number) })?;
    // SAFETY: it is open (above), our parent made it for us alone, and TAKEN lets nobody take it twice.
    let descriptor = unsafe { OwnedFd::from_raw_fd(number) };
    fcntl_setfd(&descriptor, flags | FdFlags::CLOEXEC)?;
    rustix::io::ioctl_fionbio(&descriptor, true)?;
    Ok(Some(descriptor))
}
