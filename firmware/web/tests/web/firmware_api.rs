//! Firmware through the API: files that are taken, refused, broken off; slots that are changed; what is told.

use crate::fake::update::{Mood, below_floor, candidate, failed_before, on_trial, refusal};
use crate::support::{Answer, PASSWORD, Unit, basic};
use axum::body::{Body, Bytes};
use axum::http::header::{AUTHORIZATION, CONTENT_LENGTH, COOKIE, ORIGIN};
use axum::http::{Method, Request, StatusCode};
use evener_api::update::{self, CHUNK_BYTES, Changed, Inspected, InstallOrder};
use evener_api::{Service, init};
use futures_util::{StreamExt, stream};
use http_body_util::BodyExt;
use serde_json::json;
use std::convert::Infallible;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tower::ServiceExt;

const FIRMWARE: &str = "/api/v1/firmware";
const LIMIT: Duration = Duration::from_secs(10);

fn put(path: &str, body: Body) -> Request<Body> {
    let request = Request::builder().method(Method::PUT).uri(path);
    request.header(AUTHORIZATION, basic("bal", PASSWORD)).body(body).unwrap()
}

fn file(bytes: usize) -> Vec<u8> {
    (0..251).cycle().take(bytes).collect()
}

async fn install(unit: &Unit, bytes: usize) -> Answer {
    unit.send(put(FIRMWARE, Body::from(file(bytes)))).await
}

#[tokio::test]
async fn a_file_is_installed_as_it_comes() {
    let unit = Unit::with_shop().await;
    let bytes = file(CHUNK_BYTES * 2 + 77);
    let mut request = put("/api/v1/firmware?even-if-it-failed=true", Body::from(bytes.clone()));
    request.headers_mut().insert(CONTENT_LENGTH, bytes.len().into());
    let answer = unit.send(request).await;
    assert_eq!(answer.status, StatusCode::CREATED, "{}", answer.text);
    assert_eq!(answer.json(), json!({ "installed": candidate() }));
    assert_eq!(*unit.fake.update.received.lock().unwrap(), bytes);
    let order =
        InstallOrder { author: String::from("bal"), size: Some(bytes.len() as u64), even_if_it_failed: true };
    assert_eq!(*unit.fake.update.asked.lock().unwrap(), [update::Request::Install(order)]);
    let status = unit.api(Method::GET, FIRMWARE, None).await.json();
    assert_eq!(status["installation"]["phase"], "installed", "{status}");
    assert_eq!(unit.api(Method::GET, "/api/v1/status", None).await.json()["firmware"], status);
}

#[tokio::test]
async fn each_refusal_has_its_status_code_words_and_remedy() {
    let unit = Unit::with_shop().await;
    let disk = refusal("F18", "disk-error", "slot B cannot be written", "look at the disk");
    for (mood, status, kind, code) in [
        (Mood::Refuse(0, below_floor()), StatusCode::UNPROCESSABLE_ENTITY, "below-floor", "F10"),
        (
            Mood::Refuse(200_000, failed_before()),
            StatusCode::UNPROCESSABLE_ENTITY,
            "failed-here-before",
            "F14",
        ),
        (Mood::Busy, StatusCode::CONFLICT, "busy", "F15"),
        (Mood::Refuse(200_000, disk), StatusCode::INTERNAL_SERVER_ERROR, "disk-error", "F18"),
    ] {
        *unit.fake.update.mood.lock().unwrap() = mood;
        let answer = install(&unit, 400_000).await;
        let problem = answer.json();
        assert_eq!((answer.status, problem["type"].as_str()), (status, Some(kind)), "{problem}");
        assert_eq!(problem["code"], code);
        assert_eq!(problem["can_be_overridden"].as_bool().unwrap_or(false), kind == "failed-here-before");
        assert!(problem["detail"].as_str().unwrap().ends_with('.'), "{problem}");
        assert!(problem["remedy"].as_str().unwrap().ends_with('.'), "{problem}");
    }
    let problem = json!({
        "type": "below-floor", "title": "The firmware was refused", "status": 422, "code": "F10",
        "detail": "1.0.0 is below 1.1.0, the lowest version that this unit may go back to.",
        "remedy": "Install 1.1.0 or a later version.",
    });
    *unit.fake.update.mood.lock().unwrap() = Mood::Refuse(0, below_floor());
    assert_eq!(install(&unit, 10).await.json(), problem);
}

#[tokio::test]
async fn a_service_update_that_dies_or_is_away_is_told() {
    let mut unit = Unit::with_shop().await;
    *unit.fake.update.mood.lock().unwrap() = Mood::Die(200_000);
    let answer = install(&unit, 400_000).await;
    assert_eq!(
        (answer.status, answer.json()["type"].as_str()),
        (StatusCode::BAD_GATEWAY, Some("interrupted"))
    );
    unit.kill(Service::Update);
    for answer in [install(&unit, 10).await, unit.api(Method::GET, FIRMWARE, None).await] {
        assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE, "{}", answer.text);
        assert!(answer.has("update does not answer"), "{}", answer.text);
    }
}

