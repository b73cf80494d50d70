//! The main loop: what supervision orders is carried out, what happens is told to it.

use crate::announcer::{Announcer, addresses, first_password};
use crate::banner;
use crate::life::{Launch, Life, Word};
use crate::log::Log;
use crate::medium;
use crate::rights;
use crate::socket::Asked;
use crate::start::{Start, WAIT_FOR_MEDIUM};
use crate::storage::Storage;
use crate::watchdogs::Watchdogs;
use evener_api::Service;
use evener_api::control::Snapshot;
use evener_api::init::{Announcement, Reply, Request, ServiceHealth, UnitStatus};
use evener_api::lifeline::{ListenerKey, ToInit};
use evener_api::net::NetStatus;
use evener_ipc::Subscription;
use evener_supervise::{End, Event, Order, Supervision};
use evener_sys::clock;
use evener_sys::power::Finish;
use evener_sys::process::{self, Exit};
use std::collections::BTreeMap;
use std::os::fd::OwnedFd;
use std::time::Duration;
use tokio::signal::unix::Signal;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, sleep_until};

/// Everything that can happen to the unit.
pub(crate) struct Sources {
    /// What services say.
    pub(crate) words: mpsc::Receiver<Word>,
    /// What services ask.
    pub(crate) asked: mpsc::Receiver<Asked>,
    /// A child has ended.
    pub(crate) children: Signal,
    /// Somebody outside wants the run to end.
    pub(crate) wishes: mpsc::Receiver<Finish>,
    /// The disks are prepared, or could not be.
    pub(crate) storage: oneshot::Receiver<Storage>,
    /// The medium was read; what the operator must see.
    pub(crate) medium: oneshot::Receiver<Option<String>>,
    pub(crate) net: Subscription<NetStatus>,
    pub(crate) control: Subscription<Snapshot>,
}

/// The unit as init knows it.
#[derive(Debug)]
pub(crate) struct Unit {
    pub(crate) launch: Launch,
    pub(crate) log: Log,
    pub(crate) words: mpsc::Sender<Word>,
    pub(crate) watchdogs: Watchdogs,
    pub(crate) handoff: String,
    pub(crate) warnings: Vec<String>,
    /// Only the network, local administration and firmware upload run.
    pub(crate) rescue: bool,
    /// The unit is to be reset before its run ends.
    pub(crate) reset: bool,
    pub(crate) supervision: Supervision,
    pub(crate) lives: BTreeMap<Service, Life>,
    pub(crate) kept: BTreeMap<Service, BTreeMap<ListenerKey, OwnedFd>>,
    pub(crate) last_life: u64,
    pub(crate) finish: Option<Finish>,
    pub(crate) start: Start,
    pub(crate) ready_said: bool,
    pub(crate) announcer: Announcer,
    pub(crate) shown_addresses: Vec<String>,
}

impl Unit {
    /// Runs the unit until every service has stopped for good; returns how the run is to end.
    pub(crate) async fn run(&mut self, mut from: Sources) -> Finish {
        // The network first: leases and carrier take longer than anything that we do ourselves.
        self.supervision.add(Service::Net, clock::since_boot());
        loop {
            if self.start.medium_is_late(clock::since_boot()) {
                self.start_without_medium(clock::since_boot());
            }
            for order in self.supervision.tick(clock::since_boot()) {
                self.carry_out(order);
            }
            self.watchdogs.feed(clock::since_boot());
            self.tell_progress(&from);
            if self.supervision.all_stopped() {
                return self.finish.unwrap_or(Finish::Restart);
            }
            let nothing_else = sleep_until(self.next_tick());
            tokio::select! {
                () = nothing_else => {}
                Some(word) = from.words.recv() => self.hear(word),
                _ = from.children.recv() => self.reap(),
                Some(asked) = from.asked.recv() => self.answer(asked),
                Some(finish) = from.wishes.recv() => self.stop(finish),
                storage = &mut from.storage, if self.start.waits_for_disks() => self.take_storage(storage.ok()),
                medium = &mut from.medium, if self.start.waits_for_medium() => self.take_medium(medium.ok()),
                Ok(()) = from.net.changed() => self.show_addresses(&from),
                Ok(()) = from.control.changed() => self.take_name(&from),
            }
        }
    }

    fn next_tick(&self) -> Instant {
        Instant::now() + self.supervision.next_tick().saturating_sub(clock::since_boot())
    }

