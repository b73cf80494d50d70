//! Other sites, missing tokens, oversized bodies, headers of every answer.

use crate::support::{Browser, Unit, basic, service_fields};
use axum::body::Body;
use axum::http::header::{AUTHORIZATION, CONTENT_TYPE, ORIGIN};
use axum::http::{Method, Request, StatusCode};

const FORM: &str = "application/x-www-form-urlencoded";

fn count(unit: &Unit) -> usize {
    unit.fake.config.borrow().config.shared.virtual_services.len()
}

#[tokio::test]
async fn a_form_without_the_token_of_its_session_changes_nothing() {
    let unit = Unit::with_shop().await;
    let browser = unit.log_in().await;
    let other = unit.log_in().await;
    for csrf in [None, Some(String::new()), other.csrf] {
        let forged = Browser { csrf, ..browser.clone() };
        let answer = unit.post("/services/1/delete", &[], &forged).await;
        assert_eq!(answer.status, StatusCode::FORBIDDEN);
        let answer = unit.post("/system/reboot", &[], &forged).await;
        assert_eq!(answer.status, StatusCode::FORBIDDEN);
    }
    assert_eq!(count(&unit), 1);
    assert!(unit.fake.asked.lock().unwrap().is_empty());
}

#[tokio::test]
async fn another_sites_request_is_refused_whatever_it_carries() {
    let unit = Unit::with_shop().await;
    let browser = unit.log_in().await;
    let csrf = browser.csrf.clone().unwrap();
    for (name, value) in
        [("origin", "https://evil.example"), ("origin", "null"), ("sec-fetch-site", "cross-site")]
    {
        let page = browser.request(Method::POST, "/services/1/delete").header(CONTENT_TYPE, FORM);
        let page = page.header(name, value).body(Body::from(format!("csrf={csrf}"))).unwrap();
        assert_eq!(unit.send(page).await.status, StatusCode::FORBIDDEN, "{name} {value}");
        let api = Browser::default().request(Method::GET, "/api/v1/vs").header(name, value);
        let api = api.header(AUTHORIZATION, basic("bal", crate::support::PASSWORD));
        let answer = unit.send(api.body(Body::empty()).unwrap()).await;
        assert_eq!(answer.status, StatusCode::FORBIDDEN, "{name} {value}");
        assert_eq!(answer.json()["type"], "cross-origin");
    }
    assert_eq!(count(&unit), 1);
}

#[tokio::test]
async fn a_request_for_two_hosts_is_refused_and_its_connection_closed() {
    let unit = Unit::with_shop().await;
    for (path, kind) in [("/login", "text/html"), ("/api/v1/vs", "application/problem+json")] {
        let twice = Browser::default().request(Method::GET, path).header("host", "other.example");
        let answer = unit.send(twice.body(Body::empty()).unwrap()).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST);
        assert_eq!(answer.header("connection"), "close");
        assert!(
            answer.header("content-type").starts_with(kind) && answer.text.contains("Host"),
            "{answer:?}"
        );
    }
}

#[tokio::test]
async fn the_pages_cookie_opens_nothing_of_the_api() {
    let unit = Unit::with_shop().await;
    let browser = unit.log_in().await;
    let answer = unit.get("/api/v1/vs", &browser).await;
    assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
    assert!(answer.header("www-authenticate").starts_with("Basic "));
}

#[tokio::test]
async fn every_answer_carries_the_headers_that_guard_it() {
    let unit = Unit::with_shop().await;
    let browser = unit.log_in().await;
    for path in ["/", "/login", "/nothing", "/services/x", "/api/v1/vs", "/api/nothing"] {
        let answer = unit.get(path, &browser).await;
        let policy = answer.header("content-security-policy");
        for part in ["default-src 'none'", "frame-ancestors 'none'", "base-uri 'none'", "form-action 'self'"]
        {
            assert!(policy.contains(part), "{path}: {policy}");
        }
        assert!(!policy.contains("unsafe"), "{policy}");
        assert_eq!(answer.header("x-content-type-options"), "nosniff", "{path}");
        assert_eq!(answer.header("cache-control"), "no-store", "{path}");
        assert_eq!(answer.header("referrer-policy"), "same-origin", "{path}");
        assert!(!answer.has("style=\"") && !answer.has("onclick"), "{path}: nothing inline");
    }
}

#[tokio::test]
async fn assets_are_kept_for_ever_under_a_name_of_their_content() {
    let unit = Unit::with_shop().await;
    let page = unit.get("/login", &Browser::default()).await;
    let style = page.between("<link rel=\"stylesheet\" href=\"", "\"");
    let script = page.between("<script src=\"", "\"");
    let mark = page.between("type=\"image/svg+xml\" href=\"", "\"");
    for (path, kind) in [(style, "text/css"), (script, "text/javascript"), (mark, "image/svg+xml")] {
        let answer = unit.get(path, &Browser::default()).await;
        assert_eq!(answer.status, StatusCode::OK, "{path}");
        assert!(answer.header("content-type").starts_with(kind), "{path}");
        assert!(answer.header("cache-control").contains("immutable"), "{path}");
    }
    assert_eq!(unit.get("/assets/evener-0.css", &Browser::default()).await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn large_foreign_and_broken_bodies_are_refused() {
    let unit = Unit::with_shop().await;
    let browser = unit.log_in().await;
    let long = "x".repeat(70_000);
    let answer = unit.post("/services/new", &service_fields(&[("name", &long)]), &browser).await;
    assert_eq!(answer.status, StatusCode::PAYLOAD_TOO_LARGE);
    let form = |kind: &str, body: &'static str| {
        let request =
            browser.request(Method::POST, "/services/new").header(ORIGIN, "https://lb.example:8441");
        unit.send(request.header(CONTENT_TYPE, kind).body(Body::from(body)).unwrap())
    };
    assert_eq!(form("application/json", "{}").await.status, StatusCode::UNSUPPORTED_MEDIA_TYPE);
    let answer = form(FORM, "%ff=%fe&&=&a").await;
    assert!(answer.status.is_client_error(), "{}", answer.status);
    assert_eq!(count(&unit), 1);
}

#[tokio::test]
async fn methods_that_a_page_does_not_have_are_named() {
    let unit = Unit::with_shop().await;
    let request = Request::builder().method(Method::DELETE).uri("/login").body(Body::empty()).unwrap();
    let answer = unit.send(request).await;
    assert_eq!(answer.status, StatusCode::METHOD_NOT_ALLOWED);
    assert!(answer.header("allow").contains("GET") && answer.header("allow").contains("POST"));
    assert!(answer.has("<h1>"));
}
