//! The unit itself: firmware slots, programs, network, and its end.

use super::service_edit::confirm;
use super::{icons, layout, text};
use crate::app::App;
use crate::firmware;
use crate::gate::{Operator, OperatorPosted, Visitor};
use crate::unit::{Unit, end_run};
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use evener_api::init::{Request, ServiceHealth};
use evener_api::net::{AddressOrigin, InterfaceStatus};
use evener_api::update;
use maud::{Markup, html};

/// `GET /system`.
pub(crate) async fn show(State(app): State<App>, Operator(visitor): Operator) -> Response {
    let unit = super::look(&app, &visitor).await;
    let content = html! {
        div class="head" {
            h1 { "System" }
            div class="actions" {
                a class="button" href="/system/backup" { "Backup and restore" }
                a class="button" href="/system/reboot" data-dialog { "Reboot" }
                a class="button danger" href="/system/power-off" data-dialog { "Power off" }
            }
        }
        section class="card" aria-labelledby="h-unit" {
            div class="head" { h2 id="h-unit" { "Unit" } a href="/history" { "History of the configuration" } }
            div id="unit" data-live { (about(&unit)) }
        }
        section aria-labelledby="h-programs" {
            div class="head" { h2 id="h-programs" { "Services of the unit" } }
            div id="programs" data-live { (programs(&unit)) }
        }
        section aria-labelledby="h-network" {
            div class="head" { h2 id="h-network" { "Network" } }
            div id="network" data-live { (network(&unit)) }
        }
    };
    super::page(layout::page(layout::Tab::System, "System", &visitor, &unit, &content))
}

fn about(unit: &Unit) -> Markup {
    let init = unit.init.as_ref();
    let update = unit.update.as_ref();
    let unknown = || String::from("–");
    let memory = init.map(|init| {
        let mib = |bytes: u64| text::grouped(bytes >> 20);
        format!("{} MiB of {} MiB free", mib(init.memory_available_bytes), mib(init.memory_total_bytes))
    });
    let facts = [
        ("Name", unit.hostname().to_owned()),
        ("Firmware", init.map_or_else(unknown, |init| init.version.clone())),
        ("Up for", init.map_or_else(unknown, |init| text::duration(init.uptime_ms / 1000))),
        ("Configuration", format!("Generation {}", unit.snapshot.generation)),
        ("Memory", memory.unwrap_or_else(unknown)),
        ("Running from", update.map_or_else(unknown, |update| format!("Slot {}", update.running))),
        ("Lowest firmware allowed", update.map_or_else(unknown, |update| update.floor.clone())),
        (
            "Boots without health",
            update.map_or_else(unknown, |update| update.boots_without_health.to_string()),
        ),
    ];
    html! {
        dl class="facts wide" { @for (name, value) in &facts { div { dt { (name) } dd { (value) } } } }
    }
}

fn programs(unit: &Unit) -> Markup {
    let Some(init) = &unit.init else { return silent("init") };
    html! {
        div class="card flush" {
            table class="cards" {
                thead { tr {
                    th scope="col" { "Service" } th scope="col" { "Status" } th scope="col" { "Running for" }
                    th scope="col" class="num" { "Restarts" } th scope="col" { "Last end" }
                } }
                tbody { @for program in &init.services { (program_row(program)) } }
            }
        }
    }
}

fn program_row(program: &ServiceHealth) -> Markup {
    let last_end = if program.last_end.is_empty() { "–" } else { &program.last_end };
    html! {
        tr {
            th scope="row" { (program.service.name()) }
            td data-label="Status" { (icons::program_state(program.state)) }
            td data-label="Running for" {
                @if program.pid.is_some() { (text::duration(program.running_ms / 1000)) } @else { "–" }
            }
            td data-label="Restarts" class="num" { (program.restarts) }
            td data-label="Last end" { (last_end) }
        }
    }
}

fn network(unit: &Unit) -> Markup {
    let Some(net) = &unit.net else { return silent("net") };
    let servers: Vec<String> = net.name_servers.iter().map(ToString::to_string).collect();
    html! {
        div class="card flush" {
            table class="cards" {
                thead { tr {
                    th scope="col" { "Interface" } th scope="col" { "Status" } th scope="col" { "Addresses" }
                    th scope="col" { "From" } th scope="col" { "Hardware address" }
                } }
                tbody { @for interface in &net.interfaces { (interface_row(interface)) } }
            }
        }
        p class="muted under" {
            "Gateway " (net.gateway.map_or_else(|| String::from("none"), |gateway| gateway.to_string()))
            " · name servers " @if servers.is_empty() { "none" } @else { (servers.join(", ")) }
        }
    }
}

