//! Time as the kernel tells it.

use rustix::time::{ClockId, Timespec, clock_gettime, clock_settime};
use std::fs::OpenOptions;
use std::io;
use std::os::fd::AsRawFd;
use std::time::Duration;

/// The machine's own clock, which runs on while it is switched off.
const MACHINES_CLOCK: &str = "/dev/rtc0";
/// `RTC_SET_TIME` of `linux/rtc.h`: `_IOW('p', 0x0a, struct rtc_time)`.
const RTC_SET_TIME: libc::Ioctl = 0x4024_700a;

/// Time since the kernel started. It goes on while the machine sleeps, and never back.
#[must_use]
pub fn since_boot() -> Duration {
    let time = clock_gettime(ClockId::Boottime);
    // Neither part is ever negative for this clock.
    Duration::new(u64::try_from(time.tv_sec).unwrap_or(0), u32::try_from(time.tv_nsec).unwrap_or(0))
}

/// Sets the kernel's clock, and the machine's own where there is one, to seconds since 1970-01-01 UTC.
///
/// # Errors
/// When the kernel refuses; nothing was changed then. A machine whose own clock cannot be set has the right time until it
/// is switched off.
pub fn set(unix_s: u64) -> io::Result<()> {
    let tv_sec = i64::try_from(unix_s).map_err(|_| io::ErrorKind::InvalidInput)?;
    clock_settime(ClockId::Realtime, Timespec { tv_sec, tv_nsec: 0 })?;
    // Virtual machines may have none.
    let _ = set_machines_clock(tv_sec);
    Ok(())
}

fn set_machines_clock(unix_s: i64) -> io::Result<()> {
    // SAFETY: all zeros are a moment, and the call writes to this place alone.
    let mut parts: libc::tm = unsafe { std::mem::zeroed() };
    // SAFETY: both point to values that outlive the call.
    if unsafe { libc::gmtime_r(&raw const unix_s, &raw mut parts) }.is_null() {
        return Err(io::Error::last_os_error());
    }
    // `struct rtc_time` is the first nine fields of `struct tm`.
    let time: [libc::c_int; 9] = [
        parts.tm_sec,
        parts.tm_min,
        parts.tm_hour,
        parts.tm_mday,
        parts.tm_mon,
        parts.tm_year,
        parts.tm_wday,
        parts.tm_yday,
        0,
    ];
    let device = OpenOptions::new().read(true).open(MACHINES_CLOCK)?;
    // SAFETY: the descriptor is open, and the request reads the 36 bytes of `time`.
    let outcome = unsafe { libc::ioctl(device.as_raw_fd(), RTC_SET_TIME, time.as_ptr()) };
    if outcome == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

#[cfg(test)]
mod tests {
    #[test]
    fn goes_forward() {
        let before = super::since_boot();
        assert!(super::since_boot() >= before);
        assert!(!before.is_zero());
    }
}
