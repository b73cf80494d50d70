//! The cord is pulled: at boot, while settings change, and in every phase of an update.
//!
//! The unit's disk loses what was not flushed ([`VolatileDisk`](evener_lab::VolatileDisk)). After each cut the unit must
//! come back by itself, serve with the servers that were configured, and have a slot table whose floor is not lower than it
//! was. Which moments are tried is decided by a seed, which is printed; `EVENER_SEED=n` tries the same again. `make test`
//! tries a few, `make prove` (`EVENER_PROVE=all`) many.

mod flapping;
mod update;
mod victim;

use std::time::Duration;

use anyhow::{Result, ensure};
use evener_appliance::{proof_path, reissued};
use evener_lab::{Moment, Random};
use serde_json::{Value, json};
use update::{Phase, Update};
use victim::{Cut, Victim};

use crate::all;

/// A cut that was to happen at a certain write happens after this time if there is no such write.
const PATIENCE: Duration = Duration::from_secs(3);
/// The same while the unit boots.
const BOOT_PATIENCE: Duration = Duration::from_secs(15);
/// Servers that do the work.
const SERVERS: usize = 2;

#[test]
fn a_unit_whose_cord_is_pulled_at_boot_or_in_a_change_has_the_old_or_the_new_settings() {
    let seed = Random::seed_of_this_run();
    println!("seed {seed}");
    let cuts = if all() { 20 } else { 2 };
    let mut victim = Victim::new("cut-settings", seed).unwrap();
    victim.come_back().unwrap();
    for number in 0..cuts {
        let outcome = if number % 2 == 1 {
            victim.cut("running").and_then(|()| cut_at_boot(&mut victim))
        } else {
            cut_in_a_change(&mut victim)
        };
        outcome.unwrap_or_else(|error| panic!("seed {seed}, after {:?}: {error:#}", victim.cuts));
    }
    println!("{:#?}", victim.cuts);
}

/// The power fails before the unit's data is mounted, or soon after.
fn cut_at_boot(victim: &mut Victim) -> Result<()> {
    let write = victim.random.below(24);
    victim.disk.cut_at(Moment::Write(write));
    victim.switch_on()?;
    victim.cut_while("boot", BOOT_PATIENCE, |_| ())?;
    victim.come_back()
}

/// Servers are added until the power fails.
fn cut_in_a_change(victim: &mut Victim) -> Result<()> {
    let (path, before) = victim.servers()?;
    // What was confirmed to us is there afterwards; the change under way may be there.
    let servers: Vec<Value> = (0..64).map(|_| victim.spare_server()).collect();
    let write = victim.random.below(40);
    victim.disk.cut_at(Moment::Write(write));
    let added = victim.cut_while("settings", PATIENCE, |api| {
        let confirmed =
            |server| api.call("POST", &path, Some(server)).is_ok_and(|answer| answer.status == 201);
        servers.iter().take_while(|server| confirmed(*server)).count()
    })?;
    victim.come_back()?;
    let (_, after) = victim.servers()?;
    let sure = before.len() + added;
    ensure!(
        (sure..=sure + 1).contains(&after.len()),
        "{sure} servers were confirmed, {} are there",
        after.len()
    );
    for server in after.iter().skip(SERVERS) {
        let answer = victim.api.call("DELETE", &format!("{path}/{}", server["id"]), Some(&json!({})))?;
        ensure!((200..300).contains(&answer.status), "{} {}", answer.status, answer.json);
    }
    Ok(())
}

/// The version that is updated to: the shipped firmware, which is its own floor, so that every slot gets it.
const NEW: &str = "0.2.0";
/// Updates that `make prove` cuts, each in another unit.
const UPDATES: usize = 8;
/// Cuts that it makes in them at least.
const AT_LEAST: usize = 40;

