//! A terminal of the machine itself: a serial port, a screen with its keyboard.
//!
//! While nobody is logged in, the log of the unit goes there, as it does at boot, and nothing is echoed. What arrives is
//! listened to in small portions: a line that is never silent is deaf for most of the time, and takes no interrupts
//! meanwhile (row A10 of the requirements; `evener_menu::Bucket`). Enter by itself opens the menu, and init keeps the
//! log off until it is closed.

use crate::gate::Who;
use crate::talk::{Wire, talk};
use crate::unit::Unit;
use evener_api::Service;
use evener_api::init::{self, CONSOLES, ServiceState};
use evener_menu::{Bucket, Knock, Opening, Place};
use evener_sys::device::Device;
use evener_sys::{clock, console};
use std::future::pending;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// Pause before a terminal that could not be opened, or was unplugged, is tried again.
const AGAIN_AFTER: Duration = Duration::from_secs(30);
/// How long a terminal stays deaf once more arrived than a person types.
const DEAF: Duration = Duration::from_secs(10);
/// As [`DEAF`], in a session: somebody pasted something.
const DEAF_IN_SESSION: Duration = Duration::from_secs(2);
/// Bytes and bytes a second that are listened to while nobody is at the menu.
const IDLE: (u32, u32) = (128, 16);
/// As [`IDLE`], in a session.
const IN_SESSION: (u32, u32) = (2048, 256);
/// How often it is asked whether every service is up, before a terminal is listened to for the first time.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// A unit that does not get there has a menu all the same.
const READY_WITHIN: Duration = Duration::from_secs(60);

/// A terminal that init has given to this service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Terminal {
    number: u8,
    name: String,
    path: PathBuf,
}

/// The terminals that init has given to this service, by the links in `run`.
#[must_use]
pub fn terminals(run: &Path) -> Vec<Terminal> {
    let entries = std::fs::read_dir(run.join(CONSOLES)).into_iter().flatten().flatten();
    let mut found: Vec<Terminal> = entries
        .filter_map(|entry| {
            let name = entry.file_name().into_string().ok()?;
            let (number, name) = name.split_once('-')?;
            Some(Terminal { number: number.parse().ok()?, name: name.to_owned(), path: entry.path() })
        })
        .collect();
    found.sort_by_key(|terminal| terminal.number);
    found
}

/// Has the menu on a terminal, for ever.
pub async fn attend(terminal: Terminal, unit: Arc<Unit>) {
    let who = Who::at(&terminal.name);
    // Whatever arrives while the unit starts must not make its start slower.
    let _ = tokio::time::timeout(READY_WITHIN, all_running(&unit)).await;
    let mut told = false;
    loop {
        if let Err(error) = listen(&terminal, &unit, &who).await
            && !told
        {
            tracing::info!(terminal = terminal.name, %error, "no menu there at the moment");
            told = true;
        }
        tokio::time::sleep(AGAIN_AFTER).await;
    }
}

/// Resolves when every service runs.
async fn all_running(unit: &Unit) {
    let mut interval = tokio::time::interval(LOOK_EVERY);
    loop {
        interval.tick().await;
        let Some(status) = unit.init_status().await else { continue };
        if status.services.iter().all(|service| service.state == ServiceState::Running) {
            return;
        }
    }
}

async fn listen(terminal: &Terminal, unit: &Unit, who: &Who) -> io::Result<()> {
    let mut ears = Ears::open(&terminal.path)?;
    tracing::info!(terminal = terminal.name, "Enter opens the menu");
    loop {
        ears.until_knocked().await?;
        quiet(unit, terminal, true).await;
        ears.bucket = Bucket::new(IN_SESSION.0, IN_SESSION.1, clock::since_boot());
        ears.deaf_for = DEAF_IN_SESSION;
        let opening =
            Opening { place: Place::Machine, title: unit.title(), rescue: unit.is_in_rescue(), user: None };
        let outcome = talk(&mut ears, unit, who.clone(), opening).await;
        quiet(unit, terminal, false).await;
        outcome?;
        ears.bucket = Bucket::new(IDLE.0, IDLE.1, clock::since_boot());
        ears.deaf_for = DEAF;
    }
}

/// Without init the log and the menu are mixed, and nothing worse.
async fn quiet(unit: &Unit, terminal: &Terminal, quiet: bool) {
    let request = init::Request::Quiet { terminal: terminal.number, quiet };
    let outcome: Result<init::Reply, _> = evener_ipc::call(unit.run(), Service::Init, &request).await;
    if let Err(error) = outcome {
        tracing::warn!(%error, "the log is not kept off the menu");
    }
}

/// Listens to a terminal, but not to floods.
#[derive(Debug)]
struct Ears {
    device: Device,
    bucket: Bucket,
    deaf_for: Duration,
    deaf_until: Option<Duration>,
}

impl Ears {
    fn open(path: &Path) -> io::Result<Self> {
        let device = Device::new(console::open_for_menu(path)?)?;
        console::listen(&device, true)?;
        let bucket = Bucket::new(IDLE.0, IDLE.1, clock::since_boot());
        Ok(Self { device, bucket, deaf_for: DEAF, deaf_until: None })
    }

    /// Resolves when somebody pressed Enter, and nothing else.
    async fn until_knocked(&mut self) -> io::Result<()> {
        let (mut knock, mut buffer) = (Knock::default(), [0; 64]);
        loop {
            let due = knock.due();
            let silence = async {
                match due {
                    Some(due) => tokio::time::sleep(due.saturating_sub(clock::since_boot())).await,
                    None => pending().await,
                }
            };
            tokio::select! {
                heard = self.hear(&mut buffer) => match heard? {
                    0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                    count => knock.bytes(buffer.get(..count).unwrap_or_default(), clock::since_boot()),
                },
                () = silence => if knock.opens(clock::since_boot()) { return Ok(()) },
            }
        }
    }
}

impl Wire for Ears {
    async fn hear(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            if let Some(until) = self.deaf_until {
                tokio::time::sleep(until.saturating_sub(clock::since_boot())).await;
                self.deaf_until = None;
                console::listen(&self.device, true)?;
            }
            let level = usize::try_from(self.bucket.level(clock::since_boot())).unwrap_or(usize::MAX);
            if level == 0 {
                console::listen(&self.device, false)?;
                self.deaf_until = Some(clock::since_boot() + self.deaf_for);
                continue;
            }
            let most = level.min(buffer.len());
            let count = self.device.read(buffer.get_mut(..most).unwrap_or_default()).await?;
            self.bucket.take(count);
            return Ok(count);
        }
    }

    async fn say(&mut self, text: &str) -> io::Result<()> {
        // The driver puts the return in front of a line feed by itself.
        let text = text.replace("\r\n", "\n");
        let mut rest = text.as_bytes();
        while !rest.is_empty() {
            let count = self.device.write(rest).await?;
            rest = rest.get(count..).unwrap_or_default();
        }
        Ok(())
    }
}
