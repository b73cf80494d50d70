//! The log of the unit: every line of every service, with one clock's time in front.
//!
//! A line goes to each console and into memory, from where the service `log` takes it to keep it on disk: PID 1 must not
//! wait for a disk (`docs/decisions/014-log.md`). Neither may ever hold up a service or init: a serial line takes
//! 11 kB a second and a screen may be stopped by Ctrl-S, so each console has a queue of bounded size, whole
//! lines that do not fit are dropped, and the console says how many when it has room again.

use evener_api::Service;
use evener_api::log::{Line, Lines, take_apart};
use evener_observe::MakeWriter;
use evener_sys::device::Device;
use evener_sys::{clock, console};
use std::borrow::Cow;
use std::collections::VecDeque;
use std::io::{self, Write};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::sync::{Notify, watch};

/// Lines kept in memory.
const KEPT_LINES: usize = 2000;
/// Bytes that may wait for one console.
const QUEUE_BYTES: usize = 64 * 1024;
/// Bytes more that may wait there of what a person must read: the noise of the log cannot crowd it out.
const ANNOUNCEMENT_BYTES: usize = 8 * 1024;
/// Most lines that are handed over at once.
const LINES_AT_ONCE: usize = 256;
/// Longest line; what is behind it is cut off.
pub(crate) const LONGEST_LINE: usize = 2048;

/// The log. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Log(Arc<Mutex<Inner>>);

#[derive(Debug)]
struct Inner {
    kept: VecDeque<Line>,
    /// Number of the first line that there ever was.
    first: u64,
    /// Number of the newest line.
    newest: watch::Sender<u64>,
    consoles: Vec<Arc<Console>>,
    plain: bool,
}

impl Default for Log {
    fn default() -> Self {
        // Outside the appliance one kernel sees several units come and go; the numbers of a later one are greater.
        let first = u64::try_from(clock::since_boot().as_micros()).unwrap_or_default();
        let newest = watch::Sender::new(first.saturating_sub(1));
        Self(Arc::new(Mutex::new(Inner {
            kept: VecDeque::new(),
            first,
            newest,
            consoles: Vec::new(),
            plain: false,
        })))
    }
}

impl Log {
    /// A log that only writes to standard error, for a run outside the appliance.
    pub(crate) fn to_standard_error() -> Self {
        let log = Self::default();
        log.lock().plain = true;
        log
    }

    /// Adds a console; gives its number. To be called inside the runtime, which then does the writing.
    ///
    /// # Errors
    /// When there is no such device.
    pub(crate) fn add_console(&self, device: &Path) -> io::Result<usize> {
        let device = Device::new(console::open_for_output(device)?)?;
        let console = Arc::new(Console::default());
        tokio::spawn(write_out(device, Arc::clone(&console)));
        let mut inner = self.lock();
        inner.consoles.push(console);
        Ok(inner.consoles.len() - 1)
    }

    /// Keeps the log off a console, because somebody is at the menu there, or puts it back.
    pub(crate) fn quiet(&self, number: usize, quiet: bool) {
        if let Some(console) = self.lock().consoles.get(number) {
            console.lock().set_quiet(quiet);
            console.more.notify_one();
        }
    }

    /// Puts the log back on every console.
    pub(crate) fn loud_again(&self) {
        let count = self.lock().consoles.len();
        for number in 0..count {
            self.quiet(number, false);
        }
    }

    /// Adds a line of init's own.
    pub(crate) fn line(&self, text: &str) {
        self.line_of(Service::Init, text);
    }

    /// Adds a line that this service wrote.
    pub(crate) fn line_of(&self, service: Service, text: &str) {
        let since_boot = clock::since_boot();
        let text = clean(text);
        let shown = attributed(&text, service);
        let mut inner = self.lock();
        inner.show(stamped(since_boot, &shown), QUEUE_BYTES);
        inner.keep(since_boot, service, &text);
    }

    /// Adds lines for the person at the console, without a time. A console that is too slow for the log has room for
    /// them. They are shown and not kept: the first password may be among them.
    pub(crate) fn announce(&self, text: &str) {
        for line in text.lines() {
            self.lock().show(line.to_owned(), QUEUE_BYTES + ANNOUNCEMENT_BYTES);
        }
    }

    /// Some of the lines that follow the one with this number, and how many are gone before them.
    pub(crate) fn after(&self, number: u64) -> Lines {
        let inner = self.lock();
        let next = number.saturating_add(1).max(inner.first);
        let oldest = inner.kept.front().map_or(next, |line| line.number);
        let lines = inner.kept.iter().filter(|line| line.number >= next).take(LINES_AT_ONCE).cloned();
        Lines { lost: oldest.saturating_sub(next), lines: lines.collect() }
    }

