//! From an address to what is there.

use crate::Method;
use evener_config::shape::{Field, Group, List, Shape, settings};
use evener_config::{HIDDEN, Violation};
use serde_json::Value;

/// Why something cannot be had, or changed so.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// There is nothing of that address.
    #[error("there is no {0}")]
    NotFound(String),
    /// What is there cannot be asked this.
    #[error("this cannot be done there")]
    NotAllowed(Vec<Method>),
    /// An object with that identity is there already.
    #[error("there is already {0}")]
    Exists(String),
    /// The body does not fit.
    #[error("the body does not fit")]
    Invalid(Vec<Violation>),
}

/// What is at an address.
#[derive(Clone, Debug)]
pub struct Place<'a> {
    /// The way to it in the configuration: names of fields, and numbers of elements.
    pub steps: Vec<Step>,
    /// What it may be.
    pub shape: &'a Shape,
    /// The field that it is, or that the list is of which it is an element.
    pub field: &'a Field,
    /// Whether it is an element of a list.
    pub is_element: bool,
}

/// One step down into the configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Into a field.
    Field(String),
    /// To an element of a list.
    Element(usize),
}

impl Place<'_> {
    /// Its path, as validation names it: `shared.virtual_services[0].check`.
    #[must_use]
    pub fn path(&self) -> String {
        let mut path = String::new();
        for step in &self.steps {
            match step {
                Step::Field(name) if path.is_empty() => path.push_str(name),
                Step::Field(name) => path = format!("{path}.{name}"),
                Step::Element(index) => path = format!("{path}[{index}]"),
            }
        }
        path
    }

    /// What can be asked of it.
    #[must_use]
    pub fn methods(&self) -> Vec<Method> {
        match self.shape {
            _ if self.is_element && matches!(self.shape, Shape::Group(_)) => {
                vec![Method::Put, Method::Patch, Method::Delete]
            }
            Shape::Group(_) => vec![Method::Put, Method::Patch, Method::Delete],
            Shape::List(list) if identity(list).is_some() => vec![Method::Put, Method::Post, Method::Delete],
            _ => vec![Method::Put, Method::Delete],
        }
    }

    /// Follows the steps.
    pub(crate) fn of<'v>(&self, config: &'v Value) -> Option<&'v Value> {
        self.steps.iter().try_fold(config, |value, step| match step {
            Step::Field(name) => value.get(name),
            Step::Element(index) => value.get(*index),
        })
    }

    /// Follows the steps to change what is there.
    pub(crate) fn of_mut<'v>(&self, config: &'v mut Value) -> Option<&'v mut Value> {
        self.steps.iter().try_fold(config, |value, step| match step {
            Step::Field(name) => value.get_mut(name),
            Step::Element(index) => value.get_mut(*index),
        })
    }
}

/// The two halves, whose fields have addresses of their own.
pub(crate) fn halves() -> impl Iterator<Item = (&'static str, &'static Group)> {
    settings().fields.iter().filter_map(|half| match &half.shape {
        Shape::Group(group) => Some((half.name.as_str(), group)),
        _ => None,
    })
}

/// What tells the elements of a list from each other; none where they are plain values or have no name.
pub(crate) fn identity(list: &List) -> Option<&Field> {
    if let Shape::Group(group) = &*list.of { group.identity() } else { None }
}

/// The identity of an element as it stands in an address.
pub(crate) fn name_of(element: &Value, identity: &Field) -> String {
    let value = &element[identity.name.as_str()];
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// Finds what is at an address: the names behind `/api/v1`, percent-decoded.
///
/// # Errors
/// [`Fault::NotFound`] with the first name that leads nowhere.
pub fn find(config: &Value, names: &[&str]) -> Result<Place<'static>, Fault> {
    let missing = |name: &str| Fault::NotFound(name.to_owned());
    let (&first, rest) = names.split_first().ok_or_else(|| missing(""))?;
    let root = halves().find_map(|(half, group)| Some((half, group.field(first)?)));
    let (half, field) = root.ok_or_else(|| missing(first))?;
    let steps = vec![Step::Field(half.to_owned()), Step::Field(first.to_owned())];
    let mut place = Place { steps, shape: &field.shape, field, is_element: false };
    let mut value = place.of(config).ok_or_else(|| missing(first))?;
    for &name in rest {
        let step = match place.shape {
            Shape::Group(group) => {
                let field = group.field(name).ok_or_else(|| missing(name))?;
                (place.field, place.shape, place.is_element) = (field, &field.shape, false);
                Step::Field(name.to_owned())
            }
            Shape::List(list) => {
                let key = identity(list).ok_or_else(|| missing(name))?;
                let elements = value.as_array().into_iter().flatten();
                let index = elements.enumerate().find(|(_, it)| name_of(it, key) == name);
                (place.shape, place.is_element) = (&list.of, true);
                Step::Element(index.ok_or_else(|| missing(name))?.0)
            }
            _ => return Err(missing(name)),
        };
        value = match &step {
            Step::Field(name) => value.get(name),
            Step::Element(index) => value.get(*index),
        }
        .ok_or_else(|| missing(name))?;
        place.steps.push(step);
    }
    Ok(place)
}

/// What is at an address, without secrets.
///
/// # Errors
/// [`Fault::NotFound`].
pub fn read(config: &Value, names: &[&str]) -> Result<Value, Fault> {
    let place = find(config, names)?;
    let last = names.last().copied().unwrap_or_default();
    let mut value = place.of(config).cloned().ok_or_else(|| Fault::NotFound(last.to_owned()))?;
    evener_config::conceal(place.shape, &mut value, HIDDEN);
    Ok(value)
}

#[cfg(test)]
mod tests;
