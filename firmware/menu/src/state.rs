//! Where in the menu a session is, and what it waits for.

use crate::form::Form;
use crate::passwords::NewPassword;
use crate::{Act, Secret};

/// Where a session is.
#[derive(Clone, Debug)]
pub(crate) enum State {
    User,
    Password {
        user: String,
    },
    /// Before a new password without the old one: the words.
    Forgotten,
    New(NewPassword),
    Menu,
    /// Something is shown until Enter.
    Read {
        title: &'static str,
        lines: Vec<(String, String)>,
        then: Box<Self>,
    },
    Clock {
        lines: Vec<(String, String)>,
    },
    Form(Form),
    Confirm(Act),
    Waiting(Box<After>),
    Over,
}

/// What an answer is waited for.
#[derive(Clone, Debug)]
pub(crate) enum After {
    Login { user: String, password: Secret },
    Lines(&'static str),
    Clock,
    Settings,
    Setup(Form),
    Password(NewPassword),
    Carried(&'static str, State),
}

/// An entry of the menu.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Item {
    Status,
    Setup,
    Password,
    Clock,
    Ssh,
    Act(Act),
    LogOut,
}

/// A screen that is shown until Enter.
pub(crate) fn read(title: &'static str, lines: Vec<(String, String)>, then: State) -> State {
    State::Read { title, lines, then: Box::new(then) }
}

/// Words without labels.
pub(crate) fn said(words: Vec<String>) -> Vec<(String, String)> {
    words.into_iter().map(|words| (String::new(), words)).collect()
}
