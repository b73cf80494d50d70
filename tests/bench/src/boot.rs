//! From power-on to the first proxied byte, under UEFI and under a BIOS with two kinds of disk.
//!
//! Each start is cold: QEMU is started anew, on a disk that a configured unit was switched off with, without
//! a configuration medium. Times are those of the lines on the serial port, counted from the start of QEMU, so
//! the firmware's own part is in them. The last figure ends with the answer to a client that began to ask, ten times
//! a second, when QEMU was started.

use std::net::SocketAddrV4;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use evener_appliance::{
    Api, BOOT_WITHIN, INIT_STARTED, LOADER, Network, PASSWORD, UNIT, fresh_disk, log_path,
};
use evener_lab::http::{Connection, Request};
use evener_lab::{Attachment, Host, Machine, Unit, WebServer, config_medium, overlay};
use serde_json::{Value, json};

use crate::report::{Report, Row, median};

/// Cold starts; their median counts.
const STARTS: usize = 5;
const SERVE_WITHIN: Duration = Duration::from_secs(120);
/// How long one connection may take to open: what comes back late is asked for again.
const TRY_FOR: Duration = Duration::from_millis(100);
/// The loader's last words before it starts the kernel.
const KERNEL: &str = "verified, starting";

/// A machine that is measured: the name of its row, and how its disk is attached under a BIOS.
type Case = (&'static str, Option<Attachment>);
const CASES: [Case; 3] =
    [("uefi", None), ("bios-pc-ide", Some(Attachment::Ide)), ("bios-q35-ahci", Some(Attachment::Ahci))];

/// Seconds from power-on of one start.
#[derive(Clone, Copy, Debug)]
struct Times {
    loader: f64,
    kernel: f64,
    init: f64,
    proxied: f64,
}

/// Measures and reports.
///
/// # Errors
/// When the image is missing or a unit does not come up.
pub fn run() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let network = Network::new()?;
    let _server = WebServer::named(Arc::clone(&network.servers[0]), 8080, "one")?;
    let disk = configured_disk(folder.path(), &network)?;
    let mut rows = Vec::new();
    for case in CASES {
        rows.push(measure(case, &disk, folder.path(), &network)?);
    }
    Report::new("boot", rows).publish()
}

/// The medians of some cold starts of one machine.
fn measure(case: Case, disk: &Path, folder: &Path, network: &Network) -> Result<Row> {
    let (name, _) = case;
    let mut starts = Vec::new();
    for number in 1..=STARTS {
        let copy = folder.join(format!("{name}-{number}.qcow2"));
        overlay(disk, &copy, None)?;
        let times = cold_start(case, number, &copy, network)?;
        println!("{name}, start {number} of {STARTS}: {times:.2?}");
        starts.push(times);
    }
    let of = |figure: fn(&Times) -> f64| {
        let all: Vec<f64> = starts.iter().map(figure).collect();
        median(&all).map(|seconds| -> Value { json!((seconds * 1000.0).round() / 1000.0) })
    };
    Ok(Row::new(name)
        .figure("seconds_to_loader", of(|t| t.loader))
        .figure("seconds_to_kernel", of(|t| t.kernel))
        .figure("seconds_to_init", of(|t| t.init))
        .figure("seconds_to_first_proxied_byte", of(|t| t.proxied)))
}

/// A disk on which a unit has been configured and switched off in order.
fn configured_disk(folder: &Path, network: &Network) -> Result<std::path::PathBuf> {
    let disk = fresh_disk(folder, None)?;
    let medium = config_medium(folder, &Network::first_configuration(1))?;
    let machine = Machine::new("bench-first", &disk, &log_path("bench-first"));
    let unit = machine.on(&network.switch).medium(&medium).start()?;
    first_answer(&unit, &network.servers[0])?;
    let api = Api::over_lab(Arc::clone(&network.client), UNIT, PASSWORD);
    api.wait_until_served(SERVE_WITHIN)?;
    let answer = api.call("POST", "/api/v1/system/power-off", Some(&json!({})))?;
    anyhow::ensure!((200..300).contains(&answer.status), "power-off: {} {}", answer.status, answer.json);
    unit.wait_off(Duration::from_secs(60))?;
    Ok(disk)
}

fn cold_start((row, attachment): Case, number: usize, disk: &Path, network: &Network) -> Result<Times> {
    let name = format!("bench-boot-{row}-{number}");
    let mut machine = Machine::new(&name, disk, &log_path(&name)).on(&network.switch);
    if let Some(attachment) = attachment {
        machine = machine.bios().attached(attachment);
    }
    let unit = machine.start()?;
    let proxied = first_answer(&unit, &network.servers[0])?;
    let serial = unit.serial();
    let seconds = |words: &str| -> Result<f64> { Ok(serial.wait_for(words, BOOT_WITHIN)?.at.as_secs_f64()) };
    let (loader, kernel, init) = (seconds(LOADER)?, seconds(KERNEL)?, seconds(INIT_STARTED)?);
    Ok(Times { loader, kernel, init, proxied: proxied.as_secs_f64() })
}

/// Asks until the service answers; the time since power-on.
///
/// The client is the server's host: the unit's own health check tells it where the unit is, so no time passes
/// with address resolution, of which smoltcp tries one a second.
fn first_answer(unit: &Unit, client: &Host) -> Result<Duration> {
    let deadline = Instant::now() + SERVE_WITHIN;
    loop {
        match ask(client) {
            Ok(()) => return Ok(unit.started().elapsed()),
            Err(error) if Instant::now() > deadline || !unit.is_on() => {
                bail!("{} does not serve: {error:#}", unit.name())
            }
            Err(_) => std::thread::sleep(Duration::from_millis(5)),
        }
    }
}

fn ask(client: &Host) -> Result<()> {
    let mut stream = client.connect_within(SocketAddrV4::new(UNIT, 80), TRY_FOR).context("connecting")?;
    stream.set_limit(Duration::from_secs(5));
    let answer = Connection::new(stream).exchange(&Request::new("GET", "bench", "/"))?;
    anyhow::ensure!(answer.status == 200, "status {}", answer.status);
    Ok(())
}
