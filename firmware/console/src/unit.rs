//! What the menu orders, carried out by the services whose business it is.

use crate::ConsoleError;
use crate::gate::Who;
use crate::setup;
use crate::status;
use crate::talk::refused;
use evener_api::control::{self, Change, Snapshot, Transaction};
use evener_api::net::NetStatus;
use evener_api::{RESCUE_MODE, Service, init, moment, net, update};
use evener_config::User;
use evener_ipc::Subscription;
use evener_menu::{Act, Answer, Order, Setup};
use evener_password::Passwords;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// The one account that the menu is for.
pub(crate) const ADMINISTRATOR: &str = "bal";
/// Stands in the history beside every change from here.
const REASON: &str = "at the console";
/// How long a screen waits for a service.
const PATIENCE: Duration = Duration::from_secs(3);
/// How long a session waits for the settings that its own change made.
const SEEN_WITHIN: Duration = Duration::from_secs(2);

/// The unit as the menu knows it.
#[derive(Debug)]
pub struct Unit {
    run: PathBuf,
    config: Subscription<Snapshot>,
    net: Subscription<NetStatus>,
    passwords: Passwords,
    began: Instant,
    /// How to get in by SSH, in lines; replaced whole.
    ssh: Mutex<Vec<(String, String)>>,
}

impl Unit {
    /// Follows the settings and the network over the sockets in `run`. To be called inside a runtime.
    ///
    /// # Errors
    /// When the kernel gives no randomness.
    pub fn new(run: &Path) -> Result<Self, ConsoleError> {
        Ok(Self {
            run: run.to_owned(),
            config: evener_ipc::subscribe(run.to_owned(), Service::Control, control::Request::Subscribe),
            net: evener_ipc::subscribe(run.to_owned(), Service::Net, net::Request::Subscribe),
            passwords: Passwords::new().map_err(|_| ConsoleError::Randomness)?,
            began: Instant::now(),
            ssh: Mutex::default(),
        })
    }

    pub(crate) fn run(&self) -> &Path {
        &self.run
    }

    pub(crate) fn passwords(&self) -> &Passwords {
        &self.passwords
    }

    pub(crate) fn config(&self) -> Subscription<Snapshot> {
        self.config.clone()
    }

    pub(crate) fn net(&self) -> Subscription<NetStatus> {
        self.net.clone()
    }

    pub(crate) fn snapshot(&self) -> Option<Arc<Snapshot>> {
        self.config.borrow().clone()
    }

    /// Whether the unit runs its rescue firmware. Init says so before anybody starts.
    pub(crate) fn is_in_rescue(&self) -> bool {
        self.run.join(RESCUE_MODE).exists()
    }

    /// What stands on top of every screen.
    pub(crate) fn title(&self) -> String {
        let name = self.snapshot().map_or_else(String::new, |snapshot| snapshot.config.unit.hostname.clone());
        let mode = if self.is_in_rescue() { " RESCUE" } else { "" };
        format!("Evener {}{mode} - {name}", env!("CARGO_PKG_VERSION"))
    }

    /// The administrator as configured now.
    pub(crate) fn administrator(&self) -> Option<User> {
        let snapshot = self.snapshot()?;
        snapshot.config.shared.users.iter().find(|user| user.name == ADMINISTRATOR).cloned()
    }

    /// How the unit does, asked of init.
    pub(crate) async fn init_status(&self) -> Option<init::UnitStatus> {
        match self.ask(Service::Init, init::Request::Get).await? {
            init::Reply::Status(status) => Some(*status),
            init::Reply::Done | init::Reply::Forbidden | init::Reply::Failed(_) => None,
        }
    }

    /// Says how to get in by SSH.
    pub(crate) fn tell_ssh(&self, lines: Vec<(String, String)>) {
        *lock(&self.ssh) = lines;
    }

    fn ssh(&self) -> Vec<(String, String)> {
        let lines = lock(&self.ssh).clone();
        if lines.is_empty() { vec![("SSH".into(), "is not up; the log says why".into())] } else { lines }
    }

    /// Carries out what the menu orders, whatever happens within its time.
    pub(crate) async fn carry_out(&self, who: &mut Who, order: Order) -> Answer {
        self.attended().await;
        match order {
            Order::CheckPassword { user, password } => self.log_in(who, &user, &password.0).await,
            Order::ShowStatus => Answer::Lines(self.status().await),
            Order::ShowSsh => Answer::Lines(self.ssh()),
            Order::ShowClock => Answer::Lines(vec![("now".into(), format!("{} UTC", moment(unix_s())))]),
            Order::ReadSetup => self.read_setup(),
            Order::Apply(setup) => self.apply_setup(who, &setup).await,
            Order::ChangePassword { old, new } => self.change_password(who, &old.0, &new.0).await,
            Order::ResetPassword(new) => self.reset_password(who, &new.0).await,
            Order::SetClock(unix_s) => {
                tracing::warn!(place = who.place(), unix_s, "the clock is set at the menu");
                let done = "The clock is set, and that of the machine with it.";
                self.ask_init(init::Request::SetClock(unix_s), done).await
            }
            Order::Carry(act) => self.act(who, act).await,
            Order::End => Answer::Lines(Vec::new()),
        }
    }

    fn read_setup(&self) -> Answer {
        let Some(snapshot) = self.snapshot() else { return refused("The settings are not known yet.") };
        let net = self.net.borrow().clone().unwrap_or_default();
        Answer::Setup(Box::new(setup::of(&snapshot, &net)))
    }

