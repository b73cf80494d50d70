//! `evener-sweep cuts [--sample SEED EVERY | --first]`.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "talks to the person at the terminal")]

use std::time::Instant;

use anyhow::Result;
use evener_sweep::firmware::Catalogue;
use evener_sweep::{Extent, operations, run};

fn main() -> Result<()> {
    let catalogue = Catalogue::make()?;
    let operations = operations::all(&catalogue)?;
    let extent = match std::env::args().nth(1).as_deref() {
        Some("first") => Extent::First,
        Some("sample") => Extent::Sample { seed: 1, every: 8 },
        _ => Extent::Whole,
    };
    let started = Instant::now();
    let outcome = run(&operations, &catalogue, extent, &|_, _| {})?;
    for ((name, kind), cases) in &outcome.cases {
        println!("{name:<44} {kind:?} {cases}");
    }
    for failure in &outcome.failures {
        println!("FAILED {failure}");
    }
    println!("{} cases, {} failed, {:?}", outcome.total(), outcome.failed, started.elapsed());
    Ok(())
}
