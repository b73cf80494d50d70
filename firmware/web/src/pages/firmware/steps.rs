//! The steps that do not need a file: each asks for certain, then tells update.

use super::candidate::losses;
use super::{version, waiting};
use crate::app::App;
use crate::firmware::{self, Fault};
use crate::gate::{Operator, OperatorPosted, Visitor};
use crate::pages::layout::{self, Tab};
use crate::pages::service_edit::confirm;
use crate::unit::Unit;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use evener_api::update::Request;
use maud::{Markup, html};

const PAGE: &str = "/firmware";

/// `POST /firmware/cancel`.
pub(crate) async fn cancel(State(app): State<App>, posted: OperatorPosted) -> Response {
    tracing::warn!(user = %posted.visitor.user.name, "asked to end an installation");
    match firmware::change(&app, Request::Cancel).await {
        Ok(_) => Redirect::to(PAGE).into_response(),
        Err(fault) => not_possible(&fault),
    }
}

/// `GET /firmware/discard`.
pub(crate) async fn ask_discard(State(app): State<App>, Operator(visitor): Operator) -> Response {
    let unit = crate::pages::look(&app, &visitor).await;
    let name = unit.update.as_ref().and_then(waiting).map(|slot| version(Some(slot)).to_owned());
    let text = html! { p {
        "The next boot starts the running firmware again, and the slot is empty afterwards."
    } };
    let title = format!("Discard {}?", name.as_deref().unwrap_or("the installed firmware"));
    ask(&unit, &visitor, &title, &text, "/firmware/discard", "Discard it")
}

/// `POST /firmware/discard`.
pub(crate) async fn discard(State(app): State<App>, posted: OperatorPosted) -> Response {
    let author = posted.visitor.user.name.clone();
    match step(&app, &posted.visitor, Request::Discard { author }).await {
        Ok(_) => Redirect::to(PAGE).into_response(),
        Err(fault) => not_possible(&fault),
    }
}

/// `GET /firmware/restore`.
pub(crate) async fn ask_restore(State(app): State<App>, Operator(visitor): Operator) -> Response {
    let unit = crate::pages::look(&app, &visitor).await;
    let Some(restore) = unit.update.as_ref().and_then(|update| update.restore.as_ref()) else {
        let text = "The other slot holds no firmware to go back to.";
        return crate::pages::message(StatusCode::CONFLICT, "Not possible", text);
    };
    if let Some(refusal) = &restore.refusal {
        return not_possible(&Fault::Refused(refusal.clone()));
    }
    let text = html! {
        p { "The next boot starts " (restore.version) " from slot " (restore.slot) ", on trial: it is confirmed once it has \
            been healthy for a minute, else the unit comes back to the firmware that runs now." }
        (losses(&restore.loses))
    };
    let title = format!("Go back to {}?", restore.version);
    ask(&unit, &visitor, &title, &text, "/firmware/restore", "Go back at the next boot")
}

/// `POST /firmware/restore`.
pub(crate) async fn restore(State(app): State<App>, posted: OperatorPosted) -> Response {
    let author = posted.visitor.user.name.clone();
    then_reboot(&app, &posted.visitor, Request::Restore { author }).await
}

/// `GET /firmware/rescue`.
pub(crate) async fn ask_rescue(State(app): State<App>, Operator(visitor): Operator) -> Response {
    let unit = crate::pages::look(&app, &visitor).await;
    let text = html! { p {
        "The next boot starts the rescue firmware from slot R. It has the network, these pages and firmware upload; "
        b { "clients are not served" } " until the unit is rebooted once more. Nothing changes until you reboot."
    } };
    ask(&unit, &visitor, "Start the rescue firmware?", &text, "/firmware/rescue", "Start it at the next boot")
}

/// `POST /firmware/rescue`.
pub(crate) async fn rescue(State(app): State<App>, posted: OperatorPosted) -> Response {
    let author = posted.visitor.user.name.clone();
    then_reboot(&app, &posted.visitor, Request::Rescue { author }).await
}

async fn then_reboot(app: &App, visitor: &Visitor, request: Request) -> Response {
    match step(app, visitor, request).await {
        Ok(next) => {
            let unit = crate::pages::look(app, visitor).await;
            let text = html! { p { "The next boot starts slot " (next) ". Clients are cut off while the unit reboots." } };
            ask(&unit, visitor, "Reboot this unit?", &text, "/system/reboot", "Reboot now")
        }
        Err(fault) => not_possible(&fault),
    }
}

async fn step(app: &App, visitor: &Visitor, request: Request) -> Result<char, Fault> {
    tracing::warn!(user = %visitor.user.name, ?request, "asked for");
    firmware::change(app, request).await
}

fn ask(unit: &Unit, visitor: &Visitor, title: &str, text: &Markup, action: &str, verb: &str) -> Response {
    let content = html! {
        div class="card narrow" data-confirm {
            h1 { (title) }
            (text)
            (confirm(visitor, action, verb, PAGE))
        }
    };
    crate::pages::page(layout::page(Tab::Firmware, title, visitor, unit, &content))
}

fn not_possible(fault: &Fault) -> Response {
    let status = match fault {
        Fault::Refused(_) => StatusCode::CONFLICT,
        Fault::Away | Fault::Lost | Fault::Failed(_) => StatusCode::SERVICE_UNAVAILABLE,
    };
    crate::pages::message(status, "Not possible", &fault.words())
}
