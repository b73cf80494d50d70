//! Updates to firmwares that are ill, over the API of a booted unit: the unit ends on the firmware that it had, serves,
//! and tells which one failed and why. And updates of which something else is wrong than the firmware: they succeed.
//!
//! Each illness is a firmware of its own (`tests/sick`); the product has no switch for any of them. A firmware that never
//! reaches its services has three boots, one that runs and is not healthy has one. `make test` tries one of the quick ones,
//! which one a seed decides; `make prove` (`EVENER_PROVE=all`) tries them all.

mod patient;

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use evener_appliance::{Sickness, TestFirmware, Turn, proof_path, shipped_image};
use evener_lab::Random;
use patient::{FIRMWARE, Patient};
use serde_json::{Value, json};

/// What the unit runs at first, and what it is updated to.
const OLD: &str = env!("CARGO_PKG_VERSION");
const NEW: &str = "7.2.40";
/// Three boots that each end in a hang that the slowest watchdog ends.
const DECIDED_WITHIN: Duration = Duration::from_secs(900);
/// A firmware on trial has five minutes, and then the unit boots the other one.
const PROVEN_WITHIN: Duration = Duration::from_secs(420);
const START_WITHIN: Duration = Duration::from_secs(120);

/// Something that is wrong with an update.
#[derive(Clone, Debug)]
struct Case {
    name: &'static str,
    trouble: Trouble,
    expected: Expected,
    /// Whether it is over in two minutes or so.
    quick: bool,
}

#[derive(Clone, Debug)]
enum Trouble {
    /// The firmware.
    Sick(TestFirmware),
    /// No byte more goes on the data partition.
    FullData,
    /// Not one real server is there any more.
    NoServers,
}

