//! The ways back to what was: undo, redo, and a whole generation.
//!
//! Each is a page that says beforehand what it would do, and a form on it. The message after a deletion has the form at
//! hand ([`layout::done`]), because that is when it is wanted most.

use super::history::difference;
use super::{layout, text};
use crate::app::{App, Refused};
use crate::gate::{Operator, OperatorPosted, Visitor};
use crate::history;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{Html, IntoResponse, Redirect, Response};
use evener_api::control::{Accepted, Change, MAX_REASON};
use maud::{Markup, html};

/// A way back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    Undo,
    Restore,
}

impl Way {
    const fn change(self, generation: u64) -> Change {
        match self {
            Self::Undo => Change::Undo { generation },
            Self::Restore => Change::Restore { generation },
        }
    }

    /// Its word in addresses, and in `done` when it was gone.
    const fn words(self) -> (&'static str, &'static str) {
        match self {
            Self::Undo => ("undo", "undone"),
            Self::Restore => ("restore", "restored"),
        }
    }

    const fn explained(self) -> &'static str {
        match self {
            Self::Undo => {
                "What this generation changed goes back to what it was before; what was changed since stays. \
                Passwords stay as they are."
            }
            Self::Restore => {
                "All settings become those of this generation, the network’s too; everything that was changed since is \
                taken back. Only the accounts and their passwords stay as they are now, so that nobody is locked out."
            }
        }
    }
}

/// `GET /history/{generation}/undo`.
pub(crate) async fn ask_undo(
    State(app): State<App>,
    Operator(visitor): Operator,
    Path(generation): Path<u64>,
) -> Response {
    ask(&app, &visitor, Way::Undo, generation).await
}

/// `GET /history/{generation}/restore`.
pub(crate) async fn ask_restore(
    State(app): State<App>,
    Operator(visitor): Operator,
    Path(generation): Path<u64>,
) -> Response {
    ask(&app, &visitor, Way::Restore, generation).await
}

async fn ask(app: &App, visitor: &Visitor, way: Way, generation: u64) -> Response {
    let lines = match history::would(app, &visitor.user.name, None, way.change(generation)).await {
        Ok(lines) => lines,
        Err(refused) => return not_gone(refused),
    };
    let unit = super::look(app, visitor).await;
    let (verb, _) = way.words();
    let (title, button) = match way {
        Way::Undo => (format!("Undo generation {generation}?"), "Undo it"),
        Way::Restore => (format!("Restore generation {generation}?"), "Restore it"),
    };
    let content = html! {
        div class="card narrow" data-confirm {
            h1 { (title) }
            p { (way.explained()) }
            (difference(&lines, "Nothing would change: the settings are so already."))
            form class="roomy" method="post" action={ "/history/" (generation) "/" (verb) } {
                (layout::csrf(visitor))
                (reason())
                div class="actions" {
                    button class="danger" type="submit" { (button) }
                    a class="button" href="/history" data-cancel { "Cancel" }
                }
            }
        }
    };
    super::page(layout::page(layout::Tab::History, &title, visitor, &unit, &content))
}

/// The input for a reason.
pub(crate) fn reason() -> Markup {
    html! {
        div class="field" {
            label for="reason" { "Reason" }
            input type="text" id="reason" name="reason" maxlength=(MAX_REASON) autocomplete="off"
                aria-describedby="reason-hint";
            div class="hint" id="reason-hint" { p { "For the history. May be empty." } }
        }
    }
}

/// `POST /history/{generation}/undo`.
pub(crate) async fn undo(
    State(app): State<App>,
    Path(generation): Path<u64>,
    posted: OperatorPosted,
) -> Response {
    go(&app, Way::Undo, generation, posted).await
}

/// `POST /history/{generation}/restore`.
pub(crate) async fn restore(
    State(app): State<App>,
    Path(generation): Path<u64>,
    posted: OperatorPosted,
) -> Response {
    go(&app, Way::Restore, generation, posted).await
}

async fn go(app: &App, way: Way, generation: u64, posted: OperatorPosted) -> Response {
    let OperatorPosted { visitor, form } = posted;
    let (_, done) = way.words();
    match app.apply_because(&visitor.user.name, None, form.reason(), way.change(generation)).await {
        Ok(accepted) => Redirect::to(&done_at("/history", done, &visitor, accepted)).into_response(),
        Err(refused) => not_gone(refused),
    }
}

/// Where a change leads to, with what its message needs to know.
pub(crate) fn done_at(path: &str, done: &str, visitor: &Visitor, accepted: Accepted) -> String {
    if accepted.generation <= visitor.snapshot.generation {
        return format!("{path}?done=nothing");
    }
    format!("{path}?done={done}&undo={}", accepted.generation)
}

/// The page after a way back that is none.
pub(crate) fn not_gone(refused: Refused) -> Response {
    let (status, text, places) = match refused {
        Refused::Clashes(places) => {
            let text = "What this generation set was changed again since, so it cannot be taken back by itself. Undo the later \
                changes first, the newest of them before the others, or set it by hand.";
            (StatusCode::CONFLICT, String::from(text), places)
        }
        Refused::Invalid(violations) => {
            let text = "It would not be a valid configuration:";
            (StatusCode::UNPROCESSABLE_ENTITY, String::from(text), violations)
        }
        Refused::NotFound => {
            let text = "This generation is not kept (any more).";
            (StatusCode::NOT_FOUND, String::from(text), Vec::new())
        }
        other => {
            let (status, text) = super::explain(other, &mut crate::form::Form::default());
            (status, text.unwrap_or_default(), Vec::new())
        }
    };
    let title = if status == StatusCode::GATEWAY_TIMEOUT { "Perhaps changed" } else { "Nothing was changed" };
    let body = html! {
        h1 { (title) }
        p { (text) }
        @if !places.is_empty() {
            ul class="changes" { @for place in &places { li { span class="mono break" { (place.field) } ": " (place.reason) } } }
            p class="muted" { (text::count(places.len(), "place", "places")) }
        }
        p { a class="button" href="/history" { "Go to the history" } }
    };
    (status, Html(layout::bare(title, &body).into_string())).into_response()
}
