//! `/api/v1/vs/{vs}/rs`: the real servers of a virtual service.

use super::body::JsonBody;
use super::caller::Caller;
use super::problem::{self, Answer, Sent};
use super::tagged;
use super::vs::{after, created, find, id_differs, id_is_given};
use crate::app::App;
use crate::status::RsStatus;
use crate::unit::Unit;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Response;
use evener_api::control::{Accepted, Change, Snapshot};
use evener_config::{RealServer, RsId, VsId};
use serde::Serialize;
use std::sync::Arc;

/// A server as it is given out.
#[derive(Debug, Serialize)]
struct Shown {
    #[serde(flatten)]
    server: RealServer,
    status: RsStatus,
}

/// A server that nobody here has seen in the configuration yet.
#[derive(Debug, Serialize)]
struct Unseen {
    #[serde(flatten)]
    server: RealServer,
    status: Option<RsStatus>,
}

/// `GET /api/v1/vs/{vs}/rs`.
pub(crate) async fn list(
    State(app): State<App>,
    caller: Caller,
    Path(vs): Path<u32>,
) -> Result<Response, Answer> {
    let generation = caller.snapshot.generation;
    Ok(tagged(generation, &all(&app, caller.snapshot, VsId(vs)).await?))
}

/// `GET /api/v1/vs/{vs}/rs/{rs}`.
pub(crate) async fn show(
    State(app): State<App>,
    caller: Caller,
    Path((vs, rs)): Path<(u32, u32)>,
) -> Result<Response, Answer> {
    one(&app, caller.snapshot, VsId(vs), RsId(rs)).await
}

/// `POST /api/v1/vs/{vs}/rs`.
pub(crate) async fn add(
    State(app): State<App>,
    caller: Caller,
    Path(vs): Path<u32>,
    body: JsonBody,
) -> Result<Response, Answer> {
    let server: RealServer = body.read()?;
    if server.id != RsId(0) {
        return Err(id_is_given());
    }
    let change = Change::AddRs(VsId(vs), server.clone());
    let accepted =
        caller.apply(&app, change).await.map_err(|refused| problem::refused(refused, Sent::Server))?;
    let rs = accepted.rs.unwrap_or_default();
    let sent = RealServer { id: rs, ..server };
    let shown = changed(&app, caller.snapshot, accepted, VsId(vs), sent).await;
    Ok(created(&format!("/api/v1/vs/{vs}/rs/{}", rs.0), shown))
}

/// `PUT /api/v1/vs/{vs}/rs/{rs}`.
pub(crate) async fn replace(
    State(app): State<App>,
    caller: Caller,
    Path((vs, rs)): Path<(u32, u32)>,
    body: JsonBody,
) -> Result<Response, Answer> {
    let mut server: RealServer = body.read()?;
    if server.id != RsId(0) && server.id != RsId(rs) {
        return Err(id_differs());
    }
    server.id = RsId(rs);
    let change = Change::ReplaceRs(VsId(vs), server.clone());
    let accepted =
        caller.apply(&app, change).await.map_err(|refused| problem::refused(refused, Sent::Server))?;
    Ok(changed(&app, caller.snapshot, accepted, VsId(vs), server).await)
}

/// `DELETE /api/v1/vs/{vs}/rs/{rs}`.
pub(crate) async fn delete(
    State(app): State<App>,
    caller: Caller,
    Path((vs, rs)): Path<(u32, u32)>,
) -> Result<StatusCode, Answer> {
    let change = Change::DeleteRs(VsId(vs), RsId(rs));
    caller.apply(&app, change).await.map_err(|refused| problem::refused(refused, Sent::Server))?;
    Ok(StatusCode::NO_CONTENT)
}

/// The server after an accepted change, as [`vs`](super::vs) gives a service.
async fn changed(
    app: &App,
    before: Arc<Snapshot>,
    accepted: Accepted,
    vs: VsId,
    sent: RealServer,
) -> Response {
    if let Some(snapshot) = after(app, accepted)
        && let Ok(response) = one(app, snapshot, vs, sent.id).await
    {
        return response;
    }
    let service = find(&before, vs).cloned().map(|service| {
        let real_servers = vec![sent.clone()];
        evener_config::VirtualService { real_servers, ..service }
    });
    let unit = Unit::look(app, before).await;
    let status = service.ok().and_then(|service| unit.status_of(&service).servers.pop());
    tagged(accepted.generation, &Unseen { server: sent, status })
}

async fn one(app: &App, snapshot: Arc<Snapshot>, vs: VsId, rs: RsId) -> Result<Response, Answer> {
    let generation = snapshot.generation;
    let servers = all(app, snapshot, vs).await?;
    let found = servers.iter().find(|shown| shown.server.id == rs).ok_or_else(problem::not_found)?;
    Ok(tagged(generation, found))
}

async fn all(app: &App, snapshot: Arc<Snapshot>, vs: VsId) -> Result<Vec<Shown>, Answer> {
    let service = find(&snapshot, vs)?.clone();
    let unit = Unit::look(app, snapshot).await;
    let status = unit.status_of(&service);
    let pairs = service.real_servers.into_iter().zip(status.servers);
    Ok(pairs.map(|(server, status)| Shown { server, status }).collect())
}
