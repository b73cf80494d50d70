//! System Log Files: the log of the unit, searched and downloaded.

use super::fields::{self, Field};
use super::{icons, layout, text};
use crate::app::App;
use crate::form::Form;
use crate::gate::{Operator, Visitor};
use crate::logs::{self, LEVELS, Query};
use axum::extract::{Query as FromQuery, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use evener_api::log::{Found, Level, Record};
use evener_api::timestamp;
use maud::{Markup, html};

/// `GET /logs`.
pub(crate) async fn show(
    State(app): State<App>,
    Operator(visitor): Operator,
    FromQuery(query): FromQuery<Query>,
) -> Response {
    let mut form = Form::typed(query.clone().into_iter().collect());
    let (status, outcome) = match logs::read(&query) {
        Ok(search) => match logs::search(&app, search).await {
            Ok(found) => (StatusCode::OK, Some(found)),
            Err(reason) => return away(&app, &visitor, &form, &reason).await,
        },
        Err(violations) => {
            form.refuse(violations);
            (StatusCode::UNPROCESSABLE_ENTITY, None)
        }
    };
    let found = outcome.map(|found| result(&query, &found)).unwrap_or_default();
    (status, whole(&app, &visitor, &form, &found).await).into_response()
}

/// `GET /logs/download`: what the search finds, as a file.
pub(crate) async fn download(
    State(app): State<App>,
    Operator(visitor): Operator,
    FromQuery(query): FromQuery<Query>,
) -> Response {
    let Ok(search) = logs::read(&query) else {
        let text = "This search cannot be read. Go back, and look at what the form says.";
        return super::message(StatusCode::UNPROCESSABLE_ENTITY, "Not possible", text);
    };
    match logs::text(&app, search).await {
        Ok(file) => file,
        Err(reason) => away(&app, &visitor, &Form::typed(Vec::new()), &reason).await,
    }
}

async fn away(app: &App, visitor: &Visitor, form: &Form, reason: &str) -> Response {
    let content = html! {
        p class="note bad" role="alert" {
            (icons::icon(icons::WARNING))
            span { "The log cannot be read: " (reason) ". The console has the newest lines." }
        }
    };
    (StatusCode::SERVICE_UNAVAILABLE, whole(app, visitor, form, &content).await).into_response()
}

async fn whole(app: &App, visitor: &Visitor, form: &Form, found: &Markup) -> Response {
    let unit = super::look(app, visitor).await;
    let content = html! {
        div class="head" {
            h1 { "System Log Files" }
            div class="actions" { a class="button" href="/logs/debug" { "Debug Options" } }
        }
        (filter(form))
        (found)
    };
    super::page(layout::page(layout::Tab::Logs, "System Log Files", visitor, &unit, &content))
}

fn filter(form: &Form) -> Markup {
    let levels: Vec<(&str, &str)> =
        LEVELS.into_iter().map(|(level, words)| (level.map_or("", Level::name), words)).collect();
    let services: Vec<(&str, &str)> =
        std::iter::once(("", "All")).chain(logs::services().map(|name| (name, name))).collect();
    html! {
        form class="card search" method="get" action="/logs" role="search" {
            div class="pair" {
                (fields::text(form, Field::new("q", "Text", "In the message, upper or lower case.")))
                (fields::choose(form, Field::new("level", "Level", ""), &levels))
                (fields::choose(form, Field::new("service", "Service", ""), &services))
                (fields::text(form, Field::new("since", "From", "UTC, such as 2026-11-20 or 2026-11-20T09:05.")))
                (fields::text(form, Field::new("until", "Until", "Likewise; this moment itself is left out.")))
            }
            div class="actions" {
                button class="primary" type="submit" { "Search" }
                a class="button" href="/logs" { "Show all" }
            }
        }
    }
}

fn result(query: &Query, found: &Found) -> Markup {
    let count = found.records.len();
    html! {
        div class="head" {
            p class="muted" role="status" {
                @if count == 0 { "Nothing was found." } @else {
                    (text::count(count, "line", "lines"))
                    @if query.contains_key("cursor") { ", further back" }
                    @if found.next.is_some() { "; there are more" }
                }
            }
            div class="actions" {
                a class="button" href=(logs::address("/logs/download", query, None)) { "Download all found, as text" }
            }
        }
        @if count > 0 {
            div class="card flush" {
                table class="cards log" {
                    thead { tr {
                        th scope="col" { "Time (UTC)" } th scope="col" { "Level" } th scope="col" { "Service" }
                        th scope="col" { "Message" }
                    } }
                    tbody { @for record in &found.records { (row(record)) } }
                }
            }
        }
        @if let Some(next) = found.next {
            p class="under" { a class="button" href=(logs::address("/logs", query, Some(next))) { "Older lines" } }
        }
    }
}

fn row(record: &Record) -> Markup {
    let moment = timestamp(record.unix_ms);
    let (date, time) = moment.trim_end_matches('Z').split_once('T').unwrap_or((&moment, ""));
    html! {
        tr {
            td data-label="Time" class="at" { time datetime=(moment) { (date) " " (time) } }
            td data-label="Level" { (icons::log_level(record.level)) }
            td data-label="Service" { (record.service) }
            td data-label="Message" class="mono" { (record.text) }
        }
    }
}
