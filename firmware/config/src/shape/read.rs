//! The tree out of what `schemars` says of a type (JSON Schema 2020-12, with our own words).

use super::{Field, Group, List, Number, Shape, Text, Variant, within_a_sentence};
use schemars::JsonSchema;
use serde_json::{Map, Value};

/// How deep references are followed. The model has no type within itself.
const DEEPEST: usize = 24;

/// The tree of a type.
pub(super) fn shape_of<T: JsonSchema>() -> Shape {
    let schema = schemars::schema_for!(T).to_value();
    Reader { root: &schema }.shape(&schema, "", DEEPEST)
}

struct Reader<'a> {
    root: &'a Value,
}

impl<'a> Reader<'a> {
    /// The schema that a reference leads to, or the one given.
    fn target(&self, schema: &'a Value) -> &'a Value {
        let name = schema.get("$ref").and_then(Value::as_str).and_then(|path| path.rsplit('/').next());
        name.and_then(|name| self.root.get("$defs")?.get(name)).unwrap_or(schema)
    }

    fn shape(&self, schema: &'a Value, title: &str, deeper: usize) -> Shape {
        let Some(deeper) = deeper.checked_sub(1) else {
            return Shape::Group(Group { fields: Vec::new(), labels: Vec::new(), type_name: String::new() });
        };
        let (schema, own) = (self.target(schema), schema);
        let type_name = word(own, "$ref").rsplit('/').next().unwrap_or_default().to_owned();
        if let Some(variants) = schema.get("oneOf").and_then(Value::as_array) {
            return Shape::Choice(variants.iter().flat_map(|it| self.variants(it, deeper)).collect());
        }
        match type_of(schema) {
            "boolean" => Shape::Switch,
            "integer" => Shape::Number(number(own, schema, title)),
            "array" => Shape::List(List {
                of: Box::new(self.element(own, schema, title, deeper)),
                most: own.get("maxItems").or_else(|| schema.get("maxItems")).and_then(Value::as_u64),
            }),
            "object" => Shape::Group(Group { type_name, ..self.group(schema, deeper) }),
            _ if schema.get("enum").is_some() => Shape::Choice(self.variants(schema, deeper)),
            _ => Shape::Text(text(own, schema)),
        }
    }

    /// What a list has many of. A number among them is called as the list says.
    fn element(&self, own: &'a Value, schema: &'a Value, title: &str, deeper: usize) -> Shape {
        let shape = schema.get("items").map_or(Shape::Switch, |it| self.shape(it, title, deeper));
        match (shape, own.get("x-what").and_then(Value::as_str)) {
            (Shape::Number(number), Some(what)) => Shape::Number(Number { what: what.to_owned(), ..number }),
            (shape, _) => shape,
        }
    }

    fn group(&self, schema: &'a Value, deeper: usize) -> Group {
        let fields = schema.get("properties").and_then(Value::as_object);
        let fields = fields.into_iter().flatten().map(|(name, it)| self.field(name, it, deeper)).collect();
        let labels = schema.get("x-label").and_then(Value::as_array).into_iter().flatten();
        let labels = labels.filter_map(Value::as_str).map(str::to_owned).collect();
        Group { fields, labels, type_name: String::new() }
    }

    fn field(&self, name: &str, schema: &'a Value, deeper: usize) -> Field {
        let (inner, is_optional) = without_null(schema);
        let title = word(schema, "title");
        let absent = is_optional.then(|| {
            let said = word(schema, "x-absent");
            if said.is_empty() { String::from("none") } else { said }
        });
        Field {
            name: name.to_owned(),
            shape: self.shape(inner, &title, deeper),
            title,
            help: help(schema),
            default: schema.get("default").cloned(),
            absent,
            is_active: is_active(schema)
                && is_active(self.target(inner))
                && inner.get("items").is_none_or(|it| is_active(self.target(it))),
        }
    }

    /// The values that one schema within a `oneOf` stands for: a name alone, some names, or a name with content.
    fn variants(&self, schema: &'a Value, deeper: usize) -> Vec<Variant> {
        let variant = |name: &str, content| Variant {
            name: name.to_owned(),
            title: word(schema, "title"),
            help: help(schema),
            content,
            words: word(schema, "x-words"),
            is_active: is_active(schema),
        };
        let names = schema.get("enum").and_then(Value::as_array).into_iter().flatten();
        let names = names.chain(schema.get("const")).filter_map(Value::as_str);
        let content = schema.get("properties").and_then(Value::as_object).into_iter().flatten();
        names
            .map(|name| variant(name, None))
            .chain(content.map(|(name, it)| variant(name, Some(self.shape(it, "", deeper)))))
            .collect()
    }
}

/// The first type that is not `null`.
fn type_of(schema: &Value) -> &str {
    match schema.get("type") {
        Some(Value::Array(types)) => types.iter().filter_map(Value::as_str).find(|it| *it != "null"),
        Some(Value::String(one)) => Some(one.as_str()),
        _ => None,
    }
    .unwrap_or("string")
}

/// What an optional field holds when it is there, and whether it is optional.
fn without_null(schema: &Value) -> (&Value, bool) {
    let is_null = |it: &Value| it.get("type").and_then(Value::as_str) == Some("null");
    if let Some(either) = schema.get("anyOf").and_then(Value::as_array) {
        let inner = either.iter().find(|it| !is_null(it)).unwrap_or(schema);
        return (inner, either.iter().any(is_null));
    }
    let types = schema.get("type").and_then(Value::as_array);
    (schema, types.is_some_and(|types| types.iter().any(|it| it == "null")))
}

fn number(own: &Value, schema: &Value, title: &str) -> Number {
    let of = |key: &str| own.get(key).or_else(|| schema.get(key));
    let said = |key: &str| of(key).and_then(Value::as_str).map(str::to_owned);
    let most = match word(schema, "format").as_str() {
        "uint8" => u64::from(u8::MAX),
        "uint16" => u64::from(u16::MAX),
        "uint32" => u64::from(u32::MAX),
        _ => u64::MAX,
    };
    Number {
        min: of("minimum").and_then(Value::as_u64).unwrap_or(0),
        max: of("maximum").and_then(Value::as_u64).unwrap_or(most),
        unit: said("x-unit").unwrap_or_default(),
        what: said("x-what").unwrap_or_else(|| with_article(title)),
    }
}

fn text(own: &Value, schema: &Value) -> Text {
    let of = |key: &str| own.get(key).or_else(|| schema.get(key));
    let is = |key: &str| of(key).and_then(Value::as_bool) == Some(true);
    Text {
        longest: of("maxLength").and_then(Value::as_u64),
        format: of("format").and_then(Value::as_str).unwrap_or_default().to_owned(),
        secret: is("x-secret"),
        lines: is("x-lines"),
    }
}

/// `a check interval`, `an MTU`: letters that are spoken one by one have an article of their own.
fn with_article(title: &str) -> String {
    let name = within_a_sentence(title);
    let letters = if name.starts_with(char::is_uppercase) { "AEFHILMNORSX" } else { "aeio" };
    let article = if name.starts_with(|first| letters.contains(first)) { "an" } else { "a" };
    format!("{article} {name}")
}

fn word(schema: &Value, key: &str) -> String {
    schema.get(key).and_then(Value::as_str).unwrap_or_default().to_owned()
}

/// The documentation as one paragraph: lines are broken in the source for its width alone.
fn help(schema: &Value) -> String {
    let text = word(schema, "description");
    text.split("\n\n").map(|paragraph| paragraph.replace('\n', " ")).collect::<Vec<_>>().join("\n\n")
}

fn is_active(schema: &Value) -> bool {
    let map: Option<&Map<String, Value>> = schema.as_object();
    map.and_then(|map| map.get("x-inactive")).and_then(Value::as_bool) != Some(true)
}
