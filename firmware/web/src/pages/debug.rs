//! Debug Options, below System Log Files: captures of packets, ping and its like.

use super::fields::{self, Field};
use super::{icons, layout, text};
use crate::app::App;
use crate::captures::{self, Fault};
use crate::diagnose;
use crate::form::Form;
use crate::gate::{Operator, OperatorPosted, Visitor};
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use evener_api::capture::{CaptureOrder, CaptureStatus, MOST_PACKETS, MOST_SECONDS};
use evener_api::diagnose::RecordKind;
use evener_api::moment;
use maud::{Markup, html};

/// Address of the page.
const PAGE: &str = "/logs/debug";

/// `GET /logs/debug`.
pub(crate) async fn show(State(app): State<App>, Operator(visitor): Operator) -> Response {
    page(&app, &visitor, &empty(Vec::new()), Found::Nothing, StatusCode::OK).await
}

/// A form as it is at first, with these inputs already typed.
fn empty(mut typed: Vec<(String, String)>) -> Form {
    let order = CaptureOrder::default();
    for (name, value) in [("most_packets", order.most_packets), ("most_seconds", order.most_seconds)] {
        typed.push((name.to_owned(), value.to_string()));
    }
    Form::typed(typed)
}

/// `POST /logs/debug/network`.
pub(crate) async fn network(State(app): State<App>, posted: OperatorPosted) -> Response {
    let OperatorPosted { visitor, form } = posted;
    let inputs = ["tool", "target", "name", "type", "server"];
    let mut form = empty(inputs.map(|name| (name.to_owned(), form.value(name).to_owned())).to_vec());
    let Some(question) = diagnose::read(&mut form) else {
        return page(&app, &visitor, &form, Found::Nothing, StatusCode::UNPROCESSABLE_ENTITY).await;
    };
    match diagnose::ask(&app, &visitor.user.name, question).await {
        Ok(lines) => page(&app, &visitor, &form, Found::Lines(&lines), StatusCode::OK).await,
        Err(fault) => page(&app, &visitor, &form, Found::Problem(&words(&fault)), StatusCode::CONFLICT).await,
    }
}

