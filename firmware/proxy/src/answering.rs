//! The answer's way from the server to the client: heads read and written anew, the body as it comes.

use crate::buffers::{Room, read_some};
use crate::exchange::Shared;
use crate::fault::Fault;
use crate::session::Job;
use bytes::{Buf, BytesMut};
use evener_http1::{BodyReader, HeadLimits, Toward, Version, Wire, is_head_due, read_response};
use std::rc::Rc;
use tokio::io::AsyncWriteExt;
use tokio::net::tcp::{ReadHalf, WriteHalf};

/// What a server's answer head may take.
const ANSWER_LIMITS: HeadLimits = HeadLimits { bytes: 256 * 1024, fields: 1000 };
/// Interim answers (1xx) that a server may send before its answer.
const MOST_INTERIM: usize = 16;

/// What the answer's head said.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Head {
    pub(crate) status: u16,
    pub(crate) body: BodyReader,
    pub(crate) wire: Wire,
    pub(crate) server_stays: bool,
    pub(crate) client_stays: bool,
}

/// The answer on its way from the server to the client.
pub(crate) struct Answering<'s> {
    pub(crate) shared: &'s Shared<'s>,
    pub(crate) job: &'s Job,
    pub(crate) input: &'s mut BytesMut,
    pub(crate) out: &'s mut BytesMut,
    pub(crate) read: ReadHalf<'s>,
    pub(crate) write: WriteHalf<'s>,
    pub(crate) date: Rc<str>,
    pub(crate) keep_alive: bool,
    pub(crate) reused: bool,
    pub(crate) room: Room,
}

impl Answering<'_> {
    /// Passes the answer on to its end.
    pub(crate) async fn run(mut self) -> Result<Head, Fault> {
        let mut head = self.final_head().await?;
        self.shared.answered.set(true);
        self.shared.timer.allow(self.shared.plan.idle);
        loop {
            let relayed = head.body.relay(self.input, head.wire, self.out);
            let done = relayed.map_err(|_| Fault::AnswerBroken)?.done;
            self.flush().await?;
            if done {
                return Ok(head);
            }
            match read_some(&mut self.read, self.input, &mut self.room).await {
                Ok(1..) => {}
                Ok(0) => {
                    head.body.end(head.wire, self.out).map_err(|_| Fault::AnswerBroken)?;
                    self.flush().await?;
                    return Ok(head);
                }
                Err(_) => return Err(Fault::AnswerBroken),
            }
            self.shared.timer.allow(self.shared.plan.idle);
        }
    }

    /// Writes what is in `out` to the client.
    async fn flush(&mut self) -> Result<(), Fault> {
        let mut left = &self.out[..];
        if left.is_empty() {
            return Ok(());
        }
        while !left.is_empty() {
            let written = self.write.write(left).await.map_err(|_| Fault::ClientGone)?;
            left = left.get(written..).unwrap_or_default();
            self.shared.torn.set(true);
        }
        self.out.clear();
        self.shared.torn.set(false);
        if self.shared.answered.get() {
            self.shared.timer.allow(self.shared.plan.idle);
        }
        Ok(())
    }

    /// Passes interim answers on until the final head comes, which is left in `out`.
    async fn final_head(&mut self) -> Result<Head, Fault> {
        for _ in 0..MOST_INTERIM {
            let head = self.head().await?;
            match head.status {
                101 if self.job.upgrade => return Ok(head),
                101 => return Err(Fault::Unexpected),
                // HTTP/1.0 knows no interim answers (RFC 9110 §15.2).
                100..200 if self.job.version == Version::Http10 => self.out.clear(),
                100..200 => self.flush().await?,
                _ => return Ok(head),
            }
            // The server is at work, and says so.
            if self.shared.complete.get() {
                self.shared.timer.allow(self.shared.plan.response_head);
            }
        }
        Err(Fault::Unexpected)
    }

    /// Whether this is what some servers say before they close an idle connection: it answers nobody's request. Where
    /// ours cannot be sent again, it is passed on for what it may be as well.
    fn is_farewell(&self, head: &Head) -> bool {
        let repeatable = self.job.idempotent && !self.shared.body_touched.get();
        self.reused && repeatable && head.status == 408 && !head.server_stays
    }

    /// Reads one head and writes it anew to `out`.
    async fn head(&mut self) -> Result<Head, Fault> {
        let mut seen = 0;
        loop {
            if !self.input.is_empty() && is_head_due(self.input, seen, ANSWER_LIMITS) {
                // While the request is still being sent, nobody knows whether the client will ever finish it.
                let keep_alive = self.keep_alive && self.shared.complete.get();
                let toward = Toward { version: self.job.version, keep_alive, date: &self.date };
                let out = &mut *self.out;
                let read = read_response(self.input, ANSWER_LIMITS, self.job.to_head, |response| {
                    let (wire, client_stays) = response.write(out, toward);
                    let (status, body, server_stays) = (response.status, response.body, response.keep_alive);
                    Head { status, body, wire, server_stays, client_stays }
                });
                if let Some((head, length)) = read.map_err(Fault::BadAnswer)? {
                    self.input.advance(length);
                    return if self.is_farewell(&head) { Err(Fault::Stale) } else { Ok(head) };
                }
            }
            seen = self.input.len();
            match read_some(&mut self.read, self.input, &mut self.room).await {
                Ok(1..) => {}
                Ok(0) | Err(_) if !self.input.is_empty() => return Err(Fault::Unexpected),
                Ok(0) | Err(_) if self.reused => return Err(Fault::Stale),
                Ok(0) | Err(_) => return Err(Fault::NoAnswer),
            }
        }
    }
}
