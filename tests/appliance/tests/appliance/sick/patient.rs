//! A unit that gets a firmware over its API, and what becomes of it.

use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use evener_appliance::{Answer, Api, Hand, Network, PASSWORD, TestFirmware, UNIT, log_path};
use evener_lab::http::Request;
use evener_lab::{Machine, Unit, WebServer, config_medium, overlay};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::{ask, wait_until_served};

pub(super) const FIRMWARE: &str = "/api/v1/firmware";
/// From a reboot, or a power-on, until the pages are served.
const BACK_WITHIN: Duration = Duration::from_secs(180);
const SERVER_PORT: u16 = 8080;

/// A unit with a network around it. The fields are dropped in this order.
pub(super) struct Patient {
    unit: Unit,
    pub(super) api: Api,
    pub(super) hand: Hand,
    servers: Vec<WebServer>,
    network: Network,
    _folder: TempDir,
}

impl Patient {
    /// A unit that serves, with `image` on its disk and two servers behind it.
    pub(super) fn boot(name: &str, image: &Path) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let network = Network::new()?;
        let disk = folder.path().join("disk.qcow2");
        overlay(image, &disk, None)?;
        let medium = config_medium(folder.path(), &Network::first_configuration(2))?;
        let machine = Machine::new(name, &disk, &log_path(name)).on(&network.switch).medium(&medium);
        let mut servers = Vec::new();
        for (host, name) in network.servers.iter().zip(["one", "two"]) {
            servers.push(WebServer::named(Arc::clone(host), SERVER_PORT, name)?);
        }
        let unit = machine.start()?;
        wait_until_served(&unit, &network.client);
        let api = Api::over_lab(Arc::clone(&network.client), UNIT, PASSWORD);
        api.wait_until_served(BACK_WITHIN)?;
        let hand = Hand::new(Arc::clone(&network.client), UNIT);
        Ok(Self { unit, api, hand, servers, network, _folder: folder })
    }

    /// Offers it a firmware.
    pub(super) fn offer(&self, firmware: &TestFirmware, query: &str) -> Result<Answer> {
        let path = firmware.bundle()?;
        let file = std::fs::read(&path).with_context(|| path.display().to_string())?;
        self.api.upload(&format!("{FIRMWARE}{query}"), &file, |_| ())
    }

    /// Every real server is gone from here on.
    pub(super) fn lose_servers(&mut self) {
        self.servers.clear();
    }

    /// Asks for a reboot.
    pub(super) fn reboot(&self) -> Result<()> {
        let answer = self.api.call("POST", "/api/v1/system/reboot", Some(&json!({})))?;
        ensure!(answer.status == 202, "{} {}", answer.status, answer.json);
        Ok(())
    }

    /// How often the loader has started this version from this slot.
    pub(super) fn starts(&self, slot: char, version: &str) -> usize {
        self.unit.serial().count(&started(slot, version))
    }

    /// Waits until the loader has started this version from this slot once more than `before` times.
    pub(super) fn wait_for_start(
        &self,
        slot: char,
        version: &str,
        before: usize,
        limit: Duration,
    ) -> Result<()> {
        let deadline = Instant::now() + limit;
        while self.starts(slot, version) <= before {
            let left = deadline.saturating_duration_since(Instant::now());
            self.unit.serial().wait_for(&started(slot, version), left)?;
        }
        Ok(())
    }

    /// Waits until clients are served and the pages are there.
    pub(super) fn wait_until_back(&self) -> Result<Value> {
        wait_until_served(&self.unit, &self.network.client);
        self.api.wait_until_served(BACK_WITHIN)
    }

    /// Whether a client gets an answer of a real server.
    pub(super) fn serves(&self) -> bool {
        ask(&self.network.client).is_ok()
    }

    /// Waits until what the unit says of its firmware is `good`.
    pub(super) fn wait_for_firmware(&self, limit: Duration, good: impl Fn(&Value) -> bool) -> Result<Value> {
        self.api.wait_for(FIRMWARE, limit, good)
    }

    /// Whether it has said such a line on its serial line.
    pub(super) fn said(&self, is_it: impl Fn(&str) -> bool) -> bool {
        self.unit.serial().lines().iter().any(|line| is_it(&line.text))
    }

    /// A page as an operator sees it.
    pub(super) fn page(&self, path: &str) -> Result<String> {
        let unit = IpAddr::from(UNIT).to_string();
        let form = format!("user=bal&password={}", PASSWORD.replace(' ', "+"));
        let log_in = Request::new("POST", &unit, "/login")
            .header("Content-Type", "application/x-www-form-urlencoded")
            .header("Connection", "close")
            .body(form);
        let entered = self.api.send(&log_in)?;
        let cookie = entered.header("set-cookie").context("no session")?;
        let cookie = cookie.split(';').next().unwrap_or_default().to_owned();
        let page = Request::new("GET", &unit, path).header("Cookie", &cookie).header("Connection", "close");
        let page = self.api.send(&page)?;
        ensure!(page.status == 200, "GET {path}: {}", page.status);
        Ok(page.words())
    }
}

fn started(slot: char, version: &str) -> String {
    format!("slot {slot} {version} verified, starting")
}
