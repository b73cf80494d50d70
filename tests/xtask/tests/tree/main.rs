//! What must hold for the whole tree, whoever changed it last.
//!
//! These are the rules of ARCHITECTURE.md and CONTRIBUTING.md that a program can check: layers, house style,
//! documents that must keep up with the code. Each failure names the file and what to do.
#![allow(clippy::unwrap_used, clippy::panic, reason = "test crate")]
#![allow(clippy::disallowed_methods, reason = "asks cargo for its metadata")]

mod documents;
mod layers;
mod sources;

use std::fs;
use std::path::{Path, PathBuf};

/// The folders with our own code.
const FOLDERS: [&str; 6] = ["firmware", "bootloader", "image-builder", "board-support", "update", "tests"];

/// Root of the tree.
fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).unwrap().to_owned()
}

/// Every file with one of these extensions in our folders and in docs/, by path, with its text.
fn files(extensions: &[&str]) -> Vec<(String, String)> {
    let mut found = Vec::new();
    for folder in FOLDERS.into_iter().chain(["docs", ".ci"]) {
        collect(&root().join(folder), extensions, &mut found);
    }
    for entry in fs::read_dir(root()).unwrap() {
        let path = entry.unwrap().path();
        if path.is_file() {
            take(&path, extensions, &mut found);
        }
    }
    found.sort();
    assert!(!found.is_empty());
    found
}

fn collect(folder: &Path, extensions: &[&str], found: &mut Vec<(String, String)>) {
    for entry in fs::read_dir(folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display())) {
        let path = entry.unwrap().path();
        if path.is_dir() {
            if !path.ends_with("target") {
                collect(&path, extensions, found);
            }
        } else {
            take(&path, extensions, found);
        }
    }
}

fn take(path: &Path, extensions: &[&str], found: &mut Vec<(String, String)>) {
    let extension = path.extension().and_then(|e| e.to_str()).unwrap_or_default();
    if extensions.contains(&extension) {
        let name = path.strip_prefix(root()).unwrap().to_str().unwrap().to_owned();
        found.push((name, fs::read_to_string(path).unwrap()));
    }
}

/// Fails with one line for each complaint.
#[track_caller]
fn expect_none(complaints: &[String]) {
    assert!(complaints.is_empty(), "\n{}\n", complaints.join("\n"));
}
