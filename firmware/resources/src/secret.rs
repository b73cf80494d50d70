//! Secrets: they go in and never come out.
//!
//! Where one is set, whoever reads gets eight asterisks; whoever writes them back keeps what is there, so that what was
//! read can be written again whole. An empty secret is empty, and says so.

use crate::place::{identity, name_of};
use evener_config::shape::{Group, Shape};
use evener_config::{HIDDEN, Violation};
use serde_json::Value;

/// Puts what was there in the place of each [`HIDDEN`].
///
/// # Errors
/// Where nothing was there.
pub fn keep_secrets(shape: &Shape, new: &mut Value, old: &Value) -> Result<(), Vec<Violation>> {
    let mut lost = Vec::new();
    keep(shape, new, old, "", &mut lost);
    if lost.is_empty() { Ok(()) } else { Err(lost) }
}

/// Puts what was there in the place of each [`HIDDEN`].
pub(crate) fn keep(shape: &Shape, new: &mut Value, old: &Value, at: &str, lost: &mut Vec<Violation>) {
    match (shape, new) {
        (Shape::Text(text), Value::String(secret)) if text.secret && secret == HIDDEN => match old.as_str() {
            Some(old) => old.clone_into(secret),
            None => lost.push(Violation {
                field: at.to_owned(),
                reason: String::from("there is nothing here yet to be kept: give the secret itself"),
            }),
        },
        (Shape::Group(group), new) => keep_group(group, new, old, at, lost),
        (Shape::List(list), Value::Array(values)) => {
            let olds = old.as_array().map_or(&[][..], Vec::as_slice);
            for (index, value) in values.iter_mut().enumerate() {
                let same = match identity(list) {
                    Some(key) => olds.iter().find(|it| name_of(it, key) == name_of(value, key)),
                    None => olds.get(index),
                };
                keep(&list.of, value, same.unwrap_or(&Value::Null), &format!("{at}[{index}]"), lost);
            }
        }
        (Shape::Choice(variants), Value::Object(content)) => {
            for variant in variants {
                if let (Some(shape), Some(value)) = (&variant.content, content.get_mut(&variant.name)) {
                    keep(shape, value, &old[&variant.name], &format!("{at}.{}", variant.name), lost);
                }
            }
        }
        _ => {}
    }
}

fn keep_group(group: &Group, new: &mut Value, old: &Value, at: &str, lost: &mut Vec<Violation>) {
    for field in &group.fields {
        if let Some(value) = new.get_mut(&field.name) {
            let at = if at.is_empty() { field.name.clone() } else { format!("{at}.{}", field.name) };
            keep(&field.shape, value, &old[&field.name], &at, lost);
        }
    }
}
