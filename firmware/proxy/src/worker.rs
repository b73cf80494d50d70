//! A worker: one thread, one runtime, its own listeners, its own connections to servers.
//!
//! Nothing on a request's way is shared between workers but what `service.rs` names. The director tells a worker
//! by [`Command`] what to listen on; a worker never binds.

use crate::buffers::Buffers;
use crate::pool::Pool;
use crate::serve::serve;
use crate::service::Service;
use crate::session::Session;
use crate::timer::End;
use crate::watched::ticks;
use evener_balance::Turns;
use evener_config::VsId;
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::io;
use std::net::TcpListener as StdTcpListener;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::net::TcpListener;
use tokio::sync::{Notify, mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio::time::Instant;

/// How often a worker closes connections that it has no use for, and shows that it lives.
const TICK: Duration = Duration::from_secs(1);
/// Pause after an accept that failed for want of descriptors or memory: at once it would fail again.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// How often the log says so.
const ACCEPT_WARNING: Duration = Duration::from_secs(60);

/// What a worker is told.
#[derive(Debug)]
pub(crate) enum Command {
    /// Accept connections for this service here; no longer where it was accepted before.
    Listen(Arc<Service>, StdTcpListener),
    /// Accept none for this service; go on with those there are.
    Unlisten(VsId),
    /// The service is gone: its connections finish what they are doing and close.
    Retire(VsId),
    /// Everything is to end: as `Retire` for all. Answered when no connection is left.
    Drain(oneshot::Sender<()>),
}

/// What the connections of one worker have in common.
#[derive(Debug)]
pub(crate) struct Worker {
    /// From 0.
    pub(crate) index: usize,
    pub(crate) pool: Pool,
    pub(crate) buffers: Buffers,
    sessions: Cell<usize>,
    emptied: Notify,
    date: RefCell<(u64, Rc<str>)>,
}

/// One service at one worker.
#[derive(Debug)]
pub(crate) struct Local {
    pub(crate) service: Arc<Service>,
    pub(crate) turns: RefCell<Turns>,
    /// Wakes idle connections to look at `is_closing`.
    pub(crate) wake: Notify,
    /// Set when the service is gone: what is under way has until then.
    end: End,
}

impl Local {
    /// Whether connections are to close when their request is done.
    pub(crate) fn is_closing(&self) -> bool {
        self.end.get().is_some()
    }

    /// For the timers of its connections.
    pub(crate) fn end(&self) -> End {
        Rc::clone(&self.end)
    }

    fn close(&self, drain: Duration) {
        self.end.set(Some(Instant::now() + drain));
        self.wake.notify_waiters();
    }
}

impl Worker {
    /// The time in the form of a `Date` field, made anew each second.
    pub(crate) fn date(&self) -> Rc<str> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        let mut date = self.date.borrow_mut();
        if date.0 != now || date.1.is_empty() {
            *date = (now, evener_http1::http_date(now).into());
        }
        Rc::clone(&date.1)
    }
}

/// Runs a worker until its commands end, or it has drained. `drain`: how long connections of a service that is gone may
/// go on with what is under way.
pub(crate) async fn run(
    index: usize,
    drain: Duration,
    mut commands: mpsc::UnboundedReceiver<Command>,
    beats: Arc<AtomicU64>,
) {
    let worker = Rc::new(Worker {
        index,
        pool: Pool::default(),
        buffers: Buffers::default(),
        sessions: Cell::new(0),
        emptied: Notify::new(),
        date: RefCell::new((0, Rc::from(""))),
    });
    let mut served: BTreeMap<VsId, Served> = BTreeMap::new();
    let mut tick = ticks(TICK);
    loop {
        let command = tokio::select! {
            command = commands.recv() => command,
            _ = tick.tick() => {
                worker.pool.sweep();
                beats.fetch_add(1, Relaxed);
                continue;
            }
        };
        match command {
            Some(Command::Listen(service, listener)) => {
                let id = service.id;
                let local = served
                    .remove(&id)
                    .map_or_else(|| Rc::new(Local::new(service, index)), |before| Rc::clone(&before.local));
                match TcpListener::from_std(listener) {
                    Ok(listener) => _ = served.insert(id, Served::start(&worker, local, Some(listener))),
                    Err(error) => {
                        tracing::error!(service = id.0, %error, "a listener cannot be used");
                        served.insert(id, Served::start(&worker, local, None));
                    }
                }
            }
            Some(Command::Unlisten(id)) => {
                if let Some(before) = served.get_mut(&id) {
                    before.stop_accepting();
                }
            }
            Some(Command::Retire(id)) => {
                if let Some(gone) = served.remove(&id) {
                    gone.local.close(drain);
                }
            }
            Some(Command::Drain(done)) => {
                for gone in std::mem::take(&mut served).into_values() {
                    gone.local.close(drain);
                }
                while worker.sessions.get() > 0 {
                    worker.emptied.notified().await;
                }
                let _ = done.send(());
                return;
            }
            None => return,
        }
    }
}

