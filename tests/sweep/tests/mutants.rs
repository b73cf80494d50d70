//! The list of mutants and the sources keep up with each other.
#![allow(clippy::unwrap_used, reason = "test crate")]

use std::collections::BTreeMap;
use std::fs;

use evener_sweep::mutants::{Mutant, list, root};

/// Files whose every flush must be in the list: they write what a unit's survival rests on.
const SWEPT: [&str; 11] = [
    "firmware/store/src/conf.rs",
    "firmware/store/src/reset.rs",
    "update/disk/src/map.rs",
    "update/disk/src/renew.rs",
    "update/slot-table/src/stored.rs",
    "update/slots/src/check.rs",
    "update/slots/src/copy.rs",
    "update/slots/src/fill.rs",
    "update/slots/src/install.rs",
    "update/slots/src/loader.rs",
    "update/slots/src/record.rs",
];
/// What reads back or verifies, as it stands in those files.
const VERIFICATIONS: [&str; 8] = [
    ".flush()",
    "back ==",
    "digest(parts",
    "check(parts",
    ".finish())",
    "digest != ",
    ".check(&",
    "expect(parts",
];

fn source(file: &str) -> String {
    let text = fs::read_to_string(root().unwrap().join(file)).unwrap();
    text.split("\n#[cfg(test)]\nmod tests").next().unwrap().to_owned()
}

fn by_file() -> BTreeMap<String, Vec<Mutant>> {
    let mut files: BTreeMap<String, Vec<Mutant>> = BTreeMap::new();
    for mutant in list().unwrap() {
        files.entry(mutant.file.clone()).or_default().push(mutant);
    }
    files
}

#[test]
fn every_mutant_is_a_change_of_a_text_that_is_there_once() {
    for (file, mutants) in by_file() {
        let source = source(&file);
        for mutant in mutants {
            assert_eq!(source.matches(&mutant.text).count(), 1, "{file}: {}", mutant.name);
            assert_ne!(mutant.text, mutant.with, "{}", mutant.name);
        }
    }
}

#[test]
fn every_flush_and_every_verification_is_in_the_list() {
    let files = by_file();
    for file in SWEPT {
        let source = source(file);
        let listed: Vec<_> = files
            .get(file)
            .into_iter()
            .flatten()
            .map(|mutant| {
                let start = source.find(&mutant.text).unwrap();
                start..start + mutant.text.len()
            })
            .collect();
        for what in VERIFICATIONS {
            for (at, _) in source.match_indices(what) {
                let line = source[..at].lines().count();
                let text = source.lines().nth(line - 1).unwrap().trim();
                let is_code = !text.starts_with("//") && !text.contains("fn ");
                assert!(
                    !is_code || listed.iter().any(|range| range.contains(&at)),
                    "{file}:{line}: `{text}` is in no mutant of tests/sweep/mutants.toml"
                );
            }
        }
    }
}

#[test]
fn the_files_of_the_list_are_those_that_are_looked_through() {
    for file in by_file().keys() {
        assert!(SWEPT.contains(&file.as_str()), "{file}");
    }
}
