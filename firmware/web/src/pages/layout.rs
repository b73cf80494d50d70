//! What surrounds every page: menu, the unit's name, warnings that must not be overlooked.

use super::icons;
use crate::assets::{MARK, SCRIPT, STYLE};
use crate::gate::Visitor;
use crate::unit::Unit;
use evener_api::Service;
use maud::{DOCTYPE, Markup, html};
use std::collections::BTreeMap;

/// Which entry of the menu a page belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tab {
    Home,
    Services,
    History,
    System,
    Logs,
    Firmware,
}

/// A page for somebody who is logged in.
pub(crate) fn page(tab: Tab, title: &str, visitor: &Visitor, unit: &Unit, content: &Markup) -> Markup {
    let hostname = unit.hostname();
    document(
        &format!("{title} · {hostname}"),
        &html! {
            a class="skip" href="#content" { "Skip to the content" }
            div class="frame" {
                header class="side" {
                    a class="brand" href="/" {
                        (icons::mark())
                        span { b { "Evener" } span class="unit" { (hostname) } }
                    }
                    (menu(tab, unit.is_in_rescue))
                    form class="leave" method="post" action="/logout" {
                        (csrf(visitor))
                        span class="who" { "Logged in as " b { (visitor.user.name) } }
                        a href="/password" { "Change password" }
                        button class="quiet" type="submit" { (icons::icon(icons::LEAVE)) "Log out" }
                    }
                }
                main id="content" tabindex="-1" {
                    (warnings(unit))
                    (content)
                }
            }
        },
    )
}

/// A page for somebody whom we may not know: log-in, and messages.
pub(crate) fn bare(title: &str, content: &Markup) -> Markup {
    document(
        title,
        &html! {
            main class="bare" id="content" {
                div class="brand" { (icons::mark()) b { "Evener" } }
                div class="card" { (content) }
            }
        },
    )
}

/// The hidden input that shows that a form came from our page.
pub(crate) fn csrf(visitor: &Visitor) -> Markup {
    html! { input type="hidden" name="csrf" value=(visitor.session.csrf); }
}

fn document(title: &str, body: &Markup) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { (title) " · Evener" }
                link rel="icon" type="image/svg+xml" href=(MARK.path());
                link rel="stylesheet" href=(STYLE.path());
                script src=(SCRIPT.path()) defer {}
            }
            body { (body) }
        }
    }
}

fn menu(tab: Tab, is_in_rescue: bool) -> Markup {
    let entries = [
        (Tab::Home, "/", "Home", icons::HOME),
        (Tab::Services, "/services", "Virtual Services", icons::SERVICES),
        (Tab::History, "/history", "History", icons::HISTORY),
        (Tab::System, "/system", "System", icons::SYSTEM),
        (Tab::Logs, "/logs", "Logging", icons::LOGS),
        (Tab::Firmware, "/firmware", "Firmware", icons::FIRMWARE),
    ];
    // In rescue there are no services to look at.
    let entries = if is_in_rescue { &entries[2..] } else { &entries[..] };
    html! {
        nav aria-label="Main" {
            ul {
                @for (entry, href, name, drawing) in entries {
                    li {
                        a href=(href) aria-current=[(*entry == tab).then_some("page")] {
                            (icons::icon(drawing)) span { (name) }
                        }
                    }
                }
            }
        }
    }
}

/// Everything about the unit that somebody has to look after.
fn warnings(unit: &Unit) -> Markup {
    let told = unit.warnings.iter().map(String::as_str);
    let silent: Vec<&str> = unit.silent.iter().map(|service| service.name()).collect();
    html! {
        div id="warnings" data-live class="notes" {
            (firmware_notes(unit))
            @for warning in told {
                p class="note warning" { (icons::icon(icons::WARNING)) span { (warning) } }
            }
            @if unit.update.as_ref().is_some_and(|update| update.degraded) {
                p class="note warning" {
                    (icons::icon(icons::WARNING))
                    span { "No copy of the slot table was valid; it was derived from the firmware in the slots." }
                }
            }
            @if !silent.is_empty() {
                p class="note warning" role="status" {
                    (icons::icon(icons::WARNING))
                    span {
                        @if silent.len() == 1 { "The service " } @else { "The services " }
                        b { (silent.join(", ")) }
                        @if silent.len() == 1 { " does not answer. " } @else { " do not answer. " }
                        "What these pages show of it may be old or missing."
                        @if !unit.silent.contains(&Service::Proxy) { " Traffic is served all the same." }
                    }
                }
            }
        }
    }
}

/// A firmware that is not simply confirmed and running is on every page.
fn firmware_notes(unit: &Unit) -> Markup {
    let proving = unit.update.as_ref().and_then(|update| update.proving.as_ref());
    html! {
        @if unit.is_in_rescue {
            p class="note bad" role="status" {
                (icons::icon(icons::WARNING))
                span {
                    b { "This unit runs its rescue firmware, and clients are not served. " }
                    "Network, these pages and firmware upload work. See " a href="/firmware" { "Firmware" }
                    " for the reason and the ways out."
                }
            }
        }
        @if let Some(proving) = proving.filter(|proving| proving.on_trial) {
            p class="note warning" role="status" {
                (icons::icon(icons::WARNING))
                span {
                    b { "This firmware is on trial. " }
                    "It has been healthy for " (proving.healthy_s) " s of the " (proving.needed_s) " s that confirm it"
                    @if let Some(fault) = &proving.fault { "; right now it is not: " (fault) }
                    ". Without that the unit goes back to the firmware before it by itself. " a href="/firmware" { "Firmware" }
                }
            }
        }
    }
}

/// Says that a change was made; the address that the change led to has the word for it in `done`. With the generation
/// that it made in `undo`, the way back is offered beside it.
pub(crate) fn done(visitor: &Visitor, query: &BTreeMap<String, String>) -> Markup {
    let (text, back) = match query.get("done").map(String::as_str) {
        Some("added") => ("Added. The change is in force.", "Undo"),
        Some("saved") => ("Saved. The change is in force.", "Undo"),
        Some("deleted") => ("Deleted. The change is in force.", "Undo"),
        Some("undone") => ("Undone. The change is in force.", "Redo"),
        Some("restored") => ("Restored. The change is in force.", "Undo"),
        Some("nothing") => ("Nothing was changed: the settings are so already.", ""),
        Some("password") => ("Your password was changed.", ""),
        _ => return html! {},
    };
    let generation = query.get("undo").and_then(|number| number.parse::<u64>().ok());
    html! {
        div class="note good" role="status" {
            span { (text) }
            @if let Some(generation) = generation.filter(|_| !back.is_empty()) {
                form method="post" action={ "/history/" (generation) "/undo" } {
                    (csrf(visitor))
                    button class="quiet" type="submit" { (back) }
                }
            }
        }
    }
}
