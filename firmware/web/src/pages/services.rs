//! Virtual services with their real servers: the list, and one service.

use super::{icons, layout, server_path, service_path, text};
use crate::app::App;
use crate::form;
use crate::gate::{Operator, Visitor};
use crate::status::{RsStatus, Traffic, VsStatus};
use crate::unit::Unit;
use axum::extract::{Path, Query, State};
use axum::response::Response;
use evener_api::checks::HealthState;
use evener_config::{Address, CheckKind, RealServer, VirtualService, VsId};
use maud::{Markup, html};
use std::collections::BTreeMap;

/// `GET /services`.
pub(crate) async fn list(
    State(app): State<App>,
    Operator(visitor): Operator,
    Query(query): Query<BTreeMap<String, String>>,
) -> Response {
    let unit = super::look(&app, &visitor).await;
    let content = html! {
        (layout::done(&visitor, &query))
        div class="head" {
            h1 { "Virtual Services" }
            a class="button primary" href="/services/new" { "Add a virtual service" }
        }
        div id="list" data-live { (table(&app, &unit)) }
    };
    super::page(layout::page(layout::Tab::Services, "Virtual Services", &visitor, &unit, &content))
}

fn table(app: &App, unit: &Unit) -> Markup {
    if unit.services().is_empty() {
        return html! {
            div class="card blank" {
                (icons::mark())
                p { b { "No virtual service yet." } }
                p class="muted" {
                    "A virtual service is one address and port that clients talk to. "
                    "Its real servers share the work."
                }
            }
        };
    }
    html! {
        div class="card flush" {
            table class="cards" {
                thead { tr {
                    th scope="col" { "Service" } th scope="col" { "Address" } th scope="col" { "Status" }
                    th scope="col" { "Real servers" }
                    th scope="col" class="num" { "Connections" } th scope="col" class="num" { "Requests" }
                } }
                tbody {
                    @for service in unit.services() {
                        (row(service, &unit.status_of(service), app.clock().unix_s()))
                    }
                }
            }
        }
    }
}

fn row(service: &VirtualService, status: &VsStatus, now_s: u64) -> Markup {
    html! {
        tr {
            th scope="row" { a href=(service_path(service.id)) { (title(service)) } }
            td data-label="Address" class="at" { (reached_at(service, status)) }
            td data-label="Status" { (state(status)) }
            td data-label="Real servers" class="stack" {
                ul class="servers" {
                    @for (server, seen) in service.real_servers.iter().zip(&status.servers) {
                        li {
                            (icons::server_state(seen.state))
                            div {
                                span class="at" { (authority(server)) }
                                @if let Some(why) = why(seen, now_s) { div class="why" { (why) } }
                            }
                        }
                    }
                    @if service.real_servers.is_empty() { li class="muted" { "none" } }
                }
            }
            td data-label="Connections" class="num" { (counted(status.traffic.map(|traffic| traffic.connections))) }
            td data-label="Requests" class="num" { (counted(status.traffic.map(|traffic| traffic.requests))) }
        }
    }
}

fn state(status: &VsStatus) -> Markup {
    html! {
        (icons::service_state(status.state))
        @if let Some(why) = &status.reason { div class="why" { (why) } }
    }
}

/// `GET /services/{vs}`.
pub(crate) async fn show(
    State(app): State<App>,
    Operator(visitor): Operator,
    Path(vs): Path<u32>,
    Query(query): Query<BTreeMap<String, String>>,
) -> Response {
    let unit = super::look(&app, &visitor).await;
    let Some(service) = find(&visitor, VsId(vs)) else { return super::gone() };
    let status = unit.status_of(service);
    let path = service_path(service.id);
    let content = html! {
        (layout::done(&visitor, &query))
        nav class="crumbs" aria-label="Where you are" { a href="/services" { "Virtual Services" } }
        div class="head" {
            div class="title" {
                h1 { (title(service)) }
                div id="state" data-live { (state(&status)) }
            }
            div class="actions" {
                a class="button" href={ (path) "/edit" } { "Edit" }
                a class="button danger" href={ (path) "/delete" } data-dialog { "Delete" }
            }
        }
        section aria-labelledby="h-servers" {
            div class="head" {
                h2 id="h-servers" { "Real servers" }
                a class="button primary" href={ (path) "/servers/new" } { "Add a real server" }
            }
            div id="servers" data-live { (servers(service, &status, app.clock().unix_s())) }
        }
        div class="columns" {
            section class="card" aria-labelledby="h-settings" {
                div class="head" { h2 id="h-settings" { "Settings" } a href={ (path) "/edit" } { "Edit" } }
                (settings(service))
            }
            section class="card" aria-labelledby="h-traffic" {
                div class="head" { h2 id="h-traffic" { "Traffic" } span class="muted" { "since the proxy started" } }
                div id="traffic" data-live { (traffic(status.traffic)) }
            }
        }
    };
    super::page(layout::page(layout::Tab::Services, &title(service), &visitor, &unit, &content))
}

fn servers(service: &VirtualService, status: &VsStatus, now_s: u64) -> Markup {
    if service.real_servers.is_empty() {
        return html! {
            div class="card blank" { p { "No real server yet: clients get an error until there is one." } }
        };
    }
    html! {
        div class="card flush" {
            table class="cards" {
                thead { tr {
                    th scope="col" { "Server" } th scope="col" { "Status" } th scope="col" { "Reason" }
                    th scope="col" { "Since" } th scope="col" class="num" { "Weight" }
                    th scope="col" class="num" { "Active" }
                    th scope="col" class="num" { "Requests" } th scope="col" class="num" { "Faults" }
                    th scope="col" { span class="hidden" { "Actions" } }
                } }
                tbody {
                    @for (server, seen) in service.real_servers.iter().zip(&status.servers) {
                        (server_row(&server_path(service.id, server.id), server, seen, now_s))
                    }
                }
            }
        }
    }
}

