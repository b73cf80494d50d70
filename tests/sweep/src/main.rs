//! The sweep in full, and the sweep of what it would notice: `make prove` runs both.
//!
//! ```text
//! evener-sweep cuts             all cases; out/proof/sweep.json, docs/proof/power-cuts.md
//! evener-sweep cuts --guard     first cuts and lies only, until the first failure; writes nothing
//! evener-sweep mutants [NAME]   those whose name contains NAME; all of them: out/proof/mutants.json, docs/proof/mutants.md
//! ```
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "talks to the person at the terminal")]

use std::io::{IsTerminal as _, Write as _};
use std::process::ExitCode;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use evener_sweep::firmware::Catalogue;
use evener_sweep::mutants::{self, EXIT_FAILED};
use evener_sweep::{Extent, operations, report, run};

/// Between two words about how far it is.
const WORD_EVERY: Duration = Duration::from_secs(10);

fn main() -> Result<ExitCode> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["cuts"] => cuts(Extent::Whole),
        ["cuts", "--guard"] => cuts(Extent::UntilFailure),
        ["mutants"] => judge(""),
        ["mutants", only] => judge(only),
        _ => bail!("evener-sweep cuts [--guard] | mutants [NAME]"),
    }
}

fn cuts(extent: Extent) -> Result<ExitCode> {
    let of = report::commit();
    let catalogue = Catalogue::make()?;
    let operations = operations::all(&catalogue)?;
    let started = Instant::now();
    let told = Mutex::new(started);
    let progress = |done: usize, all: usize| {
        let Ok(mut told) = told.lock() else { return };
        if extent == Extent::Whole && told.elapsed() >= WORD_EVERY {
            *told = Instant::now();
            say(&format!(
                "power cuts: {done} of {all} first cases and all that follows from them, {} s",
                started.elapsed().as_secs()
            ));
        }
    };
    let outcome = run(&operations, &catalogue, extent, &progress)?;
    for failure in &outcome.failures {
        println!("FAILED {failure}");
    }
    println!("{} cases, {} failed, {} s", outcome.total(), outcome.failed, started.elapsed().as_secs());
    if extent == Extent::Whole {
        report::cuts(&outcome, started.elapsed(), &of)?;
    }
    Ok(if outcome.failed == 0 { ExitCode::SUCCESS } else { ExitCode::from(EXIT_FAILED) })
}

fn judge(only: &str) -> Result<ExitCode> {
    let of = report::commit();
    let target = std::env::var_os("CARGO_TARGET_DIR")
        .map_or_else(|| mutants::root().map(|root| root.join("target")), |path| Ok(path.into()))?;
    say("mutants: building the unchanged tree (the first time takes some minutes)");
    let verdicts = mutants::judge(&target.join("mutants"), only, &mut |verdict| {
        let what = verdict.caught_by.as_deref().unwrap_or("NOT CAUGHT");
        println!("{:>4} s  {}: {what}", verdict.took.as_secs(), verdict.mutant.name);
    })?;
    let caught = verdicts.iter().filter(|verdict| verdict.caught_by.is_some()).count();
    println!("{caught} of {} mutants caught", verdicts.len());
    if only.is_empty() {
        report::mutants(&verdicts, &of)?;
    }
    Ok(if caught == verdicts.len() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Words about progress go to standard error, so that the result can be kept by itself.
fn say(words: &str) {
    let mut out = std::io::stderr();
    let end = if out.is_terminal() { "\r" } else { "\n" };
    // Nobody may be listening.
    let _ = write!(out, "{words}{end}");
}
