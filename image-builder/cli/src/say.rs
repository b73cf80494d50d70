//! What goes to the terminal: results to stdout, progress and errors to stderr.

use std::io::Write;
use std::path::Path;
use std::time::{Duration, Instant};

use evener_recipes::Reporter;

/// Prints a line of the result. A reader that went away (`| head`) ends the output, not the program.
pub(crate) fn line(text: &str) {
    let _ = writeln!(std::io::stdout().lock(), "{text}");
}

/// Prints an explanation: to the terminal, not into what a program reads.
pub(crate) fn note(text: &str) {
    let _ = writeln!(std::io::stderr().lock(), "{text}");
}

/// Prints an error.
pub(crate) fn error(text: &str) {
    let _ = writeln!(std::io::stderr().lock(), "evener-image: {text}");
}

/// Progress with the seconds since the start.
pub(crate) struct Console {
    started: Instant,
}

impl Console {
    pub(crate) fn new() -> Self {
        Self { started: Instant::now() }
    }

    /// Prints a progress line.
    pub(crate) fn note(&self, text: &str) {
        let seconds = self.started.elapsed().as_secs_f32();
        let _ = writeln!(std::io::stderr().lock(), "[{seconds:7.1} s] {text}");
    }
}

impl Reporter for Console {
    fn say(&self, text: &str) {
        self.note(text);
    }

    fn still(&self, text: &str, elapsed: Duration, log: &Path) {
        self.note(&format!("{text}: still running, {} s so far; log {}", elapsed.as_secs(), log.display()));
    }
}
