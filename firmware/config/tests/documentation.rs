//! `docs/settings.md`: every setting in one table a group, written from the model itself, so that it cannot be wrong.

#![allow(clippy::unwrap_used, reason = "test crate")]

use evener_config::shape::{Field, Group, Shape, Variant, settings};
use serde_json::Value;
use std::fmt::Write as _;
use std::path::Path;

const HEAD: &str = "# Settings

Everything that can be set, as [configuration.md](configuration.md) explains it. This page is written from the model
(`firmware/config`) and checked by a test; `UPDATE_EXPECT=1 cargo test -p evener-config` writes it anew. What is marked
*kept* is validated, stored and shown, and not acted on in this version.
";

/// A group that has a table of its own, and the path to it.
struct Table<'a> {
    path: String,
    title: String,
    group: &'a Group,
    is_active: bool,
}

#[test]
fn the_page_of_settings_is_the_models() {
    let mut text = String::from(HEAD);
    let mut waiting: Vec<Table<'_>> =
        settings().fields.iter().rev().filter_map(|it| table("", it, true)).collect();
    while let Some(Table { path, title, group, is_active }) = waiting.pop() {
        let heading = if title.is_empty() { format!("`{path}`") } else { format!("{title}: `{path}`") };
        let kept = if is_active { "" } else { "\n*Kept, all of it.*\n" };
        write!(text, "\n## {heading}\n{kept}\n| setting | | values | default |\n|---|---|---|---|\n")
            .unwrap();
        let mut below = Vec::new();
        for field in &group.fields {
            text += &row(field, is_active);
            below.extend(table(&path, field, is_active));
            below.extend(variants(&path, field, is_active));
        }
        waiting.extend(below.into_iter().rev());
    }
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/settings.md");
    if std::env::var_os("UPDATE_EXPECT").is_some() {
        std::fs::write(&page, &text).unwrap();
    }
    let written = std::fs::read_to_string(&page).unwrap_or_default();
    assert!(written == text, "docs/settings.md is not the model's: UPDATE_EXPECT=1 writes it");
}

fn table<'a>(at: &str, field: &'a Field, is_active: bool) -> Option<Table<'a>> {
    let path = if at.is_empty() { field.name.clone() } else { format!("{at}.{}", field.name) };
    let (group, path) = match &field.shape {
        Shape::Group(group) => (group, path),
        Shape::List(list) => match &*list.of {
            Shape::Group(group) => (group, format!("{path}[]")),
            _ => return None,
        },
        _ => return None,
    };
    Some(Table { path, title: field.title.clone(), group, is_active: is_active && field.is_active })
}

/// What belongs to the values of a choice.
fn variants<'a>(at: &str, field: &'a Field, is_active: bool) -> Vec<Table<'a>> {
    let Shape::Choice(variants) = &field.shape else { return Vec::new() };
    let group = |variant: &'a Variant| match &variant.content {
        Some(Shape::Group(group)) => Some(Table {
            path: format!("{at}.{}.{}", field.name, variant.name),
            title: format!("{}, {}", field.title, variant.title),
            group,
            is_active: is_active && field.is_active && variant.is_active,
        }),
        _ => None,
    };
    variants.iter().filter_map(group).collect()
}

fn row(field: &Field, group_is_active: bool) -> String {
    let kept = if group_is_active && !field.is_active { " *(kept)*" } else { "" };
    let help = field.help.replace("\n\n", " ").replace('|', "\\|");
    let default = match (&field.default, &field.absent) {
        (Some(Value::Null), Some(absent)) => absent.clone(),
        (Some(Value::Array(list)), _) if list.is_empty() => String::from("none"),
        (Some(Value::String(text)), _) if text.is_empty() => String::from("empty"),
        (Some(Value::Object(_)), _) => String::new(),
        (Some(value), _) => format!("`{value}`"),
        (None, _) => String::from("required"),
    };
    format!(
        "| `{}` | **{}**: {help}{kept} | {} | {default} |\n",
        field.name,
        field.title,
        values(&field.shape)
    )
}

fn values(shape: &Shape) -> String {
    match shape {
        Shape::Switch => String::from("`true`, `false`"),
        Shape::Number(number) => {
            let unit = if number.unit.is_empty() { String::new() } else { format!(" {}", number.unit) };
            format!("{} to {}{unit}", number.min, number.max)
        }
        Shape::Text(text) => {
            let what = if text.format.is_empty() { "text" } else { &text.format };
            let secret = if text.secret { ", never shown" } else { "" };
            text.longest.map_or_else(
                || format!("{what}{secret}"),
                |most| format!("{what}, up to {most} characters{secret}"),
            )
        }
        Shape::Choice(variants) => {
            let one = |it: &Variant| {
                let kept = if it.is_active { "" } else { " *(kept)*" };
                match &it.content {
                    None => format!("`\"{}\"`{kept}", it.name),
                    Some(Shape::Group(_)) => format!("`{{\"{}\": {{…}}}}`{kept}", it.name),
                    Some(_) => format!("`{{\"{}\": …}}`{kept}", it.name),
                }
            };
            variants.iter().map(one).collect::<Vec<_>>().join(", ")
        }
        Shape::Group(_) => String::from("below"),
        Shape::List(list) => {
            let of = match &*list.of {
                Shape::Group(_) => String::from("of those below"),
                other => format!("each {}", values(other)),
            };
            list.most.map_or_else(|| format!("a list, {of}"), |most| format!("up to {most}, {of}"))
        }
    }
}
