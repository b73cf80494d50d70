//! One request to one server and its answer to the client, both ways at once.
//!
//! Neither direction reads more before what it has is written: the slower peer sets the pace, and a connection
//! holds two buffers each way at most. The whole exchange runs under the session's timer, whose deadline each step moves.

use crate::answering::{Answering, Head};
use crate::buffers::Room;
use crate::fault::Fault;
use crate::plan::Plan;
use crate::pool::Upstream;
use crate::sending::{Outgoing, Unsent, send};
use crate::serve::After;
use crate::session::{Job, Session};
use crate::timer::Timer;
use crate::tunnel;
use std::cell::Cell;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::Poll;

/// How an exchange ended well.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ended {
    pub(crate) after: After,
    /// The server takes another request on its connection.
    pub(crate) server_stays: bool,
}

/// What both directions share.
pub(crate) struct Shared<'s> {
    pub(crate) plan: &'s Plan,
    pub(crate) timer: &'s Timer,
    /// The kernel took bytes of the request.
    pub(crate) sent: Cell<bool>,
    /// It took all of it.
    pub(crate) complete: Cell<bool>,
    /// What is missing of it has to come from the client.
    pub(crate) client_owes: Cell<bool>,
    pub(crate) body_touched: Cell<bool>,
    /// The final answer has begun.
    pub(crate) answered: Cell<bool>,
    /// The client has a part of something that is not written to its end yet.
    pub(crate) torn: Cell<bool>,
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
        torn: Cell::new(false),
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
            room: Room::default(),
        };
        shared.timer.watch(both(&shared, send(&shared, outgoing, server_write), answering.run())).await
    };
    job.sent = shared.sent.get();
    job.body_touched = shared.body_touched.get();
    job.body = body;
    session.answered |= shared.answered.get() || shared.torn.get();
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

/// Sends and answers at once, until the answer is whole, or the client's side of the sending fails before the answer has
/// begun: one that got its answer early need not send the rest. Gives the answer's head, and whether all of the request
/// was sent.
async fn both(
    shared: &Shared<'_>,
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
            if let Err(Unsent::Client(fault)) = outcome
                && !shared.answered.get()
            {
                return Poll::Ready(Err(fault));
            }
        }
        answer.as_mut().poll(context).map_ok(|head| (head, sent == Some(Ok(()))))
    })
    .await
}
