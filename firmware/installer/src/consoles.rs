//! Every console there is, all alike: each shows everything, and each may answer.
//!
//! A console must not hold up an installation: a screen may be stopped by Ctrl-S, and a serial line has nobody at its
//! other end. So each has a thread that writes and a queue of bounded size; what does not fit is lost there.

use std::fs::File;
use std::io::{Read, Write};
use std::path::Path;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, SyncSender, channel, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use evener_install::{Answer, parse_answer};
use evener_sys::console::open_for_answers;

/// Texts that may wait for one console.
const QUEUE: usize = 256;
/// Longest line that is read, in bytes.
const LONGEST: usize = 200;
/// How long the last words may take.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// The consoles.
#[derive(Debug)]
pub(crate) struct Consoles {
    writers: Vec<SyncSender<String>>,
    lines: Receiver<String>,
    /// Kept so that `lines` stays open when no console can be read.
    _lines: Sender<String>,
    done: Receiver<()>,
}

impl Consoles {
    /// Opens those that are there: one firmware runs on machines with and without a serial port or a screen.
    pub(crate) fn open(names: &[String]) -> Self {
        let open = |name: &String| open_for_answers(&Path::new("/dev").join(name)).ok();
        Self::over(names.iter().filter_map(open))
    }

    fn over(files: impl Iterator<Item = File>) -> Self {
        let (line, lines) = channel();
        let (done_in, done) = channel();
        let mut writers = Vec::new();
        for file in files {
            let Ok(reader) = file.try_clone() else { continue };
            let (text, texts) = sync_channel(QUEUE);
            let (line, done) = (line.clone(), done_in.clone());
            thread::spawn(move || {
                write_all(file, &texts);
                // Nobody waits any more when the time for last words is over.
                let _ = done.send(());
            });
            thread::spawn(move || read_lines(reader, &line));
            writers.push(text);
        }
        Self { writers, lines, _lines: line, done }
    }

    /// Shows a text everywhere.
    pub(crate) fn say(&self, text: &str) {
        for writer in &self.writers {
            // One that is too slow misses it.
            let _ = writer.try_send(text.to_owned());
        }
    }

    /// What is said on one of them within `limit`; noise and empty lines are not.
    pub(crate) fn answer(&self, limit: Duration) -> Option<Answer> {
        let until = Instant::now() + limit;
        loop {
            let left = until.saturating_duration_since(Instant::now());
            match self.lines.recv_timeout(left).map(|line| parse_answer(&line)) {
                Ok(Answer::Nothing) => {}
                Ok(answer) => return Some(answer),
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => return None,
            }
        }
    }

    /// Waits until somebody wants the machine to be switched off.
    pub(crate) fn wait_for_off(&self) {
        while self.answer(Duration::from_secs(3600)) != Some(Answer::Off) {}
    }

    /// Lets the last words out.
    pub(crate) fn finish(self) {
        let Self { writers, done, .. } = self;
        let (count, until) = (writers.len(), Instant::now() + LAST_WORDS);
        drop(writers);
        for _ in 0..count {
            if done.recv_timeout(until.saturating_duration_since(Instant::now())).is_err() {
                return;
            }
        }
    }
}

fn write_all(mut console: File, texts: &Receiver<String>) {
    for text in texts {
        // A console that was unplugged misses the rest.
        if console.write_all(text.as_bytes()).is_err() {
            return;
        }
    }
}

fn read_lines(mut console: File, lines: &Sender<String>) {
    let (mut line, mut buffer) = (Vec::new(), [0; 256]);
    while let Ok(count @ 1..) = console.read(&mut buffer) {
        for byte in buffer.iter().take(count) {
            if !matches!(byte, b'\n' | b'\r') {
                if line.len() < LONGEST {
                    line.push(*byte);
                }
                continue;
            }
            if lines.send(String::from_utf8_lossy(&line).into_owned()).is_err() {
                return;
            }
            line.clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use evener_install::How;
    use std::os::fd::OwnedFd;
    use std::os::unix::net::UnixStream;

    const LIMIT: Duration = Duration::from_secs(20);

    fn console() -> (UnixStream, File) {
        let (ours, theirs) = UnixStream::pair().unwrap();
        (ours, File::from(OwnedFd::from(theirs)))
    }

    #[test]
    fn every_console_shows_everything_and_any_of_them_answers() {
        let ((mut one, first), (mut two, second)) = (console(), console());
        let consoles = Consoles::over([first, second].into_iter());
        consoles.say("which?\n");
        for end in [&mut one, &mut two] {
            let mut shown = [0; 7];
            end.read_exact(&mut shown).unwrap();
            assert_eq!(&shown, b"which?\n");
        }
        two.write_all(b"\n\x1b[1;1R\n2 keep\r\n").unwrap();
        assert_eq!(consoles.answer(LIMIT), Some(Answer::Install { number: 2, how: How::Keep }));
        one.write_all(b"off\n").unwrap();
        consoles.wait_for_off();
    }

    #[test]
    fn a_console_that_stands_still_holds_nobody_up() {
        let (stopped, file) = console();
        let consoles = Consoles::over([file].into_iter());
        for _ in 0..10 * QUEUE {
            consoles.say(&"x".repeat(4096));
        }
        consoles.finish();
        drop(stopped);
    }

    #[test]
    fn without_a_console_nobody_answers_and_nobody_is_waited_for() {
        let consoles = Consoles::over(std::iter::empty());
        assert_eq!(consoles.answer(Duration::from_millis(10)), None);
        consoles.finish();
    }

    #[test]
    fn a_line_without_end_costs_no_memory() {
        let (mut one, file) = console();
        let consoles = Consoles::over([file].into_iter());
        one.write_all(&vec![b'1'; 1 << 20]).unwrap();
        one.write_all(b"\nlist\n").unwrap();
        assert_eq!(consoles.answer(LIMIT), Some(Answer::List));
    }
}
