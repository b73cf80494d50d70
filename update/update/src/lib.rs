//! The only service that opens slots: it installs firmware, proves its health, and falls back.
//!
//! The loader counts each boot before it jumps. This service watches the data plane, clears the count once the unit
//! has been healthy for a minute, and confirms a firmware on trial; one that does not get there in time is given
//! up. A unit that is stopped in order before that gets its boot back: only crashes and hangs count. Either way
//! this service writes one record in a boot, installations and refills apart.
//!
//! What is decided is `evener-plan`'s business, and how slots are written `evener-slots`'; here is what happens when:
//!
//! * `install`, `writer`: a file comes in and goes to the disk, one chunk at a time;
//! * `prove`, `probe`: the proof of health and what follows from it; `refill`: slots that the floor has passed;
//! * `loaders`: the loaders of the disk, which follow the running firmware;
//! * `stay`: rescue that nobody asked for;
//! * `steps`: what is one record write (restore, discard, rescue, forgive);
//! * `unit`: what is known and published; `journal`: what is remembered on the data partition.

#![forbid(unsafe_code)]

mod api_probe;
mod busy;
mod failure;
mod install;
mod journal;
mod loaders;
mod offer;
mod partitions;
mod probe;
mod prove;
mod refill;
mod rootfs;
mod slots;
mod stay;
mod steps;
mod trial_note;
mod unit;
mod words;
mod writer;

use anyhow::Context as _;
use evener_api::Service;
use evener_api::init::{Reply as InitReply, Request as InitRequest};
use evener_api::update::{Changed, Inspected, InstallReply, Request};
use evener_handoff::Handoff;
use evener_ipc::{Connection, IpcError, Lifeline, Listener, Peer, call, publish};
use evener_manifest::Version;
use evener_observe::Dirs;
use evener_plan::{Code, Refusal};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;
use unit::Unit;

/// Runs the service until init says stop.
///
/// # Errors
/// When the runtime or the service's socket cannot be made.
pub fn run(dirs: Dirs) -> anyhow::Result<()> {
    evener_observe::start_log(Service::Update.name());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let outcome = runtime.block_on(serve(dirs, Pace::default(), std::future::pending()));
    // An installation that still writes is not waited for: its slot is empty, and stays so.
    runtime.shutdown_background();
    outcome
}

/// How often the service looks at the data plane, and by which clock.
#[derive(Clone)]
pub struct Pace {
    /// Time between two looks.
    pub look_every: Duration,
    /// Time since the machine started; asked once a look.
    pub now: Arc<dyn Fn() -> Duration + Send + Sync>,
}

impl Default for Pace {
    /// Each second, by the kernel's clock.
    fn default() -> Self {
        Self { look_every: Duration::from_secs(1), now: Arc::new(evener_sys::clock::since_boot) }
    }
}

impl std::fmt::Debug for Pace {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pace").field("look_every", &self.look_every).finish_non_exhaustive()
    }
}

/// Serves until init, a signal or `stop` says so; in the caller's runtime.
///
/// # Errors
/// When the service's socket or its lifeline cannot be had.
pub async fn serve(dirs: Dirs, pace: Pace, stop: impl Future<Output = ()>) -> anyhow::Result<()> {
    let (lifeline, _) = Lifeline::start().await.context("lifeline")?;
    let listener = Listener::bind(&dirs.run, Service::Update)?;
    let (handoff, version) = told_by_init(&dirs.run).await;
    let unit = Arc::new(Unit::new(dirs, handoff, version));
    unit.settle_failure();
    prove::announce(&unit, &pace);
    unit.publish_whole().await;
    let prover = tokio::spawn(prove::prove(Arc::clone(&unit), pace, lifeline.progress(prove::ROUND_WITHIN)));
    lifeline.ready().await;
    let callers = listener.serve(|connection| answer(Arc::clone(&unit), connection));
    tokio::select! {
        () = callers => {}
        () = lifeline.stopped() => {}
        () = stop => {}
    }
    prover.abort();
    // A proof that is being recorded at this moment is recorded; then there is nothing to give back.
    let _ = prover.await;
    unit.stop().await;
    Ok(())
}

