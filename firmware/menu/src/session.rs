//! One person at one place: what is shown, what a typed line means, what follows from an answer.
//!
//! ```text
//!            wrong three times, a minute without a log-in
//!        ┌────────────────────────────────────────────────► over
//!  login ┤          ┌── status, ssh, clock ──► read ─┐        ▲
//!        └► menu ───┼── quick setup ── form ─────────┤        │
//!            ▲      ├── password ────────────────────┤        │
//!            │      └── an act ── its word ──────────┤        │
//!            └──────────────── Enter ────────────────┘        │
//!            └── log out, ten minutes without a key ──────────┘
//! ```

use crate::form::{self, Form};
use crate::line::{Key, Line};
use crate::passwords::{self, NewPassword, Why};
use crate::state::{After, Item, State, read, said};
use crate::{Answer, Order, Secret, parse_moment};
use core::time::Duration;

/// Time without a key after which whoever is logged in is logged out.
pub(crate) const IDLE: Duration = Duration::from_secs(600);
/// Time that a log-in may take.
pub(crate) const LOGIN_WITHIN: Duration = Duration::from_secs(60);
/// Wrong passwords after which a session ends.
const WRONG: u32 = 3;
/// Who types this in place of a user name wants a new password, as on a LoadMaster.
const RESET_USER: &str = "pwreset";
/// What has to be typed for it.
pub(crate) const RESET_WORDS: &str = "reset password";
/// What is sent before a screen that whoever attaches sees as the first.
const FRESH: &str = "\r\n";

/// Where the person is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// Before the machine, or at what is plugged into it. Has power over it anyway: a key at boot erases all settings.
    Machine,
    /// Somewhere else.
    Network,
}

/// How a session begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Opening {
    /// Where.
    pub place: Place,
    /// Stands on top of every screen: what this is, which version, which unit.
    pub title: String,
    /// The unit runs its rescue firmware.
    pub rescue: bool,
    /// Whoever is logged in already; `None`: a log-in is asked for.
    pub user: Option<String>,
}

/// One session of the menu.
#[derive(Debug)]
pub struct Session {
    pub(crate) opening: Opening,
    pub(crate) state: State,
    pub(crate) line: Line,
    pub(crate) out: String,
    began: Duration,
    touched: Duration,
    wrong: u32,
}

impl Session {
    /// Begins one and draws its first screen.
    #[must_use]
    pub fn new(opening: Opening, now: Duration) -> Self {
        let state = if opening.user.is_some() { State::Menu } else { State::User };
        let mut session = Self {
            opening,
            state,
            line: Line::default(),
            out: String::from(FRESH),
            began: now,
            touched: now,
            wrong: 0,
        };
        session.draw();
        session
    }

    /// What is to be shown since the last call: ASCII, lines end in CR LF.
    #[must_use = "it is taken out"]
    pub fn output(&mut self) -> String {
        core::mem::take(&mut self.out)
    }

    /// Who is logged in.
    #[must_use]
    pub fn user(&self) -> Option<&str> {
        self.opening.user.as_deref()
    }

    /// A byte came. Until an order was answered nothing is made of what comes.
    pub fn byte(&mut self, byte: u8, now: Duration) -> Option<Order> {
        if matches!(self.state, State::Waiting(_) | State::Over) {
            return None;
        }
        self.touched = now;
        let (echo, most) = self.echo();
        match self.line.key(byte, echo, most, &mut self.out) {
            Key::Nothing => None,
            Key::Redraw => {
                self.draw();
                None
            }
            Key::Cancel => self.cancelled(),
            Key::Enter(bytes) => match String::from_utf8(bytes) {
                Ok(text) => self.entered(text),
                Err(_) => {
                    self.say("That is no text in UTF-8.");
                    self.ask();
                    None
                }
            },
        }
    }

