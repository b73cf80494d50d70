//! To add, change and delete a virtual service.

use super::fields::{self, Field};
use super::ways_back::done_at;
use super::{layout, service_path};
use crate::app::{App, Refused};
use crate::form::Form;
use crate::gate::{Operator, OperatorPosted, Visitor};
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{Html, IntoResponse, Redirect, Response};
use evener_api::control::Change;
use evener_config::{ForwardedFor, HttpMethod, Protocol, Scheduler, VirtualService, VsId};
use maud::{Markup, html};
use sha2::{Digest, Sha256};

/// `GET /services/new`.
pub(crate) async fn new(State(app): State<App>, Operator(visitor): Operator) -> Response {
    show(&app, &visitor, None, &Form::of_new_service(), None, StatusCode::OK).await
}

/// `POST /services/new`.
pub(crate) async fn add(State(app): State<App>, posted: OperatorPosted) -> Response {
    let OperatorPosted { visitor, mut form } = posted;
    let Some(service) = form.service(&crate::form::blank()) else {
        return show(&app, &visitor, None, &form, None, StatusCode::UNPROCESSABLE_ENTITY).await;
    };
    match app.apply_because(&visitor.user.name, None, form.reason(), Change::AddVs(service)).await {
        Ok(accepted) => {
            let path = accepted.vs.map_or_else(|| String::from("/services"), service_path);
            Redirect::to(&format!("{path}?done=added")).into_response()
        }
        Err(refused) => {
            let (status, problem) = super::explain(refused, &mut form);
            show(&app, &visitor, None, &form, problem.as_deref(), status).await
        }
    }
}

/// `GET /services/{vs}/edit`.
pub(crate) async fn edit(
    State(app): State<App>,
    Operator(visitor): Operator,
    Path(vs): Path<u32>,
) -> Response {
    let Some(service) = super::services::find(&visitor, VsId(vs)) else { return super::gone() };
    show(&app, &visitor, Some(service), &Form::of_service(service), None, StatusCode::OK).await
}

/// `POST /services/{vs}/edit`.
pub(crate) async fn save(State(app): State<App>, Path(vs): Path<u32>, posted: OperatorPosted) -> Response {
    let OperatorPosted { visitor, mut form } = posted;
    let Some(present) = super::services::find(&visitor, VsId(vs)) else { return super::gone() };
    let Some(service) = form.service(present) else {
        return show(&app, &visitor, Some(present), &form, None, StatusCode::UNPROCESSABLE_ENTITY).await;
    };
    if form.value("seen") != seen(present) {
        let problem = Some(super::CHANGED_MEANWHILE);
        return show(&app, &visitor, Some(present), &form, problem, StatusCode::CONFLICT).await;
    }
    // Based on this very generation, or real servers added in this moment would be lost.
    let based_on = Some(visitor.snapshot.generation);
    match app.apply_because(&visitor.user.name, based_on, form.reason(), Change::ReplaceVs(service)).await {
        Ok(_) => Redirect::to(&format!("{}?done=saved", service_path(VsId(vs)))).into_response(),
        Err(refused) => {
            let (status, problem) = super::explain(refused, &mut form);
            show(&app, &visitor, Some(present), &form, problem.as_deref(), status).await
        }
    }
}

/// `GET /services/{vs}/delete`.
pub(crate) async fn ask_delete(
    State(app): State<App>,
    Operator(visitor): Operator,
    Path(vs): Path<u32>,
) -> Response {
    let Some(service) = super::services::find(&visitor, VsId(vs)) else { return super::gone() };
    let unit = super::look(&app, &visitor).await;
    let path = service_path(service.id);
    let servers = super::text::count(service.real_servers.len(), "real server", "real servers");
    let content = html! {
        div class="card narrow" data-confirm {
            h1 { "Delete " (super::services::title(service)) "?" }
            p {
                "Clients of " b { (super::services::address(service)) } " will be refused from now on. "
                "Its " (servers) " go from the configuration with it; the machines themselves are not touched."
            }
            (confirm(&visitor, &format!("{path}/delete"), "Delete this virtual service", &path))
        }
    };
    super::page(layout::page(layout::Tab::Services, "Delete", &visitor, &unit, &content))
}

