//! Backup and restore of the settings.

use super::history::difference;
use super::layout;
use super::ways_back::{done_at, not_gone};
use crate::app::App;
use crate::backup::{self, Sent, Trouble};
use crate::gate::{Operator, OperatorPosted, Visitor};
use crate::history;
use axum::extract::multipart::{Multipart, MultipartRejection};
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::{Html, IntoResponse, Redirect, Response};
use evener_api::control::MAX_REASON;
use evener_backup::{BackupError, Part};
use maud::{Markup, html};
use std::collections::BTreeMap;

/// What the pages call a part, and what is in it.
const fn named(part: Part) -> (&'static str, &'static str) {
    match part {
        Part::Services => ("Services", "Virtual services with their real servers."),
        Part::Unit => {
            ("This unit", "Name, interfaces, addresses, gateway, name servers, port of these pages.")
        }
        Part::Users => {
            ("Accounts", "Accounts with their passwords. Brought back, those passwords are in force at once.")
        }
    }
}

/// `GET /system/backup`.
pub(crate) async fn show(
    State(app): State<App>,
    Operator(visitor): Operator,
    Query(query): Query<BTreeMap<String, String>>,
) -> Response {
    shown(&app, &visitor, StatusCode::OK, &layout::done(&visitor, &query)).await
}

async fn shown(app: &App, visitor: &Visitor, status: StatusCode, message: &Markup) -> Response {
    let unit = super::look(app, visitor).await;
    let content = html! {
        (message)
        nav class="crumbs" aria-label="Where you are" { a href="/system" { "System" } }
        h1 { "Backup and restore" }
        form class="settings" method="post" action="/system/backup" {
            (layout::csrf(visitor))
            fieldset class="card" {
                legend { "Make a backup" }
                p class="muted" {
                    "One file with the settings as they are now, encrypted with a password of its own. Without that password \
                    nobody can read it, you included."
                }
                (parts("make", "What is to be in it"))
                (password("make-password", "Password of the backup", "8 to 128 characters.", "new-password"))
                div class="actions" { button class="primary" type="submit" { "Make a backup" } }
            }
        }
        form class="settings" method="post" action="/system/restore" enctype="multipart/form-data" {
            (layout::csrf(visitor))
            fieldset class="card" {
                legend { "Restore a backup" }
                p class="muted" {
                    "The parts that you choose take the place of what is there, as one change that the history can take back."
                }
                (parts("restore", "What is to be brought back"))
                (password("restore-password", "Password of the backup", "The one that it was made with.", "off"))
                div class="field" {
                    label for="restore-reason" { "Reason" }
                    input type="text" id="restore-reason" name="reason" maxlength=(MAX_REASON) autocomplete="off"
                        aria-describedby="restore-reason-hint";
                    div class="hint" id="restore-reason-hint" { p { "For the history. May be empty." } }
                }
                div class="field" {
                    label for="restore-file" { "File" }
                    input type="file" id="restore-file" name="backup" accept=".evbk" required;
                }
                div class="actions" {
                    button type="submit" name="validate" value="only" { "Show what it would change" }
                    button class="danger" type="submit" name="validate" value="no" { "Restore it" }
                }
            }
        }
    };
    let page = layout::page(layout::Tab::System, "Backup and restore", visitor, &unit, &content);
    (status, Html(page.into_string())).into_response()
}

fn parts(form: &str, label: &str) -> Markup {
    html! {
        div class="field options" role="group" aria-labelledby={ "l-" (form) } {
            span class="label" id={ "l-" (form) } { (label) }
            @for part in Part::ALL {
                @let (name, what) = named(part);
                label class="option" {
                    // Passwords that were replaced come back only where somebody asks for it.
                    input type="checkbox" name=(part.word()) checked[form == "make" || part != Part::Users];
                    span { b { (name) } " – " (what) }
                }
            }
        }
    }
}

fn password(id: &str, label: &str, hint: &str, complete: &str) -> Markup {
    html! {
        div class="field" {
            label for=(id) { (label) }
            input type="password" id=(id) name="password" required autocomplete=(complete)
                aria-describedby={ (id) "-hint" };
            div class="hint" id={ (id) "-hint" } { p { (hint) } }
        }
    }
}

