//! The life of a client's connection, top to bottom: accept → route → pick → connect → forward.
//!
//! Each step is one function, in this order. The only loop besides "next request" is the one around pick,
//! connect and forward: a failure that `fault.rs` calls retryable sends the request to the next server, each
//! server once. `docs/data-path.md` draws the same five steps.

use crate::exchange;
use crate::fault::{Fault, Sent, Side};
use crate::plan::{Plan, Server};
use crate::pool::{self, Upstream};
use crate::service::ServerShard;
use crate::session::{Job, Session};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

/// Servers that a request visits at most: when so many in a row fail it, the next would keep its client waiting too.
const MOST_SERVERS: usize = 4;

/// What follows a request that was answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum After {
    /// The next one on the same connection.
    Next,
    /// The end of the connection.
    Close,
}

/// Serves one client connection to its end.
pub(crate) async fn serve(mut session: Session) {
    loop {
        let job = match accept(&mut session).await {
            Ok(Some(job)) => job,
            Ok(None) => break,
            Err(fault) => {
                note(&session, fault);
                session.answer(fault, None).await;
                break;
            }
        };
        if request(&mut session, job).await == After::Close {
            break;
        }
    }
    session.close().await;
}

/// The next request of this client, whole and checked, or `None` at the end.
async fn accept(session: &mut Session) -> Result<Option<Job>, Fault> {
    session.answered = false;
    let job = session.next_request().await?;
    if job.is_some() {
        session.count(|shard| &shard.requests);
    }
    Ok(job)
}

/// Answers one request: by a server, or with words of our own.
async fn request(session: &mut Session, mut job: Job) -> After {
    let plan = route(session);
    let mut tried = Tried::default();
    let after = loop {
        let fault = match attempt(session, &plan, &mut tried, &mut job).await {
            Ok(after) => break after,
            Err(fault) => fault,
        };
        note(session, fault);
        let sent = Sent { any: job.sent, all_here: !job.body_touched, idempotent: job.idempotent };
        let again = !session.answered && fault.verdict().retry.allows(sent);
        if again && tried.others_left(&plan, fault) {
            session.count(|shard| &shard.retries);
            continue;
        }
        break if session.answer(fault, Some(&job)).await { After::Next } else { After::Close };
    };
    session.worker.buffers.give(job.bytes);
    after
}

/// One server's chance.
async fn attempt(
    session: &mut Session,
    plan: &Plan,
    tried: &mut Tried,
    job: &mut Job,
) -> Result<After, Fault> {
    let server = pick(session, plan, tried)?;
    let active = Active::begin(server, session.worker.index);
    let outcome = match connect(session, plan, server, tried, job).await {
        Ok(upstream) => forward(session, plan, server, upstream, job).await,
        Err(fault) => Err(fault),
    };
    active.end(&outcome);
    outcome
}

/// The plan of this service, as it is when the request begins. (One service a listener: nothing to choose yet.)
fn route(session: &mut Session) -> Arc<Plan> {
    session.plan()
}

/// The server whose turn it is.
fn pick<'p>(session: &Session, plan: &'p Plan, tried: &mut Tried) -> Result<&'p Server, Fault> {
    if let Some(index) = tried.again.take() {
        return plan.servers.get(index).ok_or(Fault::NoServer);
    }
    let mut turns = session.local.turns.borrow_mut();
    let index =
        evener_balance::pick(&mut turns, plan.scheduler, plan.edition, &plan.candidates, &tried.servers)
            .ok_or(Fault::NoServer)?;
    let server = plan.servers.get(index).ok_or(Fault::NoServer)?;
    tried.servers.push(server.id.0);
    tried.last = index;
    Ok(server)
}

/// A connection to it: a kept one, unless that failed before, or a new one.
async fn connect(
    session: &Session,
    plan: &Plan,
    server: &Server,
    tried: &Tried,
    job: &mut Job,
) -> Result<Upstream, Fault> {
    job.sent = false;
    let worker = &session.worker;
    let kept = if tried.stale { None } else { worker.pool.take(server.address, !job.idempotent) };
    let reused = kept.is_some();
    let stream = match kept {
        Some(stream) => stream,
        None => pool::open(server.address, &session.timer, plan.connect).await?,
    };
    Ok(Upstream::new(stream, reused, &worker.buffers))
}

/// The request to the server, the answer to the client, as it comes and no faster than it is taken.
async fn forward(
    session: &mut Session,
    plan: &Plan,
    server: &Server,
    mut upstream: Upstream,
    job: &mut Job,
) -> Result<After, Fault> {
    let outcome = exchange::run(session, plan, &mut upstream, job).await;
    let Upstream { stream, input, .. } = upstream;
    if let Ok(ended) = outcome
        && ended.server_stays
        && input.is_empty()
    {
        session.worker.pool.give(server.address, stream);
    }
    session.worker.buffers.give(input);
    outcome.map(|ended| ended.after)
}

/// Which servers a request has been to.
#[derive(Debug, Default)]
struct Tried {
    servers: Vec<u32>,
    last: usize,
    /// A kept connection turned out to be dead, which says nothing about its server: that one gets its chance
    /// on a new connection.
    again: Option<usize>,
    stale: bool,
}

impl Tried {
    /// Whether there is a server for another attempt, and if it is the same one, remembers that.
    fn others_left(&mut self, plan: &Plan, fault: Fault) -> bool {
        if fault == Fault::Stale && !self.stale {
            self.stale = true;
            self.again = Some(self.last);
            return true;
        }
        if self.servers.len() >= MOST_SERVERS {
            return false;
        }
        plan.candidates.iter().any(|server| {
            server.standing != evener_balance::Standing::Out && !self.servers.contains(&server.id)
        })
    }
}

/// Counts a request at its server for as long as it is there, also if the task is dropped.
struct Active<'s>(Option<&'s ServerShard>);

impl<'s> Active<'s> {
    fn begin(server: &'s Server, worker: usize) -> Self {
        let shard = server.shards.get(worker);
        if let Some(shard) = shard {
            shard.active.fetch_add(1, Relaxed);
        }
        Self(shard)
    }

    fn end(self, outcome: &Result<After, Fault>) {
        let Some(shard) = self.0 else { return };
        match outcome {
            Ok(_) => _ = shard.requests.fetch_add(1, Relaxed),
            // The server may close what is idle.
            Err(Fault::Stale) => {}
            Err(fault) if fault.verdict().side == Side::Server => _ = shard.faults.fetch_add(1, Relaxed),
            Err(_) => {}
        }
    }
}

impl Drop for Active<'_> {
    fn drop(&mut self) {
        if let Some(shard) = self.0 {
            shard.active.fetch_sub(1, Relaxed);
        }
    }
}

/// Counts a fault and leaves a trace of it. At a level that is off by default: a client must not be able to fill the log.
fn note(session: &Session, fault: Fault) {
    let verdict = fault.verdict();
    session.count_fault(verdict.metric);
    tracing::debug!(
        service = session.local.service.id.0,
        client = %session.peer,
        fault = verdict.metric,
        side = ?verdict.side,
        "a request failed"
    );
}