#[tokio::test]
async fn never_more_of_a_file_is_here_than_update_can_take() {
    const PIECE: usize = 16 << 10;
    let unit = Unit::with_shop().await;
    *unit.fake.update.mood.lock().unwrap() = Mood::Slow;
    unit.fake.update.through.add_permits(1000);
    let (fake, made) = (Arc::clone(&unit.fake), Arc::new(AtomicUsize::new(0)));
    let counted = Arc::clone(&made);
    let pieces = stream::iter(0..400).map(move |_| {
        let made = counted.fetch_add(PIECE, Ordering::Relaxed) + PIECE;
        let ahead = made - fake.update.received.lock().unwrap().len();
        // What is on its way to update, what is being gathered, and this.
        assert!(ahead <= 2 * CHUNK_BYTES + PIECE, "{ahead} bytes ahead");
        Ok::<_, Infallible>(Bytes::from(vec![7; PIECE]))
    });
    let answer = unit.send(put(FIRMWARE, Body::from_stream(pieces))).await;
    assert_eq!(answer.status, StatusCode::CREATED, "{}", answer.text);
    assert_eq!(unit.fake.update.received.lock().unwrap().len(), 400 * PIECE);
}

#[tokio::test]
async fn a_sender_that_leaves_cancels() {
    let unit = Unit::with_shop().await;
    let mut cancelled = unit.fake.update.cancelled.subscribe();
    let pieces = stream::iter([Ok(Bytes::from(file(300_000))), Err(io::Error::other("gone"))]);
    let answer = unit.send(put(FIRMWARE, Body::from_stream(pieces))).await;
    assert_eq!(
        (answer.status, answer.json()["type"].as_str()),
        (StatusCode::BAD_REQUEST, Some("incomplete"))
    );
    tokio::time::timeout(LIMIT, cancelled.wait_for(|count| *count == 1)).await.unwrap().unwrap();

    // With its whole connection, as the server sees it: the future that would answer is dropped.
    let silent = stream::iter([Ok::<_, Infallible>(Bytes::from(file(300_000)))]).chain(stream::pending());
    let sending = tokio::spawn(unit.router.clone().oneshot(put(FIRMWARE, Body::from_stream(silent))));
    let mut status = unit.fake.update.status.subscribe();
    let begun = status.wait_for(|status| {
        let writing = |one: &update::Installation| one.phase == update::Phase::Writing && one.taken > 0;
        status.installation.as_ref().is_some_and(writing)
    });
    drop(tokio::time::timeout(LIMIT, begun).await.unwrap().unwrap());
    sending.abort();
    tokio::time::timeout(LIMIT, cancelled.wait_for(|count| *count == 2)).await.unwrap().unwrap();
}

#[tokio::test]
async fn nobody_but_the_administrator_gets_a_byte_to_update() {
    let unit = Unit::with_shop().await;
    let browser = unit.log_in().await;
    let request = |change: &dyn Fn(&mut Request<Body>)| {
        let mut request = put(FIRMWARE, Body::from(file(1000)));
        change(&mut request);
        request
    };
    let cookie = browser.cookie.clone().unwrap();
    for (request, status) in [
        (request(&|request| drop(request.headers_mut().remove(AUTHORIZATION))), StatusCode::UNAUTHORIZED),
        (
            request(&|request| {
                request.headers_mut().remove(AUTHORIZATION);
                request.headers_mut().insert(COOKIE, cookie.parse().unwrap());
            }),
            StatusCode::UNAUTHORIZED,
        ),
        (
            request(&|request| {
                request.headers_mut().insert(AUTHORIZATION, basic("bal", "wrong").parse().unwrap());
            }),
            StatusCode::UNAUTHORIZED,
        ),
        (
            request(&|request| {
                request.headers_mut().insert(ORIGIN, "https://evil.example".parse().unwrap());
            }),
            StatusCode::FORBIDDEN,
        ),
        (
            request(&|request| {
                request.headers_mut().insert(CONTENT_LENGTH, ((256_u64 << 20) + 1).into());
            }),
            StatusCode::PAYLOAD_TOO_LARGE,
        ),
        (put("/api/v1/firmware?even_if_it_failed=true", Body::empty()), StatusCode::BAD_REQUEST),
    ] {
        assert_eq!(unit.send(request).await.status, status);
    }
    assert!(unit.fake.update.asked.lock().unwrap().is_empty());

    let first = Unit::new(true, json!([])).await;
    assert_eq!(install(&first, 10).await.json()["type"], "password-change-required");
    assert!(first.fake.update.asked.lock().unwrap().is_empty());
}

