//! The one place where the configuration changes.

use crate::apply::{self, Refused};
use crate::{Generations, password, unix_s};
use evener_api::control::{Accepted, Change, GenerationInfo, Reply, Snapshot, Transaction, Violation};
use evener_config::{diff, validate};
use evener_store::{Draft, Record};

/// Lines of a summary that are kept. The rest is counted.
const MAX_SUMMARY: usize = 50;
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
        let Some(current) = self.store.current() else {
            return Reply::Failed(String::from("the unit has no configuration yet"));
        };
        let Record { generation: newest, config, next_ids, .. } = current;
        let newest = *newest;
        if transaction.based_on.is_some_and(|based_on| based_on != newest) {
            return Reply::Conflict { newest };
        }
        if let Change::SetPassword { password: hash, .. } = &transaction.change
            && let Some(reason) = password::why_unusable(hash)
        {
            return Reply::Invalid(vec![Violation { field: String::from("password"), reason }]);
        }
        let applied = match apply::apply(config, *next_ids, &transaction.change) {
            Ok(applied) => applied,
            Err(Refused::NotFound) => return Reply::NotFound,
            Err(Refused::Invalid(violation)) => return Reply::Invalid(vec![violation]),
        };
        let (vs, rs) = (applied.vs, applied.rs);
        if applied.config == *config {
            return Reply::Accepted(Accepted { generation: newest, vs, rs });
        }
        let violations = validate(&applied.config);
        if !violations.is_empty() {
            return Reply::Invalid(violations);
        }
        let draft = Draft {
            author: author(&transaction.author),
            unix_s: unix_s(),
            summary: summary(diff(config, &applied.config)),
            next_ids: applied.next_ids,
            config: applied.config,
        };
        match self.store.append(draft) {
            Ok(generation) => Reply::Accepted(Accepted { generation, vs, rs }),
            Err(error) => {
                let reason = with_sources(&error);
                tracing::error!("a change cannot be stored: {reason}");
                Reply::Failed(reason)
            }
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

pub(crate) fn summary(mut lines: Vec<String>) -> Vec<String> {
    if lines.len() > MAX_SUMMARY {
        let more = lines.len() - (MAX_SUMMARY - 1);
        lines.truncate(MAX_SUMMARY - 1);
        lines.push(format!("and {more} more"));
    }
    lines
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
    fn an_author_is_one_line() {
        assert_eq!(author("bal\n2 evil"), "bal2 evil");
        assert_eq!(author(&"é".repeat(100)).chars().count(), 64);
    }
}
