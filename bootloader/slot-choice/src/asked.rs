//! What a person at the console may ask of a loader, told from what a line carries by itself.
//!
//! A serial port is not only a person: console servers print greetings, terminals answer queries, a wrong speed makes
//! any byte of any other. A unit that left its service for such a byte would be worse than one without keys. So a key
//! counts when it came [`IN_A_ROW`] times with nothing between: a person holds it down, and nothing else does that. The
//! reset of all settings must be typed out besides, and ends at the first wrong letter; none of it makes a boot slower
//! that nobody asked anything of.

/// Times that a key must come in a row.
pub const IN_A_ROW: u8 = 3;
/// Bytes after which a line that still made no sense is not listened to any more in this boot.
const MOST_NOISE: u16 = 4096;

const CTRL_F: u8 = 0x06;
const CTRL_R: u8 = 0x12;

/// What a person at the console asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asked {
    /// The rescue firmware, this once.
    Rescue,
    /// All settings erased, by the firmware that is started.
    FactoryReset,
}

impl Asked {
    /// What is said when it was understood.
    #[must_use]
    pub const fn what(self) -> &'static str {
        match self {
            Self::Rescue => "rescue asked for at the console",
            Self::FactoryReset => "factory reset asked for at the console",
        }
    }
}

/// Listens to the keys of a console.
#[derive(Clone, Debug, Default)]
pub struct Listener {
    last: Option<Asked>,
    row: u8,
    heard: u16,
}

impl Listener {
    /// One more character; what it completes, if anything.
    pub fn hear(&mut self, character: u8) -> Option<Asked> {
        if self.is_deaf() {
            return None;
        }
        self.heard = self.heard.saturating_add(1);
        let meant = match character {
            CTRL_R => Some(Asked::Rescue),
            CTRL_F => Some(Asked::FactoryReset),
            _ => None,
        };
        self.row = if meant.is_some() && meant == self.last { self.row.saturating_add(1) } else { 1 };
        self.last = meant;
        meant.filter(|_| self.row >= IN_A_ROW)
    }

    /// Whether so much was heard that nothing will be understood any more.
    #[must_use]
    pub const fn is_deaf(&self) -> bool {
        self.heard >= MOST_NOISE
    }
}

/// How a confirmation stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Typed {
    /// Nothing was decided yet.
    More,
    /// `yes` and Enter.
    Yes,
    /// Anything else.
    No,
}

/// Listens for `yes` and Enter.
#[derive(Clone, Debug, Default)]
pub struct Confirmation {
    letters: usize,
}

impl Confirmation {
    /// One more character. The key that led here may still be held down when nothing else was typed.
    pub fn hear(&mut self, character: u8) -> Typed {
        const WORD: &[u8] = b"yes";
        match (WORD.get(self.letters), character.to_ascii_lowercase()) {
            (Some(_), CTRL_F) if self.letters == 0 => Typed::More,
            (Some(letter), typed) if typed == *letter => {
                self.letters = self.letters.saturating_add(1);
                Typed::More
            }
            (None, b'\r' | b'\n') => Typed::Yes,
            _ => Typed::No,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hear(bytes: &[u8]) -> Option<Asked> {
        let mut listener = Listener::default();
        bytes.iter().find_map(|byte| listener.hear(*byte))
    }

    fn confirm(bytes: &[u8]) -> Typed {
        let mut confirmation = Confirmation::default();
        bytes
            .iter()
            .map(|byte| confirmation.hear(*byte))
            .find(|typed| *typed != Typed::More)
            .unwrap_or(Typed::More)
    }

    #[test]
    fn a_key_that_is_held_is_understood() {
        assert_eq!(hear(b"\x12\x12\x12"), Some(Asked::Rescue));
        assert_eq!(hear(b"login: \x12\x12\x12"), Some(Asked::Rescue));
        assert_eq!(hear(b"\x06\x06\x06"), Some(Asked::FactoryReset));
        assert_eq!(hear(b"\x06\x06\x12\x12\x12"), Some(Asked::Rescue));
    }

    #[test]
    fn what_a_line_carries_by_itself_is_not() {
        let greeting =
            b"\r\n\r\nWelcome to port 7. Type the hot key to suspend the connection: <CTRL>Z\r\nlogin: \x12";
        assert_eq!(hear(greeting), None);
        assert_eq!(hear(b"\x12\x12"), None);
        assert_eq!(hear(b"\x12 \x12 \x12\r\x12\x06\x12\x06"), None);
        assert_eq!(hear(b"\r\r\r\r"), None);
    }

    /// As many random bytes as a loader can hear in a second, for each of many boots: a wrong line speed.
    #[test]
    fn noise_asks_for_nothing() {
        let mut random = 3_u64;
        let mut misheard = 0;
        for _ in 0..1000 {
            let mut listener = Listener::default();
            for _ in 0..11_520 {
                random =
                    random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                misheard += u32::from(listener.hear(random.to_be_bytes()[0]).is_some());
            }
            assert!(listener.is_deaf());
        }
        assert_eq!(misheard, 0);
    }

    #[test]
    fn a_reset_is_typed_out() {
        assert_eq!(confirm(b"yes\r"), Typed::Yes);
        assert_eq!(confirm(b"\x06\x06\x06YES\n"), Typed::Yes);
        for no in [&b"no\r"[..], b"\r", b"y\r", b"yess", b"ye\x06s\r", b"yes \r", b"x", b"\x12"] {
            assert_eq!(confirm(no), Typed::No, "{no:?}");
        }
        for more in [&b""[..], b"yes", b"\x06"] {
            assert_eq!(confirm(more), Typed::More, "{more:?}");
        }
    }
}
