//! A client's connection: what it holds between two requests, how a request is read from it, and how it ends.

use crate::buffers::{Room, read_some};
use crate::fault::{Answer, Fault};
use crate::plan::Plan;
use crate::service::Seat;
use crate::timer::Timer;
use crate::worker::{Local, Worker};
use arc_swap::{ArcSwap, Cache};
use bytes::{Buf, BytesMut};
use evener_http1::{BodyReader, Outbound, Version, Wire, is_head_due, read_request};
use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::task::Poll;
use std::time::Duration;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

/// How long, and for how many bytes, a connection that we close is still read, so that the client gets our last
/// words: the kernel throws them away when bytes arrive at a closed socket (RFC 9112 §9.6).
const LINGER: Duration = Duration::from_secs(1);
const LINGER_BYTES: usize = 256 * 1024;

/// A client's connection.
#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) stream: TcpStream,
    pub(crate) peer: SocketAddr,
    pub(crate) own: SocketAddr,
    /// Bytes from the client that were not dealt with.
    pub(crate) input: BytesMut,
    pub(crate) timer: Timer,
    pub(crate) local: Rc<Local>,
    pub(crate) worker: Rc<Worker>,
    /// Bytes of an answer have gone to the client, so that no other answer can.
    pub(crate) answered: bool,
    plans: Cache<Arc<ArcSwap<Plan>>, Arc<Plan>>,
    first: bool,
    _seat: Seat,
}

/// A request on its way.
#[derive(Debug)]
pub(crate) struct Job {
    /// What goes to a server: the head, and what of the body came with it.
    pub(crate) bytes: BytesMut,
    /// The rest of the body.
    pub(crate) body: BodyReader,
    pub(crate) wire: Wire,
    pub(crate) version: Version,
    pub(crate) keep_alive: bool,
    pub(crate) upgrade: bool,
    pub(crate) to_head: bool,
    pub(crate) idempotent: bool,
    /// A byte of the body besides `bytes` was taken from the client: it can be sent once only.
    pub(crate) body_touched: bool,
    /// The kernel took bytes of it for the present server.
    pub(crate) sent: bool,
}

impl Session {
    pub(crate) fn new(
        stream: TcpStream,
        peer: SocketAddr,
        local: Rc<Local>,
        worker: Rc<Worker>,
        seat: Seat,
    ) -> Self {
        let own = stream.local_addr().unwrap_or(peer);
        let mut plans = Cache::new(Arc::clone(&local.service.plan));
        let timer = Timer::new(plans.load().request_head, local.end());
        let input = BytesMut::new();
        Self {
            stream,
            peer,
            own,
            input,
            timer,
            local,
            worker,
            answered: false,
            plans,
            first: true,
            _seat: seat,
        }
    }

    /// The plan in force now.
    pub(crate) fn plan(&mut self) -> Arc<Plan> {
        Arc::clone(self.plans.load())
    }

    /// Whether another request may come on this connection.
    pub(crate) fn may_go_on(&self) -> bool {
        !self.local.is_closing()
    }

    /// Counts one event of this worker.
    pub(crate) fn count(&self, what: fn(&crate::service::ServiceShard) -> &AtomicU64) {
        if let Some(shard) = self.local.service.shards.get(self.worker.index) {
            what(shard).fetch_add(1, Relaxed);
        }
    }

    /// Counts a fault under the name that its verdict gives.
    pub(crate) fn count_fault(&self, metric: &str) {
        let shard = self.local.service.shards.get(self.worker.index);
        let at = crate::fault::METRICS.iter().position(|name| *name == metric);
        if let Some(counter) = shard.zip(at).and_then(|(shard, at)| shard.faults.get(at)) {
            counter.fetch_add(1, Relaxed);
        }
    }

    /// The next request; `None` when there is none any more.
    pub(crate) async fn next_request(&mut self) -> Result<Option<Job>, Fault> {
        if self.input.is_empty() && !self.first_bytes().await? {
            return Ok(None);
        }
        self.first = false;
        let mut seen = 0;
        loop {
            let limits = self.plan().head_limits;
            if is_head_due(&self.input, seen, limits)
                && let Some(job) = self.read_head()?
            {
                return Ok(Some(job));
            }
            if seen == 0 {
                let limit = self.plan().request_head;
                self.timer.allow(limit);
            }
            seen = self.input.len();
            match self.timer.watch(read_some(&mut self.stream, &mut self.input, &mut Room::default())).await {
                Ok(Ok(1..)) => {}
                Ok(Ok(0) | Err(_)) => return Err(Fault::ClientGone),
                Err(_) => return Err(Fault::HeadTimeout),
            }
        }
    }

