//! The digests of crates, as `Cargo.lock` pins them.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::graph::Node;

/// Why a lock file cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LockError {
    /// Not TOML, or without packages; the parser names the line.
    #[error("Cargo.lock: {0}")]
    Malformed(String),
    /// A crate from a registry that it does not pin.
    #[error("Cargo.lock has no checksum for {name} {version}")]
    NotPinned {
        /// The crate.
        name: String,
        /// Its version.
        version: String,
    },
}

/// SHA-256 of the archive of every crate that comes from a registry, in hexadecimal.
#[derive(Clone, Debug, Default)]
pub struct Checksums(BTreeMap<Node, String>);

#[derive(Deserialize)]
struct File {
    package: Vec<Package>,
}

#[derive(Deserialize)]
struct Package {
    name: String,
    version: String,
    checksum: Option<String>,
}

impl Checksums {
    /// Reads the text of a `Cargo.lock`.
    ///
    /// # Errors
    /// [`LockError::Malformed`].
    pub fn parse(text: &str) -> Result<Self, LockError> {
        let file: File = toml::from_str(text).map_err(|error| LockError::Malformed(error.to_string()))?;
        let pinned = |package: Package| {
            let node = Node { name: package.name, version: package.version };
            package.checksum.map(|checksum| (node, checksum))
        };
        Ok(Self(file.package.into_iter().filter_map(pinned).collect()))
    }

    /// The digest of a crate.
    ///
    /// # Errors
    /// [`LockError::NotPinned`].
    pub fn of(&self, node: &Node) -> Result<&str, LockError> {
        self.0
            .get(node)
            .map(String::as_str)
            .ok_or_else(|| LockError::NotPinned { name: node.name.clone(), version: node.version.clone() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_pinned_has_a_digest() {
        let text = "[[package]]\nname = \"a\"\nversion = \"1.0.0\"\nchecksum = \"00ff\"\n\
                    [[package]]\nname = \"own\"\nversion = \"0.1.0\"\n";
        let lock = Checksums::parse(text).unwrap();
        let node = |name: &str, version: &str| Node { name: name.into(), version: version.into() };
        assert_eq!(lock.of(&node("a", "1.0.0")), Ok("00ff"));
        for (name, version) in [("a", "1.0.1"), ("own", "0.1.0")] {
            let error = lock.of(&node(name, version)).unwrap_err().to_string();
            assert!(error.contains(name) && error.contains(version), "{error}");
        }
        assert!(matches!(Checksums::parse("[[package"), Err(LockError::Malformed(_))));
    }
}
