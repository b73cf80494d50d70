//! The firmware: what is in the slots, what a file would be, and its way into a slot.
//!
//! A file comes as the body of one request, as long as it is, and goes to update as it comes: see
//! [`crate::firmware`].

use super::caller::Caller;
use super::problem::{self, Answer};
use crate::app::App;
use crate::firmware::{self, FILE_BYTES, Fault, Installing};
use crate::intake::{Errands, Intake, Stopped};
use axum::Json;
use axum::body::{Body, Bytes};
use axum::extract::{FromRequest, RawQuery, Request, State};
use axum::http::{HeaderMap, StatusCode, header::CONTENT_LENGTH};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use evener_api::Service;
use evener_api::update::{self, CHUNK_BYTES, Candidate, FirmwareStatus, InstallOrder};
use evener_ipc::Subscription;
use futures_util::Stream;
use serde::Serialize;
use std::convert::Infallible;

/// What [`install`] answers.
#[derive(Debug, Serialize)]
pub(crate) struct Installed {
    /// What the next boot starts, on trial.
    installed: Box<Candidate>,
}

/// What a change of the slots answers.
#[derive(Debug, Serialize)]
pub(crate) struct Next {
    /// The slot that the next boot starts.
    next: char,
}

/// `GET /api/v1/firmware`.
pub(crate) async fn show(State(app): State<App>, _: Caller) -> Result<Json<FirmwareStatus>, Answer> {
    match evener_ipc::call(app.run(), Service::Update, &update::Request::Get).await {
        Ok(status) => Ok(Json(status)),
        Err(error) => Err(problem::not_installed(error.into())),
    }
}

/// `GET /api/v1/firmware/events`: the status now and after every change.
pub(crate) async fn events(
    State(app): State<App>,
    _: Caller,
) -> Sse<impl Stream<Item = Result<Event, Infallible>>> {
    let followed = evener_ipc::subscribe(app.run().to_owned(), Service::Update, update::Request::Subscribe);
    let events = futures_util::stream::unfold(followed, |mut followed: Subscription<FirmwareStatus>| async {
        loop {
            followed.changed().await.ok()?;
            let Some(status) = followed.borrow_and_update().clone() else { continue };
            let event = Event::default().event("firmware").json_data(&*status).ok()?;
            return Some((Ok(event), followed));
        }
    });
    Sse::new(events).keep_alive(KeepAlive::default())
}

/// `PUT /api/v1/firmware`.
pub(crate) async fn install(
    State(app): State<App>,
    caller: Caller,
    RawQuery(query): RawQuery,
    errands: Errands,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Answer> {
    let even_if_it_failed = overrides(query.as_deref().unwrap_or_default())?;
    let size = headers.get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse().ok());
    if size.is_some_and(|size: u64| size > FILE_BYTES) {
        return Err(too_large());
    }
    let author = caller.user.name;
    tracing::warn!(user = %author, size, even_if_it_failed, "a firmware is uploaded");
    let _errand = errands.begin();
    let mut intake = Intake::new(body, FILE_BYTES);
    match take(&app, &mut intake, InstallOrder { author, size, even_if_it_failed }).await {
        Ok(installed) => Ok((StatusCode::CREATED, Json(Installed { installed })).into_response()),
        Err(answer) => Ok(intake.answer_early(answer)),
    }
}

async fn take(app: &App, intake: &mut Intake, order: InstallOrder) -> Result<Box<Candidate>, Answer> {
    let mut installing = Installing::begin(app, order).await.map_err(not_installed)?;
    while let Some(bytes) = intake.next().await.map_err(stopped)? {
        installing.push(&bytes).await.map_err(not_installed)?;
    }
    let candidate = installing.finish().await.map_err(not_installed)?;
    tracing::warn!(version = %candidate.version, slot = %candidate.slot, "a firmware is installed");
    Ok(candidate)
}

fn not_installed(fault: Fault) -> Answer {
    tracing::warn!(reason = fault.words(), "a firmware is not installed");
    problem::not_installed(fault)
}