async fn answer(unit: Arc<Unit>, mut connection: Connection) -> Result<(), IpcError> {
    let peer = connection.peer()?;
    while let Some(request) = connection.next_request().await? {
        let allowed = may_ask(peer, &request);
        if allowed && !matches!(request, Request::Get | Request::Subscribe) {
            unit.attended.store(true, Relaxed);
        }
        match request {
            Request::Get => {
                let newest = Arc::clone(&unit.subscribe().borrow());
                connection.answer(&*newest).await?;
            }
            Request::Subscribe => return publish(&mut connection, unit.subscribe()).await,
            Request::Attended => connection.answer(&()).await?,
            Request::Inspect(_) if !allowed => connection.answer(&Inspected::Forbidden).await?,
            Request::Inspect(head) => connection.answer(&offer::inspect(&unit, head).await).await?,
            Request::Install(_) if !allowed => connection.answer(&InstallReply::Forbidden).await?,
            Request::Install(order) => install::converse(&unit, &mut connection, order).await?,
            // Of an installation that is over, or of none.
            Request::Chunk(_) => return Ok(()),
            Request::Forgive
            | Request::Cancel
            | Request::Discard { .. }
            | Request::Restore { .. }
            | Request::Rescue { .. } => {
                let changed = if allowed { step(&unit, request).await } else { Changed::Forbidden };
                connection.answer(&changed).await?;
            }
        }
    }
    Ok(())
}

/// Everybody may look; what changes the unit, or costs it something, is asked by operators through web, and two
/// things through console.
fn may_ask(peer: Peer, request: &Request) -> bool {
    match request {
        Request::Get | Request::Subscribe => true,
        Request::Rescue { .. } | Request::Attended => peer.is(Service::Web) || peer.is(Service::Console),
        _ => peer.is(Service::Web),
    }
}

/// A step that an operator asked for.
async fn step(unit: &Arc<Unit>, request: Request) -> Changed {
    if request == Request::Cancel {
        if !unit.cancel().await {
            let nothing = Refusal::new(Code::NothingToDiscard, "no installation is under way");
            return Changed::Refused(words::told(&nothing));
        }
        return unit.subscribe().borrow().next.map_or_else(
            || Changed::Failed("it has ended, but what the next boot starts is not known".into()),
            Changed::Next,
        );
    }
    if matches!(request, Request::Restore { .. }) {
        unit.remember_bound().await;
    }
    let outcome = unit.blocking(move |unit| match request {
        Request::Forgive => unit.forgive(),
        Request::Discard { author } => unit.discard(&author),
        Request::Restore { author } => unit.restore(&author),
        Request::Rescue { author } => unit.rescue(&author),
        _ => Err(Code::NothingToDiscard.into()),
    });
    let changed = match outcome.await {
        Some(outcome) => words::changed(outcome),
        None => Changed::Failed("the service broke off".into()),
    };
    unit.publish_whole().await;
    changed
}

/// What the loader told init, and which version init is of.
async fn told_by_init(run: &Path) -> (Option<Handoff>, Version) {
    match call(run, Service::Init, &InitRequest::Get).await {
        Ok(InitReply::Status(status)) => {
            let handoff = Handoff::decode(&status.handoff)
                .inspect_err(|error| tracing::warn!(%error, "the loader's hand-off cannot be read"));
            (handoff.ok(), status.version.parse().unwrap_or_default())
        }
        Ok(other) => {
            tracing::warn!(?other, "init did not tell its status");
            (None, Version::default())
        }
        Err(error) => {
            tracing::info!(%error, "no hand-off");
            (None, Version::default())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use evener_api::update::InstallOrder;

    #[test]
    fn only_operators_change_the_slots() {
        let order = InstallOrder { author: "bal".into(), size: None, even_if_it_failed: false };
        let author = || "bal".to_owned();
        let changes = [
            Request::Forgive,
            Request::Attended,
            Request::Inspect(Vec::new()),
            Request::Install(order),
            Request::Chunk(Vec::new()),
            Request::Cancel,
            Request::Discard { author: author() },
            Request::Restore { author: author() },
            Request::Rescue { author: author() },
        ];
        for service in Service::SUPERVISED {
            let peer = Peer { uid: service.uid() };
            assert!(may_ask(peer, &Request::Get) && may_ask(peer, &Request::Subscribe));
            for request in &changes {
                let at_console = matches!(request, Request::Rescue { .. } | Request::Attended);
                let may = service == Service::Web || (service == Service::Console && at_console);
                assert_eq!(may_ask(peer, request), may, "{service} {request:?}");
            }
        }
    }
}
