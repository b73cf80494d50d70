//! Firmware: what runs and why, what is being installed, the slots, and the ways back.
//!
//! Everything that changes comes from update and is in elements that renew themselves; so a page that is loaded in
//! the middle of an installation, here or in another browser, shows the same as one that was there all along.

mod candidate;
mod steps;
mod take;

pub(crate) use steps::{ask_discard, ask_rescue, ask_restore, cancel, discard, rescue, restore};
pub(crate) use take::{begin, end, form, inspect, piece};

use super::{icons, layout, text};
use crate::app::App;
use crate::assets::FIRMWARE_SCRIPT;
use crate::gate::{Operator, Visitor};
use axum::extract::State;
use axum::response::Response;
use evener_api::update::{FirmwareStatus, Happening, Installation, Phase, Proving, Refusal, SlotStatus};
use maud::{Markup, html};

/// `GET /firmware`.
pub(crate) async fn show(State(app): State<App>, Operator(visitor): Operator) -> Response {
    let unit = super::look(&app, &visitor).await;
    let update = unit.update.as_ref();
    let content = html! {
        div class="head" {
            h1 { "Firmware" }
            div class="actions" {
                @if update.is_some_and(|update| update.running == 'R') {
                    a class="button" href="/system/start-again" data-dialog { "Leave rescue" }
                }
                a class="button" href="/system/reboot" data-dialog { "Reboot" }
            }
        }
        section class="card" aria-labelledby="h-now" {
            div class="head" { h2 id="h-now" { "This unit" } }
            div id="now" data-live { @match update { Some(update) => (now(update)), None => (silent()) } }
        }
        section aria-labelledby="h-install" {
            div class="head" { h2 id="h-install" { "Install a firmware" } }
            div id="installation" data-live class="notes" {
                @if let Some(update) = update { (installation(&app, &visitor, update)) }
            }
            (chooser(&visitor))
            div id="candidate" aria-live="polite" {}
            p id="complaint" class="note bad" role="alert" hidden {}
        }
        section aria-labelledby="h-slots" {
            div class="head" { h2 id="h-slots" { "Slots" } }
            div id="slots" data-live { @match update { Some(update) => (slots(update)), None => (silent()) } }
        }
        section class="card" aria-labelledby="h-back" {
            div class="head" { h2 id="h-back" { "Ways back" } }
            div id="back" data-live { (ways_back(update)) }
        }
        section aria-labelledby="h-history" {
            div class="head" { h2 id="h-history" { "History" } }
            div id="history" data-live { @match update { Some(update) => (history(update)), None => (silent()) } }
        }
        script type="module" src=(FIRMWARE_SCRIPT.path()) {}
    };
    super::page(layout::page(layout::Tab::Firmware, "Firmware", &visitor, &unit, &content))
}

fn silent() -> Markup {
    html! { p class="muted" { "Not known: the service " b { "update" } " does not answer. It is started again by itself." } }
}

/// The slot of this letter.
fn slot(update: &FirmwareStatus, letter: char) -> Option<&SlotStatus> {
    update.slots.iter().find(|slot| slot.slot == letter)
}

/// The firmware that was installed and has not been started yet.
fn waiting(update: &FirmwareStatus) -> Option<&SlotStatus> {
    let never_started = |slot: &&SlotStatus| slot.state == "trial" && slot.slot != update.running;
    update.slots.iter().find(|slot| never_started(slot) && update.next == Some(slot.slot))
}

fn version(slot: Option<&SlotStatus>) -> &str {
    slot.and_then(|slot| slot.version.as_deref()).unwrap_or("unknown version")
}

fn now(update: &FirmwareStatus) -> Markup {
    let running = slot(update, update.running);
    html! {
        dl class="facts wide" {
            div { dt { "Running" } dd { b { (version(running)) } " from slot " (update.running) } }
            div { dt { "Status" } dd { (icons::mode(&update.mode)) } }
            div { dt { "Signed by" } dd class="mono" { (running.and_then(|slot| slot.signer.as_deref()).unwrap_or("–")) } }
            div { dt { "Lowest version allowed" } dd { (update.floor) } }
            div { dt { "Next boot" } dd {
                @match update.next {
                    Some(next) => { "Slot " (next) ", " (version(slot(update, next))) },
                    None => { "not known" },
                }
            } }
            div { dt { "Boots without health" } dd { (update.boots_without_health) } }
            @if let Some(loader) = &update.loader {
                div { dt { "Loader" } dd {
                    (loader.version) ", " (loader.kind) ", " (loader.copy) " copy"
                    @if let Some(words) = &loader.update { ": " (words) }
                } }
            }
            @if let Some(failure) = &update.last_failure {
                div { dt { "Last failure" } dd { (failure) } }
            }
        }
        @if let Some(proving) = &update.proving { (trial(proving)) }
    }
}

