//! Looking for a fault: captures of packets, ping and its like.

use super::body::JsonBody;
use super::caller::Caller;
use super::problem::{self, Answer};
use crate::app::App;
use crate::captures::{self, Fault};
use crate::diagnose::{self, Ask, Lookup, Ping, Trace};
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use evener_api::capture::{CaptureOrder, CaptureStatus};
use evener_api::diagnose::Question;
use evener_api::timestamp;
use serde::Serialize;
use serde::de::DeserializeOwned;

/// A capture as the API shows it.
#[derive(Debug, Serialize)]
pub(crate) struct Capture {
    running: bool,
    order: Option<CaptureOrder>,
    began: Option<String>,
    packets: u64,
    bytes: u64,
    lost: u64,
    ended: Option<String>,
}

impl From<CaptureStatus> for Capture {
    fn from(status: CaptureStatus) -> Self {
        let CaptureStatus { order, running, began_unix_ms, packets, bytes, lost, ended } = status;
        let began = order.as_ref().map(|_| timestamp(began_unix_ms));
        Self {
            running,
            order,
            began,
            packets,
            bytes,
            lost,
            ended: Some(ended).filter(|ended| !ended.is_empty()),
        }
    }
}

/// `GET /api/v1/debug/capture`.
pub(crate) async fn show(State(app): State<App>, _: Caller) -> Result<Json<Capture>, Answer> {
    captures::status(&app).await.map(|status| Json(status.into())).map_err(not_done)
}

/// `POST /api/v1/debug/capture`.
pub(crate) async fn start(
    State(app): State<App>,
    caller: Caller,
    body: JsonBody,
) -> Result<(StatusCode, Json<Capture>), Answer> {
    let order: CaptureOrder = body.read()?;
    let violations = captures::violations(&order);
    if !violations.is_empty() {
        return Err(problem::invalid_parameters(violations));
    }
    let status = captures::start(&app, &caller.user.name, order).await.map_err(not_done)?;
    Ok((StatusCode::ACCEPTED, Json(status.into())))
}

/// `DELETE /api/v1/debug/capture`.
pub(crate) async fn stop(State(app): State<App>, _: Caller) -> Result<Json<Capture>, Answer> {
    captures::stop(&app).await.map(|status| Json(status.into())).map_err(not_done)
}

/// `GET /api/v1/debug/capture/file`.
pub(crate) async fn file(State(app): State<App>, _: Caller) -> Result<Response, Answer> {
    captures::file(&app).await.map_err(not_done)
}

/// What was found out, in words.
#[derive(Debug, Serialize)]
pub(crate) struct Lines {
    lines: Vec<String>,
}

/// `POST /api/v1/debug/ping`.
pub(crate) async fn ping(app: State<App>, caller: Caller, body: JsonBody) -> Result<Json<Lines>, Answer> {
    posed::<Ping>(&app, &caller, &body).await
}

/// `POST /api/v1/debug/traceroute`.
pub(crate) async fn traceroute(
    app: State<App>,
    caller: Caller,
    body: JsonBody,
) -> Result<Json<Lines>, Answer> {
    posed::<Trace>(&app, &caller, &body).await
}

/// `POST /api/v1/debug/lookup`.
pub(crate) async fn lookup(app: State<App>, caller: Caller, body: JsonBody) -> Result<Json<Lines>, Answer> {
    posed::<Lookup>(&app, &caller, &body).await
}

/// `GET /api/v1/debug/routes`.
pub(crate) async fn routes(app: State<App>, caller: Caller) -> Result<Json<Lines>, Answer> {
    found(&app, &caller, Question::Routes).await
}

/// `GET /api/v1/debug/neighbours`.
pub(crate) async fn neighbours(app: State<App>, caller: Caller) -> Result<Json<Lines>, Answer> {
    found(&app, &caller, Question::Neighbours).await
}

async fn posed<A: Ask + DeserializeOwned>(
    app: &App,
    caller: &Caller,
    body: &JsonBody,
) -> Result<Json<Lines>, Answer> {
    let question = body.read::<A>()?.question().map_err(problem::invalid_parameters)?;
    found(app, caller, question).await
}

async fn found(app: &App, caller: &Caller, question: Question) -> Result<Json<Lines>, Answer> {
    diagnose::ask(app, &caller.user.name, question).await.map(|lines| Json(Lines { lines })).map_err(not_done)
}

fn not_done(fault: Fault) -> Answer {
    match fault {
        Fault::Refused(reason) => {
            problem::answer(StatusCode::CONFLICT, "not-possible", format!("Nothing was done: {reason}."))
        }
        Fault::Away => {
            let detail = "log does not answer";
            problem::answer(StatusCode::SERVICE_UNAVAILABLE, "service-unavailable", detail)
        }
    }
}
