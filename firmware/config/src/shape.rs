//! What every setting is: its name, explanation, unit, range and default, as a tree beside the types.
//!
//! The types of the model say all of it once, at the field: the explanation is the field's documentation, title and
//! range are attributes that `schemars` reads. Everything that treats settings alike reads this tree and needs no list
//! of its own: the check of ranges, the differences in words, the tables of `docs/settings.md`, the OpenAPI document,
//! the forms of the pages. A new field is in all of them at once, or its missing title fails a test
//! (`every_setting_is_described`).
//!
//! Beside JSON Schema's own words these are used:
//!
//! | attribute | at | meaning |
//! |---|---|---|
//! | `x-unit` | a number | what is counted: `s`, `bytes`, `kbit/s` |
//! | `x-what` | a number | its name in a refusal, where the title does not read well: `a number of tries` |
//! | `x-absent` | an optional field | what holds without a value: `the server's own` |
//! | `x-words` | a choice with content | how it is said: `the unit's own on {}`, `{address}/{prefix}` |
//! | `x-label` | an object of a list | how it is called: the first template of which all fields are there |
//! | `x-inactive` | a field or a choice | this version keeps it and does not act on it |
//! | `x-secret` | a text | never shown |

mod read;
mod walk;

pub use walk::{Leaf, leaves};

use crate::Config;
use serde_json::Value;
use std::sync::LazyLock;

/// What a value may be.
#[derive(Clone, Debug, PartialEq)]
pub enum Shape {
    /// On or off.
    Switch,
    /// A whole number.
    Number(Number),
    /// Characters.
    Text(Text),
    /// One of these.
    Choice(Vec<Variant>),
    /// Several settings with names.
    Group(Group),
    /// Any number of one thing.
    List(List),
}

/// A whole number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Number {
    /// Smallest and largest good value.
    pub min: u64,
    /// Largest good value.
    pub max: u64,
    /// What is counted, short, such as `s`; empty for a pure number.
    pub unit: String,
    /// What it is, with its article, as a refusal says it: `a port`.
    pub what: String,
}

/// Characters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Text {
    /// Most characters; absent where the type or a rule of its own bounds it.
    pub longest: Option<u64>,
    /// `ip`, `ipv4`, … as JSON Schema calls it; empty for plain text.
    pub format: String,
    /// Never shown.
    pub secret: bool,
    /// May hold line breaks.
    pub lines: bool,
}

/// One of the values of a choice.
#[derive(Clone, Debug, PartialEq)]
pub struct Variant {
    /// Its name in JSON.
    pub name: String,
    /// What an operator calls it.
    pub title: String,
    /// What it does.
    pub help: String,
    /// What belongs to it, if anything does.
    pub content: Option<Shape>,
    /// How it is said with its content; empty: by the title alone.
    pub words: String,
    /// Whether this version acts on it.
    pub is_active: bool,
}

/// Several settings with names.
#[derive(Clone, Debug, PartialEq)]
pub struct Group {
    /// In the order of their declaration.
    pub fields: Vec<Field>,
    /// How such an object is called, best first.
    pub labels: Vec<String>,
    /// The name of its type, as the schema has it; empty for the root.
    pub type_name: String,
}

/// Any number of one thing.
#[derive(Clone, Debug, PartialEq)]
pub struct List {
    /// What each is.
    pub of: Box<Shape>,
    /// Most elements; absent where a rule of its own bounds it.
    pub most: Option<u64>,
}

/// One setting, or a group of them.
#[derive(Clone, Debug, PartialEq)]
pub struct Field {
    /// Its name in JSON.
    pub name: String,
    /// What an operator calls it; empty for a group whose fields stand for themselves.
    pub title: String,
    /// What it does, with all that an operator must know to set it.
    pub help: String,
    /// What it may be.
    pub shape: Shape,
    /// What it is when nobody sets it; absent: it must be set.
    pub default: Option<Value>,
    /// May be absent, which is said so; none: it may not.
    pub absent: Option<String>,
    /// Whether this version acts on it.
    pub is_active: bool,
}

impl Group {
    /// The field of that name.
    #[must_use]
    pub fn field(&self, name: &str) -> Option<&Field> {
        self.fields.iter().find(|field| field.name == name)
    }

    /// The field that tells one object of a list from the others: `id` where there is one, else `name`.
    #[must_use]
    pub fn identity(&self) -> Option<&Field> {
        self.field("id").or_else(|| self.field("name"))
    }
}

impl Number {
    /// Whether the value is a good one.
    #[must_use]
    pub fn holds(&self, value: u64) -> bool {
        (self.min..=self.max).contains(&value)
    }

    /// The sentence that refuses a value: `70000 is not a port: 1 to 65535`.
    #[must_use]
    pub fn refusal(&self, value: impl core::fmt::Display) -> String {
        let unit = match self.unit.as_str() {
            "" => "",
            "s" => " seconds",
            "min" => " minutes",
            "ms" => " milliseconds",
            other => &format!(" {other}"),
        };
        format!("{value} is not {}: {} to {}{unit}", self.what, self.min, self.max)
    }
}

/// What `schemars` says of the model: JSON Schema 2020-12, with the types under `$defs`.
#[must_use]
pub fn json_schema() -> Value {
    schemars::schema_for!(Config).to_value()
}

/// Everything that can be set.
#[must_use]
pub fn settings() -> &'static Group {
    static SETTINGS: LazyLock<Group> = LazyLock::new(|| match read::shape_of::<Config>() {
        Shape::Group(group) => group,
        // The root type is a struct; `every_setting_is_described` would find an empty tree.
        _ => Group { fields: Vec::new(), labels: Vec::new(), type_name: String::new() },
    });
    &SETTINGS
}

/// What a virtual service is.
#[must_use]
pub fn virtual_service() -> Option<&'static Shape> {
    let Shape::Group(shared) = &settings().field("shared")?.shape else { return None };
    match &shared.field("virtual_services")?.shape {
        Shape::List(list) => Some(&list.of),
        _ => None,
    }
}

/// A title within a sentence: `Check interval` becomes `check interval`; `MTU` and `IPv4` stay.
#[must_use]
pub fn within_a_sentence(title: &str) -> String {
    let mut letters = title.chars();
    match (letters.next(), letters.next()) {
        (Some(first), Some(second)) if first.is_uppercase() && !second.is_uppercase() => {
            first.to_lowercase().chain(title.chars().skip(1)).collect()
        }
        _ => title.to_owned(),
    }
}

#[cfg(test)]
mod tests;
