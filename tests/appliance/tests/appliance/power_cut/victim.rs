//! A unit that loses its power again and again, and what must hold each time it comes back.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, ensure};
use evener_appliance::{Api, BOOT_WITHIN, Network, PASSWORD, SERVERS, Turn, UNIT, log_path, raw_disk};
use evener_disk::{Blocks as _, Lba, PartitionMap, Role, SECTOR, Slot};
use evener_keys::KeyFolder;
use evener_lab::{Loss, Machine, Random, Unit, VolatileDisk, WebServer, config_medium};
use evener_manifest::{Keyset, Version};
use evener_slot_table::{SlotState, SlotTable, load};
use evener_slots::{MappedDisk, check};
use serde_json::{Value, json};

use crate::{SERVE_WITHIN, ask};

/// How many names the servers have among them.
const NAMES: [&str; 2] = ["one", "two"];
const OFF_WITHIN: Duration = Duration::from_secs(60);
/// Longest work of a client between two cuts.
const WORK_WITHIN: Duration = Duration::from_secs(180);
/// So many boots without health, and up to two more before the unit is next looked at, are no reason to give it up.
const RESTLESS: u64 = 3;
/// A minute without a fault, on a busy machine.
const HEALTHY_WITHIN: Duration = Duration::from_secs(240);
/// How often the test looks whether it has come to the cut.
const TICK: Duration = Duration::from_millis(20);

/// One power cut that the unit has come back from.
#[derive(Clone, Debug)]
pub(super) struct Cut {
    /// What the unit was at.
    pub(super) phase: &'static str,
    /// What the disk lost.
    pub(super) loss: Loss,
    /// From power-on until the service answered.
    pub(super) back_after: Duration,
}

/// The unit, its network, and its disk.
pub(super) struct Victim {
    name: String,
    pub(super) network: Network,
    pub(super) disk: Arc<VolatileDisk>,
    pub(super) api: Arc<Api>,
    pub(super) random: Random,
    unit: Option<Unit>,
    /// The floor that was last seen on the disk: it never falls.
    floor: Version,
    boots: usize,
    pub(super) cuts: Vec<Cut>,
    _servers: [WebServer; 2],
    _turn: Turn,
}

impl Victim {
    /// A configured unit, switched off in order. `seed` decides everything that happens to it.
    pub(super) fn new(name: &str, seed: u64) -> Result<Self> {
        let turn = Turn::take();
        let folder = tempfile::tempdir()?;
        let network = Network::new()?;
        let servers = [0, 1].map(|n| WebServer::named(Arc::clone(&network.servers[n]), 8080, NAMES[n]));
        let [one, two] = servers;
        let disk = Arc::new(VolatileDisk::over(&raw_disk(folder.path())?)?);
        let api = Arc::new(Api::over_lab(Arc::clone(&network.client), UNIT, PASSWORD));
        let mut victim = Self {
            name: name.to_owned(),
            network,
            disk,
            api,
            random: Random::new(seed),
            unit: None,
            floor: Version::default(),
            boots: 0,
            cuts: Vec::new(),
            _servers: [one?, two?],
            _turn: turn,
        };
        let medium = config_medium(folder.path(), &Network::first_configuration(2))?;
        victim.unit = Some(victim.machine().medium(&medium).start()?);
        victim.wait_until_serving()?;
        victim.api.wait_until_served(BOOT_WITHIN)?;
        let answer = victim.api.call("POST", "/api/v1/system/power-off", Some(&json!({})))?;
        ensure!(answer.status == 202, "power-off: {} {}", answer.status, answer.json);
        victim.unit()?.wait_off(OFF_WITHIN)?;
        victim.unit = None;
        Ok(victim)
    }

    fn machine(&mut self) -> Machine {
        self.boots += 1;
        let log = log_path(&format!("{}-{}", self.name, self.boots));
        Machine::with_disk(&self.name, &self.disk, &log).on(&self.network.switch)
    }

    /// The unit, which is on.
    pub(super) fn unit(&self) -> Result<&Unit> {
        self.unit.as_ref().context("the unit is off")
    }

    /// Switches the unit on and waits for nothing.
    pub(super) fn switch_on(&mut self) -> Result<()> {
        self.unit = Some(self.machine().start()?);
        Ok(())
    }

    /// Switches the unit on and waits until it serves, as it must after each cut.
    pub(super) fn come_back(&mut self) -> Result<()> {
        self.check_disk()?;
        self.switch_on()?;
        let back_after = self.wait_until_serving()?;
        if let Some(cut) = self.cuts.last_mut() {
            cut.back_after = back_after;
        }
        self.check_disk()?;
        let told = |status: &Value| status["silent"] == json!([]);
        let status =
            self.api.wait_for("/api/v1/status", BOOT_WITHIN, told).context("services stay silent")?;
        ensure!(status["firmware"]["running"] != "R", "it is in rescue: {status}");
        self.rest(&status)
    }

    /// A firmware that is started five times without a healthy minute is given up, and rightly so. A test that pulls the
    /// cord more often lets the unit have that minute in time.
    fn rest(&self, status: &Value) -> Result<()> {
        let often = |status: &Value| status["firmware"]["boots_without_health"].as_u64() >= Some(RESTLESS);
        if !often(status) || status["firmware"]["mode"] == "trial" {
            return Ok(());
        }
        let rested = |status: &Value| status["firmware"]["boots_without_health"] == 0;
        self.api.wait_for("/api/v1/status", HEALTHY_WITHIN, rested).map(|_| ())
    }

