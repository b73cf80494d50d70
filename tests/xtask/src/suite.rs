//! What `make test` runs, and the parts of it that can be run alone.
//!
//! A failing step does not keep the next one from running unless that one needs its result: whoever reads
//! the outcome wants all of it. The last line says how many tests passed and failed.

use std::process::Command;

use anyhow::{Result, bail};

use crate::deny;
use crate::paths::Paths;
use crate::setup::{self, LOADERS, Needs};
use crate::steps::{Ended, Journal};
use crate::tally::{self, Tally};

/// The package whose tests need the image.
pub(crate) const APPLIANCE: &str = "evener-appliance";

/// What has been found so far.
#[derive(Debug, Default)]
pub(crate) struct Verdict {
    tally: Tally,
    broken: Vec<String>,
}

/// Everything that CI runs.
pub(crate) fn test(journal: &mut Journal, paths: &Paths) -> Result<bool> {
    setup::prepare(journal, Needs::Test)?;
    let mut verdict = Verdict::default();
    verdict.lints(journal, paths)?;
    verdict.unit_tests(journal, paths)?;
    image(journal, paths, &every_board())?;
    test_firmware(journal, paths)?;
    verdict.appliance_tests(journal, paths)?;
    Ok(verdict.close(journal))
}

/// The tests that need no image.
pub(crate) fn unit(journal: &mut Journal, paths: &Paths) -> Result<bool> {
    setup::prepare(journal, Needs::Test)?;
    let mut verdict = Verdict::default();
    verdict.unit_tests(journal, paths)?;
    Ok(verdict.close(journal))
}

/// The tests of the booted image.
pub(crate) fn appliance(journal: &mut Journal, paths: &Paths) -> Result<bool> {
    setup::prepare(journal, Needs::Test)?;
    image(journal, paths, &every_board())?;
    test_firmware(journal, paths)?;
    let mut verdict = Verdict::default();
    verdict.appliance_tests(journal, paths)?;
    Ok(verdict.close(journal))
}

/// The browser's test alone, with its pictures going to the documentation.
pub(crate) fn pictures(journal: &mut Journal, paths: &Paths) -> Result<bool> {
    setup::prepare(journal, Needs::Test)?;
    image(journal, paths, &[])?;
    test_firmware(journal, paths)?;
    let mut test = cargo(paths);
    test.args(["test", "--package", APPLIANCE, "browser"]).env("EVENER_PICTURES", "1");
    let mut verdict = Verdict::default();
    verdict.count(&journal.attempt("pictures", &mut test)?)?;
    Ok(verdict.close(journal))
}

/// Format check and lints.
pub(crate) fn lint(journal: &mut Journal, paths: &Paths) -> Result<bool> {
    setup::prepare(journal, Needs::Image)?;
    let mut verdict = Verdict::default();
    verdict.lints(journal, paths)?;
    Ok(verdict.close(journal))
}

/// Formats every source file.
pub(crate) fn format(journal: &mut Journal, paths: &Paths) -> Result<()> {
    journal.step("fmt", cargo(paths).args(["fmt", "--all"]))?;
    Ok(())
}

/// What has the builder write the images of every board, as the tests of the booted image need them.
pub(crate) fn every_board() -> [String; 2] {
    ["--board".to_owned(), "all".to_owned()]
}

/// Builds the signed firmware and its disk images, those of the tests' board unless `extra` names others. The builder
/// tells what it is doing by itself.
pub(crate) fn image(journal: &mut Journal, paths: &Paths, extra: &[String]) -> Result<()> {
    journal.step("image builder", cargo(paths).args(["build", "--package", "evener-image"]))?;
    journal.say("image: steps, times and logs are the builder's own");
    let mut builder = cargo(paths);
    builder.args(["run", "--quiet", "--package", "evener-image", "--", "build"]).args(extra);
    if !extra.iter().any(|word| word == "--board" || word.starts_with("--board=")) {
        builder.args(["--board", "qemu"]);
    }
    let status = builder.status()?;
    if !status.success() {
        bail!("the image was not built ({status})");
    }
    Ok(())
}

/// Compiles what the firmwares of the tests are made of: a test that needs one would do it, too, but with nobody
/// seeing what it is waiting for.
pub(crate) fn test_firmware(journal: &Journal, paths: &Paths) -> Result<()> {
    let mut maker = cargo(paths);
    maker.args(["run", "--package", APPLIANCE, "--bin", "evener-test-firmware"]);
    journal.step("test firmware", &mut maker).map(drop)
}

