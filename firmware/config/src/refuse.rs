//! What the tree of settings alone refuses: numbers out of range, lists and texts that are too long, and characters
//! that no setting may hold.
//!
//! Two readers need the same words: validation, which finds a number that fits its type but not its meaning (port 0),
//! and whoever reads text (JSON, TOML), where a number may not even fit its type (port 70000).

use crate::shape::{Group, Shape, settings, within_a_sentence};
use crate::violation::Findings;
use serde_json::Value;

/// Records everything in a value that does not fit its group.
pub(crate) fn check(group: &Group, value: &Value, at: &str, findings: &mut Findings) {
    for field in &group.fields {
        if let Some(value) = value.get(&field.name).filter(|it| !it.is_null()) {
            let path = if at.is_empty() { field.name.clone() } else { format!("{at}.{}", field.name) };
            one(&field.shape, &field.title, value, &path, findings);
        }
    }
}

fn one(shape: &Shape, title: &str, value: &Value, at: &str, findings: &mut Findings) {
    match (shape, value) {
        (Shape::Number(number), Value::Number(value)) => {
            let holds = value.as_u64().is_some_and(|value| number.holds(value));
            findings.require(holds, at, || number.refusal(value));
        }
        (Shape::Text(text), Value::String(value)) => {
            let name = || within_a_sentence(title);
            if let Some(longest) = text.longest {
                let length = value.chars().count();
                let fits = u64::try_from(length).is_ok_and(|length| length <= longest);
                findings
                    .require(fits, at, || format!("{}: up to {longest} characters, not {length}", name()));
            }
            let is_bad = |c: char| c.is_control() && !(text.lines && "\r\n\t".contains(c));
            findings.require(!value.contains(is_bad), at, || {
                format!("{}: no line breaks or other control characters", name())
            });
        }
        (Shape::Group(group), value) => check(group, value, at, findings),
        (Shape::List(list), Value::Array(values)) => {
            if let Some(most) = list.most {
                let fits = u64::try_from(values.len()).is_ok_and(|count| count <= most);
                findings.require(fits, at, || {
                    format!("{} {} are too many: up to {most}", values.len(), within_a_sentence(title))
                });
            }
            for (index, value) in values.iter().enumerate() {
                one(&list.of, title, value, &format!("{at}[{index}]"), findings);
            }
        }
        (Shape::Choice(variants), Value::Object(value)) => {
            for (variant, content) in variants.iter().filter_map(|it| Some((it, value.get(&it.name)?))) {
                if let Some(shape) = &variant.content {
                    one(shape, title, content, &format!("{at}.{}", variant.name), findings);
                }
            }
        }
        _ => {}
    }
}

/// Says what a deserialiser found wrong with a field in the words of [`validate`](crate::validate), where the
/// field is a number with a range; any other message is returned as it is.
///
/// `field` is a path within the configuration, or the end of one (`check.interval_s`), as serde knows it; `message` is
/// what serde said, such as ``invalid value: integer `70000`, expected u16``.
///
/// ```
/// let said = evener_config::explain("virtual_services[0].port", "invalid value: integer `70000`, expected u16");
/// assert_eq!(said, "70000 is not a port: 1 to 65535");
/// ```
#[must_use]
pub fn explain(field: &str, message: &str) -> String {
    let refused = message.strip_prefix("invalid value: ").or_else(|| message.strip_prefix("invalid type: "));
    let value = refused.and_then(|rest| rest.rsplit_once(", expected ")).map(|(value, _)| value);
    let names: Vec<&str> = names_of(field).collect();
    match (value, number_at(settings(), &names)) {
        (Some(value), Some(number)) => {
            let value =
                value.split_once('`').and_then(|(_, rest)| rest.split_once('`')).map_or(value, |it| it.0);
            number.refusal(value)
        }
        _ => message.to_owned(),
    }
}

/// The names of a path, without the numbers of elements.
fn names_of(path: &str) -> impl Iterator<Item = &str> {
    path.split('.').map(|part| part.split('[').next().unwrap_or(part)).filter(|part| !part.is_empty())
}

/// The number that a path ends at, wherever in the tree the path begins.
fn number_at<'a>(group: &'a Group, names: &[&str]) -> Option<&'a crate::shape::Number> {
    let ends = |path: &str| {
        let own: Vec<&str> = names_of(path).collect();
        own.ends_with(names)
    };
    crate::shape::leaves(group).into_iter().filter(|leaf| ends(&leaf.path)).find_map(|leaf| {
        let mut shape = &leaf.field.shape;
        while let Shape::List(list) = shape {
            shape = &list.of;
        }
        if let Shape::Number(number) = shape { Some(number) } else { None }
    })
}

#[cfg(test)]
mod tests;
