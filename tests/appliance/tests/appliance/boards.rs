//! Every board and every format, each booted from the very file that the builder wrote, on the devices that imitate the
//! board: it takes its first configuration from the medium, serves, takes an update over the API, and comes back.
//!
//! `make test` takes one of them, which one a seed decides; `make prove` (`EVENER_PROVE=all`) takes them all.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Result, bail, ensure};
use evener_appliance::{
    Api, BOOT_WITHIN, BoardImage, LOADER, Network, PASSWORD, Turn, UNIT, board_images, proof_path, reissued,
};
use evener_board::FirmwareKind;
use evener_lab::http::{Connection, Request, Response};
use evener_lab::{Host, Random, Switch, Unit, WebServer, config_medium};
use serde_json::{Value, json};

use crate::{SERVICE, all, ask, ask_shortly};

/// What the unit is updated to.
const NEW: &str = "0.8.0";
/// Far more than fits a window, a packet, or what a card is given at once.
const LARGE: usize = 4 << 20;
const SERVE_WITHIN: Duration = Duration::from_secs(300);
const REBOOT_WITHIN: Duration = Duration::from_secs(240);
/// Five minutes is what a trial may take.
const CONFIRMED_WITHIN: Duration = Duration::from_secs(330);

/// What became of one.
#[derive(Clone, Copy, Debug)]
struct Outcome {
    /// From power-on, on a disk that was never booted.
    first_byte: f64,
    /// From the first byte of the upload until the new firmware is confirmed, which is at least a minute of health.
    update: f64,
    /// Of one large answer, in seconds.
    large: f64,
}

#[test]
fn every_board_boots_from_its_own_file_serves_takes_an_update_and_comes_back() {
    let mut images = board_images().unwrap();
    if !all() {
        let seed = Random::seed_of_this_run();
        let one = images.swap_remove(Random::new(seed).index(images.len()));
        println!("seed {seed}: {}", one.name());
        images = vec![one];
    }
    let outcomes: Vec<(BoardImage, Result<Outcome>)> = images
        .into_iter()
        .map(|image| {
            let outcome = run(&image);
            match &outcome {
                Ok(good) => println!("{}: {good:.1?}", image.name()),
                Err(error) => println!("{}: {error:#}", image.name()),
            }
            (image, outcome)
        })
        .collect();
    println!("{}", table(&outcomes));
    if all() {
        leave_figures(&outcomes);
    }
    let failed = outcomes.iter().filter_map(|(image, outcome)| {
        outcome.as_ref().err().map(|error| format!("{}: {error:#}", image.name()))
    });
    let failed: Vec<String> = failed.collect();
    assert!(failed.is_empty(), "{}", failed.join("\n"));
}

fn run(image: &BoardImage) -> Result<Outcome> {
    let _turn = Turn::take();
    let folder = tempfile::tempdir()?;
    let network = Network::new()?;
    let _server = WebServer::start(Arc::clone(&network.servers[0]), 8080, answer)?;
    let words = if image.board.qemu.breaks_segmentation_offload() {
        Network::configuration_without_offload(1)
    } else {
        Network::first_configuration(1)
    };
    let medium = config_medium(folder.path(), &words)?;
    let name = format!("board-{}", image.name());
    let mut machine = image.machine(&name, folder.path())?.on(&network.switch).medium(&medium);
    // The other ports lead nowhere: whichever of them is taken for `eth0`, the unit cannot serve through it.
    let nowhere = Switch::default();
    for _ in 1..image.board.network.ports {
        machine = machine.on(&nowhere);
    }
    let unit = machine.start()?;
    let first_byte = first_byte(&unit, &network.servers[0])?;
    let loader = unit.serial().wait_for(LOADER, BOOT_WITHIN)?;
    let is_bios = loader.text.ends_with("BIOS");
    ensure!(
        is_bios == (image.firmware == FirmwareKind::Bios),
        "started by another firmware: {}",
        loader.text
    );
    let large = large_answer(&network.client)?;
    let update = update(&unit, &network)?;
    large_answer(&network.client)?;
    Ok(Outcome { first_byte, update, large })
}

/// The server: a large body for who asks for it, its name for anybody else.
fn answer(request: &Request) -> Response {
    match request.target.as_str() {
        "/large" => Response { status: 200, headers: Vec::new(), body: large() },
        _ => Response::text(200, "one"),
    }
}

/// Bytes of which no piece can stand in another one's place unnoticed.
fn large() -> Vec<u8> {
    let mut random = Random::new(LARGE as u64);
    (0..LARGE / 8).flat_map(|_| random.number().to_le_bytes()).collect()
}