/// How far the running firmware is with showing that it is healthy.
fn trial(proving: &Proving) -> Markup {
    html! {
        div class="progress" {
            p {
                @if proving.on_trial { b { "On trial. " } }
                "Healthy for " (proving.healthy_s) " s of the " (proving.needed_s)
                " s in a row that " @if proving.on_trial { "confirm it." } @else { "clear the count of boots." }
                @if let Some(left_s) = proving.left_s {
                    " If it does not get there in " (text::duration(left_s))
                    ", the unit gives it up and goes back by itself."
                }
            }
            progress max=(proving.needed_s) value=(proving.healthy_s) aria-label="Seconds without a fault" {}
            @if let Some(fault) = &proving.fault { p class="complaint" { "Not healthy right now: " (fault) } }
        }
    }
}

/// What is being installed, or was last.
fn installation(app: &App, visitor: &Visitor, update: &FirmwareStatus) -> Markup {
    let last = update.installation.as_ref();
    let under_way = last.is_some_and(|one| matches!(one.phase, Phase::Writing | Phase::Verifying));
    html! {
        @if !under_way && let Some(slot) = waiting(update) {
            div class="note good" role="status" {
                div {
                    p { b { (version(Some(slot))) } " is installed in slot " (slot.slot) ". The next boot starts it, on trial: "
                        "it is confirmed once it has been healthy for a minute, else the unit comes back to this firmware by itself." }
                    div class="actions under" {
                        a class="button primary" href="/system/reboot" data-dialog { "Reboot now" }
                        a class="button" href="/firmware/discard" data-dialog { "Discard" }
                    }
                }
            }
        }
        @if let Some(last) = last { (phase(app, visitor, last)) }
    }
}

fn phase(app: &App, visitor: &Visitor, last: &Installation) -> Markup {
    let what = last.candidate.as_ref().map_or_else(
        || String::from("A firmware"),
        |candidate| format!("{} (slot {})", candidate.version, candidate.slot),
    );
    let cancel = html! {
        form method="post" action="/firmware/cancel" class="actions" {
            (layout::csrf(visitor))
            button type="submit" { "Cancel" }
        }
    };
    let upload = app.uploads().name();
    match &last.phase {
        Phase::Writing => html! {
            div class="card progress" data-upload=[upload.as_deref()] data-taken=(last.taken) {
                p { b { (what) } " is being uploaded by " (last.author) " and written: " (how_far(last)) }
                @match last.size {
                    Some(size) => { progress max=(size) value=(last.taken) aria-label="Bytes written" {} },
                    None => { progress aria-label="Bytes written" {} },
                }
                @if upload.is_some() {
                    p class="hint" { "The page that sends the file has to stay open; loading it anew does no harm." }
                }
                (cancel)
            }
        },
        Phase::Verifying => html! {
            div class="card progress" {
                p { b { (what) } " is written. Every byte of it is being read back from the disk and verified." }
                progress aria-label="Verifying" {}
                (cancel)
            }
        },
        // Said by the slot that waits, which also outlives a restart of update.
        Phase::Installed => html! {},
        Phase::Cancelled => html! {
            p class="note warning" { (icons::icon(icons::WARNING)) span {
                (what) " is not installed: the upload was cancelled or broke off. The running firmware was not touched."
            } }
        },
        Phase::Refused(refusal) => html! {
            div class="note bad" role="alert" { (icons::icon(icons::WARNING)) div {
                p { b { (what) " is not installed." } } (refused(refusal))
            } }
        },
    }
}

/// A refusal in words.
fn refused(refusal: &Refusal) -> Markup {
    html! {
        p { (crate::firmware::sentence(&refusal.detail)) " " (crate::firmware::sentence(&refusal.remedy)) }
        p class="small" { "Code " (refusal.code) ", " (refusal.kind) }
    }
}

fn how_far(installation: &Installation) -> String {
    let taken = text::mebibytes(installation.taken);
    match installation.size.filter(|size| *size > 0) {
        Some(size) => {
            let percent = installation.taken.min(size) * 100 / size;
            format!("{taken} of {} ({percent} %)", text::mebibytes(size))
        }
        None => taken,
    }
}

