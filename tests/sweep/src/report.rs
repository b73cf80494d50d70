//! Figures of the sweep as JSON and as a page in `docs/proof/`.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};
use serde_json::json;

use crate::Outcome;
use crate::mutants::{Verdict, root};
use crate::sweep::Kind;

/// Record writes that the busiest kind of boot makes; `a_boot_writes_at_most_two_records` counts them.
const RECORD_WRITES_PER_BOOT: u32 = 2;

/// Writes `out/proof/sweep.json` and `docs/proof/power-cuts.md`.
///
/// # Errors
/// When they cannot be written.
pub fn cuts(outcome: &Outcome, took: Duration, of: &str) -> Result<()> {
    let mut rows: BTreeMap<&str, [u64; 4]> = BTreeMap::new();
    for ((name, kind), cases) in &outcome.cases {
        let row = rows.entry(name).or_default();
        let place = match kind {
            Kind::Cut => 0,
            Kind::SecondCut => 1,
            Kind::Lie => 2,
            Kind::Decay => 3,
        };
        if let Some(cell) = row.get_mut(place) {
            *cell = *cases;
        }
    }
    let operations: Vec<_> = rows
        .iter()
        .map(|(name, [cut, second, lie, decay])| {
            json!({"operation": name, "cuts": cut, "second_cuts": second, "lies": lie, "decays": decay})
        })
        .collect();
    let figures = json!({
        "cut_cases": outcome.total(),
        "cut_failures": outcome.failed,
        "record_writes_per_boot": RECORD_WRITES_PER_BOOT,
        "seconds": took.as_secs(),
        "of": of,
        "operations": operations,
    });
    write_json("sweep.json", &figures)?;

    let mut page = String::from(CUTS_HEAD);
    writeln!(page, "{} cases, {} failures, {} s; {of}.\n", outcome.total(), outcome.failed, took.as_secs())?;
    page.push_str("| operation | cuts | second cuts | lies | decays |\n|---|---|---|---|---|\n");
    for (name, [cut, second, lie, decay]) in &rows {
        writeln!(page, "| {name} | {cut} | {second} | {lie} | {decay} |")?;
    }
    for failure in &outcome.failures {
        writeln!(page, "\nFailed: {failure}")?;
    }
    write_page("power-cuts.md", &page)
}

/// Writes `out/proof/mutants.json` and `docs/proof/mutants.md`.
///
/// # Errors
/// When they cannot be written.
pub fn mutants(verdicts: &[Verdict], of: &str) -> Result<()> {
    let caught = verdicts.iter().filter(|verdict| verdict.caught_by.is_some()).count();
    let rows: Vec<_> = verdicts
        .iter()
        .map(|verdict| json!({"name": verdict.mutant.name, "file": verdict.mutant.file, "caught_by": verdict.caught_by}))
        .collect();
    let figures = json!({"mutants": verdicts.len(), "mutants_caught": caught, "of": of, "rows": rows});
    write_json("mutants.json", &figures)?;

    let mut page = String::from(MUTANTS_HEAD);
    writeln!(page, "{caught} of {} are caught; {of}.\n", verdicts.len())?;
    page.push_str("| without it: | in | it is there because otherwise | the first case that fails |\n|---|---|---|---|\n");
    for Verdict { mutant, caught_by, .. } in verdicts {
        let case = caught_by.as_deref().unwrap_or("**none**").replace('|', "\\|");
        writeln!(page, "| {} | `{}` | {} | {case} |", mutant.name, mutant.file, mutant.why)?;
    }
    write_page("mutants.md", &page)
}

/// The commit and the day, as far as they can be told. To be asked before a run: a tree may move on during it.
#[must_use]
#[expect(clippy::disallowed_methods, reason = "asks git on the developer's machine")]
pub fn commit() -> String {
    let ask = |program: &str, arguments: &[&str]| {
        let output = std::process::Command::new(program).args(arguments).output().ok();
        let text = output.filter(|output| output.status.success()).map(|output| output.stdout);
        text.map_or_else(|| "unknown".to_owned(), |text| String::from_utf8_lossy(&text).trim().to_owned())
    };
    let commit = ask("git", &["rev-parse", "--short=12", "HEAD"]);
    format!("commit {commit}, {}", ask("date", &["-u", "+%Y-%m-%d"]))
}

const CUTS_HEAD: &str = "# Power cuts on a simulated disk\n
Written by `make prove`; what a case is: `tests/sweep/src/lib.rs`. A *cut* is a moment of the operation at which the power fails,
with one way in which what was not flushed survives: before, after, torn at each sector and inside of two, each unflushed
write lost alone, every prefix kept; a write of more than 64 sectors, which only the factory reset and a copy of the UEFI loader make, is torn
at three of them and inside of two. A *second cut* is one more at every write of the recovery from that: before, torn in the middle, after, each with
all or nothing of what was not flushed. A *lie* is a write that the disk
acknowledges, flushes and does not keep. A *decay* is damage in what the operation reads. After each: the machine comes
upon a loader that works, a verified firmware at or above the floor boots, the floor did not fall, the settings are old or new, and the
repeated update finishes, loaders included.\n\n";

const MUTANTS_HEAD: &str = "# What the sweep would notice\n
Written by `make prove`. Each flush and each verification of `tests/sweep/mutants.toml` was deleted, one at a time, and the
sweep run against what was left. A flush that is not in that list fails a test.\n\n";

fn write_json(name: &str, figures: &serde_json::Value) -> Result<()> {
    let folder = root()?.join("out/proof");
    fs::create_dir_all(&folder)?;
    write(&folder.join(name), &format!("{}\n", serde_json::to_string_pretty(figures)?))
}

fn write_page(name: &str, page: &str) -> Result<()> {
    let folder = root()?.join("docs/proof");
    fs::create_dir_all(&folder)?;
    write(&folder.join(name), page)
}

fn write(path: &Path, text: &str) -> Result<()> {
    fs::write(path, text).with_context(|| format!("writing {}", path.display()))
}
