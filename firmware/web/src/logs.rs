//! The unit's log: what an address asks for, what the service log finds, and the whole of it as text.

use crate::app::App;
use axum::body::{Body, Bytes};
use axum::http::header::{CONTENT_DISPOSITION, CONTENT_TYPE, HeaderValue};
use axum::response::{IntoResponse, Response};
use evener_api::control::Violation;
use evener_api::log::{Found, Level, MOST_RECORDS, Record, Reply, Request, Search};
use evener_api::{Service, read_moment, timestamp};
use std::collections::BTreeMap;
use std::io;

/// What an address may ask for. `docs/api.md` explains each.
pub(crate) const PARAMETERS: [&str; 8] =
    ["since", "until", "level", "service", "q", "cursor", "order", "limit"];
/// Records in an answer that asks for no number of them.
const RECORDS: u32 = 200;
/// Longest text that is looked for, and longest name of a service.
const LONGEST_TEXT: usize = 200;

/// A request's parameters by name.
pub(crate) type Query = BTreeMap<String, String>;

/// Reads what is asked for. An empty parameter is one that is not there, as a form sends it.
///
/// # Errors
/// Each parameter that cannot be read, with the reason.
pub(crate) fn read(query: &Query) -> Result<Search, Vec<Violation>> {
    let mut violations = Vec::new();
    let mut complain = |name: &str, reason: String| {
        violations.push(Violation { field: name.to_owned(), reason });
    };
    let given = |name: &str| query.get(name).map(|value| value.trim()).filter(|value| !value.is_empty());
    let mut moment = |name: &str| {
        let text = given(name)?;
        let unix_s = read_moment(text);
        if unix_s.is_none() {
            complain(name, String::from("Not a moment in UTC, such as 2026-11-20T09:05 or 2026-11-20."));
        }
        unix_s.map(|unix_s| unix_s.saturating_mul(1000))
    };
    let (since_unix_ms, until_unix_ms) = (moment("since"), moment("until"));
    let level = given("level")
        .and_then(|text| text.parse().map_err(|error| complain("level", format!("{error}."))).ok());
    let mut number = |name: &str, range: std::ops::RangeInclusive<u64>| {
        let number = given(name)?.parse().ok().filter(|number| range.contains(number));
        if number.is_none() {
            complain(name, format!("Not a whole number from {} to {}.", range.start(), range.end()));
        }
        number
    };
    let cursor = number("cursor", 0..=u64::MAX);
    let most = number("limit", 1..=u64::from(MOST_RECORDS));
    let oldest_first = match given("order") {
        None | Some("newest") => false,
        Some("oldest") => true,
        Some(_) => {
            complain("order", String::from("Either newest, which comes first then, or oldest."));
            false
        }
    };
    let mut text = |name: &str| {
        let text = given(name).unwrap_or_default();
        if text.len() > LONGEST_TEXT {
            complain(name, format!("Longer than {LONGEST_TEXT} bytes."));
        }
        text.to_owned()
    };
    let (service, text) = (Some(text("service")).filter(|name| !name.is_empty()), text("q"));
    let most = most.and_then(|most| u32::try_from(most).ok()).unwrap_or(RECORDS);
    let search = Search { since_unix_ms, until_unix_ms, level, service, text, cursor, oldest_first, most };
    if violations.is_empty() { Ok(search) } else { Err(violations) }
}

/// Asks the service log.
///
/// # Errors
/// Why it has no answer, in words.
pub(crate) async fn search(app: &App, search: Search) -> Result<Found, String> {
    match evener_ipc::call(app.run(), Service::Log, &Request::Search(search)).await {
        Ok(Reply::Found(found)) => Ok(found),
        Ok(Reply::Failed(reason)) => Err(reason),
        Ok(Reply::Forbidden | Reply::Capture(_) | Reply::Piece(_) | Reply::Lines(_)) => {
            Err(String::from("log refused it"))
        }
        Err(error) => {
            tracing::warn!(%error, "log does not answer");
            Err(String::from("log does not answer"))
        }
    }
}

