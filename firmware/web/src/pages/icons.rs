//! The drawings, and states as icon and word: never by colour alone.

use crate::status::VsState;
use evener_api::checks::HealthState;
use evener_api::init::ServiceState;
use evener_api::log::Level;
use maud::{Markup, PreEscaped, html};

/// The mark: an evener, the pivoted bar that shares the pull between two draught horses.
pub(crate) fn mark() -> Markup {
    PreEscaped(String::from(concat!(
        r#"<svg class="mark" viewBox="0 0 32 32" aria-hidden="true" fill="none" stroke="currentColor" "#,
        r#"stroke-linecap="round" stroke-linejoin="round"><path d="M16 3v7" stroke-width="2.4"/>"#,
        r#"<path d="M4 14.6Q16 8.8 28 14.6" stroke-width="4"/>"#,
        r#"<path d="M5.5 16.5V23M26.5 16.5V23" stroke-width="1.8"/>"#,
        r#"<path d="M2 25.4q3.5-1.8 7 0M23 25.4q3.5-1.8 7 0" stroke-width="3"/>"#,
        r#"<circle class="pivot" cx="16" cy="11.8" r="1.7" stroke="none"/></svg>"#,
    )))
}

/// Home, in the menu.
pub(crate) const HOME: &str = r#"<path d="M3 9.5 10 3.5l7 6V17h-5v-4.5H8V17H3z"/>"#;
/// Virtual services, in the menu.
pub(crate) const SERVICES: &str = r#"<circle cx="10" cy="4.5" r="2"/><circle cx="4.5" cy="15" r="2"/><circle cx="15.5" cy="15" r="2"/><path d="M9 6.3 5.5 13.2M11 6.3l3.5 6.9"/>"#;
/// History, in the menu.
pub(crate) const HISTORY: &str =
    r#"<path d="M3.5 10a6.5 6.5 0 1 1 2 4.7M3.5 10 1.8 8.2M3.5 10l2-1.6M10 6.5V10l2.6 1.8"/>"#;
/// System, in the menu.
pub(crate) const SYSTEM: &str = r#"<rect x="3" y="3.5" width="14" height="5.5" rx="1.2"/><rect x="3" y="11" width="14" height="5.5" rx="1.2"/><path d="M6 6.25h.01M6 13.75h.01"/>"#;
/// Firmware, in the menu.
pub(crate) const FIRMWARE: &str = r#"<rect x="5" y="5" width="10" height="10" rx="1.4"/><path d="M8 2.5V5M12 2.5V5M8 15v2.5M12 15v2.5M2.5 8H5M2.5 12H5M15 8h2.5M15 12h2.5"/>"#;
/// The log, in the menu.
pub(crate) const LOGS: &str =
    r#"<path d="M5 2.8h7l3.5 3.5v10.9H5zM12 2.8v3.5h3.5M7.5 9.5H13M7.5 12H13M7.5 14.5H11"/>"#;
/// The way out, in the menu.
pub(crate) const LEAVE: &str = r#"<path d="M8 3.5H4v13h4M12.5 6.5 16 10l-3.5 3.5M16 10H8"/>"#;
/// A warning.
pub(crate) const WARNING: &str = r#"<path d="M10 3 18 16.5H2zM10 8v4M10 14.3v.01"/>"#;

/// A drawing of the menu.
pub(crate) fn icon(paths: &'static str) -> Markup {
    html! {
        svg class="icon" viewBox="0 0 20 20" aria-hidden="true" fill="none" stroke="currentColor"
            stroke-width="1.6" stroke-linecap="round" stroke-linejoin="round" { (PreEscaped(paths)) }
    }
}

const TICK: &str =
    r#"<circle cx="8" cy="8" r="7" class="solid"/><path class="cut" d="M4.8 8.3l2.2 2.2 4.2-4.7"/>"#;
