//! `install.toml`: what is to be done where nobody answers.
//!
//! It names a disk by what tells it from others, never by guess: when two fit, or none, nothing is installed and the
//! question stays. What it leaves out is the careful choice.

use std::fmt;

use evener_manifest::Version;
use serde::de::{self, Deserializer, MapAccess, Visitor};
use serde::{Deserialize, de::value::MapAccessDeserializer};

use crate::{Candidate, How, Refusal};

/// Bytes in the gigabyte of disk makers.
const GB: u64 = 1_000_000_000;

/// Which disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Which {
    /// The only one that can be installed.
    Only,
    /// The smallest one that can be installed.
    Smallest,
    /// The one with this name of the kernel's, without `/dev/`.
    Named(String),
    /// The only one that has all of these.
    Like(Like),
}

/// What a disk is told from others by; at least one.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Like {
    /// A part of its model's name, in any case of letters.
    pub model: Option<String>,
    /// Its serial number.
    pub serial: Option<String>,
    /// Its size in gigabytes, as its maker counts; within a tenth.
    pub size_gb: Option<u64>,
}

/// What becomes of a disk that is not empty.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Existing {
    /// It is left alone.
    #[default]
    Refuse,
    /// An Evener keeps its configuration; anything else is left alone.
    Keep,
    /// All of it is lost.
    Erase,
}

/// The content of `install.toml`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Order {
    /// Which disk.
    pub disk: Which,
    /// What becomes of what it holds.
    #[serde(default)]
    pub existing: Existing,
}

/// Why `install.toml` cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}{}{field}: {reason}", if .field.is_empty() { "" } else { ", " })]
pub struct OrderError {
    /// Where, from 1.
    pub line: usize,
    /// The field, empty where there is none.
    pub field: String,
    /// What is wrong with it.
    pub reason: String,
}

/// Why nothing was chosen, or what was chosen is not installed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoChoice {
    /// No disk fits.
    #[error("no disk fits {0}")]
    None(String),
    /// Several do.
    #[error("{fits} fits {} disks: {}", .names.len(), .names.join(", "))]
    Several {
        /// What was asked for.
        fits: String,
        /// Their names.
        names: Vec<String>,
    },
    /// The disk holds something.
    #[error("{name} holds {holds}, and existing = \"{existing}\" leaves it alone")]
    Existing {
        /// Its name.
        name: String,
        /// What it holds.
        holds: String,
        /// What the file says.
        existing: &'static str,
    },
    /// The disk must not be installed.
    #[error("{name}: {refusal}")]
    Refused {
        /// Its name.
        name: String,
        /// Why.
        refusal: Refusal,
    },
}

/// What was chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Chosen {
    /// Its place in the list that was given, from 0.
    pub index: usize,
    /// What becomes of what it holds.
    pub how: How,
}

impl Order {
    /// Reads the text of the file.
    ///
    /// # Errors
    /// [`OrderError`] with line and field.
    pub fn parse(text: &str) -> Result<Self, OrderError> {
        // Some editors of Windows begin a file with this mark.
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let line_of =
            |at: usize| text.bytes().take(at).filter(|byte| *byte == b'\n').count().saturating_add(1);
        let wrong = |error: &toml::de::Error, field: String| OrderError {
            line: line_of(error.span().map_or(0, |span| span.start)),
            field: if field == "." { String::new() } else { field },
            reason: error.message().trim().to_owned(),
        };
        let document = toml::de::DeTable::parse(text).map_err(|error| wrong(&error, String::new()))?;
        serde_path_to_error::deserialize(toml::Deserializer::from(document))
            .map_err(|error| wrong(error.inner(), error.path().to_string()))
    }

