//! Firmware files from a browser: looked at, sent in pieces by the script, or as one form without it.

use super::candidate;
use crate::app::App;
use crate::firmware::{self, Fault, Installing};
use crate::gate::{Operator, Scripted, Visitor};
use crate::intake::Errands;
use crate::pages;
use crate::upload::{self, NotTaken};
use axum::Json;
use axum::body::Bytes;
use axum::extract::multipart::{Field, Multipart, MultipartError};
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::http::header::CONNECTION;
use axum::response::{Html, IntoResponse, Redirect, Response};
use evener_api::Service;
use evener_api::update::{FirmwareStatus, InstallOrder, Request};
use serde::Deserialize;
use serde_json::json;
use std::time::Duration;

/// How long a browser may pause in the middle of a file.
const PAUSE: Duration = Duration::from_secs(30);
/// For what a refused browser still sends.
const REST_WITHIN: Duration = Duration::from_secs(120);

/// `POST /firmware/inspect`: a piece of page about the file that begins with these bytes.
pub(crate) async fn inspect(State(app): State<App>, _: Scripted, head: Bytes) -> Response {
    match firmware::inspect(&app, head.into()).await {
        Ok(candidate) => {
            let status: Result<FirmwareStatus, _> =
                evener_ipc::call(app.run(), Service::Update, &Request::Get).await;
            Html(candidate::shown(&candidate, status.ok().as_ref()).into_string()).into_response()
        }
        Err(fault) => told(&fault),
    }
}

/// What the address of [`begin`] carries.
#[derive(Debug, Deserialize)]
pub(crate) struct Beginning {
    size: u64,
    #[serde(default)]
    even_if_it_failed: bool,
}

/// `POST /firmware/upload`.
pub(crate) async fn begin(
    State(app): State<App>,
    Scripted(visitor): Scripted,
    Query(Beginning { size, even_if_it_failed }): Query<Beginning>,
) -> Response {
    let author = visitor.user.name;
    tracing::warn!(user = %author, size, even_if_it_failed, "a firmware is uploaded");
    if size > firmware::FILE_BYTES {
        let detail = format!("A firmware file has at most {} MiB.", firmware::FILE_BYTES >> 20);
        return (StatusCode::PAYLOAD_TOO_LARGE, Json(json!({ "detail": detail }))).into_response();
    }
    match upload::begin(&app, InstallOrder { author, size: Some(size), even_if_it_failed }).await {
        Ok(name) => Json(json!({ "upload": name })).into_response(),
        Err(fault) => told(&fault),
    }
}

/// What the address of [`piece`] carries.
#[derive(Debug, Deserialize)]
pub(crate) struct Offset {
    offset: u64,
}

/// `POST /firmware/upload/{upload}`.
pub(crate) async fn piece(
    State(app): State<App>,
    _: Scripted,
    Path(upload): Path<String>,
    Query(Offset { offset }): Query<Offset>,
    bytes: Bytes,
) -> Response {
    match upload::piece(&app, upload, offset, bytes).await {
        Ok(taken) => Json(json!({ "taken": taken })).into_response(),
        Err(not_taken) => answer(not_taken),
    }
}

/// `POST /firmware/upload/{upload}/end`.
pub(crate) async fn end(State(app): State<App>, _: Scripted, Path(upload): Path<String>) -> Response {
    match upload::end(&app, &upload).await {
        Ok(()) => StatusCode::ACCEPTED.into_response(),
        Err(not_taken) => answer(not_taken),
    }
}

fn answer(not_taken: NotTaken) -> Response {
    match not_taken {
        NotTaken::Elsewhere(taken) => (StatusCode::CONFLICT, Json(json!({ "taken": taken }))).into_response(),
        NotTaken::Gone => {
            let detail = "This upload has ended.";
            (StatusCode::GONE, Json(json!({ "detail": detail }))).into_response()
        }
        NotTaken::Fault(fault) => told(&fault),
    }
}

/// For the script, which shows the words.
fn told(fault: &Fault) -> Response {
    (StatusCode::UNPROCESSABLE_ENTITY, Json(json!({ "detail": fault.words() }))).into_response()
}

/// `POST /firmware/install`: the whole form, from a browser without script.
pub(crate) async fn form(
    State(app): State<App>,
    Operator(visitor): Operator,
    errands: Errands,
    mut form: Multipart,
) -> Response {
    let _errand = errands.begin();
    match install(&app, &visitor, &mut form).await {
        Ok(()) => Redirect::to("/firmware").into_response(),
        Err((status, words)) => {
            tracing::warn!(reason = words, "a firmware is not installed");
            // Browsers look for an answer only after they sent everything.
            tokio::spawn(tokio::time::timeout(REST_WITHIN, async move { run_out(form).await.ok() }));
            let mut response = pages::message(status, "Not installed", &words);
            response.headers_mut().insert(CONNECTION, axum::http::HeaderValue::from_static("close"));
            response
        }
    }
}

type Refused = (StatusCode, String);

/// The fields come in the order of the page, so the file is last and the token was seen before it.
async fn install(app: &App, visitor: &Visitor, form: &mut Multipart) -> Result<(), Refused> {
    let (mut trusted, mut even_if_it_failed) = (false, false);
    while let Some(field) = within(form.next_field()).await? {
        match field.name().unwrap_or_default() {
            "csrf" => trusted = visitor.session.csrf_matches(&short(field).await?),
            "even_if_it_failed" => even_if_it_failed = short(field).await? == "true",
            "firmware" if trusted => {
                let author = visitor.user.name.clone();
                tracing::warn!(user = %author, even_if_it_failed, "a firmware is uploaded");
                let order = InstallOrder { author, size: None, even_if_it_failed };
                return take(app, field, order).await;
            }
            _ => break,
        }
    }
    let text =
        "This form is not from your present log-in, or has no file. Go back, load the page again and repeat.";
    Err((StatusCode::FORBIDDEN, String::from(text)))
}

async fn take(app: &App, mut field: Field<'_>, order: InstallOrder) -> Result<(), Refused> {
    let refused = |fault: Fault| (StatusCode::UNPROCESSABLE_ENTITY, fault.words());
    let mut installing = Installing::begin(app, order).await.map_err(refused)?;
    while let Some(bytes) = within(field.chunk()).await? {
        installing.push(&bytes).await.map_err(refused)?;
    }
    installing.finish().await.map(|_| ()).map_err(refused)
}

async fn within<T>(coming: impl Future<Output = Result<T, MultipartError>>) -> Result<T, Refused> {
    let broken = "The upload broke off, or the file is larger than a firmware can be. Nothing was changed.";
    match tokio::time::timeout(PAUSE, coming).await {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(error)) => Err((error.status(), String::from(broken))),
        Err(_) => {
            let text = "Nothing came for 30 seconds, so the installation was cancelled.";
            Err((StatusCode::REQUEST_TIMEOUT, String::from(text)))
        }
    }
}

/// A field that is no file.
async fn short(mut field: Field<'_>) -> Result<String, Refused> {
    let mut text = Vec::new();
    while let Some(bytes) = within(field.chunk()).await? {
        if text.len() + bytes.len() > 256 {
            return Err((StatusCode::BAD_REQUEST, String::from("The form could not be read.")));
        }
        text.extend_from_slice(&bytes);
    }
    Ok(String::from_utf8_lossy(&text).into_owned())
}

async fn run_out(mut form: Multipart) -> Result<(), MultipartError> {
    while let Some(mut field) = form.next_field().await? {
        while field.chunk().await?.is_some() {}
    }
    Ok(())
}