const CROSS: &str = r#"<rect x="1.5" y="1.5" width="13" height="13" rx="2.5" class="solid"/><path class="cut" d="M5.3 5.3l5.4 5.4M10.7 5.3l-5.4 5.4"/>"#;
const HALF: &str = r#"<path class="solid" d="M8 1 15.5 14.5H.5z"/><path class="cut" d="M8 6v4M8 12.2v.01"/>"#;
const OFF: &str = r#"<circle cx="8" cy="8" r="6.2" class="ring"/><path class="ring" d="M3.7 12.3l8.6-8.6"/>"#;
const DOTS: &str = r#"<circle cx="8" cy="8" r="6.2" class="ring dashed"/>"#;

fn badge(class: &'static str, drawing: &'static str, word: &str) -> Markup {
    html! {
        span class={ "badge " (class) } {
            svg viewBox="0 0 16 16" aria-hidden="true" { (PreEscaped(drawing)) }
            (word)
        }
    }
}

/// How grave a line of the log is.
pub(crate) fn log_level(level: Level) -> Markup {
    match level {
        Level::Error => badge("down", CROSS, "Error"),
        Level::Warning => badge("partial", HALF, "Warning"),
        Level::Info => html! { span class="muted" { "Information" } },
        Level::Debug => html! { span class="muted" { "Debug" } },
    }
}

/// A virtual service's state.
pub(crate) fn service_state(state: VsState) -> Markup {
    match state {
        VsState::Up => badge("up", TICK, "Up"),
        VsState::Partial => badge("partial", HALF, "Partly up"),
        VsState::Down => badge("down", CROSS, "Down"),
        VsState::Disabled => badge("off", OFF, "Disabled"),
        VsState::Unknown => badge("checking", DOTS, "Checking"),
    }
}

/// A real server's state.
pub(crate) fn server_state(state: HealthState) -> Markup {
    match state {
        HealthState::Up => badge("up", TICK, "Up"),
        HealthState::Down => badge("down", CROSS, "Down"),
        HealthState::Disabled => badge("off", OFF, "Disabled"),
        HealthState::Unknown => badge("checking", DOTS, "Checking"),
    }
}

/// What a program of the unit is doing.
pub(crate) fn program_state(state: ServiceState) -> Markup {
    match state {
        ServiceState::Running => badge("up", TICK, "Running"),
        ServiceState::Starting => badge("checking", DOTS, "Starting"),
        ServiceState::Waiting => badge("down", CROSS, "Waiting to start again"),
        ServiceState::Stopping => badge("partial", HALF, "Stopping"),
        ServiceState::Stopped => badge("off", OFF, "Stopped"),
    }
}

/// A firmware slot's state, as update words it.
pub(crate) fn slot_state(state: &str) -> Markup {
    match state {
        "confirmed" => badge("up", TICK, "Confirmed"),
        "trial" => badge("partial", HALF, "On trial"),
        "bad" => badge("down", CROSS, "Bad"),
        "empty" => badge("off", OFF, "Empty"),
        other => badge("checking", DOTS, other),
    }
}

/// How the running firmware was started, as update words it.
pub(crate) fn mode(mode: &str) -> Markup {
    match mode {
        "normal" => badge("up", TICK, "Confirmed"),
        "trial" => badge("partial", HALF, "On trial"),
        "rescue" => badge("down", CROSS, "Rescue: clients are not served"),
        _ => badge("checking", DOTS, "Started without a loader"),
    }
}

/// What happened to a firmware, as update words it.
pub(crate) fn happening(what: &str) -> Markup {
    match what {
        "confirmed" => badge("up", TICK, "Confirmed"),
        "installed" => badge("up", TICK, "Installed"),
        "failed" => badge("down", CROSS, "Failed"),
        "refused" => badge("down", CROSS, "Refused"),
        "cancelled" => badge("off", OFF, "Cancelled"),
        "discarded" => badge("off", OFF, "Discarded"),
        "restored" => badge("partial", HALF, "Gone back to"),
        "retried" => badge("partial", HALF, "Tried again"),
        "refilled" => badge("off", OFF, "Refilled"),
        "rescue" => badge("partial", HALF, "Rescue"),
        other => badge("checking", DOTS, other),
    }
}

/// Whether a cable is in.
pub(crate) fn link(carrier: bool) -> Markup {
    if carrier { badge("up", TICK, "Link") } else { badge("down", CROSS, "No link") }
}
