//! The tasks behind make: set-up, image, run, test, measurements.
//!
//! `make NAME` and `cargo xtask NAME` are the same. Each task does its own set-up first, so that a fresh
//! Debian machine with Rust and make needs no other command. What takes longer than a few seconds says which
//! step it is, how long it has taken and where its log is.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "talks to the person at the terminal")]
#![allow(clippy::disallowed_methods, reason = "runs cargo, apt and QEMU on the developer's machine")]

mod demo;
mod deny;
mod paths;
mod prove;
mod reproduce;
mod run;
mod setup;
mod steps;
mod suite;
mod tally;

use std::io::Write as _;
use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use paths::Paths;
use setup::Needs;
use steps::Journal;

/// A task: its name, what `help` says of it.
const TASKS: [(&str, &str); 16] = [
    ("run", "build the image, boot it in QEMU with two demo web servers behind it (--keep: keep its disk)"),
    ("test", "everything that CI runs: format, lints, unit tests, image, tests of the booted image"),
    ("image", "build the signed firmware and its disk images into out/ (BOARD=all: those of every board)"),
    ("unit", "the tests that need no image"),
    ("appliance", "the tests of the booted image"),
    ("pictures", "take the pictures in docs/pictures anew, from the booted image"),
    ("fmt", "format every source file"),
    ("lint", "format check and lints"),
    ("bench", "all measurements; tables here, rows in out/bench/"),
    ("bench-NAME", "one of them: boot, images, size, proxy, update"),
    ("prove", "everything in full, its figures to docs/proof; takes hours (ARGS: only these, e.g. kills)"),
    (
        "fuzz",
        "mutated bytes into every parser of a boot (ARGS: --seconds N, --target NAME, --find NAME FILE)",
    ),
    (
        "reproduce",
        "build the images of all boards once more, elsewhere and without any cache, and compare the bytes",
    ),
    ("setup", "install what all tasks need, and nothing else"),
    ("clean", "remove out/ and what cargo built; the cache of kernels stays"),
    ("help", "this list"),
];

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match dispatch(&arguments) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("\nevener: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Does the task; `false` when it came to its end and found something wrong.
fn dispatch(arguments: &[String]) -> Result<bool> {
    let task = arguments.first().map_or("help", String::as_str);
    let rest = arguments.get(1..).unwrap_or_default();
    if task == "help" || task == "--help" {
        help();
        return Ok(true);
    }
    let paths = Paths::find()?;
    let mut journal = Journal::new(paths.logs())?;
    match task {
        "setup" => setup::prepare(&mut journal, Needs::Bench)?,
        "image" => {
            setup::prepare(&mut journal, Needs::Image)?;
            suite::image(&mut journal, &paths, rest)?;
        }
        "run" => run::run(&mut journal, &paths, rest)?,
        "test" => return suite::test(&mut journal, &paths),
        "unit" => return suite::unit(&mut journal, &paths),
        "appliance" => return suite::appliance(&mut journal, &paths),
        "pictures" => return suite::pictures(&mut journal, &paths),
        "lint" => return suite::lint(&mut journal, &paths),
        "prove" => return prove::prove(&mut journal, &paths, rest),
        "reproduce" => return reproduce::reproduce(&mut journal, &paths),
        "fmt" => suite::format(&mut journal, &paths)?,
        "fuzz" => return prove::fuzz(&mut journal, &paths, rest),
        "bench" => suite::bench(&mut journal, &paths, &prove::BENCHES)?,
        "clean" => clean(&paths)?,
        other => match other.strip_prefix("bench-") {
            Some(name) if prove::BENCHES.contains(&name) => suite::bench(&mut journal, &paths, &[name])?,
            _ => bail!("there is no task {other:?}; `make help` lists them"),
        },
    }
    Ok(true)
}

fn help() {
    let lines = TASKS.iter().map(|(name, words)| format!("  {name:<12} {words}\n"));
    let text = format!("make TASK, or cargo xtask TASK:\n\n{}", lines.collect::<String>());
    // Whoever reads it may stop after a few lines, as `head` does.
    let _ = std::io::stdout().write_all(text.as_bytes());
}

fn clean(paths: &Paths) -> Result<()> {
    for folder in [paths.out(), paths.cargo_target()] {
        match std::fs::remove_dir_all(&folder) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(error).with_context(|| format!("removing {}", folder.display()));
            }
            _ => println!("removed {}", folder.display()),
        }
    }
    Ok(())
}
