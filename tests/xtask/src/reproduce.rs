//! The image, built once more under other circumstances: are the bytes the same?
//!
//! The second build is of a clone in another folder, more than a year later by its clock, by another user with another
//! umask, without a network, and with nothing that was compiled before, neither kernel nor crates nor the builder itself.
//! What it shares with the first is what the lock files name: sources and compilers.

mod compare;

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use serde_json::json;

use crate::paths::{Paths, cache};
use crate::setup::{self, Needs};
use crate::steps::Journal;
use crate::suite;

/// Programs that the builder starts, and that start all others but rustc: each gets another clock. rustc hangs under
/// `faketime`, because of its memory allocator; it has no way to put the time into what it compiles either.
const CLOCKED: [&str; 5] = ["make", "mke2fs", "mksquashfs", "patch", "tar"];
/// By how much the clock differs.
const LATER: &str = "+400d";
/// The user of the second build, as its programs see it.
const USER: &str = "4711";

/// Builds twice and compares; false when a file differs. The figures go to `out/proof`.
pub(crate) fn reproduce(journal: &mut Journal, paths: &Paths) -> Result<bool> {
    setup::prepare(journal, Needs::Reproduce)?;
    let status = Command::new("git").args(["status", "--porcelain"]).current_dir(paths.root()).output()?;
    ensure!(
        status.stdout.is_empty(),
        "there are changes that are not committed: a clone would not have them"
    );
    suite::image(journal, paths, &["--board", "all", "--locked"].map(str::to_owned))?;

    let place = paths.cargo_target().join("reproduce/in-another-folder");
    if place.exists() {
        fs::remove_dir_all(&place).with_context(|| format!("removing {}", place.display()))?;
    }
    fs::create_dir_all(&place)?;
    let tree = place.join("the-same-tree");
    let mut clone = Command::new("git");
    journal.step("clone", clone.arg("clone").arg("--quiet").arg(paths.root()).arg(&tree))?;
    let started = Instant::now();
    journal.step("second build", &mut second_build(&place, &tree)?)?;
    let seconds = started.elapsed().as_secs();

    let comparison = compare::all(paths.root(), &paths.out(), &tree.join("out"))?;
    let folder = paths.out().join("proof");
    fs::create_dir_all(&folder)?;
    let figures = json!({
        "boards": comparison.boards,
        "files_compared": comparison.compared.values().sum::<u32>(),
        "files_compared_by_kind": comparison.compared,
        "files_that_differ": comparison.differing,
        "seconds_of_the_second_build": seconds,
    });
    fs::write(folder.join("reproduce.json"), format!("{figures:#}\n"))?;
    if comparison.differing == 0 {
        fs::remove_dir_all(&place)?;
    }
    Ok(comparison.differing == 0)
}

fn second_build(place: &Path, tree: &Path) -> Result<Command> {
    let programs = place.join("bin");
    fs::create_dir_all(&programs)?;
    let wrap = |name: &str, command: &str| -> Result<PathBuf> {
        let wrapper = programs.join(name);
        fs::write(&wrapper, format!("#!/bin/sh\n{command} \"$@\"\n"))?;
        fs::set_permissions(&wrapper, fs::Permissions::from_mode(0o755))?;
        Ok(wrapper)
    };
    // The kernel's configuration asks rustc for its version.
    let rustc = wrap("rustc", &format!("exec env --unset=LD_PRELOAD {}", which("rustc")?.display()))?;
    for program in CLOCKED {
        let real = which(program)?.display().to_string();
        let more = if program == "make" { format!(" RUSTC={}", rustc.display()) } else { String::new() };
        wrap(program, &format!("exec faketime -f '{LATER}' {real}{more}"))?;
    }
    // Sources are given, what was made of them is not.
    let own = place.join("cache/evener");
    fs::create_dir_all(&own)?;
    symlink(cache()?.join("sources"), own.join("sources"))?;
    let path = std::env::var("PATH").context("there is no PATH")?;
    let script = format!(
        "umask 077; exec cargo run --quiet --package evener-image -- build --board all --locked --out {}",
        tree.join("out").display()
    );
    let mut command = Command::new("unshare");
    command
        .args(["--net", "--user", "--map-user", USER, "--map-group", USER, "sh", "-c", &script])
        .current_dir(tree)
        .env("PATH", format!("{}:{path}", programs.display()))
        .env("XDG_CACHE_HOME", place.join("cache"))
        // Everything was fetched by the first build.
        .env("CARGO_NET_OFFLINE", "true")
        .env_remove("CARGO_TARGET_DIR");
    for name in ["CARGO_MANIFEST_DIR", "CARGO_MANIFEST_PATH", "CARGO_PKG_NAME", "CARGO_PKG_VERSION"] {
        command.env_remove(name);
    }
    Ok(command)
}

/// Where the shell would find a program; also where an ordinary user's PATH does not lead.
fn which(program: &str) -> Result<PathBuf> {
    let path = std::env::var_os("PATH").context("there is no PATH")?;
    let more = ["/usr/sbin", "/sbin"].map(PathBuf::from);
    let mut places = std::env::split_paths(&path).chain(more).map(|folder| folder.join(program));
    places.find(|place| place.is_file()).with_context(|| format!("{program} is not installed"))
}
