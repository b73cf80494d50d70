//! A configuration without what nobody set: the form in which it is stored.
//!
//! A service has some hundred settings, and most stay as they are. Without those a generation is small, which spares
//! flash and fits the second copy; and a firmware that knows fewer settings can read it as long as none of the newer
//! ones is used. The price is that a default must never change without a migration:
//! `what_nobody_set_means_what_it_always_meant` holds them to a file.

use crate::Config;
use crate::shape::{Group, Shape, settings};
use serde_json::{Map, Value};

/// The configuration as JSON, without fields that are as nobody set them. Reading it gives the same configuration.
///
/// # Errors
/// When the configuration has no JSON form.
pub fn sparse(config: &Config) -> Result<Value, serde_json::Error> {
    Ok(group(settings(), serde_json::to_value(config)?))
}

fn group(shape: &Group, value: Value) -> Value {
    let Value::Object(fields) = value else { return value };
    let kept = fields.into_iter().filter_map(|(name, value)| {
        let Some(field) = shape.field(&name) else { return Some((name, value)) };
        if field.default.as_ref() == Some(&value) {
            return None;
        }
        Some((name, one(&field.shape, value)))
    });
    Value::Object(kept.collect::<Map<_, _>>())
}

fn one(shape: &Shape, value: Value) -> Value {
    match (shape, value) {
        (Shape::Group(shape), value) => group(shape, value),
        (Shape::List(list), Value::Array(values)) => {
            values.into_iter().map(|value| one(&list.of, value)).collect()
        }
        (Shape::Choice(variants), Value::Object(content)) => {
            let content = content.into_iter().map(|(name, value)| {
                let shape = variants.iter().find(|it| it.name == name).and_then(|it| it.content.as_ref());
                let value = match shape {
                    Some(shape) => one(shape, value),
                    None => value,
                };
                (name, value)
            });
            Value::Object(content.collect::<Map<_, _>>())
        }
        (_, value) => value,
    }
}

#[cfg(test)]
mod tests;
