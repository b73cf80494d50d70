//! An installation: a conversation with the sender, and the thread that writes.
//!
//! The two take turns. The thread owns everything of the installation and reads top to bottom; the conversation
//! hands it one chunk, waits for its reply, and passes that on. Dropping the chunks' channel is how the thread
//! learns that the sender, or an operator, has ended it.

use evener_api::update::{CHUNK_BYTES, Candidate, InstallOrder, InstallReply, Installation, Phase, Request};
use evener_ipc::{Connection, IpcError};
use evener_plan::{Code, Refusal};
use std::pin::pin;
use std::sync::Arc;
use tokio::sync::mpsc;

use crate::busy::Claim;
use crate::offer::End;
use crate::unit::{About, Unit};
use crate::words;
use crate::writer;

/// Serves a connection from [`Request::Install`] on, to the end of that installation.
pub(crate) async fn converse(
    unit: &Arc<Unit>,
    connection: &mut Connection,
    order: InstallOrder,
) -> Result<(), IpcError> {
    let claim = match unit.claim("another installation is under way", true) {
        Ok(claim) => claim,
        Err(busy) => return connection.answer(&InstallReply::Refused(words::told(&busy))).await,
    };
    unit.show_installation(|installation| {
        *installation = Some(Installation {
            phase: Phase::Writing,
            taken: 0,
            size: order.size,
            candidate: None,
            author: order.author.clone(),
        });
    });
    let mut work = Work::start(unit, order, claim);
    connection.answer(&InstallReply::More).await?;
    loop {
        let (request, ended) = work.next(connection).await?;
        let Some(Request::Chunk(bytes)) = request else {
            // Gone, silent for a minute, or against the protocol: dropping `work` ends it.
            return Ok(());
        };
        if let Some(reply) = ended {
            return connection.answer(&reply).await;
        }
        if bytes.len() > CHUNK_BYTES {
            return Ok(());
        }
        let reply = work.push(bytes).await;
        connection.answer(&reply).await?;
        if reply != InstallReply::More {
            return Ok(());
        }
    }
}

fn broken_off() -> InstallReply {
    InstallReply::Refused(words::told(&Code::Cancelled.into()))
}

/// The conversation's end of the writing thread.
struct Work {
    chunks: mpsc::Sender<Vec<u8>>,
    replies: mpsc::Receiver<InstallReply>,
}

impl Work {
    fn start(unit: &Arc<Unit>, order: InstallOrder, claim: Claim) -> Self {
        let (chunks, taken) = mpsc::channel(1);
        let (replied, replies) = mpsc::channel(1);
        let unit = Arc::clone(unit);
        let ending = claim.ending();
        let runtime = tokio::runtime::Handle::current();
        tokio::task::spawn_blocking(move || {
            let mut stream =
                Stream { chunks: taken, replies: replied, ending: Box::pin(ending), runtime, begun: false };
            let outcome = writer::install(&unit, &order, &mut stream, &claim);
            let reply = conclude(&unit, &order, outcome, claim);
            // The sender may be gone; then nobody needs the reply.
            let _ = stream.replies.blocking_send(reply);
        });
        Self { chunks, replies }
    }

    /// The sender's next request; and the last reply, when somebody ended the installation meanwhile: its sender
    /// hears of it when it is his turn to.
    async fn next(
        &mut self,
        connection: &mut Connection,
    ) -> Result<(Option<Request>, Option<InstallReply>), IpcError> {
        // Not to be dropped in the middle of a request.
        let mut request = pin!(connection.next_request());
        tokio::select! {
            request = &mut request => Ok((request?, None)),
            reply = self.replies.recv() => {
                let reply = reply.unwrap_or_else(broken_off);
                Ok((request.await?, Some(reply)))
            }
        }
    }

    async fn push(&mut self, bytes: Vec<u8>) -> InstallReply {
        // Fails when the thread has ended; then its last reply is there.
        let _ = self.chunks.send(bytes).await;
        self.replies.recv().await.unwrap_or_else(broken_off)
    }
}

/// The thread's end: a file that comes in chunks.
pub(crate) struct Stream {
    chunks: mpsc::Receiver<Vec<u8>>,
    replies: mpsc::Sender<InstallReply>,
    ending: std::pin::Pin<Box<dyn Future<Output = ()> + Send>>,
    pub(crate) runtime: tokio::runtime::Handle,
    begun: bool,
}

impl Stream {
    /// The next bytes; none at the end of the file.
    ///
    /// # Errors
    /// [`End::Cancelled`] when the sender is gone or somebody ended it.
    pub(crate) fn next(&mut self) -> Result<Vec<u8>, End> {
        if self.begun {
            // Fails when the sender is gone, which the next line finds out as well.
            let _ = self.replies.blocking_send(InstallReply::More);
        }
        self.begun = true;
        let (chunks, ending) = (&mut self.chunks, &mut self.ending);
        self.runtime.block_on(async {
            tokio::select! {
                chunk = chunks.recv() => chunk.ok_or(End::Cancelled),
                () = ending => Err(End::Cancelled),
            }
        })
    }
}

/// Shows and notes how it ended, and makes the reply.
fn conclude(
    unit: &Unit,
    order: &InstallOrder,
    outcome: Result<writer::Installed, (Option<Box<Candidate>>, End)>,
    claim: Claim,
) -> InstallReply {
    let author = order.author.as_str();
    let (phase, reply) = match outcome {
        Ok(installed) => {
            let candidate = installed.candidate;
            tracing::info!(version = candidate.version, slot = %candidate.slot, author, "installed and verified");
            let detail =
                if installed.although_it_failed { "although it had failed on this unit before" } else { "" };
            let about = About {
                version: Some(installed.facts.version),
                digest: Some(installed.facts.digest),
                author,
                detail,
                ..About::default()
            };
            unit.note("installed", evener_disk::Slot::from_letter(candidate.slot), about);
            (Phase::Installed, InstallReply::Done(Box::new(candidate)))
        }
        Err((candidate, end)) => {
            let version = candidate.as_ref().and_then(|candidate| candidate.version.parse().ok());
            let refusal = match end {
                End::Refused(refusal) => refusal,
                End::Cancelled => Code::Cancelled.into(),
            };
            let cancelled = refusal.code == Code::Cancelled;
            tracing::warn!(%refusal, author, "no firmware was installed");
            let what = if cancelled { "cancelled" } else { "refused" };
            let detail = if cancelled { String::new() } else { refusal.to_string() };
            unit.note(what, None, About { version, author, detail: &detail, ..About::default() });
            let told = words::told(&refusal);
            let phase = if cancelled { Phase::Cancelled } else { Phase::Refused(told.clone()) };
            (phase, InstallReply::Refused(told))
        }
    };
    unit.publish();
    unit.show_installation(|installation| {
        // Whoever sees that this one is over may begin the next, and nobody begins it before that is seen.
        drop(claim);
        if let Some(installation) = installation {
            installation.phase = phase;
        }
    });
    reply
}

/// A refusal as the end of an installation.
impl From<Refusal> for End {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}
