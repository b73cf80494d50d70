//! The end of a run: restart or power off.

use rustix::system::{RebootCommand, reboot};
use std::io;

/// How a run ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Finish {
    /// The machine starts again.
    Restart,
    /// The machine switches itself off.
    PowerOff,
}

/// Writes every dirty page to its disk.
pub fn sync() {
    rustix::fs::sync();
}

/// Ends the run at once; what was not synchronised is lost. Only PID 1 of the unit calls this. It returns only
/// when the kernel refuses.
#[must_use]
pub fn finish(how: Finish) -> io::Error {
    let command = match how {
        Finish::Restart => RebootCommand::Restart,
        Finish::PowerOff => RebootCommand::PowerOff,
    };
    match reboot(command) {
        Ok(()) => io::Error::other("the kernel did not end the run"),
        Err(errno) => errno.into(),
    }
}

/// Has the kernel send SIGINT to PID 1 for Ctrl-Alt-Del, instead of restarting on the spot.
///
/// # Errors
/// Without the right to restart the machine.
pub fn catch_ctrl_alt_del() -> io::Result<()> {
    Ok(reboot(RebootCommand::CadOff)?)
}
