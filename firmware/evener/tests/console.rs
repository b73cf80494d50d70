//! The menu of a whole unit, as ordinary processes: on a pseudo terminal in the place of a serial port, and by SSH with
//! the client that operators have.

#![allow(clippy::unwrap_used, clippy::panic, clippy::large_futures, unreachable_pub, reason = "test crate")]
#![allow(clippy::disallowed_methods, reason = "starts the ssh of the developer's machine")]

mod common;

use common::{Unit, eventually, send_signal};
use evener_api::Service;
use evener_api::control::{Reply, Request};
use evener_api::init::{CONSOLES, ServiceState};
use evener_config::Config;
use rustix::fs::{OFlags, fcntl_setfl};
use rustix::process::Signal;
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use std::os::fd::OwnedFd;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

const PASSWORD: &str = "correct horse battery";

/// The far end of a serial line.
struct Line {
    master: OwnedFd,
    seen: String,
}

impl Line {
    fn new() -> (Self, PathBuf) {
        let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).unwrap();
        grantpt(&master).unwrap();
        unlockpt(&master).unwrap();
        let name = ptsname(&master, Vec::new()).unwrap().into_string().unwrap();
        fcntl_setfl(&master, OFlags::NONBLOCK).unwrap();
        (Self { master, seen: String::new() }, name.into())
    }

    fn types(&self, keys: &str) {
        assert_eq!(rustix::io::write(&self.master, keys.as_bytes()).unwrap(), keys.len());
    }

    /// Waits until these words are shown, and types `answer` behind them.
    async fn answers(&mut self, words: &str, answer: &str) {
        self.sees(words).await;
        self.types(&format!("{answer}\r"));
    }

    async fn sees(&mut self, words: &str) {
        self.sees_any(&[words]).await;
    }

    /// Waits until one of these is shown; gives which.
    async fn sees_any(&mut self, choices: &[&str]) -> usize {
        eventually(&format!("{choices:?} is shown"), || {
            let mut buffer = [0; 4096];
            if let Ok(count) = rustix::io::read(&self.master, &mut buffer) {
                self.seen.push_str(&String::from_utf8_lossy(&buffer[..count]));
            }
            let found = choices.iter().enumerate().find_map(|(which, words)| {
                let at = self.seen.find(words)?;
                self.seen.drain(..at + words.len());
                Some(which)
            });
            std::future::ready(found)
        })
        .await
    }
}

async fn config(run: &Path) -> Config {
    match evener_ipc::call(run, Service::Control, &Request::Get).await.unwrap() {
        Reply::Snapshot(snapshot) => snapshot.config,
        other => panic!("{other:?}"),
    }
}

/// The address of SSH, from the log.
async fn ssh_address(unit: &Unit) -> (String, String) {
    eventually("SSH listens", async || {
        let log = unit.log();
        let line = log.lines().rfind(|line| line.contains("SSH listens"))?;
        let address = line.split("address=").nth(1)?.split(' ').next()?;
        let (host, port) = address.rsplit_once(':')?;
        Some((host.to_owned(), port.to_owned()))
    })
    .await
}

#[tokio::test]
async fn a_unit_is_set_up_at_its_serial_port_and_the_menu_outlives_its_service() {
    let (mut line, device) = Line::new();
    let unit = Unit::start_with(|run| {
        std::fs::create_dir(run.join(CONSOLES)).unwrap();
        symlink(&device, run.join(CONSOLES).join("0-ttyS0")).unwrap();
    })
    .await;
    eventually("the terminal is listened to", async || {
        unit.log().contains("Enter opens the menu").then_some(())
    })
    .await;
    line.types("\r");
    line.answers("login: ", "bal").await;
    line.answers("Password: ", PASSWORD).await;
    line.answers("Choose: ", "2").await;
    // Which interfaces there are is this machine's business; nothing but a name and a name server is changed.
    loop {
        let asked = line.sees_any(&["Interface [", "Address of ", "Default gateway"]).await;
        line.types("\r");
        if asked == 2 {
            break;
        }
    }
    line.answers("Name servers, - for none [-]: ", "192.0.2.53").await;
    line.answers("Host name [", "not a name!").await;
    line.answers("Type yes to make this change: ", "yes").await;
    line.sees("unit.hostname: ").await;
    assert!(config(&unit.run()).await.unit.name_servers.is_empty(), "nothing is half done");

    let before = unit.pid(Service::Console).await;
    send_signal(before, Signal::KILL);
    eventually("it is back", async || {
        let health = unit.service(Service::Console).await;
        (health.restarts == 1 && health.state == ServiceState::Running).then_some(())
    })
    .await;
    eventually("it listens again", async || {
        (unit.log().matches("Enter opens the menu").count() == 2).then_some(())
    })
    .await;
    line.types("\r");
    line.answers("login: ", "bal").await;
    line.answers("Password: ", PASSWORD).await;
    line.sees("Choose: ").await;
    assert_eq!(unit.request().await.as_deref(), Some("HTTP/1.1 200 OK"), "traffic does not notice");
}

#[tokio::test]
async fn the_ssh_that_operators_have_opens_the_menu_and_the_host_key_stays() {
    let unit = Unit::start().await;
    let folder = tempfile::tempdir().unwrap();
    let asks = folder.path().join("asks");
    std::fs::write(&asks, format!("#!/bin/sh\necho '{PASSWORD}'\n")).unwrap();
    std::fs::set_permissions(&asks, PermissionsExt::from_mode(0o700)).unwrap();
    let known = folder.path().join("known_hosts");
    for (round, known_already) in [("accept-new", false), ("yes", true)] {
        let (host, port) = ssh_address(&unit).await;
        if known_already {
            // The port is another one after a restart outside the appliance; the key is the same.
            let text = std::fs::read_to_string(&known).unwrap();
            let key = text.split_once(' ').unwrap().1.to_owned();
            std::fs::write(&known, format!("[{host}]:{port} {key}")).unwrap();
        }
        let mut ssh = tokio::process::Command::new("ssh")
            .args(["-F", "none", "-tt", "-p", &port, "-l", "bal"])
            .args(["-o", &format!("StrictHostKeyChecking={round}")])
            .args(["-o", &format!("UserKnownHostsFile={}", known.display())])
            .args([
                "-o",
                "GlobalKnownHostsFile=none",
                "-o",
                "PubkeyAuthentication=no",
                "-o",
                "HashKnownHosts=no",
            ])
            .arg(&host)
            .env("SSH_ASKPASS", &asks)
            .env("SSH_ASKPASS_REQUIRE", "force")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let (mut typed, mut shown) = (ssh.stdin.take().unwrap(), ssh.stdout.take().unwrap());
        let mut seen = String::new();
        let log_out = async {
            let mut buffer = [0; 4096];
            while let Ok(count @ 1..) = shown.read(&mut buffer).await {
                seen.push_str(&String::from_utf8_lossy(&buffer[..count]));
                if seen.ends_with("Choose: ") {
                    typed.write_all(b"0\r").await.unwrap();
                }
            }
        };
        tokio::time::timeout(common::PATIENCE, log_out).await.unwrap();
        assert!(seen.contains("9  Power off") && seen.contains("Logged out."), "{seen}");
        let status = tokio::time::timeout(common::PATIENCE, ssh.wait()).await.unwrap().unwrap();
        assert!(status.code().is_some(), "{status}");
        if !known_already {
            let before = unit.pid(Service::Console).await;
            send_signal(before, Signal::KILL);
            eventually("it is back", async || (unit.log().matches("SSH listens").count() == 2).then_some(()))
                .await;
        }
    }
}
