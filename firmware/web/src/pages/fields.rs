//! Inputs with their label, explanation and complaint.

use super::icons;
use crate::form::{Form, Word, input_of};
use maud::{Markup, html};

/// What an input is called and what to know about it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Field<'a> {
    name: &'a str,
    label: &'a str,
    hint: &'a str,
    unit: &'a str,
}

impl<'a> Field<'a> {
    /// `name`: path in the model, which is the input's name. `hint`: meaning, range and default.
    pub(crate) const fn new(name: &'a str, label: &'a str, hint: &'a str) -> Self {
        Self { name, label, hint, unit: "" }
    }

    /// A number that counts these.
    pub(crate) const fn counted(self, unit: &'a str) -> Self {
        Self { unit, ..self }
    }
}

/// Text.
pub(crate) fn text(form: &Form, field: Field<'_>) -> Markup {
    input(form, field, "text", None)
}

/// Text with suggestions from the list of this id.
pub(crate) fn suggested(form: &Form, field: Field<'_>, list: &str) -> Markup {
    input(form, field, "text", Some(list))
}

/// The reason of a change, for the history.
pub(crate) fn reason(form: &Form) -> Markup {
    text(
        form,
        Field::new("reason", "Reason", "Why, for the history: one line, up to 256 characters. May be empty."),
    )
}

/// A whole number. A text input for the browser: one for numbers hides what it cannot read, and it would be lost.
pub(crate) fn number(form: &Form, field: Field<'_>) -> Markup {
    input(form, field, "numeric", None)
}

fn input(form: &Form, field: Field<'_>, mode: &str, list: Option<&str>) -> Markup {
    let wrong = form.complaints(field.name).next().is_some();
    html! {
        div class={ "field" @if wrong { " wrong" } } {
            label for=(id(field.name)) { (field.label) }
            div class="entry" {
                input id=(id(field.name)) name=(field.name) type="text" inputmode=(mode) list=[list]
                    class=[(mode == "numeric").then_some("number")]
                    value=(form.value(field.name)) autocomplete="off" autocapitalize="none" spellcheck="false"
                    aria-describedby=(described(field.name)) aria-invalid=[wrong.then_some("true")];
                @if !field.unit.is_empty() { span class="of" { (field.unit) } }
            }
            (hint(form, field))
        }
    }
}

/// One of several options.
pub(crate) fn select<W: Word>(form: &Form, field: Field<'_>) -> Markup {
    let options: Vec<(&str, &str)> = W::ALL.iter().map(|(_, word, label)| (*word, *label)).collect();
    choose(form, field, &options)
}

/// One of several options, given as value and label.
pub(crate) fn choose(form: &Form, field: Field<'_>, options: &[(&str, &str)]) -> Markup {
    let wrong = form.complaints(field.name).next().is_some();
    html! {
        div class={ "field" @if wrong { " wrong" } } {
            label for=(id(field.name)) { (field.label) }
            div class="entry" {
                select id=(id(field.name)) name=(field.name) aria-describedby=(described(field.name))
                    aria-invalid=[wrong.then_some("true")] {
                    @for (value, label) in options {
                        option value=(value) selected[form.value(field.name) == *value] { (label) }
                    }
                }
            }
            (hint(form, field))
        }
    }
}

/// A box to tick.
pub(crate) fn tick(form: &Form, field: Field<'_>) -> Markup {
    html! {
        div class="field tick" {
            input id=(id(field.name)) name=(field.name) type="checkbox" checked[form.ticked(field.name)]
                aria-describedby=(described(field.name));
            label for=(id(field.name)) { (field.label) }
            (hint(form, field))
        }
    }
}

/// The whole of what is wrong, above the form, each with the way to its input.
pub(crate) fn summary(form: &Form, problem: Option<&str>) -> Markup {
    if form.violations.is_empty() && problem.is_none() {
        return html! {};
    }
    html! {
        div class="note bad" role="alert" tabindex="-1" id="summary" {
            (icons::icon(icons::WARNING))
            div {
                @if let Some(problem) = problem { p { (problem) } }
                @if !form.violations.is_empty() {
                    p { b { "Nothing was saved yet." } " Please look at:" }
                    ul {
                        @for violation in &form.violations {
                            li { a href={ "#" (id(input_of(&violation.field))) } { (violation.reason) } }
                        }
                    }
                }
            }
        }
    }
}

/// An input's id: its name, made safe for a fragment.
pub(crate) fn id(name: &str) -> String {
    format!("f-{}", name.replace(|letter: char| !letter.is_ascii_alphanumeric(), "-"))
}

fn described(name: &str) -> String {
    format!("{}-hint", id(name))
}

fn hint(form: &Form, field: Field<'_>) -> Markup {
    html! {
        div class="hint" id=(described(field.name)) {
            @for complaint in form.complaints(field.name) { p class="complaint" { (complaint) } }
            @if !field.hint.is_empty() { p { (field.hint) } }
        }
    }
}
