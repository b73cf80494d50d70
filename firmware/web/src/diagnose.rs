//! Looking for a fault in the network: what a form or a program asks, and what the service log finds out.

use crate::app::App;
use crate::captures::Fault;
use crate::form::Form;
use evener_api::Service;
use evener_api::control::Violation;
use evener_api::diagnose::{MOST_ECHOES, Question, RecordKind};
use evener_api::log::{Reply, Request};
use serde::Deserialize;
use std::net::IpAddr;

/// Longest name that is looked up.
const LONGEST_NAME: usize = 255;
/// Echo requests where nobody says how many.
const ECHOES: u8 = 5;

/// A ping.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Ping {
    address: IpAddr,
    #[serde(default = "echoes")]
    count: u8,
}

/// A traceroute.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Trace {
    address: IpAddr,
}

/// A question to DNS.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Lookup {
    name: String,
    #[serde(default, rename = "type")]
    kind: RecordKind,
    #[serde(default)]
    server: Option<IpAddr>,
}

fn echoes() -> u8 {
    ECHOES
}

/// Something that can be asked, if it is in range.
pub(crate) trait Ask {
    /// The question.
    ///
    /// # Errors
    /// The field that is out of range.
    fn question(self) -> Result<Question, Vec<Violation>>;
}

impl Ask for Ping {
    fn question(self) -> Result<Question, Vec<Violation>> {
        if (1..=MOST_ECHOES).contains(&self.count) {
            return Ok(Question::Ping(self.address, self.count));
        }
        Err(vec![wrong("count", &format!("Not from 1 to {MOST_ECHOES}."))])
    }
}

impl Ask for Trace {
    fn question(self) -> Result<Question, Vec<Violation>> {
        Ok(Question::Trace(self.address))
    }
}

impl Ask for Lookup {
    fn question(self) -> Result<Question, Vec<Violation>> {
        if (1..=LONGEST_NAME).contains(&self.name.len()) {
            return Ok(Question::Lookup(self.name, self.kind, self.server));
        }
        Err(vec![wrong("name", &format!("A name has 1 to {LONGEST_NAME} bytes."))])
    }
}

/// What a form of the page asks; what is wrong goes to the form.
pub(crate) fn read(form: &mut Form) -> Option<Question> {
    let mut violations = Vec::new();
    let mut address = |name: &str| {
        let address = form.value(name).trim().parse().ok();
        if address.is_none() {
            violations.push(wrong(name, "Not an address, such as 192.0.2.1 or 2001:db8::1."));
        }
        address
    };
    let asked = match form.value("tool") {
        "ping" => address("target").map(|address| Ping { address, count: ECHOES }.question()),
        "traceroute" => address("target").map(|address| Trace { address }.question()),
        "lookup" => {
            let server = if form.value("server").trim().is_empty() { None } else { address("server") };
            let kind = RecordKind::ALL.iter().find(|(_, word)| *word == form.value("type"));
            let kind = kind.map_or_else(RecordKind::default, |(kind, _)| *kind);
            Some(Lookup { name: form.value("name").trim().to_owned(), kind, server }.question())
        }
        "neighbours" => Some(Ok(Question::Neighbours)),
        _ => Some(Ok(Question::Routes)),
    };
    let question = match asked {
        Some(Ok(question)) if violations.is_empty() => Some(question),
        Some(Err(more)) => {
            violations.extend(more);
            None
        }
        _ => None,
    };
    form.refuse(violations);
    question
}

/// Finds it out; lines for a person.
///
/// # Errors
/// Why it could not be tried.
pub(crate) async fn ask(app: &App, user: &str, question: Question) -> Result<Vec<String>, Fault> {
    tracing::info!(user, ?question, "asked of the network");
    match evener_ipc::call(app.run(), Service::Log, &Request::Diagnose(question)).await {
        Ok(Reply::Lines(lines)) => Ok(lines),
        Ok(Reply::Failed(reason)) => Err(Fault::Refused(reason)),
        Ok(_) => Err(Fault::Away),
        Err(error) => {
            tracing::warn!(%error, "log does not answer");
            Err(Fault::Away)
        }
    }
}

fn wrong(field: &str, reason: &str) -> Violation {
    Violation { field: field.to_owned(), reason: reason.to_owned() }
}