    async fn apply_setup(&self, who: &Who, wanted: &Setup) -> Answer {
        let Some(snapshot) = self.snapshot() else { return refused("The settings are not known yet.") };
        let net = self.net.borrow().clone().unwrap_or_default();
        let change = setup::change(wanted, &snapshot, &net);
        match self.apply(&who.name(), Some(wanted.based_on), Change::SetUp(change)).await {
            Ok(generation) => {
                tracing::info!(place = who.place(), generation, "quick setup");
                Answer::Done(format!(
                    "Saved, as generation {generation} of the settings; it is in force now."
                ))
            }
            Err(reasons) => Answer::Refused(reasons),
        }
    }

    /// Changes the settings, and waits until this process has the new ones.
    ///
    /// # Errors
    /// Why not, in words; each names its field where there is one.
    pub(crate) async fn apply(
        &self,
        author: &str,
        based_on: Option<u64>,
        change: Change,
    ) -> Result<u64, Vec<String>> {
        let transaction =
            Transaction { author: author.to_owned(), based_on, reason: Some(REASON.into()), change };
        let request = control::Request::Apply(Box::new(transaction));
        let failed = |reason: &str| Err(vec![format!("Nothing was changed: {reason}.")]);
        match evener_ipc::call(&self.run, Service::Control, &request).await {
            Ok(control::Reply::Accepted(accepted)) => {
                let newer = |state: &Option<Arc<Snapshot>>| {
                    state.as_ref().is_some_and(|snapshot| snapshot.generation >= accepted.generation)
                };
                // Late is no failure: the change is made.
                let _ = tokio::time::timeout(SEEN_WITHIN, self.config().wait_for(newer)).await;
                Ok(accepted.generation)
            }
            Ok(control::Reply::Invalid(violations)) => {
                Err(violations.iter().map(ToString::to_string).collect())
            }
            Ok(control::Reply::Conflict { .. }) => {
                failed("somebody else has changed the settings meanwhile, look at them again")
            }
            Ok(control::Reply::Failed(reason)) => failed(&reason),
            Ok(other) => {
                tracing::error!(?other, "control gave an answer that does not fit the question");
                failed("control refused it")
            }
            Err(error @ evener_ipc::IpcError::Connect { .. }) => {
                tracing::warn!(%error, "control does not answer");
                failed("the service control does not answer; it is started again by itself")
            }
            Err(error) => {
                tracing::warn!(%error, "control was asked for a change and did not answer");
                Err(vec!["The service control did not answer: the change may have been made. Look.".into()])
            }
        }
    }

    async fn act(&self, who: &Who, act: Act) -> Answer {
        tracing::warn!(place = who.place(), user = who.name(), ?act, "asked for at the menu");
        let restarts = "The unit restarts now.";
        match act {
            Act::Reboot => self.ask_init(init::Request::Reboot, restarts).await,
            Act::PowerOff => {
                self.ask_init(init::Request::PowerOff, "The unit switches itself off now.").await
            }
            Act::FactoryReset => {
                let done = "The unit erases its settings now and restarts as new. Its first password will be shown here.";
                self.ask_init(init::Request::FactoryReset, done).await
            }
            Act::Rescue => {
                let request = update::Request::Rescue { author: who.name() };
                match evener_ipc::call(&self.run, Service::Update, &request).await {
                    Ok(update::Changed::Next(_)) => self.ask_init(init::Request::Reboot, restarts).await,
                    Ok(update::Changed::Refused(refusal)) => {
                        Answer::Refused(vec![refusal.detail, refusal.remedy])
                    }
                    Ok(update::Changed::Failed(reason)) => refused(reason),
                    Ok(update::Changed::Forbidden) => refused("The service update refused it."),
                    Err(error) => {
                        tracing::error!(%error, "update does not answer");
                        refused("The service update does not answer. Nothing was changed.")
                    }
                }
            }
        }
    }

    async fn ask_init(&self, request: init::Request, done: &str) -> Answer {
        match evener_ipc::call(&self.run, Service::Init, &request).await {
            Ok(init::Reply::Done) => Answer::Done(done.to_owned()),
            Ok(init::Reply::Failed(reason)) => refused(format!("Nothing was changed: {reason}.")),
            Ok(init::Reply::Forbidden | init::Reply::Status(_)) => refused("init refused it."),
            Err(error) => {
                tracing::error!(%error, "init does not answer");
                refused("init does not answer. Nothing was changed.")
            }
        }
    }

    async fn status(&self) -> Vec<(String, String)> {
        let (init, warnings) =
            tokio::join!(self.init_status(), self.ask(Service::Control, control::Request::Warnings));
        let of_control = match warnings {
            Some(control::Reply::Warnings(warnings)) => warnings,
            _ => vec!["The service control does not answer.".into()],
        };
        let net = self.net.borrow().clone();
        status::lines(self.snapshot().as_deref(), net.as_deref(), init.as_ref(), &of_control, unix_s())
    }

    /// In rescue, update is told that somebody is at work, lest the unit restart under their hands.
    async fn attended(&self) {
        if self.is_in_rescue() {
            let _: Option<()> = self.ask(Service::Update, update::Request::Attended).await;
        }
    }

    async fn ask<Q, A>(&self, service: Service, request: Q) -> Option<A>
    where
        Q: serde::Serialize + Sync,
        A: serde::de::DeserializeOwned,
    {
        tokio::time::timeout(PATIENCE, evener_ipc::call(&self.run, service, &request)).await.ok()?.ok()
    }

    /// Milliseconds since this process began.
    pub(crate) fn now_ms(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX)
    }
}

/// Seconds since 1970-01-01 UTC by the unit's clock.
fn unix_s() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // What is inside is consistent after each statement, so a panicked holder left nothing half done.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
