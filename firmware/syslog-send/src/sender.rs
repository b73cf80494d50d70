//! All targets together, and the task of each.

use crate::connection::Connection;
use crate::target::Target;
use evener_api::log::Record;
use evener_syslog::{Queue, message};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::{Notify, watch};
use tokio::task::JoinHandle;

/// Most targets; those beyond are left out.
pub const MOST_TARGETS: usize = 10;
/// Bytes that may wait for one server.
const QUEUE_BYTES: usize = 512 << 10;
/// Pause before a connection is tried again; it doubles up to [`LONGEST_PAUSE`].
const FIRST_PAUSE: Duration = Duration::from_secs(1);
/// Longest of these pauses.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);
/// A connection that held so long was a good one: the pauses begin anew.
const PROVEN_AFTER: Duration = Duration::from_secs(30);

/// What the senders go by.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settings {
    /// The unit's name in each message.
    pub hostname: String,
    /// Where the log is sent.
    pub targets: Vec<Target>,
}

/// Sends records to every target. To be used inside a runtime.
#[derive(Debug, Default)]
pub struct Senders {
    hostname: watch::Sender<String>,
    senders: Vec<Sender>,
}

#[derive(Debug)]
struct Sender {
    target: Target,
    waiting: Arc<Waiting>,
    task: JoinHandle<()>,
}

#[derive(Debug)]
struct Waiting {
    queue: Mutex<Queue>,
    more: Notify,
}

impl Senders {
    /// Goes by these settings from now on. A target that stays keeps its connection and its queue; of one that goes,
    /// what waits is dropped.
    pub fn set(&mut self, settings: Settings) {
        let Settings { hostname, mut targets } = settings;
        self.hostname.send_if_modified(|present| {
            let differs = *present != hostname;
            *present = hostname;
            differs
        });
        if targets.len() > MOST_TARGETS {
            tracing::warn!(given = targets.len(), most = MOST_TARGETS, "some syslog servers are left out");
            targets.truncate(MOST_TARGETS);
        }
        self.senders.retain(|sender| targets.contains(&sender.target));
        for target in targets {
            if !self.senders.iter().any(|sender| sender.target == target) {
                self.senders.push(Sender::start(target, self.hostname.subscribe()));
            }
        }
    }

    /// Gives a record to every target that wants it. Does not wait.
    pub fn push(&self, record: &Record) {
        for sender in self.senders.iter().filter(|sender| record.level <= sender.target.level) {
            sender.waiting.lock().push(record.clone());
            sender.waiting.more.notify_one();
        }
    }

    /// Whether there is any target.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.senders.is_empty()
    }

    /// Resolves when nothing waits any more.
    pub async fn drained(&self) {
        for sender in &self.senders {
            while !sender.waiting.lock().is_empty() {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        }
    }
}

impl Sender {
    fn start(target: Target, hostname: watch::Receiver<String>) -> Self {
        let waiting = Arc::new(Waiting { queue: Mutex::new(Queue::new(QUEUE_BYTES)), more: Notify::new() });
        let task = tokio::spawn(deliver(target.clone(), Arc::clone(&waiting), hostname));
        Self { target, waiting, task }
    }
}

impl Drop for Sender {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Waiting {
    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Delivers what waits, for as long as the target is wanted.
async fn deliver(target: Target, waiting: Arc<Waiting>, hostname: watch::Receiver<String>) {
    let mut pause = FIRST_PAUSE;
    let mut is_away = false;
    loop {
        while waiting.lock().is_empty() {
            waiting.more.notified().await;
        }
        let begun = tokio::time::Instant::now();
        let fault = match Connection::open(&target).await {
            Ok(mut connection) => {
                if std::mem::take(&mut is_away) {
                    tracing::info!(%target, "the syslog server is back");
                }
                let fault = deliver_over(&mut connection, &target, &waiting, &hostname).await;
                connection.close().await;
                fault.to_string()
            }
            Err(error) => error.to_string(),
        };
        // Once: these words are on their way to the other servers, too, and to this one when it is back.
        if !std::mem::replace(&mut is_away, true) {
            tracing::warn!(%target, fault, "the log is not sent: the syslog server is away");
        }
        if begun.elapsed() >= PROVEN_AFTER {
            pause = FIRST_PAUSE;
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

/// Delivers over one connection until it breaks; why it did.
async fn deliver_over(
    connection: &mut Connection,
    target: &Target,
    waiting: &Waiting,
    hostname: &watch::Receiver<String>,
) -> std::io::Error {
    loop {
        let next = waiting.lock().front().map(|record| message(record, target.facility, &hostname.borrow()));
        if let Some(next) = next {
            // What is sent on a connection that has ended already is lost without a word. The runtime asks the kernel
            // whether it has while we stand back.
            tokio::select! {
                biased;
                error = connection.ended() => return error,
                () = tokio::task::yield_now() => {}
            }
            if let Err(error) = connection.send(&next).await {
                return error;
            }
            waiting.lock().sent();
            continue;
        }
        tokio::select! {
            () = waiting.more.notified() => {}
            error = connection.ended() => return error,
        }
    }
}

#[cfg(test)]
mod tests;
