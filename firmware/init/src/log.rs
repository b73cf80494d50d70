//! The log of the unit: every line of every service, with one clock's time in front.
//!
//! A line goes to each console and into memory. Neither may ever hold up a service or init: a serial line takes
//! 11 kB a second and a screen may be stopped by Ctrl-S, so each console has a queue of bounded size, whole
//! lines that do not fit are dropped, and the console says how many when it has room again.

use evener_observe::MakeWriter;
use evener_sys::device::Device;
use evener_sys::{clock, console};
use std::collections::VecDeque;
use std::io::{self, Write};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;

/// Lines kept in memory.
const KEPT_LINES: usize = 2000;
/// Bytes that may wait for one console.
const QUEUE_BYTES: usize = 64 * 1024;
/// Bytes more that may wait there of what a person must read: the noise of the log cannot crowd it out.
const ANNOUNCEMENT_BYTES: usize = 8 * 1024;
/// Longest line; what is behind it is cut off.
pub(crate) const LONGEST_LINE: usize = 2048;

/// The log. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub(crate) struct Log(Arc<Mutex<Inner>>);

#[derive(Debug, Default)]
struct Inner {
    kept: VecDeque<String>,
    consoles: Vec<Arc<Console>>,
    plain: bool,
}

impl Log {
    /// A log that only writes to standard error, for a run outside the appliance.
    pub(crate) fn to_standard_error() -> Self {
        let log = Self::default();
        log.lock().plain = true;
        log
    }

    /// Adds a console. To be called inside the runtime, which then does the writing.
    ///
    /// # Errors
    /// When there is no such device.
    pub(crate) fn add_console(&self, device: &Path) -> io::Result<()> {
        let device = Device::new(console::open_for_output(device)?)?;
        let console = Arc::new(Console::default());
        tokio::spawn(write_out(device, Arc::clone(&console)));
        self.lock().consoles.push(console);
        Ok(())
    }

    /// Adds a line of a service, or of init.
    pub(crate) fn line(&self, text: &str) {
        self.add(stamped(clock::since_boot(), text), QUEUE_BYTES);
    }

    /// Adds lines for the person at the console, without a time. A console that is too slow for the log has room for
    /// them.
    pub(crate) fn announce(&self, text: &str) {
        for line in text.lines() {
            self.add(line.to_owned(), QUEUE_BYTES + ANNOUNCEMENT_BYTES);
        }
    }

    fn add(&self, mut line: String, limit: usize) {
        let mut inner = self.lock();
        if inner.plain {
            // There is nothing better to do about a standard error that is closed.
            let _ = writeln!(io::stderr(), "{line}");
        }
        line.push('\n');
        for console in &inner.consoles {
            console.push(&line, limit);
        }
        if inner.kept.len() == KEPT_LINES {
            inner.kept.pop_front();
        }
        inner.kept.push_back(line);
    }

