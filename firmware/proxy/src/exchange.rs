//! One request to one server and its answer to the client, both ways at once.
//!
//! Neither direction reads more before what it has is written: the slower peer sets the pace, and a connection
//! holds one buffer each way. The whole exchange runs under the session's timer, whose deadline each step moves.

use crate::buffers::read_some;
use crate::fault::Fault;
use crate::plan::Plan;
use crate::pool::Upstream;
use crate::serve::After;
use crate::session::{Job, Session};
use crate::timer::Timer;
use crate::tunnel;
use bytes::{Buf, BytesMut};
use evener_http1::{BodyReader, HeadLimits, Toward, Version, Wire, is_head_due, read_response};
use std::cell::Cell;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::rc::Rc;
use std::task::Poll;
use tokio::io::AsyncWriteExt;
use tokio::net::tcp::{ReadHalf, WriteHalf};

/// What a server's answer head may take.
const ANSWER_LIMITS: HeadLimits = HeadLimits { bytes: 256 * 1024, fields: 1000 };
/// Interim answers (1xx) that a server may send before its answer.
const MOST_INTERIM: usize = 16;

/// How an exchange ended well.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ended {
    pub(crate) after: After,
    /// The server takes another request on its connection.
    pub(crate) server_stays: bool,
}

/// What both directions share.
struct Shared<'s> {
    plan: &'s Plan,
    timer: &'s Timer,
    /// The kernel took bytes of the request.
    sent: Cell<bool>,
    /// It took all of it.
    complete: Cell<bool>,
    /// What is missing of it has to come from the client.
    client_owes: Cell<bool>,
    body_touched: Cell<bool>,
    /// The final answer has begun.
    answered: Cell<bool>,
}

/// Why the request could not be sent to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Unsent {
    /// The client's fault: the exchange is over.
    Client(Fault),
    /// The server takes no more. It may have answered nevertheless.
    Server,
}

/// What the answer's head said.
#[derive(Clone, Copy, Debug)]
struct Head {
    status: u16,
    body: BodyReader,
    wire: Wire,
    server_stays: bool,
    client_stays: bool,
}

/// Runs one exchange. On an error `session.answered` tells whether the client has seen bytes of an answer.
pub(crate) async fn run(
    session: &mut Session,
    plan: &Plan,
    upstream: &mut Upstream,
    job: &mut Job,
) -> Result<Ended, Fault> {
    session.timer.allow(plan.idle);
    let shared = Shared {
        plan,
        timer: &session.timer,
        sent: Cell::new(false),
        complete: Cell::new(false),
        client_owes: Cell::new(false),
        body_touched: Cell::new(job.body_touched),
        answered: Cell::new(false),
    };
    let mut body = job.body;
    let mut out = session.worker.buffers.take();
    let keep_alive = job.keep_alive && !session.local.is_closing();
    let reused = upstream.reused;
    let outcome = {
        let (client_read, client_write) = session.stream.split();
        let (server_read, server_write) = upstream.stream.split();
        let outgoing = Outgoing { job, body: &mut body, input: &mut session.input, read: client_read };
        let answering = Answering {
            shared: &shared,
            job,
            input: &mut upstream.input,
            out: &mut out,
            read: server_read,
            write: client_write,
            date: session.worker.date(),
            keep_alive,
            reused,
        };
        shared.timer.watch(both(send(&shared, outgoing, server_write), answering.run())).await
    };
    job.sent = shared.sent.get();
    job.body_touched = shared.body_touched.get();
    job.body = body;
    session.answered |= shared.answered.get();
    let late = shared.late();
    session.worker.buffers.give(out);
    let (head, sent_all) = outcome.unwrap_or(Err(late))?;
    if head.status == 101 {
        tunnel::run(session, plan, upstream).await;
        return Ok(Ended { after: After::Close, server_stays: false });
    }
    let after = if head.client_stays && sent_all { After::Next } else { After::Close };
    Ok(Ended { after, server_stays: head.server_stays && sent_all })
}

