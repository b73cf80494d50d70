//! One update whose every phase is cut, until it has come to its end.
//!
//! What the unit is at is read from its slot table each time it is back, so it does not matter how far it had come when
//! the power failed. A firmware on trial has three boots; as many cuts as would use them up are not made, because that is
//! a trial that failed, and is tested elsewhere.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use evener_appliance::Api;
use evener_lab::{Moment, Serial};
use evener_manifest::Version;
use evener_slot_table::{SlotState, SlotTable};
use serde_json::{Value, json};

use super::PATIENCE;
use super::victim::Victim;

const FIRMWARE: &str = "/api/v1/firmware";
/// The loader's last words before it starts the kernel.
const KERNEL: &str = "verified, starting";
const REBOOT_WITHIN: Duration = Duration::from_secs(120);
/// A firmware on trial has five minutes; a busy machine may need them all.
const PROVEN_WITHIN: Duration = Duration::from_secs(300);
/// Two slots are copied and read back.
const REFILLED_WITHIN: Duration = Duration::from_secs(180);

/// What an update is at when the power fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// While the file is sent and written.
    Upload,
    /// From its last byte until it is installed.
    Verify,
    /// From the request to reboot on.
    Reboot,
    /// From when the loader has started the new firmware.
    TrialBoot,
    /// While the new firmware proves itself.
    Confirm,
    /// While the other slots are filled with it.
    Refill,
}

impl Phase {
    pub(super) const ALL: [Self; 6] =
        [Self::Upload, Self::Verify, Self::Reboot, Self::TrialBoot, Self::Confirm, Self::Refill];

    pub(super) fn words(self) -> &'static str {
        match self {
            Self::Upload => "upload",
            Self::Verify => "verify",
            Self::Reboot => "reboot",
            Self::TrialBoot => "trial boot",
            Self::Confirm => "confirm",
            Self::Refill => "refill",
        }
    }
}

/// Where the unit stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// The new firmware is not installed.
    Old,
    /// It is, and has not been started.
    Installed,
    /// It runs, and may be cut off that many times before its tries are used up.
    Trial(u8),
    /// It is confirmed and not yet in every slot that it goes to.
    Refilling,
    /// Nothing is left to do.
    Done,
}

/// The update.
pub(super) struct Update<'a> {
    victim: &'a mut Victim,
    /// The cuts that are to be made, by phase.
    plan: Vec<Phase>,
    file: &'a [u8],
    /// Its floor is itself, so that every slot is to get it.
    version: Version,
}

impl<'a> Update<'a> {
    pub(super) fn new(victim: &'a mut Victim, plan: &[Phase], file: &'a [u8], version: &str) -> Result<Self> {
        let version = version.parse().map_err(|error| anyhow::anyhow!("{version}: {error}"))?;
        Ok(Self { victim, plan: plan.to_vec(), file, version })
    }

    /// Goes on, is cut, goes on, until the planned cuts are made; with `to_the_end`, until the update is over, too.
    pub(super) fn drive(&mut self, to_the_end: bool) -> Result<()> {
        self.victim.come_back()?;
        let before = self.victim.servers()?.1.len();
        loop {
            let stage = self.stage()?;
            if stage == Stage::Done || (self.plan.is_empty() && !to_the_end && stage != Stage::Old) {
                break;
            }
            self.step(stage).with_context(|| format!("{stage:?}, still to come: {:?}", self.plan))?;
        }
        let after = self.victim.servers()?.1.len();
        ensure!(before == after, "there were {before} servers, now {after}");
        Ok(())
    }

