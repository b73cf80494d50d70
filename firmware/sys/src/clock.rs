//! Time as the kernel tells it.

use rustix::time::{ClockId, clock_gettime};
use std::time::Duration;

/// Time since the kernel started. It goes on while the machine sleeps, and never back.
#[must_use]
pub fn since_boot() -> Duration {
    let time = clock_gettime(ClockId::Boottime);
    // Neither part is ever negative for this clock.
    Duration::new(u64::try_from(time.tv_sec).unwrap_or(0), u32::try_from(time.tv_nsec).unwrap_or(0))
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
