//! Who may import whom.

use std::collections::BTreeMap;
use std::process::Command;

use serde_json::Value;

use crate::{expect_none, root};

/// A package of the workspace.
struct Package {
    layer: String,
    folder: String,
    /// Name, and whether it is for tests only.
    imports: Vec<(String, bool)>,
}

fn packages() -> BTreeMap<String, Package> {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--no-deps", "--offline"])
        .current_dir(root())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let mut packages = BTreeMap::new();
    for package in metadata["packages"].as_array().unwrap() {
        let manifest = text(&package["manifest_path"]);
        let folder = manifest.strip_prefix(root().to_str().unwrap()).unwrap().trim_start_matches('/');
        let imports = package["dependencies"].as_array().unwrap();
        packages.insert(
            text(&package["name"]),
            Package {
                layer: text(&package["metadata"]["evener"]["layer"]),
                folder: folder.trim_end_matches("/Cargo.toml").to_owned(),
                imports: imports.iter().map(|d| (text(&d["name"]), d["kind"] == "dev")).collect(),
            },
        );
    }
    packages
}

#[test]
fn every_package_names_its_layer() {
    let known = ["L0", "L1", "L2", "L3", "test"];
    let wrong = packages().into_iter().filter(|(_, package)| !known.contains(&package.layer.as_str()));
    expect_none(
        &wrong
            .map(|(name, p)| format!("{name}: [package.metadata.evener] layer is {:?}", p.layer))
            .collect::<Vec<_>>(),
    );
}

#[test]
fn imports_point_downwards() {
    let packages = packages();
    let mut complaints = Vec::new();
    for (name, package) in packages.iter().filter(|(_, package)| package.layer != "test") {
        for (import, for_tests) in &package.imports {
            let Some(imported) = packages.get(import) else { continue };
            let upward = imported.layer > package.layer;
            let sideways = imported.layer == "L3" && package.layer == "L3" && name != "evener";
            // A test may look at its package from above, but not pull another program in.
            let allowed = if *for_tests { !sideways } else { !upward && !sideways };
            if !allowed {
                complaints.push(format!("{name} ({}) imports {import} ({})", package.layer, imported.layer));
            }
        }
    }
    expect_none(&complaints);
}

#[test]
fn the_loader_imports_only_the_lowest_layer() {
    let packages = packages();
    let mut complaints = Vec::new();
    for (name, package) in packages.iter().filter(|(_, package)| package.folder.starts_with("bootloader/")) {
        for (import, for_tests) in &package.imports {
            if !for_tests && packages.get(import).is_some_and(|imported| imported.layer != "L0") {
                complaints.push(format!("{name} imports {import}"));
            }
        }
    }
    expect_none(&complaints);
}

#[test]
fn a_package_is_named_after_its_folder() {
    let mut complaints = Vec::new();
    for (name, package) in packages() {
        let folder = package.folder.rsplit('/').next().unwrap();
        let expected = match package.folder.as_str() {
            "firmware/evener" => "evener".to_owned(),
            "image-builder/cli" => "evener-image".to_owned(),
            "board-support/model" => "evener-board".to_owned(),
            _ => format!("evener-{folder}"),
        };
        if name != expected {
            complaints.push(format!("{}: the package is {name}, not {expected}", package.folder));
        }
    }
    expect_none(&complaints);
}

#[test]
fn pure_packages_say_so_at_the_top_and_forbid_unsafe_code() {
    let mut complaints = Vec::new();
    for (name, package) in packages() {
        if !matches!(package.layer.as_str(), "L0" | "L1") {
            continue;
        }
        let folder = root().join(&package.folder);
        let manifest = std::fs::read_to_string(folder.join("Cargo.toml")).unwrap();
        let banner = "# No IO, no async, no clock, no randomness here; testable on any host.";
        if manifest.lines().next() != Some(banner) {
            complaints.push(format!("{name}: Cargo.toml must open with {banner:?}"));
        }
        let source = std::fs::read_to_string(folder.join("src/lib.rs")).unwrap();
        if !source.contains("#![forbid(unsafe_code)]") {
            complaints.push(format!("{name}: src/lib.rs must have #![forbid(unsafe_code)]"));
        }
        if package.layer == "L0" && !source.contains("no_std") {
            complaints.push(format!("{name}: src/lib.rs must be no_std"));
        }
    }
    expect_none(&complaints);
}

#[test]
fn versions_of_dependencies_are_named_in_one_place() {
    let mut complaints = Vec::new();
    for (file, text) in crate::files(&["toml"]).iter().filter(|(file, _)| file.ends_with("/Cargo.toml")) {
        let manifest: toml::Table = toml::from_str(text).unwrap();
        for section in ["dependencies", "dev-dependencies", "build-dependencies"] {
            collect_versions(file, manifest.get(section), &mut complaints);
        }
        for (_, target) in manifest.get("target").and_then(toml::Value::as_table).into_iter().flatten() {
            collect_versions(file, target.get("dependencies"), &mut complaints);
        }
    }
    expect_none(&complaints);
}

fn collect_versions(file: &str, section: Option<&toml::Value>, complaints: &mut Vec<String>) {
    for (name, value) in section.and_then(toml::Value::as_table).into_iter().flatten() {
        if value.get("workspace").and_then(toml::Value::as_bool) != Some(true) {
            complaints.push(format!("{file}: {name} must come from [workspace.dependencies]"));
        }
    }
}
