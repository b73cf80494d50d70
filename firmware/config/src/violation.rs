//! What is wrong with a configuration, and how findings are collected.

use core::fmt;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// One thing wrong with a configuration.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Violation {
    /// Path of the field, such as `shared.virtual_services[0].port`.
    pub field: String,
    /// What is wrong and what would be right, for the operator.
    pub reason: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.field, self.reason)
    }
}

/// Findings so far, at most [`MOST`](Self::MOST): nobody reads more, and a reply to a hostile request stays
/// small.
#[derive(Debug, Default)]
pub(crate) struct Findings {
    list: Vec<Violation>,
    /// What the description of a setting refuses by itself. A rule that knows the setting says it better.
    general: Vec<Violation>,
}

impl Findings {
    const MOST: usize = 100;

    pub(crate) fn add(&mut self, field: impl Into<String>, reason: impl Into<String>) {
        if self.list.len() < Self::MOST {
            self.list.push(Violation { field: field.into(), reason: reason.into() });
        }
    }

    /// All that was found so far is what the descriptions of settings refuse.
    pub(crate) fn are_general(&mut self) {
        self.general.append(&mut self.list);
    }

    /// Records `reason` unless the claim holds.
    pub(crate) fn require(&mut self, holds: bool, field: &str, reason: impl FnOnce() -> String) {
        if !holds {
            self.add(field, reason());
        }
    }

    /// Whether something was found about this very field.
    pub(crate) fn are_about(&self, field: &str) -> bool {
        self.list.iter().chain(&self.general).any(|it| it.field == field)
    }

    pub(crate) fn into_list(self) -> Vec<Violation> {
        let Self { mut list, general } = self;
        let known: BTreeSet<String> = list.iter().map(|it| it.field.clone()).collect();
        list.extend(general.into_iter().filter(|it| !known.contains(&it.field)));
        list.truncate(Self::MOST);
        list
    }
}

/// A place in the configuration: the path of an object, to which names of fields are added.
#[derive(Clone, Debug)]
pub(crate) struct Path(String);

impl Path {
    pub(crate) fn new(root: &str) -> Self {
        Self(root.to_owned())
    }

    /// The path of a field of this object.
    pub(crate) fn field(&self, name: &str) -> String {
        format!("{}.{name}", self.0)
    }

    /// The object in a field of this one.
    pub(crate) fn object(&self, name: &str) -> Self {
        Self(self.field(name))
    }

    /// The element of a list in a field of this object.
    pub(crate) fn element(&self, list: &str, index: usize) -> Self {
        Self(format!("{}.{list}[{index}]", self.0))
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}