impl Shared<'_> {
    /// What it means that the deadline passed.
    fn late(&self) -> Fault {
        match (self.answered.get(), self.complete.get(), self.client_owes.get()) {
            (true, _, _) => Fault::Stalled,
            (false, false, true) => Fault::BodyTimeout,
            // It does not answer, or does not even take the request.
            (false, true, _) | (false, false, false) => Fault::AnswerTimeout,
        }
    }
}

/// Sends and answers at once, until the answer is whole, or the client's side of the sending fails. Gives the
/// answer's head, and whether all of the request was sent.
async fn both(
    send: impl Future<Output = Result<(), Unsent>>,
    answer: impl Future<Output = Result<Head, Fault>>,
) -> Result<(Head, bool), Fault> {
    let (mut send, mut answer) = (pin!(send), pin!(answer));
    let mut sent = None;
    poll_fn(|context| {
        if sent.is_none()
            && let Poll::Ready(outcome) = send.as_mut().poll(context)
        {
            sent = Some(outcome);
            if let Err(Unsent::Client(fault)) = outcome {
                return Poll::Ready(Err(fault));
            }
        }
        answer.as_mut().poll(context).map_ok(|head| (head, sent == Some(Ok(()))))
    })
    .await
}

/// What is to be sent, and where the rest of it comes from.
struct Outgoing<'s> {
    job: &'s Job,
    body: &'s mut BodyReader,
    input: &'s mut BytesMut,
    read: ReadHalf<'s>,
}

/// Sends the request: what is here, then the rest of the body as it comes.
async fn send(shared: &Shared<'_>, from: Outgoing<'_>, mut server: WriteHalf<'_>) -> Result<(), Unsent> {
    let Outgoing { job, body, input, mut read } = from;
    let mut left = &job.bytes[..];
    while !left.is_empty() {
        let written = server.write(left).await.map_err(|_| Unsent::Server)?;
        shared.sent.set(true);
        left = left.get(written..).unwrap_or_default();
    }
    let mut out = BytesMut::new();
    while !body.is_done() {
        let before = input.len();
        let done = body.relay(input, job.wire, &mut out).map_err(|_| Unsent::Client(Fault::BadBody))?.done;
        if input.len() != before || !out.is_empty() {
            shared.body_touched.set(true);
            server.write_all(&out).await.map_err(|_| Unsent::Server)?;
            out.clear();
            shared.timer.allow(shared.plan.idle);
        }
        if done {
            break;
        }
        shared.client_owes.set(true);
        match read_some(&mut read, input).await {
            Ok(1..) => shared.timer.allow(shared.plan.idle),
            Ok(0) | Err(_) => return Err(Unsent::Client(Fault::ClientGone)),
        }
        shared.client_owes.set(false);
    }
    shared.complete.set(true);
    if !shared.answered.get() {
        shared.timer.allow(shared.plan.response_head);
    }
    Ok(())
}

/// The answer on its way from the server to the client.
struct Answering<'s> {
    shared: &'s Shared<'s>,
    job: &'s Job,
    input: &'s mut BytesMut,
    out: &'s mut BytesMut,
    read: ReadHalf<'s>,
    write: WriteHalf<'s>,
    date: Rc<str>,
    keep_alive: bool,
    reused: bool,
}

impl Answering<'_> {
    async fn run(mut self) -> Result<Head, Fault> {
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
            match read_some(&mut self.read, self.input).await {
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
        if !self.out.is_empty() {
            self.write.write_all(self.out).await.map_err(|_| Fault::ClientGone)?;
            self.out.clear();
            if self.shared.answered.get() {
                self.shared.timer.allow(self.shared.plan.idle);
            }
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
            match read_some(&mut self.read, self.input).await {
                Ok(1..) => {}
                Ok(0) | Err(_) if !self.input.is_empty() => return Err(Fault::Unexpected),
                Ok(0) | Err(_) if self.reused => return Err(Fault::Stale),
                Ok(0) | Err(_) => return Err(Fault::NoAnswer),
            }
        }
    }
}
