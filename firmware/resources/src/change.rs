//! What a request makes of the configuration in force.
//!
//! | method | at an object or a group | at a list | at a single setting |
//! |---|---|---|---|
//! | PUT | the whole of it anew; what is left out gets its default | all elements anew | its value |
//! | PATCH | what is given replaces what is there, field by field (RFC 7396); `null` gives the default | | |
//! | POST | | one element more | |
//! | DELETE | an element goes; a group goes back to its defaults | all elements go | its default |
//!
//! PUT and DELETE can be repeated without harm. PUT at an address of a list whose element is named, and not there,
//! makes it, where the name is the operator's to give.

use crate::place::{Fault, Place, Step, find, identity, name_of};
use crate::secret::keep_secrets;
use evener_config::shape::{Field, Shape};
use evener_config::{Config, Violation};
use serde_json::{Map, Value};

/// What changes something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Method {
    /// RFC 9110 §9.3.4.
    Put,
    /// RFC 5789, with RFC 7396.
    Patch,
    /// RFC 9110 §9.3.3.
    Post,
    /// RFC 9110 §9.3.5.
    Delete,
}

/// The configuration after a change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Changed {
    /// All of it. Objects whose id is zero are new, and control gives them one.
    pub config: Config,
    /// Whether something is there that was not.
    pub created: bool,
    /// The list that got an element without a name: its number is known when control has given it.
    pub numbered: bool,
}

/// Changes what is at an address.
///
/// # Errors
/// [`Fault`]. [`Fault::Invalid`] has paths from the object that was sent, as its sender knows them. Rules that look at
/// the whole configuration are control's.
pub fn change(config: &Value, names: &[&str], method: Method, body: Option<Value>) -> Result<Changed, Fault> {
    let mut next = config.clone();
    let (mut created, mut numbered) = (false, false);
    let base = match find(config, names) {
        Ok(place) => {
            let allowed = place.methods();
            if !allowed.contains(&method) {
                return Err(Fault::NotAllowed(allowed));
            }
            match method {
                Method::Put => put(&mut next, &place, body.unwrap_or_default())?,
                Method::Patch => patch(&mut next, &place, body.unwrap_or_default())?,
                Method::Post => {
                    (created, numbered) = (true, true);
                    numbered &= post(&mut next, &place, body.unwrap_or_default())?;
                }
                Method::Delete => delete(&mut next, &place)?,
            }
            place.path()
        }
        Err(missing) => {
            let (Method::Put, Some((name, list))) = (method, names.split_last()) else { return Err(missing) };
            created = true;
            make(&mut next, &find(config, list)?, name, body.unwrap_or_default(), &missing)?
        }
    };
    let config = serde_path_to_error::deserialize(next).map_err(|error| misfit(&error, &base))?;
    Ok(Changed { config, created, numbered })
}

fn put(next: &mut Value, place: &Place<'_>, mut body: Value) -> Result<(), Fault> {
    let Some(there) = place.of_mut(next) else { return Ok(()) };
    keep_secrets(place.shape, &mut body, there).map_err(Fault::Invalid)?;
    if let (true, Shape::Group(group)) = (place.is_element, place.shape)
        && let Some(key) = group.identity()
    {
        same_identity(key, there, &mut body)?;
    }
    *there = body;
    Ok(())
}

/// An element keeps what it is known by: the address says it, and the body may say the same or nothing.
fn same_identity(key: &Field, there: &Value, body: &mut Value) -> Result<(), Fault> {
    let (name, is) = (key.name.as_str(), &there[key.name.as_str()]);
    let Some(object) = body.as_object_mut() else { return Ok(()) };
    match object.get(name) {
        Some(given) if given == is => Ok(()),
        Some(zero) if name == "id" && *zero == 0 => {
            object.insert(name.to_owned(), is.clone());
            Ok(())
        }
        None => {
            object.insert(name.to_owned(), is.clone());
            Ok(())
        }
        Some(_) if name == "id" => {
            let reason = String::from("this is not the id in the address: leave it out or make them equal");
            Err(Fault::Invalid(vec![Violation { field: name.to_owned(), reason }]))
        }
        // A new name is a change like any other; whoever refers to the old one is named by validation.
        Some(_) => Ok(()),
    }
}

