//! Rows of figures: as a table on the terminal, as JSON in `out/bench`.

use std::path::Path;

use anyhow::{Context, Result};
use serde_json::{Map, Value, json};

/// One case and its figures.
#[derive(Clone, Debug, PartialEq)]
pub struct Row(Map<String, Value>);

impl Row {
    /// A row without figures.
    #[must_use]
    pub fn new(name: &str) -> Self {
        Self(Map::from_iter([("name".to_owned(), json!(name))]))
    }

    /// The same with one more figure, named with its unit. Absent when it could not be measured.
    #[must_use]
    pub fn figure(mut self, name: &str, value: impl Into<Option<Value>>) -> Self {
        if let Some(value) = value.into() {
            self.0.insert(name.to_owned(), value);
        }
        self
    }
}

/// The outcome of one measurement.
#[derive(Clone, Debug)]
pub struct Report {
    name: String,
    rows: Vec<Row>,
}

impl Report {
    /// The report of the measurement `name`.
    #[must_use]
    pub fn new(name: &str, rows: Vec<Row>) -> Self {
        Self { name: name.to_owned(), rows }
    }

    /// Prints the table and writes `out/bench/NAME.json`.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn publish(&self) -> Result<()> {
        print!("{}", self.table());
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../out/bench");
        std::fs::create_dir_all(&folder).with_context(|| format!("making {}", folder.display()))?;
        let path = folder.join(format!("{}.json", self.name));
        let rows: Vec<&Map<String, Value>> = self.rows.iter().map(|row| &row.0).collect();
        let text = serde_json::to_string_pretty(&json!({ "rows": rows }))?;
        std::fs::write(&path, text + "\n").with_context(|| format!("writing {}", path.display()))
    }

    fn table(&self) -> String {
        let mut out = String::new();
        for row in &self.rows {
            out.push_str(&format!("\n{}: {}\n", self.name, words(&row.0["name"])));
            for (name, value) in row.0.iter().filter(|(name, _)| *name != "name") {
                out.push_str(&format!("  {name:<32} {:>14}\n", words(value)));
            }
        }
        out
    }
}

fn words(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// The middle one; of an even number, the mean of the two in the middle. `None` of none.
#[must_use]
pub fn median(values: &[f64]) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    match sorted.len() % 2 {
        1 => sorted.get(middle).copied(),
        _ => Some((sorted.get(middle.checked_sub(1)?)? + sorted.get(middle)?) / 2.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_the_middle() {
        assert_eq!(median(&[]), None);
        assert_eq!(median(&[3.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median(&[4.0, 1.0, 2.0, 3.0]), Some(2.5));
    }

    #[test]
    fn what_was_not_measured_is_absent() {
        let row = Row::new("x").figure("a_bytes", json!(5)).figure("b_bytes", None);
        let report = Report::new("size", vec![row.clone()]);
        assert_eq!(row.0.keys().collect::<Vec<_>>(), ["name", "a_bytes"]);
        assert!(report.table().contains("a_bytes"));
        assert!(!report.table().contains("b_bytes"));
    }
}
