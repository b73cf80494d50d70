//! What matters on the LM2200's class beside that it boots: how much an idle unit writes to its flash module, and what a
//! console on which bytes arrive while it boots costs it. Measured on the board's imitation, which has 1 GiB of
//! memory, an IDE disk, four ports, no screen.
//!
//! `make test` watches for a minute and boots once with bytes and once without; `make prove` (`EVENER_PROVE=all`) watches
//! for an hour (`EVENER_IDLE_MINUTES` for another time) and boots three times each.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use evener_appliance::{
    Api, BOOT_WITHIN, BoardImage, Network, PASSWORD, Turn, UNIT, board_images, proof_path,
};
use evener_lab::{Machine, Switch, Unit, WebServer, Written, config_medium, overlay};
use serde_json::{Value, json};

use crate::{all, ask_shortly, wait_until_served};

/// After a boot the unit is left alone for so long before it counts as idle: health is proved, the rescue slot looked after.
const SETTLES: Duration = Duration::from_secs(5 * 60);
const SETTLES_IN_A_TEST: Duration = Duration::from_secs(90);
/// What an idle unit may write in an hour: a handful.
const WRITES_AN_HOUR: u64 = 20;
/// How long bytes arrive.
const NOISE: Duration = Duration::from_secs(60);
/// What 115200 bits/s carry in ten milliseconds, again and again: a prompt, control characters, line ends.
const TEN_MILLISECONDS: usize = 115;
const PAUSE: Duration = Duration::from_millis(10);

fn image() -> BoardImage {
    let images = board_images().unwrap();
    images.into_iter().find(|image| image.board.name == "lm2200").unwrap()
}

/// The unit with its cables: the first port on the network, the others nowhere.
fn cabled(machine: Machine, network: &Network) -> Machine {
    let nowhere = Switch::default();
    machine.on(&network.switch).on(&nowhere).on(&nowhere).on(&nowhere)
}

/// A unit that was configured from a medium and serves.
fn serving(name: &str, folder: &Path, network: &Network) -> Unit {
    let medium = config_medium(folder, &Network::configuration_without_offload(1)).unwrap();
    let machine = image().machine(name, folder).unwrap();
    let unit = cabled(machine, network).medium(&medium).start().unwrap();
    wait_until_served(&unit, &network.client);
    unit
}

#[test]
fn an_idle_unit_writes_next_to_nothing_to_its_module() {
    let _turn = Turn::take();
    let folder = tempfile::tempdir().unwrap();
    let network = Network::new().unwrap();
    let _one = WebServer::named(Arc::clone(&network.servers[0]), 8080, "one").unwrap();
    let asked = std::env::var("EVENER_IDLE_MINUTES").ok().and_then(|text| text.parse().ok());
    let minutes: u64 = if all() { asked.unwrap_or(60) } else { 1 };
    let mut unit = serving("lm2200-idle", folder.path(), &network);
    // What is measured is time: nothing else happens in it that could be waited for.
    std::thread::sleep(if all() { SETTLES } else { SETTLES_IN_A_TEST });
    let before = unit.written().unwrap();
    for minute in 1..=minutes {
        std::thread::sleep(Duration::from_secs(60));
        let Written { writes, bytes, flushes } = unit.written().unwrap();
        println!("minute {minute}: {writes} writes, {bytes} bytes, {flushes} flushes since power-on");
    }
    let after = unit.written().unwrap();
    let (writes, bytes) = (after.writes - before.writes, after.bytes - before.bytes);
    let an_hour = |count: u64| count * 60 / minutes;
    if all() {
        let figures = json!({
            "minutes_watched": minutes,
            "seconds_from_first_byte_to_watching": SETTLES.as_secs(),
            "writes_before_watching": before.writes,
            "bytes_before_watching": before.bytes,
            "writes": writes,
            "bytes_written": bytes,
            "writes_per_idle_hour": an_hour(writes),
            "bytes_per_idle_hour": an_hour(bytes),
            "extrapolated": minutes < 60,
        });
        leave("idle", &figures);
    }
    assert!(unit.is_on() && ask_shortly(&network.client).is_ok(), "it does not serve");
    // Two more, because a short watch may just see the two of a longer while.
    assert!(writes <= WRITES_AN_HOUR * minutes / 60 + 2, "{writes} writes in {minutes} minutes");
}

/// One boot of a configured unit.
#[derive(Clone, Copy, Debug)]
struct Boot {
    /// From power-on.
    first_byte: f64,
    /// Of the unit's processors, in [`NOISE`] from power-on.
    processor: f64,
}

