//! What a session wants done, and how it went.

use crate::Setup;
use core::fmt;

/// Something that was typed and must not be shown: it is not in any `Debug` output.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(pub String);

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(hidden)")
    }
}

/// What a session wants done. All but [`Order::End`] are answered by exactly one [`Answer`]; until then the session takes
/// no input.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Order {
    /// Is this the password of that user? [`Answer::Welcome`] or [`Answer::Denied`].
    CheckPassword {
        /// As it was typed.
        user: String,
        /// As it was typed.
        password: Secret,
    },
    /// How the unit does: [`Answer::Lines`].
    ShowStatus,
    /// How to get in by SSH: [`Answer::Lines`].
    ShowSsh,
    /// What the clock says: [`Answer::Lines`].
    ShowClock,
    /// The settings that quick setup is about: [`Answer::Setup`].
    ReadSetup,
    /// Set these, as one change: [`Answer::Done`] or [`Answer::Refused`].
    Apply(Box<Setup>),
    /// Whoever is logged in wants another password: [`Answer::Done`] or [`Answer::Refused`].
    ChangePassword {
        /// The present one, as it was typed.
        old: Secret,
        /// The one to come.
        new: Secret,
    },
    /// Somebody at the machine itself sets the administrator's password without knowing the old one:
    /// [`Answer::Done`] or [`Answer::Refused`]. Never given at [`Place::Network`](crate::Place::Network).
    ResetPassword(Secret),
    /// Set the clock, in seconds since 1970-01-01 UTC: [`Answer::Done`] or [`Answer::Refused`].
    SetClock(u64),
    /// Carry this out: [`Answer::Done`] or [`Answer::Refused`].
    Carry(Act),
    /// The person is gone, or has to go.
    End,
}

/// What ends the unit's run. Each is confirmed by typing its word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Act {
    /// Restart into the rescue firmware, once.
    Rescue,
    /// Erase all settings.
    FactoryReset,
    /// Restart.
    Reboot,
    /// Switch off.
    PowerOff,
}

/// How an order went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// The password is right.
    Welcome {
        /// Nothing else is allowed before the password was changed.
        must_change: bool,
    },
    /// It is not, or nobody may try now; in words.
    Denied(String),
    /// Something to read: a label and what is to be said about it, or a line without a label.
    Lines(Vec<(String, String)>),
    /// The settings as they are.
    Setup(Box<Setup>),
    /// It is done; in words.
    Done(String),
    /// Nothing was changed, because of these; in words, each naming its field where there is one.
    Refused(Vec<String>),
}
