//! Who calls: HTTP Basic (RFC 7617), never the pages' cookie, which a browser would send for anybody.

use super::problem::{self, Answer};
use crate::app::{App, Denied, Refused, Source};
use axum::extract::FromRequestParts;
use axum::http::header::{AUTHORIZATION, IF_MATCH};
use axum::http::request::Parts;
use axum::http::{HeaderMap, Method, StatusCode};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use evener_api::control::{Accepted, Change, Snapshot, Violation};
use evener_config::User;
use std::sync::Arc;
use std::time::Duration;

/// Somebody who gave the right password, perhaps the first one.
#[derive(Clone, Debug)]
pub(crate) struct AnyCaller {
    pub(crate) user: User,
    pub(crate) snapshot: Arc<Snapshot>,
}

/// Somebody who may do everything.
#[derive(Clone, Debug)]
pub(crate) struct Caller {
    pub(crate) user: User,
    pub(crate) snapshot: Arc<Snapshot>,
    /// The generation that the change was made for (`If-Match`).
    pub(crate) based_on: Option<u64>,
    /// Why, for the history ([`REASON`]).
    pub(crate) reason: Option<String>,
}

/// Header with the reason of a change, in UTF-8: bodies of most requests are objects of the model, and nothing else.
const REASON: &str = "evener-reason";

impl Caller {
    /// Changes the configuration for this caller; see [`App::apply`].
    ///
    /// # Errors
    /// Why not, see [`Refused`].
    pub(crate) async fn apply(&self, app: &App, change: Change) -> Result<Accepted, Refused> {
        app.apply_because(&self.user.name, self.based_on, self.reason.clone(), change).await
    }
}

impl FromRequestParts<App> for AnyCaller {
    type Rejection = Answer;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Answer> {
        let unauthorized = |detail| problem::answer(StatusCode::UNAUTHORIZED, "unauthorized", detail);
        let Some((name, password)) = credentials(&parts.headers) else {
            return Err(unauthorized("Send user and password by HTTP Basic."));
        };
        let Ok(source) = Source::from_request_parts(parts, app).await;
        match app.authenticate(source, &name, &password).await {
            Ok(user) => {
                // Reading is what monitoring does, all day.
                if parts.method != Method::GET && parts.method != Method::HEAD {
                    app.attended();
                }
                app.snapshot().map(|snapshot| Self { user, snapshot }).ok_or_else(starting)
            }
            Err(Denied::Wrong) => Err(unauthorized("User or password is wrong.")),
            Err(Denied::Wait(time)) => {
                let detail = "Too many passwords were wrong; none is looked at for now.";
                Err(problem::answer(StatusCode::TOO_MANY_REQUESTS, "too-many-attempts", detail).after(time))
            }
            Err(Denied::NotReady) => Err(starting()),
        }
    }
}

fn starting() -> Answer {
    let detail = "The unit is starting: control has not given the configuration yet.";
    problem::answer(StatusCode::SERVICE_UNAVAILABLE, "service-unavailable", detail)
        .after(Duration::from_secs(2))
}

impl FromRequestParts<App> for Caller {
    type Rejection = Answer;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Answer> {
        let AnyCaller { user, snapshot } = AnyCaller::from_request_parts(parts, app).await?;
        if user.must_change_password {
            let detail = "Replace the first password: POST /api/v1/users/bal/password {\"password\": …}.";
            return Err(problem::answer(StatusCode::FORBIDDEN, "password-change-required", detail));
        }
        let based_on = if_match(&parts.headers, snapshot.generation)?;
        let reason = reason(&parts.headers)?;
        Ok(Self { user, snapshot, based_on, reason })
    }
}

/// The generation named in `If-Match`, when there is one.
fn if_match(headers: &HeaderMap, newest: u64) -> Result<Option<u64>, Answer> {
    let Some(value) = headers.get(IF_MATCH) else { return Ok(None) };
    match value.to_str().unwrap_or_default().trim() {
        "*" => Ok(None),
        // Tags that are not ours match nothing.
        tag => match tag.strip_prefix('"').and_then(|tag| tag.strip_suffix('"')?.parse().ok()) {
            Some(generation) if generation == newest => Ok(Some(generation)),
            _ => Err(problem::precondition(newest)),
        },
    }
}

/// The reason in the header, when there is one.
fn reason(headers: &HeaderMap) -> Result<Option<String>, Answer> {
    let Some(value) = headers.get(REASON) else { return Ok(None) };
    match std::str::from_utf8(value.as_bytes()) {
        Ok(reason) => Ok(Some(reason.trim().to_owned()).filter(|reason| !reason.is_empty())),
        Err(_) => {
            let reason = String::from("the header Evener-Reason is not UTF-8 text");
            Err(problem::invalid(vec![Violation { field: String::from("reason"), reason }]))
        }
    }
}

fn credentials(headers: &HeaderMap) -> Option<(String, String)> {
    let value = headers.get(AUTHORIZATION)?.to_str().ok()?;
    let (scheme, encoded) = value.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let decoded = String::from_utf8(STANDARD.decode(encoded.trim()).ok()?).ok()?;
    let (name, password) = decoded.split_once(':')?;
    Some((name.to_owned(), password.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderValue;

    #[test]
    fn basic_credentials_are_read_and_nothing_else() {
        let of = |value: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(AUTHORIZATION, HeaderValue::from_str(value).unwrap());
            credentials(&headers)
        };
        let expected = Some((String::from("bal"), String::from("a:b")));
        assert_eq!(of("Basic YmFsOmE6Yg=="), expected);
        assert_eq!(of("basic  YmFsOmE6Yg=="), expected);
        for wrong in ["Bearer YmFsOmE6Yg==", "Basic", "Basic !", "Basic YmFs", "Basic //79/A=="] {
            assert_eq!(of(wrong), None, "{wrong}");
        }
    }
}
