//! Every single setting, with the path to it.

use super::{Field, Group, Shape};

/// One setting that has no settings below it.
#[derive(Clone, Debug)]
pub struct Leaf<'a> {
    /// Where it is: `shared.virtual_services[].check.kind.http.path`. A variant's name stands where the variant does.
    pub path: String,
    /// What it is.
    pub field: &'a Field,
    /// Whether this version acts on it and on all that it belongs to.
    pub is_active: bool,
}

/// Every setting of a group and below, in the order of their declaration. A choice is a setting by itself, and so is
/// what belongs to each of its variants.
#[must_use]
pub fn leaves(group: &Group) -> Vec<Leaf<'_>> {
    let mut found = Vec::new();
    of_group(group, "", true, &mut found);
    found
}

fn of_group<'a>(group: &'a Group, at: &str, is_active: bool, found: &mut Vec<Leaf<'a>>) {
    for field in &group.fields {
        let path = if at.is_empty() { field.name.clone() } else { format!("{at}.{}", field.name) };
        of_field(field, &field.shape, path, is_active && field.is_active, found);
    }
}

fn of_field<'a>(
    field: &'a Field,
    shape: &'a Shape,
    path: String,
    is_active: bool,
    found: &mut Vec<Leaf<'a>>,
) {
    match shape {
        Shape::Switch | Shape::Number(_) | Shape::Text(_) => found.push(Leaf { path, field, is_active }),
        Shape::Group(group) => of_group(group, &path, is_active, found),
        Shape::List(list) => of_field(field, &list.of, format!("{path}[]"), is_active, found),
        Shape::Choice(variants) => {
            found.push(Leaf { path: path.clone(), field, is_active });
            for variant in variants {
                let path = format!("{path}.{}", variant.name);
                match &variant.content {
                    Some(Shape::Group(group)) => {
                        of_group(group, &path, is_active && variant.is_active, found);
                    }
                    Some(shape) => of_field(field, shape, path, is_active && variant.is_active, found),
                    None => {}
                }
            }
        }
    }
}