#[test]
fn an_update_that_is_cut_comes_to_its_end_all_the_same() {
    let seed = Random::seed_of_this_run();
    println!("seed {seed}");
    let file = reissued(NEW, NEW).unwrap();
    if all() {
        prove(seed, &file);
    } else {
        // Two of the first four phases: the others are minutes away.
        let mut random = Random::new(seed);
        let first = random.index(2);
        let plan = [Phase::ALL[first], Phase::ALL[2 + random.index(2)]];
        let (cuts, outcome) = run("cut-update", seed, &plan, &file, false);
        outcome.unwrap_or_else(|error| panic!("after {cuts:#?}: {error:#}"));
        println!("{cuts:#?}");
    }
}

/// One unit, one update, these cuts. What went wrong comes with the cuts that were made before.
fn run(name: &str, seed: u64, plan: &[Phase], file: &[u8], to_the_end: bool) -> (Vec<Cut>, Result<()>) {
    let mut victim = match Victim::new(name, seed) {
        Ok(victim) => victim,
        Err(error) => return (Vec::new(), Err(error)),
    };
    let outcome = Update::new(&mut victim, plan, file, NEW).and_then(|mut update| update.drive(to_the_end));
    let outcome = outcome.map_err(|error| error.context(format!("{name}, seed {seed}")));
    match &outcome {
        Ok(()) => println!("{name}: over, after {} cuts", victim.cuts.len()),
        // Told when it happens: the other units take a while yet.
        Err(error) => println!("LOST: {error:#}"),
    }
    (victim.cuts, outcome)
}

/// Many units, each with an update that is cut eight times and comes to its end.
///
/// A firmware on trial has three boots, so two cuts are all that it survives before it is confirmed.
fn prove(seed: u64, file: &[u8]) {
    use Phase::{Confirm, Reboot, Refill, TrialBoot, Upload, Verify};
    const TRIALS: [[Phase; 2]; 3] = [[Reboot, Confirm], [TrialBoot, Confirm], [Reboot, TrialBoot]];
    let plans: Vec<Vec<Phase>> = (0..UPDATES)
        .map(|number| {
            let [one, two] = TRIALS[number % TRIALS.len()];
            vec![Upload, Upload, Verify, Verify, one, two, Refill, Refill]
        })
        .collect();
    let results: Vec<(Vec<Cut>, Result<()>)> = std::thread::scope(|scope| {
        let mut numbered = Vec::new();
        for (number, plan) in plans.iter().enumerate() {
            let seed = seed.wrapping_add(number as u64);
            let name = format!("cut-update-{}", number + 1);
            numbered.push(scope.spawn(move || run(&name, seed, plan, file, true)));
        }
        let died = || (Vec::new(), Err(anyhow::anyhow!("the test itself failed")));
        numbered.into_iter().map(|thread| thread.join().unwrap_or_else(|_| died())).collect()
    });
    let lost = results.iter().filter(|(_, outcome)| outcome.is_err()).count();
    let cuts: Vec<&Cut> = results.iter().flat_map(|(cuts, _)| cuts).collect();
    let figures = figures(seed, lost, &cuts);
    println!("{figures:#}");
    let path = proof_path("kills");
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, format!("{figures:#}\n")).unwrap();
    assert_eq!(lost, 0);
    assert!(cuts.len() >= AT_LEAST, "only {} cuts", cuts.len());
}

/// What is committed of a run.
fn figures(seed: u64, lost: usize, cuts: &[&Cut]) -> Value {
    let by_phase: serde_json::Map<String, Value> = Phase::ALL
        .into_iter()
        .map(|phase| {
            let count = cuts.iter().filter(|cut| cut.phase == phase.words()).count();
            (phase.words().to_owned(), json!(count))
        })
        .collect();
    let sum = |of: fn(&Cut) -> usize| -> usize { cuts.iter().map(|cut| of(cut)).sum() };
    let slowest = cuts.iter().map(|cut| cut.back_after).max().unwrap_or_default();
    json!({
        "seed": seed,
        "updates": UPDATES,
        "qemu_kills": cuts.len(),
        "qemu_losses": lost,
        "kills_by_phase": by_phase,
        "unflushed_writes": sum(|cut| cut.loss.unflushed),
        "unflushed_writes_that_survived": sum(|cut| cut.loss.survived),
        "torn_writes": sum(|cut| usize::from(cut.loss.torn)),
        "slowest_return_seconds": slowest.as_secs(),
    })
}