/// Asks until the service answers; the seconds since power-on.
///
/// The client is the server's host: the unit's own health check tells it where the unit is, so no time passes with
/// address resolution.
fn first_byte(unit: &Unit, client: &Host) -> Result<f64> {
    let deadline = Instant::now() + SERVE_WITHIN;
    loop {
        match ask_shortly(client) {
            Ok(_) => return Ok(unit.started().elapsed().as_secs_f64()),
            Err(error) if Instant::now() > deadline || !unit.is_on() => {
                // What the unit said last tells more than that it said nothing to us.
                let said = unit.serial().lines();
                let last: Vec<&str> =
                    said.iter().rev().take(20).rev().map(|line| line.text.as_str()).collect();
                bail!("it does not serve: {error:#}; its last lines were\n{}", last.join("\n"));
            }
            Err(_) => std::thread::sleep(Duration::from_millis(10)),
        }
    }
}

/// Has a large answer come through the unit; the seconds that it took.
fn large_answer(client: &Host) -> Result<f64> {
    let begun = Instant::now();
    let mut stream = client.connect(SERVICE)?;
    stream.set_limit(Duration::from_secs(60));
    let answer = Connection::new(stream).exchange(&Request::new("GET", "shop", "/large"))?;
    ensure!(answer.status == 200, "{}: {}", answer.status, answer.words());
    ensure!(
        answer.body == large(),
        "a large answer is not what the server sent: {} bytes",
        answer.body.len()
    );
    Ok(begun.elapsed().as_secs_f64())
}

/// Installs the shipped firmware under another version, restarts, and waits until it is confirmed; the seconds of all that.
fn update(unit: &Unit, network: &Network) -> Result<f64> {
    let api = Api::over_lab(Arc::clone(&network.client), UNIT, PASSWORD);
    api.wait_until_served(SERVE_WITHIN)?;
    let file = reissued(NEW, "0.0.0")?;
    let begun = Instant::now();
    let installed = api.upload("/api/v1/firmware", &file, |_| ())?;
    ensure!(installed.status == 201, "{} {}", installed.status, installed.json);
    let restarts = api.call("POST", "/api/v1/system/reboot", Some(&json!({})))?;
    ensure!(restarts.status == 202, "{} {}", restarts.status, restarts.json);
    unit.serial().wait_for(&format!("slot B {NEW} verified, starting"), REBOOT_WITHIN)?;
    api.wait_until_served(SERVE_WITHIN)?;
    let is_confirmed = |status: &Value| {
        let slots = status["slots"].as_array();
        let slot = slots.into_iter().flatten().find(|slot| slot["slot"] == "B");
        status["running"] == "B" && slot.is_some_and(|slot| slot["state"] == "confirmed")
    };
    api.wait_for("/api/v1/firmware", CONFIRMED_WITHIN, is_confirmed)?;
    let seconds = begun.elapsed().as_secs_f64();
    ensure!(ask(&network.client)? == "one", "it does not serve");
    Ok(seconds)
}

fn table(outcomes: &[(BoardImage, Result<Outcome>)]) -> String {
    let mut text = String::from(
        "| board | format | started by | disk on | port | seconds to the first byte | seconds of the update | outcome |\n\
         |---|---|---|---|---|---|---|---|\n",
    );
    for (image, outcome) in outcomes {
        let row = [image.board.name.clone(), image.format.to_string(), image.firmware_name().to_uppercase()];
        let (bus, nic, ports) = (image.disk_bus(), &image.board.qemu.nic, image.board.network.ports);
        let port = if ports > 1 { format!("{ports} × {nic}") } else { nic.clone() };
        let _ = write!(text, "| {} | {bus} | {port} |", row.join(" | "));
        let _ = match outcome {
            Ok(it) => writeln!(text, " {:.1} | {:.0} | updated, serves |", it.first_byte, it.update),
            Err(error) => writeln!(text, " | | {} |", format!("{error:#}").lines().next().unwrap_or("")),
        };
    }
    text
}

/// For the pages of proofs, and for the rows of `bench-images`: a format boots if it does so everywhere.
fn leave_figures(outcomes: &[(BoardImage, Result<Outcome>)]) {
    let mut boots: BTreeMap<&str, bool> = BTreeMap::new();
    for (image, outcome) in outcomes {
        *boots.entry(image.format.extension()).or_insert(true) &= outcome.is_ok();
    }
    // It was the VMDK that was booted.
    boots.extend(boots.get("ova").copied().map(|it| ("vmdk", it)));
    let good: Vec<&Outcome> = outcomes.iter().filter_map(|(_, outcome)| outcome.as_ref().ok()).collect();
    let slowest = |of: fn(&Outcome) -> f64| {
        let most = good.iter().map(|outcome| of(outcome)).fold(0.0, f64::max);
        (most * 10.0).round() / 10.0
    };
    let figures = json!({
        "files_booted": outcomes.len(),
        "failures": outcomes.len() - good.len(),
        "boots": boots,
        "large_answer_bytes": LARGE,
        "slowest_first_byte_seconds": slowest(|it| it.first_byte),
        "slowest_update_seconds": slowest(|it| it.update),
        "slowest_large_answer_seconds": slowest(|it| it.large),
    });
    let path = proof_path("boards");
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(&path, format!("{figures:#}\n")).unwrap();
    std::fs::write(
        path.with_file_name("boards.md"),
        format!("{}{}", include_str!("boards.md"), table(outcomes)),
    )
    .unwrap();
}
