//! The generations of the configuration: what they are, how they differ, and the ways back.

use super::body::JsonBody;
use super::caller::Caller;
use super::problem::{self, Answer, Sent};
use super::tagged;
use crate::app::{App, Refused};
use crate::history;
use axum::extract::{FromRequest, Path, RawQuery, Request, State};
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::Response;
use evener_api::control::{Accepted, Change, GenerationInfo};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// `GET /api/v1/history`: newest first.
pub(crate) async fn list(State(app): State<App>, caller: Caller) -> Result<Response, Answer> {
    let generations = history::list(&app).await.map_err(unread)?;
    Ok(tagged(caller.snapshot.generation, &generations))
}

/// `GET /api/v1/history/{generation}`.
#[derive(Debug, Serialize)]
struct Shown {
    #[serde(flatten)]
    info: GenerationInfo,
    /// Without password hashes.
    config: Value,
}

/// `GET /api/v1/history/{generation}`.
pub(crate) async fn show(
    State(app): State<App>,
    caller: Caller,
    Path(generation): Path<u64>,
) -> Result<Response, Answer> {
    let found = history::show(&app, generation).await.map_err(unread)?;
    let config = found.config.public();
    Ok(tagged(caller.snapshot.generation, &Shown { info: found.info, config }))
}

#[derive(Debug, Serialize)]
struct Difference {
    from: u64,
    to: u64,
    /// In words; empty when there is none.
    lines: Vec<String>,
}

/// `GET /api/v1/history/{generation}/compare/{to}`.
pub(crate) async fn compare(
    State(app): State<App>,
    caller: Caller,
    Path((from, to)): Path<(u64, u64)>,
) -> Result<Response, Answer> {
    let lines = history::compare(&app, from, to).await.map_err(unread)?;
    Ok(tagged(caller.snapshot.generation, &Difference { from, to, lines }))
}

/// `POST /api/v1/history/{generation}/undo`.
pub(crate) async fn undo(
    State(app): State<App>,
    caller: Caller,
    Path(generation): Path<u64>,
    RawQuery(query): RawQuery,
    Because(reason): Because,
) -> Result<Response, Answer> {
    change(&app, caller, query, reason, Change::Undo { generation }).await
}

/// `POST /api/v1/history/{generation}/restore`.
pub(crate) async fn restore(
    State(app): State<App>,
    caller: Caller,
    Path(generation): Path<u64>,
    RawQuery(query): RawQuery,
    Because(reason): Because,
) -> Result<Response, Answer> {
    change(&app, caller, query, reason, Change::Restore { generation }).await
}

/// What a change that brings something back came to.
#[derive(Debug, Serialize)]
pub(crate) struct Made {
    /// The generation in force.
    pub(crate) generation: u64,
    /// Whether it is a new one: what is there already makes none.
    pub(crate) changed: bool,
}

impl Made {
    /// `before`: what was in force when it was asked for.
    pub(crate) const fn of(accepted: Accepted, before: u64) -> Self {
        Self { generation: accepted.generation, changed: accepted.generation > before }
    }
}

/// What a way back would change, in words.
#[derive(Debug, Serialize)]
struct Would {
    lines: Vec<String>,
}

async fn change(
    app: &App,
    caller: Caller,
    query: Option<String>,
    reason: Option<String>,
    change: Change,
) -> Result<Response, Answer> {
    let before = caller.snapshot.generation;
    let (author, based_on) = (&caller.user.name, caller.based_on);
    let refused = |refused| problem::refused(refused, Sent::Whole);
    match query.as_deref().unwrap_or_default() {
        "" => {}
        "validate=only" => {
            let lines = history::would(app, author, based_on, change).await.map_err(refused)?;
            return Ok(tagged(before, &Would { lines }));
        }
        // A misspelt one would be silently without effect.
        _ => {
            let detail = "The only parameter here is validate=only.";
            return Err(problem::answer(StatusCode::BAD_REQUEST, "unknown-parameter", detail));
        }
    }
    let reason = reason.or(caller.reason);
    let accepted = app.apply_because(author, based_on, reason, change).await.map_err(refused)?;
    Ok(tagged(accepted.generation, &Made::of(accepted, before)))
}

/// Nothing was to be changed, so nothing is said of that.
fn unread(refused: Refused) -> Answer {
    match refused {
        Refused::Invalid(violations) => {
            let reasons: Vec<String> = violations.into_iter().map(|one| one.reason).collect();
            problem::unreadable(&reasons.join("; "))
        }
        Refused::Failed(_) | Refused::Unknown => problem::unavailable("control does not answer"),
        other => problem::refused(other, Sent::Whole),
    }
}

/// The reason in a body, which may be left out.
#[derive(Debug)]
pub(crate) struct Because(Option<String>);

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Body {
    #[serde(default)]
    reason: Option<String>,
}

impl FromRequest<App> for Because {
    type Rejection = Answer;

    async fn from_request(request: Request, app: &App) -> Result<Self, Answer> {
        use axum::body::HttpBody;
        if request.body().is_end_stream() && !request.headers().contains_key(CONTENT_TYPE) {
            return Ok(Self(None));
        }
        let Body { reason } = JsonBody::from_request(request, app).await?.read()?;
        Ok(Self(reason))
    }
}
