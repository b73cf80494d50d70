//! Figures for monitoring.

use super::caller::Caller;
use crate::app::App;
use crate::exposition::CONTENT_TYPE as TEXT_FORMAT;
use crate::metrics::{self, KernelTables};
use crate::unit::Unit;
use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};

/// `GET /api/v1/metrics`.
pub(crate) async fn show(State(app): State<App>, caller: Caller) -> Response {
    let unit = Unit::look(&app, caller.snapshot).await;
    let text = metrics::text(&unit, &KernelTables::read());
    ([(CONTENT_TYPE, TEXT_FORMAT)], text).into_response()
}