/// What a request came to.
#[derive(Clone, Copy, Debug)]
enum Found<'a> {
    Nothing,
    /// What was found out about the network.
    Lines(&'a [String]),
    /// Why it was not done.
    Problem(&'a str),
}

/// `POST /logs/debug/capture`.
pub(crate) async fn start(State(app): State<App>, posted: OperatorPosted) -> Response {
    let OperatorPosted { visitor, mut form } = posted;
    let Some(order) = captures::read(&mut form) else {
        return page(&app, &visitor, &form, Found::Nothing, StatusCode::UNPROCESSABLE_ENTITY).await;
    };
    match captures::start(&app, &visitor.user.name, order).await {
        Ok(_) => Redirect::to(PAGE).into_response(),
        Err(fault) => page(&app, &visitor, &form, Found::Problem(&words(&fault)), StatusCode::CONFLICT).await,
    }
}

/// `POST /logs/debug/capture/stop`.
pub(crate) async fn stop(State(app): State<App>, posted: OperatorPosted) -> Response {
    match captures::stop(&app).await {
        Ok(_) => Redirect::to(PAGE).into_response(),
        Err(fault) => {
            let form = empty(Vec::new());
            page(
                &app,
                &posted.visitor,
                &form,
                Found::Problem(&words(&fault)),
                StatusCode::SERVICE_UNAVAILABLE,
            )
            .await
        }
    }
}

/// `GET /logs/debug/capture.pcap`.
pub(crate) async fn file(State(app): State<App>, Operator(_): Operator) -> Response {
    match captures::file(&app).await {
        Ok(file) => file,
        Err(fault) => super::message(StatusCode::CONFLICT, "No file", &words(&fault)),
    }
}

fn words(fault: &Fault) -> String {
    match fault {
        Fault::Refused(reason) => format!("Nothing was done: {reason}."),
        Fault::Away => String::from("The service log does not answer. Try again in a moment."),
    }
}

async fn page(app: &App, visitor: &Visitor, form: &Form, found: Found<'_>, code: StatusCode) -> Response {
    let problem = if let Found::Problem(words) = found { Some(words) } else { None };
    let (unit, status) = tokio::join!(super::look(app, visitor), captures::status(app));
    let known = unit.net.iter().flat_map(|net| &net.interfaces).map(|interface| interface.name.0.clone());
    let interfaces: Vec<String> = known.chain([String::from("lo")]).collect();
    let all = [("", "All")].into_iter();
    let options: Vec<(&str, &str)> =
        all.chain(interfaces.iter().map(|name| (name.as_str(), name.as_str()))).collect();
    let content = html! {
        nav class="crumbs" aria-label="Where you are" {
            a href="/logs" { "System Log Files" }
            span aria-hidden="true" { "/" } span { "Debug Options" }
        }
        h1 { "Debug Options" }
        (fields::summary(form, problem))
        @if let Found::Lines(lines) = found {
            section class="card" aria-labelledby="h-found" {
                div class="head" { h2 id="h-found" { "Found" } }
                p class="lines mono" role="status" {
                    @if lines.is_empty() { "Nothing." } @else { (lines.join("\n")) }
                }
            }
        }
        section class="card" aria-labelledby="h-capture" {
            div class="head" { h2 id="h-capture" { "TCP dump" } }
            div id="capture" data-live { (state(visitor, &status)) }
        }
        form class="settings" method="post" action="/logs/debug/capture" novalidate {
            (layout::csrf(visitor))
            fieldset class="card" {
                legend { "New capture" }
                div class="pair" {
                    (fields::choose(form, Field::new("interface", "Interface", ""), &options))
                    (fields::text(form, Field::new("address", "Address",
                        "IPv4 or IPv6 address of sender or receiver. Empty: all.")))
                    (fields::number(form, Field::new("port", "Port",
                        "Of sender or receiver, in TCP, UDP and SCTP, 1 to 65535. Empty: all.")))
                    (fields::number(form, Field::new("most_packets", "Packets at most",
                        &format!("1 to {MOST_PACKETS}. Default 10000."))))
                    (fields::number(form, Field::new("most_seconds", "Time at most",
                        &format!("1 to {MOST_SECONDS} s. Default 10.")).counted("s")))
                }
                p class="hint" {
                    "The capture ends by itself at the first of these limits, or at 64 MiB. It replaces the last one. It may hold "
                    "passwords and other people's data: the unit deletes it when the service that keeps it starts anew."
                }
            }
            div class="actions" { button class="primary" type="submit" { "Start the capture" } }
        }
        (tools(visitor, form))
    };
    (code, super::page(layout::page(layout::Tab::Logs, "Debug Options", visitor, &unit, &content)))
        .into_response()
}

fn tools(visitor: &Visitor, form: &Form) -> Markup {
    let kinds = RecordKind::ALL.map(|(_, word)| (word, word));
    html! {
        form class="settings" method="post" action="/logs/debug/network" novalidate {
            (layout::csrf(visitor))
            fieldset class="card" {
                legend { "Network" }
                (fields::text(form, Field::new("target", "Address",
                    "IPv4 or IPv6. Many hosts and gateways never answer a ping; that alone is no fault.")))
                div class="actions" {
                    button type="submit" name="tool" value="ping" { "Ping" }
                    button type="submit" name="tool" value="traceroute" { "Traceroute" }
                    button type="submit" name="tool" value="routes" { "Routes" }
                    button type="submit" name="tool" value="neighbours" { "Neighbours" }
                }
            }
        }
        form class="settings" method="post" action="/logs/debug/network" novalidate {
            (layout::csrf(visitor))
            fieldset class="card" {
                legend { "DNS" }
                div class="pair" {
                    (fields::text(form, Field::new("name", "Name", "Or an address, for PTR.")))
                    (fields::choose(form, Field::new("type", "Type", ""), &kinds))
                    (fields::text(form, Field::new("server", "Server", "Empty: the unit's own name servers.")))
                }
                div class="actions" { button type="submit" name="tool" value="lookup" { "Look up" } }
            }
        }
    }
}

fn state(visitor: &Visitor, status: &Result<CaptureStatus, Fault>) -> Markup {
    let status = match status {
        Ok(status) => status,
        Err(fault) => {
            return html! { p class="muted" { (icons::icon(icons::WARNING)) " " (words(fault)) } };
        }
    };
    let Some(order) = &status.order else { return html! { p class="muted" { "There is no capture." } } };
    let facts = [
        ("Begun", format!("{} UTC", moment(status.began_unix_ms / 1000))),
        ("Of", asked(order)),
        ("Packets", text::grouped(status.packets)),
        ("File", text::mebibytes(status.bytes)),
        ("Missed", text::grouped(status.lost)),
        ("State", if status.running { String::from("Running") } else { status.ended.clone() }),
    ];
    html! {
        dl class="facts" { @for (name, value) in &facts { dt { (name) } dd { (value) } } }
        div class="actions under" {
            @if status.running {
                form method="post" action="/logs/debug/capture/stop" {
                    (layout::csrf(visitor))
                    button type="submit" { "Stop" }
                }
                a class="button" href=(PAGE) { "Look again" }
            } @else {
                a class="button primary" href="/logs/debug/capture.pcap" { "Download" }
            }
        }
    }
}

fn asked(order: &CaptureOrder) -> String {
    let mut parts = vec![match &order.interface {
        Some(name) => name.clone(),
        None => String::from("all interfaces"),
    }];
    parts.extend(order.address.map(|address| format!("address {address}")));
    parts.extend(order.port.map(|port| format!("port {port}")));
    parts.join(", ")
}
