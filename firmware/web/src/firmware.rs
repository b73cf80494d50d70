//! What update is asked, and how a firmware file gets to it.
//!
//! A file is never here as a whole: it goes through in chunks, each of which update answers once it took it, so a
//! sender can never run ahead of the unit's disk. Dropping the conversation cancels the installation.

use crate::app::App;
use evener_api::Service;
use evener_api::update::{CHUNK_BYTES, Candidate, Changed, InstallOrder, InstallReply, Refusal, Request};
use evener_ipc::{Connection, IpcError};
use serde::de::DeserializeOwned;
use std::time::Duration;

/// Most bytes of a firmware file that are taken: many times what a firmware has, and fewer than would keep a
/// connection busy for a day.
pub(crate) const FILE_BYTES: u64 = 256 << 20;
/// How long update may take over one chunk: a disk that is slower than that is broken.
const CHUNK_WITHIN: Duration = Duration::from_secs(120);
/// How long it may take to read everything back from the disk and verify it.
const VERIFIED_WITHIN: Duration = Duration::from_secs(15 * 60);

/// Why update did not do what it was asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// It says why.
    Refused(Refusal),
    /// The disk refused, or update does not do this for us; in words.
    Failed(String),
    /// It does not answer; it was not asked.
    Away,
    /// It stopped answering in the middle.
    Lost,
}

impl Fault {
    /// In words, with what it means.
    pub(crate) fn words(&self) -> String {
        match self {
            Self::Refused(refusal) => format!("{} {}", sentence(&refusal.detail), sentence(&refusal.remedy)),
            Self::Failed(reason) => format!("Nothing was changed: {reason}."),
            Self::Away => String::from(
                "The service update does not answer, so nothing was changed. It is started again by itself; \
                 try again in a minute.",
            ),
            Self::Lost => String::from(
                "The service update stopped answering in the middle. The firmware that is running was not \
                 touched. Look at the slots, then try again.",
            ),
        }
    }
}

impl From<IpcError> for Fault {
    fn from(error: IpcError) -> Self {
        tracing::error!(%error, "update does not answer");
        if matches!(error, IpcError::Connect { .. }) { Self::Away } else { Self::Lost }
    }
}

/// A capital letter in front and a full stop behind, where they are missing.
pub(crate) fn sentence(text: &str) -> String {
    let text = text.trim();
    let mut letters = text.chars();
    let Some(first) = letters.next() else { return String::new() };
    // A word such as `evener-1.2.0.evfw` or an address keeps its letter.
    let word = text.split(' ').next().unwrap_or_default();
    let plain = word.chars().all(|letter| letter.is_alphabetic() || letter == '\'' || letter == ',');
    let mut whole: String = if plain { first.to_uppercase().collect() } else { first.into() };
    whole.push_str(letters.as_str());
    if !whole.ends_with(['.', '!', '?', ':']) {
        whole.push('.');
    }
    whole
}

/// Asks update for a change; gives the slot that the next boot starts.
///
/// # Errors
/// Why it was not made.
pub(crate) async fn change(app: &App, request: Request) -> Result<char, Fault> {
    match evener_ipc::call(app.run(), Service::Update, &request).await? {
        Changed::Next(slot) => Ok(slot),
        Changed::Refused(refusal) => Err(Fault::Refused(refusal)),
        Changed::Forbidden => Err(forbidden()),
        Changed::Failed(reason) => Err(Fault::Failed(reason)),
    }
}

/// What a firmware file is, by its first bytes, at most [`CHUNK_BYTES`].
///
/// # Errors
/// Why it is none that a trusted key signed.
pub(crate) async fn inspect(app: &App, head: Vec<u8>) -> Result<Box<Candidate>, Fault> {
    use evener_api::update::Inspected;
    match evener_ipc::call(app.run(), Service::Update, &Request::Inspect(head)).await? {
        Inspected::Firmware(candidate) => Ok(candidate),
        Inspected::Refused(refusal) => Err(Fault::Refused(refusal)),
        Inspected::Forbidden => Err(forbidden()),
    }
}

