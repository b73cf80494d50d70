//! What a session shows: screens, questions, the menu.

use crate::Act;
use crate::line::Echo;
use crate::session::{Place, RESET_WORDS, Session};
use crate::state::{Item, State, said};
use crate::text::{ascii, body, heading};

/// Longest line, in bytes; a password of 128 characters has up to 512.
const LONGEST: usize = 200;
const LONGEST_PASSWORD: usize = 512;

impl Session {
    /// Shows a line of words.
    pub(crate) fn say(&mut self, words: &str) {
        self.out.push_str(&body(&said(vec![words.to_owned()])));
    }

    /// Draws the whole screen, with what was typed so far.
    pub(crate) fn draw(&mut self) {
        let (title, lines) = self.screen();
        let top = if title.is_empty() {
            self.opening.title.clone()
        } else {
            format!("{} - {title}", self.opening.title)
        };
        self.out.push_str(&heading(&top));
        self.out.push_str(&body(&lines));
        if !lines.is_empty() {
            self.out.push_str("\r\n");
        }
        self.ask();
    }

    /// Shows the question, and what was typed so far.
    pub(crate) fn ask(&mut self) {
        let (echo, _) = self.echo();
        let prompt = ascii(&self.prompt());
        self.out.push_str(&prompt);
        self.out.push_str(&self.line.shown(echo));
    }

    pub(crate) fn echo(&self) -> (Echo, usize) {
        match self.state {
            State::Password { .. } | State::New(_) => (Echo::Hidden, LONGEST_PASSWORD),
            _ => (Echo::Plain, LONGEST),
        }
    }

    fn prompt(&self) -> String {
        match &self.state {
            State::User => "login: ".into(),
            State::Password { .. } => "Password: ".into(),
            State::Forgotten => format!("Type {RESET_WORDS} to go on: "),
            State::New(asked) => asked.prompt().into(),
            State::Menu => "Choose: ".into(),
            State::Read { .. } => "Press Enter: ".into(),
            State::Clock { .. } => "New date and time in UTC, Enter keeps it: ".into(),
            State::Form(form) => form.prompt(),
            State::Confirm(act) => format!("Type {} to do it: ", act.word()),
            State::Waiting(_) | State::Over => String::new(),
        }
    }

    fn screen(&self) -> (&'static str, Vec<(String, String)>) {
        let words = |text: &str| said(vec![text.to_owned()]);
        match &self.state {
            State::User | State::Password { .. } if self.opening.place == Place::Machine => {
                ("", words("Log in as bal. Lost the password? Type pwreset in place of bal."))
            }
            State::Forgotten => (
                "Password reset",
                words(
                    "Sets a new password of bal without the old one. That is possible only here, at the machine \
                     itself, and it stands in the log. Everything else stays as it is.",
                ),
            ),
            State::New(asked) => ("Password", words(asked.text())),
            State::Menu => ("", self.menu()),
            State::Read { title, lines, .. } => (title, lines.clone()),
            State::Clock { lines } => ("Date and time", lines.clone()),
            State::Form(form) => ("Quick setup", form.lines()),
            State::Confirm(act) => (act.title(), words(act.meaning())),
            State::Waiting(_) | State::User | State::Password { .. } | State::Over => ("", Vec::new()),
        }
    }

    fn menu(&self) -> Vec<(String, String)> {
        let items = self.items().into_iter();
        items.map(|(key, text, _)| (String::new(), format!("{key}  {text}"))).collect()
    }

    pub(crate) fn items(&self) -> Vec<(&'static str, &'static str, Item)> {
        let mut items = vec![
            ("1", "Status", Item::Status),
            ("2", "Quick setup: address, gateway, name servers, host name", Item::Setup),
            ("3", "Password", Item::Password),
            ("4", "Date and time", Item::Clock),
            ("5", "SSH", Item::Ssh),
        ];
        if !self.opening.rescue {
            items.push(("6", "Rescue firmware", Item::Act(Act::Rescue)));
        }
        items.extend([
            ("7", "Factory reset", Item::Act(Act::FactoryReset)),
            ("8", "Reboot", Item::Act(Act::Reboot)),
            ("9", "Power off", Item::Act(Act::PowerOff)),
            ("0", "Log out", Item::LogOut),
        ]);
        items
    }
}
