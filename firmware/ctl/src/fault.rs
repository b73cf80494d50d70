//! What can go wrong, in words and as an exit code.

use crate::arguments::{Fingerprint, Unit};
use evener_api::problem::Problem;
use std::io;
use std::path::PathBuf;

/// Why it was not done.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Fault {
    /// The unit refused; the problem says why.
    #[error("{}", of_problem(.0))]
    Refused(Box<Problem>),
    /// No connection.
    #[error("{unit} cannot be reached: {source}")]
    Unreachable {
        /// Where.
        unit: Unit,
        /// Why.
        source: io::Error,
    },
    /// The connection broke, or the answer does not come.
    #[error("{unit} does not answer: {reason}")]
    Silent {
        /// Who.
        unit: Unit,
        /// Why.
        reason: String,
    },
    /// No fingerprint was given.
    #[error(
        "The certificate of {unit} has this SHA-256 fingerprint:\n\n  {seen}\n\n\
         Compare it with the one that the unit tells (its console and log: \"web: certificate sha256=…\"). If they are \
         equal, repeat with\n\n  --fingerprint {seen}\n\nNothing was sent."
    )]
    Unpinned {
        /// Whose.
        unit: Unit,
        /// What it shows.
        seen: Fingerprint,
    },
    /// Another certificate than the pinned one.
    #[error(
        "The certificate of {unit} is not the expected one; it has the fingerprint\n\n  {seen}\n\nEither this is another \
         unit, or it was reset to its factory settings, or somebody is in between. Nothing was sent."
    )]
    OtherCertificate {
        /// Whose.
        unit: Unit,
        /// What it shows.
        seen: Fingerprint,
    },
    /// A file of this machine.
    #[error("{}: {source}", .path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// There is no password.
    #[error("the unit wants a password: --password-file FILE, or EVENER_PASSWORD in the environment")]
    NoPassword,
    /// The answer is none of this API.
    #[error("{0}: this is not the answer of an Evener unit of this or an earlier version")]
    Unintelligible(String),
    /// The new firmware was given up.
    #[error("{0}")]
    GivenUp(String),
    /// The outcome did not come in time.
    #[error("{0}")]
    Unsettled(String),
}

impl Fault {
    /// For everything that has no code of its own.
    pub(crate) const OTHER: u8 = 1;

    /// As `docs/ctl.md` lists them.
    pub(crate) fn exit_code(&self) -> u8 {
        match self {
            Self::File { .. } | Self::Unintelligible(_) => Self::OTHER,
            Self::Refused(problem) if matches!(problem.status, 401 | 403 | 429) => 4,
            Self::NoPassword => 4,
            Self::Refused(_) => 2,
            Self::Unpinned { .. } | Self::OtherCertificate { .. } => 3,
            Self::Unreachable { .. } | Self::Silent { .. } => 5,
            Self::GivenUp(_) => 6,
            Self::Unsettled(_) => 7,
        }
    }
}

/// A refusal as one reads it: what, what to do, and the code to look it up by.
fn of_problem(problem: &Problem) -> String {
    let mut words = problem.detail.clone().unwrap_or_else(|| problem.title.clone());
    for part in problem.remedy.iter().filter(|part| !part.is_empty()) {
        words.push(' ');
        words.push_str(part);
    }
    if problem.can_be_overridden {
        words.push_str(" To install it all the same: --even-if-it-failed.");
    }
    let code = problem.code.as_deref().unwrap_or("");
    let gap = if code.is_empty() { "" } else { ", " };
    format!("{words}\n({code}{gap}{})", problem.kind)
}