fn forbidden() -> Fault {
    Fault::Failed(String::from("update does not do this for the pages"))
}

/// An installation on its way to update.
#[derive(Debug)]
pub(crate) struct Installing {
    connection: Connection,
    /// Bytes that are not a whole chunk yet.
    begun: Vec<u8>,
    /// Bytes of the file that came so far.
    taken: u64,
}

impl Installing {
    /// Asks update whether it begins an installation.
    ///
    /// # Errors
    /// Why it does not.
    pub(crate) async fn begin(app: &App, order: InstallOrder) -> Result<Self, Fault> {
        let connection = Connection::open(app.run(), Service::Update).await?;
        let mut installing = Self { connection, begun: Vec::new(), taken: 0 };
        match installing.say(&Request::Install(order), CHUNK_WITHIN).await? {
            InstallReply::More => Ok(installing),
            other => Err(refused(other)),
        }
    }

    /// Bytes of the file that came so far.
    pub(crate) const fn taken(&self) -> u64 {
        self.taken
    }

    /// The next bytes of the file. Returns when there is room for more.
    ///
    /// # Errors
    /// Why the installation is over; it is to be dropped then.
    pub(crate) async fn push(&mut self, mut bytes: &[u8]) -> Result<(), Fault> {
        while !bytes.is_empty() {
            let room = CHUNK_BYTES.saturating_sub(self.begun.len());
            let (now, later) = bytes.split_at(room.min(bytes.len()));
            self.begun.extend_from_slice(now);
            self.taken = self.taken.saturating_add(now.len() as u64);
            bytes = later;
            if self.begun.len() == CHUNK_BYTES {
                self.send_begun().await?;
            }
        }
        Ok(())
    }

    /// The file has ended: waits until update has read everything back from the disk and verified it.
    ///
    /// # Errors
    /// Why it is not installed.
    pub(crate) async fn finish(mut self) -> Result<Box<Candidate>, Fault> {
        if !self.begun.is_empty() {
            self.send_begun().await?;
        }
        match self.say(&Request::Chunk(Vec::new()), VERIFIED_WITHIN).await? {
            InstallReply::Done(candidate) => Ok(candidate),
            other => Err(refused(other)),
        }
    }

    async fn send_begun(&mut self) -> Result<(), Fault> {
        let chunk = std::mem::take(&mut self.begun);
        match self.say(&Request::Chunk(chunk), CHUNK_WITHIN).await? {
            InstallReply::More => Ok(()),
            other => Err(refused(other)),
        }
    }

    async fn say<A: DeserializeOwned>(&mut self, request: &Request, within: Duration) -> Result<A, Fault> {
        let exchange = async {
            self.connection.send(request).await?;
            self.connection.receive().await?.ok_or(IpcError::Closed)
        };
        match tokio::time::timeout(within, exchange).await {
            Ok(Ok(reply)) => Ok(reply),
            Ok(Err(error)) => Err(error.into()),
            Err(_) => {
                tracing::error!(?within, "update does not answer");
                Err(Fault::Lost)
            }
        }
    }
}

fn refused(reply: InstallReply) -> Fault {
    match reply {
        InstallReply::Refused(refusal) => Fault::Refused(refusal),
        InstallReply::Forbidden => forbidden(),
        InstallReply::More | InstallReply::Done(_) => {
            tracing::error!("update gave an answer that does not fit the question");
            Fault::Lost
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_become_sentences_and_names_stay_as_they_are() {
        assert_eq!(sentence("the file ends too early"), "The file ends too early.");
        assert_eq!(sentence("1.0.0 is below the floor."), "1.0.0 is below the floor.");
        assert_eq!(sentence("evener-1.evfw is damaged"), "evener-1.evfw is damaged.");
        assert_eq!(sentence(""), "");
    }
}
