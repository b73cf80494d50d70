//! Prometheus' text format, version 0.0.4.
//!
//! ```text
//! # HELP evener_vs_requests_total Requests begun.
//! # TYPE evener_vs_requests_total counter
//! evener_vs_requests_total{vs="1",name="shop"} 2468
//! ```
//! Source: <https://prometheus.io/docs/instrumenting/exposition_formats/>. All samples of a family are together, and a
//! family without samples is left out: what is not known is not zero.

use std::fmt::{Display, Write};

/// The type of the text, for the answer's header.
pub(crate) const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// What kind of figure a family has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Grows only, and begins anew with whoever counts. Its name ends in `_total`.
    Counter,
    /// Goes up and down.
    Gauge,
}

/// The text as it grows.
#[derive(Debug, Default)]
pub(crate) struct Exposition {
    text: String,
}

/// The samples of one name.
#[derive(Debug)]
pub(crate) struct Family<'a> {
    text: &'a mut String,
    name: &'static str,
    kind: Kind,
    help: &'static str,
    begun: bool,
}

impl Exposition {
    /// A family of samples. `help` is one line and tells the unit of measure where the name does not.
    pub(crate) fn family(&mut self, name: &'static str, kind: Kind, help: &'static str) -> Family<'_> {
        debug_assert_eq!(name.ends_with("_total"), kind == Kind::Counter, "{name}");
        Family { text: &mut self.text, name, kind, help, begun: false }
    }

    /// A family of one sample without labels, if its value is known.
    pub(crate) fn single(
        &mut self,
        name: &'static str,
        kind: Kind,
        help: &'static str,
        value: Option<impl Display>,
    ) {
        if let Some(value) = value {
            self.family(name, kind, help).sample(&[], value);
        }
    }

    /// The whole text.
    pub(crate) fn into_text(self) -> String {
        self.text
    }
}

impl Family<'_> {
    /// Adds a sample.
    pub(crate) fn sample(&mut self, labels: &[(&str, &str)], value: impl Display) {
        let text = &mut *self.text;
        if !self.begun {
            self.begun = true;
            let kind = match self.kind {
                Kind::Counter => "counter",
                Kind::Gauge => "gauge",
            };
            // Writing into a string does not fail, here and below.
            let _ = write!(text, "# HELP {0} {1}\n# TYPE {0} {kind}\n", self.name, self.help);
        }
        text.push_str(self.name);
        for (at, (name, value)) in labels.iter().enumerate() {
            let _ = write!(text, "{}{name}=\"", if at == 0 { '{' } else { ',' });
            for character in value.chars() {
                match character {
                    '\\' => text.push_str("\\\\"),
                    '"' => text.push_str("\\\""),
                    '\n' => text.push_str("\\n"),
                    other => text.push(other),
                }
            }
            text.push('"');
        }
        let _ = writeln!(text, "{} {value}", if labels.is_empty() { "" } else { "}" });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_family_is_described_once_and_labels_cannot_break_out() {
        let mut exposition = Exposition::default();
        exposition.single("evener_uptime_seconds", Kind::Gauge, "Since the kernel started.", Some(1.5));
        exposition.single("evener_unknown", Kind::Gauge, "Nobody knows.", None::<u8>);
        let mut family = exposition.family("evener_requests_total", Kind::Counter, "Requests.");
        family.sample(&[("vs", "1"), ("name", "a\"} 7\n\\evener")], 3);
        family.sample(&[("vs", "2")], 0);
        let expected = "# HELP evener_uptime_seconds Since the kernel started.\n\
            # TYPE evener_uptime_seconds gauge\n\
            evener_uptime_seconds 1.5\n\
            # HELP evener_requests_total Requests.\n\
            # TYPE evener_requests_total counter\n\
            evener_requests_total{vs=\"1\",name=\"a\\\"} 7\\n\\\\evener\"} 3\n\
            evener_requests_total{vs=\"2\"} 0\n";
        assert_eq!(exposition.into_text(), expected);
    }
}
