//! The factory reset: the one step that nothing undoes, so its words are to be typed.

use super::{layout, system};
use crate::app::App;
use crate::gate::{Operator, OperatorPosted, Visitor};
use crate::unit::RESET_WORDS;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{Html, IntoResponse, Response};
use evener_api::init::Request;
use maud::html;

/// `GET /system/factory-reset`.
pub(crate) async fn ask(State(app): State<App>, Operator(visitor): Operator) -> Response {
    asked(&app, &visitor, StatusCode::OK, None).await
}

/// `POST /system/factory-reset`.
pub(crate) async fn reset(State(app): State<App>, posted: OperatorPosted) -> Response {
    if posted.form.value("confirm").trim() != RESET_WORDS {
        let complaint = format!("Nothing was reset: type {RESET_WORDS} to do it.");
        return asked(&app, &posted.visitor, StatusCode::UNPROCESSABLE_ENTITY, Some(&complaint)).await;
    }
    let text = "The unit erases its settings and restarts as new. Its first password is on its console; its address may be \
        another one.";
    system::end(&app, &posted.visitor, Request::FactoryReset, "Resetting", text).await
}

async fn asked(app: &App, visitor: &Visitor, status: StatusCode, complaint: Option<&str>) -> Response {
    let unit = super::look(app, visitor).await;
    let content = html! {
        div class="card narrow" {
            h1 { "Reset this unit?" }
            p {
                "Every virtual service, address, password, certificate and log of " b { (unit.hostname()) } " is erased, and "
                "clients are cut off for good. The firmware and the lowest version allowed stay. "
                b { "Nothing undoes this." }
            }
            form method="post" action="/system/factory-reset" class="progress" {
                (layout::csrf(visitor))
                div class={ "field" @if complaint.is_some() { " wrong" } } {
                    label for="confirm" { "Type " span class="mono" { (RESET_WORDS) } " to do it" }
                    input type="text" id="confirm" name="confirm" autocomplete="off" autocapitalize="none" spellcheck="false"
                        aria-describedby=[complaint.map(|_| "confirm-complaint")];
                    @if let Some(complaint) = complaint {
                        p class="complaint" id="confirm-complaint" role="alert" { (complaint) }
                    }
                }
                div class="actions" {
                    button class="danger" type="submit" { "Reset this unit" }
                    a class="button" href="/firmware" { "Cancel" }
                }
            }
        }
    };
    let page = layout::page(layout::Tab::Firmware, "Factory reset", visitor, &unit, &content);
    (status, Html(page.into_string())).into_response()
}
