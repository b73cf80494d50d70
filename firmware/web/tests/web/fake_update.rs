//! An update service that writes nowhere: it takes a file, refuses it, is slow or dies, as it is told.

use evener_api::update::{
    Candidate, Changed, FirmwareStatus, Happening, Inspected, InstallOrder, InstallReply, Installation,
    Phase, Proving, Refusal, Request, Restorable, SlotStatus,
};
use evener_ipc::{Connection, publish};
use std::sync::{Arc, Mutex};
use tokio::sync::{Semaphore, watch};

/// What it is told to do with the next file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum Mood {
    /// Takes it.
    #[default]
    Accept,
    /// Takes so many bytes, then refuses.
    Refuse(u64, Refusal),
    /// Is installing another one.
    Busy,
    /// Takes so many bytes, then breaks off.
    Die(u64),
    /// Takes each chunk only when [`FakeUpdate::through`] allows it.
    Slow,
}

/// The service's state and what was done to it.
#[derive(Debug)]
pub(crate) struct FakeUpdate {
    /// What it publishes.
    pub(crate) status: watch::Sender<Arc<FirmwareStatus>>,
    /// How it treats the next file.
    pub(crate) mood: Mutex<Mood>,
    /// What it says about the head of a file.
    pub(crate) inspected: Mutex<Inspected>,
    /// What it answers to changes of the slots.
    pub(crate) changed: Mutex<Changed>,
    /// What it was asked, chunks and questions apart.
    pub(crate) asked: Mutex<Vec<Request>>,
    /// The bytes of the file that is installed or was.
    pub(crate) received: Mutex<Vec<u8>>,
    /// Allows chunks while it is slow.
    pub(crate) through: Semaphore,
    /// Times that its state was asked for.
    pub(crate) seen: watch::Sender<u32>,
    /// Times that it heard of a person at work.
    pub(crate) attended: watch::Sender<u32>,
    /// Installations that ended before their file did.
    pub(crate) cancelled: watch::Sender<u32>,
}

impl FakeUpdate {
    /// A unit that runs 0.1.0 from slot A.
    pub(crate) fn new() -> Self {
        Self {
            status: watch::Sender::new(Arc::new(healthy())),
            mood: Mutex::default(),
            inspected: Mutex::new(Inspected::Firmware(Box::new(candidate()))),
            changed: Mutex::new(Changed::Next('B')),
            asked: Mutex::default(),
            received: Mutex::default(),
            through: Semaphore::new(0),
            seen: watch::Sender::new(0),
            attended: watch::Sender::new(0),
            cancelled: watch::Sender::new(0),
        }
    }

    /// Changes what it publishes.
    pub(crate) fn say(&self, change: impl FnOnce(&mut FirmwareStatus)) {
        self.status.send_modify(|status| change(Arc::make_mut(status)));
    }

    /// Serves one connection.
    pub(crate) async fn serve(&self, mut connection: Connection) {
        while let Ok(Some(request)) = connection.receive::<Request>().await {
            let sent = match request {
                Request::Get => {
                    let status = Arc::clone(&self.status.borrow());
                    self.seen.send_modify(|times| *times += 1);
                    connection.send(&*status).await
                }
                Request::Subscribe => return drop(publish(&mut connection, self.status.subscribe()).await),
                Request::Inspect(_) => {
                    let inspected = self.inspected.lock().unwrap().clone();
                    connection.send(&inspected).await
                }
                Request::Install(order) => {
                    self.asked.lock().unwrap().push(Request::Install(order.clone()));
                    if self.install(&mut connection, order).await.is_none() {
                        self.say(|status| {
                            if let Some(installation) = &mut status.installation
                                && matches!(installation.phase, Phase::Writing | Phase::Verifying)
                            {
                                installation.phase = Phase::Cancelled;
                            }
                        });
                        self.cancelled.send_modify(|count| *count += 1);
                        return;
                    }
                    Ok(())
                }
                Request::Chunk(_) => return,
                Request::Attended => {
                    self.attended.send_modify(|times| *times += 1);
                    connection.send(&()).await
                }
                other => {
                    let mut changed = self.changed.lock().unwrap().clone();
                    if other == Request::Forgive && matches!(changed, Changed::Next(_)) {
                        self.say(|status| status.running = 'A');
                        changed = Changed::Next('A');
                    }
                    self.asked.lock().unwrap().push(other);
                    connection.send(&changed).await
                }
            };
            if sent.is_err() {
                return;
            }
        }
    }

