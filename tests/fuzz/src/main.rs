//! `evener-fuzz [--seconds N] [--seed N] [--target NAME]`: all targets, N seconds in all; figures to `out/proof/fuzz.json`.
//! `evener-fuzz --find NAME FILE` runs one input again.
#![allow(clippy::print_stdout, reason = "talks to the person at the terminal")]

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, bail};
use evener_fuzz::engine::{Report, Until, fuzz, run_once};
use evener_fuzz::{Target, targets};
use serde_json::{Map, Value, json};

/// Where the figures go, from this package's folder.
const FIGURES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../out/proof/fuzz.json");

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [find, name, file] = arguments.as_slice()
        && find == "--find"
    {
        let input = fs::read(file).with_context(|| format!("reading {file}"))?;
        let verdict = run_once(&named(name)?, &input);
        println!("{name}: all properties hold for {file} (verdict {verdict:08x})");
        return Ok(());
    }
    let mut options = BTreeMap::new();
    for pair in arguments.chunks(2) {
        let [name @ ("--seconds" | "--seed" | "--target"), value] =
            [pair[0].as_str(), pair.get(1).map_or("", |v| v)]
        else {
            bail!("usage: evener-fuzz [--seconds N] [--seed N] [--target NAME] | --find NAME FILE");
        };
        options.insert(name, value);
    }
    let number = |name: &str, default: u64| {
        options.get(name).map_or(Ok(default), |text| text.parse().with_context(|| format!("{name} {text}")))
    };
    let seconds = number("--seconds", 60)?;
    // Another seed each time, unless somebody wants one again: it is printed.
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_secs());
    let seed = number("--seed", now)?;
    let chosen = match options.get("--target") {
        Some(name) => vec![named(name)?],
        None => targets::ALL.to_vec(),
    };
    println!("seed {seed}, {seconds} s for {} targets", chosen.len());
    let share = Duration::from_secs(seconds).div_f64(f64::from(u32::try_from(chosen.len())?));
    let mut reports = Vec::new();
    for target in &chosen {
        println!("{:<12} {}", target.name, target.what);
        let report = fuzz(target, seed, Until::Time(share));
        println!(
            "{:<12} {:>10} runs, {:>8.0} a second, {:>4} outcomes, {:>5} inputs kept, at most {} KiB",
            "",
            report.runs,
            report.rate(),
            report.verdicts.len(),
            report.corpus,
            report.memory.div_ceil(1024)
        );
        reports.push(report);
    }
    if chosen.len() == targets::ALL.len() {
        write(&reports, seed)?;
    }
    Ok(())
}

fn named(name: &str) -> Result<Target> {
    let known = || targets::ALL.map(|target| target.name).join(", ");
    let target = targets::ALL.into_iter().find(|target| target.name == name);
    target.with_context(|| format!("there is no target {name:?}; there are {}", known()))
}

fn write(reports: &[Report], seed: u64) -> Result<()> {
    let of = |value: fn(&Report) -> Value| {
        let all = reports.iter().map(|report| (report.name.to_owned(), value(report)));
        Value::Object(all.collect::<Map<_, _>>())
    };
    let figures = json!({
        "seed": seed,
        "executions": reports.iter().map(|report| report.runs).sum::<u64>(),
        "executions_per_second": of(|report| json!(report.rate().round())),
        "executions_by_target": of(|report| json!(report.runs)),
        "outcomes": of(|report| json!(report.verdicts.len())),
        "peak_memory_bytes": of(|report| json!(report.memory)),
    });
    let path = Path::new(FIGURES);
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).with_context(|| format!("making {}", folder.display()))?;
    }
    fs::write(path, format!("{figures:#}\n")).with_context(|| format!("writing {}", path.display()))
}
