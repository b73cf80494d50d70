//! Into the rescue slot and out of it again, by each way there is; and what the unit's health does to the count that
//! leads there.

use std::net::SocketAddrV4;
use std::sync::Arc;
use std::time::{Duration, Instant};

use evener_appliance::{Api, BOOT_WITHIN, INIT_STARTED, Network, PASSWORD, Turn, UNIT, log_path, raw_disk};
use evener_disk::{Role, Slot};
use evener_lab::{DiskFile, Host, Machine, Unit, WebServer, config_medium};
use evener_manifest::KERNEL_AT;
use serde_json::{Value, json};

use crate::{SERVICE, ask, wait_until_served, with_table};

/// Health is a minute without a fault; the rest is for a busy machine.
const HEALTHY_WITHIN: Duration = Duration::from_secs(150);
const CTRL_R: &[u8] = b"\x12";
/// What a console server says by itself, and what a terminal answers. With the keys that mean something when held, once.
const GREETING: &[u8] =
    b"\r\n\r\nWelcome to port 7.\r\nType the hot key to suspend the connection: <CTRL>Z\r\n\
    \x12login: \x06admin\r\nPassword: \x12\x12 \x06\x06\r\nLogin incorrect\r\n";
/// More than the loader's window, less than a look at the time on a busy machine is wrong by.
const SLOWER: Duration = Duration::from_secs(4);

fn firmware(api: &Api) -> Value {
    api.wait_until_served(BOOT_WITHIN).unwrap()["firmware"].clone()
}

/// That a unit in rescue can be reached and says what it is, and that it does not serve.
fn is_in_rescue(unit: &Unit, api: &Api, client: &Host, why: &[&str]) {
    unit.serial().wait_for("RESCUE: this unit serves no traffic", BOOT_WITHIN).unwrap();
    let status = api.wait_until_served(BOOT_WITHIN).unwrap();
    assert_eq!(
        (&status["firmware"]["running"], &status["firmware"]["mode"]),
        (&json!("R"), &json!("rescue")),
        "{status}"
    );
    let warnings = status["warnings"].to_string();
    for words in ["rescue firmware", "no traffic is served"].iter().chain(why) {
        assert!(warnings.contains(words), "{words} is not in {warnings}");
    }
    for service in status["services"].as_array().unwrap() {
        let name = service["service"].as_str().unwrap();
        assert!(!["proxy", "checks"].contains(&name), "{name} runs: {status}");
    }
    let change = api.call("DELETE", "/api/v1/vs/1", Some(&json!({}))).unwrap();
    assert_eq!((change.status, &change.json["type"]), (409, &json!("in-rescue")), "{}", change.json);
    let refused = client.connect(SERVICE).map(|_| ());
    assert!(refused.is_err(), "somebody listens on {SERVICE}");
    assert!(client.connect(SocketAddrV4::new(UNIT, 8443)).is_ok());
}

fn restart(api: &Api) {
    let answer = api.call("POST", "/api/v1/system/reboot", Some(&json!({}))).unwrap();
    assert_eq!(answer.status, 202, "{}", answer.json);
}