impl Local {
    fn new(service: Arc<Service>, index: usize) -> Self {
        Self {
            service,
            turns: RefCell::new(Turns::starting_at(index)),
            wake: Notify::new(),
            end: End::default(),
        }
    }
}

/// A service that is served, and the task that accepts for it.
struct Served {
    local: Rc<Local>,
    accepting: Option<JoinHandle<()>>,
}

impl Served {
    fn start(worker: &Rc<Worker>, local: Rc<Local>, listener: Option<TcpListener>) -> Self {
        let accepting = listener
            .map(|listener| tokio::task::spawn_local(accept(Rc::clone(worker), Rc::clone(&local), listener)));
        Self { local, accepting }
    }

    fn stop_accepting(&mut self) {
        if let Some(task) = self.accepting.take() {
            task.abort();
        }
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        self.stop_accepting();
    }
}

/// Accepts connections for as long as the service has places.
async fn accept(worker: Rc<Worker>, local: Rc<Local>, listener: TcpListener) {
    let mut warned: Option<Instant> = None;
    loop {
        let (stream, peer) = match listener.accept().await {
            Ok(accepted) => accepted,
            Err(error) if is_of_one_connection(&error) => continue,
            Err(error) => {
                if warned.is_none_or(|warned| warned.elapsed() >= ACCEPT_WARNING) {
                    let service = local.service.id.0;
                    tracing::warn!(service, worker = worker.index, %error, "no connection can be accepted");
                    warned = Some(Instant::now());
                }
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        // Beyond the limit one connection waits here, and the others in the kernel's queue.
        let seat = local.service.admit().await;
        if let Some(shard) = local.service.shards.get(worker.index) {
            shard.accepted.fetch_add(1, Relaxed);
        }
        // Fails only on a connection that is broken already, which its first read will show.
        let _ = stream.set_nodelay(true);
        let session = Session::new(stream, peer, Rc::clone(&local), Rc::clone(&worker), seat);
        let presence = Presence::new(Rc::clone(&worker));
        tokio::task::spawn_local(async move {
            serve(session).await;
            drop(presence);
        });
    }
}

/// Whether it broke before it was accepted (accept(2), "Error handling"), which says nothing about the next.
fn is_of_one_connection(error: &io::Error) -> bool {
    use rustix::io::Errno;
    let theirs = [
        Errno::CONNABORTED,
        Errno::PROTO,
        Errno::NOPROTOOPT,
        Errno::PERM,
        Errno::NETDOWN,
        Errno::NETUNREACH,
        Errno::HOSTDOWN,
        Errno::HOSTUNREACH,
        Errno::NONET,
    ];
    error.raw_os_error().is_some_and(|code| theirs.iter().any(|errno| errno.raw_os_error() == code))
}

/// A connection, as counted for draining.
struct Presence(Rc<Worker>);

impl Presence {
    fn new(worker: Rc<Worker>) -> Self {
        worker.sessions.set(worker.sessions.get() + 1);
        Self(worker)
    }
}

impl Drop for Presence {
    fn drop(&mut self) {
        self.0.sessions.set(self.0.sessions.get().saturating_sub(1));
        if self.0.sessions.get() == 0 {
            self.0.emptied.notify_one();
        }
    }
}
