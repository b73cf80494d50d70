//! log: what the unit has written into its log, and how it is searched.
//!
//! Init has the lines of every service first, because it holds the other end of their output. It numbers them, keeps
//! the last of them, and streams them to `log`, which keeps them on disk. `docs/decisions/014-log.md` tells why.

use crate::Service;
use crate::capture::{CaptureOrder, CaptureStatus};
use crate::diagnose::Question;
use core::fmt;
use core::str::FromStr;
use serde::{Deserialize, Serialize};

/// Most records in one answer.
pub const MOST_RECORDS: u32 = 1000;

/// How grave a line is, the gravest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// Something does not work.
    Error,
    /// Something may soon not work, or did not for a moment.
    Warning,
    /// What a unit that is well does.
    Info,
    /// For whoever develops it.
    Debug,
}

impl Level {
    /// All, the gravest first.
    pub const ALL: [Self; 4] = [Self::Error, Self::Warning, Self::Info, Self::Debug];

    /// Its name in the API, in files and in addresses of pages.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
            Self::Info => "info",
            Self::Debug => "debug",
        }
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Level {
    type Err = UnknownLevel;

    fn from_str(s: &str) -> Result<Self, UnknownLevel> {
        Self::ALL.into_iter().find(|level| level.name() == s).ok_or_else(|| UnknownLevel(s.to_owned()))
    }
}

/// A name that no level has.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("there is no level {0:?}; the levels are error, warning, info, debug")]
pub struct UnknownLevel(pub String);

/// What a service wrote, taken apart: how grave it is, and its words without level and name.
///
/// A service writes `LEVEL name: words`. A line in another form comes from a program that is about to end, such as the
/// words of a panic, and counts as an error; only init says a few things plainly, after `evener: `.
#[must_use]
pub fn take_apart(service: Service, line: &str) -> (Level, &str) {
    const LEVELS: [(&str, Level); 5] = [
        ("ERROR ", Level::Error),
        ("WARN ", Level::Warning),
        ("INFO ", Level::Info),
        ("DEBUG ", Level::Debug),
        ("TRACE ", Level::Debug),
    ];
    for (word, level) in LEVELS {
        if let Some(rest) = line.strip_prefix(word) {
            let own = rest.strip_prefix(service.name()).and_then(|rest| rest.strip_prefix(": "));
            return (level, own.unwrap_or(rest));
        }
    }
    match (service, line.strip_prefix("evener: ")) {
        (Service::Init, Some(words)) => (Level::Info, words),
        _ => (Level::Error, line),
    }
}

/// One line on its way from init to log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Line {
    /// Grows by one from line to line; never goes back while the kernel runs.
    pub number: u64,
    /// Milliseconds since 1970 by the unit's clock, which may be wrong.
    pub unix_ms: u64,
    /// Milliseconds since the kernel started.
    pub since_boot_ms: u64,
    /// Whose line it is; init knows, whatever the line says.
    pub service: Service,
    /// How grave.
    pub level: Level,
    /// The words, without control characters.
    pub text: String,
}

/// Lines in the order in which they were written.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lines {
    /// Lines before these that init no longer had.
    pub lost: u64,
    /// At least one, but for the first answer to somebody who has them all.
    pub lines: Vec<Line>,
}

/// What may be asked of log. By web only.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Request {
    /// Answered by [`Reply::Found`].
    Search(Search),
    /// Answered by [`Reply::Capture`].
    Capture,
    /// Begin a capture of packets. Answered by [`Reply::Capture`], or [`Reply::Failed`] when there is none.
    StartCapture(CaptureOrder),
    /// End it, if one runs. Answered by [`Reply::Capture`]; it ends a moment later.
    StopCapture,
    /// A piece of the file of the last capture, from this byte on. Answered by [`Reply::Piece`].
    ReadCapture(u64),
    /// Look for a fault in the network. Answered by [`Reply::Lines`], or [`Reply::Failed`] when it could not be tried.
    Diagnose(Question),
}

/// Log's answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Reply {
    /// To [`Request::Search`].
    Found(Found),
    /// The capture that runs, or the last one.
    Capture(CaptureStatus),
    /// To [`Request::ReadCapture`]; empty at the end.
    Piece(Vec<u8>),
    /// To [`Request::Diagnose`], in words.
    Lines(Vec<String>),
    /// This service may not ask this.
    Forbidden,
    /// It could not be done, in words.
    Failed(String),
}

/// Which records are wanted. What is `None` or empty does not narrow the search.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Search {
    /// Written at this moment or later; milliseconds since 1970.
    pub since_unix_ms: Option<u64>,
    /// Written before this moment; milliseconds since 1970.
    pub until_unix_ms: Option<u64>,
    /// So grave or graver.
    pub level: Option<Level>,
    /// Name of the service that wrote it.
    pub service: Option<String>,
    /// Is in the words, upper or lower case.
    pub text: String,
    /// Goes on behind the record with this [`Record::seq`], in the direction of the search.
    pub cursor: Option<u64>,
    /// From the oldest to the newest instead of the other way round.
    pub oldest_first: bool,
    /// Most records wanted, 1 to [`MOST_RECORDS`]; others are taken as the nearest.
    pub most: u32,
}

/// What was found.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Found {
    /// In the order asked for.
    pub records: Vec<Record>,
    /// Where to go on; `None` when there is no more.
    pub next: Option<u64>,
}

/// One line of the log as it is kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// Its place in the log of this unit: later lines have greater ones, over restarts too.
    pub seq: u64,
    /// Milliseconds since 1970 by the unit's clock of that moment.
    pub unix_ms: u64,
    /// Milliseconds since the kernel started.
    pub since_boot_ms: u64,
    /// Differs from start to start of the unit.
    pub boot: u32,
    /// Name of the service; of one that this firmware has not, too.
    pub service: String,
    /// How grave.
    pub level: Level,
    /// The words, without control characters.
    pub text: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_taken_apart_into_level_and_words() {
        for (service, line, level, words) in [
            (Service::Proxy, "INFO proxy: ready", Level::Info, "ready"),
            (Service::Proxy, "WARN proxy: a=b: c", Level::Warning, "a=b: c"),
            (Service::Proxy, "INFO net: not mine", Level::Info, "net: not mine"),
            (Service::Net, "thread 'main' panicked", Level::Error, "thread 'main' panicked"),
            (Service::Init, "evener: ready in 3.2 s", Level::Info, "ready in 3.2 s"),
            (Service::Web, "evener: forged", Level::Error, "evener: forged"),
            (Service::Web, "", Level::Error, ""),
        ] {
            assert_eq!(take_apart(service, line), (level, words), "{line}");
        }
    }

    #[test]
    fn the_names_of_levels_are_read_back() {
        for level in Level::ALL {
            assert_eq!(level.name().parse(), Ok(level));
        }
        assert!("ERROR".parse::<Level>().is_err());
        assert!(Level::Error < Level::Debug, "the gravest first");
    }
}
