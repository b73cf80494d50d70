//! The shipped image, booted.
//!
//! One test program, so that one counter keeps more than two units from running at once. Each unit logs its
//! serial line to `out/log/appliance/NAME.log`.
#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout, reason = "test crate")]
#![allow(clippy::disallowed_methods, reason = "starts chromedriver on the developer's machine")]

mod below_floor;
mod bios;
mod boards;
mod browser;
mod cards;
mod console;
mod corruption;
mod damaged_data;
mod downgrade;
mod fallback_address;
mod firmware_page;
mod hang;
mod installer;
mod life;
mod lm2200;
mod load;
mod loader;
mod power_cut;
mod randomness;
mod refusals;
mod refused_settings;
mod rescue;
mod reset;
mod services;
mod sick;
mod traffic;
mod update;

use std::net::SocketAddrV4;
use std::path::Path;
use std::time::{Duration, Instant};

use evener_appliance::{BOOT_WITHIN, Network, UNIT, fresh_disk, log_path};
use evener_disk::Role;
use evener_lab::http::{Connection, Request};
use evener_lab::{DiskFile, Host, Machine, Unit, config_medium};
use evener_slot_table::{SlotTable, load, store};

/// From power-on until a service answers, with another unit on the same cores.
const SERVE_WITHIN: Duration = Duration::from_secs(120);
/// The service of most tests.
const SERVICE: SocketAddrV4 = SocketAddrV4::new(UNIT, 80);

/// Whether everything is to be tried: `make prove`.
fn all() -> bool {
    std::env::var("EVENER_PROVE").is_ok_and(|what| what == "all")
}

/// Boots the image on `network`, told by medium to use `servers` of its servers, and waits until the service
/// answers.
fn boot_serving(name: &str, folder: &Path, network: &Network, servers: usize) -> Unit {
    let disk = fresh_disk(folder, None).unwrap();
    let medium = config_medium(folder, &Network::first_configuration(servers)).unwrap();
    let unit =
        Machine::new(name, &disk, &log_path(name)).on(&network.switch).medium(&medium).start().unwrap();
    wait_until_served(&unit, &network.client);
    unit
}

/// Asks the unit's service until it answers.
fn wait_until_served(unit: &Unit, client: &Host) {
    wait_until_served_at(unit, client, SERVICE);
}

/// Asks the service at `address` until it answers.
fn wait_until_served_at(unit: &Unit, client: &Host, address: SocketAddrV4) {
    let deadline = Instant::now() + SERVE_WITHIN;
    loop {
        match ask_at(client, address) {
            Ok(_) => return,
            Err(error) => {
                let over = Instant::now() > deadline || !unit.is_on();
                assert!(!over, "{} does not serve: {error:#}", unit.name());
            }
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// Waits until the screen shows `words`.
fn wait_for_screen(unit: &mut Unit, words: &str) {
    let deadline = Instant::now() + BOOT_WITHIN;
    loop {
        let screen = unit.screen_text().unwrap();
        if screen.contains(words) {
            return;
        }
        assert!(Instant::now() < deadline, "{words:?} is not on the screen:\n{screen}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// Lets `work` change the slot table of a raw disk that no unit uses.
fn with_table<R>(disk: &Path, work: impl FnOnce(&mut SlotTable) -> R) -> R {
    let mut disk = DiskFile::open(disk).unwrap();
    let mut partition = disk.map().unwrap().window(&mut disk, Role::SlotTable).unwrap();
    let mut table = load(&mut partition).table.unwrap();
    let before = table.clone();
    let result = work(&mut table);
    if table != before {
        store(&mut partition, &mut table).unwrap();
    }
    result
}

/// One request on a connection of its own; the body of the answer if its status is 200.
fn ask(client: &Host) -> anyhow::Result<String> {
    ask_at(client, SERVICE)
}

/// As [`ask`], by somebody who wants to know when the service begins to answer: asks shortly, to ask again soon.
fn ask_shortly(client: &Host) -> anyhow::Result<String> {
    let mut stream = client.connect_within(SERVICE, Duration::from_millis(100))?;
    stream.set_limit(Duration::from_secs(5));
    let answer = Connection::new(stream).exchange(&Request::new("GET", "shop", "/"))?;
    anyhow::ensure!(answer.status == 200, "{}: {}", answer.status, answer.words());
    Ok(answer.words())
}

/// As [`ask`], of the service at `address`.
fn ask_at(client: &Host, address: SocketAddrV4) -> anyhow::Result<String> {
    let mut stream = client.connect(address)?;
    stream.set_limit(Duration::from_secs(10));
    let answer = Connection::new(stream).exchange(&Request::new("GET", "shop", "/"))?;
    anyhow::ensure!(answer.status == 200, "{}: {}", answer.status, answer.words());
    Ok(answer.words())
}