/// The form that takes a file. With the script it shows first what the file is; without, it installs at once.
fn chooser(visitor: &Visitor) -> Markup {
    html! {
        form class="card chooser" method="post" action=(super::FIRMWARE_FORM) enctype="multipart/form-data" data-firmware {
            (layout::csrf(visitor))
            div class="field" {
                label for="file" { "Firmware file" }
                input type="file" id="file" name="firmware" accept=".evfw" required aria-describedby="file-hint";
                p class="hint" id="file-hint" {
                    "A signed file that ends in .evfw. It goes to the slot that is not running; this unit goes on serving, "
                    "and nothing changes until you reboot it."
                }
            }
            div class="field tick" data-unscripted {
                input type="checkbox" id="even" name="even_if_it_failed" value="true";
                label for="even" { "Install it even if it failed on this unit before" }
            }
            div class="actions" data-unscripted { button class="primary" type="submit" { "Upload and install" } }
        }
    }
}

fn slots(update: &FirmwareStatus) -> Markup {
    html! {
        div class="card flush" {
            table class="cards" {
                thead { tr {
                    th scope="col" { "Slot" } th scope="col" { "Status" } th scope="col" { "Version" }
                    th scope="col" { "Signed by" } th scope="col" class="num" { "Tries left" } th scope="col" { "Notes" }
                } }
                tbody {
                    @for slot in &update.slots {
                        tr {
                            th scope="row" class="at" {
                                "Slot " (slot.slot) @if slot.slot == 'R' { " (rescue)" }
                                @if slot.slot == update.running { " " span class="tag" { "running" } }
                                @if update.next == Some(slot.slot) && slot.slot != update.running { " " span class="tag" { "next boot" } }
                            }
                            td data-label="Status" {
                                (icons::slot_state(&slot.state))
                                @if slot.below_floor { " " span class="why" { "below the lowest version allowed: it is never started" } }
                            }
                            td data-label="Version" { (slot.version.as_deref().unwrap_or("–")) }
                            td data-label="Signed by" class="mono break" { (slot.signer.as_deref().unwrap_or("–")) }
                            td data-label="Tries left" class="num" { @if slot.state == "trial" { (slot.tries) } @else { "–" } }
                            td data-label="Notes" class="reason lines" { (slot.notes.as_deref().unwrap_or("–")) }
                        }
                    }
                }
            }
        }
    }
}

fn ways_back(update: Option<&FirmwareStatus>) -> Markup {
    let restore = update.and_then(|update| update.restore.as_ref());
    html! {
        ul class="ways" {
            li {
                div {
                    h3 { "The previous firmware" }
                    @match restore {
                        Some(restore) => @match &restore.refusal {
                            Some(refusal) => p class="muted" {
                                "Not possible: " (refusal.detail) " " span class="small" { "(" (refusal.code) ")" }
                            },
                            None => p class="muted" {
                                (restore.version) " in slot " (restore.slot) ". It is started at the next boot, on trial."
                                @if !restore.loses.is_empty() { " Some settings are lost while it runs." }
                            },
                        },
                        None => p class="muted" { "The other slot holds no firmware to go back to." },
                    }
                }
                @if restore.is_some_and(|restore| restore.refusal.is_none()) {
                    a class="button" href="/firmware/restore" data-dialog { "Go back" }
                }
            }
            li {
                div {
                    h3 { "Rescue" }
                    p class="muted" { "Starts the rescue firmware once: network, these pages and firmware upload; clients are not served." }
                }
                a class="button" href="/firmware/rescue" data-dialog { "Start rescue" }
            }
            li {
                div {
                    h3 { "Factory reset" }
                    p class="muted" { "Erases every setting, password, certificate and log. The firmware stays as it is." }
                }
                a class="button danger" href="/system/factory-reset" { "Reset" }
            }
        }
    }
}

fn history(update: &FirmwareStatus) -> Markup {
    if update.history.is_empty() {
        return html! { div class="card" { p class="muted" { "Nothing was installed on this unit yet." } } };
    }
    html! {
        div class="card flush" {
            table class="cards" {
                thead { tr {
                    th scope="col" { "When (UTC)" } th scope="col" { "What" } th scope="col" { "Version" }
                    th scope="col" { "Slot" } th scope="col" { "By" } th scope="col" { "Reason" }
                } }
                tbody { @for happening in &update.history { (happened(happening)) } }
            }
        }
    }
}

fn happened(happening: &Happening) -> Markup {
    html! {
        tr {
            th scope="row" class="at" { (evener_api::moment(happening.unix_s)) }
            td data-label="What" { (icons::happening(&happening.what)) }
            td data-label="Version" { (happening.version.as_deref().unwrap_or("–")) }
            td data-label="Slot" { @match happening.slot { Some(slot) => { (slot) }, None => { "–" } } }
            td data-label="By" { (happening.author) }
            td data-label="Reason" class="reason" { @if happening.detail.is_empty() { "–" } @else { (happening.detail) } }
        }
    }
}
