//! One line that somebody types: its editing, its echo, its bound.

use crate::text::erased;

/// Most bytes of escape sequences that are swallowed; what is longer is none.
const LONGEST_ESCAPE: u8 = 16;

/// What a byte meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Key {
    /// Part of the line, or of nothing.
    Nothing,
    /// The line is complete.
    Enter(Vec<u8>),
    /// Ctrl-C, or Ctrl-D on an empty line.
    Cancel,
    /// Ctrl-L.
    Redraw,
}

/// How a line is shown while it is typed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Echo {
    /// As it is; only printable ASCII is taken.
    Plain,
    /// Not at all; any text is taken.
    Hidden,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Escape {
    #[default]
    None,
    Begun,
    Control(u8),
}

/// The line as far as it was typed.
#[derive(Clone, Default)]
pub(crate) struct Line {
    bytes: Vec<u8>,
    escape: Escape,
    after_return: bool,
}

/// What was typed may be a password.
impl core::fmt::Debug for Line {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("Line(hidden)")
    }
}

impl Line {
    /// A byte came; what is to be echoed is added to `out`.
    pub(crate) fn key(&mut self, byte: u8, echo: Echo, most: usize, out: &mut String) -> Key {
        if self.is_of_escape(byte) {
            return Key::Nothing;
        }
        let after_return = core::mem::replace(&mut self.after_return, byte == b'\r');
        match byte {
            // The second half of a line end, or what Telnet puts behind the first.
            b'\n' | 0 if after_return => Key::Nothing,
            b'\r' | b'\n' => {
                out.push_str("\r\n");
                Key::Enter(core::mem::take(&mut self.bytes))
            }
            0x03 => self.cancelled(),
            0x04 if self.bytes.is_empty() => self.cancelled(),
            0x0c => Key::Redraw,
            0x08 | 0x7f => self.erase(1, echo, out),
            0x15 => self.erase(usize::MAX, echo, out),
            0x1b => {
                self.escape = Escape::Begun;
                Key::Nothing
            }
            _ => self.add(byte, echo, most, out),
        }
    }

    /// What to show of it when the screen is drawn again.
    pub(crate) fn shown(&self, echo: Echo) -> String {
        match echo {
            Echo::Plain => String::from_utf8_lossy(&self.bytes).into_owned(),
            Echo::Hidden => String::new(),
        }
    }

    /// Forgets what was typed.
    pub(crate) fn clear(&mut self) {
        self.bytes.clear();
    }

    fn cancelled(&mut self) -> Key {
        self.bytes.clear();
        Key::Cancel
    }

    fn add(&mut self, byte: u8, echo: Echo, most: usize, out: &mut String) -> Key {
        let fits = match echo {
            Echo::Plain => byte == b' ' || byte.is_ascii_graphic(),
            Echo::Hidden => byte >= b' ',
        };
        if !fits || self.bytes.len() >= most {
            // A key that is not taken is heard.
            out.push('\u{7}');
            return Key::Nothing;
        }
        self.bytes.push(byte);
        if echo == Echo::Plain {
            out.push(char::from(byte));
        }
        Key::Nothing
    }

    fn erase(&mut self, characters: usize, echo: Echo, out: &mut String) -> Key {
        let mut gone = 0;
        while gone < characters
            && let Some(byte) = self.bytes.pop()
        {
            // The bytes behind the first of a UTF-8 character go with it.
            if byte & 0xc0 != 0x80 {
                gone += 1;
            }
        }
        if echo == Echo::Plain {
            out.push_str(&erased(gone));
        }
        Key::Nothing
    }

    /// Keys such as the arrows send several bytes, which mean nothing here.
    fn is_of_escape(&mut self, byte: u8) -> bool {
        self.escape = match (self.escape, byte) {
            (Escape::None, _) => return false,
            (Escape::Begun, b'[' | b'O') => Escape::Control(0),
            (Escape::Begun, _) => Escape::None,
            // No sequence has these in it: the rest was lost.
            (Escape::Control(_), ..0x20) => {
                self.escape = Escape::None;
                return false;
            }
            (Escape::Control(_), 0x40..=0x7e) => Escape::None,
            (Escape::Control(length), _) if length >= LONGEST_ESCAPE => Escape::None,
            (Escape::Control(length), _) => Escape::Control(length + 1),
        };
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn typed(bytes: &[u8], echo: Echo) -> (String, Vec<Key>) {
        let (mut line, mut out) = (Line::default(), String::new());
        let keys = bytes.iter().map(|byte| line.key(*byte, echo, 10, &mut out));
        let keys = keys.filter(|key| *key != Key::Nothing).collect();
        (out, keys)
    }

    fn enter(text: &str) -> Key {
        Key::Enter(text.into())
    }

    #[test]
    fn a_line_is_edited_and_echoed() {
        assert_eq!(typed(b"ab\x7fc\r", Echo::Plain), ("ab\u{8} \u{8}c\r\n".into(), vec![enter("ac")]));
        assert_eq!(typed(b"ab\x15c\n", Echo::Plain).1, [enter("c")]);
        assert_eq!(typed(b"\x7f\x15\r", Echo::Plain), ("\r\n".into(), vec![enter("")]));
        assert_eq!(typed(b"one\r\ntwo\r\0\n", Echo::Plain).1, [enter("one"), enter("two"), enter("")]);
        assert_eq!(typed(b"a\x03\x04\x0c", Echo::Plain).1, [Key::Cancel, Key::Cancel, Key::Redraw]);
    }

    #[test]
    fn a_line_has_a_bound_and_what_is_not_taken_rings() {
        assert_eq!(typed(b"0123456789ab\r", Echo::Plain).1, [enter("0123456789")]);
        assert_eq!(typed(b"0123456789ab", Echo::Plain).0, "0123456789\u{7}\u{7}");
        assert_eq!(typed("\u{fc}\t".as_bytes(), Echo::Plain).0, "\u{7}\u{7}\u{7}");
    }

    #[test]
    fn a_hidden_line_shows_nothing_and_takes_any_text() {
        let (out, keys) = typed("a\u{fc}\u{fc}\u{8}b\r".as_bytes(), Echo::Hidden);
        assert_eq!((out.as_str(), keys), ("\r\n", vec![enter("a\u{fc}b")]));
    }

    #[test]
    fn keys_that_send_several_bytes_mean_nothing() {
        assert_eq!(typed(b"a\x1b[Ab\x1bOP\x1b[15~c\x1bx\r", Echo::Plain).1, [enter("abc")]);
        assert_eq!(typed(b"\x1b[\r", Echo::Plain).1, [enter("")], "a sequence that was cut");
        let mut long = b"\x1b[".to_vec();
        long.extend([b'0'; 17]);
        long.extend(b"x\r");
        assert_eq!(typed(&long, Echo::Plain).1, [enter("x")], "a sequence without end has one");
    }
}
