//! What is in the way of taking a change back, in words: which object, which field, and who changed it since.

use crate::Generations;
use evener_api::control::Violation;
use evener_merge::{Conflict, Path};
use evener_store::Record;
use serde_json::Value;
use std::collections::BTreeMap;

/// Places that are told of; nobody reads more.
const MOST: usize = 50;

/// Each conflict with the generations after `changed` that touched the same place.
pub(crate) fn told(store: &mut Generations, changed: &Record, conflicts: &[Conflict]) -> Vec<Violation> {
    let places: Vec<&Path> = conflicts.iter().map(|conflict| &conflict.path).take(MOST).collect();
    let mut touched: BTreeMap<&Path, Vec<String>> = BTreeMap::new();
    let mut before = value(changed);
    let first = before.clone();
    for generation in store.after(changed.generation) {
        let Ok(record) = store.load(generation) else { continue };
        let after = value(&record);
        for place in &places {
            if place.find(&before) != place.find(&after) {
                touched.entry(place).or_default().push(format!("{generation} ({})", record.author));
            }
        }
        before = after;
    }
    let now = before;
    let tell = |place: &Path| {
        let name = name_of(place, &now).or_else(|| name_of(place, &first));
        let by = touched.get(place).map_or_else(String::new, |by| match &by[..] {
            [one] => format!(" by generation {one}"),
            [more @ .., last] => format!(" by the generations {} and {last}", more.join(", ")),
            [] => String::new(),
        });
        let name = name.map_or_else(String::new, |name| format!("“{name}” "));
        Violation { field: place.to_string(), reason: format!("{name}was changed again{by}") }
    };
    places.iter().map(|place| tell(place)).collect()
}

/// What the object around a place is called.
fn name_of(place: &Path, config: &Value) -> Option<String> {
    let name = place.object()?.find(config)?.get("name")?.as_str()?;
    (!name.is_empty()).then(|| name.to_owned())
}

fn value(record: &Record) -> Value {
    // What was read from JSON has a JSON form.
    serde_json::to_value(&record.config).unwrap_or_default()
}
