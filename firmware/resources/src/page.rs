//! Long lists in pages.

use crate::place::{identity, name_of};
use evener_config::shape::List;
use serde_json::Value;

/// A part of a list.
#[derive(Clone, Debug, PartialEq)]
pub struct Page {
    /// The elements.
    pub elements: Vec<Value>,
    /// What the next page is asked for with; none on the last one.
    pub next: Option<String>,
}

/// At most `most` elements behind the one that the cursor names. The cursor is the identity of the last element that
/// was seen, so that elements which come or go meanwhile neither hide others nor show them twice; when that one itself
/// is gone there is no telling where it was, and there is no such page.
#[must_use]
pub fn page(list: &List, elements: &[Value], after: Option<&str>, most: usize) -> Option<Page> {
    let name = |element: &Value| identity(list).map(|key| name_of(element, key));
    let first = match after {
        None => 0,
        Some(after) => elements.iter().position(|it| name(it).as_deref() == Some(after))? + 1,
    };
    let rest = elements.get(first..).unwrap_or_default();
    let elements: Vec<Value> = rest.iter().take(most).cloned().collect();
    let next = if rest.len() > elements.len() { elements.last().and_then(name) } else { None };
    Some(Page { elements, next })
}
