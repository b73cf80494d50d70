//! What a unit says on its serial line, with the time at which it said it.

use std::fs::File;
use std::io::{Read, Write};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Result, bail};

/// Lines shown when a wait is in vain.
const SHOWN: usize = 40;

/// One line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// Time since QEMU was started.
    pub at: Duration,
    /// Without escape sequences and line end.
    pub text: String,
}

/// The serial line of a unit: all that was said, and a place up to which a test has read.
#[derive(Clone, Debug)]
pub struct Serial(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    said: Mutex<Said>,
    changed: Condvar,
    started: Instant,
}

#[derive(Debug, Default)]
struct Said {
    lines: Vec<Line>,
    partial: String,
    read: usize,
    closed: bool,
}

impl Serial {
    /// Reads `source` in a thread of its own until it ends, and copies every byte to `log`. Times are counted
    /// from `started`.
    #[must_use]
    pub fn follow(mut source: impl Read + Send + 'static, mut log: File, started: Instant) -> Self {
        let shared = Arc::new(Shared { said: Mutex::default(), changed: Condvar::new(), started });
        let own = Arc::clone(&shared);
        std::thread::spawn(move || {
            let mut buffer = [0; 4096];
            let mut escape = Escape::None;
            while let Ok(count @ 1..) = source.read(&mut buffer) {
                let bytes = &buffer[..count];
                // A full disk is no reason to stop listening.
                let _ = log.write_all(bytes);
                own.take(bytes, &mut escape);
            }
            own.close();
        });
        Self(shared)
    }

    /// The next line that contains `words`, after the one that the last call found.
    ///
    /// # Errors
    /// When no such line comes within `limit` or the unit ends; the error shows the last lines.
    pub fn wait_for(&self, words: &str, limit: Duration) -> Result<Line> {
        self.wait_for_any(&[words], limit).map(|(_, line)| line)
    }

    /// The next line that contains one of `choices`, and which of them.
    ///
    /// # Errors
    /// As [`Serial::wait_for`].
    pub fn wait_for_any(&self, choices: &[&str], limit: Duration) -> Result<(usize, Line)> {
        let deadline = Instant::now() + limit;
        let mut said = self.0.lock();
        loop {
            if let Some(found) = said.find(choices) {
                return Ok(found);
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() || said.closed {
                let why = if said.closed { "the unit ended" } else { "nothing came" };
                bail!("waited {limit:?} for {choices:?}: {why}; the last lines were\n{}", said.tail());
            }
            said = self.0.changed.wait_timeout(said, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// All complete lines so far.
    #[must_use]
    pub fn lines(&self) -> Vec<Line> {
        self.0.lock().lines.clone()
    }

    /// How many complete lines so far contain `words`.
    #[must_use]
    pub fn count(&self, words: &str) -> usize {
        self.0.lock().lines.iter().filter(|line| line.text.contains(words)).count()
    }
}

impl Said {
    fn find(&mut self, choices: &[&str]) -> Option<(usize, Line)> {
        for index in self.read..self.lines.len() {
            let which = choices.iter().position(|words| self.lines[index].text.contains(words));
            if let Some(which) = which {
                self.read = index + 1;
                return Some((which, self.lines[index].clone()));
            }
        }
        // A line is found when it is complete: a test that saw its first half would miss what it says.
        None
    }

    fn tail(&self) -> String {
        let from = self.lines.len().saturating_sub(SHOWN);
        let mut out = String::new();
        for line in &self.lines[from..] {
            out.push_str(&format!("{:>8.3} {}\n", line.at.as_secs_f64(), line.text));
        }
        out.push_str(&self.partial);
        out
    }

    fn end_line(&mut self, at: Duration) {
        if !self.partial.is_empty() {
            let text = std::mem::take(&mut self.partial);
            self.lines.push(Line { at, text });
        }
    }
}

/// Where in an ANSI escape sequence the reader is. UEFI firmware colours and places what it prints.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Escape {
    None,
    Begun,
    Control,
}

impl Shared {
    fn lock(&self) -> std::sync::MutexGuard<'_, Said> {
        self.said.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take(&self, bytes: &[u8], escape: &mut Escape) {
        let at = self.started.elapsed();
        let mut said = self.lock();
        for byte in bytes {
            match (*escape, *byte) {
                (Escape::None, 0x1b) => *escape = Escape::Begun,
                (Escape::Begun, b'[') => *escape = Escape::Control,
                (Escape::Begun, _) => *escape = Escape::None,
                // "H" moves the cursor: what follows stands elsewhere, so it is another line.
                (Escape::Control, b'H') => {
                    said.end_line(at);
                    *escape = Escape::None;
                }
                (Escape::Control, 0x40..=0x7e) => *escape = Escape::None,
                (Escape::None, b'\n') => said.end_line(at),
                (Escape::None, 0x20..=0x7e) => {
                    said.partial.push(char::from(*byte));
                }
                // Bytes of other characters are kept apart, not decoded: what is waited for is ASCII.
                (Escape::None, 0x80..) => said.partial.push('\u{b7}'),
                _ => {}
            }
        }
        drop(said);
        self.changed.notify_all();
    }

    fn close(&self) {
        let mut said = self.lock();
        said.end_line(self.started.elapsed());
        said.closed = true;
        drop(said);
        self.changed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::net::UnixStream;

    fn serial() -> (UnixStream, Serial) {
        let (ours, theirs) = UnixStream::pair().unwrap();
        (ours, Serial::follow(theirs, tempfile::tempfile().unwrap(), Instant::now()))
    }

    #[test]
    fn finds_each_line_once_and_in_order() {
        let (mut unit, serial) = serial();
        unit.write_all(b"\x1b[2J\x1b[01;01Hone\r\nready 1\r\nready 2\r\n").unwrap();
        let limit = Duration::from_secs(5);
        assert_eq!(serial.wait_for("ready", limit).unwrap().text, "ready 1");
        assert_eq!(serial.wait_for("ready", limit).unwrap().text, "ready 2");
        assert_eq!(serial.count("ready"), 2);
        assert_eq!(serial.lines()[0].text, "one");
    }

    #[test]
    fn a_line_is_found_when_it_is_complete() {
        let (mut unit, serial) = serial();
        unit.write_all(b"E06 slot A: bad").unwrap();
        assert!(serial.wait_for("E06", Duration::from_millis(20)).is_err());
        unit.write_all(b"; trying slot R\n").unwrap();
        let line = serial.wait_for("E06", Duration::from_secs(5)).unwrap();
        assert_eq!(line.text, "E06 slot A: bad; trying slot R");
    }

    #[test]
    fn a_wait_in_vain_ends_and_shows_what_was_said() {
        let (mut unit, serial) = serial();
        unit.write_all(b"panic: no root\n").unwrap();
        serial.wait_for("panic", Duration::from_secs(5)).unwrap();
        let error = serial.wait_for("ready", Duration::from_millis(20)).unwrap_err().to_string();
        assert!(error.contains("no root") && error.contains("nothing came"), "{error}");
        drop(unit);
        let error = serial.wait_for("ready", Duration::from_secs(60)).unwrap_err().to_string();
        assert!(error.contains("the unit ended"), "{error}");
    }
}