    /// Changes with each line, to the newest one's number.
    pub(crate) fn newest(&self) -> watch::Receiver<u64> {
        self.lock().newest.subscribe()
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

impl Inner {
    fn show(&self, mut line: String, limit: usize) {
        if self.plain {
            // There is nothing better to do about a standard error that is closed.
            let _ = writeln!(io::stderr(), "{line}");
        }
        line.push('\n');
        for console in &self.consoles {
            console.push(&line, limit);
        }
    }

    fn keep(&mut self, since_boot: Duration, service: Service, text: &str) {
        let (level, text) = take_apart(service, text);
        let number = self.newest.borrow().saturating_add(1);
        let milliseconds = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        let line = Line {
            number,
            unix_ms: SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, milliseconds),
            since_boot_ms: milliseconds(since_boot),
            service,
            level,
            text: text.to_owned(),
        };
        if self.kept.len() == KEPT_LINES {
            self.kept.pop_front();
        }
        self.kept.push_back(line);
        self.newest.send_replace(number);
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

/// Cut to [`LONGEST_LINE`], without anything that could steer a terminal.
fn clean(text: &str) -> String {
    let mut clean = String::with_capacity(text.len());
    for character in text.chars() {
        if clean.len() >= LONGEST_LINE {
            clean.push('…');
            break;
        }
        if character.is_control() {
            clean.extend(character.escape_default());
        } else {
            clean.push(character);
        }
    }
    clean
}

/// A line of a service's log says whose it is; whatever else a program writes, such as the words of a panic,
/// gets the name put in front.
fn attributed(text: &str, service: Service) -> Cow<'_, str> {
    let is_log = ["ERROR ", "WARN ", "INFO ", "DEBUG ", "TRACE "].iter().any(|level| text.starts_with(level));
    if is_log || service == Service::Init { text.into() } else { format!("{service}: {text}").into() }
}

/// `[   3.214] text`.
fn stamped(at: Duration, text: &str) -> String {
    format!("[{:4}.{:03}] {text}", at.as_secs(), at.subsec_millis())
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
    /// Somebody is at the menu there.
    quiet: bool,
    /// Lines that were kept off meanwhile.
    kept_off: u64,
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
        if self.quiet {
            self.kept_off += 1;
            return;
        }
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

    /// What waits is not shown any more, but for the rest of a line that has begun.
    fn set_quiet(&mut self, quiet: bool) {
        if quiet && !self.quiet {
            let end = self.bytes.iter().position(|byte| *byte == b'\n').map_or(0, |at| at + 1);
            self.bytes.truncate(end);
        }
        self.quiet = quiet;
        let kept_off = if quiet { 0 } else { std::mem::take(&mut self.kept_off) };
        if kept_off > 0 {
            let note = format!("[ {kept_off} lines of the log were not shown here meanwhile ]\n");
            self.bytes.extend(note.bytes());
        }
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
        let line = stamped(Duration::from_millis(3214), &clean("INFO proxy: \u{1b}[2Jready"));
        assert_eq!(line, "[   3.214] INFO proxy: \\u{1b}[2Jready");
        let long = clean(&"x".repeat(3 * LONGEST_LINE));
        assert!(long.len() < LONGEST_LINE + 8 && long.ends_with('…'));
    }

    #[test]
    fn every_line_says_whose_it_is() {
        assert_eq!(attributed("INFO proxy: ready", Service::Proxy), "INFO proxy: ready");
        assert_eq!(attributed("thread 'main' panicked", Service::Proxy), "proxy: thread 'main' panicked");
        assert_eq!(attributed("evener: ready in 3.2 s", Service::Init), "evener: ready in 3.2 s");
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
    fn the_log_is_kept_off_a_console_whose_menu_is_in_use_and_nowhere_else() {
        let log = Log::default();
        let (menu, other) = (Arc::new(Console::default()), Arc::new(Console::default()));
        log.lock().consoles.extend([Arc::clone(&menu), Arc::clone(&other)]);
        let shown = |console: &Console| -> String {
            String::from_utf8(console.lock().bytes.drain(..).collect()).unwrap()
        };
        log.announce("begun\nwaits");
        log.quiet(0, true);
        log.quiet(7, true);
        log.announce("password");
        assert_eq!(shown(&menu), "begun\n", "a line that may have begun is ended");
        assert_eq!(shown(&other), "begun\nwaits\npassword\n");
        log.loud_again();
        log.announce("again");
        assert_eq!(shown(&menu), "[ 1 lines of the log were not shown here meanwhile ]\nagain\n");
    }

    #[test]
    fn memory_holds_the_last_lines_and_who_asks_late_learns_how_many_are_gone() {
        let log = Log::default();
        let first = *log.newest().borrow() + 1;
        for number in 0..KEPT_LINES + 5 {
            log.line_of(Service::Net, &format!("INFO net: {number}"));
        }
        let (mut after, mut texts) = (0, Vec::new());
        loop {
            let Lines { lost, lines } = log.after(after);
            assert_eq!(lost, if after == 0 { 5 } else { 0 });
            let Some(last) = lines.last() else { break };
            assert_eq!(lines[0].number, if after == 0 { first + 5 } else { after + 1 });
            after = last.number;
            texts.extend(lines.into_iter().map(|line| line.text));
        }
        let expected: Vec<String> = (5..KEPT_LINES + 5).map(|number| number.to_string()).collect();
        assert_eq!(texts, expected);
        assert_eq!(*log.newest().borrow(), after);
    }

    #[test]
    fn what_is_announced_is_not_kept() {
        let log = Log::default();
        log.line("evener: ready");
        log.announce("The first password is 1234");
        let kept = log.after(0).lines;
        assert_eq!(kept.len(), 1);
        assert_eq!((kept[0].service, kept[0].text.as_str()), (Service::Init, "ready"));
    }
}
