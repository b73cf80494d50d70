//! What holds for every request and answer: whom it is for, origins, headers, time.
//!
//! A request that names no host, or two, is malformed (RFC 9112 §3.2), and hyper leaves it to us to say so. What
//! follows compares origins with that name, so there must be one.
//!
//! A browser sends along cookies and remembered passwords whoever makes it ask. So a request that another site
//! caused is refused, by what the browser itself says about it (Fetch metadata, RFC 6454 Origin): for the pages
//! whenever it could change something, for the API always.

use crate::api::problem;
use crate::pages;
use axum::extract::Request;
use axum::http::header::{
    CACHE_CONTROL, CONNECTION, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HOST, HeaderName, HeaderValue, ORIGIN,
    REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};
use axum::http::{HeaderMap, Method, StatusCode, Version};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use std::time::Duration;

/// Longest time for a request from its head to the whole answer; bounds how slowly a body may drip in.
const ANSWER_WITHIN: Duration = Duration::from_secs(30);
/// As [`ANSWER_WITHIN`], for a firmware file; those who take it bound its pauses.
pub(crate) const FILE_WITHIN: Duration = Duration::from_secs(2 * 60 * 60);
/// Where firmware files come in: the API's address, and that of the page's form.
const FILES: [(Method, &str); 2] =
    [(Method::PUT, "/api/v1/firmware"), (Method::POST, crate::pages::FIRMWARE_FORM)];
/// Nothing from elsewhere, no inline script or style, no frames, forms go nowhere else.
const POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' data:; \
    connect-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'";
/// Where the API lives.
pub(crate) const API: &str = "/api/";

/// Refuses what another site caused, bounds the time, puts the headers on.
pub(crate) async fn every_request(request: Request, next: Next) -> Response {
    let api = request.uri().path().starts_with(API);
    let changes = !request.method().is_safe();
    let mut response = if !names_one_host(&request) {
        let mut response = refusal(api, StatusCode::BAD_REQUEST);
        response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
        response
    } else if (api || changes) && is_foreign(request.headers()) {
        tracing::warn!(path = request.uri().path(), "a request that another site caused was refused");
        refusal(api, StatusCode::FORBIDDEN)
    } else {
        let within = if takes_a_file(&request) { FILE_WITHIN } else { ANSWER_WITHIN };
        match tokio::time::timeout(within, next.run(request)).await {
            Ok(response) => dressed(api, response),
            Err(_) => refusal(api, StatusCode::REQUEST_TIMEOUT),
        }
    };
    let headers = response.headers_mut();
    headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(X_FRAME_OPTIONS, HeaderValue::from_static("DENY"));
    // Not `no-referrer`: with it browsers send `Origin: null` with our own forms.
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("same-origin"));
    const OPENER: HeaderName = HeaderName::from_static("cross-origin-opener-policy");
    headers.insert(OPENER, HeaderValue::from_static("same-origin"));
    headers.entry(CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    response
}

fn takes_a_file(request: &Request) -> bool {
    FILES.iter().any(|(method, path)| request.method() == method && request.uri().path() == *path)
}

/// Gives a body to refusals that the router made by itself: they have none, or one line of text.
fn dressed(api: bool, response: Response) -> Response {
    let kind = response.headers().get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let bare = kind.is_empty() || kind.starts_with("text/plain");
    // The script knows what a bare 401 means.
    if !bare || !response.status().is_client_error() || response.status() == StatusCode::UNAUTHORIZED {
        response
    } else if api {
        crate::api::dressed(&response)
    } else {
        pages::dressed(&response)
    }
}

fn refusal(api: bool, status: StatusCode) -> Response {
    let (kind, detail) = match status {
        StatusCode::BAD_REQUEST => {
            ("malformed-request", "A request names the unit in exactly one valid Host field.")
        }
        StatusCode::FORBIDDEN => {
            ("cross-origin", "This request was caused by a page of another site, so it was refused.")
        }
        _ => ("timeout", "The request took too long."),
    };
    if api {
        problem::answer(status, kind, detail).into_response()
    } else {
        pages::message(status, "Refused", detail)
    }
}

/// Exactly one `Host`, which is one; clients of HTTP/1.0 may leave it out.
fn names_one_host(request: &Request) -> bool {
    let is_host = |value: &HeaderValue| {
        value.to_str().is_ok_and(|host| {
            host.is_empty() || (!host.contains('@') && host.parse::<axum::http::uri::Authority>().is_ok())
        })
    };
    let mut hosts = request.headers().get_all(HOST).iter();
    match (hosts.next(), hosts.next()) {
        (None, _) => request.version() < Version::HTTP_11,
        (Some(host), None) => is_host(host),
        (Some(_), Some(_)) => false,
    }
}

/// Whether the browser says that a page of another origin caused this. Programs that are not browsers say
/// nothing.
fn is_foreign(headers: &HeaderMap) -> bool {
    let text = |name: &HeaderName| headers.get(name).map(|value| value.to_str().unwrap_or("?"));
    let site = text(&HeaderName::from_static("sec-fetch-site"));
    if site.is_some_and(|site| site != "same-origin" && site != "none") {
        return true;
    }
    // Compared as a whole with our own host and port as the browser sees them: behind a port translation they
    // are not those that we listen on.
    text(&ORIGIN).is_some_and(|origin| {
        text(&HOST).is_none_or(|host| {
            origin.strip_prefix("https://").is_none_or(|authority| !authority.eq_ignore_ascii_case(host))
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        pairs
            .iter()
            .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)))
            .collect()
    }

    #[test]
    fn a_request_is_for_exactly_one_host() {
        let names = |version, hosts: &[&'static str]| {
            let mut request = Request::builder().version(version);
            for host in hosts {
                request = request.header(HOST, *host);
            }
            names_one_host(&request.body(axum::body::Body::empty()).unwrap())
        };
        for host in ["lb.example:8441", "192.0.2.10", "[2001:db8::1]:8443", ""] {
            assert!(names(Version::HTTP_11, &[host]), "{host}");
        }
        for hosts in [&[][..], &["a", "b"], &["a", "a"], &["bal@lb.example"], &["lb example"], &["a/b"]] {
            assert!(!names(Version::HTTP_11, hosts), "{hosts:?}");
        }
        assert!(names(Version::HTTP_10, &[]) && !names(Version::HTTP_10, &["a", "b"]));
    }

    #[test]
    fn only_our_own_origin_and_programs_are_not_foreign() {
        let host = ("host", "lb.example:8441");
        for (pairs, foreign) in [
            (vec![host], false),
            (vec![host, ("origin", "https://lb.example:8441")], false),
            (vec![host, ("origin", "https://LB.example:8441"), ("sec-fetch-site", "same-origin")], false),
            (vec![host, ("sec-fetch-site", "none")], false),
            (vec![host, ("origin", "https://lb.example:8442")], true),
            (vec![host, ("origin", "http://lb.example:8441")], true),
            (vec![host, ("origin", "https://evil.example")], true),
            (vec![host, ("origin", "null")], true),
            (vec![host, ("sec-fetch-site", "cross-site")], true),
            (vec![host, ("sec-fetch-site", "same-site")], true),
            (vec![("origin", "https://lb.example:8441")], true),
        ] {
            assert_eq!(is_foreign(&headers(&pairs)), foreign, "{pairs:?}");
        }
    }
}
