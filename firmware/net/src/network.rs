//! The loop that makes the network what it should be.

use crate::acquire::{Conditions, Report, Subject, acquire};
use crate::arp::Arp;
use crate::kernel::Kernel;
use crate::memory::Memory;
use crate::plan::{self, Acquired, Actual, Change, Link, Placed, Wanted};
use crate::ports::Known;
use crate::settings::Settings;
use crate::status::status;
use evener_api::control::Snapshot;
use evener_api::net::NetStatus;
use evener_config::{Interface, Ipv4Setup};
use evener_ipc::{Lifeline, Progress, Subscription};
use evener_sys::packet::PacketSocket;
use std::collections::BTreeMap;
use std::io;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, interval, sleep_until, timeout};

mod look;

/// Time that control gets to say what the network should be, before the unit goes by what it finds. Meanwhile
/// DHCP is asked already, but nothing is made of the answer: the settings may know better.
const WAIT_FOR_SETTINGS: Duration = Duration::from_secs(10);
/// Pause between two looks for the copy of the settings, as long as there are none.
const LOOK_FOR_SETTINGS_EVERY: Duration = Duration::from_secs(1);
/// Pause before a change that the kernel refused is tried again, unless something happens before.
const TRY_AGAIN_AFTER: Duration = Duration::from_secs(5);

/// Time that the kernel has to describe its network, or to make one change.
const KERNEL_ANSWERS_WITHIN: Duration = Duration::from_secs(5);
/// Rounds in a row in which it may fail to.
const MOST_FAILURES: u32 = 3;

/// Pause between two signs that this loop goes round, and the time without one after which heartbeats pause.
const MARK_EVERY: Duration = Duration::from_secs(1);
const MARK_WITHIN: Duration = Duration::from_secs(12);

/// Where the kernel shows its devices.
const SYSFS: &str = "/sys";

/// A search for an address that is under way on an interface.
#[derive(Debug)]
struct Search {
    subject: Subject,
    conditions: watch::Sender<Conditions>,
    found: watch::Receiver<Option<Acquired>>,
}

/// What the network is to this unit.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Role {
    /// Whether it is ours to change.
    pub(crate) is_ours: bool,
    /// Whether the unit takes on the addresses of its virtual services.
    pub(crate) serves: bool,
}

/// Where something is kept for the next life.
#[derive(Debug)]
pub(crate) struct Folders {
    pub(crate) settings: PathBuf,
    pub(crate) leases: PathBuf,
}

/// The network and what is known about it.
#[derive(Debug)]
pub(crate) struct Network {
    kernel: Kernel,
    role: Role,
    status: watch::Sender<Arc<NetStatus>>,
    folders: Folders,
    ports: Known,
    settings: Option<Settings>,
    searches: BTreeMap<String, Search>,
    refused: Vec<Change>,
    /// Rounds in a row in which the kernel did not answer.
    failures: u32,
    progress: Progress,
    news: mpsc::Sender<()>,
    heard: mpsc::Receiver<()>,
}

impl Network {
    pub(crate) fn new(
        kernel: Kernel,
        role: Role,
        status: watch::Sender<Arc<NetStatus>>,
        folders: Folders,
        lifeline: &Lifeline,
    ) -> Self {
        let (news, heard) = mpsc::channel(1);
        Self {
            kernel,
            role,
            status,
            ports: Known::new(Path::new(SYSFS), &folders.leases),
            folders,
            settings: None,
            searches: BTreeMap::new(),
            refused: Vec::new(),
            failures: 0,
            progress: lifeline.progress(MARK_WITHIN),
            news,
            heard,
        }
    }

    /// Keeps the network as it should be. Returns when the kernel can no longer be spoken to: a new process with a
    /// new connection may do better.
    pub(crate) async fn run(
        mut self,
        mut changes: mpsc::Receiver<()>,
        mut control: Subscription<Snapshot>,
        lifeline: &Lifeline,
    ) {
        let patience = Instant::now() + WAIT_FOR_SETTINGS;
        let mut is_ready = false;
        loop {
            // Tried anew each time: when the unit starts we do before the data partition is there.
            if self.settings.is_none() && self.role.is_ours {
                self.settings = Settings::load(&self.folders.settings);
            }
            let again = self.agree(Instant::now() < patience).await;
            if self.failures >= MOST_FAILURES {
                return;
            }
            if !is_ready {
                lifeline.ready().await;
                is_ready = true;
            }
            let mut wake = if again { Some(Instant::now() + TRY_AGAIN_AFTER) } else { None };
            if self.settings.is_none() && self.role.is_ours {
                wake = Some(Instant::now() + LOOK_FOR_SETTINGS_EVERY);
            }
            self.wait(wake, &mut changes, &mut control).await;
        }
    }

    /// Until there is something to do.
    async fn wait(
        &mut self,
        wake: Option<Instant>,
        changes: &mut mpsc::Receiver<()>,
        control: &mut Subscription<Snapshot>,
    ) {
        let mut marks = interval(MARK_EVERY);
        loop {
            tokio::select! {
                Some(()) = changes.recv() => return,
                Some(()) = self.heard.recv() => return,
                Ok(()) = control.changed() => {
                    let snapshot = control.borrow_and_update().clone();
                    return self.take(snapshot.as_deref());
                }
                () = at(wake) => return,
                _ = marks.tick() => self.progress.mark(),
            }
        }
    }

