//! What changed from one configuration to the next, in the words of an operator.
//!
//! The lines go into the history and are read months later, so each names the object with its address and gives both
//! values. The words are those of the settings themselves ([`shape`](crate::shape)): a new setting is told of without
//! anything being written here.

use crate::shape::{Field, Group, List, Shape, Variant, settings, virtual_service, within_a_sentence};
use crate::{Config, VirtualService};
use core::net::{IpAddr, SocketAddr};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// The differences, one line each; empty exactly when the configurations are equal (provided that their ids are
/// unique, as [`validate`](crate::validate) demands). Secrets are mentioned, never shown.
///
/// `virtual service shop (192.0.2.10:80): real server 10.0.0.5:8080 added`
#[must_use]
pub fn diff(old: &Config, new: &Config) -> Vec<String> {
    let mut lines = Vec::new();
    if old != new {
        let value = |config| serde_json::to_value(config).unwrap_or_default();
        Object { lines: &mut lines, name: "" }.group(settings(), &value(old), &value(new));
    }
    lines
}

/// `virtual service shop (192.0.2.10:80)`: how a service is called in sentences.
pub(crate) fn label(service: &VirtualService) -> String {
    let value = serde_json::to_value(service).unwrap_or_default();
    virtual_service().map_or_else(String::new, |shape| label_of(shape, &value))
}

/// The changes of one object: lines that all begin with its name.
struct Object<'a> {
    lines: &'a mut Vec<String>,
    name: &'a str,
}

impl Object<'_> {
    fn say(&mut self, what: &str) {
        let Self { lines, name } = self;
        lines.push(if name.is_empty() { what.to_owned() } else { format!("{name}: {what}") });
    }

    fn group(&mut self, group: &Group, old: &Value, new: &Value) {
        for field in &group.fields {
            let (old, new) = (&old[field.name.as_str()], &new[field.name.as_str()]);
            if old != new {
                self.field(field, old, new);
            }
        }
    }

    fn field(&mut self, field: &Field, old: &Value, new: &Value) {
        match &field.shape {
            Shape::Switch if field.name == "enabled" => {
                self.say(if *new == Value::Bool(true) { "enabled" } else { "disabled" });
            }
            Shape::Text(text) if text.secret => self.say(&format!("{} changed", title(field))),
            Shape::Group(group) if old.is_object() && new.is_object() => self.group(group, old, new),
            Shape::List(list) if identity(list).is_some() => self.list(field, list, old, new),
            Shape::Choice(variants) => self.choice(field, variants, old, new),
            _ => self.values(field, old, new),
        }
    }

    fn values(&mut self, field: &Field, old: &Value, new: &Value) {
        let (old, new) = (words(field, old), words(field, new));
        let title = title(field);
        // Two values may be said alike, such as two secrets in a list.
        self.say(&if old == new {
            format!("{title} changed")
        } else {
            format!("{title} changed from {old} to {new}")
        });
    }

    /// Another variant is a change of the setting; the same one with other content is one of what belongs to it.
    fn choice(&mut self, field: &Field, variants: &[Variant], old: &Value, new: &Value) {
        let before = chosen(variants, old).and_then(|(variant, content)| Some((variant, content?)));
        let after = chosen(variants, new).and_then(|(variant, content)| Some((variant, content?)));
        match (before, after) {
            (Some((one, old)), Some((other, new)))
                if one.name == other.name && one.words_are_no_sentence() =>
            {
                match &one.content {
                    Some(Shape::Group(group)) => self.group(group, old, new),
                    _ => self.values(field, old, new),
                }
            }
            _ => self.values(field, old, new),
        }
    }

    /// What was removed, added, changed, or put in another order.
    fn list(&mut self, field: &Field, list: &List, old: &Value, new: &Value) {
        let key = |it: &Value| identity(list).map(|field| it[field.name.as_str()].to_string());
        let elements = |of: &Value| of.as_array().cloned().unwrap_or_default();
        let (old, new) = (elements(old), elements(new));
        let name_of = |it: &Value| {
            let label = label_of(&list.of, it);
            if self.name.is_empty() { label } else { format!("{}: {label}", self.name) }
        };
        let before: BTreeMap<_, &Value> = old.iter().map(|it| (key(it), it)).collect();
        let after: BTreeSet<_> = new.iter().map(key).collect();
        let gone = old.iter().filter(|it| !after.contains(&key(it)));
        let mut lines: Vec<String> = gone.map(|it| format!("{} removed", name_of(it))).collect();
        for element in &new {
            match (before.get(&key(element)), &*list.of) {
                (None, _) => lines.push(format!("{} added", name_of(element))),
                (Some(former), Shape::Group(group)) if **former != *element => {
                    Object { lines: &mut lines, name: &name_of(former) }.group(group, former, element);
                }
                _ => {}
            }
        }
        self.lines.extend(lines);
        let stayed = old.iter().map(key).filter(|key| after.contains(key));
        if !stayed.eq(new.iter().map(key).filter(|key| before.contains_key(key))) {
            let of = if self.name.is_empty() { String::new() } else { format!(" of {}", self.name) };
            self.lines.push(format!("order of {}{of} changed", title(field)));
        }
    }
}