    fn step(&mut self, stage: Stage) -> Result<()> {
        match stage {
            Stage::Old if self.take(Phase::Upload) => self.cut_in_upload(Phase::Upload),
            Stage::Old if self.take(Phase::Verify) => self.cut_in_upload(Phase::Verify),
            Stage::Old => self.install(),
            Stage::Installed | Stage::Trial(1..) if self.take(Phase::Reboot) => {
                self.cut_in_reboot(Phase::Reboot)
            }
            Stage::Installed | Stage::Trial(1..) if self.take(Phase::TrialBoot) => {
                self.cut_in_reboot(Phase::TrialBoot)
            }
            Stage::Installed => self.reboot(),
            Stage::Trial(1..) if self.take(Phase::Confirm) => self.cut_in_confirm(),
            Stage::Trial(_) => {
                self.wait_for_proof(PROVEN_WITHIN, |status| status["proving"].is_null()).map(|_| ())
            }
            Stage::Refilling if self.take(Phase::Refill) => self.cut_in_refill(),
            Stage::Refilling => self.wait_for_refill(),
            Stage::Done => Ok(()),
        }
    }

    fn take(&mut self, phase: Phase) -> bool {
        let at = self.plan.iter().position(|planned| *planned == phase);
        at.map(|at| self.plan.remove(at)).is_some()
    }

    fn stage(&mut self) -> Result<Stage> {
        let table = self.victim.check_disk()?;
        let running = self.victim.firmware()?["running"].as_str().unwrap_or_default().to_owned();
        let slots = evener_disk::Slot::ALL;
        let slot = slots.into_iter().find(|slot| slot.to_string() == running);
        let record = table.slot(slot.with_context(|| format!("it runs slot {running:?}"))?);
        let new = |table: &SlotTable, state| {
            slots
                .into_iter()
                .any(|slot| table.slot(slot).state == state && table.slot(slot).version == self.version)
        };
        Ok(match record.state {
            SlotState::Trial if record.version == self.version => Stage::Trial(record.tries),
            SlotState::Confirmed if record.version == self.version => {
                let filled = |slot| {
                    table.slot(slot).state == SlotState::Confirmed && table.slot(slot).version == self.version
                };
                if slots.into_iter().all(filled) { Stage::Done } else { Stage::Refilling }
            }
            SlotState::Confirmed if new(&table, SlotState::Trial) => Stage::Installed,
            SlotState::Confirmed => Stage::Old,
            _ => bail!("it runs slot {running}, which is {}", record.state),
        })
    }

    /// The whole file, and no cut.
    fn install(&mut self) -> Result<()> {
        let answer = self.victim.api.upload(FIRMWARE, self.file, |_| ())?;
        ensure!(answer.status == 201, "PUT {FIRMWARE}: {} {}", answer.status, answer.json);
        Ok(())
    }

    fn cut_in_upload(&mut self, phase: Phase) -> Result<()> {
        let length = self.file.len();
        let at = if phase == Phase::Upload { self.victim.random.index(length) } else { length };
        let moment = self.moment(if phase == Phase::Upload { 24 } else { 12 }, 3000);
        let disk = Arc::clone(&self.victim.disk);
        let mut armed = false;
        let file = self.file;
        self.victim.cut_while(phase.words(), PATIENCE, move |api| {
            let answer = api.upload(FIRMWARE, file, |sent| {
                if sent >= at && !armed {
                    armed = true;
                    disk.cut_at(moment);
                }
            });
            match answer {
                Ok(answer) => println!("the sender was answered {}", answer.status),
                Err(error) => println!("the sender was not answered: {error:#}"),
            }
        })?;
        self.victim.come_back()
    }

    fn reboot(&mut self) -> Result<()> {
        let serial = self.victim.unit()?.serial().clone();
        let before = serial.count(KERNEL);
        ask_to_reboot(&self.victim.api)?;
        wait_for_kernel(&serial, before)?;
        self.victim.wait_until_serving()?;
        self.victim.api.wait_until_served(REBOOT_WITHIN).map(|_| ())
    }

