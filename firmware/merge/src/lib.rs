//! Three-way merge of settings as JSON values: what two sides made of one ancestor, as one value.
//!
//! Two of the unit's tasks are this one task. To undo a change is to merge what is in force now with what was
//! in force before the change, from the change as their ancestor. To join what the two units of a pair set while
//! they were cut apart is to merge their settings from the last common ones.
//!
//! ```text
//! object             key by key; an object of one key whose key differs is a choice, as serde writes
//!                    an enum, and is taken whole
//! list of objects    element by element, each known by its `id`, else by its `name`; an order that one
//!                    side changed is kept
//! anything else      whole
//! ```
//!
//! What one side alone changed is taken. Where both changed the same to different things, or one changed what the
//! other deleted, there is a conflict: it is named by its path, and one side wins it. Whether a merged value makes
//! sense is not known here: whoever asked validates it.

#![forbid(unsafe_code)]

mod list;
mod path;

pub use path::{Identity, Path, Step};

use serde_json::{Map, Value};
use std::collections::BTreeSet;

/// Whose value is taken where both changed the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Favour {
    /// The first side's.
    Ours,
    /// The second side's.
    Theirs,
}

/// What came of a merge.
#[derive(Clone, Debug, PartialEq)]
pub struct Merged {
    /// The one value. Where there are conflicts, the favoured side's is in it.
    pub value: Value,
    /// Where both sides changed the same, in the order in which the value is read.
    pub conflicts: Vec<Conflict>,
}

/// A place that both sides changed, each in its way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Conflict {
    /// Which place.
    pub path: Path,
    /// What they did to it.
    pub kind: Kind,
}

/// What two sides did to the same place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Both set it, to different values.
    BothChanged,
    /// The first deleted it, the second changed something in it.
    OursDeleted,
    /// The first changed something in it, the second deleted it.
    TheirsDeleted,
    /// Both put the elements of this list in another order.
    BothReordered,
}

/// What `ours` and `theirs` made of `base`, as one value; in a conflict the favoured side wins.
#[must_use]
pub fn merge(base: &Value, ours: &Value, theirs: &Value, favour: Favour) -> Merged {
    let mut merging = Merging { favour, path: Path::default(), conflicts: Vec::new() };
    let value = merging.place(Some(base), Some(ours), Some(theirs));
    Merged { value: value.unwrap_or_default(), conflicts: merging.conflicts }
}

/// As [`merge`], but a conflict refuses the whole.
///
/// # Errors
/// Every conflict.
pub fn merge_or_refuse(base: &Value, ours: &Value, theirs: &Value) -> Result<Value, Vec<Conflict>> {
    let Merged { value, conflicts } = merge(base, ours, theirs, Favour::Ours);
    if conflicts.is_empty() { Ok(value) } else { Err(conflicts) }
}

/// A merge on its way through the value.
struct Merging {
    favour: Favour,
    path: Path,
    conflicts: Vec<Conflict>,
}

impl Merging {
    /// What becomes of one place; absent is a value, too.
    fn place(&mut self, base: Option<&Value>, ours: Option<&Value>, theirs: Option<&Value>) -> Option<Value> {
        if ours == theirs || base == theirs {
            return ours.cloned();
        }
        if base == ours {
            return theirs.cloned();
        }
        match (base, ours, theirs) {
            (Some(Value::Object(base)), Some(Value::Object(ours)), Some(Value::Object(theirs)))
                if !is_choice([base, ours, theirs]) =>
            {
                Some(Value::Object(self.object(base, ours, theirs)))
            }
            (Some(Value::Array(base_list)), Some(Value::Array(our_list)), Some(Value::Array(their_list))) => {
                match list::Sides::of(base_list, our_list, their_list) {
                    Some(sides) => Some(Value::Array(self.list(&sides))),
                    None => self.conflict(ours, theirs),
                }
            }
            _ => self.conflict(ours, theirs),
        }
    }

    fn object(
        &mut self,
        base: &Map<String, Value>,
        ours: &Map<String, Value>,
        theirs: &Map<String, Value>,
    ) -> Map<String, Value> {
        let keys: BTreeSet<&String> = base.keys().chain(ours.keys()).chain(theirs.keys()).collect();
        let mut merged = Map::new();
        for key in keys {
            self.path.push(Step::Key(key.clone()));
            if let Some(value) = self.place(base.get(key), ours.get(key), theirs.get(key)) {
                merged.insert(key.clone(), value);
            }
            self.path.pop();
        }
        merged
    }

    fn list(&mut self, sides: &list::Sides<'_>) -> Vec<Value> {
        let mut kept = list::Kept::new();
        for identity in sides.identities() {
            self.path.push(Step::Element(identity.clone()));
            let [base, ours, theirs] = sides.element(identity);
            if let Some(value) = self.place(base, ours, theirs) {
                kept.insert(identity.clone(), value);
            }
            self.path.pop();
        }
        let (order, both_reordered) = sides.order(&kept, self.favour);
        if both_reordered {
            self.conflicts.push(Conflict { path: self.path.clone(), kind: Kind::BothReordered });
        }
        order.into_iter().filter_map(|identity| kept.remove(identity)).collect()
    }

    fn conflict(&mut self, ours: Option<&Value>, theirs: Option<&Value>) -> Option<Value> {
        let kind = match (ours, theirs) {
            (None, _) => Kind::OursDeleted,
            (_, None) => Kind::TheirsDeleted,
            _ => Kind::BothChanged,
        };
        self.conflicts.push(Conflict { path: self.path.clone(), kind });
        match self.favour {
            Favour::Ours => ours.cloned(),
            Favour::Theirs => theirs.cloned(),
        }
    }
}

/// Whether three objects are the variants of an enum: one key each, and not the same. Key by key, `{"http": …}` and
/// `{"script": …}` would become an object with both.
fn is_choice(objects: [&Map<String, Value>; 3]) -> bool {
    let [first, ..] = objects;
    objects.iter().all(|object| object.len() == 1)
        && objects.iter().any(|object| !object.keys().eq(first.keys()))
}

#[cfg(test)]
mod tests;
