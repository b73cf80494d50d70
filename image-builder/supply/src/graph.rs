//! What cargo compiles into a program, as `cargo tree` tells it.
//!
//! `cargo metadata` would be the machine's interface, but it resolves features for the whole workspace at once, so it
//! lists crates that a program does not contain. `cargo tree -p` answers for one program and one target. Its format
//! is ours to choose: [`Graph::FORMAT`], with the depth as prefix.

use std::collections::{BTreeMap, BTreeSet};

/// A crate of a certain version.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Node {
    /// Name in the registry.
    pub name: String,
    /// Version.
    pub version: String,
}

/// What is known of a crate from its own manifest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct About {
    /// SPDX expression; empty when the manifest has none.
    pub(crate) licence: String,
    /// Where its source is kept; empty when the manifest does not say.
    pub(crate) repository: String,
    /// Whether it is a crate of this source tree.
    pub(crate) own: bool,
}

/// The crates of a program, and which needs which.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Graph {
    /// The program's own crate.
    pub(crate) root: Option<Node>,
    pub(crate) crates: BTreeMap<Node, About>,
    pub(crate) needs: BTreeMap<Node, BTreeSet<Node>>,
}

/// A line of `cargo tree` that is not as [`Graph::FORMAT`] has it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line} of cargo tree: {reason}: {text:?}")]
pub struct GraphError {
    /// From 1.
    pub line: usize,
    /// What is wrong.
    pub reason: &'static str,
    /// The line, at most its first 120 characters.
    pub text: String,
}

impl Graph {
    /// The value of `cargo tree --format`, to be used with `--prefix depth`.
    pub const FORMAT: &'static str = "|{p}|{l}|{r}";

    /// Reads what `cargo tree --prefix depth --format '|{p}|{l}|{r}'` printed.
    ///
    /// # Errors
    /// [`GraphError`] with the line.
    pub fn parse(text: &str) -> Result<Self, GraphError> {
        let mut graph = Self::default();
        // The crates above the line, root first.
        let mut above: Vec<Node> = Vec::new();
        for (index, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
            let wrong =
                |reason| GraphError { line: index + 1, reason, text: line.chars().take(120).collect() };
            let mut fields = line.splitn(4, '|');
            let mut next = || fields.next().ok_or_else(|| wrong("there are not four fields"));
            let depth: usize = next()?.parse().map_err(|_| wrong("it does not begin with a depth"))?;
            let (node, own) = package(next()?).ok_or_else(|| wrong("it names no crate and version"))?;
            let licence = next()?.trim().to_owned();
            // A crate that was listed before ends in a star.
            let repository = next()?.trim_end_matches("(*)").trim().to_owned();
            if depth > above.len() || (depth == 0 && !above.is_empty()) {
                return Err(wrong("its depth does not follow from the line before"));
            }
            above.truncate(depth);
            match above.last() {
                Some(parent) => {
                    graph.needs.entry(parent.clone()).or_default().insert(node.clone());
                }
                None => graph.root = Some(node.clone()),
            }
            graph.crates.insert(node.clone(), About { licence, repository, own });
            above.push(node);
        }
        Ok(graph)
    }

    /// The crates that come from a registry.
    pub fn foreign(&self) -> impl Iterator<Item = &Node> {
        self.crates.iter().filter(|(_, about)| !about.own).map(|(node, _)| node)
    }
}

/// `name v1.2.3`, then perhaps `(proc-macro)` and the folder of a crate that comes from no registry.
fn package(text: &str) -> Option<(Node, bool)> {
    let mut words = text.split_whitespace();
    let name = words.next()?.to_owned();
    let version = words.next()?.strip_prefix('v')?.to_owned();
    let own = words.any(|word| word.starts_with("(/"));
    (!version.is_empty()).then_some((Node { name, version }, own))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TREE: &str = "\
0|unit v0.1.0 (/src/unit)|Apache-2.0 OR MIT|
1|serde v1.0.2|MIT OR Apache-2.0|https://github.com/serde-rs/serde
2|serde_derive v1.0.2 (proc-macro)|MIT|https://github.com/serde-rs/serde
1|own v0.1.0 (/src/own)|MIT|
2|serde v1.0.2|MIT OR Apache-2.0|https://github.com/serde-rs/serde (*)
";

    fn node(name: &str, version: &str) -> Node {
        Node { name: name.into(), version: version.into() }
    }

    #[test]
    fn crates_and_who_needs_them_are_read() {
        let graph = Graph::parse(TREE).unwrap();
        assert_eq!(graph.root, Some(node("unit", "0.1.0")));
        assert_eq!(graph.crates.len(), 4);
        let foreign: Vec<&str> = graph.foreign().map(|node| node.name.as_str()).collect();
        assert_eq!(foreign, ["serde", "serde_derive"]);
        let serde = node("serde", "1.0.2");
        assert!(graph.needs[&node("own", "0.1.0")].contains(&serde));
        assert!(graph.needs[&serde].contains(&node("serde_derive", "1.0.2")));
        assert_eq!(graph.crates[&serde].repository, "https://github.com/serde-rs/serde");
    }

    #[test]
    fn a_line_that_is_no_crate_is_named() {
        for (text, reason) in [
            ("0|unit v0.1.0|MIT", "there are not four fields"),
            ("x|unit v0.1.0|MIT|", "it does not begin with a depth"),
            ("0|unit|MIT|", "it names no crate and version"),
            ("0|unit 0.1.0|MIT|", "it names no crate and version"),
            ("0|unit v0.1.0|MIT|\n2|a v1.0.0|MIT|", "its depth does not follow from the line before"),
            ("0|unit v0.1.0|MIT|\n0|a v1.0.0|MIT|", "its depth does not follow from the line before"),
        ] {
            let error = Graph::parse(text).unwrap_err();
            assert_eq!((error.reason, error.line), (reason, text.lines().count()), "{text}");
        }
    }
}
