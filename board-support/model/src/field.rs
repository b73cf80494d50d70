//! Checks of single fields, made while the text is parsed: only then does the parser still know the line.

use serde::de::{Deserialize, Deserializer, Error};

/// A list or set that must not be empty.
pub(crate) trait List {
    fn is_empty(&self) -> bool;
}

impl<T> List for Vec<T> {
    fn is_empty(&self) -> bool {
        self.is_empty()
    }
}

impl<T> List for std::collections::BTreeSet<T> {
    fn is_empty(&self) -> bool {
        self.is_empty()
    }
}

/// At least one.
pub(crate) fn some<'de, D: Deserializer<'de>, T: Deserialize<'de> + List>(from: D) -> Result<T, D::Error> {
    let list = T::deserialize(from)?;
    if list.is_empty() { Err(Error::custom("at least one is needed")) } else { Ok(list) }
}

/// A number from `LOW` to `HIGH`.
pub(crate) fn within<'de, const LOW: u32, const HIGH: u32, D: Deserializer<'de>>(
    from: D,
) -> Result<u32, D::Error> {
    let value = u32::deserialize(from)?;
    if (LOW..=HIGH).contains(&value) {
        return Ok(value);
    }
    Err(Error::custom(format!("{value} is not between {LOW} and {HIGH}")))
}

/// One of `words`, which are called `what`.
pub(crate) fn one_of<'de, D: Deserializer<'de>>(
    from: D,
    what: &str,
    words: &[&str],
) -> Result<String, D::Error> {
    let word = String::deserialize(from)?;
    if words.contains(&word.as_str()) {
        return Ok(word);
    }
    Err(Error::custom(format!("unknown {what} `{word}`, expected one of {}", words.join(", "))))
}