fn server_row(path: &str, server: &RealServer, seen: &RsStatus, now_s: u64) -> Markup {
    let name = authority(server);
    html! {
        tr {
            th scope="row" class="at" { a href={ (path) "/edit" } { (name) } }
            td data-label="Status" { (icons::server_state(seen.state)) }
            td data-label="Reason" class="reason" {
                div {
                    (seen.reason)
                    @if let Some(took) = seen.last_good_ms { " " span class="muted" { "(" (took) "\u{a0}ms)" } }
                }
            }
            td data-label="Since" class="at" { (since(seen, now_s)) }
            td data-label="Weight" class="num" { (server.weight.0) }
            td data-label="Active" class="num" { (counted(seen.active)) }
            td data-label="Requests" class="num" { (counted(seen.requests)) }
            td data-label="Faults" class="num" { (counted(seen.faults)) }
            td class="verbs" {
                a href={ (path) "/edit" } aria-label={ "Edit " (name) } { "Edit" }
                a class="danger" href={ (path) "/delete" } data-dialog aria-label={ "Delete " (name) } { "Delete" }
            }
        }
    }
}

fn settings(service: &VirtualService) -> Markup {
    let check = &service.check;
    let probe = match &check.kind {
        CheckKind::Http(http) => format!("HTTP {} {}", form::label(http.method), http.path),
        CheckKind::Tcp => String::from("TCP connection"),
        CheckKind::None => String::from("None: servers always count as up"),
        _ => String::from("Of a kind that is not active in this version: servers count as up"),
    };
    let (timeouts, limits) = (&service.timeouts, &service.limits);
    html! {
        dl class="facts" {
            dt { "Address" } dd class="at" { (address(service)) }
            dt { "Protocol" } dd { "HTTP/1.1 over " (form::label(service.protocol)) }
            dt { "Scheduling" } dd { (form::label(service.scheduler)) }
            dt { "Health check" } dd { (probe) }
            @if !matches!(check.kind, CheckKind::None) {
                dt { "Timing" } dd {
                    "every " (check.interval_s) " s, " (check.timeout_s) " s to answer, down after "
                    (check.retries) " in a row"
                }
            }
            dt { "Client address" } dd { (form::label(service.forwarded_for)) }
            dt { "Time-outs" } dd {
                "head " (timeouts.request_head_s) " s, connect " (timeouts.connect_s) " s, answer "
                (timeouts.response_head_s) " s, idle " (timeouts.idle_s) " s, keep-alive " (timeouts.keep_alive_s) " s"
            }
            dt { "Limits" } dd {
                (text::grouped(limits.connections.into())) " connections, head " (text::grouped(limits.request_head_bytes.into()))
                " bytes in " (limits.request_headers) " fields"
            }
        }
    }
}

fn traffic(traffic: Option<Traffic>) -> Markup {
    html! {
        dl class="facts figures" {
            dt { "Open connections" } dd { (counted(traffic.map(|one| one.connections))) }
            dt { "Accepted connections" } dd { (counted(traffic.map(|one| one.accepted))) }
            dt { "Requests" } dd { (counted(traffic.map(|one| one.requests))) }
            dt { "Sent again to another server" } dd { (counted(traffic.map(|one| one.retries))) }
            dt { "Answered by the balancer itself" } dd { (counted(traffic.map(|one| one.own_answers))) }
        }
    }
}

/// A service of the configuration that the visitor's page is made from.
pub(crate) fn find(visitor: &Visitor, vs: VsId) -> Option<&VirtualService> {
    visitor.snapshot.config.shared.virtual_services.iter().find(|service| service.id == vs)
}

/// What to call a service: its name, or else where it stands.
pub(crate) fn title(service: &VirtualService) -> String {
    if service.name.is_empty() { address(service) } else { service.name.clone() }
}

/// Where a service stands.
pub(crate) fn address(service: &VirtualService) -> String {
    match &service.address {
        Address::Literal(address) => std::net::SocketAddr::new(*address, service.port).to_string(),
        Address::Own(interface) => format!("address of {}, port {}", interface.0, service.port),
    }
}

/// Where clients find a service right now: for one on the unit's own address, the address it has.
pub(crate) fn reached_at(service: &VirtualService, status: &VsStatus) -> String {
    match (&service.address, status.traffic.and_then(|traffic| traffic.bound)) {
        (Address::Own(interface), Some(bound)) => format!("{bound} ({})", interface.0),
        _ => address(service),
    }
}

/// Where a real server is.
pub(crate) fn authority(server: &RealServer) -> String {
    std::net::SocketAddr::new(server.address, server.port).to_string()
}

fn since(seen: &RsStatus, now_s: u64) -> String {
    let since = seen.since_unix_s;
    since.map(|since| format!("for {}", text::roughly(now_s.saturating_sub(since)))).unwrap_or_default()
}

/// What the list says beside a server: since when, and why if it does not work.
fn why(seen: &RsStatus, now_s: u64) -> Option<String> {
    let since = since(seen, now_s);
    match (seen.state, since.is_empty()) {
        (_, true) => None,
        (HealthState::Down, _) if !seen.reason.is_empty() => Some(format!("{} · {since}", seen.reason)),
        _ => Some(since),
    }
}

fn counted(number: Option<u64>) -> String {
    number.map_or_else(|| String::from("–"), text::grouped)
}
