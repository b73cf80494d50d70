//! The inventory as a CycloneDX 1.5 document.
//!
//! Written here and not by a library: it is a hundred lines, and those that exist put a random number and the time of
//! day in. The tests have the CycloneDX project's own reader look at the result.

use serde::Serialize;
use sha2::{Digest, Sha256};

use crate::inventory::{Component, Inventory, Kind};

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Bom<'a> {
    bom_format: &'static str,
    spec_version: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    serial_number: Option<String>,
    version: u32,
    metadata: Metadata<'a>,
    components: Vec<Part<'a>>,
    dependencies: Vec<Needs<'a>>,
}

#[derive(Serialize)]
struct Metadata<'a> {
    tools: Tools<'a>,
    component: Part<'a>,
}

#[derive(Serialize)]
struct Tools<'a> {
    components: Vec<Part<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Part<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    #[serde(rename = "bom-ref", skip_serializing_if = "Option::is_none")]
    bom_ref: Option<&'a str>,
    name: &'a str,
    version: &'a str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    hashes: Vec<Hash<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    licenses: Vec<Licence<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    purl: Option<&'a str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    external_references: Vec<Reference<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    properties: Vec<Property<'a>>,
}

#[derive(Serialize)]
struct Hash<'a> {
    alg: &'static str,
    content: &'a str,
}

#[derive(Serialize)]
struct Licence<'a> {
    expression: &'a str,
}

#[derive(Serialize)]
struct Reference<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    url: &'a str,
}

#[derive(Serialize)]
struct Property<'a> {
    name: &'a str,
    value: &'a str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Needs<'a> {
    #[serde(rename = "ref")]
    of: &'a str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    depends_on: Vec<&'a str>,
}

impl<'a> Part<'a> {
    fn bare(kind: &'static str, name: &'a str, version: &'a str) -> Self {
        Self {
            kind,
            bom_ref: None,
            name,
            version,
            hashes: Vec::new(),
            licenses: Vec::new(),
            purl: None,
            external_references: Vec::new(),
            properties: Vec::new(),
        }
    }

    fn of(component: &'a Component) -> Self {
        let kind = match component.kind {
            Kind::Application => "application",
            Kind::Library => "library",
            Kind::OperatingSystem => "operating-system",
        };
        let source = Some(component.source.as_str()).filter(|source| !source.is_empty());
        let licence = Some(component.licence.as_str()).filter(|licence| !licence.is_empty());
        Self {
            bom_ref: Some(&component.purl),
            hashes: component.sha256.iter().map(|content| Hash { alg: "SHA-256", content }).collect(),
            licenses: licence.map(|expression| Licence { expression }).into_iter().collect(),
            purl: Some(&component.purl),
            external_references: source.map(|url| Reference { kind: "vcs", url }).into_iter().collect(),
            properties: component.properties.iter().map(|(name, value)| Property { name, value }).collect(),
            ..Self::bare(kind, &component.name, &component.version)
        }
    }
}

/// The inventory as CycloneDX 1.5 JSON, the same bytes for the same inventory.
///
/// # Errors
/// None that this data can cause; those of the serialiser.
pub fn sbom(inventory: &Inventory) -> Result<String, serde_json::Error> {
    let purl = inventory.purl();
    let mut firmware = Part::bare("firmware", "evener", &inventory.version);
    firmware.bom_ref = Some(&purl);
    firmware.purl = Some(&purl);
    let tools = inventory.tools.iter().map(|(name, version)| Part::bare("application", name, version));
    let needs = |of| Needs {
        of,
        depends_on: inventory.needs.get(of).into_iter().flatten().map(String::as_str).collect(),
    };
    let mut bom = Bom {
        bom_format: "CycloneDX",
        spec_version: "1.5",
        serial_number: None,
        version: 1,
        metadata: Metadata { tools: Tools { components: tools.collect() }, component: firmware },
        components: inventory.components.values().map(Part::of).collect(),
        dependencies: std::iter::once(purl.as_str())
            .chain(inventory.components.keys().map(String::as_str))
            .map(needs)
            .collect(),
    };
    bom.serial_number = Some(serial(&Sha256::digest(serde_json::to_string(&bom)?)));
    Ok(serde_json::to_string_pretty(&bom)? + "\n")
}

/// A UUID made from a digest: RFC 9562 section 5.8, version 8.
fn serial(digest: &[u8]) -> String {
    let mut bytes = [0_u8; 16];
    for (byte, from) in bytes.iter_mut().zip(digest) {
        *byte = *from;
    }
    bytes[6] = bytes[6] & 0x0f | 0x80;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    let (a, rest) = hex.split_at(8);
    let (b, rest) = rest.split_at(4);
    let (c, rest) = rest.split_at(4);
    let (d, e) = rest.split_at(4);
    format!("urn:uuid:{a}-{b}-{c}-{d}-{e}")
}