    /// The disk to install `version` on.
    ///
    /// # Errors
    /// [`NoChoice`].
    pub fn choose(&self, disks: &[Candidate], version: Version) -> Result<Chosen, NoChoice> {
        let index = self.disk.find(disks)?;
        let disk = disks.get(index).ok_or_else(|| NoChoice::None(self.disk.to_string()))?;
        let refused = |refusal| NoChoice::Refused { name: disk.name.clone(), refusal };
        disk.check().map_err(refused)?;
        let left_alone = |existing| NoChoice::Existing {
            name: disk.name.clone(),
            holds: disk.holds.to_string(),
            existing,
        };
        let how = match self.existing {
            _ if disk.is_free() => How::Erase,
            Existing::Erase => How::Erase,
            Existing::Refuse => return Err(left_alone("refuse")),
            Existing::Keep if matches!(disk.holds, crate::Holds::Unit(_)) => How::Keep,
            Existing::Keep => return Err(left_alone("keep")),
        };
        disk.permits(how, version).map_err(refused)?;
        Ok(Chosen { index, how })
    }
}

impl Which {
    fn find(&self, disks: &[Candidate]) -> Result<usize, NoChoice> {
        let usable = || disks.iter().enumerate().filter(|(_, disk)| disk.check().is_ok());
        let mut fitting: Vec<(usize, &Candidate)> = match self {
            Self::Only => usable().collect(),
            Self::Smallest => {
                let least = usable().map(|(_, disk)| disk.sectors).min();
                usable().filter(|(_, disk)| Some(disk.sectors) == least).collect()
            }
            // Somebody who names a disk hears why it does not do.
            Self::Named(name) => disks.iter().enumerate().filter(|(_, disk)| disk.name == *name).collect(),
            Self::Like(like) => usable().filter(|(_, disk)| like.fits(disk)).collect(),
        };
        match (fitting.pop(), fitting.is_empty()) {
            (Some((index, _)), true) => Ok(index),
            (None, _) => Err(NoChoice::None(self.to_string())),
            (Some(last), false) => {
                fitting.push(last);
                let names = fitting.iter().map(|(_, disk)| disk.name.clone()).collect();
                Err(NoChoice::Several { fits: self.to_string(), names })
            }
        }
    }
}

impl Like {
    fn fits(&self, disk: &Candidate) -> bool {
        let model = disk.model.to_lowercase();
        let bytes = disk.sectors.saturating_mul(512);
        let near = |gb: u64| bytes.abs_diff(gb.saturating_mul(GB)) <= gb.saturating_mul(GB / 10);
        self.model.as_ref().is_none_or(|wanted| model.contains(&wanted.to_lowercase()))
            && self.serial.as_ref().is_none_or(|wanted| disk.serial.trim() == wanted.trim())
            && self.size_gb.is_none_or(near)
    }
}

impl fmt::Display for Which {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Only => f.write_str("disk = \"only\""),
            Self::Smallest => f.write_str("disk = \"smallest\""),
            Self::Named(name) => write!(f, "disk = \"/dev/{name}\""),
            Self::Like(Like { model, serial, size_gb }) => {
                let mut parts: Vec<String> = Vec::new();
                parts.extend(model.iter().map(|model| format!("model = {model:?}")));
                parts.extend(serial.iter().map(|serial| format!("serial = {serial:?}")));
                parts.extend(size_gb.iter().map(|size| format!("size_gb = {size}")));
                write!(f, "disk = {{ {} }}", parts.join(", "))
            }
        }
    }
}

impl<'de> Deserialize<'de> for Which {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Words;
        impl<'de> Visitor<'de> for Words {
            type Value = Which;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("\"only\", \"smallest\", \"/dev/NAME\", or a table of model, serial and size_gb")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Which, E> {
                let is_name =
                    |name: &&str| !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric());
                match text {
                    "only" => Ok(Which::Only),
                    "smallest" => Ok(Which::Smallest),
                    text => match text.strip_prefix("/dev/").filter(is_name) {
                        Some(name) => Ok(Which::Named(name.to_owned())),
                        None => Err(E::invalid_value(de::Unexpected::Str(text), &self)),
                    },
                }
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Which, A::Error> {
                let like = Like::deserialize(MapAccessDeserializer::new(map))?;
                if like == Like::default() {
                    return Err(de::Error::custom("an empty table fits every disk"));
                }
                Ok(Which::Like(like))
            }
        }
        from.deserialize_any(Words)
    }
}

#[cfg(test)]
mod tests;
