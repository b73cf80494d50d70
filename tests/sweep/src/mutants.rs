//! Deleting what a unit's survival rests on, one line at a time, in a copy of the tree.
//!
//! A sweep that finds nothing proves nothing unless it would find something. Each mutant of `mutants.toml` is compiled
//! and swept; it is caught when the sweep of it fails. One that does not compile is an error of the list.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use serde::Deserialize;

/// What cargo and the sweep need of the tree.
const PARTS: [&str; 9] = [
    "Cargo.toml",
    "Cargo.lock",
    ".cargo",
    "board-support",
    "bootloader",
    "firmware",
    "image-builder",
    "tests",
    "update",
];
/// What the sweep says to its caller when it found a failure.
pub const EXIT_FAILED: u8 = 3;

/// One change that must not go unnoticed.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mutant {
    /// What is wrong with it, in words.
    pub name: String,
    /// The file, from the root of the tree.
    pub file: String,
    /// The text that is changed; exactly once in the file.
    pub text: String,
    /// What stands there instead.
    pub with: String,
    /// What the line is there for.
    pub why: String,
}

/// What came of one.
#[derive(Clone, Debug)]
pub struct Verdict {
    /// Which.
    pub mutant: Mutant,
    /// The first failure that the sweep found; `None`: it found none.
    pub caught_by: Option<String>,
    /// For building and sweeping.
    pub took: Duration,
}

/// The list.
///
/// # Errors
/// When it is not TOML of that form.
pub fn list() -> Result<Vec<Mutant>> {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct List {
        mutant: Vec<Mutant>,
    }
    let list: List = toml::from_str(include_str!("../mutants.toml")).context("mutants.toml")?;
    Ok(list.mutant)
}

/// Root of the tree that this program was built from.
///
/// # Errors
/// When it was moved.
pub fn root() -> Result<PathBuf> {
    let root =
        Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).context("the crate lies in tests/sweep")?;
    Ok(root.to_owned())
}

/// Makes and sweeps every mutant whose name contains `only`, in a copy of the tree below `work`, which is kept: the next
/// run builds quicker.
///
/// # Errors
/// When the unchanged copy does not pass, a mutant does not compile, or the list does not fit the tree.
pub fn judge(work: &Path, only: &str, each: &mut dyn FnMut(&Verdict)) -> Result<Vec<Verdict>> {
    let (tree, target) = (work.join("tree"), work.join("target"));
    copy_tree(&root()?, &tree)?;
    build(&tree, &target).context("the unchanged tree")?;
    ensure!(sweep(&target)?.is_none(), "the unchanged tree fails the sweep");
    let mut verdicts = Vec::new();
    for mutant in list()?.into_iter().filter(|mutant| mutant.name.contains(only)) {
        let started = Instant::now();
        let path = tree.join(&mutant.file);
        let good = fs::read_to_string(&path).with_context(|| mutant.file.clone())?;
        ensure!(
            good.matches(&mutant.text).count() == 1,
            "{}: its text is not in {} once",
            mutant.name,
            mutant.file
        );
        fs::write(&path, good.replace(&mutant.text, &mutant.with))?;
        let caught_by = build(&tree, &target)
            .with_context(|| format!("{:?} does not compile", mutant.name))
            .and_then(|()| sweep(&target));
        fs::write(&path, good)?;
        let verdict = Verdict { mutant, caught_by: caught_by?, took: started.elapsed() };
        each(&verdict);
        verdicts.push(verdict);
    }
    Ok(verdicts)
}

fn build(tree: &Path, target: &Path) -> Result<()> {
    let mut cargo = program(&std::env::var("CARGO").unwrap_or_else(|_| "cargo".into()));
    cargo
        .current_dir(tree)
        .args(["build", "--quiet", "--package", "evener-sweep", "--target-dir"])
        .arg(target);
    for name in [
        "CARGO_TARGET_DIR",
        "CARGO_MANIFEST_DIR",
        "CARGO_MANIFEST_PATH",
        "CARGO_PKG_NAME",
        "CARGO_PKG_VERSION",
    ] {
        cargo.env_remove(name);
    }
    // Removing a flush leaves names unused.
    let output = cargo.env("RUSTFLAGS", "-Awarnings").output()?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Ok(())
}

/// Sweeps until the first failure, and says which that was.
fn sweep(target: &Path) -> Result<Option<String>> {
    let output =
        program(&target.join("debug/evener-sweep").to_string_lossy()).args(["cuts", "--guard"]).output()?;
    let said = String::from_utf8_lossy(&output.stdout);
    match output.status.code() {
        Some(0) => Ok(None),
        Some(code) if code == i32::from(EXIT_FAILED) => {
            let failure = said.lines().find_map(|line| line.strip_prefix("FAILED "));
            Ok(Some(failure.unwrap_or("(without words)").to_owned()))
        }
        // It did not get to a verdict; that is no proof of anything.
        Some(code) => bail!("the sweep ended with {code}: {}", String::from_utf8_lossy(&output.stderr)),
        None => bail!("the sweep was killed"),
    }
}

#[expect(clippy::disallowed_methods, reason = "runs cargo on the developer's machine")]
fn program(name: &str) -> Command {
    Command::new(name)
}

/// Copies what is new or changed, so that cargo builds only that again.
fn copy_tree(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to)?;
    for part in PARTS {
        copy(&from.join(part), &to.join(part)).with_context(|| format!("copying {part}"))?;
    }
    Ok(())
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    if from.is_dir() {
        if from.ends_with("target") {
            return Ok(());
        }
        fs::create_dir_all(to)?;
        let mut wanted = Vec::new();
        for entry in fs::read_dir(from)? {
            let name = entry?.file_name();
            copy(&from.join(&name), &to.join(&name))?;
            wanted.push(name);
        }
        // A module that is gone must not be found in the copy.
        for entry in fs::read_dir(to)? {
            let entry = entry?;
            if !wanted.contains(&entry.file_name()) && entry.file_type()?.is_file() {
                fs::remove_file(entry.path())?;
            }
        }
        return Ok(());
    }
    let bytes = match fs::read(from) {
        // Somebody's editor removed it meanwhile.
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        read => read?,
    };
    if fs::read(to).ok().as_ref() != Some(&bytes) {
        fs::write(to, bytes)?;
    }
    Ok(())
}
