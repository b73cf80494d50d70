//! The documents, as others read them.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "test crate")]

use cyclonedx_bom::models::bom::{Bom, SpecVersion};
use cyclonedx_bom::validation::Validate as _;
use evener_supply::{Checksums, Component, Graph, Inventory, Kind, Text, licences, sbom};

const TREE: &str = "\
0|unit v0.1.0 (/src/unit)|Apache-2.0 OR MIT|
1|serde v1.0.2|MIT/Apache-2.0|https://github.com/serde-rs/serde
1|ring v1.0.0|ISC|
2|serde v1.0.2|MIT/Apache-2.0|https://github.com/serde-rs/serde (*)
";
const LOCK: &str = "\
[[package]]\nname = \"serde\"\nversion = \"1.0.2\"\nchecksum = \"5a4a074597aefa2b1a68ada83a3184ba351c127544dea80618bbcceaa3961f00\"
[[package]]\nname = \"ring\"\nversion = \"1.0.0\"\nchecksum = \"6a4a074597aefa2b1a68ada83a3184ba351c127544dea80618bbcceaa3961f00\"
";

fn inventory() -> Inventory {
    let mut inventory = Inventory::new("1.2.3", vec![("rustc".into(), "1.95.0".into())]);
    inventory.add_program(&Graph::parse(TREE).unwrap(), &Checksums::parse(LOCK).unwrap()).unwrap();
    inventory.add(Component {
        kind: Kind::OperatingSystem,
        name: "linux".into(),
        version: "6.12.117".into(),
        licence: "GPL-2.0-only WITH Linux-syscall-note".into(),
        sha256: Some("585a4a074597aefa2b1a68ada83a3184ba351c127544dea80618bbcceaa3961f".into()),
        purl: "pkg:generic/linux@6.12.117".into(),
        source: String::new(),
        properties: vec![("evener:config-sha256".into(), "00".into())],
    });
    inventory
}

#[test]
fn the_cyclonedx_reader_finds_it_valid_and_complete() {
    let document = sbom(&inventory()).unwrap();
    let bom = Bom::parse_from_json(document.as_bytes()).unwrap();
    assert_eq!(bom.spec_version, SpecVersion::V1_5);
    let result = bom.validate_version(SpecVersion::V1_5);
    assert!(result.passed(), "{result:?}");
    assert_eq!(bom.components.unwrap().0.len(), 4);
    let needs = bom.dependencies.unwrap().0;
    let of = |purl: &str| {
        needs.iter().find(|one| one.dependency_ref == purl).map(|one| one.dependencies.clone()).unwrap()
    };
    assert_eq!(of("pkg:generic/evener@1.2.3"), ["pkg:generic/linux@6.12.117", "pkg:generic/unit@0.1.0"]);
    assert_eq!(of("pkg:cargo/ring@1.0.0"), ["pkg:cargo/serde@1.0.2"]);
    assert!(bom.serial_number.is_some());
}

#[test]
fn the_same_firmware_has_the_same_document_and_another_one_another_serial_number() {
    let one = sbom(&inventory()).unwrap();
    assert_eq!(one, sbom(&inventory()).unwrap());
    let mut other = inventory();
    other.version = "1.2.4".into();
    let serial = |document: &str| {
        let value: serde_json::Value = serde_json::from_str(document).unwrap();
        value["serialNumber"].as_str().unwrap().to_owned()
    };
    assert_ne!(serial(&one), serial(&sbom(&other).unwrap()));
}

#[test]
fn every_component_is_listed_and_every_text_stands_once() {
    let text =
        |of: &str, file: &str, text: &str| Text { of: of.into(), file: file.into(), text: text.into() };
    let texts = [
        text("pkg:cargo/serde@1.0.2", "LICENSE-MIT", "Permission is hereby granted\n"),
        text("pkg:cargo/ring@1.0.0", "LICENSE", "Permission is hereby granted"),
        text("pkg:cargo/ring@1.0.0", "NOTICE", "By many"),
    ];
    let page = licences(&inventory(), &texts);
    for line in [
        "ring 1.0.0: ISC [1] [2]",
        "serde 1.0.2: MIT OR Apache-2.0 [1]",
        "linux 6.12.117: GPL-2.0-only WITH Linux-syscall-note",
        "unit 0.1.0: Apache-2.0 OR MIT",
    ] {
        assert!(page.lines().any(|have| have == line), "{line}: {page}");
    }
    assert_eq!(page.matches("Permission is hereby granted").count(), 1);
    assert_eq!(page.matches("By many").count(), 1);
    let mut reversed = texts.clone();
    reversed.reverse();
    assert_eq!(page, licences(&inventory(), &reversed), "the order in which files were found does not show");
}
