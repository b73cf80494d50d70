//! The first configuration: what a unit without one reads from `evener.toml`.
//!
//! The file holds the fields of the settings model under their own names, `shared` and `unit` flattened into
//! one level, plus a password. It is taken whole or not at all, and a file that is refused is refused with
//! every reason at once, each with its line. Described for operators in `docs/first-configuration.md`.

use crate::shape::{Shape, settings};
use crate::violation::Violation;
use crate::{Config, PasswordHash, RsId, Shared, Unit, VirtualService, VsId, validate};
use core::fmt;
use serde::Deserialize;
use toml::de::{DeTable, DeValue};

/// A first configuration that was found good.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FirstConfig {
    /// Ids are given, from 1 in the order of the file; without accounts.
    pub config: Config,
    /// The password of `bal`, if the file gives one. Then it need not be changed at the first sign-in.
    pub password: Option<FirstPassword>,
}

/// A password as `evener.toml` gives it. `Debug` hides it.
#[derive(Clone, PartialEq, Eq)]
pub enum FirstPassword {
    /// In clear text, to be hashed.
    Clear(String),
    /// Hashed already.
    Hash(PasswordHash),
}

impl fmt::Debug for FirstPassword {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Clear(_) => "Clear(hidden)",
            Self::Hash(_) => "Hash(hidden)",
        })
    }
}

/// One reason why a first configuration was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {}{reason}", if field.is_empty() { String::new() } else { format!("{field}: ") })]
pub struct FirstError {
    /// Line of the file, from 1.
    pub line: usize,
    /// Path of the field in the file, such as `virtual_services[0].port`; empty when the text is not TOML.
    pub field: String,
    /// What is wrong and what would be right.
    pub reason: String,
}

/// What the file holds beside settings.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Beside {
    password: Option<String>,
    password_hash: Option<PasswordHash>,
}

/// A document apart: settings of both halves, and what is beside them.
struct Parts<'a> {
    shared: DeTable<'a>,
    unit: DeTable<'a>,
    beside: DeTable<'a>,
}

/// Reads a first configuration.
///
/// # Errors
/// Every reason why it cannot be used, in the order of the rules; at least one. A text that is not TOML, or a
/// field of the wrong type, ends the search at once.
pub fn parse(text: &str) -> Result<FirstConfig, Vec<FirstError>> {
    let line_of = |at: usize| text.bytes().take(at).filter(|byte| *byte == b'\n').count() + 1;
    let not_toml = |error: &toml::de::Error, field: String| {
        let line = line_of(error.span().map_or(0, |span| span.start));
        let reason = with_suggestion(&crate::explain(&field, error.message().trim()));
        vec![FirstError { line, field, reason }]
    };
    let document = DeTable::parse(text).map_err(|error| not_toml(&error, String::new()))?;
    let parts = apart(document.get_ref()).map_err(|(at, field, reason)| {
        vec![FirstError { line: line_of(at), field, reason: with_suggestion(&reason) }]
    })?;
    let span = document.span();
    let wrong = |error: serde_path_to_error::Error<toml::de::Error>| {
        let path = error.path().to_string();
        not_toml(error.inner(), if path == "." { String::new() } else { path })
    };
    let beside: Beside = read(parts.beside, span.clone()).map_err(wrong)?;
    let mut shared: Shared = read(parts.shared, span.clone()).map_err(wrong)?;
    let unit: Unit = read(parts.unit, span).map_err(wrong)?;

    let mut violations = Vec::new();
    let password = password(beside.password, beside.password_hash, &mut violations);
    shared.virtual_services = numbered(shared.virtual_services, &mut violations);
    let config = Config { shared, unit };
    violations.extend(validate::validate_without_users(&config));
    if violations.is_empty() {
        return Ok(FirstConfig { config, password });
    }
    let root = document.get_ref();
    let error = |Violation { field, reason }: Violation| {
        let field = ["shared.", "unit."].iter().find_map(|half| field.strip_prefix(half)).unwrap_or(&field);
        FirstError { line: line_of(position(root, field)), field: field.to_owned(), reason }
    };
    Err(violations.into_iter().map(error).collect())
}

fn read<T: serde::de::DeserializeOwned>(
    table: DeTable<'_>,
    span: core::ops::Range<usize>,
) -> Result<T, serde_path_to_error::Error<toml::de::Error>> {
    serde_path_to_error::deserialize(toml::Deserializer::from(toml::Spanned::new(span, table)))
}