/// `POST /system/backup`.
pub(crate) async fn make(State(app): State<App>, posted: OperatorPosted) -> Response {
    let OperatorPosted { visitor, form } = posted;
    let parts: Vec<Part> = Part::ALL.into_iter().filter(|part| form.ticked(part.word())).collect();
    if parts.is_empty() {
        return complain(&app, &visitor, StatusCode::UNPROCESSABLE_ENTITY, NOTHING_CHOSEN).await;
    }
    let password = form.value("password").to_owned();
    match backup::make(&app, &visitor.snapshot, &parts, password).await {
        Ok(made) => {
            tracing::warn!(user = %visitor.user.name, ?parts, "a backup was made");
            crate::api::backup::download(made)
        }
        Err(trouble) => troubled(&app, &visitor, &trouble).await,
    }
}

/// Said when no part is ticked.
const NOTHING_CHOSEN: &str = "Nothing was chosen: tick at least one part.";

/// `POST /system/restore`.
pub(crate) async fn restore(
    State(app): State<App>,
    Operator(visitor): Operator,
    form: Result<Multipart, MultipartRejection>,
) -> Response {
    let Ok(form) = form else { return troubled(&app, &visitor, &Trouble::Broken).await };
    let known = ["csrf", "password", "reason", "validate", "services", "unit", "users"];
    let sent = match Sent::read(form, &known).await {
        Ok(sent) => sent,
        Err(trouble) => return troubled(&app, &visitor, &trouble).await,
    };
    if !visitor.session.csrf_matches(sent.field("csrf")) {
        tracing::warn!("a form without the token of its session was refused");
        let text = "This form is not from your present log-in. Go back, load the page again and repeat.";
        return super::message(StatusCode::FORBIDDEN, "Refused", text);
    }
    let parts: Vec<Part> =
        Part::ALL.into_iter().filter(|part| sent.fields.contains_key(part.word())).collect();
    if parts.is_empty() {
        return complain(&app, &visitor, StatusCode::UNPROCESSABLE_ENTITY, NOTHING_CHOSEN).await;
    }
    let (password, reason) = (sent.field("password").to_owned(), sent.field("reason").trim().to_owned());
    let only_validate = sent.field("validate") == "only";
    let contents = match backup::open(&app, sent.file, password, &parts).await {
        Ok(contents) => contents,
        Err(trouble) => return troubled(&app, &visitor, &trouble).await,
    };
    let (change, usual) = backup::change(contents);
    let author = &visitor.user.name;
    if only_validate {
        return match history::would(&app, author, None, change).await {
            Ok(lines) => preview(&app, &visitor, &lines).await,
            Err(refused) => not_gone(refused),
        };
    }
    let reason = if reason.is_empty() { usual } else { reason };
    match app.apply_because(author, None, Some(reason), change).await {
        Ok(accepted) => {
            tracing::warn!(user = %author, ?parts, "a backup was brought back");
            Redirect::to(&done_at("/system/backup", "restored", &visitor, accepted)).into_response()
        }
        Err(refused) => not_gone(refused),
    }
}

async fn preview(app: &App, visitor: &Visitor, lines: &[String]) -> Response {
    let message = html! {
        div class="card" role="status" {
            h2 { "What it would change" }
            (difference(lines, "Nothing: the settings are so already."))
            p class="muted" { "Nothing was changed yet. Choose the file again to restore it." }
        }
    };
    shown(app, visitor, StatusCode::OK, &message).await
}

async fn troubled(app: &App, visitor: &Visitor, trouble: &Trouble) -> Response {
    let status = match trouble {
        Trouble::Backup(BackupError::TooLarge) => StatusCode::PAYLOAD_TOO_LARGE,
        Trouble::Backup(BackupError::Seal) | Trouble::Computing => StatusCode::INTERNAL_SERVER_ERROR,
        Trouble::Backup(_) | Trouble::NoFile | Trouble::NoPart(_) => StatusCode::UNPROCESSABLE_ENTITY,
        Trouble::Broken | Trouble::Field(_) => StatusCode::BAD_REQUEST,
    };
    let text = trouble.to_string();
    complain(app, visitor, status, &format!("Nothing was done: {text}.")).await
}

async fn complain(app: &App, visitor: &Visitor, status: StatusCode, text: &str) -> Response {
    let message = html! {
        p class="note bad" role="alert" { (super::icons::icon(super::icons::WARNING)) span { (text) } }
    };
    shown(app, visitor, status, &message).await
}
