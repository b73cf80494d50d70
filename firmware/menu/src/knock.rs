//! Whether a person is there: Enter, and silence before and after it.
//!
//! At a place where nobody is logged in nothing is shown and nothing is echoed, whatever arrives: two machines that answer
//! each other's prompts would never end. Only Enter by itself begins a session. Noise has bytes around its line ends, a
//! person has not.

use core::time::Duration;

/// How long nothing may come before Enter, and after it.
pub const QUIET: Duration = Duration::from_millis(200);

/// Listens for Enter.
#[derive(Clone, Copy, Debug, Default)]
pub struct Knock {
    /// When the last byte came.
    last: Option<Duration>,
    /// When Enter came that nothing has followed yet.
    enter: Option<Duration>,
}

impl Knock {
    /// These bytes came.
    pub fn bytes(&mut self, bytes: &[u8], now: Duration) {
        if bytes.is_empty() {
            return;
        }
        let is_enter = matches!(bytes, b"\r" | b"\n" | b"\r\n" | b"\r\0");
        let was_quiet = self.last.is_none_or(|last| now.saturating_sub(last) >= QUIET);
        // The line feed of a terminal that sends both, a moment later.
        let is_second_half = self.enter.is_some() && bytes == b"\n";
        if !is_second_half {
            self.enter = (is_enter && was_quiet).then_some(now);
        }
        self.last = Some(now);
    }

    /// When to ask [`opens`](Self::opens) again, if nothing comes.
    #[must_use]
    pub fn due(&self) -> Option<Duration> {
        self.enter.map(|at| at + QUIET)
    }

    /// Whether somebody has knocked; once.
    pub fn opens(&mut self, now: Duration) -> bool {
        self.enter.take_if(|at| now.saturating_sub(*at) >= QUIET).is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    fn knocks(bytes: &[(u64, &[u8])]) -> bool {
        let mut knock = Knock::default();
        for (at, bytes) in bytes {
            if knock.opens(ms(*at)) {
                return true;
            }
            knock.bytes(bytes, ms(*at));
        }
        knock.due().is_some_and(|at| knock.opens(at))
    }

    #[test]
    fn enter_by_itself_opens_however_a_terminal_sends_it() {
        assert!(knocks(&[(0, b"\r")]));
        assert!(knocks(&[(0, b"\n")]));
        assert!(knocks(&[(0, b"\r\n")]));
        assert!(knocks(&[(0, b"\r"), (1, b"\n")]));
        assert!(knocks(&[(0, b"x"), (300, b"\r")]));
        assert!(knocks(&[(0, b"\r"), (50, b"x"), (400, b"\r")]), "whoever was too quick tries again");
    }

    #[test]
    fn what_has_bytes_around_it_is_no_person() {
        assert!(!knocks(&[(0, b"")]));
        assert!(!knocks(&[(0, b"x")]));
        assert!(!knocks(&[(0, b"\r\nlogin: ")]));
        assert!(!knocks(&[(0, b"x"), (100, b"\r")]));
        assert!(!knocks(&[(0, b"\r"), (100, b"l")]));
        assert!(!knocks(&[(0, b"\r"), (100, b"\r")]), "a key that is held down");
    }

    #[test]
    fn a_line_that_is_never_silent_never_opens() {
        let mut knock = Knock::default();
        for ten in 0..10_000 {
            assert!(!knock.opens(ms(ten * 10)));
            knock.bytes(b"\r", ms(ten * 10));
        }
    }
}
