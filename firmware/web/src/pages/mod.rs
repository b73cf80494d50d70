//! The pages: which address shows which, and what all of them have around them.

mod backup;
mod debug;
pub(crate) mod fields;
mod firmware;
mod history;
mod home;
pub(crate) mod icons;
pub(crate) mod layout;
pub(crate) mod login;
mod logs;
mod reset;
mod server_edit;
mod service_edit;
mod services;
mod system;
mod text;
mod ways_back;

use crate::app::{App, Refused};
use crate::assets;
use crate::gate::Visitor;
use crate::upload::PIECE_BYTES;
use axum::Router;
use axum::extract::{DefaultBodyLimit, FromRequestParts, Request, State};
use axum::http::header::ALLOW;
use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::middleware::Next;
use axum::response::{Html, IntoResponse, Response};
use axum::routing::{get, post};
use evener_api::update::CHUNK_BYTES;
use evener_config::{RsId, VsId};
use maud::{Markup, html};

/// Where the form of a browser without script sends a firmware file.
pub(crate) const FIRMWARE_FORM: &str = "/firmware/install";

/// Most bytes of that form: a file, and what surrounds it.
const FORM_BYTES: usize = (256 << 20) + crate::BODY_BYTES;
const _: () = assert!(FORM_BYTES as u64 > crate::firmware::FILE_BYTES);

/// Every page.
pub(crate) fn routes() -> Router<App> {
    let form = post(firmware::form).layer(DefaultBodyLimit::max(FORM_BYTES));
    let inspect = post(firmware::inspect).layer(DefaultBodyLimit::max(CHUNK_BYTES));
    let piece = post(firmware::piece).layer(DefaultBodyLimit::max(PIECE_BYTES));
    let restore = post(backup::restore).layer(DefaultBodyLimit::max(crate::backup::FORM_BYTES));
    Router::new()
        .route("/", get(home::show))
        .route("/firmware", get(firmware::show))
        .route(FIRMWARE_FORM, form)
        .route("/firmware/inspect", inspect)
        .route("/firmware/upload", post(firmware::begin))
        .route("/firmware/upload/{upload}", piece)
        .route("/firmware/upload/{upload}/end", post(firmware::end))
        .route("/firmware/cancel", post(firmware::cancel))
        .route("/firmware/discard", get(firmware::ask_discard).post(firmware::discard))
        .route("/firmware/restore", get(firmware::ask_restore).post(firmware::restore))
        .route("/firmware/rescue", get(firmware::ask_rescue).post(firmware::rescue))
        .route("/system/factory-reset", get(reset::ask).post(reset::reset))
        .route("/history", get(history::list))
        .route("/history/compare", get(history::compare))
        .route("/history/{generation}/undo", get(ways_back::ask_undo).post(ways_back::undo))
        .route("/history/{generation}/restore", get(ways_back::ask_restore).post(ways_back::restore))
        .route("/login", get(login::show).post(login::enter))
        .route("/logout", post(login::leave))
        .route("/logs", get(logs::show))
        .route("/logs/debug", get(debug::show))
        .route("/logs/debug/network", post(debug::network))
        .route("/logs/debug/capture", post(debug::start))
        .route("/logs/debug/capture/stop", post(debug::stop))
        .route("/logs/debug/capture.pcap", get(debug::file))
        .route("/logs/download", get(logs::download))
        .route("/password", get(login::show_password).post(login::change_password))
        .route("/services", get(services::list))
        .route("/services/new", get(service_edit::new).post(service_edit::add))
        .route("/services/{vs}", get(services::show))
        .route("/services/{vs}/edit", get(service_edit::edit).post(service_edit::save))
        .route("/services/{vs}/delete", get(service_edit::ask_delete).post(service_edit::delete))
        .route("/services/{vs}/servers/new", get(server_edit::new).post(server_edit::add))
        .route("/services/{vs}/servers/{rs}/edit", get(server_edit::edit).post(server_edit::save))
        .route("/services/{vs}/servers/{rs}/delete", get(server_edit::ask_delete).post(server_edit::delete))
        .route("/system", get(system::show))
        .route("/system/backup", get(backup::show).post(backup::make))
        .route("/system/restore", restore)
        .route("/system/start-again", get(system::ask_start_again).post(system::start_again))
        .route("/system/reboot", get(system::ask_reboot).post(system::reboot))
        .route("/system/power-off", get(system::ask_power_off).post(system::power_off))
        .route("/assets/{name}", get(assets::get))
}

/// Address of a service's page.
pub(crate) fn service_path(vs: VsId) -> String {
    format!("/services/{}", vs.0)
}

/// Address of a real server's pages, without the verb.
pub(crate) fn server_path(vs: VsId, rs: RsId) -> String {
    format!("/services/{}/servers/{}", vs.0, rs.0)
}

/// A page that says one thing, for visitors whom we may not know.
pub(crate) fn message(status: StatusCode, title: &str, text: &str) -> Response {
    let body = html! {
        h1 { (title) }
        p { (text) }
        p { a class="button" href="/" { "Go to the home page" } }
    };
    (status, Html(layout::bare(title, &body).into_string())).into_response()
}

