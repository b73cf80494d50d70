//! What every request handler shares: the configuration as it is now, the way to the other services, sessions.

use crate::clock::Clock;
use crate::form;
use crate::rates::Rates;
use crate::session::{Session, Sessions};
use crate::upload::Uploads;
use evener_api::control::{self, Accepted, Change, Reply, Snapshot, Transaction};
use evener_api::frame::FrameError;
use evener_api::{RESCUE_MODE, Service, update};
use evener_config::{PasswordHash, User};
use evener_ipc::{IpcError, Subscription};
use evener_password::{PasswordError, Passwords};
use evener_throttle::Throttle;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::Semaphore;

/// The one account that may administer the unit in this version.
pub(crate) const ADMINISTRATOR: &str = "bal";
/// So often, in milliseconds, update is told at most that somebody is at work.
const TELL_EVERY_MS: u64 = 5_000;
/// How long a page waits for the configuration that its own change made.
const SEEN_WITHIN: Duration = Duration::from_secs(2);

/// The address that a request came from; the server puts it into the request's extensions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Source(pub IpAddr);

/// Shared by all requests. Cheap to clone.
#[derive(Clone, Debug)]
pub struct App {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    run: PathBuf,
    cookie: String,
    clock: Clock,
    config: Subscription<Snapshot>,
    passwords: Passwords,
    throttle: Mutex<Throttle>,
    sessions: Mutex<Sessions>,
    rates: Mutex<Rates>,
    uploads: Uploads,
    /// One key of a backup at a time is derived: each takes memory.
    backups: Semaphore,
    /// When update was last told that somebody is at work.
    told_ms: Mutex<Option<u64>>,
}

/// Why nobody was let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Denied {
    /// User or password is wrong; which of them is not told.
    Wrong,
    /// Too many were wrong: none is looked at for this long.
    Wait(Duration),
    /// Control has not said yet who the users are.
    NotReady,
}

/// Why a change was not made.
#[derive(Debug)]
pub(crate) enum Refused {
    /// These fields.
    Invalid(Vec<control::Violation>),
    /// It cannot be taken back: these places were changed again since.
    Clashes(Vec<control::Violation>),
    /// The configuration is newer than the caller thought.
    Conflict {
        /// Its generation.
        newest: u64,
    },
    /// What was to be changed is not there.
    NotFound,
    /// The unit is in rescue, where virtual services are kept as they are.
    InRescue,
    /// Control is away, or could not store it; in words.
    Failed(String),
    /// Control was asked and did not answer: the change may have been made.
    Unknown,
}

impl Refused {
    /// What a reply of control refuses that is not the one hoped for.
    pub(crate) fn by(reply: Reply) -> Self {
        match reply {
            Reply::Invalid(violations) => Self::Invalid(violations),
            Reply::Clashes(places) => Self::Clashes(places),
            Reply::Conflict { newest } => Self::Conflict { newest },
            Reply::NotFound => Self::NotFound,
            Reply::Failed(reason) => Self::Failed(reason),
            other => {
                tracing::error!(?other, "control gave an answer that does not fit the question");
                Self::Failed(String::from("control refused the request"))
            }
        }
    }
}

impl App {
    /// Follows control's configuration over the sockets in `run`. `unit_id` tells this unit's cookies from those
    /// of another one behind the same name. To be called inside a tokio runtime.
    ///
    /// # Errors
    /// When the kernel gives no randomness.
    pub fn new(run: &Path, unit_id: &str, clock: Clock) -> Result<Self, crate::WebError> {
        let config = evener_ipc::subscribe(run.to_owned(), Service::Control, control::Request::Subscribe);
        let inner = Inner {
            run: run.to_owned(),
            cookie: format!("evener-{unit_id}"),
            clock,
            config,
            passwords: Passwords::new().map_err(|_| crate::WebError::Randomness)?,
            throttle: Mutex::default(),
            sessions: Mutex::default(),
            rates: Mutex::default(),
            uploads: Uploads::default(),
            backups: Semaphore::new(1),
            told_ms: Mutex::default(),
        };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// The directory of the services' sockets.
    pub(crate) fn run(&self) -> &Path {
        &self.inner.run
    }

    /// Name of the session cookie; differs from unit to unit.
    pub(crate) fn cookie(&self) -> &str {
        &self.inner.cookie
    }

    pub(crate) fn clock(&self) -> &Clock {
        &self.inner.clock
    }

    /// A receiver of the configuration.
    pub(crate) fn config(&self) -> Subscription<Snapshot> {
        self.inner.config.clone()
    }

    /// The configuration now; `None` until control gave the first.
    pub(crate) fn snapshot(&self) -> Option<Arc<Snapshot>> {
        self.inner.config.borrow().clone()
    }

    pub(crate) fn sessions(&self) -> MutexGuard<'_, Sessions> {
        lock(&self.inner.sessions)
    }