    fn take_storage(&mut self, storage: Option<Storage>) {
        let storage = storage.unwrap_or_else(|| Storage {
            warnings: vec!["The preparation of the disks broke off.".into()],
            ..Storage::default()
        });
        self.warnings.extend(storage.warnings);
        let now = clock::since_boot();
        for service in self.start.disks_ready(storage.has_configuration, now) {
            self.supervision.add(service, now);
        }
    }

    fn take_medium(&mut self, warning: Option<Option<String>>) {
        self.warnings.extend(warning.flatten());
        if self.start.medium_read() {
            self.supervision.add(Service::Control, clock::since_boot());
        }
    }

    fn start_without_medium(&mut self, now: Duration) {
        let seconds = WAIT_FOR_MEDIUM.as_secs();
        let warning = format!(
            "Some drive did not answer within {seconds} s: the unit started without looking for a first configuration on it."
        );
        tracing::warn!("{warning}");
        self.warnings.push(warning);
        self.supervision.add(Service::Control, now);
    }

    fn carry_out(&mut self, order: Order) {
        match order {
            Order::Start(service) => self.start(service),
            Order::Stop(service) => {
                if let Some(life) = self.lives.get(&service) {
                    life.ask_to_stop();
                }
            }
            Order::Kill(service) => {
                let Some(life) = self.lives.get(&service) else { return };
                tracing::warn!(%service, pid = life.pid, "it gives no answer and is killed");
                if let Err(error) = process::kill(life.pid) {
                    tracing::error!(%service, %error, "it cannot be killed");
                }
            }
        }
    }

    fn start(&mut self, service: Service) {
        self.last_life += 1;
        let kept = self.kept.get(&service).into_iter().flatten();
        let kept: std::io::Result<Vec<_>> =
            kept.map(|(key, listener)| Ok((*key, listener.try_clone()?))).collect();
        let words = self.words.clone();
        let life =
            kept.and_then(|kept| Life::start(&self.launch, service, self.last_life, kept, words, &self.log));
        match life {
            Ok(life) => drop(self.lives.insert(service, life)),
            Err(error) => {
                tracing::error!(%service, %error, "it cannot be started");
                self.supervision.on(service, Event::Ended(End::NotStarted), clock::since_boot());
            }
        }
    }

    fn hear(&mut self, word: Word) {
        let current = self.lives.get(&word.service).is_some_and(|life| life.number == word.life);
        let most = rights::kept_listeners();
        let kept = self.kept.entry(word.service).or_default();
        match (word.what, word.descriptor) {
            (ToInit::Beat, _) if current => {
                self.supervision.on(word.service, Event::Beat, clock::since_boot());
            }
            (ToInit::Ready, _) if current => {
                self.supervision.on(word.service, Event::Ready, clock::since_boot());
            }
            // Also from a life that is over: its listeners are what the next one needs.
            (ToInit::Keep(key), Some(listener)) if kept.len() < most || kept.contains_key(&key) => {
                kept.insert(key, listener);
            }
            (ToInit::Keep(key), _) => {
                tracing::warn!(service = %word.service, ?key, "this listener is not kept");
            }
            (ToInit::Forget(key), _) => drop(kept.remove(&key)),
            (ToInit::Beat | ToInit::Ready, _) => {}
        }
    }

    fn reap(&mut self) {
        // One signal may stand for several ends; and orphans that are no service end here too.
        while let Some((pid, exit)) = process::reap() {
            let Some(service) =
                self.lives.iter().find(|(_, life)| life.pid == pid).map(|(service, _)| *service)
            else {
                continue;
            };
            self.lives.remove(&service);
            if service == Service::Console {
                // Nobody is at its menu any more.
                self.log.loud_again();
            }
            let end = match exit {
                Exit::Status(status) => End::Exited(status),
                Exit::Signal(signal) => End::Signalled(signal),
            };
            let now = clock::since_boot();
            self.supervision.on(service, Event::Ended(end), now);
            match self.supervision.starts_in(service, now) {
                _ if self.supervision.is_stopping() => tracing::info!(%service, %end, "stopped"),
                Some(pause) => tracing::warn!(%service, %end, ?pause, "ended and will be started again"),
                None => tracing::warn!(%service, %end, "ended"),
            }
        }
    }

