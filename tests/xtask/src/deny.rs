//! cargo-deny: what may be in a firmware, as `deny.toml` says.
//!
//! It is a program and no library, so it is installed: once, in this very version, into the cache that outlives the tree.

use std::process::Command;

use anyhow::Result;

use crate::paths::{Paths, cache};
use crate::steps::Journal;
use crate::suite::cargo;

/// The version that `deny.toml` is written for.
const VERSION: &str = "0.20.2";

/// The check of licences, bans and sources, ready to be run.
pub(crate) fn check(journal: &Journal, paths: &Paths) -> Result<Command> {
    let folder = cache()?.join("tools").join(format!("cargo-deny-{VERSION}"));
    let program = folder.join("bin/cargo-deny");
    if !program.exists() {
        journal.say(&format!("set-up: building cargo-deny {VERSION}, once (some minutes)"));
        let mut install = cargo(paths);
        // A check of a second gains nothing from minutes of optimising.
        install.args(["install", "cargo-deny", "--version", VERSION, "--locked", "--debug", "--root"]);
        // Beside what cargo builds here, or it would build in a temporary folder each time it is interrupted.
        install.arg(&folder).arg("--target-dir").arg(paths.cargo_target().join("tools"));
        journal.step("cargo-deny", &mut install)?;
    }
    let mut command = Command::new(program);
    command.current_dir(paths.root()).args(["--log-level", "warn", "check", "bans", "licenses", "sources"]);
    Ok(command)
}