/// Takes the named measurements. They print their tables themselves.
pub(crate) fn bench(journal: &mut Journal, paths: &Paths, names: &[&str]) -> Result<()> {
    setup::prepare(journal, Needs::Bench)?;
    if names.iter().any(|name| ["boot", "images", "size", "update"].contains(name)) {
        image(journal, paths, &[])?;
    }
    if names.contains(&"update") {
        test_firmware(journal, paths)?;
    }
    journal.step("build bench", cargo(paths).args(["build", "--package", "evener-bench"]))?;
    for name in names {
        journal.say(&format!("measuring: {name}"));
        let status =
            cargo(paths).args(["run", "--quiet", "--package", "evener-bench", "--", name]).status()?;
        if !status.success() {
            bail!("the measurement {name:?} failed ({status})");
        }
    }
    Ok(())
}

impl Verdict {
    fn lints(&mut self, journal: &Journal, paths: &Paths) -> Result<()> {
        self.note(&journal.attempt("format check", cargo(paths).args(["fmt", "--all", "--check"]))?)?;
        let mut clippy = cargo(paths);
        clippy.args(["clippy", "--workspace", "--all-targets", "--", "--deny", "warnings"]);
        self.note(&journal.attempt("lints", &mut clippy)?)?;
        // On this machine's own target nearly all of a loader is compiled out.
        for (package, target) in LOADERS {
            let mut clippy = cargo(paths);
            clippy.args(["clippy", "--profile", "loader", "--package", package, "--target", target]);
            clippy.args(["--", "--deny", "warnings"]);
            self.note(&journal.attempt(&format!("lints of {package}"), &mut clippy)?)?;
        }
        self.note(&journal.attempt("licences and sources", &mut deny::check(journal, paths)?)?)
    }

    fn unit_tests(&mut self, journal: &Journal, paths: &Paths) -> Result<()> {
        let mut tests = cargo(paths);
        tests.args(["test", "--workspace", "--exclude", APPLIANCE, "--no-fail-fast"]);
        let ended = journal.attempt("unit tests", &mut tests)?;
        self.count(&ended).map(drop)
    }

    fn appliance_tests(&mut self, journal: &Journal, paths: &Paths) -> Result<()> {
        let mut tests = cargo(paths);
        tests.args(["test", "--package", APPLIANCE, "--no-fail-fast"]);
        let ended = journal.attempt("appliance tests", &mut tests)?;
        self.count(&ended).map(drop)
    }

    /// Takes note of a step that either is fine or is not.
    pub(crate) fn note(&mut self, ended: &Ended) -> Result<()> {
        if !ended.status.success() {
            println!("{}\n{} failed; its whole log: {}", ended.tail()?, ended.name, ended.log.display());
            self.broken.push(ended.name.clone());
        }
        Ok(())
    }

    /// Takes note of a step that ran tests; gives how many passed and failed.
    pub(crate) fn count(&mut self, ended: &Ended) -> Result<Tally> {
        let text = ended.text()?;
        let tally = Tally::of(&text);
        self.tally += tally;
        println!("         {}: {} passed, {} failed", ended.name, tally.passed, tally.failed);
        if tally.failed > 0 {
            println!("{}", tally::failures(&text));
            for name in tally::failed_names(&text) {
                println!("FAILED {name}");
            }
        }
        // A test program that did not compile, or that died, has no result line.
        if tally.failed == 0 || tally.passed == 0 {
            self.note(ended)?;
        }
        Ok(tally)
    }

    pub(crate) fn close(&self, journal: &Journal) -> bool {
        let Tally { passed, failed } = self.tally;
        let broken = match self.broken.as_slice() {
            [] => String::new(),
            names => format!("; not well: {}", names.join(", ")),
        };
        let seconds = journal.elapsed().as_secs();
        println!("\n{passed} passed, {failed} failed{broken} ({} min {} s)", seconds / 60, seconds % 60);
        failed == 0 && self.broken.is_empty()
    }
}

/// Cargo, in the tree, as this program was called by it.
pub(crate) fn cargo(paths: &Paths) -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(paths.root());
    // Cargo sets these for the program it runs; a cargo below must not take them for its own settings.
    for name in ["CARGO_MANIFEST_DIR", "CARGO_MANIFEST_PATH", "CARGO_PKG_NAME", "CARGO_PKG_VERSION"] {
        command.env_remove(name);
    }
    command
}
