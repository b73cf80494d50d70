//! Who may get to the menu, and their passwords: checked as the pages check theirs, with the same throttle.

use crate::talk::refused;
use crate::unit::{ADMINISTRATOR, Unit, lock};
use evener_api::control::Change;
use evener_config::{PasswordHash, User};
use evener_menu::Answer;
use evener_throttle::Throttle;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// Who is at the menu, and where.
#[derive(Clone, Debug)]
pub(crate) struct Who {
    /// As it stands in the log.
    place: String,
    /// Whose wrong passwords count together: each terminal has a count of its own, so that noise on a serial line locks
    /// nobody out elsewhere; all connections have one.
    throttle: Arc<Mutex<Throttle>>,
    source: IpAddr,
    at_machine: bool,
    /// Whoever is logged in, as configured at that time.
    user: Option<User>,
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

impl Who {
    /// Somebody at a terminal of the machine.
    pub(crate) fn at(terminal: &str) -> Self {
        let source = IpAddr::V4(Ipv4Addr::LOCALHOST);
        Self { place: terminal.to_owned(), throttle: Arc::default(), source, at_machine: true, user: None }
    }

    /// Somebody elsewhere.
    pub(crate) fn from(source: IpAddr, throttle: Arc<Mutex<Throttle>>) -> Self {
        Self { place: format!("ssh from {source}"), throttle, source, at_machine: false, user: None }
    }

    /// Logged in by something else than a password.
    pub(crate) fn is(&mut self, user: User) {
        self.user = Some(user);
    }

    /// Whether the password of whoever is logged in is another one by now.
    pub(crate) fn is_of_the_past(&self, unit: &Unit) -> bool {
        let Some(user) = &self.user else { return false };
        unit.administrator().is_some_and(|now| now.password != user.password)
    }

    /// As it stands in the log.
    pub(crate) fn place(&self) -> &str {
        &self.place
    }

    /// Whoever is logged in; before, the one account that there is.
    pub(crate) fn name(&self) -> String {
        self.user.as_ref().map_or_else(|| ADMINISTRATOR.to_owned(), |user| user.name.clone())
    }
}

impl Unit {
    /// The user whose password this is.
    ///
    /// # Errors
    /// Who is denied what, see [`Denied`].
    pub(crate) async fn authenticate(&self, who: &Who, name: &str, password: &str) -> Result<User, Denied> {
        let admitted = || lock(&who.throttle).admit(who.source, name, self.now_ms());
        admitted().map_err(Denied::Wait)?;
        let administrator = self.administrator().ok_or(Denied::NotReady)?;
        let user = Some(administrator).filter(|user| user.name == name);
        let phc = user.as_ref().map(|user| user.password.0.as_str());
        let outcome = self.passwords().is_right(password, phc, self.now_ms(), || admitted().is_ok()).await;
        match (outcome, user) {
            (Some(true), Some(user)) => {
                lock(&who.throttle).right(who.source, name, self.now_ms());
                Ok(user)
            }
            (None, _) => Err(admitted().err().map_or(Denied::Wrong, Denied::Wait)),
            _ => {
                lock(&who.throttle).wrong(who.source, name, self.now_ms());
                // Whatever a guesser sends as a name, it makes one short line.
                let name: String = name.chars().take(64).collect();
                tracing::warn!(place = who.place, user = %name, "wrong password");
                Err(Denied::Wrong)
            }
        }
    }

    /// A log-in at the menu.
    pub(crate) async fn log_in(&self, who: &mut Who, name: &str, password: &str) -> Answer {
        match self.authenticate(who, name, password).await {
            Ok(user) => {
                tracing::info!(place = who.place, user = user.name, "logged in");
                let must_change = user.must_change_password;
                who.user = Some(user);
                Answer::Welcome { must_change }
            }
            Err(denied) => Answer::Denied(denied.words()),
        }
    }

    /// Another password for whoever is logged in.
    pub(crate) async fn change_password(&self, who: &mut Who, old: &str, new: &str) -> Answer {
        let name = who.name();
        match self.authenticate(who, &name, old).await {
            Ok(user) => self.set_password(who, &user, new).await,
            Err(Denied::Wrong) => refused("The present password is wrong."),
            Err(denied) => refused(denied.words()),
        }
    }

    /// A password for the administrator, without the old one.
    pub(crate) async fn reset_password(&self, who: &mut Who, new: &str) -> Answer {
        // The menu asks for this at a terminal of the machine only; it is the last one to be sure.
        let user = if who.at_machine { self.administrator() } else { None };
        let Some(user) = user else { return refused("This is not possible here.") };
        let answer = self.set_password(who, &user, new).await;
        if matches!(answer, Answer::Done(_)) {
            tracing::warn!(
                place = who.place,
                user = user.name,
                "THE PASSWORD WAS RESET at the machine itself, by somebody who did not need the old one"
            );
            // Nobody is logged in by that.
            who.user = None;
        }
        answer
    }

    async fn set_password(&self, who: &mut Who, user: &User, new: &str) -> Answer {
        let hashed = self.passwords().hash_new(&user.name, new, &user.password.0, self.now_ms()).await;
        let password = match hashed {
            Ok(phc) => PasswordHash(phc),
            Err(error) => return refused(error.to_string()),
        };
        let change = Change::SetPassword { user: user.name.clone(), password: password.clone() };
        match self.apply(&user.name, None, change).await {
            Ok(_) => {
                who.user = Some(User { password, must_change_password: false, ..user.clone() });
                tracing::info!(place = who.place, user = user.name, "password changed");
                Answer::Done(
                    "The password is changed. Everybody who was logged in has to log in again.".into(),
                )
            }
            Err(reasons) => Answer::Refused(reasons),
        }
    }
}

impl Denied {
    pub(crate) fn words(self) -> String {
        match self {
            Self::Wrong => "User or password is wrong.".into(),
            Self::Wait(time) => {
                format!("Too many wrong passwords. Try again in {} s.", time.as_secs().saturating_add(1))
            }
            Self::NotReady => "The unit is still starting. Try again in a moment.".into(),
        }
    }
}
