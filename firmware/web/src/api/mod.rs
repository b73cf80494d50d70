//! `/api/v1`: the configuration and the unit for programs. `docs/api.md` describes it for its users.

pub(crate) mod backup;
mod body;
mod caller;
mod debug;
mod firmware;
mod history;
mod logs;
mod metrics;
pub(crate) mod problem;
mod rs;
mod unit;
mod vs;

use crate::app::App;
use axum::Json;
use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::http::header::{ALLOW, ETAG};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use evener_api::update::CHUNK_BYTES;
use serde::Serialize;

/// Every address of the API.
pub(crate) fn routes() -> Router<App> {
    // A whole chunk of update, more than other bodies may have.
    let inspect = post(firmware::inspect).layer(DefaultBodyLimit::max(CHUNK_BYTES));
    let restore = post(backup::restore).layer(DefaultBodyLimit::max(crate::backup::FORM_BYTES));
    Router::new()
        .route("/api/v1/status", get(unit::status))
        .route("/api/v1/history", get(history::list))
        .route("/api/v1/history/{generation}", get(history::show))
        .route("/api/v1/history/{generation}/compare/{to}", get(history::compare))
        .route("/api/v1/history/{generation}/undo", post(history::undo))
        .route("/api/v1/history/{generation}/restore", post(history::restore))
        .route("/api/v1/backup", post(backup::make))
        .route("/api/v1/restore", restore)
        .route("/api/v1/logs", get(logs::show))
        .route("/api/v1/logs/text", get(logs::text))
        .route("/api/v1/debug/capture", get(debug::show).post(debug::start).delete(debug::stop))
        .route("/api/v1/debug/capture/file", get(debug::file))
        .route("/api/v1/debug/ping", post(debug::ping))
        .route("/api/v1/debug/traceroute", post(debug::traceroute))
        .route("/api/v1/debug/lookup", post(debug::lookup))
        .route("/api/v1/debug/routes", get(debug::routes))
        .route("/api/v1/debug/neighbours", get(debug::neighbours))
        .route("/api/v1/metrics", get(metrics::show))
        .route("/api/v1/users/{user}/password", post(unit::password))
        .route("/api/v1/firmware", get(firmware::show).put(firmware::install))
        .route("/api/v1/firmware/events", get(firmware::events))
        .route("/api/v1/firmware/inspect", inspect)
        .route("/api/v1/firmware/cancel", post(firmware::cancel))
        .route("/api/v1/firmware/discard", post(firmware::discard))
        .route("/api/v1/firmware/restore", post(firmware::restore))
        .route("/api/v1/firmware/rescue", post(firmware::rescue))
        .route("/api/v1/firmware/start-again", post(firmware::start_again))
        .route("/api/v1/system/factory-reset", post(unit::factory_reset))
        .route("/api/v1/system/reboot", post(unit::reboot))
        .route("/api/v1/system/power-off", post(unit::power_off))
        .route("/api/v1/vs", get(vs::list).post(vs::add))
        .route("/api/v1/vs/{vs}", get(vs::show).put(vs::replace).delete(vs::delete))
        .route("/api/v1/vs/{vs}/rs", get(rs::list).post(rs::add))
        .route("/api/v1/vs/{vs}/rs/{rs}", get(rs::show).put(rs::replace).delete(rs::delete))
        .route("/api/{*rest}", axum::routing::any(not_found))
}

async fn not_found() -> Response {
    problem::not_found().into()
}

/// A refusal that the router made by itself, in the form of all others; its headers (`Allow`) stay.
pub(crate) fn dressed(plain: &Response) -> Response {
    let (kind, detail) = match plain.status() {
        StatusCode::METHOD_NOT_ALLOWED => (
            "method-not-allowed",
            "This address does not know this method; the Allow header lists those that it knows.",
        ),
        // What stands for an id in the address is none.
        StatusCode::BAD_REQUEST | StatusCode::NOT_FOUND => return problem::not_found().into(),
        _ => ("refused", "The request was refused."),
    };
    let mut response: Response = problem::answer(plain.status(), kind, detail).into();
    if let Some(allow) = plain.headers().get(ALLOW) {
        response.headers_mut().insert(ALLOW, allow.clone());
    }
    response
}

/// An object with the generation that it is from.
fn tagged(generation: u64, value: &impl Serialize) -> Response {
    let mut response = Json(value).into_response();
    if let Ok(tag) = HeaderValue::from_str(&format!("\"{generation}\"")) {
        response.headers_mut().insert(ETAG, tag);
    }
    response
}