#[test]
fn bytes_that_arrive_at_the_console_make_no_boot_slower_and_are_only_dropped() {
    /// What two boots of the same disk may differ by on a busy machine, in seconds.
    const DIFFER: f64 = 4.0;
    /// A tenth of two processors: to read the bytes and drop them takes less under emulation, to echo them more.
    const TENTH: f64 = 12.0;
    let _turn = Turn::take();
    let folder = tempfile::tempdir().unwrap();
    let network = Network::new().unwrap();
    let _one = WebServer::named(Arc::clone(&network.servers[0]), 8080, "one").unwrap();
    let disk = switched_off(folder.path(), &network);
    let (mut quiet, mut noisy) = (Vec::new(), Vec::new());
    for number in 0..if all() { 3 } else { 1 } {
        quiet.push(boot(&format!("lm2200-quiet-{number}"), &disk, folder.path(), &network, false));
        noisy.push(boot(&format!("lm2200-noise-{number}"), &disk, folder.path(), &network, true));
    }
    println!("without bytes {quiet:.2?}\nwith them {noisy:.2?}");
    let (quiet, noisy) = (middle(&quiet), middle(&noisy));
    if all() {
        let figures = json!({
            "boots_each": 3,
            "bytes_per_second": 100 * TEN_MILLISECONDS,
            "seconds": NOISE.as_secs(),
            "seconds_to_first_byte": { "silent": quiet.first_byte, "with bytes": noisy.first_byte },
            "processor_seconds": { "silent": quiet.processor, "with bytes": noisy.processor },
        });
        leave("console", &figures);
    }
    assert!(noisy.first_byte < quiet.first_byte + DIFFER, "{noisy:?}, and {quiet:?} without the bytes");
    assert!(noisy.processor < quiet.processor + TENTH, "{noisy:?}, and {quiet:?} without the bytes");
}

/// A disk on which a unit has been configured and switched off in order.
fn switched_off(folder: &Path, network: &Network) -> PathBuf {
    let unit = serving("lm2200-first", folder, network);
    let api = Api::over_lab(Arc::clone(&network.client), UNIT, PASSWORD);
    api.wait_until_served(BOOT_WITHIN).unwrap();
    let answer = api.call("POST", "/api/v1/system/power-off", Some(&json!({}))).unwrap();
    assert!((200..300).contains(&answer.status), "{} {}", answer.status, answer.json);
    unit.wait_off(Duration::from_secs(60)).unwrap();
    folder.join("disk.qcow2")
}

fn boot(name: &str, disk: &Path, folder: &Path, network: &Network, noise: bool) -> Boot {
    let copy = folder.join(format!("{name}.qcow2"));
    overlay(disk, &copy, None).unwrap();
    let unit = cabled(image().machine_with(name, &copy), network).start().unwrap();
    let keys: Vec<u8> =
        b"\r\nlogin: \x12\x06\x03\r\n".iter().copied().cycle().take(TEN_MILLISECONDS).collect();
    let held = noise.then(|| unit.keyboard().holds(&keys, PAUSE).unwrap());
    let deadline = unit.started() + BOOT_WITHIN;
    // The server's host asks: the unit's health check tells it where the unit is.
    while ask_shortly(&network.servers[0]).is_err() {
        assert!(Instant::now() < deadline && unit.is_on(), "{name} does not serve");
        std::thread::sleep(Duration::from_millis(5));
    }
    let first_byte = unit.started().elapsed().as_secs_f64();
    // What is measured is time.
    std::thread::sleep((unit.started() + NOISE).saturating_duration_since(Instant::now()));
    let processor = unit.processor_time().unwrap().as_secs_f64();
    drop(held);
    assert_eq!(unit.serial().count("asked for at the console"), 0);
    assert!(ask_shortly(&network.client).is_ok(), "{name} serves no more");
    Boot { first_byte, processor }
}

/// The middle one of an odd number of boots, by each figure.
fn middle(boots: &[Boot]) -> Boot {
    let of = |figure: fn(&Boot) -> f64| {
        let mut all: Vec<f64> = boots.iter().map(figure).collect();
        all.sort_by(f64::total_cmp);
        (all[all.len() / 2] * 100.0).round() / 100.0
    };
    Boot { first_byte: of(|boot| boot.first_byte), processor: of(|boot| boot.processor) }
}

fn leave(name: &str, figures: &Value) {
    let path = proof_path(name);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(&path, format!("{figures:#}\n")).unwrap();
}