    fn stop(&mut self, finish: Finish) {
        if self.finish.is_none() {
            self.log.line(match finish {
                Finish::Restart => "evener: stopping, to restart",
                Finish::PowerOff => "evener: stopping, to switch off",
            });
            self.finish = Some(finish);
            self.supervision.stop();
        }
    }

    fn answer(&mut self, asked: Asked) {
        let now = clock::since_boot();
        let reply = match asked.request {
            Request::Get => Reply::Status(Box::new(self.status(now))),
            Request::Reboot => {
                self.stop(Finish::Restart);
                Reply::Done
            }
            Request::PowerOff => {
                self.stop(Finish::PowerOff);
                Reply::Done
            }
            // It was ordered before the request came this far.
            Request::FactoryReset => {
                self.reset = true;
                self.stop(Finish::Restart);
                Reply::Done
            }
            Request::Announce(Announcement::FirstPassword) => {
                self.announcer.want(now);
                Reply::Done
            }
            Request::Announce(Announcement::PasswordChanged) => {
                self.announcer.done();
                Reply::Done
            }
            // Answered by the socket's own task, which does not come here.
            Request::FollowLog(_) => Reply::Forbidden,
            Request::Quiet { terminal, quiet } => {
                self.log.quiet(terminal.into(), quiet);
                Reply::Done
            }
            Request::SetClock(unix_s) => match clock::set(unix_s) {
                Ok(()) => {
                    tracing::warn!(unix_s, "the clock was set");
                    Reply::Done
                }
                Err(error) => Reply::Failed(error.to_string()),
            },
        };
        // Whoever asked may be gone by now.
        let _ = asked.answer.send(reply);
    }

    fn status(&self, now: Duration) -> UnitStatus {
        let services = self.supervision.health(now).map(|(service, health)| ServiceHealth {
            service,
            state: health.state,
            pid: self.lives.get(&service).map(|life| life.pid),
            restarts: health.restarts,
            last_end: health.last_end.map(|end| end.to_string()).unwrap_or_default(),
            running_ms: u64::try_from(health.running.as_millis()).unwrap_or(u64::MAX),
        });
        let meminfo = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
        let (memory_total_bytes, memory_available_bytes) = crate::memory::total_and_available(&meminfo);
        UnitStatus {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            uptime_ms: u64::try_from(now.as_millis()).unwrap_or(u64::MAX),
            handoff: self.handoff.clone(),
            warnings: self.warnings.clone(),
            memory_total_bytes,
            memory_available_bytes,
            services: services.collect(),
        }
    }

    /// What changes by itself as time goes on: the line that says the unit is ready, and the first password.
    fn tell_progress(&mut self, from: &Sources) {
        let now = clock::since_boot();
        if !self.ready_said && self.start.is_complete() && self.supervision.all_running() {
            self.ready_said = true;
            self.log.line(&format!("evener: ready in {:.3} s", now.as_secs_f64()));
            if self.rescue {
                self.log.announce(&banner::rescue(&self.warnings));
            }
        }
        let addresses = from.net.borrow().as_deref().map(addresses).unwrap_or_default();
        let port = from.control.borrow().as_deref().map_or(8443, |snapshot| snapshot.config.unit.web_port);
        if self.announcer.due(now, &addresses, port) {
            match first_password(&self.launch.dirs.run) {
                Ok(password) => self.log.announce(&banner::first_password(&addresses, port, &password)),
                Err(error) => tracing::error!(%error, "the first password cannot be read"),
            }
        }
    }

    fn show_addresses(&mut self, from: &Sources) {
        let Some(status) = from.net.borrow().clone() else { return };
        let shown = status.interfaces.iter().flat_map(|interface| {
            let name = &interface.name.0;
            interface.addresses.iter().map(move |(address, prefix)| format!("{address}/{prefix} on {name}"))
        });
        let shown: Vec<String> = shown.collect();
        for address in shown.iter().filter(|address| !self.shown_addresses.contains(address)) {
            self.log.line(&format!("evener: address {address}"));
        }
        self.shown_addresses = shown;
    }

    fn take_name(&self, from: &Sources) {
        let Some(snapshot) = from.control.borrow().clone() else { return };
        if self.launch.confine {
            // control publishes nothing before there is a generation on the disk.
            medium::forget_installed(&self.launch.dirs.data);
        }
        if self.launch.confine
            && let Err(error) = evener_sys::set_host_name(&snapshot.config.unit.hostname)
        {
            tracing::warn!(%error, "the host name cannot be set");
        }
    }
}
