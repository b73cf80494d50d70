//! Backups: made, looked into, brought back, refused.

use crate::support::{Answer, Browser, PASSWORD, Unit, basic};
use axum::body::Body;
use axum::http::header::{AUTHORIZATION, CONTENT_TYPE, ORIGIN};
use axum::http::{Method, Request, StatusCode};
use http_body_util::BodyExt;
use serde_json::json;
use tower::ServiceExt;

const SECRET: &str = "staple battery";
const LINE: &str = "------a-line-between";

/// A multipart form as browsers and curl send it.
fn multipart(fields: &[(&str, &str)], file: Option<&[u8]>) -> Vec<u8> {
    let mut body = Vec::new();
    for (name, value) in fields {
        let part = format!("--{LINE}\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n");
        body.extend_from_slice(part.as_bytes());
    }
    if let Some(file) = file {
        let head = "Content-Disposition: form-data; name=\"backup\"; filename=\"x.evbk\"\r\n\
            Content-Type: application/octet-stream\r\n\r\n";
        body.extend_from_slice(format!("--{LINE}\r\n{head}").as_bytes());
        body.extend_from_slice(file);
        body.extend_from_slice(b"\r\n");
    }
    body.extend_from_slice(format!("--{LINE}--\r\n").as_bytes());
    body
}

/// The answer's bytes, which are no text.
async fn download(unit: &Unit, request: Request<Body>) -> (StatusCode, String, Vec<u8>) {
    let response = unit.router.clone().oneshot(request).await.unwrap();
    let (parts, body) = response.into_parts();
    let name =
        parts.headers.get("content-disposition").map_or("", |value| value.to_str().unwrap()).to_owned();
    (parts.status, name, body.collect().await.unwrap().to_bytes().to_vec())
}

async fn backup(unit: &Unit, body: serde_json::Value) -> Vec<u8> {
    let request = Request::builder().method(Method::POST).uri("/api/v1/backup");
    let request =
        request.header(AUTHORIZATION, basic("bal", PASSWORD)).header(CONTENT_TYPE, "application/json");
    let (status, name, bytes) = download(unit, request.body(Body::from(body.to_string())).unwrap()).await;
    assert_eq!(status, StatusCode::OK, "{}", String::from_utf8_lossy(&bytes));
    assert!(name.starts_with("attachment; filename=\"lb-1-") && name.ends_with(".evbk\""), "{name}");
    bytes
}

async fn send(unit: &Unit, query: &str, fields: &[(&str, &str)], file: Option<&[u8]>) -> Answer {
    let request = Request::builder().method(Method::POST).uri(format!("/api/v1/restore{query}"));
    let request = request.header(AUTHORIZATION, basic("bal", PASSWORD));
    let request = request.header(CONTENT_TYPE, format!("multipart/form-data; boundary={LINE}"));
    unit.send(request.body(Body::from(multipart(fields, file))).unwrap()).await
}

async fn restore(unit: &Unit, query: &str, file: &[u8]) -> Answer {
    send(unit, query, &[("password", SECRET)], Some(file)).await
}

async fn by_page(unit: &Unit, fields: &[(&str, &str)], file: &[u8], browser: &Browser) -> Answer {
    let mut all = vec![("csrf", browser.csrf.as_deref().unwrap_or_default())];
    all.extend_from_slice(fields);
    let request = browser.request(Method::POST, "/system/restore").header(ORIGIN, "https://lb.example:8441");
    let request = request.header(CONTENT_TYPE, format!("multipart/form-data; boundary={LINE}"));
    unit.send(request.body(Body::from(multipart(&all, Some(file)))).unwrap()).await
}

fn names(unit: &Unit) -> Vec<String> {
    let snapshot = unit.fake.config.borrow().clone();
    snapshot.config.shared.virtual_services.iter().map(|one| one.name.clone()).collect()
}