    pub(crate) fn rates(&self) -> MutexGuard<'_, Rates> {
        lock(&self.inner.rates)
    }

    /// Firmware that a page sends in pieces.
    pub(crate) fn uploads(&self) -> &Uploads {
        &self.inner.uploads
    }

    /// The turns in which backups are made and opened.
    pub(crate) fn backups(&self) -> &Semaphore {
        &self.inner.backups
    }

    /// Whether the unit runs its rescue firmware and serves nobody. Init says so before anybody starts.
    pub(crate) fn is_in_rescue(&self) -> bool {
        self.inner.run.join(RESCUE_MODE).exists()
    }

    /// A person is at work, not a script that looks: in rescue, update is told, lest the unit restart meanwhile.
    pub(crate) fn attended(&self) {
        if !self.is_in_rescue() {
            return;
        }
        let now_ms = self.inner.clock.now_ms();
        let mut told_ms = lock(&self.inner.told_ms);
        if told_ms.is_some_and(|then| now_ms.saturating_sub(then) < TELL_EVERY_MS) {
            return;
        }
        *told_ms = Some(now_ms);
        let run = self.inner.run.clone();
        tokio::spawn(async move {
            let told: Result<(), _> =
                evener_ipc::call(&run, Service::Update, &update::Request::Attended).await;
            if let Err(error) = told {
                tracing::warn!(%error, "update does not know that somebody is at work");
            }
        });
    }

    /// The user whose password this is, who may administer the unit.
    ///
    /// # Errors
    /// Who is denied what, see [`Denied`].
    pub(crate) async fn authenticate(
        &self,
        source: Source,
        name: &str,
        password: &str,
    ) -> Result<User, Denied> {
        let admitted = |app: &Self| lock(&app.inner.throttle).admit(source.0, name, app.inner.clock.now_ms());
        admitted(self).map_err(Denied::Wait)?;
        let snapshot = self.snapshot().ok_or(Denied::NotReady)?;
        let user = administrator(&snapshot).filter(|user| user.name == name);
        let phc = user.map(|user| user.password.0.as_str());
        // Those who waited for their turn beside many others are asked again, or they would all be looked at.
        let again = || admitted(self).is_ok();
        let outcome = self.inner.passwords.is_right(password, phc, self.inner.clock.now_ms(), again).await;
        let now_ms = self.inner.clock.now_ms();
        match (outcome, user) {
            (Some(true), Some(user)) => {
                lock(&self.inner.throttle).right(source.0, name, now_ms);
                Ok(user.clone())
            }
            (None, _) => Err(admitted(self).err().map_or(Denied::Wrong, Denied::Wait)),
            _ => {
                lock(&self.inner.throttle).wrong(source.0, name, now_ms);
                // Whatever a guesser sends as a name, it makes one short line.
                let name: String = name.chars().take(64).collect();
                tracing::warn!(source = %source.0, user = %name, "wrong password");
                Err(Denied::Wrong)
            }
        }
    }

    /// Begins a session; gives its cookie's value.
    ///
    /// # Errors
    /// When the kernel gives no randomness.
    pub(crate) fn begin_session(&self, user: &User) -> Result<String, crate::WebError> {
        let mut entropy = [0; 64];
        getrandom::fill(&mut entropy).map_err(|_| crate::WebError::Randomness)?;
        let now_ms = self.inner.clock.now_ms();
        Ok(self.sessions().begin(&user.name, &user.password.0, &entropy, now_ms))
    }

    /// The live session of this cookie, and its user as configured now.
    pub(crate) fn session(&self, token: &str, active: bool) -> Option<(Session, User)> {
        let session = self.sessions().find(token, active, self.inner.clock.now_ms())?;
        let snapshot = self.snapshot()?;
        let user = administrator(&snapshot)
            .filter(|user| user.name == session.user && session.is_of_password(&user.password.0));
        if user.is_none() {
            self.sessions().end(token);
        }
        let user = user?.clone();
        if active {
            self.attended();
        }
        Some((session, user))
    }

    /// Changes the configuration, and waits until this process has the new one.
    ///
    /// # Errors
    /// Why not, see [`Refused`].
    pub(crate) async fn apply(
        &self,
        author: &str,
        based_on: Option<u64>,
        change: Change,
    ) -> Result<Accepted, Refused> {
        self.apply_because(author, based_on, None, change).await
    }

    /// As [`apply`](Self::apply), with the reason that the history is to show.
    ///
    /// # Errors
    /// Why not, see [`Refused`].
    pub(crate) async fn apply_because(
        &self,
        author: &str,
        based_on: Option<u64>,
        reason: Option<String>,
        change: Change,
    ) -> Result<Accepted, Refused> {
        // The unit itself, and who may get in, can be set right there; what it serves is no part of rescue.
        let is_of_unit = match &change {
            Change::SetPassword { .. } | Change::ReplaceUnit(_) => true,
            Change::Replace(parts) => parts.services.is_none(),
            _ => false,
        };
        if !is_of_unit && self.is_in_rescue() {
            return Err(Refused::InRescue);
        }
        let edited = self.snapshot().and_then(|snapshot| form::edited(&snapshot.config.shared, &change));
        let transaction = Transaction { author: author.to_owned(), based_on, reason, change };
        match self.ask_control(control::Request::Apply(Box::new(transaction))).await? {
            Reply::Accepted(accepted) => {
                let newer = |state: &Option<Arc<Snapshot>>| {
                    state.as_ref().is_some_and(|snapshot| snapshot.generation >= accepted.generation)
                };
                let mut config = self.config();
                // Late is no failure: the change is made, the page only shows it at the next look.
                let _ = tokio::time::timeout(SEEN_WITHIN, config.wait_for(newer)).await;
                Ok(accepted)
            }
            reply => Err(match (Refused::by(reply), edited) {
                (Refused::Invalid(violations), Some(index)) => {
                    Refused::Invalid(form::of_edited(violations, index))
                }
                (refused, _) => refused,
            }),
        }
    }

    /// What control says to a request.
    ///
    /// # Errors
    /// [`Refused::Failed`] when it is away, [`Refused::Unknown`] when it was asked and fell silent.
    pub(crate) async fn ask_control(&self, request: control::Request) -> Result<Reply, Refused> {
        match evener_ipc::call(&self.inner.run, Service::Control, &request).await {
            Ok(reply) => Ok(reply),
            Err(error @ IpcError::Connect { .. }) => {
                tracing::warn!(%error, "control does not answer");
                Err(Refused::Failed(String::from("control does not answer")))
            }
            // It was never sent: what is answered to a change is small.
            Err(IpcError::Frame(FrameError::TooLarge { .. })) => {
                Err(Refused::Failed(String::from("it is larger than a configuration can be")))
            }
            // Once it was asked, silence says nothing about what it did.
            Err(error) => {
                tracing::warn!(%error, "control was asked for a change and did not answer");
                Err(Refused::Unknown)
            }
        }
    }

    /// Gives the user a new password.
    ///
    /// # Errors
    /// The rule that it breaks, or why control did not store it.
    pub(crate) async fn change_password(&self, user: &User, new: &str) -> Result<(), NewPassword> {
        let now_ms = self.inner.clock.now_ms();
        let phc = self
            .inner
            .passwords
            .hash_new(&user.name, new, &user.password.0, now_ms)
            .await
            .map_err(NewPassword::Rule)?;
        let change = Change::SetPassword { user: user.name.clone(), password: PasswordHash(phc) };
        self.apply(&user.name, None, change).await.map_err(NewPassword::Refused)?;
        tracing::info!(user = %user.name, "password changed");
        Ok(())
    }
}

/// Why a password was not changed.
#[derive(Debug)]
pub(crate) enum NewPassword {
    /// It breaks a rule.
    Rule(PasswordError),
    /// Control did not take it.
    Refused(Refused),
}

/// The administrator as configured.
pub(crate) fn administrator(snapshot: &Snapshot) -> Option<&User> {
    snapshot.config.shared.users.iter().find(|user| user.name == ADMINISTRATOR)
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // What is inside is consistent after each statement, so a panicked holder left nothing half done.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