    /// Resolves when every console has written all there was, or after `limit`.
    pub(crate) async fn drained(&self, limit: Duration) {
        let consoles = self.lock().consoles.clone();
        let all = async {
            for console in consoles {
                while !console.is_empty() {
                    console.written.notified().await;
                }
            }
        };
        // Too slow a console has had its chance.
        let _ = tokio::time::timeout(limit, all).await;
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Init's own events arrive here as whole lines.
impl<'writer> MakeWriter<'writer> for Log {
    type Writer = LineWriter;

    fn make_writer(&'writer self) -> LineWriter {
        LineWriter(self.clone())
    }
}

/// One event on its way into the log.
#[derive(Debug)]
pub(crate) struct LineWriter(Log);

impl Write for LineWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        for line in String::from_utf8_lossy(bytes).lines() {
            self.0.line(line);
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// `[   3.214] text`, cut to [`LONGEST_LINE`], without anything that could steer a terminal.
fn stamped(at: Duration, text: &str) -> String {
    let mut line = format!("[{:4}.{:03}] ", at.as_secs(), at.subsec_millis());
    for character in text.chars() {
        if line.len() >= LONGEST_LINE {
            line.push('…');
            break;
        }
        if character.is_control() {
            line.extend(character.escape_default());
        } else {
            line.push(character);
        }
    }
    line
}

/// Lines on their way to one console.
#[derive(Debug, Default)]
struct Console {
    queue: Mutex<Queue>,
    more: Notify,
    written: Notify,
}

#[derive(Debug, Default)]
struct Queue {
    bytes: VecDeque<u8>,
    dropped: u64,
}

impl Console {
    fn push(&self, line: &str, limit: usize) {
        self.lock().push(line, limit);
        self.more.notify_one();
    }

    fn is_empty(&self) -> bool {
        self.lock().bytes.is_empty()
    }

    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Queue {
    /// Adds a line, if no more than `limit` bytes then wait.
    fn push(&mut self, line: &str, limit: usize) {
        if self.bytes.len() + line.len() > limit {
            self.dropped += 1;
            return;
        }
        if self.dropped > 0 {
            let note = format!("[ {} lines were dropped here: the console was too slow ]\n", self.dropped);
            if self.bytes.len() + note.len() + line.len() > limit {
                self.dropped += 1;
                return;
            }
            self.bytes.extend(note.bytes());
            self.dropped = 0;
        }
        self.bytes.extend(line.bytes());
    }
}

async fn write_out(device: Device, console: Arc<Console>) {
    loop {
        let chunk: Vec<u8> = console.lock().bytes.iter().copied().take(1024).collect();
        if chunk.is_empty() {
            console.written.notify_waiters();
            console.more.notified().await;
            continue;
        }
        match device.write(&chunk).await {
            Ok(count) => drop(console.lock().bytes.drain(..count.min(chunk.len()))),
            // A console that was unplugged: what comes later is dropped by its full queue.
            Err(_) => return,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_stamped_cut_and_cannot_steer_a_terminal() {
        let line = stamped(Duration::from_millis(3214), "INFO proxy: \u{1b}[2Jready");
        assert_eq!(line, "[   3.214] INFO proxy: \\u{1b}[2Jready");
        let long = stamped(Duration::ZERO, &"x".repeat(3 * LONGEST_LINE));
        assert!(long.len() < LONGEST_LINE + 8 && long.ends_with('…'));
    }

    #[test]
    fn a_console_that_does_not_read_costs_its_queue_and_no_more() {
        let mut queue = Queue::default();
        for _ in 0..10_000 {
            queue.push("0123456789abcdef0123456789abcdef0123456789abcdef\n", QUEUE_BYTES);
        }
        assert!(queue.bytes.len() <= QUEUE_BYTES);
        let dropped = queue.dropped;
        assert!(dropped > 5000);
        queue.bytes.clear();
        queue.push("again\n", QUEUE_BYTES);
        let text = String::from_utf8(queue.bytes.into_iter().collect()).unwrap();
        assert_eq!(text, format!("[ {dropped} lines were dropped here: the console was too slow ]\nagain\n"));
    }

    #[test]
    fn a_console_that_stands_still_keeps_room_for_what_a_person_must_read() {
        let log = Log::default();
        let console = Arc::new(Console::default());
        log.lock().consoles.push(Arc::clone(&console));
        for _ in 0..10_000 {
            log.line("noise");
        }
        for _ in 0..1000 {
            log.announce("password");
            log.line("noise");
        }
        let bytes: Vec<u8> = console.lock().bytes.iter().copied().collect();
        assert!(bytes.len() <= QUEUE_BYTES + ANNOUNCEMENT_BYTES);
        assert!(String::from_utf8(bytes).unwrap().matches("password").count() > 100);
    }

    #[test]
    fn memory_holds_the_last_lines() {
        let log = Log::default();
        for number in 0..KEPT_LINES + 5 {
            log.line(&number.to_string());
        }
        let inner = log.lock();
        assert_eq!(inner.kept.len(), KEPT_LINES);
        assert!(inner.kept.front().unwrap().ends_with("] 5\n"));
    }
}
