//! What reaches a unit over its serial line, as if a person typed it, or as if nobody did.

use std::io::{self, Write};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::Result;

/// How long a line that nobody reads is waited for; then the keys are lost, as they are on a real one.
const PATIENCE: Duration = Duration::from_millis(200);

/// The other end of a unit's serial line, for typing.
#[derive(Debug)]
pub struct Keyboard(UnixStream);

impl Keyboard {
    pub(crate) fn new(line: &UnixStream) -> io::Result<Self> {
        let line = line.try_clone()?;
        line.set_write_timeout(Some(PATIENCE))?;
        Ok(Self(line))
    }

    /// Types these bytes once.
    ///
    /// # Errors
    /// When the unit is gone.
    pub fn types(&self, keys: &[u8]) -> Result<()> {
        lossy(&self.0, keys)?;
        Ok(())
    }

    /// Types these bytes again and again, with `pause` between, until the result is dropped.
    ///
    /// # Errors
    /// When the line cannot be duplicated.
    pub fn holds(&self, keys: &[u8], pause: Duration) -> Result<Held> {
        let (line, keys) = (self.0.try_clone()?, keys.to_vec());
        let held = Arc::new(AtomicBool::new(true));
        let still = Arc::clone(&held);
        let typing = std::thread::spawn(move || {
            while still.load(Ordering::Relaxed) && lossy(&line, &keys).is_ok() {
                std::thread::sleep(pause);
            }
        });
        Ok(Held { held, typing: Some(typing) })
    }
}

/// Keys that are held down, until this is dropped.
#[derive(Debug)]
pub struct Held {
    held: Arc<AtomicBool>,
    typing: Option<JoinHandle<()>>,
}

impl Drop for Held {
    fn drop(&mut self) {
        self.held.store(false, Ordering::Relaxed);
        if let Some(typing) = self.typing.take() {
            // It can only have ended.
            let _ = typing.join();
        }
    }
}

/// Writes what the line takes.
fn lossy(mut line: &UnixStream, keys: &[u8]) -> io::Result<()> {
    match line.write(keys) {
        Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => Ok(()),
        outcome => outcome.map(|_| ()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;

    #[test]
    fn keys_are_typed_once_or_for_as_long_as_they_are_held() {
        let (mut unit, line) = UnixStream::pair().unwrap();
        let keyboard = Keyboard::new(&line).unwrap();
        keyboard.types(b"yes\r").unwrap();
        let held = keyboard.holds(b"\x12", Duration::from_millis(1)).unwrap();
        let mut seen = [0; 10];
        unit.read_exact(&mut seen).unwrap();
        assert_eq!(&seen, b"yes\r\x12\x12\x12\x12\x12\x12");
        drop(held);
        drop((keyboard, line));
        let mut rest = Vec::new();
        unit.read_to_end(&mut rest).unwrap();
    }

    #[test]
    fn a_line_that_nobody_reads_holds_nobody_up() {
        let (_unit, line) = UnixStream::pair().unwrap();
        let keyboard = Keyboard::new(&line).unwrap();
        keyboard.types(&vec![b'x'; 4 << 20]).unwrap();
        keyboard.types(b"more").unwrap();
    }
}
