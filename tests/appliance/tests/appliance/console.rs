//! The console of a booted unit: its serial port with the menu, and SSH with the client that operators have.

#![allow(clippy::disallowed_methods, reason = "starts the ssh of the developer's machine")]

use std::io::{Read, Write};
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use evener_appliance::{Api, BOOT_WITHIN, INIT_STARTED, Turn, fresh_disk, log_path};
use evener_lab::{Forward, Machine, Unit, first_password};
use serde_json::json;

const PAGES: Forward = Forward { guest: 8443 };
const SSH: Forward = Forward { guest: 22 };
const CHOSEN: &str = "a password of my own";
const LIMIT: Duration = Duration::from_secs(60);
/// A name server of QEMU's network, which DHCP does not name first.
const NAME_SERVER: &str = "10.0.2.53";

/// The ssh of this machine, which is told the password by a program.
struct Client {
    folder: PathBuf,
    unit: SocketAddr,
}

impl Client {
    /// Logs in and, if the menu opens, out again; what was shown, and what ssh said about it.
    fn logs_in(&self, password: &str) -> (String, String) {
        let asks = self.folder.join("asks");
        std::fs::write(&asks, format!("#!/bin/sh\necho '{password}'\n")).unwrap();
        std::fs::set_permissions(&asks, PermissionsExt::from_mode(0o700)).unwrap();
        let known = self.folder.join("known_hosts");
        let mut ssh = Command::new("ssh")
            .args([
                "-F",
                "none",
                "-tt",
                "-l",
                "bal",
                "-o",
                "ConnectTimeout=30",
                "-o",
                "NumberOfPasswordPrompts=1",
            ])
            .args(["-o", "StrictHostKeyChecking=accept-new", "-o", "PubkeyAuthentication=no"])
            .args(["-o", &format!("UserKnownHostsFile={}", known.display())])
            .args(["-o", "GlobalKnownHostsFile=none", "-p", &self.unit.port().to_string()])
            .arg(self.unit.ip().to_string())
            .env("SSH_ASKPASS", &asks)
            .env("SSH_ASKPASS_REQUIRE", "force")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let (mut shown, mut buffer) = (String::new(), [0; 4096]);
        let (mut typed, mut screen) = (ssh.stdin.take().unwrap(), ssh.stdout.take().unwrap());
        while let Ok(count @ 1..) = screen.read(&mut buffer) {
            shown.push_str(&String::from_utf8_lossy(&buffer[..count]));
            if shown.ends_with("Choose: ") {
                typed.write_all(b"0\r").unwrap();
            }
        }
        let mut said = String::new();
        ssh.stderr.take().unwrap().read_to_string(&mut said).unwrap();
        ssh.wait().unwrap();
        (shown, said)
    }
}

/// Types, and waits until a whole line with these words is shown.
fn types(unit: &Unit, keys: &str, words: &str) {
    unit.keyboard().types(keys.as_bytes()).unwrap();
    unit.serial().wait_for(words, LIMIT).unwrap();
}

/// Presses Enter until the menu opens: who is too early is not heard.
fn knocks(unit: &Unit) {
    for tried in 0.. {
        unit.keyboard().types(b"\r").unwrap();
        if unit.serial().wait_for("Log in as bal", Duration::from_secs(5)).is_ok() {
            return;
        }
        assert!(tried < 10, "the menu does not open");
    }
}

fn client(folder: &Path, unit: &mut Unit) -> Client {
    Client { folder: folder.to_owned(), unit: unit.forwarded(SSH).unwrap() }
}

#[test]
fn a_new_unit_is_taken_into_service_at_its_serial_port_and_by_ssh() {
    let _turn = Turn::take();
    let folder = tempfile::tempdir().unwrap();
    let disk = fresh_disk(folder.path(), None).unwrap();
    let machine = Machine::new("console", &disk, &log_path("console"));
    let mut unit = machine.user_network(&[PAGES, SSH]).start().unwrap();
    unit.serial().wait_for(INIT_STARTED, BOOT_WITHIN).unwrap();
    let first = first_password(unit.serial(), BOOT_WITHIN).unwrap();
    let ssh = client(folder.path(), &mut unit);

    let (shown, said) = ssh.logs_in(&first);
    assert!(said.contains("still has its first password") && !shown.contains("Choose"), "{said}\n{shown}");

    knocks(&unit);
    types(&unit, "bal\r", "login: bal");
    types(&unit, &format!("{first}\r"), "still has its first password");
    types(&unit, &format!("{CHOSEN}\r{CHOSEN}\r"), "The password is changed");
    types(&unit, "\r", "0  Log out");
    types(&unit, "2\r", "Nothing is changed before the end");
    types(&unit, "\r10.0.2.2\r", "Default gateway, - for none [-]: 10.0.2.2");
    types(&unit, &format!("{NAME_SERVER}\rlb-console\r"), "This is to be changed");
    types(&unit, "yes\r", "Saved, as generation");
    types(&unit, "\r", "0  Log out");
    types(&unit, "1\r", "https://10.0.2.15:8443/");
    types(&unit, "\r", "0  Log out");
    types(&unit, "5\r", "ED25519 SHA256:");
    types(&unit, "\r", "0  Log out");
    types(&unit, "0\r", "Logged out");

    let api = Api::over_system(unit.forwarded(PAGES).unwrap(), CHOSEN);
    let status = api.wait_until_served(BOOT_WITHIN).unwrap();
    let network = &status["network"];
    assert_eq!(network["gateway"], json!("10.0.2.2"), "{network}");
    let servers = network["name_servers"].as_array().unwrap();
    assert!(servers.contains(&json!(NAME_SERVER)), "{network}");

    let (shown, said) = ssh.logs_in(CHOSEN);
    assert!(shown.contains("Evener 0.1.0 - lb-console") && shown.contains("Logged out."), "{shown}\n{said}");
    let (shown, said) = ssh.logs_in("wrong");
    assert!(said.contains("Permission denied") && !shown.contains("Choose"), "{said}\n{shown}");
    assert!(unit.is_on());
}
