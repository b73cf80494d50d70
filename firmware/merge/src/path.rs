//! The way to a place in a value: `shared.virtual_services[id=3].port`.

use serde_json::Value;
use std::fmt;

/// The way from the whole value to a place in it.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Path(Vec<Step>);

/// One step down.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Step {
    /// Into this field of an object.
    Key(String),
    /// Into this element of a list.
    Element(Identity),
}

/// By what an element of a list is known, wherever it stands.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Identity {
    /// Its `id`, a number.
    Id(u64),
    /// Its `id`, a word.
    Word(String),
    /// Its `name`, where elements of the list have no `id`.
    Name(String),
}

impl Identity {
    /// The identity of an element; `None` for what has none.
    #[must_use]
    pub fn of(element: &Value) -> Option<Self> {
        match (element.get("id"), element.get("name")) {
            (Some(Value::String(word)), _) => Some(Self::Word(word.clone())),
            (Some(id), _) => id.as_u64().map(Self::Id),
            (None, Some(name)) => name.as_str().map(|name| Self::Name(name.to_owned())),
            (None, None) => None,
        }
    }
}

impl Path {
    /// The steps, from the whole value down.
    #[must_use]
    pub fn steps(&self) -> &[Step] {
        &self.0
    }

    /// The value at the end of this way; `None` where there is nothing (any more).
    #[must_use]
    pub fn find<'a>(&self, value: &'a Value) -> Option<&'a Value> {
        self.0.iter().try_fold(value, |value, step| match step {
            Step::Key(key) => value.get(key),
            Step::Element(identity) => {
                value.as_array()?.iter().find(|element| Identity::of(element).as_ref() == Some(identity))
            }
        })
    }

    /// The way to the innermost element of a list that this place lies in, or is; `None` outside of all lists.
    #[must_use]
    pub fn object(&self) -> Option<Self> {
        let last = self.0.iter().rposition(|step| matches!(step, Step::Element(_)))?;
        self.0.get(..=last).map(|steps| Self(steps.to_vec()))
    }

    pub(crate) fn push(&mut self, step: Step) {
        self.0.push(step);
    }

    pub(crate) fn pop(&mut self) {
        self.0.pop();
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, step) in self.0.iter().enumerate() {
            match step {
                Step::Key(key) if at == 0 => f.write_str(key)?,
                Step::Key(key) => write!(f, ".{key}")?,
                Step::Element(Identity::Id(id)) => write!(f, "[id={id}]")?,
                Step::Element(Identity::Word(word)) => write!(f, "[id={word}]")?,
                Step::Element(Identity::Name(name)) => write!(f, "[name={name}]")?,
            }
        }
        Ok(())
    }
}