#[derive(Clone, Copy, Debug)]
enum Expected {
    /// The old firmware runs again after so many boots of the new one, and says this of it.
    Fallback { boots: usize, words: [&'static str; 2] },
    /// The new firmware is confirmed in its first boot.
    Confirmed,
}

/// What became of one.
#[derive(Debug)]
struct Outcome {
    name: &'static str,
    boots: usize,
    /// From the request to reboot until clients were served by the firmware that stayed.
    seconds: u64,
    stayed: &'static str,
    words: String,
}

const USED_UP: &str = "7.2.40 in slot B used up its tries";
const UNHEALTHY: &str = "7.2.40 in slot B did not become healthy within five minutes";

fn cases() -> Vec<Case> {
    let new = || TestFirmware::new(NEW);
    let dies = |name, quick, firmware| Case {
        name,
        trouble: Trouble::Sick(firmware),
        expected: Expected::Fallback { boots: 3, words: [USED_UP, "its last boot"] },
        quick,
    };
    let ails = |name, sickness, fault| Case {
        name,
        trouble: Trouble::Sick(new().sickness(sickness)),
        expected: Expected::Fallback { boots: 1, words: [UNHEALTHY, fault] },
        quick: false,
    };
    let works = |name, trouble| Case { name, trouble, expected: Expected::Confirmed, quick: false };
    vec![
        dies("kernel panic", true, new().sickness(Sickness::Panics)),
        dies("kernel panic after 20 s", true, new().sickness(Sickness::PanicsLate)),
        dies("hang in init", true, new().sickness(Sickness::InitHangs)),
        dies("rotten block of the root file system", true, new().rotten()),
        dies("hang before init", false, new().hangs_before_init()),
        ails("proxy that exits", Sickness::ProxyExits, "proxy: "),
        ails("proxy that binds and does not answer", Sickness::ProxySilent, ":80: no answer within 3s"),
        ails("web that exits", Sickness::WebExits, "web: "),
        ails("control that exits", Sickness::ControlExits, "control: "),
        works("data full before the update", Trouble::FullData),
        works("every real server down", Trouble::NoServers),
    ]
}

#[test]
fn a_sick_firmware_is_left_and_named_and_what_is_not_its_fault_is_not_held_against_it() {
    let all = std::env::var("EVENER_PROVE").is_ok_and(|what| what == "all");
    let mut chosen = cases();
    if !all {
        let seed = Random::seed_of_this_run();
        println!("seed {seed}");
        chosen.retain(|case| case.quick);
        let one = chosen.swap_remove(Random::new(seed).index(chosen.len()));
        chosen = vec![one];
    }
    let results: Vec<(&str, Result<Outcome>)> = std::thread::scope(|scope| {
        let started: Vec<_> = chosen.iter().map(|case| (case.name, scope.spawn(|| run(case)))).collect();
        let died = || Err(anyhow::anyhow!("the test itself failed"));
        started.into_iter().map(|(name, thread)| (name, thread.join().unwrap_or_else(|_| died()))).collect()
    });
    let failed: Vec<String> = results
        .iter()
        .filter_map(|(name, result)| result.as_ref().err().map(|error| format!("{name}: {error:#}")))
        .collect();
    let outcomes: Vec<&Outcome> = results.iter().filter_map(|(_, result)| result.as_ref().ok()).collect();
    println!("{}", table(&outcomes));
    if all {
        leave_figures(&outcomes, failed.len());
    }
    assert!(failed.is_empty(), "{}", failed.join("\n"));
}

fn run(case: &Case) -> Result<Outcome> {
    let _turn = Turn::take();
    let name = format!("sick-{}", case.name.replace(' ', "-"));
    let outcome = match (&case.trouble, case.expected) {
        (Trouble::Sick(firmware), Expected::Fallback { boots, words }) => {
            let unit = Patient::boot(&name, &shipped_image()?)?;
            falls_back(&unit, firmware, boots, words)
        }
        (Trouble::FullData, _) => {
            // The hand fills the disk, so the old firmware has one, too.
            let hand = |version| TestFirmware::new(version).sickness(Sickness::Hand);
            let unit = Patient::boot(&name, &hand(OLD).disk()?)?;
            let bytes = unit.hand.tell("fill data")?;
            ensure!(bytes.parse::<u64>()? > 1 << 20, "{bytes} bytes filled it");
            is_confirmed(&unit, &hand(NEW), true)
        }
        (Trouble::NoServers, _) => {
            let mut unit = Patient::boot(&name, &shipped_image()?)?;
            unit.lose_servers();
            is_confirmed(&unit, &TestFirmware::new(NEW), false)
        }
        (Trouble::Sick(_), Expected::Confirmed) => bail!("a case that makes no sense"),
    };
    let (boots, seconds, words) = outcome?;
    let stayed = if matches!(case.expected, Expected::Confirmed) { NEW } else { OLD };
    Ok(Outcome { name: case.name, boots, seconds, stayed, words })
}

/// Installs it and starts it; returns when that was asked for.
fn install(unit: &Patient, firmware: &TestFirmware) -> Result<Instant> {
    let answer = unit.offer(firmware, "")?;
    ensure!(answer.status == 201, "PUT {FIRMWARE}: {} {}", answer.status, answer.json);
    ensure!(answer.json["installed"]["version"] == NEW, "{}", answer.json);
    let asked = Instant::now();
    unit.reboot()?;
    unit.wait_for_start('B', NEW, 0, START_WITHIN)?;
    Ok(asked)
}

fn falls_back(
    unit: &Patient,
    firmware: &TestFirmware,
    boots: usize,
    words: [&str; 2],
) -> Result<(usize, u64, String)> {
    let asked = install(unit, firmware)?;
    unit.wait_for_start('A', OLD, 1, DECIDED_WITHIN)?;
    let status = unit.wait_until_back()?;
    let seconds = asked.elapsed().as_secs();
    let started = unit.starts('B', NEW);
    ensure!(started == boots, "{NEW} was started {started} times");

    // The API.
    let firmware_status = &status["firmware"];
    ensure!(firmware_status["running"] == "A", "{firmware_status}");
    let told = firmware_status["last_failure"].as_str().context("no last failure")?.to_owned();
    let says = |text: &str| words.iter().all(|words| text.contains(words));
    ensure!(says(&told), "{told:?} does not say {words:?}");
    let failed = |entry: &&Value| entry["what"] == "failed" && entry["version"] == NEW;
    let history = firmware_status["history"].as_array().context("no history")?;
    let entry = history.iter().find(failed).with_context(|| format!("not in the history: {history:?}"))?;
    ensure!(entry["detail"].as_str().is_some_and(says), "{entry}");
    // The serial line.
    ensure!(unit.said(|line| line.contains("ERROR") && says(line)), "the serial line does not say {words:?}");
    // The pages: the one about firmware, and the banner on every other.
    for path in ["/firmware", "/"] {
        let page = unit.page(path)?;
        ensure!(says(&page), "the page {path} does not say {words:?}:\n{page}");
    }
    // It is not taken a second time unasked.
    let again = unit.offer(firmware, "")?;
    ensure!((again.status, &again.json["code"]) == (422, &json!("F14")), "{} {}", again.status, again.json);
    let all_the_same = unit.offer(firmware, "?even-if-it-failed=true")?;
    ensure!(all_the_same.status == 201, "{} {}", all_the_same.status, all_the_same.json);
    ensure!(unit.serves(), "it does not serve");
    Ok((started, seconds, told))
}

fn is_confirmed(unit: &Patient, firmware: &TestFirmware, servers: bool) -> Result<(usize, u64, String)> {
    let asked = install(unit, firmware)?;
    unit.api.wait_until_served(START_WITHIN)?;
    let confirmed = |status: &Value| {
        let slots = status["slots"].as_array();
        let slot = slots.into_iter().flatten().find(|slot| slot["slot"] == "B");
        status["running"] == "B" && slot.is_some_and(|slot| slot["state"] == "confirmed")
    };
    let status = unit.wait_for_firmware(PROVEN_WITHIN, confirmed)?;
    let seconds = asked.elapsed().as_secs();
    ensure!(status["last_failure"].is_null(), "{status}");
    let started = unit.starts('B', NEW);
    ensure!(started == 1, "{NEW} was started {started} times");
    ensure!(unit.serves() == servers, "whether it serves is not what the servers are");
    Ok((started, seconds, format!("{NEW} confirmed")))
}

fn table(outcomes: &[&Outcome]) -> String {
    let mut text = String::from(
        "| what is wrong | boots of the new firmware | what runs afterwards | seconds until it is decided | what the unit says |\n\
         |---|---|---|---|---|\n",
    );
    for Outcome { name, boots, seconds, stayed, words } in outcomes {
        let _ = writeln!(text, "| {name} | {boots} | {stayed} | {seconds} | {words} |");
    }
    text
}

/// For the pages of proofs: counts, and the table.
fn leave_figures(outcomes: &[&Outcome], failed: usize) {
    let figures = json!({
        "sick_updates": outcomes.len() + failed,
        "wrong_outcomes": failed,
        "slowest_seconds": outcomes.iter().map(|outcome| outcome.seconds).max(),
    });
    let path = proof_path("sick");
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(&path, format!("{figures:#}\n")).unwrap();
    let page = format!(
        "# Updates to firmwares that are ill\n\n\
         Made by `make prove`; do not edit. The unit runs {OLD} in slot A and is given {NEW}, which goes to slot B.\n\n{}",
        table(outcomes)
    );
    std::fs::write(path.with_file_name("sick-firmware.md"), page).unwrap();
}