fn interface_row(interface: &InterfaceStatus) -> Markup {
    let mac: Vec<String> = interface.mac.iter().map(|byte| format!("{byte:02x}")).collect();
    let origin = match interface.origin {
        AddressOrigin::None => "–",
        AddressOrigin::Dhcp => "DHCP",
        AddressOrigin::Static => "Configuration",
        AddressOrigin::Fallback => "Fallback: no DHCP server answered",
        AddressOrigin::LinkLocal => "Link-local: the fallback address was taken",
    };
    html! {
        tr {
            th scope="row" { (interface.name.0) }
            td data-label="Status" { (icons::link(interface.carrier)) }
            td data-label="Addresses" class="at" {
                ul class="plain" { @for (address, prefix) in &interface.addresses { li { (address) "/" (prefix) } } }
            }
            td data-label="From" { (origin) }
            td data-label="Hardware address" class="mono" { (mac.join(":")) }
        }
    }
}

fn silent(service: &str) -> Markup {
    html! { div class="card" { p class="muted" { "Not known: the service " b { (service) } " does not answer." } } }
}

/// `GET /system/start-again`.
pub(crate) async fn ask_start_again(State(app): State<App>, Operator(visitor): Operator) -> Response {
    let text = "The boots that were counted against the confirmed firmware are forgotten, and the next boot starts it \
        again. If it fails as before, the unit comes back here by itself after five boots. Nothing changes until \
        you reboot.";
    ask(&app, &visitor, "Start the firmware again?", text, "/system/start-again", "Start it at the next boot")
        .await
}

/// `POST /system/start-again`.
pub(crate) async fn start_again(State(app): State<App>, posted: OperatorPosted) -> Response {
    tracing::warn!(user = %posted.visitor.user.name, "asked to start the firmware again");
    match firmware::change(&app, update::Request::Forgive).await {
        Ok(slot) => {
            let text = format!("The next boot starts slot {slot}.");
            ask(&app, &posted.visitor, "Reboot this unit?", &text, "/system/reboot", "Reboot now").await
        }
        Err(fault) => super::message(StatusCode::CONFLICT, "Not possible", &fault.words()),
    }
}

/// `GET /system/reboot`.
pub(crate) async fn ask_reboot(State(app): State<App>, Operator(visitor): Operator) -> Response {
    let text = "Clients are cut off until the unit is back, which takes less than a minute on most machines. \
        The configuration is kept.";
    ask(&app, &visitor, "Reboot this unit?", text, "/system/reboot", "Reboot now").await
}

/// `GET /system/power-off`.
pub(crate) async fn ask_power_off(State(app): State<App>, Operator(visitor): Operator) -> Response {
    let text = "Clients are cut off, and somebody has to switch the unit on again by hand. \
        The configuration is kept.";
    ask(&app, &visitor, "Power this unit off?", text, "/system/power-off", "Power off now").await
}

async fn ask(app: &App, visitor: &Visitor, title: &str, text: &str, action: &str, verb: &str) -> Response {
    let unit = super::look(app, visitor).await;
    let content = html! {
        div class="card narrow" data-confirm {
            h1 { (title) }
            p { (text) }
            (confirm(visitor, action, verb, "/system"))
        }
    };
    super::page(layout::page(layout::Tab::System, title, visitor, &unit, &content))
}

/// `POST /system/reboot`.
pub(crate) async fn reboot(State(app): State<App>, posted: OperatorPosted) -> Response {
    let text = "The unit is rebooting. This page goes on by itself when the unit answers again.";
    end(&app, &posted.visitor, Request::Reboot, "Rebooting", text).await
}

/// `POST /system/power-off`.
pub(crate) async fn power_off(State(app): State<App>, posted: OperatorPosted) -> Response {
    let text = "The unit is switching itself off. You may close this page.";
    end(&app, &posted.visitor, Request::PowerOff, "Powering off", text).await
}

/// Ends the unit's run, and shows that it does.
pub(crate) async fn end(app: &App, visitor: &Visitor, request: Request, title: &str, text: &str) -> Response {
    tracing::warn!(user = %visitor.user.name, ?request, "asked for");
    match end_run(app, request).await {
        Ok(()) => {
            // After a reset the certificate is another one, which a script cannot accept for its operator.
            let wait = matches!(request, Request::Reboot).then_some("/");
            // The script waits until the unit answers. Without it the browser asks once, late: an early try would end
            // on the browser's own page about a server that is not there, and stay.
            let body = html! {
                h1 { (title) }
                p data-reconnect=[wait] { (text) }
                @if wait.is_some() { noscript { meta http-equiv="refresh" content="90; url=/"; } }
            };
            super::page(layout::bare(title, &body))
        }
        Err(reason) => super::message(
            StatusCode::SERVICE_UNAVAILABLE,
            "Not possible",
            &format!("Nothing was done: {reason}."),
        ),
    }
}