#[tokio::test]
async fn the_head_of_a_file_tells_what_it_is() {
    let unit = Unit::with_shop().await;
    let ask = |bytes: usize| {
        let request = Request::builder().method(Method::POST).uri("/api/v1/firmware/inspect");
        let request = request.header(AUTHORIZATION, basic("bal", PASSWORD));
        unit.send(request.body(Body::from(file(bytes))).unwrap())
    };
    let answer = ask(CHUNK_BYTES).await;
    assert_eq!((answer.status, answer.json()), (StatusCode::OK, json!(candidate())));
    let answer = ask(CHUNK_BYTES + 1).await;
    assert_eq!(answer.status, StatusCode::PAYLOAD_TOO_LARGE, "{}", answer.text);
    let none =
        refusal("F01", "not-a-firmware", "the file is not a firmware", "choose a file that ends in .evfw");
    *unit.fake.update.inspected.lock().unwrap() = Inspected::Refused(none);
    let answer = ask(10).await;
    assert_eq!(
        (answer.status, answer.json()["code"].as_str()),
        (StatusCode::UNPROCESSABLE_ENTITY, Some("F01"))
    );
    assert!(unit.fake.update.asked.lock().unwrap().is_empty(), "looking changes nothing");
}

#[tokio::test]
async fn slots_are_changed_in_the_users_name() {
    let unit = Unit::with_shop().await;
    let author = || String::from("bal");
    for (verb, asked, next) in [
        ("cancel", update::Request::Cancel, "B"),
        ("discard", update::Request::Discard { author: author() }, "B"),
        ("restore", update::Request::Restore { author: author() }, "B"),
        ("rescue", update::Request::Rescue { author: author() }, "B"),
        ("start-again", update::Request::Forgive, "A"),
    ] {
        let path = format!("{FIRMWARE}/{verb}");
        let answer = unit.api(Method::POST, &path, None).await;
        assert_eq!((answer.status, answer.json()), (StatusCode::OK, json!({ "next": next })), "{verb}");
        assert_eq!(unit.fake.update.asked.lock().unwrap().pop(), Some(asked));
        assert_eq!(unit.api_as("", Method::POST, &path, None).await.status, StatusCode::UNAUTHORIZED);
        let get = unit.api(Method::GET, &path, None).await;
        assert_eq!((get.status, get.header("allow")), (StatusCode::METHOD_NOT_ALLOWED, "POST"));
    }
    let none = refusal("F16", "nothing-to-restore", "slot B is empty", "upload a firmware");
    *unit.fake.update.changed.lock().unwrap() = Changed::Refused(none);
    let answer = unit.api(Method::POST, "/api/v1/firmware/restore", None).await;
    assert_eq!(
        (answer.status, answer.json()["detail"].as_str()),
        (StatusCode::CONFLICT, Some("Slot B is empty."))
    );
    *unit.fake.update.changed.lock().unwrap() = Changed::Failed(String::from("input/output error"));
    let answer = unit.api(Method::POST, "/api/v1/firmware/restore", None).await;
    assert_eq!(answer.status, StatusCode::INTERNAL_SERVER_ERROR);
    assert!(answer.has("Nothing was changed: input/output error."), "{}", answer.text);
}

#[tokio::test]
async fn every_change_is_an_event() {
    let unit = Unit::with_shop().await;
    let request = Request::builder().uri("/api/v1/firmware/events");
    let request = request.header(AUTHORIZATION, basic("bal", PASSWORD)).body(Body::empty()).unwrap();
    let response = unit.router.clone().oneshot(request).await.unwrap();
    assert_eq!(response.headers()["content-type"], "text/event-stream");
    let mut body = response.into_body();
    for mode in ["normal", "trial"] {
        let frame = tokio::time::timeout(LIMIT, body.frame()).await.unwrap().unwrap().unwrap();
        let text = String::from_utf8(frame.into_data().unwrap().to_vec()).unwrap();
        let data = text.strip_prefix("event: firmware\ndata: ").unwrap_or_else(|| panic!("{text}"));
        let status: serde_json::Value = serde_json::from_str(data.trim()).unwrap();
        assert_eq!(status["mode"], mode);
        unit.fake.update.say(on_trial);
    }
    let denied = unit.api_as("", Method::GET, "/api/v1/firmware/events", None).await;
    assert_eq!(denied.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn a_unit_is_reset_only_by_those_very_words() {
    let unit = Unit::with_shop().await;
    let path = "/api/v1/system/factory-reset";
    for body in [json!({ "confirm": "yes" }), json!({}), json!({ "confirm": "factory reset", "more": 1 })] {
        let answer = unit.api(Method::POST, path, Some(body)).await;
        assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY, "{}", answer.text);
    }
    assert!(unit.fake.asked.lock().unwrap().is_empty());
    let answer = unit.api(Method::POST, path, Some(json!({ "confirm": "factory reset" }))).await;
    assert_eq!(answer.status, StatusCode::ACCEPTED);
    assert_eq!(*unit.fake.asked.lock().unwrap(), [init::Request::FactoryReset]);
}
