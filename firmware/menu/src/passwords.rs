//! The questions about a new password.

use crate::{Order, Secret};

/// Why there is to be a new password.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Why {
    /// Whoever is logged in wants one.
    Wanted,
    /// The present one is the first one, which only opens this question.
    First,
    /// Nobody knows the present one; somebody at the machine itself sets another.
    Forgotten,
}

/// The questions so far.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct NewPassword {
    pub(crate) why: Why,
    old: Option<Secret>,
    new: Option<Secret>,
}

/// What follows from an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Next {
    /// The next question, after these words if there are some.
    Ask(Option<&'static str>),
    /// Change it.
    Change(Order),
}

impl NewPassword {
    /// `old` is the present one where it was typed already.
    pub(crate) fn new(why: Why, old: Option<Secret>) -> Self {
        Self { why, old, new: None }
    }

    /// Ask for the new one again.
    pub(crate) fn again(self) -> Self {
        // A wrong present password is to be typed again; the first one was right.
        let old = if self.why == Why::First { self.old } else { None };
        Self { why: self.why, old, new: None }
    }

    pub(crate) fn text(&self) -> &'static str {
        match self.why {
            Why::Wanted => "At least 8 characters. Nothing is shown while you type. Ctrl-C leaves.",
            Why::First => {
                "This unit still has its first password. Choose your own before anything else: at least 8 \
                 characters. Nothing is shown while you type."
            }
            Why::Forgotten => {
                "The new password of bal: at least 8 characters. Nothing is shown while you type. Ctrl-C leaves."
            }
        }
    }

    pub(crate) fn prompt(&self) -> &'static str {
        if self.asks_old() {
            "Present password: "
        } else if self.new.is_none() {
            "New password: "
        } else {
            "New password again: "
        }
    }

    fn asks_old(&self) -> bool {
        self.old.is_none() && self.why != Why::Forgotten
    }

    /// An answer was typed.
    pub(crate) fn take(&mut self, typed: Secret) -> Next {
        if self.asks_old() {
            self.old = Some(typed);
            return Next::Ask(None);
        }
        match self.new.take() {
            None => {
                self.new = Some(typed);
                Next::Ask(None)
            }
            Some(new) if new != typed => Next::Ask(Some("The two differ. Type the new password again.")),
            Some(new) if self.why == Why::Forgotten => Next::Change(Order::ResetPassword(new)),
            Some(new) => match self.old.clone() {
                Some(old) => Next::Change(Order::ChangePassword { old, new }),
                None => Next::Ask(None),
            },
        }
    }
}