#[tokio::test]
async fn what_was_deleted_comes_back_from_a_backup() {
    let unit = Unit::with_shop().await;
    let before = unit.fake.config.borrow().config.clone();
    let file = backup(&unit, json!({"password": SECRET})).await;
    unit.api(Method::DELETE, "/api/v1/vs/1", None).await;
    unit.fake.config.send_modify(|snapshot| {
        std::sync::Arc::make_mut(snapshot).config.unit.hostname = String::from("lb-9");
    });

    let would = restore(&unit, "?parts=services&validate=only", &file).await;
    assert_eq!(would.status, StatusCode::OK, "{}", would.text);
    let lines = json!(["virtual service shop (192.0.2.10:80) added"]);
    assert_eq!(would.json(), json!({"parts": ["services"], "lines": lines}));
    assert_eq!(names(&unit), Vec::<String>::new(), "it was only asked");

    let made = restore(&unit, "?parts=services", &file).await;
    assert_eq!(
        made.json(),
        json!({"generation": 3, "changed": true, "parts": ["services"]}),
        "{}",
        made.text
    );
    let now = unit.fake.config.borrow().config.clone();
    assert_eq!(now.shared, before.shared);
    assert_eq!(now.unit.hostname, "lb-9", "that part was not chosen");
    let reason = unit.fake.changes.lock().unwrap().pop().unwrap().reason.unwrap();
    assert_eq!(reason, "from the backup of lb-1, generation 1, 2023-11-14 22:13 UTC");

    let fields = [("reason", "the old name"), ("password", SECRET)];
    let made = send(&unit, "", &fields, Some(&file)).await;
    assert_eq!(made.json()["parts"], json!(["services", "unit", "users"]), "all that is in it");
    assert_eq!(unit.fake.config.borrow().config, before);
    assert_eq!(unit.fake.changes.lock().unwrap().pop().unwrap().reason.as_deref(), Some("the old name"));
}

#[tokio::test]
async fn a_backup_that_cannot_be_used_is_refused_with_the_reason() {
    let unit = Unit::with_shop().await;
    let file = backup(&unit, json!({"password": SECRET, "parts": ["services"]})).await;
    let mut damaged = file.clone();
    damaged[100] ^= 1;
    let mut newer = file.clone();
    newer[8] = 2;
    let large = vec![0; (10 << 20) + 1];
    for (query, file, status, kind) in [
        ("", &damaged[..], 422, "backup-damaged"),
        ("", &file[..file.len() / 2], 422, "backup-truncated"),
        ("", &newer, 422, "backup-too-new"),
        ("", b"PK\x03\x04", 422, "not-a-backup"),
        ("", b"", 422, "not-a-backup"),
        ("", &large, 413, "payload-too-large"),
        ("?parts=unit", &file, 422, "backup-part-missing"),
        ("?parts=everything", &file, 400, "unknown-part"),
        ("?validate=maybe", &file, 400, "unknown-parameter"),
    ] {
        let answer = restore(&unit, query, file).await;
        assert_eq!(
            (answer.status.as_u16(), &answer.json()["type"]),
            (status, &json!(kind)),
            "{}",
            answer.text
        );
    }
    for (fields, status, kind) in [
        (vec![("password", "staple batterz")], 422, "backup-password"),
        (vec![], 422, "backup-password"),
        (vec![("passwrod", SECRET)], 400, "incomplete"),
    ] {
        let answer = send(&unit, "", &fields, Some(&file)).await;
        assert_eq!(
            (answer.status.as_u16(), &answer.json()["type"]),
            (status, &json!(kind)),
            "{}",
            answer.text
        );
        assert!(!answer.has(SECRET) && !answer.has("batterz"), "no password in an answer");
    }
    let none = send(&unit, "", &[("password", SECRET)], None).await;
    assert_eq!((none.status.as_u16(), &none.json()["type"]), (400, &json!("incomplete")));
    let plain = unit.api(Method::POST, "/api/v1/restore", Some(json!({"password": SECRET}))).await;
    assert_eq!(plain.json()["type"], "unsupported-media-type");
    assert!(unit.fake.changes.lock().unwrap().is_empty(), "control was not even asked");
}

