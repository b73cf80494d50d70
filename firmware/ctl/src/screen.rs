//! What the operator sees: words and a moving bar on a terminal, plain lines elsewhere, JSON for programs.

use crate::fault::Fault;
use serde::Serialize;
use std::io::{IsTerminal, Write};

/// Width of the bar, in characters.
const BAR: u64 = 40;

/// Standard output and standard error.
#[derive(Debug)]
pub(crate) struct Screen {
    json: bool,
    is_terminal: bool,
    /// A line that the next one replaces.
    moving: bool,
    /// The last progress that was told where lines cannot move.
    told: String,
}

impl Screen {
    pub(crate) fn new(json: bool) -> Self {
        let is_terminal = std::io::stderr().is_terminal();
        Self { json, is_terminal, moving: false, told: String::new() }
    }

    /// The answer: as the unit gave it, or in words.
    ///
    /// # Errors
    /// When it cannot be encoded.
    pub(crate) fn answer<T: Serialize>(
        &mut self,
        value: &T,
        words: impl FnOnce(&T) -> String,
    ) -> Result<(), Fault> {
        self.settle();
        let text = if self.json {
            serde_json::to_string_pretty(value).map_err(|error| Fault::Unintelligible(error.to_string()))?
        } else {
            words(value)
        };
        // With nobody to read it there is nothing to do about it.
        let _ = writeln!(std::io::stdout(), "{}", text.trim_end());
        Ok(())
    }

    /// A line of words; a program that wants JSON does not get it.
    pub(crate) fn line(&mut self, words: &str) {
        self.settle();
        if !self.json {
            let _ = writeln!(std::io::stdout(), "{words}");
        }
    }

    /// What happens right now, in place of what happened before.
    pub(crate) fn progress(&mut self, words: &str) {
        if self.told == words {
            return;
        }
        words.clone_into(&mut self.told);
        let mut out = std::io::stderr().lock();
        if self.is_terminal {
            // Erase what is left of a longer line before it.
            let _ = write!(out, "\r{words}\x1b[K");
            let _ = out.flush();
            self.moving = true;
        } else {
            let _ = writeln!(out, "{words}");
        }
    }

    /// How far it is: a bar where it can move, a line for each tenth elsewhere.
    pub(crate) fn bar(&mut self, what: &str, part: u64, whole: u64) {
        let percent = part.min(whole) * 100 / whole.max(1);
        if self.is_terminal {
            let full = usize::try_from(percent * BAR / 100).unwrap_or(0);
            let rest = usize::try_from(BAR).unwrap_or(0).saturating_sub(full);
            self.progress(&format!("{what} [{}{}] {percent} %", "=".repeat(full), " ".repeat(rest)));
        } else {
            self.progress(&format!("{what}: {} %", percent / 10 * 10));
        }
    }

    /// Why it was not done.
    pub(crate) fn fault(&mut self, fault: &Fault) {
        self.settle();
        if let (true, Fault::Refused(problem)) = (self.json, fault)
            && let Ok(text) = serde_json::to_string_pretty(problem)
        {
            let _ = writeln!(std::io::stdout(), "{text}");
            return;
        }
        self.complain(&fault.to_string());
    }

    /// A line on standard error.
    pub(crate) fn complain(&mut self, words: &str) {
        self.settle();
        let _ = writeln!(std::io::stderr(), "{words}");
    }

    /// Lets a moving line stand.
    fn settle(&mut self) {
        if std::mem::take(&mut self.moving) {
            let _ = writeln!(std::io::stderr());
        }
    }
}