/// `POST /services/{vs}/delete`.
pub(crate) async fn delete(State(app): State<App>, Path(vs): Path<u32>, posted: OperatorPosted) -> Response {
    let change = Change::DeleteVs(VsId(vs));
    match app.apply(&posted.visitor.user.name, None, change).await {
        Ok(accepted) => {
            Redirect::to(&done_at("/services", "deleted", &posted.visitor, accepted)).into_response()
        }
        Err(refused) => not_deleted(refused),
    }
}

/// The page after a deletion that was refused.
pub(crate) fn not_deleted(refused: Refused) -> Response {
    if matches!(refused, Refused::NotFound) {
        return super::gone();
    }
    let title = if matches!(refused, Refused::Unknown) { "Perhaps deleted" } else { "Not deleted" };
    let mut form = Form::default();
    let (status, problem) = super::explain(refused, &mut form);
    let reasons: Vec<&str> = form.violations.iter().map(|one| one.reason.as_str()).collect();
    super::message(status, title, problem.as_deref().unwrap_or(&reasons.join(" ")))
}

/// The form that asks for certain.
pub(crate) fn confirm(visitor: &Visitor, action: &str, verb: &str, back: &str) -> Markup {
    html! {
        form method="post" action=(action) class="actions" {
            (layout::csrf(visitor))
            button class="danger" type="submit" { (verb) }
            a class="button" href=(back) data-cancel { "Cancel" }
        }
    }
}

/// Fingerprint of a service's own settings, to notice that somebody else changed them meanwhile.
fn seen(service: &VirtualService) -> String {
    let own = VirtualService { real_servers: Vec::new(), ..service.clone() };
    let digest = Sha256::digest(serde_json::to_vec(&own).unwrap_or_default());
    digest.iter().take(8).map(|byte| format!("{byte:02x}")).collect()
}

async fn show(
    app: &App,
    visitor: &Visitor,
    present: Option<&VirtualService>,
    form: &Form,
    problem: Option<&str>,
    status: StatusCode,
) -> Response {
    let unit = super::look(app, visitor).await;
    let title = present.map_or_else(
        || String::from("Add a virtual service"),
        |one| format!("Edit {}", super::services::title(one)),
    );
    let back = present.map_or_else(|| String::from("/services"), |one| service_path(one.id));
    let interfaces: Vec<&str> =
        unit.net.iter().flat_map(|net| &net.interfaces).map(|one| one.name.0.as_str()).collect();
    let content = html! {
        nav class="crumbs" aria-label="Where you are" {
            a href="/services" { "Virtual Services" }
            @if let Some(present) = present {
                span aria-hidden="true" { "/" } a href=(back) { (super::services::title(present)) }
            }
        }
        h1 { (title) }
        (fields::summary(form, problem))
        form class="settings" method="post" novalidate {
            (layout::csrf(visitor))
            @if let Some(present) = present { input type="hidden" name="seen" value=(seen(present)); }
            (basics(form, &interfaces))
            (check(form))
            (advanced(form))
            (fields::reason(form))
            div class="actions" {
                button class="primary" type="submit" {
                    @if present.is_some() { "Save" } @else { "Add the virtual service" }
                }
                a class="button" href=(back) { "Cancel" }
            }
        }
    };
    let markup = layout::page(layout::Tab::Services, &title, visitor, &unit, &content);
    (status, Html(markup.into_string())).into_response()
}

fn basics(form: &Form, interfaces: &[&str]) -> Markup {
    let own = form.value("address.kind") == "own";
    html! {
        fieldset class="card" {
            legend { "Basic settings" }
            (fields::text(form, Field::new("name", "Name",
                "What you call it, up to 64 characters. May be empty.")))
            div class="field options" role="radiogroup" aria-labelledby="l-address" {
                span class="label" id="l-address" { "Address that clients use" }
                label class="option" {
                    input type="radio" name="address.kind" value="literal" checked[!own]; "This IP address"
                }
                label class="option" {
                    input type="radio" name="address.kind" value="own" checked[own];
                    "This unit’s own address, on an interface"
                }
                div class="hint" id="f-address" {
                    @for complaint in form.complaints("address") { p class="complaint" { (complaint) } }
                }
            }
            div data-shown="address.kind literal" {
                (fields::text(form, Field::new("address.literal", "IP address",
                    "IPv4 or IPv6, such as 192.0.2.10.")))
            }
            div data-shown="address.kind own" {
                (fields::suggested(form, Field::new("address.own", "Interface",
                    "Each unit of a pair uses the address that it has there itself, such as that of eth0."), "interfaces"))
                datalist id="interfaces" { @for name in interfaces { option value=(name) {} } }
            }
            (fields::number(form, Field::new("port", "Port",
                "1 to 65535. Port and protocol must be free on the address.")))
            (fields::select::<Protocol>(form, Field::new("protocol", "Protocol",
                "What is spoken on it is HTTP/1.1, balanced request by request.")))
            (fields::select::<Scheduler>(form, Field::new("scheduler", "Scheduling method",
                "How the next real server is chosen. Round robin takes each in turn; weighted follows the servers’ weights.")))
            (fields::tick(form, Field::new("enabled", "Enabled",
                "A disabled service does not listen.")))
        }
    }
}