    /// When [`tick`](Self::tick) is to be called, if nothing comes.
    #[must_use]
    pub fn due(&self) -> Option<Duration> {
        match self.state {
            State::Waiting(_) | State::Over => None,
            _ if self.opening.user.is_some() => Some(self.touched + IDLE),
            State::User | State::Password { .. } => Some(self.began + LOGIN_WITHIN),
            _ => Some(self.touched + LOGIN_WITHIN),
        }
    }

    /// Time has passed.
    pub fn tick(&mut self, now: Duration) -> Option<Order> {
        self.due().filter(|due| *due <= now)?;
        let words = if self.opening.user.is_some() {
            "Logged out: ten minutes without a key."
        } else {
            "Nobody has logged in."
        };
        self.over(words)
    }

    /// An order was carried out, or not.
    pub fn answer(&mut self, answer: Answer, now: Duration) -> Option<Order> {
        let State::Waiting(after) = core::mem::replace(&mut self.state, State::Menu) else { return None };
        (self.touched, self.began) = (now, now);
        self.state = match (*after, answer) {
            (After::Login { user, password }, Answer::Welcome { must_change }) => {
                self.opening.user = Some(user);
                if must_change {
                    State::New(NewPassword::new(Why::First, Some(password)))
                } else {
                    State::Menu
                }
            }
            (After::Login { .. }, Answer::Denied(words)) => return self.denied(&words),
            (After::Login { .. }, _) => return self.denied("Nobody can log in now."),
            (After::Lines(title), Answer::Lines(lines)) => read(title, lines, State::Menu),
            (After::Clock, Answer::Lines(lines)) => State::Clock { lines },
            (After::Settings, Answer::Setup(setup)) => State::Form(Form::new(*setup)),
            (After::Setup(form), Answer::Refused(reasons)) => {
                read("Nothing was changed", said(reasons), State::Form(form.again()))
            }
            (After::Password(_), Answer::Done(words)) => {
                let then = if self.opening.user.is_some() { State::Menu } else { State::User };
                read("Password", said(vec![words]), then)
            }
            (After::Password(asked), Answer::Refused(reasons)) => {
                read("Nothing was changed", said(reasons), State::New(asked.again()))
            }
            (After::Carried(title, then), Answer::Done(words)) => read(title, said(vec![words]), then),
            (After::Setup(_), Answer::Done(words)) => read("Quick setup", said(vec![words]), State::Menu),
            (After::Carried(_, then), Answer::Refused(reasons)) => {
                read("Nothing was changed", said(reasons), then)
            }
            (_, Answer::Refused(reasons)) => read("Not possible", said(reasons), State::Menu),
            // Nobody answers one thing when asked another; if so, nothing is made of it.
            (After::Password(asked), _) if asked.why == Why::First => State::New(asked.again()),
            (_, _) if self.opening.user.is_none() => State::User,
            (_, _) => State::Menu,
        };
        self.draw();
        None
    }

    fn entered(&mut self, text: String) -> Option<Order> {
        let typed = text.trim();
        match core::mem::replace(&mut self.state, State::Menu) {
            State::User if typed.is_empty() => self.next(State::User, false),
            State::User if typed == RESET_USER && self.opening.place == Place::Machine => {
                self.next(State::Forgotten, true)
            }
            State::User => self.next(State::Password { user: typed.to_owned() }, false),
            State::Password { user } => {
                let password = Secret(text);
                let order = Order::CheckPassword { user: user.clone(), password: password.clone() };
                self.wait(After::Login { user, password }, order)
            }
            State::Forgotten if typed == RESET_WORDS => {
                self.next(State::New(NewPassword::new(Why::Forgotten, None)), true)
            }
            State::Forgotten => self.next(State::User, true),
            State::New(asked) => self.password(asked, text),
            State::Menu => self.chosen(typed),
            State::Read { then, .. } => self.next(*then, true),
            State::Clock { .. } if typed.is_empty() => self.next(State::Menu, true),
            State::Clock { lines } => match parse_moment(typed) {
                Ok(unix_s) => {
                    self.wait(After::Carried("Date and time", State::Menu), Order::SetClock(unix_s))
                }
                Err(reason) => {
                    self.say(&reason);
                    self.next(State::Clock { lines }, false)
                }
            },
            State::Form(form) => self.form(form, typed),
            State::Confirm(act) if typed == act.word() => {
                self.wait(After::Carried(act.title(), State::Menu), Order::Carry(act))
            }
            State::Confirm(_) => {
                let lines = said(vec![String::from("Nothing was done.")]);
                self.next(read("Nothing was done", lines, State::Menu), true)
            }
            kept @ (State::Waiting(_) | State::Over) => {
                self.state = kept;
                None
            }
        }
    }

