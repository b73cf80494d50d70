//! The programs that make what is in a firmware, and whether they are those that the lock file names.
//!
//! Another compiler makes other bytes from the same sources. So `board-support/sources.lock` names the versions, too: a
//! build says which program differs, and a `--locked` one stops there. The manifest states those that were used.

use std::collections::BTreeMap;
use std::fs;

use serde::Deserialize;

use crate::error::{RecipeError, file};
use crate::shop::Shop;
use crate::tool::Tool;

/// Their names, how they are asked for their version, and their Debian packages.
const TOOLS: [(&str, &str, &str); 5] = [
    ("rustc", "--version", "nothing; Rust comes from https://rustup.rs"),
    ("gcc", "--version", "gcc"),
    ("ld", "--version", "binutils"),
    ("mksquashfs", "-version", "squashfs-tools"),
    ("mke2fs", "-V", "e2fsprogs"),
];

/// `[toolchain]` of the lock file: each program and what it says of itself.
#[derive(Debug, Deserialize)]
struct Lock {
    #[serde(default)]
    toolchain: BTreeMap<String, String>,
}

/// The programs of this machine and what each says of itself: the first line of that.
///
/// # Errors
/// [`RecipeError::Missing`], [`RecipeError::Failed`].
pub(crate) fn here() -> Result<Vec<(&'static str, String)>, RecipeError> {
    let ask = |(program, argument, package): (&'static str, &str, &'static str)| {
        let said = Tool::new(program, package).arg(argument).output()?;
        Ok((program, first_line(&said)))
    };
    TOOLS.into_iter().map(ask).collect()
}

/// Holds the programs against the lock file: tells of each that differs.
///
/// # Errors
/// [`RecipeError::OtherTool`] in a `--locked` build; a lock file that cannot be read.
pub(crate) fn check(shop: &Shop<'_>, here: &[(&'static str, String)]) -> Result<(), RecipeError> {
    let path = shop.workspace.join("board-support/sources.lock");
    let text = file("reading", &path, fs::read_to_string(&path))?;
    let lock: Lock =
        toml::from_str(&text).map_err(|error| RecipeError::Malformed { path, reason: error.to_string() })?;
    for (program, found) in here {
        let locked = lock.toolchain.get(*program).cloned().unwrap_or_default();
        if *found == locked {
            continue;
        }
        let other = RecipeError::OtherTool { program, found: found.clone(), locked };
        if shop.locked {
            return Err(other);
        }
        shop.reporter.say(&format!("toolchain: {other}; the firmware's bytes will differ from others'"));
    }
    Ok(())
}

/// The programs as a manifest states them: what each says of itself, in the order of the list above.
pub(crate) fn stated(here: &[(&'static str, String)]) -> String {
    here.iter().map(|(_, says)| says.as_str()).collect::<Vec<_>>().join("; ")
}

/// The first line of what a program printed.
pub(crate) fn first_line(said: &[u8]) -> String {
    String::from_utf8_lossy(said).lines().next().unwrap_or_default().trim().to_owned()
}
