//! The store, with the clock and the thread that it needs.

use evener_api::Service;
use evener_api::log::{Level, Line, Lines, Record, Reply, Search};
use evener_log_store::{Directory, Limits, LogStore, LogStoreError, NewRecord};
use std::error::Error;
use std::fmt::Write;
use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;
use std::time::Duration;
use tokio::sync::oneshot;
use tokio::time::Instant;

/// Folder of the segments, in the service's own.
const FOLDER: &str = "lines";

/// A search that waits for its answer.
#[derive(Debug)]
pub(crate) struct Asked {
    pub(crate) search: Search,
    pub(crate) answer: oneshot::Sender<Reply>,
}

/// Keeps the log.
#[derive(Debug)]
pub(crate) struct Keeper {
    /// `None` while a thread works with it; and for good when there is no place on the disk for it.
    store: Option<LogStore<Directory>>,
    begun: Instant,
    boot: u32,
    /// Why the disk does not take it; said once.
    fault: Option<String>,
}

impl Keeper {
    /// Opens the log below this folder.
    pub(crate) async fn open(own: &Path) -> Self {
        let own = own.to_owned();
        let opened = tokio::task::spawn_blocking(move || {
            // Init makes the service's own folder; outside the appliance nobody does.
            DirBuilder::new().recursive(true).mode(0o700).create(&own).map_err(LogStoreError::List)?;
            let directory = Directory::create(&own.join(FOLDER)).map_err(LogStoreError::List)?;
            LogStore::open(directory, Limits::default())
        });
        let store = match opened.await {
            Ok(Ok(store)) => Some(store),
            Ok(Err(error)) => {
                tracing::error!(error = in_words(&error), "the log is not kept: it cannot be opened");
                None
            }
            Err(error) => {
                tracing::error!(%error, "the log is not kept: opening it broke off");
                None
            }
        };
        let id = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
        let boot = id.get(..8).and_then(|start| u32::from_str_radix(start, 16).ok()).unwrap_or_default();
        Self { store, begun: Instant::now(), boot, fault: None }
    }

    /// Init's number of the last line that is kept of this start of the unit.
    pub(crate) fn last_number(&self) -> u64 {
        self.store.as_ref().map_or(0, |store| store.last_number(self.boot))
    }

    /// Takes lines in, and gives them as records; they wait in memory.
    pub(crate) fn take(&mut self, Lines { lost, lines }: Lines) -> Vec<Record> {
        let gap = lines.first().filter(|_| lost > 0).map(|first| Line {
            number: first.number.saturating_sub(1),
            service: Service::Log,
            level: Level::Warning,
            text: format!("{lost} lines before this one came faster than they could be kept, and are lost"),
            ..first.clone()
        });
        gap.into_iter().chain(lines).map(|line| self.add(line)).collect()
    }

    fn add(&mut self, line: Line) -> Record {
        let (now_ms, boot) = (self.now_ms(), self.boot);
        let Line { number, unix_ms, since_boot_ms, service, level, text } = line;
        let service = service.name().to_owned();
        match &mut self.store {
            Some(store) => {
                let new = NewRecord { unix_ms, since_boot_ms, boot, number, service, level, text };
                store.add(new, now_ms)
            }
            // What cannot be kept can still be sent.
            None => Record { seq: number, unix_ms, since_boot_ms, boot, service, level, text },
        }
    }

    /// How long nothing has to be written.
    pub(crate) fn due_in(&self) -> Duration {
        let due_ms = self.store.as_ref().and_then(LogStore::due);
        due_ms.map_or(Duration::MAX, |due_ms| Duration::from_millis(due_ms.saturating_sub(self.now_ms())))
    }

    /// Writes what waits, if it has waited long enough.
    pub(crate) async fn write_if_due(&mut self) {
        if self.due_in().is_zero() {
            self.write().await;
        }
    }

    /// Writes all that waits.
    pub(crate) async fn write(&mut self) {
        let now_ms = self.now_ms();
        let Some(outcome) = self.with_store(move |store| (store.write(now_ms), store.take_dropped())).await
        else {
            return;
        };
        match outcome {
            (Ok(()), dropped) => {
                if self.fault.take().is_some() {
                    tracing::info!(lost = dropped, "the log is written again");
                }
            }
            (Err(error), dropped) => {
                let words = in_words(&error);
                if self.fault.as_ref() != Some(&words) {
                    tracing::error!(
                        error = words,
                        lost = dropped,
                        "the log cannot be written and waits in memory"
                    );
                    self.fault = Some(words);
                }
            }
        }
    }

    /// Answers a search.
    pub(crate) async fn answer(&mut self, Asked { search, answer }: Asked) {
        let reply = match self.with_store(move |store| store.search(&search)).await {
            Some(Ok(found)) => Reply::Found(found),
            Some(Err(error)) => {
                tracing::error!(error = in_words(&error), "the log cannot be searched");
                Reply::Failed(in_words(&error))
            }
            None => Reply::Failed(String::from("the log could not be opened; the reason is on the console")),
        };
        // Whoever asked may be gone by now.
        let _ = answer.send(reply);
    }

    /// Works with the store on a thread beside: it may wait for the disk.
    async fn with_store<T, W>(&mut self, work: W) -> Option<T>
    where
        T: Send + 'static,
        W: FnOnce(&mut LogStore<Directory>) -> T + Send + 'static,
    {
        let mut store = self.store.take()?;
        let worked = tokio::task::spawn_blocking(move || {
            let outcome = work(&mut store);
            (store, outcome)
        });
        match worked.await {
            Ok((store, outcome)) => {
                self.store = Some(store);
                Some(outcome)
            }
            Err(error) => {
                tracing::error!(%error, "the work with the log broke off");
                None
            }
        }
    }

    fn now_ms(&self) -> u64 {
        u64::try_from(self.begun.elapsed().as_millis()).unwrap_or(u64::MAX)
    }
}

/// An error and its causes.
fn in_words(error: &dyn Error) -> String {
    let mut words = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        // Writing into a string does not fail.
        let _ = write!(words, ": {error}");
        cause = error.source();
    }
    words
}
