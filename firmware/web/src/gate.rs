//! Who gets to a page: nobody without a session, and with the first password only as far as changing it.

use crate::app::{App, Source};
use crate::form::Form;
use crate::pages;
use crate::session::Session;
use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::http::header::COOKIE;
use axum::http::request::Parts;
use axum::http::{HeaderMap, Method, StatusCode};
use axum::response::{IntoResponse, Redirect, Response};
use evener_api::control::Snapshot;
use evener_config::User;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

/// Header that the script sends when it refreshes a page by itself: no sign of a person.
const LIVE: &str = "x-evener-live";

/// Header that carries the token of the session when it is not in a form.
const CSRF: &str = "x-evener-csrf";

/// Somebody who is logged in.
#[derive(Clone, Debug)]
pub(crate) struct Visitor {
    pub(crate) session: Session,
    pub(crate) user: User,
    pub(crate) snapshot: Arc<Snapshot>,
    /// Value of the session cookie.
    pub(crate) token: String,
}

/// A [`Visitor`] who has a password of their own.
#[derive(Clone, Debug)]
pub(crate) struct Operator(pub(crate) Visitor);

/// An [`Operator`] whose page's script asks; it shows the token of its session in a header.
#[derive(Clone, Debug)]
pub(crate) struct Scripted(pub(crate) Visitor);

/// A form sent by a [`Visitor`] from one of our pages.
#[derive(Debug)]
pub(crate) struct Posted {
    pub(crate) visitor: Visitor,
    pub(crate) form: Form,
}

/// A form sent by an [`Operator`] from one of our pages.
#[derive(Debug)]
pub(crate) struct OperatorPosted {
    pub(crate) visitor: Visitor,
    pub(crate) form: Form,
}

impl FromRequestParts<App> for Source {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &App) -> Result<Self, Self::Rejection> {
        // Without one, as when there is no connection at all, everybody counts as one source.
        Ok(parts.extensions.get::<Self>().copied().unwrap_or(Self(IpAddr::V4(Ipv4Addr::UNSPECIFIED))))
    }
}

impl FromRequestParts<App> for Visitor {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Response> {
        let live = parts.headers.contains_key(LIVE);
        let snapshot = app.snapshot().ok_or_else(pages::starting)?;
        let token = cookie(&parts.headers, app.cookie()).unwrap_or_default();
        match app.session(token, !live) {
            Some((session, user)) => Ok(Self { session, user, snapshot, token: token.to_owned() }),
            None if live => Err(StatusCode::UNAUTHORIZED.into_response()),
            // A form that was too late lands on the page that holds it.
            None if parts.method == Method::GET || parts.method == Method::HEAD => {
                Err(Redirect::to(&pages::login::path_with_next(parts.uri.path())).into_response())
            }
            None => Err(Redirect::to("/login?ended=1").into_response()),
        }
    }
}

impl FromRequestParts<App> for Operator {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Response> {
        let visitor = Visitor::from_request_parts(parts, app).await?;
        if visitor.user.must_change_password {
            return Err(Redirect::to("/password").into_response());
        }
        Ok(Self(visitor))
    }
}

impl FromRequestParts<App> for Scripted {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Response> {
        let Operator(visitor) = Operator::from_request_parts(parts, app).await?;
        let token = parts.headers.get(CSRF).and_then(|value| value.to_str().ok()).unwrap_or_default();
        if visitor.session.csrf_matches(token) {
            return Ok(Self(visitor));
        }
        tracing::warn!("a script without the token of its session was refused");
        let text = "This page is not from your present log-in. Load it again and repeat.";
        Err(pages::message(StatusCode::FORBIDDEN, "Refused", text))
    }
}

impl FromRequest<App> for Posted {
    type Rejection = Response;

    async fn from_request(request: Request, app: &App) -> Result<Self, Response> {
        let (mut parts, body) = request.into_parts();
        let visitor = Visitor::from_request_parts(&mut parts, app).await?;
        let form = read_form(Request::from_parts(parts, body), app).await?;
        if visitor.session.csrf_matches(form.value("csrf")) {
            return Ok(Self { visitor, form });
        }
        tracing::warn!("a form without the token of its session was refused");
        let text = "This form is not from your present log-in. Go back, load the page again and repeat.";
        Err(pages::message(StatusCode::FORBIDDEN, "Refused", text))
    }
}

impl FromRequest<App> for OperatorPosted {
    type Rejection = Response;

    async fn from_request(request: Request, app: &App) -> Result<Self, Response> {
        let Posted { visitor, form } = Posted::from_request(request, app).await?;
        if visitor.user.must_change_password {
            return Err(Redirect::to("/password").into_response());
        }
        Ok(Self { visitor, form })
    }
}

/// Reads a form's body.
///
/// # Errors
/// The page that says why not.
pub(crate) async fn read_form(request: Request, app: &App) -> Result<Form, Response> {
    match axum::Form::<Vec<(String, String)>>::from_request(request, app).await {
        Ok(axum::Form(pairs)) => Ok(Form::typed(pairs)),
        Err(rejection) => Err(pages::message(rejection.status(), "Refused", "The form could not be read.")),
    }
}

fn cookie<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let pairs = headers.get_all(COOKIE).into_iter().filter_map(|value| value.to_str().ok());
    pairs.flat_map(|value| value.split(';')).find_map(|pair| {
        let (key, value) = pair.split_once('=')?;
        (key.trim() == name).then(|| value.trim())
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderValue;

    #[test]
    fn our_cookie_is_found_among_those_of_a_neighbour_on_the_same_name() {
        let mut headers = HeaderMap::new();
        headers.append(COOKIE, HeaderValue::from_static("evener-aa=1; evener-bb=2"));
        headers.append(COOKIE, HeaderValue::from_static("x=evener-cc"));
        assert_eq!(cookie(&headers, "evener-bb"), Some("2"));
        assert_eq!(cookie(&headers, "evener-b"), None);
        assert_eq!(cookie(&headers, "evener-cc"), None);
    }
}