#[test]
fn a_unit_in_rescue_is_led_out_of_it_and_a_healthy_minute_clears_the_count() {
    let _turn = Turn::take();
    let folder = tempfile::tempdir().unwrap();
    let network = Network::new().unwrap();
    let _one = WebServer::named(network.servers[0].clone(), 8080, "one").unwrap();
    let disk = raw_disk(folder.path()).unwrap();
    // As many boots as it takes, each cut off before the minute was over.
    with_table(&disk, |table| table.boots_without_health = 10);
    let medium = config_medium(folder.path(), &Network::first_configuration(1)).unwrap();
    let machine = Machine::new("out-of-rescue", &disk, &log_path("out-of-rescue"));
    let unit = machine.on(&network.switch).medium(&medium).start().unwrap();
    let api = Api::over_lab(Arc::clone(&network.client), UNIT, PASSWORD);
    is_in_rescue(&unit, &api, &network.client, &["slot R because", "without becoming healthy", "E21"]);
    assert_eq!(unit.serial().count("E21 slot A"), 1);

    let answer = api.call("POST", "/api/v1/firmware/start-again", Some(&json!({}))).unwrap();
    assert_eq!((answer.status, &answer.json["next"]), (200, &json!("A")), "{}", answer.json);
    restart(&api);
    unit.serial().wait_for("slot A 0.1.0 verified, starting", BOOT_WITHIN).unwrap();
    wait_until_served(&unit, &network.client);
    let status = firmware(&api);
    assert_eq!((&status["running"], &status["boots_without_health"]), (&json!("A"), &json!(1)), "{status}");

    let deadline = Instant::now() + HEALTHY_WITHIN;
    while firmware(&api)["boots_without_health"] != 0 {
        assert!(Instant::now() < deadline, "never healthy: {}", firmware(&api));
        std::thread::sleep(Duration::from_secs(1));
    }
    assert_eq!(ask(&network.client).unwrap(), "one");
    drop(unit);
    let (count, state) = with_table(&disk, |table| (table.boots_without_health, table.slot(Slot::A).state));
    assert_eq!((count, state.to_string().as_str()), (0, "confirmed"), "it is on the disk, not only in words");
}

#[test]
fn rescue_asked_for_by_api_or_by_a_held_key_comes_once() {
    let _turn = Turn::take();
    let folder = tempfile::tempdir().unwrap();
    let network = Network::new().unwrap();
    let _one = WebServer::named(network.servers[0].clone(), 8080, "one").unwrap();
    let disk = raw_disk(folder.path()).unwrap();
    let medium = config_medium(folder.path(), &Network::first_configuration(1)).unwrap();
    let machine = Machine::new("asked-for-rescue", &disk, &log_path("asked-for-rescue"));
    let unit = machine.on(&network.switch).medium(&medium).start().unwrap();
    let api = Api::over_lab(Arc::clone(&network.client), UNIT, PASSWORD);
    wait_until_served(&unit, &network.client);
    api.wait_until_served(BOOT_WITHIN).unwrap();

    let answer = api.call("POST", "/api/v1/firmware/rescue", Some(&json!({}))).unwrap();
    assert_eq!((answer.status, &answer.json["next"]), (200, &json!("R")), "{}", answer.json);
    restart(&api);
    unit.serial().wait_for("slot R 0.1.0 verified, starting", BOOT_WITHIN).unwrap();
    is_in_rescue(&unit, &api, &network.client, &["It was asked for, this once"]);

    restart(&api);
    unit.serial().wait_for("slot A 0.1.0 verified, starting", BOOT_WITHIN).unwrap();
    wait_until_served(&unit, &network.client);

    api.wait_until_served(BOOT_WITHIN).unwrap();
    let held = unit.keyboard().holds(CTRL_R, Duration::from_millis(40)).unwrap();
    restart(&api);
    unit.serial().wait_for("rescue asked for at the console", BOOT_WITHIN).unwrap();
    drop(held);
    unit.serial().wait_for("slot R 0.1.0 verified, starting", BOOT_WITHIN).unwrap();
    is_in_rescue(&unit, &api, &network.client, &["It was asked for, this once"]);
}