    /// `None` when it ended before the file did.
    async fn install(&self, connection: &mut Connection, order: InstallOrder) -> Option<()> {
        let mood = self.mood.lock().unwrap().clone();
        if mood == Mood::Busy {
            return connection.send(&InstallReply::Refused(busy())).await.ok();
        }
        self.received.lock().unwrap().clear();
        let phase = |phase, taken| {
            self.say(|status| {
                status.installation = Some(Installation {
                    phase,
                    taken,
                    size: order.size,
                    candidate: (taken > 0).then(candidate),
                    author: order.author.clone(),
                });
            });
        };
        phase(Phase::Writing, 0);
        connection.send(&InstallReply::More).await.ok()?;
        while let Some(Request::Chunk(bytes)) = connection.receive().await.ok()? {
            if bytes.is_empty() {
                let taken = self.received.lock().unwrap().len() as u64;
                phase(Phase::Verifying, taken);
                if mood == Mood::Slow {
                    self.through.acquire().await.ok()?.forget();
                }
                phase(Phase::Installed, taken);
                self.say(waits_in_slot_b);
                return connection.send(&InstallReply::Done(Box::new(candidate()))).await.ok();
            }
            if mood == Mood::Slow {
                self.through.acquire().await.ok()?.forget();
            }
            let taken = {
                let mut received = self.received.lock().unwrap();
                received.extend_from_slice(&bytes);
                received.len() as u64
            };
            match &mood {
                Mood::Refuse(at, refusal) if taken > *at => {
                    phase(Phase::Refused(refusal.clone()), taken);
                    return connection.send(&InstallReply::Refused(refusal.clone())).await.ok();
                }
                Mood::Die(at) if taken > *at => return None,
                _ => {}
            }
            phase(Phase::Writing, taken);
            connection.send(&InstallReply::More).await.ok()?;
        }
        None
    }
}

/// A refusal, as update words it.
pub(crate) fn refusal(code: &str, kind: &str, detail: &str, remedy: &str) -> Refusal {
    Refusal {
        code: code.to_owned(),
        kind: kind.to_owned(),
        detail: detail.to_owned(),
        remedy: remedy.to_owned(),
        can_be_overridden: kind == "failed-here-before",
    }
}

/// Below the floor.
pub(crate) fn below_floor() -> Refusal {
    let detail = "1.0.0 is below 1.1.0, the lowest version that this unit may go back to";
    refusal("F10", "below-floor", detail, "install 1.1.0 or a later version")
}

/// It failed on this unit.
pub(crate) fn failed_before() -> Refusal {
    let detail = "this very firmware, 1.1.0, failed on this unit before: proxy did not answer";
    refusal("F14", "failed-here-before", detail, "install another version, or this one all the same")
}

/// Another one is being installed.
pub(crate) fn busy() -> Refusal {
    refusal("F15", "busy", "another firmware is being installed", "wait until it is done, or cancel it")
}

/// What every file is.
pub(crate) fn candidate() -> Candidate {
    Candidate {
        version: String::from("1.1.0"),
        signer: String::from("6f1d93b2c0a4e857 (development key)"),
        floor: String::from("0.1.0"),
        installable_from: String::from("0.1.0"),
        notes: String::from("Answers HTTP/2.\nFixes a leak of <buffers>."),
        digest: String::from("9b74c9897bac770ffc029102a200c5de9b74c9897bac770ffc029102a200c5de"),
        slot: 'B',
        replaces: Some(String::from("0.0.9")),
        loses: Vec::new(),
        refusal: None,
    }
}

/// What the other slot holds, for going back.
pub(crate) fn previous() -> Restorable {
    Restorable {
        slot: 'B',
        version: String::from("0.0.9"),
        loses: vec![String::from("virtual service shop: its HTTP/2 setting")],
        refusal: None,
    }
}

fn waits_in_slot_b(status: &mut FirmwareStatus) {
    let one = candidate();
    status.next = Some('B');
    status.slots[1] = SlotStatus {
        slot: 'B',
        state: String::from("trial"),
        version: Some(one.version),
        signer: Some(one.signer),
        notes: Some(one.notes),
        tries: 3,
        below_floor: false,
    };
}

/// A firmware that is proving itself.
pub(crate) fn on_trial(status: &mut FirmwareStatus) {
    status.running = 'B';
    status.mode = String::from("trial");
    status.proving = Some(Proving {
        on_trial: true,
        healthy_s: 24,
        needed_s: 60,
        left_s: Some(251),
        fault: Some(String::from("proxy: virtual service shop is not bound")),
    });
}

fn healthy() -> FirmwareStatus {
    let slot = |slot, state: &str, version: Option<&str>| SlotStatus {
        slot,
        state: state.to_owned(),
        version: version.map(str::to_owned),
        signer: version.map(|_| String::from("6f1d93b2c0a4e857 (development key)")),
        notes: version.map(|version| format!("Notes of {version}.")),
        tries: 0,
        below_floor: false,
    };
    FirmwareStatus {
        running: 'A',
        mode: String::from("normal"),
        slots: vec![
            slot('A', "confirmed", Some("0.1.0")),
            slot('B', "empty", None),
            slot('R', "confirmed", Some("0.1.0")),
        ],
        floor: String::from("0.1.0"),
        next: Some('A'),
        history: vec![
            Happening {
                unix_s: 1_699_990_000,
                what: String::from("failed"),
                slot: Some('B'),
                version: Some(String::from("1.0.1")),
                author: String::from("unit"),
                detail: String::from("its last boot never reached its services"),
            },
            Happening {
                unix_s: 1_699_980_000,
                what: String::from("confirmed"),
                slot: Some('A'),
                version: Some(String::from("0.1.0")),
                author: String::from("unit"),
                detail: String::new(),
            },
        ],
        ..FirmwareStatus::default()
    }
}
