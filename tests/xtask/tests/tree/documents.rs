//! Documents that must keep up with the code.

use std::fs;

use crate::{expect_none, files, root};

fn read(name: &str) -> String {
    fs::read_to_string(root().join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

#[test]
fn every_dependency_has_its_line() {
    let manifest: toml::Table = toml::from_str(&read("Cargo.toml")).unwrap();
    let document = read("docs/dependencies.md");
    let dependencies = manifest["workspace"]["dependencies"].as_table().unwrap();
    let theirs = dependencies.iter().filter(|(_, value)| value.get("path").is_none());
    let missing = theirs.filter(|(name, _)| !document.contains(&format!("`{name}`")));
    let words = |(name, _): (&String, _)| format!("docs/dependencies.md: no line about `{name}`");
    expect_none(&missing.map(words).collect::<Vec<_>>());
}

#[test]
fn every_invariant_of_the_architecture_names_a_test_that_exists() {
    let sources = files(&["rs"]);
    let document = read("ARCHITECTURE.md");
    let invariants: Vec<&str> = document.split("**Invariant:**").skip(1).collect();
    assert!(!invariants.is_empty(), "ARCHITECTURE.md has no **Invariant:**");
    let mut complaints = Vec::new();
    for invariant in invariants {
        let paragraph = invariant.split("\n\n").next().unwrap_or_default();
        // `crate::module::test_name`, between back quotes; the last part is the function.
        let named = paragraph.split('`').skip(1).step_by(2).filter_map(|name| name.rsplit("::").next());
        let exists = |name: &str| {
            let function = format!("fn {name}(");
            name.contains('_') && sources.iter().any(|(_, text)| text.contains(&function))
        };
        if !named.into_iter().any(exists) {
            complaints.push(format!("no test is named that exists: {}", paragraph.trim()));
        }
    }
    expect_none(&complaints);
}

#[test]
fn links_between_documents_lead_somewhere() {
    let mut complaints = Vec::new();
    for (file, text) in files(&["md"]) {
        let folder = root().join(&file).parent().unwrap().to_owned();
        for rest in text.split("](").skip(1) {
            let target = rest.split(')').next().unwrap_or_default();
            let path = target.split('#').next().unwrap_or_default();
            let outside = path.is_empty() || path.contains("://") || path.contains(' ');
            if !outside && !folder.join(path).exists() {
                complaints.push(format!("{file}: {target}"));
            }
        }
    }
    expect_none(&complaints);
}

#[test]
fn make_knows_every_task() {
    let makefile = read("Makefile");
    let line = makefile.lines().find(|line| line.starts_with("TASKS :=")).unwrap();
    let tasks = read("tests/xtask/src/main.rs");
    let list = tasks.split("const TASKS").nth(1).unwrap().split("];").next().unwrap();
    let names = list.lines().filter_map(|line| line.trim().strip_prefix("(\"")?.split('"').next());
    let missing = names.filter(|name| {
        !matches!(*name, "help" | "bench-NAME") && !line.split_whitespace().any(|word| word == *name)
    });
    expect_none(&missing.map(|name| format!("Makefile: {name} is missing")).collect::<Vec<_>>());
}