/// Shown until control has given the first configuration.
pub(crate) fn starting() -> Response {
    let text = "This unit is starting: control has not given the configuration yet. \
        The page tries again by itself every two seconds.";
    let mut response = message(StatusCode::SERVICE_UNAVAILABLE, "Starting", text);
    response.headers_mut().insert(HeaderName::from_static("refresh"), HeaderValue::from_static("2"));
    response.headers_mut().insert(axum::http::header::RETRY_AFTER, HeaderValue::from_static("2"));
    response
}

/// Shown for an address that is no page.
pub(crate) async fn not_found() -> Response {
    message(StatusCode::NOT_FOUND, "Not found", "There is no such page on this unit.")
}

/// A refusal that the router made by itself, as a page; its headers (`Allow`) stay.
pub(crate) fn dressed(plain: &Response) -> Response {
    let (status, title, text) = match plain.status() {
        // What stands for an id in the address is none.
        StatusCode::BAD_REQUEST | StatusCode::NOT_FOUND => {
            (StatusCode::NOT_FOUND, "Not found", "There is no such page on this unit.")
        }
        StatusCode::METHOD_NOT_ALLOWED => {
            (plain.status(), "Not possible", "This page cannot be asked for in that way.")
        }
        status => (status, "Refused", "The request was refused."),
    };
    let mut response = message(status, title, text);
    if let Some(allow) = plain.headers().get(ALLOW) {
        response.headers_mut().insert(ALLOW, allow.clone());
    }
    response
}

/// Shown when a service or server was deleted meanwhile.
pub(crate) fn gone() -> Response {
    let text = "This virtual service or real server does not exist (any more).";
    message(StatusCode::NOT_FOUND, "Not found", text)
}

/// What a refused change says above its form, and with which status; what was wrong with single fields goes to
/// the form.
pub(crate) fn explain(refused: Refused, form: &mut crate::form::Form) -> (StatusCode, Option<String>) {
    match refused {
        Refused::Invalid(violations) => {
            form.refuse(violations);
            (StatusCode::UNPROCESSABLE_ENTITY, None)
        }
        Refused::Clashes(places) => {
            form.refuse(places);
            (StatusCode::CONFLICT, None)
        }
        Refused::Conflict { .. } => (StatusCode::CONFLICT, Some(String::from(CHANGED_MEANWHILE))),
        Refused::InRescue => (StatusCode::CONFLICT, Some(String::from(IN_RESCUE))),
        Refused::NotFound => (StatusCode::NOT_FOUND, Some(String::from("It was deleted meanwhile."))),
        Refused::Failed(reason) => {
            (StatusCode::SERVICE_UNAVAILABLE, Some(format!("Nothing was changed: {reason}.")))
        }
        Refused::Unknown => (StatusCode::GATEWAY_TIMEOUT, Some(String::from(OUTCOME_UNKNOWN))),
    }
}

/// Why virtual services cannot be changed, nor looked at on a page.
pub(crate) const IN_RESCUE: &str = "This unit runs its rescue firmware, which serves no clients, so its virtual services \
    cannot be looked at or changed here. They are kept, and back as soon as a confirmed firmware runs: see Firmware.";
/// Said when control was asked for a change and did not answer.
pub(crate) const OUTCOME_UNKNOWN: &str = "Control did not answer in time: the change may have been made. Look at \
     the settings as they are now before you repeat it.";

/// Said when somebody else was faster.
pub(crate) const CHANGED_MEANWHILE: &str = "Somebody changed these settings while you had them open. Yours are below, not yet saved. \
     Compare, then save again to replace theirs.";

/// Everything that a page shows about the unit.
pub(crate) async fn look(app: &App, visitor: &crate::gate::Visitor) -> crate::unit::Unit {
    crate::unit::Unit::look(app, std::sync::Arc::clone(&visitor.snapshot)).await
}

/// A page's answer.
pub(crate) fn page(markup: Markup) -> Response {
    Html(markup.into_string()).into_response()
}

/// Until there is a configuration there are no users, and so no pages.
pub(crate) async fn ready_only(State(app): State<App>, request: Request, next: Next) -> Response {
    if app.snapshot().is_none() && !request.uri().path().starts_with("/assets/") {
        return starting();
    }
    next.run(request).await
}

/// In rescue nothing is served, so the pages of virtual services have nothing to show but that.
pub(crate) async fn unless_in_rescue(State(app): State<App>, request: Request, next: Next) -> Response {
    let path = request.uri().path();
    if !app.is_in_rescue() || !(path == "/" || path.starts_with("/services")) {
        return next.run(request).await;
    }
    let is_home = path == "/";
    let (mut parts, _) = request.into_parts();
    match Visitor::from_request_parts(&mut parts, &app).await {
        Ok(_) if is_home => axum::response::Redirect::to("/firmware").into_response(),
        Ok(_) => message(StatusCode::SERVICE_UNAVAILABLE, "Not in rescue", IN_RESCUE),
        Err(response) => response,
    }
}
