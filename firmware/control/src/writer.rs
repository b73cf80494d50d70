//! The one place where the configuration changes.

use crate::apply::{self, Applied, Refused};
use crate::past::{self, NotBack};
use crate::{Generations, clashes, password, unix_s};
use evener_api::control::{
    Accepted, Cause, Change, Generation, GenerationInfo, MAX_REASON, Reply, Snapshot, Transaction, Violation,
};
use evener_config::{Config, PasswordHash, RsId, VsId, diff, validate};
use evener_store::{Draft, NextIds, Record, StoreError};
use std::io;

/// Lines of a summary that are kept. The rest is counted.
const MAX_SUMMARY: usize = 50;
/// Lines of a difference that somebody asked for.
const MAX_DIFFERENCE: usize = 2000;
/// Longest author that is kept, in characters.
const MAX_AUTHOR: usize = 64;

/// The store, and the rules by which it grows.
#[derive(Debug)]
pub(crate) struct Writer {
    store: Generations,
    /// What the operator must know of how this life began.
    of_start: Vec<String>,
}

impl Writer {
    /// `of_start`: what the operator must know of how this life began.
    pub(crate) const fn new(store: Generations, of_start: Vec<String>) -> Self {
        Self { store, of_start }
    }

    /// Everything that the operator must know now.
    pub(crate) fn warnings(&self) -> Vec<String> {
        let copy = self.store.copy_warning();
        let copy = copy.map(|warning| format!("Configuration: {warning}. The disk may be failing."));
        self.of_start.iter().cloned().chain(copy).collect()
    }

    /// What is in force; generation zero and the defaults before there is anything.
    pub(crate) fn snapshot(&self) -> Snapshot {
        self.store.current().map_or_else(
            || Snapshot { generation: 0, config: evener_config::Config::default() },
            |record| Snapshot { generation: record.generation, config: record.config.clone() },
        )
    }

    /// Carries out a change, whole or not at all. When the reply is [`Reply::Accepted`] the change is durable.
    pub(crate) fn apply(&mut self, transaction: &Transaction) -> Reply {
        let Prepared { newest, draft, vs, rs, changes } = match self.prepare(transaction) {
            Ok(prepared) => prepared,
            Err(refusal) => return refusal,
        };
        if !changes {
            return Reply::Accepted(Accepted { generation: newest, vs, rs });
        }
        match self.store.append(draft) {
            Ok(generation) => Reply::Accepted(Accepted { generation, vs, rs }),
            Err(error) => {
                let reason = with_sources(&error);
                tracing::error!("a change cannot be stored: {reason}");
                Reply::Failed(reason)
            }
        }
    }

    /// What a change would do; nothing is changed.
    pub(crate) fn try_out(&mut self, transaction: &Transaction) -> Reply {
        match self.prepare(transaction) {
            Ok(prepared) => Reply::Difference(prepared.draft.summary),
            Err(refusal) => refusal,
        }
    }

    /// A change as it would be stored, or what refuses it.
    fn prepare(&mut self, transaction: &Transaction) -> Result<Prepared, Reply> {
        let Some(Record { generation: newest, config, next_ids, .. }) = self.store.current().cloned() else {
            return Err(Reply::Failed(String::from("the unit has no configuration yet")));
        };
        if transaction.based_on.is_some_and(|based_on| based_on != newest) {
            return Err(Reply::Conflict { newest });
        }
        if let Some(reason) = transaction.reason.as_deref().and_then(why_not_a_reason) {
            return Err(Reply::Invalid(vec![Violation { field: String::from("reason"), reason }]));
        }
        let mut cause = Cause { reason: transaction.reason.clone(), ..Cause::default() };
        let made = match &transaction.change {
            Change::Undo { generation } => {
                cause.undoes = Some(*generation);
                brought(self.undone(*generation, &config)?, next_ids)
            }
            Change::Restore { generation } => {
                cause.restores = Some(*generation);
                let former = self.store.load(*generation).map_err(|error| missing(&error))?;
                brought(past::brought_back(&former.config, &config), next_ids)
            }
            Change::Replace(parts) => {
                let hashes = parts.users.iter().flatten().map(|user| &user.password);
                refuse_unusable(hashes)?;
                brought(past::replaced(parts, &config), next_ids)
            }
            change => {
                if let Change::SetPassword { password, .. } = change {
                    refuse_unusable([password])?;
                }
                apply::apply(&config, next_ids, change).map_err(|refused| match refused {
                    Refused::NotFound => Reply::NotFound,
                    Refused::Invalid(violation) => Reply::Invalid(vec![violation]),
                })?
            }
        };
        let changes = made.config != config;
        let violations = if changes { validate(&made.config) } else { Vec::new() };
        if !violations.is_empty() {
            return Err(Reply::Invalid(violations));
        }
        let draft = Draft {
            author: author(&transaction.author),
            unix_s: unix_s(),
            cause,
            summary: summary(diff(&config, &made.config)),
            next_ids: made.next_ids,
            config: made.config,
        };
        Ok(Prepared { newest, draft, vs: made.vs, rs: made.rs, changes })
    }

