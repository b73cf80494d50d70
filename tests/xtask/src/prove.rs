//! What `make prove` runs: everything in full, with its figures going to `docs/proof`.
//!
//! Each proof leaves `out/proof/NAME.json`; `evener-bench proof` collects them with commit, date and a digest of the
//! sources that they are about. A proof that fails leaves what it found, too, but nothing of that run is collected: what
//! is committed are proofs that hold. `make prove ARGS="kills sweep"` runs those two and nothing else.

use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::paths::Paths;
use crate::setup::{self, Needs};
use crate::steps::Journal;
use crate::suite::{self, APPLIANCE, Verdict, cargo};
use crate::tally::Tally;

/// Every measurement.
pub(crate) const BENCHES: [&str; 5] = ["boot", "images", "size", "proxy", "update"];

/// A proof: its name, what it needs, how it is run, and the names of its tests if it is tests.
#[derive(Debug)]
struct Proof {
    name: &'static str,
    needs_image: bool,
    arguments: &'static [&'static str],
    tests: &'static [&'static str],
    how: How,
}

/// How a proof is run, and who leaves its figures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum How {
    /// In full; it leaves its figures itself.
    Full,
    /// Tests in full, also those that `make test` leaves out; their tally is the figures.
    Tests,
    /// Tests that `make test` runs, too, once more with a BIOS in every unit; their tally is the figures.
    Bios,
}

/// The modules of tests that are about falling back, what is damaged, floors, updates, hangs and resets.
const UNDER_A_BIOS: [&str; 10] = [
    "below_floor::",
    "corruption::",
    "damaged_data::",
    "downgrade::",
    "hang::",
    "life::",
    "rescue::",
    "reset::",
    "sick::",
    "update::",
];

/// In the order in which they are run: the quick ones first.
const PROOFS: [Proof; 11] = [
    Proof {
        name: "fuzz",
        needs_image: false,
        arguments: &["run", "--profile", "sweep", "--package", "evener-fuzz", "--", "--seconds", "300"],
        tests: &[],
        how: How::Full,
    },
    Proof {
        name: "sweep",
        needs_image: false,
        arguments: &["run", "--profile", "sweep", "--package", "evener-sweep", "--", "cuts"],
        tests: &[],
        how: How::Full,
    },
    Proof {
        name: "mutants",
        needs_image: false,
        arguments: &["run", "--profile", "sweep", "--package", "evener-sweep", "--", "mutants"],
        tests: &[],
        how: How::Full,
    },
    Proof {
        name: "kills",
        needs_image: true,
        arguments: &["test", "--package", APPLIANCE, "--test", "appliance", "--", "--nocapture"],
        tests: &["power_cut"],
        how: How::Full,
    },
    Proof {
        name: "sick",
        needs_image: true,
        arguments: &["test", "--package", APPLIANCE, "--test", "appliance", "--", "--nocapture"],
        tests: &["sick"],
        how: How::Full,
    },
    Proof {
        name: "boards",
        needs_image: true,
        arguments: &["test", "--package", APPLIANCE, "--test", "appliance", "--", "--nocapture"],
        tests: &["boards"],
        how: How::Full,
    },
    Proof {
        name: "loader",
        needs_image: true,
        arguments: &["test", "--package", APPLIANCE, "--test", "appliance", "--no-fail-fast", "--"],
        tests: &["loader::", "bios::"],
        how: How::Tests,
    },
    Proof {
        name: "installer",
        needs_image: true,
        arguments: &["test", "--package", APPLIANCE, "--test", "appliance", "--no-fail-fast", "--"],
        tests: &["installer::"],
        how: How::Tests,
    },
    Proof {
        name: "lm2200",
        needs_image: true,
        arguments: &["test", "--package", APPLIANCE, "--test", "appliance", "--", "--nocapture"],
        tests: &["lm2200"],
        how: How::Full,
    },
    Proof {
        name: "bios",
        needs_image: true,
        arguments: &["test", "--package", APPLIANCE, "--test", "appliance", "--no-fail-fast", "--"],
        tests: &UNDER_A_BIOS,
        how: How::Bios,
    },
    Proof {
        name: "reproduce",
        needs_image: false,
        arguments: &["run", "--quiet", "--package", "evener-xtask", "--", "reproduce"],
        tests: &[],
        how: How::Full,
    },
];