fn stopped(stopped: Stopped) -> Answer {
    tracing::warn!(?stopped, "the upload of a firmware has stopped");
    match stopped {
        Stopped::TooLarge => too_large(),
        Stopped::Paused => {
            let detail = "The sender paused for 30 seconds, so the installation was cancelled.";
            problem::answer(StatusCode::REQUEST_TIMEOUT, "timeout", detail)
        }
        Stopped::Broken => {
            let detail = "The upload broke off, so the installation was cancelled.";
            problem::answer(StatusCode::BAD_REQUEST, "incomplete", detail)
        }
    }
}

fn too_large() -> Answer {
    let detail = format!("A firmware file has at most {} MiB.", FILE_BYTES >> 20);
    problem::answer(StatusCode::PAYLOAD_TOO_LARGE, "payload-too-large", detail)
}

/// The one parameter that an installation knows. A misspelt one is refused: it would be silently without effect.
fn overrides(query: &str) -> Result<bool, Answer> {
    match query {
        "" | "even-if-it-failed=false" => Ok(false),
        "even-if-it-failed=true" => Ok(true),
        _ => {
            let detail = "The only parameter here is even-if-it-failed, which is true or false.";
            Err(problem::answer(StatusCode::BAD_REQUEST, "unknown-parameter", detail))
        }
    }
}

/// `POST /api/v1/firmware/inspect`.
pub(crate) async fn inspect(
    State(app): State<App>,
    _: Caller,
    Head(head): Head,
) -> Result<Json<Box<Candidate>>, Answer> {
    let candidate = firmware::inspect(&app, head.into()).await.map_err(problem::not_installed)?;
    Ok(Json(candidate))
}

/// The first bytes of a firmware file.
#[derive(Debug)]
pub(crate) struct Head(Bytes);

impl FromRequest<App> for Head {
    type Rejection = Answer;

    async fn from_request(request: Request, state: &App) -> Result<Self, Answer> {
        Bytes::from_request(request, state).await.map(Self).map_err(|rejection| {
            if rejection.status() == StatusCode::PAYLOAD_TOO_LARGE {
                let detail = format!("Send the first {CHUNK_BYTES} bytes of the file, not more.");
                problem::answer(StatusCode::PAYLOAD_TOO_LARGE, "payload-too-large", detail)
            } else {
                let detail = "The body did not arrive as a whole.";
                problem::answer(StatusCode::BAD_REQUEST, "incomplete", detail)
            }
        })
    }
}

/// `POST /api/v1/firmware/cancel`.
pub(crate) async fn cancel(State(app): State<App>, caller: Caller) -> Result<Json<Next>, Answer> {
    change(&app, caller, |_| update::Request::Cancel).await
}

/// `POST /api/v1/firmware/discard`.
pub(crate) async fn discard(State(app): State<App>, caller: Caller) -> Result<Json<Next>, Answer> {
    change(&app, caller, |author| update::Request::Discard { author }).await
}

/// `POST /api/v1/firmware/restore`.
pub(crate) async fn restore(State(app): State<App>, caller: Caller) -> Result<Json<Next>, Answer> {
    change(&app, caller, |author| update::Request::Restore { author }).await
}

/// `POST /api/v1/firmware/rescue`.
pub(crate) async fn rescue(State(app): State<App>, caller: Caller) -> Result<Json<Next>, Answer> {
    change(&app, caller, |author| update::Request::Rescue { author }).await
}

/// `POST /api/v1/firmware/start-again`.
pub(crate) async fn start_again(State(app): State<App>, caller: Caller) -> Result<Json<Next>, Answer> {
    change(&app, caller, |_| update::Request::Forgive).await
}

async fn change(
    app: &App,
    caller: Caller,
    request: impl FnOnce(String) -> update::Request,
) -> Result<Json<Next>, Answer> {
    let user = caller.user.name;
    let request = request(user.clone());
    tracing::warn!(%user, ?request, "asked for");
    let next = firmware::change(app, request).await.map_err(problem::not_installed)?;
    Ok(Json(Next { next }))
}