fn check(form: &Form) -> Markup {
    const KINDS: [(&str, &str); 3] = [
        ("http", "HTTP: a request is answered well"),
        ("tcp", "TCP: a connection opens"),
        ("none", "None: servers always count as up"),
    ];
    html! {
        fieldset class="card" {
            legend { "Health check" }
            (fields::choose(form, Field::new("check.kind", "Check",
                "How each real server is probed."), &KINDS))
            div class="pair" data-shown="check.kind http" {
                (fields::select::<HttpMethod>(form, Field::new("check.http.method", "Method",
                    "Default HEAD.")))
                (fields::text(form, Field::new("check.http.path", "Path",
                    "Starts with /, up to 126 characters. Default /.")))
                (fields::text(form, Field::new("check.http.host", "Host header",
                    "Empty: the server’s address and port.")))
                (fields::text(form, Field::new("check.http.extra_good_statuses", "Other good statuses",
                    "Besides 200 to 299: numbers from 300 to 599, such as 301, 404.")))
            }
            div class="pair" data-shown="check.kind http tcp" {
                (fields::number(form, Field::new("check.interval_s", "Interval",
                    "1 to 901, at least time-out × tries + 1. Default 9.").counted("s")))
                (fields::number(form, Field::new("check.timeout_s", "Time-out",
                    "How long a server has to answer, 1 to 60. Default 4.").counted("s")))
                (fields::number(form, Field::new("check.retries", "Tries",
                    "Probes that fail in a row before a server is down, 1 to 15. Default 2.")))
                (fields::number(form, Field::new("check.port", "Port to probe",
                    "Empty: the server’s own.")))
            }
        }
    }
}

fn advanced(form: &Form) -> Markup {
    let wrong = form.violations.iter().any(|one| {
        let input = crate::form::input_of(&one.field);
        input.starts_with("timeouts.") || input.starts_with("limits.") || input == "forwarded_for"
    });
    html! {
        details class="card" open[wrong] {
            summary { "Advanced: client address, time-outs, limits" }
            (fields::select::<ForwardedFor>(form, Field::new("forwarded_for", "Client address",
                "Whether real servers are told the client’s address in a header.")))
            h3 { "Time-outs" }
            div class="pair" {
                (fields::number(form, Field::new("timeouts.request_head_s", "Request head",
                    "For a client’s whole request head, 1 to 3600. Default 10.").counted("s")))
                (fields::number(form, Field::new("timeouts.connect_s", "Connect",
                    "For a connection to a real server to open, 1 to 300. Default 4.").counted("s")))
                (fields::number(form, Field::new("timeouts.response_head_s", "Answer",
                    "For a real server’s response head, 1 to 86400. Default 60.").counted("s")))
                (fields::number(form, Field::new("timeouts.idle_s", "Idle",
                    "Without a byte in the middle of a message or on a WebSocket, 1 to 86400. Default 660.").counted("s")))
                (fields::number(form, Field::new("timeouts.keep_alive_s", "Keep-alive",
                    "Between two requests on one connection, 1 to 3600. Default 60.").counted("s")))
            }
            h3 { "Limits" }
            div class="pair" {
                (fields::number(form, Field::new("limits.connections", "Client connections",
                    "Open at a time; further ones wait. 1 to 1000000. Default 20000.")))
                (fields::number(form, Field::new("limits.request_head_bytes", "Request head",
                    "1024 to 262144. Default 32768.").counted("bytes")))
                (fields::number(form, Field::new("limits.request_headers", "Header fields",
                    "In a request, 8 to 1000. Default 128.")))
            }
        }
    }
}