/// Runs the named proofs; without names every test, every proof and every measurement.
pub(crate) fn prove(journal: &mut Journal, paths: &Paths, names: &[String]) -> Result<bool> {
    for name in names {
        if !PROOFS.iter().any(|proof| proof.name == name) {
            let known: Vec<&str> = PROOFS.iter().map(|proof| proof.name).collect();
            bail!("there is no proof {name:?}; there are {}", known.join(", "));
        }
    }
    setup::prepare(journal, Needs::Reproduce)?;
    let passed = names.is_empty().then(|| suite::test(journal, paths)).transpose()?.unwrap_or(true);
    let chosen = || PROOFS.iter().filter(|proof| names.is_empty() || names.iter().any(|n| n == proof.name));
    let found = paths.out().join("proof");
    match std::fs::remove_dir_all(&found) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            return Err(error).with_context(|| format!("removing {}", found.display()));
        }
        _ => std::fs::create_dir_all(&found).with_context(|| format!("making {}", found.display()))?,
    }
    if chosen().any(|proof| proof.needs_image) {
        suite::image(journal, paths, &suite::every_board())?;
        suite::test_firmware(journal, paths)?;
    }
    let mut verdict = Verdict::default();
    for proof in chosen() {
        run(journal, paths, proof, &mut verdict)?;
    }
    let proved = verdict.close(journal);
    if proved {
        let mut collect = cargo(paths);
        collect.args(["run", "--quiet", "--package", "evener-bench", "--", "proof"]);
        journal.step("proof", &mut collect)?;
        journal.say("the figures are in docs/proof");
    }
    if names.is_empty() {
        suite::bench(journal, paths, &BENCHES)?;
    }
    Ok(passed && proved)
}

/// Looks for bytes that break a property, as long as the options say; it tells what it does by itself.
pub(crate) fn fuzz(journal: &mut Journal, paths: &Paths, options: &[String]) -> Result<bool> {
    setup::prepare(journal, Needs::Test)?;
    // With every check of a debug build, but quick.
    let build = ["--profile", "sweep", "--package", "evener-fuzz"];
    journal.step("build fuzz", cargo(paths).arg("build").args(build))?;
    let mut command = cargo(paths);
    Ok(command.args(["run", "--quiet"]).args(build).arg("--").args(options).status()?.success())
}

fn run(journal: &Journal, paths: &Paths, proof: &Proof, verdict: &mut Verdict) -> Result<()> {
    let mut command: Command = cargo(paths);
    command.args(proof.arguments).args(proof.tests);
    match proof.how {
        How::Full | How::Tests => command.env("EVENER_PROVE", "all"),
        How::Bios => command.env("EVENER_FIRMWARE", "bios"),
    };
    let begun = journal.elapsed();
    let ended = journal.attempt(&format!("prove {}", proof.name), &mut command)?;
    if proof.tests.is_empty() {
        return verdict.note(&ended);
    }
    let tally = verdict.count(&ended)?;
    if proof.how != How::Full {
        leave_tally(paths, proof, tally, (journal.elapsed() - begun).as_secs())?;
    }
    Ok(())
}

/// Leaves what came of a proof that is nothing but tests.
fn leave_tally(paths: &Paths, proof: &Proof, tally: Tally, seconds: u64) -> Result<()> {
    let Tally { passed, failed } = tally;
    let figures = format!(
        "{{\n  \"modules\": {},\n  \"tests_passed\": {passed},\n  \"tests_failed\": {failed},\n  \"seconds\": {seconds}\n}}\n",
        proof.tests.len()
    );
    let path = paths.out().join("proof").join(format!("{}.json", proof.name));
    std::fs::write(&path, figures).with_context(|| format!("writing {}", path.display()))
}