/// Puts each field into the half that it belongs to.
///
/// # Errors
/// The first name that is in neither, with its place and all that are.
fn apart<'a>(document: &DeTable<'a>) -> Result<Parts<'a>, (usize, String, String)> {
    let names = |half: &str| -> Vec<&str> {
        let shape = settings().field(half).map(|field| &field.shape);
        let Some(Shape::Group(group)) = shape else { return Vec::new() };
        // Accounts have passwords, and only `bal` can be given one here.
        group.fields.iter().map(|field| field.name.as_str()).filter(|name| *name != "users").collect()
    };
    let (shared, unit, beside) = (names("shared"), names("unit"), ["password", "password_hash"]);
    let mut parts = Parts { shared: DeTable::new(), unit: DeTable::new(), beside: DeTable::new() };
    for (key, value) in document {
        let name: &str = key.get_ref();
        let half = if shared.contains(&name) {
            &mut parts.shared
        } else if unit.contains(&name) {
            &mut parts.unit
        } else if beside.contains(&name) {
            &mut parts.beside
        } else {
            let known = beside.iter().chain(&unit).chain(&shared);
            let known: Vec<String> = known.map(|name| format!("`{name}`")).collect();
            let reason = format!("unknown field `{name}`, expected one of {}", known.join(", "));
            return Err((key.span().start, name.to_owned(), reason));
        };
        half.insert(key.clone(), value.clone());
    }
    Ok(parts)
}

fn password(
    clear: Option<String>,
    hash: Option<PasswordHash>,
    violations: &mut Vec<Violation>,
) -> Option<FirstPassword> {
    let mut refuse =
        |field: &str, reason: String| violations.push(Violation { field: field.to_owned(), reason });
    match (clear, hash) {
        (Some(_), Some(_)) => {
            refuse("password_hash", String::from("give either password or password_hash, not both"));
            None
        }
        (Some(clear), None) => {
            if let Some(reason) = validate::why_not_a_password(&clear) {
                refuse("password", reason);
            }
            Some(FirstPassword::Clear(clear))
        }
        (None, Some(hash)) => {
            if let Some(reason) = validate::why_not_a_password_hash(&hash.0) {
                refuse("password_hash", reason);
            }
            Some(FirstPassword::Hash(hash))
        }
        (None, None) => None,
    }
}

/// Gives services and servers their ids.
fn numbered(mut services: Vec<VirtualService>, violations: &mut Vec<Violation>) -> Vec<VirtualService> {
    let mut refuse = |field: String| {
        violations.push(Violation { field, reason: String::from("leave the id out: the unit gives one") });
    };
    let mut next_server = 1..;
    for (index, (service, id)) in services.iter_mut().zip(1..).enumerate() {
        if service.id != VsId(0) {
            refuse(format!("virtual_services[{index}].id"));
        }
        service.id = VsId(id);
        for (server_index, (server, id)) in service.real_servers.iter_mut().zip(&mut next_server).enumerate()
        {
            if server.id != RsId(0) {
                refuse(format!("virtual_services[{index}].real_servers[{server_index}].id"));
            }
            server.id = RsId(id);
        }
    }
    services
}

/// Where in the text a field begins; where its nearest parent does when it was left out.
fn position(root: &DeTable<'_>, field: &str) -> usize {
    let names = field.split(['.', '[']).map(|part| part.trim_end_matches(']'));
    let mut at = 0;
    let mut value: Option<&DeValue<'_>> = None;
    for name in names {
        let next = match value {
            None => root.get(name),
            Some(DeValue::Table(table)) => table.get(name),
            Some(DeValue::Array(array)) => name.parse().ok().and_then(|index: usize| array.get(index)),
            Some(_) => None,
        };
        let Some(next) = next else { break };
        at = next.span().start;
        value = Some(next.get_ref());
    }
    at
}

/// Adds to a message on an unknown name the known one that is spelt most like it.
fn with_suggestion(message: &str) -> String {
    let mut names = message.split('`').skip(1).step_by(2);
    let unknown = if message.starts_with("unknown ") { names.next() } else { None };
    let nearest = unknown.and_then(|unknown| {
        let distances = names.map(|name| (distance(unknown, name), name));
        distances.filter(|(distance, _)| *distance <= 2).min().map(|(_, name)| name)
    });
    nearest.map_or_else(|| message.to_owned(), |name| format!("{message}. Did you mean `{name}`?"))
}

/// Letters to add, drop or replace to get from one word to the other (Levenshtein). Names are short.
fn distance(from: &str, to: &str) -> usize {
    let to: Vec<char> = to.chars().take(64).collect();
    let mut row: Vec<usize> = (0..=to.len()).collect();
    for (i, a) in from.chars().take(64).enumerate() {
        let mut corner = i;
        let mut left = i + 1;
        for (cell, b) in row.iter_mut().skip(1).zip(&to) {
            let here = (corner + usize::from(a != *b)).min(left + 1).min(*cell + 1);
            corner = *cell;
            *cell = here;
            left = here;
        }
        if let Some(first) = row.first_mut() {
            *first = i + 1;
        }
    }
    row.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests;
