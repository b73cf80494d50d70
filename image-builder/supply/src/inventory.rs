//! Everything a firmware is made of, put together from what each part says.

use std::collections::{BTreeMap, BTreeSet};

use crate::graph::{Graph, Node};
use crate::lock::{Checksums, LockError};

/// What a component is, in the words of CycloneDX.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// A program of ours.
    Application,
    /// A crate, or another library that is linked.
    Library,
    /// The kernel.
    OperatingSystem,
}

/// One component.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Component {
    /// What it is.
    pub kind: Kind,
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// SPDX expression; empty when nobody says.
    pub licence: String,
    /// SHA-256 of its source as it was fetched, in hexadecimal; `None` for what is of this source tree or comes compiled.
    pub sha256: Option<String>,
    /// Package URL (<https://github.com/package-url/purl-spec>): its name and identity in one.
    pub purl: String,
    /// Where its source is kept; empty when nobody says.
    pub source: String,
    /// Further facts, by name.
    pub properties: Vec<(String, String)>,
}

/// A firmware and all that is in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Inventory {
    /// Version of the firmware.
    pub version: String,
    /// By package URL.
    pub components: BTreeMap<String, Component>,
    /// Which needs which, by package URL.
    pub needs: BTreeMap<String, BTreeSet<String>>,
    /// What it was built with: name and version of each tool.
    pub tools: Vec<(String, String)>,
}

impl Inventory {
    /// A firmware in which nothing is yet.
    #[must_use]
    pub fn new(version: &str, tools: Vec<(String, String)>) -> Self {
        Self { version: version.to_owned(), components: BTreeMap::new(), needs: BTreeMap::new(), tools }
    }

    /// The package URL of the firmware itself.
    #[must_use]
    pub fn purl(&self) -> String {
        format!("pkg:generic/evener@{}", self.version)
    }

    /// Adds a part of the firmware.
    pub fn add(&mut self, component: Component) {
        self.needs.entry(self.purl()).or_default().insert(component.purl.clone());
        self.components.insert(component.purl.clone(), component);
    }

    /// Adds a program with all crates that are compiled into it.
    ///
    /// # Errors
    /// [`LockError`] when a crate from a registry is not pinned.
    pub fn add_program(&mut self, graph: &Graph, lock: &Checksums) -> Result<(), LockError> {
        for (node, about) in &graph.crates {
            let kind = if graph.root.as_ref() == Some(node) { Kind::Application } else { Kind::Library };
            let component = Component {
                kind,
                name: node.name.clone(),
                version: node.version.clone(),
                licence: spdx(&about.licence),
                sha256: if about.own { None } else { Some(lock.of(node)?.to_owned()) },
                purl: crate_purl(node, about.own),
                source: about.repository.clone(),
                properties: Vec::new(),
            };
            // A crate that is a program in one tree and a library in another stays a program.
            let known = self.components.entry(component.purl.clone()).or_insert(component);
            known.kind = known.kind.min(kind);
        }
        let purl = |node: &Node| crate_purl(node, graph.crates.get(node).is_some_and(|about| about.own));
        for (node, needed) in &graph.needs {
            self.needs.entry(purl(node)).or_default().extend(needed.iter().map(purl));
        }
        if let Some(root) = &graph.root {
            self.needs.entry(self.purl()).or_default().insert(purl(root));
        }
        Ok(())
    }
}

fn crate_purl(node: &Node, own: bool) -> String {
    // What is published nowhere must not be taken for a crate of the same name that is.
    let kind = if own { "generic" } else { "cargo" };
    // Of what a version may hold, only the plus sign has a meaning in a URL.
    format!("pkg:{kind}/{}@{}", node.name, node.version.replace('+', "%2B"))
}

/// Cargo still takes the slash that crates of its first years have between licences to choose from.
fn spdx(licence: &str) -> String {
    licence.split('/').map(str::trim).collect::<Vec<_>>().join(" OR ")
}

#[cfg(test)]
mod tests {
    use super::*;

    const TREE: &str = "\
0|unit v0.1.0 (/src/unit)|MIT|
1|old v1.0.0+zlib.2|MIT/Apache-2.0|https://example.org/old
";
    const LOCK: &str = "[[package]]\nname = \"old\"\nversion = \"1.0.0+zlib.2\"\nchecksum = \"aa\"\n[[package]]\nname = \"unit\"\nversion = \"0.1.0\"\n";

    #[test]
    fn a_program_comes_with_its_crates_and_their_digests() {
        let mut inventory = Inventory::new("1.2.3", Vec::new());
        let graph = Graph::parse(TREE).unwrap();
        inventory.add_program(&graph, &Checksums::parse(LOCK).unwrap()).unwrap();
        let old = &inventory.components["pkg:cargo/old@1.0.0%2Bzlib.2"];
        assert_eq!((old.kind, old.licence.as_str()), (Kind::Library, "MIT OR Apache-2.0"));
        assert_eq!(old.sha256.as_deref(), Some("aa"));
        let unit = &inventory.components["pkg:generic/unit@0.1.0"];
        assert_eq!((unit.kind, unit.sha256.as_deref()), (Kind::Application, None));
        assert!(inventory.needs["pkg:generic/evener@1.2.3"].contains(&unit.purl));
        assert!(inventory.needs[&unit.purl].contains(&old.purl));
    }

    #[test]
    fn a_crate_that_nobody_pins_is_an_error() {
        let mut inventory = Inventory::new("1.2.3", Vec::new());
        let graph = Graph::parse(TREE).unwrap();
        let error = inventory.add_program(&graph, &Checksums::parse("package = []").unwrap()).unwrap_err();
        assert!(error.to_string().contains("old 1.0.0+zlib.2"), "{error}");
    }
}