    fn cut_in_reboot(&mut self, phase: Phase) -> Result<()> {
        let serial = self.victim.unit()?.serial().clone();
        let disk = Arc::clone(&self.victim.disk);
        let moment = self.moment(16, 9000);
        self.victim.cut_while(phase.words(), PATIENCE, move |api| -> Result<()> {
            let before = serial.count(KERNEL);
            if phase == Phase::Reboot {
                disk.cut_at(moment);
            }
            // Without an answer the power has failed, and that is what was wanted.
            let asked = ask_to_reboot(api);
            if phase == Phase::TrialBoot {
                asked?;
                wait_for_kernel(&serial, before)?;
                disk.cut_at(moment);
            }
            Ok(())
        })??;
        self.victim.come_back()
    }

    fn cut_in_confirm(&mut self) -> Result<()> {
        // As often as not the very moment of the confirmation; else any of the minute before.
        if self.victim.random.coin() {
            self.wait_for_proof(PROVEN_WITHIN, |status| {
                status["proving"]["healthy_s"].as_u64().is_none_or(|seconds| seconds >= 57)
            })?;
            let moment = self.moment(6, 4000);
            self.victim.disk.cut_at(moment);
            self.victim.cut_while(Phase::Confirm.words(), Duration::from_secs(5), |_| ())?;
        } else {
            let seconds = self.victim.random.below(57);
            self.wait_for_proof(PROVEN_WITHIN, |status| {
                status["proving"]["healthy_s"].as_u64().is_none_or(|healthy| healthy >= seconds)
            })?;
            self.victim.cut(Phase::Confirm.words())?;
        }
        self.victim.come_back()
    }

    fn wait_for_proof(&self, limit: Duration, good: impl Fn(&Value) -> bool) -> Result<Value> {
        // A service that has no time to answer right now is not one that has nothing to prove.
        let told = |status: &Value| status["firmware"].is_object() && good(&status["firmware"]);
        self.victim.api.wait_for("/api/v1/status", limit, told)
    }

    fn cut_in_refill(&mut self) -> Result<()> {
        // After a boot it is taken up again when the firmware has shown once more that it is healthy.
        self.wait_for_proof(PROVEN_WITHIN, |status| {
            status["proving"]["healthy_s"].as_u64().is_none_or(|seconds| seconds >= 59)
        })?;
        let moment = self.moment(200, 8000);
        self.victim.disk.cut_at(moment);
        self.victim.cut_while(Phase::Refill.words(), Duration::from_secs(20), |_| ())?;
        self.victim.come_back()
    }

    fn wait_for_refill(&mut self) -> Result<()> {
        let deadline = Instant::now() + REFILLED_WITHIN;
        while self.stage()? != Stage::Done {
            ensure!(Instant::now() < deadline, "not refilled: {}", self.victim.firmware()?);
            std::thread::sleep(Duration::from_millis(500));
        }
        Ok(())
    }

    /// One of the next so many writes, one of half as many flushes, or a moment that has nothing to do with either.
    fn moment(&mut self, writes: u64, milliseconds: u64) -> Moment {
        let random = &mut self.victim.random;
        match random.below(3) {
            0 => Moment::Write(random.below(writes)),
            1 => Moment::Flush(random.below(writes.div_ceil(2))),
            _ => Moment::After(Duration::from_millis(random.below(milliseconds))),
        }
    }
}

fn ask_to_reboot(api: &Api) -> Result<()> {
    let answer = api.call("POST", "/api/v1/system/reboot", Some(&json!({})))?;
    ensure!(answer.status == 202, "reboot: {} {}", answer.status, answer.json);
    Ok(())
}

/// Waits until the loader has started a kernel more often than `before`.
fn wait_for_kernel(serial: &Serial, before: usize) -> Result<()> {
    let deadline = Instant::now() + REBOOT_WITHIN;
    while serial.count(KERNEL) <= before {
        ensure!(Instant::now() < deadline, "it does not boot");
        std::thread::sleep(Duration::from_millis(20));
    }
    Ok(())
}
