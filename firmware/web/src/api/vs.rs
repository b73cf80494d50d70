//! `/api/v1/vs`: virtual services.

use super::body::JsonBody;
use super::caller::Caller;
use super::problem::{self, Answer, Sent};
use super::tagged;
use crate::app::App;
use crate::status::VsStatus;
use crate::unit::Unit;
use axum::extract::{Path, State};
use axum::http::header::LOCATION;
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use evener_api::control::{Accepted, Change, Snapshot, Violation};
use evener_config::{VirtualService, VsId, shape};
use serde::Serialize;
use serde_json::Value;
use std::sync::Arc;

/// A service as it is given out.
#[derive(Debug, Serialize)]
struct Shown {
    #[serde(flatten)]
    service: Value,
    status: VsStatus,
}

impl Shown {
    fn new(service: &VirtualService, status: VsStatus) -> Self {
        let mut value = serde_json::to_value(service).unwrap_or_default();
        if let Some(shape) = shape::virtual_service() {
            evener_config::conceal(shape, &mut value, evener_config::HIDDEN);
        }
        Self { service: value, status }
    }
}

/// The service with the secrets that it has already, where its sender does not know them.
fn with_its_secrets(
    service: &VirtualService,
    present: Option<&VirtualService>,
) -> Result<VirtualService, Answer> {
    let mut value = serde_json::to_value(service).unwrap_or_default();
    let present = present.and_then(|it| serde_json::to_value(it).ok()).unwrap_or_default();
    if let Some(shape) = shape::virtual_service() {
        evener_resources::keep_secrets(shape, &mut value, &present).map_err(problem::invalid)?;
    }
    serde_json::from_value(value).map_err(|_| problem::not_found())
}

/// `GET /api/v1/vs`.
pub(crate) async fn list(State(app): State<App>, caller: Caller) -> Response {
    let unit = Unit::look(&app, caller.snapshot).await;
    let all: Vec<Shown> =
        unit.services().iter().map(|service| Shown::new(service, unit.status_of(service))).collect();
    tagged(unit.snapshot.generation, &all)
}

/// `GET /api/v1/vs/{vs}`.
pub(crate) async fn show(
    State(app): State<App>,
    caller: Caller,
    Path(vs): Path<u32>,
) -> Result<Response, Answer> {
    let service = find(&caller.snapshot, VsId(vs))?.clone();
    Ok(shown(&app, caller.snapshot, &service).await)
}

/// `POST /api/v1/vs`.
pub(crate) async fn add(State(app): State<App>, caller: Caller, body: JsonBody) -> Result<Response, Answer> {
    let service: VirtualService = body.read()?;
    if service.id != VsId(0) {
        return Err(id_is_given());
    }
    let service = with_its_secrets(&service, None)?;
    let change = Change::AddVs(service.clone());
    let accepted =
        caller.apply(&app, change).await.map_err(|refused| problem::refused(refused, Sent::Service))?;
    let vs = accepted.vs.unwrap_or_default();
    let sent = VirtualService { id: vs, ..service };
    Ok(created(&format!("/api/v1/vs/{}", vs.0), changed(&app, caller.snapshot, accepted, sent).await))
}

/// `PUT /api/v1/vs/{vs}`.
pub(crate) async fn replace(
    State(app): State<App>,
    caller: Caller,
    Path(vs): Path<u32>,
    body: JsonBody,
) -> Result<Response, Answer> {
    let mut service: VirtualService = body.read()?;
    if service.id != VsId(0) && service.id != VsId(vs) {
        return Err(id_differs());
    }
    service.id = VsId(vs);
    let service = with_its_secrets(&service, find(&caller.snapshot, service.id).ok())?;
    let change = Change::ReplaceVs(service.clone());
    let accepted =
        caller.apply(&app, change).await.map_err(|refused| problem::refused(refused, Sent::Service))?;
    Ok(changed(&app, caller.snapshot, accepted, service).await)
}

/// `DELETE /api/v1/vs/{vs}`.
pub(crate) async fn delete(
    State(app): State<App>,
    caller: Caller,
    Path(vs): Path<u32>,
) -> Result<StatusCode, Answer> {
    let change = Change::DeleteVs(VsId(vs));
    caller.apply(&app, change).await.map_err(|refused| problem::refused(refused, Sent::Service))?;
    Ok(StatusCode::NO_CONTENT)
}

/// The service as it is after an accepted change; as it was sent while this process has not seen the change, or
/// when somebody has deleted it since. The change is made either way, and whoever read 404 would make it again.
async fn changed(app: &App, before: Arc<Snapshot>, accepted: Accepted, sent: VirtualService) -> Response {
    let seen = after(app, accepted).and_then(|snapshot| {
        let service = find(&snapshot, sent.id).ok()?.clone();
        Some((snapshot, service))
    });
    match seen {
        Some((snapshot, service)) => shown(app, snapshot, &service).await,
        None => {
            let status = Unit::look(app, before).await.status_of(&sent);
            tagged(accepted.generation, &Shown::new(&sent, status))
        }
    }
}

async fn shown(app: &App, snapshot: Arc<Snapshot>, service: &VirtualService) -> Response {
    let unit = Unit::look(app, snapshot).await;
    let status = unit.status_of(service);
    tagged(unit.snapshot.generation, &Shown::new(service, status))
}

/// The service of this id.
///
/// # Errors
/// 404.
pub(crate) fn find(snapshot: &Snapshot, vs: VsId) -> Result<&VirtualService, Answer> {
    let services = &snapshot.config.shared.virtual_services;
    services.iter().find(|service| service.id == vs).ok_or_else(problem::not_found)
}

/// The configuration after a change; `None` when it has not come from control yet.
pub(crate) fn after(app: &App, accepted: Accepted) -> Option<Arc<Snapshot>> {
    app.snapshot().filter(|snapshot| snapshot.generation >= accepted.generation)
}

/// 201 with the address of what was made.
pub(crate) fn created(path: &str, mut response: Response) -> Response {
    *response.status_mut() = StatusCode::CREATED;
    if let Ok(value) = HeaderValue::from_str(path) {
        response.headers_mut().insert(LOCATION, value);
    }
    response.into_response()
}

/// Refuses an id in a request to add.
pub(crate) fn id_is_given() -> Answer {
    let reason = String::from("The unit gives the id: leave it out.");
    problem::invalid(vec![Violation { field: String::from("id"), reason }])
}

/// Refuses a body whose id is not the one in the address.
pub(crate) fn id_differs() -> Answer {
    let reason = String::from("This is not the id in the address: leave it out or make them equal.");
    problem::invalid(vec![Violation { field: String::from("id"), reason }])
}
