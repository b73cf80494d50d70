//! The inventory as a list of licences, with the texts that they demand to be passed on.
//!
//! Hundreds of crates share a few dozen texts word for word; each text stands once, with those it covers.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use crate::inventory::Inventory;

/// A licence text that a component ships.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Text {
    /// The component, by package URL.
    pub of: String,
    /// Name of the file in its source.
    pub file: String,
    /// The text.
    pub text: String,
}

/// The list, as a text file. `texts` in any order.
#[must_use]
pub fn licences(inventory: &Inventory, texts: &[Text]) -> String {
    let mut page = format!(
        "Evener {}: what it is made of, under which licences\n\n\
         Each component, its licence as an SPDX expression, and the numbers of the texts below that came with it.\n\n",
        inventory.version
    );
    let mut numbered: BTreeMap<&str, Vec<&Text>> = BTreeMap::new();
    for text in texts {
        numbered.entry(text.text.trim()).or_default().push(text);
    }
    // In the order of the first component that each covers, so that a new crate moves as little as possible.
    let mut order: Vec<(&str, Vec<&Text>)> = numbered.into_iter().collect();
    for (_, of) in &mut order {
        of.sort_by(|one, other| (&one.of, &one.file).cmp(&(&other.of, &other.file)));
    }
    order.sort_by_key(|(_, of)| of.first().map(|text| (&text.of, &text.file)));
    for component in inventory.components.values() {
        let licence = if component.licence.is_empty() { "not stated" } else { &component.licence };
        let numbers: Vec<String> = (1..)
            .zip(&order)
            .filter(|(_, (_, of))| of.iter().any(|text| text.of == component.purl))
            .map(|(number, _)| format!("[{number}]"))
            .collect();
        let line = format!("{} {}: {licence} {}", component.name, component.version, numbers.join(" "));
        // Writing to a string does not fail.
        let _ = writeln!(page, "{}", line.trim_end());
    }
    for (number, (text, of)) in (1..).zip(&order) {
        let file = of.first().map_or("", |text| text.file.as_str());
        let _ = write!(page, "\n{}\n[{number}] {file}\n\n{text}\n", "=".repeat(78));
    }
    page
}