    fn chosen(&mut self, typed: &str) -> Option<Order> {
        let item = self.items().into_iter().find(|(key, _, _)| *key == typed).map(|(_, _, item)| item);
        match item {
            Some(Item::Status) => self.wait(After::Lines("Status"), Order::ShowStatus),
            Some(Item::Setup) => self.wait(After::Settings, Order::ReadSetup),
            Some(Item::Password) => self.next(State::New(NewPassword::new(Why::Wanted, None)), true),
            Some(Item::Clock) => self.wait(After::Clock, Order::ShowClock),
            Some(Item::Ssh) => self.wait(After::Lines("SSH"), Order::ShowSsh),
            Some(Item::Act(act)) => self.next(State::Confirm(act), true),
            Some(Item::LogOut) => self.over("Logged out."),
            // Enter by itself draws everything again, for whoever has just attached.
            None if typed.is_empty() => self.next(State::Menu, true),
            None => {
                self.say("There is no such entry.");
                self.next(State::Menu, false)
            }
        }
    }

    fn form(&mut self, mut form: Form, typed: &str) -> Option<Order> {
        match form.take(typed) {
            form::Next::Ask(problem) => {
                if let Some(problem) = &problem {
                    self.say(problem);
                }
                let whole = form.begins_screen();
                self.next(State::Form(form), whole)
            }
            form::Next::Apply(setup) => self.wait(After::Setup(form), Order::Apply(setup)),
            form::Next::Leave(words) => {
                self.next(read("Quick setup", said(vec![words.to_owned()]), State::Menu), true)
            }
        }
    }

    fn password(&mut self, mut asked: NewPassword, text: String) -> Option<Order> {
        match asked.take(Secret(text)) {
            passwords::Next::Ask(problem) => {
                if let Some(problem) = problem {
                    self.say(problem);
                }
                self.next(State::New(asked), false)
            }
            passwords::Next::Change(order) => self.wait(After::Password(asked), order),
        }
    }

    /// Ctrl-C: one step back, without a change.
    fn cancelled(&mut self) -> Option<Order> {
        self.out.push_str("\r\n");
        match core::mem::replace(&mut self.state, State::Menu) {
            State::Menu => self.over("Logged out."),
            // The first password opens nothing else.
            State::New(asked) if asked.why == Why::First => self.over("Logged out."),
            State::Read { then, .. } => self.next(*then, true),
            _ if self.opening.user.is_some() => self.next(State::Menu, true),
            _ => self.next(State::User, true),
        }
    }

    fn denied(&mut self, words: &str) -> Option<Order> {
        self.wrong += 1;
        if self.wrong >= WRONG {
            return self.over(words);
        }
        self.say(words);
        self.next(State::User, false)
    }

    fn over(&mut self, words: &str) -> Option<Order> {
        self.line.clear();
        self.out.push_str("\r\n");
        self.say(words);
        self.opening.user = None;
        self.state = State::Over;
        Some(Order::End)
    }

    fn wait(&mut self, after: After, order: Order) -> Option<Order> {
        self.state = State::Waiting(Box::new(after));
        Some(order)
    }

    /// Goes on to a state; `whole`: with all of its screen, else only with its question.
    fn next(&mut self, state: State, whole: bool) -> Option<Order> {
        self.state = state;
        if whole {
            self.draw();
        } else {
            self.ask();
        }
        None
    }
}
