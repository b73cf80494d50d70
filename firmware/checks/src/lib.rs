//! The health checker: probes every real server and publishes what it found.
//!
//! One thread, at most 256 probes at once. Each server is probed as soon as it is known (a unit that boots
//! waits for the first answers), then once an interval, its tries after a failure included. When a server is up is decided in `evener-health`. A
//! configuration change forgets nothing about the servers that it does not touch.

#![forbid(unsafe_code)]
#![cfg_attr(not(test), warn(clippy::indexing_slicing))]

mod probe;
mod watch;

use evener_api::checks::{HealthReport, Request};
use evener_api::{Service, control};
use evener_config::RsId;
use evener_ipc::{Connection, IpcError, Lifeline, Listener, publish, subscribe};
use evener_observe::Dirs;
use probe::{Finding, Target, probe};
use std::collections::VecDeque;
use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::sync::{mpsc, watch as channel};
use tokio::task::JoinSet;
use tokio::time::Instant;
use watch::Watch;

/// Probes that run at once; more wait their turn.
const AT_ONCE: usize = 256;
/// How long to wait when nothing is due.
const FOREVER: Duration = Duration::from_secs(3600);

/// Runs the health checker until it is told to stop.
///
/// # Errors
/// When its own socket cannot be made.
pub fn run(dirs: Dirs) -> anyhow::Result<()> {
    evener_observe::start_log(Service::Checks.name());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let (lifeline, _) = Lifeline::start().await?;
        let stop = lifeline.clone();
        operate(dirs, lifeline, async move { stop.stopped().await }).await
    })
}

/// Checks until `stop` resolves.
///
/// # Errors
/// As [`run`].
pub async fn operate(dirs: Dirs, lifeline: Lifeline, stop: impl Future<Output = ()>) -> anyhow::Result<()> {
    let socket = Listener::bind(&dirs.run, Service::Checks)?;
    let mut snapshots =
        subscribe::<_, control::Snapshot>(dirs.run, Service::Control, control::Request::Subscribe);
    let (reports, report) = channel::channel(Arc::new(HealthReport::default()));
    let mut checker = Checker::new(reports);
    lifeline.ready().await;
    let mut callers = std::pin::pin!(socket.serve(move |caller| tell(caller, report.clone())));
    let mut stop = std::pin::pin!(stop);
    loop {
        checker.start_due();
        let pause = checker.pause();
        tokio::select! {
            () = &mut stop => return Ok(()),
            Ok(()) = snapshots.changed() => {
                if let Some(snapshot) = snapshots.borrow_and_update().clone() {
                    checker.follow(&snapshot);
                }
            }
            Some((id, target, finding)) = checker.findings.recv() => checker.take(id, &target, finding),
            Some(_) = checker.running.join_next() => {}
            () = tokio::time::sleep(pause) => {}
            () = &mut callers => {}
        }
    }
}

/// Serves one caller. Whoever follows hears nothing before there is a configuration: an empty report would say that no
/// server is known, to a proxy that has known them since before we were started again.
async fn tell(
    mut caller: Connection,
    mut report: channel::Receiver<Arc<HealthReport>>,
) -> Result<(), IpcError> {
    while let Some(request) = caller.next_request().await? {
        match request {
            Request::Get => {
                let newest = Arc::clone(&report.borrow());
                caller.answer(&*newest).await?;
            }
            Request::Subscribe => {
                let unknown = HealthReport::default();
                if report.wait_for(|report| **report != unknown).await.is_err() {
                    return Ok(());
                }
                return publish(&mut caller, report).await;
            }
        }
    }
    Ok(())
}

/// The watch, with its clock and its probes under way.
struct Checker {
    watch: Watch,
    begun: Instant,
    waiting: VecDeque<(RsId, Target)>,
    /// Probes under way, with their farewells: each has a descriptor.
    running: JoinSet<()>,
    /// What they found, and the end that they tell it to.
    findings: mpsc::UnboundedReceiver<(RsId, Target, Finding)>,
    tell: mpsc::UnboundedSender<(RsId, Target, Finding)>,
    reports: channel::Sender<Arc<HealthReport>>,
}

impl Checker {
    fn new(reports: channel::Sender<Arc<HealthReport>>) -> Self {
        // Bounded by the probes under way.
        let (tell, findings) = mpsc::unbounded_channel();
        Self {
            watch: Watch::default(),
            begun: Instant::now(),
            waiting: VecDeque::new(),
            running: JoinSet::new(),
            findings,
            tell,
            reports,
        }
    }

    fn now_ms(&self) -> u64 {
        u64::try_from(self.begun.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    fn follow(&mut self, snapshot: &control::Snapshot) {
        self.watch.follow(snapshot, self.now_ms(), unix_s());
        self.reports.send_replace(Arc::new(self.watch.report()));
    }

    fn start_due(&mut self) {
        self.waiting.extend(self.watch.due(self.now_ms()));
        while self.running.len() < AT_ONCE {
            let Some((id, target)) = self.waiting.pop_front() else { return };
            let tell = self.tell.clone();
            self.running.spawn(async move {
                // Nobody is there to be told when checks ends.
                probe(&target, |finding| _ = tell.send((id, target.clone(), finding))).await;
            });
        }
    }

    /// Until the next probe is due.
    fn pause(&self) -> Duration {
        let next = self.watch.next_due_ms();
        next.map_or(FOREVER, |next| Duration::from_millis(next.saturating_sub(self.now_ms())))
    }

    fn take(&mut self, id: RsId, target: &Target, finding: Finding) {
        let told = self.watch.take(id, target, finding, unix_s());
        let report = Arc::new(self.watch.report());
        // How long a good probe took is kept up to date for whoever asks, but is no news.
        self.reports.send_if_modified(|newest| {
            *newest = report;
            told
        });
    }
}

fn unix_s() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}