    /// What is in force now without what this generation changed.
    fn undone(&mut self, generation: u64, now: &Config) -> Result<Config, Reply> {
        let changed = self.store.load(generation).map_err(|error| missing(&error))?;
        let before = self.store.parent_of(&changed).map_err(|error| missing(&error))?;
        past::undone(&changed.config, &before.config, now).map_err(|not_back| match not_back {
            NotBack::Unfit(violation) => Reply::Invalid(vec![violation]),
            NotBack::Conflicts(conflicts) => {
                Reply::Clashes(clashes::told(&mut self.store, &changed, &conflicts))
            }
        })
    }

    /// One generation as it was, without its secrets.
    pub(crate) fn generation(&mut self, generation: u64) -> Reply {
        match self.store.load(generation) {
            Ok(record) => {
                let info = record.info();
                let config = record.config.without_secrets();
                Reply::Generation(Box::new(Generation { info, config }))
            }
            Err(error) => missing(&error),
        }
    }

    /// The difference between two generations.
    pub(crate) fn compare(&mut self, from: u64, to: u64) -> Reply {
        match (self.store.load(from), self.store.load(to)) {
            (Ok(from), Ok(to)) => Reply::Difference(cut(diff(&from.config, &to.config), MAX_DIFFERENCE)),
            (Err(error), _) | (_, Err(error)) => missing(&error),
        }
    }

    /// What is lost while a firmware runs that reads records up to this format.
    pub(crate) fn lost_by(&mut self, format: u16) -> Reply {
        let newest = self.snapshot();
        let readable = self.store.newest_up_to(format);
        let generation = readable.as_ref().map(|record| record.generation);
        // The unit starts anew when it finds nothing that it can read.
        let left = readable.map_or_else(evener_config::Config::default, |record| record.config);
        Reply::Lost { generation, lines: summary(diff(&newest.config, &left)) }
    }

    /// The last generations, newest first.
    pub(crate) fn history(&mut self, most: u16) -> Vec<GenerationInfo> {
        self.store.history(usize::from(most))
    }
}

/// A name that fits into one line of the history, whatever was sent.
fn author(name: &str) -> String {
    name.chars().filter(|character| !character.is_control()).take(MAX_AUTHOR).collect()
}

pub(crate) fn summary(lines: Vec<String>) -> Vec<String> {
    cut(lines, MAX_SUMMARY)
}

fn cut(mut lines: Vec<String>, most: usize) -> Vec<String> {
    if lines.len() > most {
        let more = lines.len() - (most - 1);
        lines.truncate(most - 1);
        lines.push(format!("and {more} more"));
    }
    lines
}

/// A change as it would be stored.
#[derive(Debug)]
struct Prepared {
    /// The generation in force.
    newest: u64,
    draft: Draft,
    vs: Option<VsId>,
    rs: Option<RsId>,
    /// Whether it changes anything.
    changes: bool,
}

/// A configuration that came back as a whole.
fn brought(config: Config, next_ids: NextIds) -> Applied {
    Applied { next_ids: past::ids_beyond(next_ids, &config), config, vs: None, rs: None }
}

/// What is said of a generation that is not there, or cannot be read.
fn missing(error: &StoreError) -> Reply {
    match error {
        StoreError::Read { source, .. } if source.kind() == io::ErrorKind::NotFound => Reply::NotFound,
        error => {
            let reason = with_sources(error);
            Reply::Invalid(vec![Violation { field: String::from("generation"), reason }])
        }
    }
}

fn refuse_unusable<'a>(hashes: impl IntoIterator<Item = &'a PasswordHash>) -> Result<(), Reply> {
    match hashes.into_iter().find_map(password::why_unusable) {
        Some(reason) => Err(Reply::Invalid(vec![Violation { field: String::from("password"), reason }])),
        None => Ok(()),
    }
}

/// Why this is no reason that the history can show; `None` when it is one.
fn why_not_a_reason(reason: &str) -> Option<String> {
    if reason.chars().any(char::is_control) {
        return Some(String::from("a reason is one line, without control characters"));
    }
    let length = reason.chars().count();
    (length > MAX_REASON).then(|| format!("{length} characters are too many: at most {MAX_REASON}"))
}

/// An error with all its causes in one line.
pub(crate) fn with_sources(error: &dyn std::error::Error) -> String {
    let sources = std::iter::successors(error.source(), |error| error.source());
    sources.fold(error.to_string(), |text, source| format!("{text}: {source}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_summary_is_cut_and_counted() {
        let lines: Vec<String> = (1..=60).map(|line| line.to_string()).collect();
        let cut = summary(lines.clone());
        assert_eq!(cut.len(), 50);
        assert_eq!(cut[49], "and 11 more");
        assert_eq!(summary(lines[..50].to_vec()), lines[..50]);
    }

    #[test]
    fn a_reason_is_one_line_of_a_bounded_length() {
        for good in ["", "näher am Kunden", &"é".repeat(MAX_REASON)] {
            assert_eq!(why_not_a_reason(good), None, "{good}");
        }
        for bad in ["two\nlines", "a\u{1b}[31m", "\u{0}", &"é".repeat(MAX_REASON + 1)] {
            assert!(why_not_a_reason(bad).is_some(), "{bad}");
        }
    }

    #[test]
    fn an_author_is_one_line() {
        assert_eq!(author("bal\n2 evil"), "bal2 evil");
        assert_eq!(author(&"é".repeat(100)).chars().count(), 64);
    }
}