/// Everything that is found, oldest first, as a text file. It is made as it is read: neither side ever holds all of it.
///
/// # Errors
/// Why there is none, in words; an answer that has begun breaks off instead.
pub(crate) async fn text(app: &App, asked: Search) -> Result<Response, String> {
    let asked = Search { oldest_first: true, cursor: None, most: MOST_RECORDS, ..asked };
    let first = search(app, asked.clone()).await?;
    let parts = futures_util::stream::unfold(Some((app.clone(), asked, Ok(first))), |state| async {
        let (app, asked, found) = state?;
        let found = match found {
            Ok(found) => found,
            Err(reason) => return Some((Err(io::Error::other(reason)), None)),
        };
        let part: String = found.records.iter().map(line).collect();
        let next = match found.next {
            Some(cursor) => {
                let asked = Search { cursor: Some(cursor), ..asked };
                let found = search(&app, asked.clone()).await;
                Some((app, asked, found))
            }
            None => None,
        };
        Some((Ok(Bytes::from(part)), next))
    });
    let mut response = Body::from_stream(parts).into_response();
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    headers.insert(CONTENT_DISPOSITION, HeaderValue::from_static("attachment; filename=\"evener-log.txt\""));
    Ok(response)
}

/// A record as a line: `2026-11-20T09:05:07.250Z [   3.214] warning proxy: text`.
fn line(record: &Record) -> String {
    let Record { unix_ms, since_boot_ms, service, level, text, .. } = record;
    let at = timestamp(*unix_ms);
    format!("{at} [{:4}.{:03}] {level} {service}: {text}\n", since_boot_ms / 1000, since_boot_ms % 1000)
}

/// The names that a search may be narrowed to.
pub(crate) fn services() -> impl Iterator<Item = &'static str> {
    std::iter::once(Service::Init).chain(Service::SUPERVISED).map(Service::name)
}

/// The same address with another cursor.
pub(crate) fn address(path: &str, query: &Query, cursor: Option<u64>) -> String {
    let mut address = String::from(path);
    let kept = query.iter().filter(|(name, value)| {
        PARAMETERS.contains(&name.as_str()) && name.as_str() != "cursor" && !value.is_empty()
    });
    let cursor = cursor.map(|cursor| (String::from("cursor"), cursor.to_string()));
    let pairs = kept.map(|(name, value)| (name.clone(), value.clone())).chain(cursor);
    for (at, (name, value)) in pairs.enumerate() {
        address.push(if at == 0 { '?' } else { '&' });
        address.push_str(&name);
        address.push('=');
        for byte in value.bytes() {
            if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
                address.push(char::from(byte));
            } else {
                address.push_str(&format!("%{byte:02X}"));
            }
        }
    }
    address
}

/// Words for the levels, as a search names them.
pub(crate) const LEVELS: [(Option<Level>, &str); 4] = [
    (None, "All"),
    (Some(Level::Info), "Information and graver"),
    (Some(Level::Warning), "Warnings and errors"),
    (Some(Level::Error), "Errors only"),
];

#[cfg(test)]
mod tests {
    use super::*;

    fn query(pairs: &[(&str, &str)]) -> Query {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn what_is_asked_for_is_read_and_what_is_wrong_is_named() {
        let search = read(&query(&[
            ("since", "2023-11-14T22:13:20Z"),
            ("until", ""),
            ("level", "warning"),
            ("service", " proxy "),
            ("q", "a b"),
            ("cursor", "7"),
            ("order", "oldest"),
            ("limit", "1000"),
        ]));
        let expected = Search {
            since_unix_ms: Some(1_700_000_000_000),
            until_unix_ms: None,
            level: Some(Level::Warning),
            service: Some(String::from("proxy")),
            text: String::from("a b"),
            cursor: Some(7),
            oldest_first: true,
            most: 1000,
        };
        assert_eq!(search, Ok(expected));
        assert_eq!(read(&Query::new()), Ok(Search { most: RECORDS, ..Search::default() }));
        let long = "x".repeat(201);
        for (name, value) in [
            ("since", "yesterday"),
            ("until", "2023-02-30"),
            ("level", "WARN"),
            ("cursor", "-1"),
            ("limit", "0"),
            ("limit", "1001"),
            ("order", "down"),
            ("q", &long),
            ("service", &long),
        ] {
            let violations = read(&query(&[(name, value)])).unwrap_err();
            assert_eq!(violations.len(), 1);
            assert_eq!(violations[0].field, name, "{value}");
        }
    }

    #[test]
    fn an_address_carries_the_search_on_and_nothing_else() {
        let query = query(&[("q", "a&b=\"ü"), ("cursor", "9"), ("level", ""), ("done", "x")]);
        assert_eq!(address("/logs", &query, Some(4)), "/logs?q=a%26b%3D%22%C3%BC&cursor=4");
        assert_eq!(address("/logs", &Query::new(), None), "/logs");
    }
}
