//! The OpenAPI 3.1 document of the settings.
//!
//! Its schemas are what `schemars` says of the model's types, which is what OpenAPI 3.1 takes; its paths are walked off
//! the tree of settings. Groups, lists and their elements are listed; a single setting has an address too, which the
//! description says and no list could hold.

use crate::Method;
use crate::place::{halves, identity};
use evener_config::shape::{Field, Group, Shape};
use serde_json::{Map, Value, json};

/// The document, without servers: they are where it was read.
#[must_use]
pub fn openapi(version: &str) -> Value {
    let mut schema = evener_config::json_schema();
    let definitions = schema.as_object_mut().and_then(|it| it.remove("$defs")).unwrap_or_default();
    let mut paths = Map::new();
    for (_, group) in halves() {
        of_group(group, "", &[], &mut paths);
    }
    let document = json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Evener",
            "version": version,
            "description": "The settings of a unit. Every single setting below a group has an address of its own, too: \
                its name behind the group's. PUT sets it, DELETE gives it its default.",
        },
        "paths": paths,
        "components": {"schemas": definitions, "responses": responses(), "securitySchemes": security()},
        "security": [{"basic": []}, {"key": []}],
    });
    // References within the schemas lead to where OpenAPI keeps them.
    moved(document)
}

fn moved(value: Value) -> Value {
    match value {
        Value::String(text) => Value::String(text.replace("#/$defs/", "#/components/schemas/")),
        Value::Array(list) => list.into_iter().map(moved).collect(),
        Value::Object(fields) => fields.into_iter().map(|(name, it)| (name, moved(it))).collect(),
        other => other,
    }
}

fn security() -> Value {
    json!({
        "basic": {"type": "http", "scheme": "basic"},
        "key": {"type": "http", "scheme": "bearer", "description": "An API key."},
    })
}

fn responses() -> Value {
    let problem = |text: &str| {
        json!({
            "description": text,
            "content": {"application/problem+json": {"schema": {"type": "object"}}},
        })
    };
    json!({
        "NotFound": problem("There is nothing of that address."),
        "Invalid": problem("Nothing was changed: each refused field is listed with the reason."),
        "Changed": problem("Nothing was changed: somebody else did since it was read. Both versions are in the answer."),
        "Refused": problem("Nothing was done: who asks may not."),
        "Required": problem("Nothing was changed: this needs If-Match."),
    })
}

/// One address and the parameters in it.
type Parameters<'a> = &'a [(String, &'a Field)];

fn of_group(group: &Group, at: &str, parameters: Parameters<'_>, paths: &mut Map<String, Value>) {
    for field in &group.fields {
        let path = format!("{at}/{}", field.name);
        match &field.shape {
            Shape::Group(below) => {
                paths.insert(path.clone(), operations(field, &field.shape, parameters, Kind::Group));
                of_group(below, &path, parameters, paths);
            }
            Shape::List(list) => {
                paths.insert(
                    path.clone(),
                    operations(field, &field.shape, parameters, Kind::List(identity(list).is_some())),
                );
                if let (Some(key), Shape::Group(below)) = (identity(list), &*list.of) {
                    let name = format!("{}_{}", field.name, key.name);
                    let path = format!("{path}/{{{name}}}");
                    let mut all = parameters.to_vec();
                    all.push((name, key));
                    paths.insert(path.clone(), operations(field, &list.of, &all, Kind::Element));
                    of_group(below, &path, &all, paths);
                }
            }
            _ if at.is_empty() => {
                paths.insert(path, operations(field, &field.shape, parameters, Kind::Setting));
            }
            _ => {}
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Group,
    List(bool),
    Element,
    Setting,
}

fn operations(field: &Field, shape: &Shape, parameters: Parameters<'_>, kind: Kind) -> Value {
    let given: Vec<Value> = parameters
        .iter()
        .map(|(name, key)| {
            let schema =
                if key.name == "id" { json!({"type": "integer"}) } else { json!({"type": "string"}) };
            json!({"name": name, "in": "path", "required": true, "schema": schema})
        })
        .collect();
    let what = if kind == Kind::Element { format!("one of: {}", field.title) } else { field.title.clone() };
    let content = json!({"application/json": {"schema": schema_of(shape)}});
    let answer = |text: &str| json!({"description": text, "content": content});
    let mut item = Map::new();
    if !given.is_empty() {
        item.insert(String::from("parameters"), Value::Array(given));
    }
    item.insert(
        String::from("get"),
        json!({
            "summary": format!("Read {what}"),
            "description": field.help,
            "responses": {"200": answer("What is set."), "404": reference("NotFound"), "403": reference("Refused")},
        }),
    );
    for method in methods(kind) {
        let (name, verb) = match method {
            Method::Put => ("put", "Set"),
            Method::Patch => ("patch", "Change"),
            Method::Post => ("post", "Add to"),
            Method::Delete => ("delete", if kind == Kind::Element { "Delete" } else { "Reset" }),
        };
        let mut operation = json!({
            "summary": format!("{verb} {what}"),
            "responses": {
                "403": reference("Refused"), "404": reference("NotFound"), "412": reference("Changed"),
                "422": reference("Invalid"), "428": reference("Required"),
            },
        });
        let good = match method {
            Method::Delete => ("204", json!({"description": "Done."})),
            Method::Post => ("201", answer("It was added.")),
            Method::Put | Method::Patch => ("200", answer("It is set so.")),
        };
        operation["responses"][good.0] = good.1;
        if method != Method::Delete {
            let body = match (method, shape) {
                (Method::Patch, _) => json!({"application/merge-patch+json": {"schema": {"type": "object"}}}),
                (Method::Post, Shape::List(list)) => {
                    json!({"application/json": {"schema": schema_of(&list.of)}})
                }
                _ => content.clone(),
            };
            operation["requestBody"] = json!({"required": true, "content": body});
        }
        item.insert(name.to_owned(), operation);
    }
    Value::Object(item)
}

fn methods(kind: Kind) -> Vec<Method> {
    match kind {
        Kind::Group | Kind::Element => vec![Method::Put, Method::Patch, Method::Delete],
        Kind::List(true) => vec![Method::Put, Method::Post, Method::Delete],
        Kind::List(false) | Kind::Setting => vec![Method::Put, Method::Delete],
    }
}

fn reference(name: &str) -> Value {
    json!({"$ref": format!("#/components/responses/{name}")})
}

/// The schema of a shape, written out: each address has its own object, and the names of types are no part of the API.
fn schema_of(shape: &Shape) -> Value {
    match shape {
        Shape::Switch => json!({"type": "boolean"}),
        Shape::Number(number) => json!({"type": "integer", "minimum": number.min, "maximum": number.max}),
        Shape::Text(text) => {
            let mut schema = json!({"type": "string"});
            if let Some(longest) = text.longest {
                schema["maxLength"] = longest.into();
            }
            if !text.format.is_empty() {
                schema["format"] = text.format.as_str().into();
            }
            schema
        }
        Shape::Choice(_) => json!({}),
        Shape::Group(group) if !group.type_name.is_empty() => {
            json!({"$ref": format!("#/components/schemas/{}", group.type_name)})
        }
        Shape::Group(_) => json!({"type": "object"}),
        Shape::List(list) => json!({"type": "array", "items": schema_of(&list.of)}),
    }
}

#[cfg(test)]
mod tests;
