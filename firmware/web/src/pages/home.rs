//! Home: is everything well, and how busy is it.

use super::{icons, layout, text};
use crate::app::App;
use crate::gate::Operator;
use crate::status::{VsState, VsStatus};
use crate::unit::Unit;
use axum::extract::{Query, State};
use axum::response::Response;
use evener_api::checks::HealthState;
use evener_config::VirtualService;
use maud::{Markup, html};
use std::collections::BTreeMap;

/// `GET /`.
pub(crate) async fn show(
    State(app): State<App>,
    Operator(visitor): Operator,
    Query(query): Query<BTreeMap<String, String>>,
) -> Response {
    let unit = super::look(&app, &visitor).await;
    let seen: Vec<(&VirtualService, VsStatus)> =
        unit.services().iter().map(|service| (service, unit.status_of(service))).collect();
    let content = html! {
        (layout::done(&visitor, &query))
        h1 { "Home" }
        div id="figures" data-live class="tiles" { (figures(&app, &unit, &seen)) }
        div class="columns" {
            section class="card" aria-labelledby="h-services" {
                div class="head" {
                    h2 id="h-services" { "Virtual Services" }
                    a href="/services" { "All services" }
                }
                div id="overview" data-live { (overview(&seen)) }
            }
            section class="card" aria-labelledby="h-unit" {
                div class="head" { h2 id="h-unit" { "This unit" } a href="/system" { "System" } }
                div id="facts" data-live { (facts(&unit)) }
            }
        }
    };
    super::page(layout::page(layout::Tab::Home, "Home", &visitor, &unit, &content))
}

fn figures(app: &App, unit: &Unit, seen: &[(&VirtualService, VsStatus)]) -> Markup {
    let enabled = seen.iter().filter(|(service, _)| service.enabled).count();
    let up = seen.iter().filter(|(_, status)| matches!(status.state, VsState::Up | VsState::Partial)).count();
    let servers: Vec<HealthState> =
        seen.iter().flat_map(|(_, status)| status.servers.iter().map(|server| server.state)).collect();
    let servers_enabled = servers.iter().filter(|state| **state != HealthState::Disabled).count();
    let servers_up = servers.iter().filter(|state| **state == HealthState::Up).count();
    let sum = |count: fn(&crate::status::Traffic) -> u64| -> Option<u64> {
        unit.proxy.as_ref()?;
        Some(seen.iter().filter_map(|(_, status)| status.traffic.as_ref().map(count)).sum())
    };
    let requests = sum(|traffic| traffic.requests);
    let rate = requests.and_then(|requests| app.rates().look(requests, app.clock().now_ms()));
    html! {
        (tile("Services up", &of(up, enabled), missing(up, enabled), "of those enabled"))
        (tile("Real servers up", &of(servers_up, servers_enabled), missing(servers_up, servers_enabled), "of those enabled"))
        (tile("Connections", &figure(sum(|traffic| traffic.connections)), "", "open from clients"))
        (tile("Requests", &figure(requests), "", &rate.map_or_else(
            || String::from("since the proxy started"),
            |rate| format!("{} each second", text::rate(rate)),
        )))
    }
}

fn missing(part: usize, whole: usize) -> &'static str {
    if part < whole { "bad" } else { "" }
}

fn tile(name: &str, value: &Markup, class: &str, note: &str) -> Markup {
    html! {
        div class={ "tile " (class) } {
            div class="name" { (name) }
            div class="value" { (value) }
            div class="small" { (note) }
        }
    }
}

fn of(part: usize, whole: usize) -> Markup {
    html! { (part) span class="whole" { " of " (whole) } }
}

fn figure(number: Option<u64>) -> Markup {
    html! { @match number { Some(number) => { (text::grouped(number)) }, None => { "–" } } }
}

fn overview(seen: &[(&VirtualService, VsStatus)]) -> Markup {
    if seen.is_empty() {
        return html! {
            p class="empty" { "There is no virtual service yet." }
            p { a class="button primary" href="/services/new" { "Add a virtual service" } }
        };
    }
    html! {
        ul class="rows" {
            @for (service, status) in seen {
                li {
                    a href=(super::service_path(service.id)) { (super::services::title(service)) }
                    span class="muted at" { @if !service.name.is_empty() { (super::services::reached_at(service, status)) } }
                    (icons::service_state(status.state))
                }
            }
        }
    }
}

fn facts(unit: &Unit) -> Markup {
    let version = unit.init.as_ref().map_or("–", |init| init.version.as_str());
    let uptime = unit.init.as_ref().map(|init| text::duration(init.uptime_ms / 1000));
    let addresses = unit.net.iter().flat_map(|net| &net.interfaces).flat_map(|interface| {
        interface.addresses.iter().map(|(address, _)| format!("{address} ({})", interface.name.0))
    });
    html! {
        dl class="facts" {
            dt { "Name" } dd { (unit.hostname()) }
            dt { "Firmware" } dd { (version) }
            dt { "Running from" } dd {
                @match &unit.update { Some(update) => { "Slot " (update.running) }, None => { "–" } }
            }
            dt { "Up for" } dd { (uptime.as_deref().unwrap_or("–")) }
            dt { "Configuration" } dd { "Generation " (unit.snapshot.generation) }
            dt { "Addresses" } dd {
                ul class="plain" { @for address in addresses { li { (address) } } @if unit.net.is_none() { li { "–" } } }
            }
        }
    }
}
