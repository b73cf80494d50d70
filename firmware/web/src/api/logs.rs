//! The unit's log.

use super::caller::Caller;
use super::problem::{self, Answer};
use crate::app::App;
use crate::logs::{self, PARAMETERS, Query};
use axum::Json;
use axum::extract::{Query as FromQuery, State};
use axum::http::StatusCode;
use axum::response::Response;
use evener_api::log::{Level, Search};
use evener_api::timestamp;
use serde::Serialize;

/// What [`show`] answers.
#[derive(Debug, Serialize)]
pub(crate) struct Found {
    records: Vec<Record>,
    /// `cursor` of the request that goes on; `null` when there is no more.
    next: Option<u64>,
}

#[derive(Debug, Serialize)]
struct Record {
    seq: u64,
    time: String,
    since_boot_ms: u64,
    boot: String,
    service: String,
    level: Level,
    text: String,
}

/// `GET /api/v1/logs`.
pub(crate) async fn show(
    State(app): State<App>,
    _: Caller,
    FromQuery(query): FromQuery<Query>,
) -> Result<Json<Found>, Answer> {
    let found = logs::search(&app, read(&query)?).await.map_err(|reason| unavailable(&reason))?;
    let records = found.records.into_iter().map(|record| Record {
        seq: record.seq,
        time: timestamp(record.unix_ms),
        since_boot_ms: record.since_boot_ms,
        boot: format!("{:08x}", record.boot),
        service: record.service,
        level: record.level,
        text: record.text,
    });
    Ok(Json(Found { records: records.collect(), next: found.next }))
}

/// `GET /api/v1/logs/text`.
pub(crate) async fn text(
    State(app): State<App>,
    _: Caller,
    FromQuery(query): FromQuery<Query>,
) -> Result<Response, Answer> {
    logs::text(&app, read(&query)?).await.map_err(|reason| unavailable(&reason))
}

fn read(query: &Query) -> Result<Search, Answer> {
    if let Some(unknown) = query.keys().find(|name| !PARAMETERS.contains(&name.as_str())) {
        let unknown: String = unknown.chars().take(40).collect();
        let detail = format!("There is no parameter {unknown:?} here; there are {}.", PARAMETERS.join(", "));
        return Err(problem::answer(StatusCode::BAD_REQUEST, "unknown-parameter", detail));
    }
    logs::read(query).map_err(problem::invalid_parameters)
}

fn unavailable(reason: &str) -> Answer {
    let detail = format!("The log cannot be read: {reason}.");
    problem::answer(StatusCode::SERVICE_UNAVAILABLE, "service-unavailable", detail)
}