#[test]
fn a_key_held_at_the_screen_leads_to_rescue_too() {
    let _turn = Turn::take();
    let folder = tempfile::tempdir().unwrap();
    let disk = raw_disk(folder.path()).unwrap();
    let mut unit = Machine::new("screen-key", &disk, &log_path("screen-key")).start().unwrap();
    // QEMU has nobody who holds a key, so each repetition is sent to it; on a busy machine too few of them may be in time.
    // OVMF does not start a keyboard on which somebody types meanwhile: it begins when the loader does. A BIOS says nothing
    // on the serial line; there the loader's own first line is the sign.
    let mut begins = vec!["BdsDxe: starting", "evener-loader: version"];
    for boot in 1..=4 {
        assert!(boot < 4, "nobody hears the keyboard");
        let (which, _) = unit.serial().wait_for_any(&begins, BOOT_WITHIN).unwrap();
        begins = vec![begins[which]];
        let started = unit.serial().count("verified, starting");
        while unit.serial().count("verified, starting") == started {
            unit.press(&["ctrl", "r"]).unwrap();
            std::thread::sleep(Duration::from_millis(25));
        }
        if unit.serial().count("rescue asked for at the console") > 0 {
            break;
        }
        unit.reset().unwrap();
    }
    unit.serial().wait_for("slot R 0.1.0 verified, starting", BOOT_WITHIN).unwrap();
    unit.serial().wait_for("RESCUE: this unit serves no traffic", BOOT_WITHIN).unwrap();
}

#[test]
fn a_damaged_firmware_leads_to_rescue_which_says_why() {
    let _turn = Turn::take();
    let folder = tempfile::tempdir().unwrap();
    let network = Network::new().unwrap();
    let disk = raw_disk(folder.path()).unwrap();
    DiskFile::open(&disk).unwrap().flip(Role::Boot(Slot::A), KERNEL_AT).unwrap();
    let medium = config_medium(folder.path(), &Network::first_configuration(1)).unwrap();
    let machine = Machine::new("rescue", &disk, &log_path("rescue"));
    let unit = machine.on(&network.switch).medium(&medium).start().unwrap();
    let api = Api::over_lab(Arc::clone(&network.client), UNIT, PASSWORD);
    is_in_rescue(&unit, &api, &network.client, &["slot R", "E07", "Install a firmware"]);
}

/// From the loader's first line to the start of slot A.
fn time_in_the_loader(unit: &Unit) -> Duration {
    let begin = unit.serial().wait_for("evener-loader: version", BOOT_WITHIN).unwrap();
    let end = unit.serial().wait_for("verified, starting", BOOT_WITHIN).unwrap();
    assert!(end.text.contains("slot A "), "{}", end.text);
    end.at - begin.at
}

#[test]
fn a_line_that_is_never_silent_asks_for_nothing_and_makes_no_boot_slower() {
    let _turn = Turn::take();
    let folder = tempfile::tempdir().unwrap();
    let disk = raw_disk(folder.path()).unwrap();
    let mut unit = Machine::new("noise", &disk, &log_path("noise")).start().unwrap();
    let quiet = time_in_the_loader(&unit);
    unit.serial().wait_for(INIT_STARTED, BOOT_WITHIN).unwrap();

    let noise = unit.keyboard().holds(GREETING, Duration::ZERO).unwrap();
    unit.reset().unwrap();
    let noisy = time_in_the_loader(&unit);
    unit.serial().wait_for(INIT_STARTED, BOOT_WITHIN).unwrap();
    drop(noise);
    assert_eq!(unit.serial().count("asked for at the console"), 0);
    assert!(noisy < quiet * 2 + SLOWER, "{noisy:?}, and {quiet:?} without the noise");
}

#[test]
fn a_loader_that_has_stopped_restarts_for_a_held_key_and_for_nothing_else() {
    let _turn = Turn::take();
    let folder = tempfile::tempdir().unwrap();
    let disk = raw_disk(folder.path()).unwrap();
    for slot in [Slot::A, Slot::R] {
        DiskFile::open(&disk).unwrap().flip(Role::Boot(slot), 38).unwrap();
    }
    let unit = Machine::new("stopped", &disk, &log_path("stopped")).start().unwrap();
    let serial = unit.serial();
    serial.wait_for("stopped; hold Ctrl-R to restart", BOOT_WITHIN).unwrap();
    unit.keyboard().types(GREETING).unwrap();
    assert!(serial.wait_for("evener-loader: version", Duration::from_secs(5)).is_err());
    let held = unit.keyboard().holds(CTRL_R, Duration::from_millis(40)).unwrap();
    serial.wait_for("evener-loader: version", BOOT_WITHIN).unwrap();
    drop(held);
}