fn patch(next: &mut Value, place: &Place<'_>, body: Value) -> Result<(), Fault> {
    let Some(there) = place.of(next) else { return Ok(()) };
    if !body.is_object() {
        let reason = String::from("a patch is an object with the fields to change");
        return Err(Fault::Invalid(vec![Violation { field: String::new(), reason }]));
    }
    let mut merged = there.clone();
    merge(&mut merged, body);
    put(next, place, merged)
}

/// RFC 7396 §2. A field that is taken away gets its default when the whole is read.
fn merge(target: &mut Value, patch: Value) {
    let Value::Object(patch) = patch else {
        *target = patch;
        return;
    };
    if !target.is_object() {
        *target = Value::Object(Map::new());
    }
    let Some(object) = target.as_object_mut() else { return };
    for (name, value) in patch {
        if value.is_null() {
            object.remove(&name);
        } else {
            merge(object.entry(name).or_insert(Value::Null), value);
        }
    }
}

/// Adds an element; whether control gives it its identity.
fn post(next: &mut Value, place: &Place<'_>, mut body: Value) -> Result<bool, Fault> {
    let Shape::List(list) = place.shape else { return Ok(false) };
    keep_secrets(&list.of, &mut body, &Value::Null).map_err(Fault::Invalid)?;
    let Some(key) = identity(list) else { return Ok(false) };
    let elements = place.of_mut(next).and_then(Value::as_array_mut);
    let Some(elements) = elements else { return Ok(false) };
    let is_numbered = key.name == "id";
    if is_numbered {
        let is_given = body.get("id").is_some_and(|id| *id != 0);
        if is_given {
            let reason = String::from("the unit gives the id: leave it out");
            return Err(Fault::Invalid(vec![Violation { field: String::from("id"), reason }]));
        }
    } else if elements.iter().any(|it| name_of(it, key) == name_of(&body, key)) {
        return Err(Fault::Exists(name_of(&body, key)));
    }
    elements.push(body);
    Ok(is_numbered)
}

/// Makes an element under the name that its address gives it.
fn make(
    next: &mut Value,
    list: &Place<'_>,
    name: &str,
    mut body: Value,
    missing: &Fault,
) -> Result<String, Fault> {
    let Shape::List(shape) = list.shape else { return Err(missing.clone()) };
    let key = identity(shape).filter(|key| key.name == "name").ok_or_else(|| missing.clone())?;
    if let Some(object) = body.as_object_mut() {
        let given = object.entry(key.name.clone()).or_insert_with(|| Value::from(name));
        if given != name {
            let reason = format!("the address says {name}: leave it out or make them equal");
            return Err(Fault::Invalid(vec![Violation { field: key.name.clone(), reason }]));
        }
    }
    let mut place = list.clone();
    let count = list.of(next).and_then(Value::as_array).map_or(0, Vec::len);
    post(next, list, body)?;
    place.steps.push(Step::Element(count));
    Ok(place.path())
}

fn delete(next: &mut Value, place: &Place<'_>) -> Result<(), Fault> {
    let Some((last, parents)) = place.steps.split_last() else { return Ok(()) };
    let parent = Place { steps: parents.to_vec(), ..place.clone() };
    let Some(parent) = parent.of_mut(next) else { return Ok(()) };
    match last {
        Step::Element(index) => {
            if let Some(list) = parent.as_array_mut() {
                list.remove(*index);
            }
        }
        Step::Field(name) if place.field.default.is_none() => {
            let reason = String::from("this has no default and must be set: PUT another value");
            return Err(Fault::Invalid(vec![Violation { field: name.clone(), reason }]));
        }
        Step::Field(name) => {
            if let Some(object) = parent.as_object_mut() {
                object.remove(name);
            }
        }
    }
    Ok(())
}

/// What serde found wrong, with the path that the sender knows.
fn misfit(error: &serde_path_to_error::Error<serde_json::Error>, base: &str) -> Fault {
    let path = error.path().to_string();
    let reason = evener_config::explain(&path, &error.inner().to_string());
    let field = path.strip_prefix(base).map_or(path.as_str(), |rest| rest.trim_start_matches('.'));
    // The path of something that was added to a list begins with its number in it.
    let field = match field.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((_, rest)) => rest.trim_start_matches('.'),
        None => field,
    };
    Fault::Invalid(vec![Violation { field: field.to_owned(), reason }])
}

#[cfg(test)]
mod tests;
