//! A supply that flaps: five cuts in a row lead to rescue, and by itself out of it again.
//!
//! `make test` goes as far as rescue and what it says; `make prove` stays for the half hour that the rest takes: somebody
//! who works in rescue is not disturbed, a sound firmware serves again by itself, a broken one does not keep the
//! unit from being reached.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use evener_appliance::{BOOT_WITHIN, proof_path};
use evener_disk::{Role, Slot};
use evener_lab::Random;
use serde_json::{Value, json};

use super::victim::Victim;
use crate::all;

/// Boots without health that make the loader give a firmware up.
const BOOTS: usize = 5;
/// The first stay in rescue without anybody at work, and the second.
const FIRST: Duration = Duration::from_secs(300);
const SECOND: &str = "for 10 minutes";
/// A start and a look at the clock, on a busy machine.
const SLACK: Duration = Duration::from_secs(120);
/// Somebody does something so often.
const ACTS_EVERY: Duration = Duration::from_secs(60);

#[test]
fn five_cuts_in_a_row_cost_minutes_and_nobody_at_work_is_disturbed() {
    let seed = Random::seed_of_this_run();
    println!("seed {seed}");
    let mut victim = Victim::new("flapping", seed).unwrap();
    cut_into_rescue(&mut victim).unwrap();
    if all() {
        let figures = stay(&mut victim).unwrap();
        println!("{figures:#}");
        std::fs::write(proof_path("flapping"), format!("{figures:#}\n")).unwrap();
    } else {
        let answer = victim.api.call("POST", "/api/v1/firmware/start-again", Some(&json!({}))).unwrap();
        assert_eq!((answer.status, &answer.json["next"]), (200, &json!("A")), "{}", answer.json);
        restart(&victim).unwrap();
        victim.wait_until_serving().unwrap();
    }
}

/// Pulls the cord as often as it takes, each time a few seconds after the unit serves.
fn cut_into_rescue(victim: &mut Victim) -> Result<()> {
    for _ in 0..BOOTS {
        victim.switch_on()?;
        victim.wait_until_serving()?;
        victim.cut("flapping")?;
    }
    victim.switch_on()?;
    let status = rescue(victim, "for 5 minutes")?;
    let warnings = status["warnings"].to_string();
    ensure!(warnings.contains("E21"), "it does not say why: {warnings}");
    Ok(())
}

/// Waits for rescue that says how long it lasts.
fn rescue(victim: &Victim, words: &str) -> Result<Value> {
    let said = |status: &Value| {
        status["firmware"]["mode"] == "rescue" && status["warnings"].to_string().contains(words)
    };
    victim.api.wait_for("/api/v1/status", BOOT_WITHIN, said)
}

fn restart(victim: &Victim) -> Result<()> {
    let answer = victim.api.call("POST", "/api/v1/system/reboot", Some(&json!({})))?;
    ensure!(answer.status == 202, "restart: {} {}", answer.status, answer.json);
    Ok(())
}

fn stay(victim: &mut Victim) -> Result<Value> {
    // Somebody at work for longer than a stay takes.
    let begin = Instant::now();
    while begin.elapsed() < FIRST + SLACK {
        let answer = victim.api.call("POST", "/api/v1/firmware/cancel", Some(&json!({})))?;
        ensure!(answer.status == 409, "there is nothing to cancel: {} {}", answer.status, answer.json);
        let mode = victim.firmware()?["mode"].take();
        ensure!(mode == "rescue", "it went to {mode} under somebody's hands");
        std::thread::sleep(ACTS_EVERY);
    }
    let attended = begin.elapsed();

    // They leave; what looks at the unit all the time is a program.
    let left = Instant::now();
    let well = |status: &Value| status["firmware"]["running"] == "A";
    victim.api.wait_for("/api/v1/status", FIRST + SLACK, well).context("it stays in rescue")?;
    let away = left.elapsed();
    victim.wait_until_serving()?;
    let serves = left.elapsed();
    ensure!(away + ACTS_EVERY > FIRST, "it left after {away:?}");
    let healthy = |status: &Value| status["firmware"]["proving"].is_null();
    let status = victim.api.wait_for("/api/v1/status", SLACK * 2, healthy)?;
    ensure!(status["firmware"]["history"][0]["what"] == "retried", "{}", status["firmware"]["history"]);

    // A firmware that never gets to its services, in the only slot besides rescue.
    victim.cut("flapping")?;
    victim.damage(Role::Root(Slot::A))?;
    victim.switch_on()?;
    rescue(victim, "for 5 minutes").context("a broken firmware does not lead to rescue")?;
    let begin = Instant::now();
    let second = |status: &Value| status["warnings"].to_string().contains(SECOND);
    victim.api.wait_for("/api/v1/status", FIRST + SLACK * 2, second).context("it is not in rescue again")?;
    Ok(json!({
        "attended_seconds": attended.as_secs(),
        "seconds_from_leaving_to_serving": serves.as_secs(),
        "seconds_from_rescue_to_rescue_of_a_broken_firmware": begin.elapsed().as_secs(),
    }))
}
