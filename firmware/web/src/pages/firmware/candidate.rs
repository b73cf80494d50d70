//! What a firmware file is, before anything is done with it.

use super::refused;
use crate::pages::icons;
use evener_api::update::{Candidate, FirmwareStatus};
use maud::{Markup, html};
use std::cmp::Ordering;

/// What it is, whether this unit takes it, and the button that installs it.
pub(crate) fn shown(candidate: &Candidate, unit: Option<&FirmwareStatus>) -> Markup {
    let refusal = candidate.refusal.as_ref();
    let running = unit.and_then(|unit| {
        unit.slots.iter().find(|slot| slot.slot == unit.running).and_then(|slot| slot.version.as_deref())
    });
    // A floor never falls, whatever a firmware asks for.
    let floor = unit.map_or("", |unit| &unit.floor);
    let floor = if parts(floor) > parts(&candidate.floor) { floor } else { &candidate.floor };
    html! {
        div class="card progress" {
            h3 { "Evener " (candidate.version) @if let Some(running) = running { (than(&candidate.version, running)) } }
            @if !candidate.notes.is_empty() { p class="lines" { (candidate.notes) } }
            dl class="facts" {
                dt { "Signed by" } dd class="mono" { (candidate.signer) }
                dt { "Goes to" } dd {
                    "slot " (candidate.slot)
                    @if let Some(replaced) = &candidate.replaces { ", in place of " (replaced) }
                }
                dt { "Afterwards not below" } dd { (floor) ", once it is confirmed" }
                dt { "Can be installed from" } dd { (candidate.installable_from) " on" }
                dt { "Digest" } dd class="mono" { (candidate.digest) }
            }
            (losses(&candidate.loses))
            @if let Some(refusal) = refusal {
                div class="note bad" role="alert" { (icons::icon(icons::WARNING)) div { (refused(refusal)) } }
            }
            div class="actions" {
                @match refusal {
                    None => button class="primary" type="button" data-install { "Install " (candidate.version) },
                    Some(refusal) if refusal.can_be_overridden => {
                        button class="danger" type="button" data-install="override" { "Install it all the same" }
                    },
                    Some(_) => {},
                }
            }
        }
    }
}

/// Settings that are lost, or nothing.
pub(crate) fn losses(loses: &[String]) -> Markup {
    html! {
        @if !loses.is_empty() {
            div class="note warning" { (icons::icon(icons::WARNING)) div {
                "It cannot read these settings. They are lost while it runs, and back with a firmware that can:"
                ul { @for line in loses { li { (line) } } }
            } }
        }
    }
}

/// Which of two versions is the later one.
fn than(version: &str, running: &str) -> Markup {
    let words = match parts(version).cmp(&parts(running)) {
        Ordering::Less => "older than the running ",
        Ordering::Equal => "the same as the running ",
        Ordering::Greater => "newer than the running ",
    };
    html! { " " span class="tag" { (words) (running) } }
}

fn parts(version: &str) -> Vec<u16> {
    version.split('.').map_while(|part| part.parse().ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_compared_by_number() {
        for (version, running, words) in
            [("1.10.0", "1.9.9", "newer"), ("7.2.35", "7.2.36", "older"), ("1.0.0", "1.0.0", "the same")]
        {
            let text = than(version, running).into_string();
            assert!(text.contains(words), "{version} and {running}: {text}");
        }
    }
}