    /// Pulls the cord now.
    pub(super) fn cut(&mut self, phase: &'static str) -> Result<()> {
        self.disk.cut_now();
        self.cut_while(phase, Duration::ZERO, |_| ())
    }

    /// Lets a client do `work` until the power fails. If the disk does not come to the moment that was named to it,
    /// the cord is pulled so long after the end of the work.
    pub(super) fn cut_while<R: Send>(
        &mut self,
        phase: &'static str,
        patience: Duration,
        work: impl FnOnce(&Api) -> R + Send,
    ) -> Result<R> {
        let deadline = Instant::now() + WORK_WITHIN;
        let api = Arc::clone(&self.api);
        let done = std::thread::scope(|scope| {
            let worker = scope.spawn(move || work(&api));
            while self.disk.wait_cut(TICK).is_err() {
                if (worker.is_finished() || Instant::now() > deadline)
                    && self.disk.wait_cut(patience).is_err()
                {
                    self.disk.cut_now();
                }
            }
            self.unit = None;
            // The client need not wait until it believes that the unit is dead, and must not go on with the next life.
            while !worker.is_finished() {
                self.network.client.drop_connections(UNIT);
                std::thread::sleep(TICK);
            }
            worker.join()
        });
        let loss = self.disk.power_on(self.random.number())?;
        self.cuts.push(Cut { phase, loss, back_after: Duration::ZERO });
        println!("{}: cut {} in {phase}: {loss:?}", self.name, self.cuts.len());
        done.map_err(|_| anyhow!("the client failed"))
    }

    /// Asks the service until both servers have answered; the time since power-on.
    pub(super) fn wait_until_serving(&self) -> Result<Duration> {
        let unit = self.unit()?;
        let deadline = Instant::now() + SERVE_WITHIN;
        let mut seen = [false; NAMES.len()];
        loop {
            let answer = ask(&self.network.client);
            if let Ok(name) = &answer {
                let known = NAMES.iter().position(|own| own == name);
                seen[known.with_context(|| format!("a server called {name:?}"))?] = true;
            }
            if seen == [true; NAMES.len()] {
                return Ok(unit.started().elapsed());
            }
            ensure!(Instant::now() < deadline, "{} does not serve: {answer:?}, {seen:?}", self.name);
            ensure!(unit.is_on(), "{} went off", self.name);
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// The slot table on the disk as it is now: whole, its floor not lower than it was, and what it says may boot is
    /// there, every byte of it.
    pub(super) fn check_disk(&mut self) -> Result<SlotTable> {
        // A copy, so that looking changes nothing of what a running unit has not flushed.
        let mut disk = self.disk.copy()?;
        let map = PartitionMap::read(&mut disk).map_err(|error| anyhow!("partition table: {error:?}"))?;
        let mut partition = map.window(&mut disk, Role::SlotTable).context("there is no slot table")?;
        let loaded = load(&mut partition);
        let table = loaded.table.with_context(|| format!("no valid slot table: {:?}", loaded.copies))?;
        ensure!(!table.degraded, "the slot table was lost: {table:?}");
        ensure!(table.floor >= self.floor, "the floor fell from {} to {}", self.floor, table.floor);
        self.floor = table.floor;
        let keys = KeyFolder::of_the_user().context("no home directory")?.development()?.0.keyset(false)?;
        let keys = Keyset::parse(&keys).map_err(|error| anyhow!("keyset: {error}"))?;
        let mut parts = MappedDisk::new(disk, map);
        for slot in Slot::ALL {
            let record = table.slot(slot);
            if matches!(record.state, SlotState::Trial | SlotState::Confirmed) {
                let facts = check(&mut parts, slot, &keys)
                    .with_context(|| format!("slot {slot} is {} and not whole", record.state))?;
                ensure!(
                    facts.digest == record.digest,
                    "slot {slot} holds another firmware than its record says"
                );
            }
        }
        Ok(table)
    }

    /// Damages the first byte of a partition, as a disk that rots does. The unit is off.
    pub(super) fn damage(&mut self, role: Role) -> Result<()> {
        let mut disk = self.disk.copy()?;
        let map = PartitionMap::read(&mut disk).map_err(|error| anyhow!("partition table: {error:?}"))?;
        let mut partition = map.window(&mut disk, role).context("there is no such partition")?;
        let mut sector = [0; SECTOR];
        partition.read(Lba(0), &mut sector).map_err(|error| anyhow!("{error:?}"))?;
        sector[0] ^= 1;
        partition.write(Lba(0), &sector).map_err(|error| anyhow!("{error:?}"))?;
        disk.flush()?;
        self.disk = Arc::new(disk);
        Ok(())
    }

    /// `firmware` of the unit's status.
    pub(super) fn firmware(&self) -> Result<Value> {
        let known = |status: &Value| status["firmware"].is_object();
        Ok(self.api.wait_for("/api/v1/status", BOOT_WITHIN, known)?["firmware"].take())
    }

    /// The addresses of the service's servers, as the unit is configured.
    pub(super) fn servers(&self) -> Result<(String, Vec<Value>)> {
        let service = self.api.get("/api/v1/vs")?[0].clone();
        let path = format!("/api/v1/vs/{}/rs", service["id"]);
        let servers = self.api.get(&path)?.as_array().cloned().context("no list of servers")?;
        Ok((path, servers))
    }

    /// A server that answers nobody, for changing the settings.
    pub(super) fn spare_server(&mut self) -> Value {
        json!({ "address": SERVERS[2], "port": 1024 + self.random.below(60_000) })
    }
}
