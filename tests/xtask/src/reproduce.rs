//! The image, built once more under other circumstances: are the bytes the same?
//!
//! The second build is of a clone in another folder, more than a year later by its clock, by another user with another
//! umask, without a network, and with nothing that was compiled before, neither kernel nor crates nor the builder itself.
//! What it shares with the first is what the lock files name: sources and compilers.

use std::fs;
use std::io::Read as _;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use anyhow::{Context, Result, ensure};

use crate::paths::{Paths, cache};
use crate::setup::{self, Needs};
use crate::steps::Journal;
use crate::suite;

/// The board whose disk images are compared, beside the firmware that all boards share.
const BOARD: &str = "qemu";
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
    suite::image(journal, paths, &["--locked".to_owned()])?;

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

    let mut compared = 0_u32;
    let mut differing = 0_u32;
    for file in images(&paths.out())? {
        let name = file.file_name().context("a file without a name")?;
        compared += 1;
        match first_difference(&file, &tree.join("out").join(name))? {
            None => println!("the same      {}", name.display()),
            Some(at) => {
                differing += 1;
                println!(
                    "DIFFERENT     {}, from byte {at}; compare with {}",
                    name.display(),
                    tree.join("out").display()
                );
            }
        }
    }
    ensure!(compared > 0, "there is nothing in {}", paths.out().display());
    let folder = paths.out().join("proof");
    fs::create_dir_all(&folder)?;
    let figures = format!(
        "{{\n  \"files_compared\": {compared},\n  \"files_that_differ\": {differing},\n  \"seconds_of_the_second_build\": {seconds}\n}}\n"
    );
    fs::write(folder.join("reproduce.json"), figures)?;
    if differing == 0 {
        fs::remove_dir_all(&place)?;
    }
    Ok(differing == 0)
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
        "umask 077; exec cargo run --quiet --package evener-image -- build --board {BOARD} --locked --out {}",
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

/// What the builder wrote, by name.
fn images(out: &Path) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(out).with_context(|| format!("reading {}", out.display()))? {
        let path = entry?.path();
        let ours = path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"evener-"));
        if ours && path.is_file() {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

/// The first byte in which two files differ; the length of the shorter one when one is the begin of the other.
fn first_difference(one: &Path, other: &Path) -> Result<Option<u64>> {
    let open = |path: &Path| fs::File::open(path).with_context(|| format!("opening {}", path.display()));
    let (mut one, mut other) = (open(one)?, open(other)?);
    let (mut left, mut right) = (vec![0; 1 << 20], vec![0; 1 << 20]);
    let mut at = 0;
    loop {
        let got = fill(&mut one, &mut left)?;
        let also = fill(&mut other, &mut right)?;
        let both = got.min(also);
        let same = left.iter().zip(&right).take(both).take_while(|(one, other)| one == other).count();
        if same < both || got != also {
            return Ok(Some(at + same as u64));
        }
        if got == 0 {
            return Ok(None);
        }
        at += got as u64;
    }
}

fn fill(file: &mut fs::File, buffer: &mut [u8]) -> Result<usize> {
    let mut filled = 0;
    while let Some(rest) = buffer.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        match file.read(rest)? {
            0 => break,
            read => filled += read,
        }
    }
    Ok(filled)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_byte_that_differs_is_named() {
        let folder = std::env::temp_dir().join(format!("evener-reproduce-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let put = |name: &str, bytes: &[u8]| {
            let path = folder.join(name);
            fs::write(&path, bytes).unwrap();
            path
        };
        let long = vec![7; (1 << 20) + 9];
        let mut changed = long.clone();
        changed[(1 << 20) + 3] = 8;
        let one = put("one", &long);
        for (name, bytes, expected) in [
            ("same", long.as_slice(), None),
            ("changed", &changed, Some((1 << 20) + 3)),
            ("shorter", &long[..100], Some(100)),
            ("empty", &[], Some(0)),
        ] {
            assert_eq!(first_difference(&one, &put(name, bytes)).unwrap(), expected, "{name}");
        }
        fs::remove_dir_all(&folder).unwrap();
    }
}
