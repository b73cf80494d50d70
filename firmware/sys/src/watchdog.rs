//! Watchdog devices (`Documentation/watchdog/watchdog-api.rst` in the kernel's source).

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::fd::AsRawFd;
use std::path::Path;

/// `_IOWR('W', 6, int)`.
const WDIOC_SETTIMEOUT: libc::Ioctl = 0xc004_5706;

/// A watchdog that restarts the machine unless it is fed.
#[derive(Debug)]
pub struct Watchdog {
    device: File,
}

impl Watchdog {
    /// Opens the device, which starts it, and asks for this time-out in seconds. Returns the time-out that the
    /// device really has, or `None` when it cannot be set and stays what it was.
    ///
    /// # Errors
    /// When there is no such device or somebody else has it.
    pub fn open(path: &Path, timeout_s: u16) -> io::Result<(Self, Option<u16>)> {
        let device = OpenOptions::new().write(true).open(path)?;
        let mut seconds = libc::c_int::from(timeout_s);
        // SAFETY: this request reads and writes one int, which outlives the call.
        let answer = unsafe { libc::ioctl(device.as_raw_fd(), WDIOC_SETTIMEOUT, &raw mut seconds) };
        let real = if answer == 0 { u16::try_from(seconds).ok() } else { None };
        Ok((Self { device }, real))
    }

    /// Lets it wait for its whole time-out again.
    ///
    /// # Errors
    /// The driver's reason.
    pub fn feed(&mut self) -> io::Result<()> {
        // Any byte but `V`.
        self.device.write_all(b"\0")
    }

    /// Stops it, where the driver can, so that a machine that was switched off is not started again.
    ///
    /// # Errors
    /// The driver's reason.
    pub fn stop(mut self) -> io::Result<()> {
        self.device.write_all(b"V")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_without_a_settable_time_out_is_fed_and_stopped_all_the_same() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let (mut watchdog, timeout) = Watchdog::open(file.path(), 30).unwrap();
        assert_eq!(timeout, None);
        watchdog.feed().unwrap();
        watchdog.stop().unwrap();
        assert_eq!(std::fs::read(file.path()).unwrap(), b"\0V");
    }
}
