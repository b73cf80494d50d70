//! A short run of every target, one after the other: the memory of a run is measured for the whole program, so
//! nothing else may run in it.
#![allow(clippy::unwrap_used, clippy::panic, reason = "test crate")]

use evener_fuzz::engine::{Until, fuzz};
use evener_fuzz::targets;

#[test]
fn whatever_the_bytes_are_the_properties_hold() {
    for target in targets::ALL {
        // Another seed each day would be another test each day.
        let report = fuzz(&target, 1, Until::Runs(target.short));
        assert_eq!(report.runs, target.short);
        let seeds = (target.seeds)().len();
        assert!(report.verdicts.len() > 2, "{}: nothing but {:?}", target.name, report.verdicts);
        assert!(report.corpus > seeds, "{}: no input was worth keeping", target.name);
        println!(
            "{:<12} {:>8.0} a second, {} outcomes, {} bytes",
            target.name,
            report.rate(),
            report.verdicts.len(),
            report.memory
        );
    }
}