#[tokio::test]
async fn a_backup_that_no_password_protects_is_not_made() {
    let unit = Unit::with_shop().await;
    for (body, status, kind) in [
        (json!({"password": "short"}), 422, "password-refused"),
        (json!({"password": SECRET, "parts": ["keys"]}), 400, "unknown-part"),
        (json!({}), 422, "invalid-configuration"),
    ] {
        let answer = unit.api(Method::POST, "/api/v1/backup", Some(body)).await;
        assert_eq!(
            (answer.status.as_u16(), &answer.json()["type"]),
            (status, &json!(kind)),
            "{}",
            answer.text
        );
    }
}

#[tokio::test]
async fn the_page_makes_shows_and_brings_back() {
    let unit = Unit::with_shop().await;
    let browser = unit.log_in().await;
    assert!(unit.get("/system", &browser).await.has("href=\"/system/backup\""));
    let page = unit.get("/system/backup", &browser).await;
    assert!(page.has("Make a backup") && page.has("Restore a backup"), "{}", page.text);
    let csrf = browser.csrf.clone().unwrap();
    let form = |fields: &str| {
        let request =
            browser.request(Method::POST, "/system/backup").header(ORIGIN, "https://lb.example:8441");
        let request = request.header(CONTENT_TYPE, "application/x-www-form-urlencoded");
        request.body(Body::from(format!("csrf={csrf}&password=staple+battery{fields}"))).unwrap()
    };
    let (status, name, file) = download(&unit, form("&services=on&unit=on")).await;
    assert!(
        status == StatusCode::OK && name.contains("lb-1-1.evbk") && file.starts_with(b"EVENERBK"),
        "{name}"
    );
    let (status, _, page) = download(&unit, form("")).await;
    assert!(
        status == StatusCode::UNPROCESSABLE_ENTITY
            && String::from_utf8_lossy(&page).contains("Nothing was chosen")
    );

    unit.post("/services/1/delete", &[], &browser).await;
    let fields =
        |validate| [("password", SECRET), ("services", "on"), ("reason", ""), ("validate", validate)];
    let page = by_page(&unit, &fields("only"), &file, &browser).await;
    assert!(
        page.has("virtual service shop (192.0.2.10:80) added") && names(&unit).is_empty(),
        "{}",
        page.text
    );
    let answer = by_page(&unit, &fields("no"), &file, &browser).await;
    assert_eq!(answer.location(), "/system/backup?done=restored&undo=3", "{}", answer.text);
    assert_eq!(names(&unit), ["shop"]);
    let page = unit.get(answer.location(), &browser).await;
    assert!(page.has("action=\"/history/3/undo\""), "it can be taken back: {}", page.text);

    let wrong = [("password", "wrong wrong"), ("services", "on")];
    let page = by_page(&unit, &wrong, &file, &browser).await;
    assert!(
        page.has("the password is not the one") && page.status == StatusCode::UNPROCESSABLE_ENTITY,
        "{}",
        page.text
    );
    let missing = [("password", SECRET), ("users", "on")];
    assert!(by_page(&unit, &missing, &file, &browser).await.has("it has no part users"));
    let forged = Browser { csrf: None, ..browser.clone() };
    assert_eq!(by_page(&unit, &fields("no"), &file, &forged).await.status, StatusCode::FORBIDDEN);
    let nobody = by_page(&unit, &fields("no"), &file, &Browser::default()).await;
    assert_eq!(nobody.location(), "/login?ended=1");
}

#[tokio::test]
async fn what_a_rule_forbids_does_not_come_back() {
    let unit = Unit::with_shop().await;
    let file = backup(&unit, json!({"password": SECRET})).await;
    let violation = evener_api::control::Violation { field: "shared.x".into(), reason: "clashes".into() };
    *unit.fake.refuse.lock().unwrap() = Some(vec![violation]);
    let answer = restore(&unit, "", &file).await;
    assert_eq!(answer.json()["fields"][0]["field"], "shared.x", "{}", answer.text);
}