    fn take(&mut self, snapshot: Option<&Snapshot>) {
        // Generation 0: control itself does not know yet.
        let Some(snapshot) = snapshot.filter(|snapshot| snapshot.generation > 0) else { return };
        let settings = Settings::from(snapshot);
        if self.settings.as_ref() == Some(&settings) {
            return;
        }
        if self.role.is_ours
            && let Err(error) = settings.save(&self.folders.settings)
        {
            tracing::warn!(%error, "the settings are not kept for a time without control");
        }
        self.settings = Some(settings);
    }

    /// One round: read, search, change, publish. Whether something has to be tried again.
    async fn agree(&mut self, may_wait: bool) -> bool {
        let Some((actual, refused)) = self.look().await else {
            self.failures += 1;
            return true;
        };
        let wanted = if self.role.is_ours {
            self.improve(&actual, refused, may_wait).await
        } else {
            Some(Wanted::default())
        };
        let Some(wanted) = wanted else {
            tracing::error!("the kernel does not answer a request for a change");
            self.failures += 1;
            return true;
        };
        self.failures = 0;
        let newest = Arc::new(status(&actual, &wanted));
        self.status.send_if_modified(|published| {
            let is_new = *published != newest;
            *published = newest;
            is_new
        });
        !self.refused.is_empty()
    }

    /// What the network should be, after an attempt to make it so; `None` when the kernel does not answer. `refused` has
    /// what it did not take in this round so far.
    async fn improve(&mut self, actual: &Actual, mut refused: Vec<Change>, may_wait: bool) -> Option<Wanted> {
        let mut settings = self.settings.clone().unwrap_or_default();
        if !self.role.serves {
            settings.service_addresses.clear();
        }
        self.search(&settings, &actual.links);
        if self.settings.is_none() && may_wait {
            self.refused = refused;
            return self.begin(&settings.interfaces(), &actual.links).await.map(|()| Wanted::default());
        }
        let acquired = self
            .searches
            .iter()
            .filter_map(|(name, search)| Some((name.clone(), search.found.borrow().clone()?)));
        let wanted = plan::wanted(&settings, &actual.links, &acquired.collect());
        for change in plan::changes(actual, &wanted) {
            let words = change.in_words(&actual.links);
            match self.make(change).await? {
                Ok(()) => {
                    tracing::info!("{words}");
                    if let Change::AddAddress(placed) = change {
                        self.announce(placed, &actual.links);
                    }
                }
                Err(error) => {
                    if !self.refused.contains(&change) {
                        tracing::warn!(%error, "refused by the kernel: {words}; tried again every 5 s");
                    }
                    refused.push(change);
                }
            }
        }
        self.refused = refused;
        Some(wanted)
    }

    /// One change, and whether the kernel took it; `None` when it does not answer.
    async fn make(&self, change: Change) -> Option<io::Result<()>> {
        let outcome = timeout(KERNEL_ANSWERS_WITHIN, self.kernel.make(change)).await.ok();
        self.progress.mark();
        outcome
    }

    /// Before the settings are known: cables are looked for, nothing else. `None` when the kernel does not answer.
    async fn begin(&self, interfaces: &[Interface], links: &[Link]) -> Option<()> {
        let used = |link: &&Link| {
            link.is_loopback || interfaces.iter().any(|interface| interface.name.0 == link.name)
        };
        for link in links.iter().filter(|link| !link.is_up).filter(used) {
            if let Err(error) = self.make(Change::Up(link.index)).await? {
                tracing::warn!(interface = link.name, %error, "cannot be brought up");
            }
        }
        Some(())
    }

    /// Has exactly the interfaces searched that are to get their address by DHCP.
    fn search(&mut self, settings: &Settings, links: &[Link]) {
        let by_dhcp: Vec<_> = settings
            .interfaces()
            .into_iter()
            .filter(|interface| interface.ipv4 == Ipv4Setup::Dhcp)
            .filter_map(|interface| {
                links.iter().find(|link| link.name == interface.name.0 && !link.is_loopback)
            })
            .collect();
        self.searches.retain(|name, search| {
            by_dhcp.iter().any(|link| {
                link.name == *name && link.index == search.subject.index && link.mac == search.subject.mac
            })
        });
        for link in by_dhcp {
            let conditions =
                Conditions { carrier: link.is_up && link.carrier, host_name: settings.unit.hostname.clone() };
            let (news, leases) = (&self.news, &self.folders.leases);
            let search = self.searches.entry(link.name.clone()).or_insert_with(|| {
                let subject = Subject { index: link.index, mac: link.mac };
                let (conditions, watched) = watch::channel(Conditions::default());
                let (found_in, found) = watch::channel(None);
                let memory = Memory::new(leases, link.index, link.mac);
                let report = Report { found: found_in, news: news.clone(), memory, kept: None };
                tokio::spawn(acquire(subject, watched, report));
                Search { subject, conditions, found }
            });
            search.conditions.send_if_modified(|known| {
                let is_new = *known != conditions;
                *known = conditions;
                is_new
            });
        }
    }

    /// Tells the neighbours where this address is now; they may remember another unit's hardware address.
    fn announce(&self, placed: Placed, links: &[Link]) {
        let (IpAddr::V4(address), Some(link)) =
            (placed.address, links.iter().find(|link| link.index == placed.index))
        else {
            return;
        };
        let announce = || -> io::Result<()> {
            let socket = PacketSocket::arp(link.index)?;
            socket.send([0xff; 6], &Arp::announcement(link.mac, address).emit())
        };
        if let Err(error) = announce() {
            tracing::debug!(%address, %error, "not announced");
        }
    }
}

async fn at(wake: Option<Instant>) {
    match wake {
        Some(wake) => sleep_until(wake).await,
        None => std::future::pending().await,
    }
}