impl Variant {
    /// Whether its content is too much for one sentence, so that its fields are told of one by one.
    fn words_are_no_sentence(&self) -> bool {
        let Some(Shape::Group(group)) = &self.content else { return false };
        group.fields.iter().any(|field| !self.words.contains(&format!("{{{}}}", field.name)))
    }
}

fn title(field: &Field) -> String {
    within_a_sentence(&field.title)
}

/// What tells the elements of a list of objects from each other; none for a list of plain values.
fn identity(list: &List) -> Option<&Field> {
    if let Shape::Group(group) = &*list.of { group.identity() } else { None }
}

/// How an object of a list is called.
fn label_of(shape: &Shape, value: &Value) -> String {
    let Shape::Group(group) = shape else { return plain(value) };
    let good = group.labels.iter().find_map(|template| filled(template, group, value));
    good.unwrap_or_else(|| group.identity().map_or_else(String::new, |it| plain(&value[it.name.as_str()])))
}

/// A template with its fields filled in; none when one of them is empty. `{socket}` is address and port.
fn filled(template: &str, group: &Group, value: &Value) -> Option<String> {
    let mut text = String::new();
    let mut rest = template;
    while let Some((before, after)) = rest.split_once('{') {
        let (name, after) = after.split_once('}')?;
        let said = if name == "socket" {
            socket(group, value)
        } else {
            let said = |field: &Field| match &field.shape {
                // A template has its own way to say what is counted.
                Shape::Number(_) => plain(&value[name]),
                _ => words(field, &value[name]),
            };
            group.field(name).map(said).filter(|said| said != NOTHING)?
        };
        text += before;
        text += &said;
        rest = after;
    }
    Some(text + rest)
}

fn socket(group: &Group, value: &Value) -> String {
    let (address, port) = (&value["address"], &value["port"]);
    let literal = address.as_str().or_else(|| address["literal"].as_str());
    let ip = literal.and_then(|address| address.parse::<IpAddr>().ok());
    match (ip, port.as_u64().and_then(|port| u16::try_from(port).ok())) {
        (Some(ip), Some(port)) => SocketAddr::new(ip, port).to_string(),
        _ => {
            let place = address["own"].as_str().map(str::to_owned);
            let place = place.or_else(|| group.field("address").map(|field| words(field, address)));
            format!("{}:{}", place.unwrap_or_default(), plain(port))
        }
    }
}

/// How an empty text, or an empty list, is said.
const NOTHING: &str = "nothing";

/// A value in the words of its setting.
pub(crate) fn words(field: &Field, value: &Value) -> String {
    match (&field.absent, value) {
        (Some(absent), Value::Null) => absent.clone(),
        _ => said(&field.shape, value),
    }
}

fn said(shape: &Shape, value: &Value) -> String {
    match (shape, value) {
        (Shape::Text(text), _) if text.secret => String::from("hidden"),
        (Shape::Text(_), Value::String(text)) if text.is_empty() => NOTHING.to_owned(),
        (Shape::Switch, value) => String::from(if *value == Value::Bool(true) { "on" } else { "off" }),
        (Shape::Number(number), value) if !number.unit.is_empty() => format!("{value} {}", number.unit),
        (Shape::Choice(variants), value) => match chosen(variants, value) {
            Some((variant, content)) => said_of(variant, content),
            None => plain(value),
        },
        (Shape::List(_), Value::Array(list)) if list.is_empty() => String::from("none"),
        (Shape::List(of), Value::Array(list)) => {
            list.iter().map(|it| label_or_words(&of.of, it)).collect::<Vec<_>>().join(", ")
        }
        (Shape::Group(group), Value::Object(_)) => {
            let fields = group.fields.iter();
            let said = fields.map(|field| format!("{} {}", title(field), words(field, &value[&field.name])));
            said.collect::<Vec<_>>().join(", ")
        }
        (_, value) => plain(value),
    }
}

fn label_or_words(shape: &Shape, value: &Value) -> String {
    match shape {
        Shape::Group(group) if !group.labels.is_empty() => label_of(shape, value),
        _ => said(shape, value),
    }
}

fn said_of(variant: &Variant, content: Option<&Value>) -> String {
    let title = within_a_sentence(&variant.title);
    match (&variant.content, content) {
        (Some(Shape::Group(group)), Some(value)) if !variant.words.is_empty() => {
            filled(&variant.words, group, value).unwrap_or(title)
        }
        (Some(shape), Some(value)) if variant.words.contains("{}") => {
            variant.words.replace("{}", &said(shape, value))
        }
        _ => title,
    }
}

/// The variant that a value names, and its content: `"dhcp"`, or `{"static": {…}}`.
fn chosen<'a>(variants: &'a [Variant], value: &'a Value) -> Option<(&'a Variant, Option<&'a Value>)> {
    let (name, content) = match value {
        Value::String(name) => (name, None),
        Value::Object(one) => one.iter().next().map(|(name, content)| (name, Some(content)))?,
        _ => return None,
    };
    variants.iter().find(|variant| variant.name == *name).map(|variant| (variant, content))
}

fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

#[cfg(test)]
mod tests;
