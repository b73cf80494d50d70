//! The history of the configuration: who changed what, when and why; and what lies between two generations.

use super::layout;
use super::ways_back::not_gone;
use crate::app::App;
use crate::gate::Operator;
use crate::history;
use axum::extract::{Query, State};
use axum::response::{IntoResponse, Redirect, Response};
use evener_api::control::GenerationInfo;
use maud::{Markup, html};
use std::collections::BTreeMap;

/// `GET /history`.
pub(crate) async fn list(
    State(app): State<App>,
    Operator(visitor): Operator,
    Query(query): Query<BTreeMap<String, String>>,
) -> Response {
    let unit = super::look(&app, &visitor).await;
    let generations = history::list(&app).await;
    let content = html! {
        (layout::done(&visitor, &query))
        div class="head" { h1 { "History" } }
        @match &generations {
            Ok(generations) => {
                p class="muted" {
                    "Every change made a generation of the settings. The last " (history::MOST) " are kept, and any of them can be \
                    taken back or brought back; that makes a new generation, which can be taken back in turn."
                }
                (table(generations))
                (comparison(generations, None))
            }
            Err(_) => div class="card" {
                p class="muted" { "Not known: the service " b { "control" } " does not answer." }
            },
        }
    };
    super::page(layout::page(layout::Tab::History, "History", &visitor, &unit, &content))
}

fn table(generations: &[GenerationInfo]) -> Markup {
    let newest = generations.first().map_or(0, |one| one.generation);
    let oldest = generations.last().map_or(0, |one| one.generation);
    html! {
        div class="card flush" {
            table class="cards" {
                thead { tr {
                    th scope="col" class="num" { "Generation" } th scope="col" { "When (UTC)" } th scope="col" { "Who" }
                    th scope="col" { "Why" } th scope="col" { "What" }
                    th scope="col" { span class="hidden" { "Actions" } }
                } }
                tbody { @for one in generations { (row(one, one.generation == newest, one.generation == oldest)) } }
            }
        }
    }
}

fn row(one: &GenerationInfo, is_newest: bool, is_oldest: bool) -> Markup {
    let number = one.generation;
    html! {
        tr {
            th scope="row" class="num" { (number) @if is_newest { " " span class="why" { "in force" } } }
            td data-label="When (UTC)" class="at" { (evener_api::moment(one.unix_s)) }
            td data-label="Who" { (one.author) }
            td data-label="Why" class="reason" { (cause(one)) }
            td data-label="What" class="reason lines" { (one.summary.join("\n")) }
            td class="verbs" {
                @if !is_oldest {
                    a href={ "/history/" (number) "/undo" } data-dialog aria-label={ "Undo generation " (number) } {
                        @if one.undoes.is_some() { "Redo" } @else { "Undo" }
                    }
                }
                @if !is_newest {
                    a href={ "/history/" (number) "/restore" } data-dialog aria-label={ "Restore generation " (number) } {
                        "Restore this"
                    }
                }
            }
        }
    }
}

fn cause(one: &GenerationInfo) -> Markup {
    html! {
        @if let Some(undone) = one.undoes { "undoes generation " (undone) }
        @if let Some(restored) = one.restores { "restores generation " (restored) }
        @if let Some(reason) = &one.reason {
            @if one.undoes.is_some() || one.restores.is_some() { ": " }
            (reason)
        }
        @if one.undoes.is_none() && one.restores.is_none() && one.reason.is_none() { "–" }
    }
}

/// The form that compares two generations; `chosen` are those that are compared now.
fn comparison(generations: &[GenerationInfo], chosen: Option<(u64, u64)>) -> Markup {
    let newest = generations.first().map_or(0, |one| one.generation);
    let before = generations.get(1).map_or(newest, |one| one.generation);
    let (from, to) = chosen.unwrap_or((before, newest));
    let choice = |name: &str, label: &str, selected: u64| {
        html! {
            div class="field" {
                label for=(name) { (label) }
                select id=(name) name=(name) {
                    @for one in generations {
                        option value=(one.generation) selected[one.generation == selected] {
                            (one.generation) " – " (evener_api::moment(one.unix_s)) " – " (one.author)
                        }
                    }
                }
            }
        }
    };
    html! {
        section class="card" aria-labelledby="h-compare" {
            div class="head" { h2 id="h-compare" { "Compare two generations" } }
            form class="roomy" method="get" action="/history/compare" {
                div class="pair" { (choice("from", "From", from)) (choice("to", "To", to)) }
                div class="actions" { button type="submit" { "Compare" } }
            }
        }
    }
}

/// `GET /history/compare`.
pub(crate) async fn compare(
    State(app): State<App>,
    Operator(visitor): Operator,
    Query(query): Query<BTreeMap<String, String>>,
) -> Response {
    let number = |name: &str| query.get(name).and_then(|number| number.parse::<u64>().ok());
    let (Some(from), Some(to)) = (number("from"), number("to")) else {
        return Redirect::to("/history").into_response();
    };
    let unit = super::look(&app, &visitor).await;
    let lines = match history::compare(&app, from, to).await {
        Ok(lines) => lines,
        Err(refused) => return not_gone(refused),
    };
    let generations = history::list(&app).await.unwrap_or_default();
    let title = format!("From generation {from} to {to}");
    let content = html! {
        nav class="crumbs" aria-label="Where you are" { a href="/history" { "History" } }
        h1 { (title) }
        div class="card" { (difference(&lines, "There is no difference.")) }
        (comparison(&generations, Some((from, to))))
    };
    super::page(layout::page(layout::Tab::History, &title, &visitor, &unit, &content))
}

/// Lines of a difference.
pub(crate) fn difference(lines: &[String], none: &str) -> Markup {
    html! {
        @if lines.is_empty() { p class="muted" { (none) } }
        @else { ul class="changes" { @for line in lines { li { (line) } } } }
    }
}