    /// Waits, without a buffer, for the first bytes of a request. False when the connection is to be closed: the
    /// client did, or was silent for too long, or the service is going. (RFC 9110 §15.5.9 would allow a 408
    /// then; on an idle connection a client might take it for an answer.)
    async fn first_bytes(&mut self) -> Result<bool, Fault> {
        let plan = self.plan();
        self.worker.buffers.give(std::mem::take(&mut self.input));
        self.timer.allow(if self.first { plan.request_head } else { plan.keep_alive });
        loop {
            match self.timer.watch(self.readable_or_closing()).await {
                Ok(Ok(true)) => {}
                Ok(Err(_)) => return Err(Fault::ClientGone),
                Ok(Ok(false)) | Err(_) => return Ok(false),
            }
            self.input = self.worker.buffers.take();
            // Once: the runtime may have been wrong about "readable".
            let outcome = {
                let mut room = Room::default();
                let mut read = pin!(read_some(&mut self.stream, &mut self.input, &mut room));
                poll_fn(|context| Poll::Ready(read.as_mut().poll(context))).await
            };
            match outcome {
                Poll::Ready(Ok(read)) => return Ok(read > 0),
                Poll::Ready(Err(_)) => return Err(Fault::ClientGone),
                Poll::Pending => {}
            }
            self.worker.buffers.give(std::mem::take(&mut self.input));
        }
    }

    /// Whether there is something to read; false when the service is going.
    async fn readable_or_closing(&self) -> io::Result<bool> {
        let mut closing = pin!(self.local.wake.notified());
        closing.as_mut().enable();
        let mut readable = pin!(self.stream.readable());
        poll_fn(|context| match readable.as_mut().poll(context) {
            Poll::Ready(outcome) => Poll::Ready(outcome.map(|()| true)),
            Poll::Pending if self.local.is_closing() => Poll::Ready(Ok(false)),
            Poll::Pending => closing.as_mut().poll(context).map(|()| Ok(false)),
        })
        .await
    }

    /// Reads a head from `input`, checks it, and writes it anew for the servers.
    fn read_head(&mut self) -> Result<Option<Job>, Fault> {
        let plan = self.plan();
        let add = Outbound {
            forwarded_for: plan.append_forwarded_for.then(|| self.peer.ip().to_canonical()),
            own_address: self.own,
        };
        let bytes = self.worker.buffers.take();
        let read = read_request(&self.input, plan.head_limits, |request| {
            let mut bytes = bytes;
            request.write(&mut bytes, add);
            let job = Job {
                bytes,
                body: request.body,
                wire: if matches!(request.body, BodyReader::Chunked(_)) {
                    Wire::Chunked
                } else {
                    Wire::Plain
                },
                version: request.version,
                keep_alive: request.keep_alive,
                upgrade: request.upgrade.is_some(),
                to_head: request.method == "HEAD",
                idempotent: request.is_idempotent(),
                body_touched: false,
                sent: false,
            };
            (job, request.expects_continue)
        });
        let Some(((mut job, waits), length)) = read.map_err(Fault::Refused)? else { return Ok(None) };
        self.input.advance(length);
        if !waits && !job.body.is_done() {
            job.body.relay(&mut self.input, job.wire, &mut job.bytes).map_err(|_| Fault::BadBody)?;
        }
        Ok(Some(job))
    }

    /// Gives the client an answer of our own, unless it has one. Whether the connection may go on.
    pub(crate) async fn answer(&mut self, fault: Fault, job: Option<&Job>) -> bool {
        let verdict = fault.verdict();
        if self.answered {
            // The answer is cut off; where its end is the connection's end, only a reset says so.
            let _ = self.stream.set_zero_linger();
            return false;
        }
        let (status, words) = match verdict.answer {
            Answer::Nothing => return false,
            Answer::Status(status, words) => (status, words.to_owned()),
            Answer::Refusal(refusal) => (refusal.status(), format!("The request was refused: {refusal}.")),
        };
        let keep_alive = self.may_go_on() && job.is_some_and(|job| job.keep_alive && job.body.is_done());
        let retry_after = (status == 503).then(|| self.plan().retry_after_s);
        let own = crate::answer::Own { status, words: &words, keep_alive, retry_after };
        let to_head = job.is_some_and(|job| job.to_head);
        let bytes = own.bytes(&self.worker.date(), to_head);
        self.count(|shard| &shard.own_answers);
        let limit = self.plan().request_head;
        self.timer.allow(limit);
        matches!(self.timer.watch(self.stream.write_all(&bytes)).await, Ok(Ok(()))) && keep_alive
    }

    /// Ends the connection so that the client gets everything that was written.
    pub(crate) async fn close(mut self) {
        if !self.answered || self.stream.linger().is_ok_and(|linger| linger.is_none()) {
            self.timer.allow(LINGER);
            let (timer, stream, input) = (&self.timer, &mut self.stream, &mut self.input);
            let _ = timer
                .watch(async {
                    stream.shutdown().await?;
                    let mut left = LINGER_BYTES;
                    while left > 0 {
                        input.clear();
                        match read_some(stream, input, &mut Room::default()).await? {
                            0 => break,
                            read => left = left.saturating_sub(read),
                        }
                    }
                    io::Result::Ok(())
                })
                .await;
        }
        self.worker.buffers.give(self.input);
    }
}
