//! `/api/v1` as programs use it.

use crate::fake::After;
use crate::support::{PASSWORD, Unit, basic, shop};
use axum::body::Body;
use axum::http::header::{AUTHORIZATION, CONTENT_TYPE, IF_MATCH};
use axum::http::{Method, Request, StatusCode};
use evener_api::checks::HealthState::{Down, Up};
use evener_api::control::Violation;
use serde_json::json;

#[tokio::test]
async fn a_service_makes_its_whole_way() {
    let unit = Unit::new(false, json!([])).await;
    let body = json!({"name": "shop", "address": {"literal": "192.0.2.10"}, "port": 80,
        "real_servers": [{"address": "10.0.0.5", "port": 8080}]});
    let added = unit.api(Method::POST, "/api/v1/vs", Some(body)).await;
    assert_eq!((added.status, added.location()), (StatusCode::CREATED, "/api/v1/vs/1"));
    assert_eq!(added.header("etag"), "\"2\"");
    let mut service = added.json();
    assert_eq!((&service["id"], &service["real_servers"][0]["id"]), (&json!(1), &json!(2)));
    assert_eq!(service["check"]["interval_s"], 9, "defaults are filled in");

    // What was given out may come back, with its status.
    service["name"] = json!("store");
    let saved = unit.api(Method::PUT, "/api/v1/vs/1", Some(service)).await;
    assert_eq!(saved.status, StatusCode::OK, "{}", saved.text);
    let list = unit.api(Method::GET, "/api/v1/vs", None).await.json();
    assert_eq!((&list[0]["name"], list.as_array().map(Vec::len)), (&json!("store"), Some(1)));

    let server = json!({"address": "10.0.0.6", "port": 8080, "weight": 7});
    let added = unit.api(Method::POST, "/api/v1/vs/1/rs", Some(server)).await;
    assert_eq!((added.status, added.location()), (StatusCode::CREATED, "/api/v1/vs/1/rs/3"));
    let mut server = added.json();
    server["enabled"] = json!(false);
    let saved = unit.api(Method::PUT, "/api/v1/vs/1/rs/3", Some(server)).await.json();
    assert_eq!((&saved["enabled"], &saved["status"]["state"]), (&json!(false), &json!("disabled")));
    assert_eq!(unit.api(Method::GET, "/api/v1/vs/1/rs", None).await.json().as_array().map(Vec::len), Some(2));

    assert_eq!(unit.api(Method::DELETE, "/api/v1/vs/1/rs/3", None).await.status, StatusCode::NO_CONTENT);
    assert_eq!(unit.api(Method::GET, "/api/v1/vs/1/rs/3", None).await.status, StatusCode::NOT_FOUND);
    assert_eq!(unit.api(Method::DELETE, "/api/v1/vs/1", None).await.status, StatusCode::NO_CONTENT);
    let gone = unit.api(Method::GET, "/api/v1/vs/1", None).await;
    assert_eq!((gone.status, &gone.json()["type"]), (StatusCode::NOT_FOUND, &json!("not-found")));
}

#[tokio::test]
async fn a_service_comes_with_its_state_and_counters() {
    let unit = Unit::with_shop().await;
    unit.fake.set_health(&[(Up, "HTTP 200"), (Down, "refused")], 1_700_000_000);
    unit.fake.set_traffic(100);
    let status = unit.api(Method::GET, "/api/v1/vs/1", None).await.json()["status"].clone();
    assert_eq!(status["state"], "partial");
    assert_eq!(status["traffic"]["requests"], 200);
    assert_eq!(status["traffic"]["bound"], "192.0.2.10:80");
    assert_eq!(status["servers"][0]["state"], "up");
    assert_eq!(
        (&status["servers"][1]["state"], &status["servers"][1]["reason"]),
        (&json!("down"), &json!("refused"))
    );
    assert_eq!(status["servers"][1]["since_unix_s"], 1_700_000_000_u64 - 274);
}

#[tokio::test]
async fn an_accepted_change_is_never_answered_with_not_found() {
    let unit = Unit::with_shop().await;
    *unit.fake.after.lock().unwrap() = After::Late;
    let body = json!({"name": "blog", "address": {"literal": "192.0.2.20"}, "port": 80});
    let added = unit.api(Method::POST, "/api/v1/vs", Some(body)).await;
    assert_eq!((added.status, added.location()), (StatusCode::CREATED, "/api/v1/vs/4"), "{}", added.text);
    assert_eq!((added.header("etag"), &added.json()["name"]), ("\"2\"", &json!("blog")));
    let server = json!({"address": "10.0.0.7", "port": 8080});
    let added = unit.api(Method::POST, "/api/v1/vs/1/rs", Some(server)).await;
    assert_eq!((added.status, added.location()), (StatusCode::CREATED, "/api/v1/vs/1/rs/4"));
    assert_eq!((&added.json()["port"], &added.json()["status"]["state"]), (&json!(8080), &json!("unknown")));
}

#[tokio::test]
async fn silence_after_a_change_is_not_told_as_a_refusal() {
    let unit = Unit::with_shop().await;
    *unit.fake.after.lock().unwrap() = After::Silent;
    let answer = unit.api(Method::DELETE, "/api/v1/vs/1/rs/2", None).await;
    assert_eq!(answer.status, StatusCode::GATEWAY_TIMEOUT);
    assert_eq!(answer.json()["type"], "outcome-unknown");
    assert_eq!(unit.fake.config.borrow().generation, 2, "it was made, indeed");
}

#[tokio::test]
async fn the_half_of_a_clash_that_is_about_another_service_is_left_out() {
    let unit = Unit::with_shop().await;
    let at = |index: usize, reason: &str| Violation {
        field: format!("shared.virtual_services[{index}].port"),
        reason: reason.to_owned(),
    };
    let body = json!({"address": {"literal": "192.0.2.20"}, "port": 80});
    let refused = |violations: Vec<Violation>| {
        *unit.fake.refuse.lock().unwrap() = Some(violations);
        unit.api(Method::PUT, "/api/v1/vs/1", Some(body.clone()))
    };
    let problem = refused(vec![at(0, "taken by blog"), at(1, "taken by shop")]).await.json();
    assert_eq!(problem["fields"], json!([{"field": "port", "reason": "taken by blog"}]));
    let problem = refused(vec![at(1, "is bad")]).await.json();
    let reason = "shared.virtual_services[1].port: is bad";
    assert_eq!(problem["fields"], json!([{"field": "", "reason": reason}]));
}

#[tokio::test]
async fn the_status_is_that_of_the_unit() {
    let mut unit = Unit::with_shop().await;
    let status = unit.api(Method::GET, "/api/v1/status", None).await;
    assert_eq!(status.header("etag"), "\"1\"");
    let status = status.json();
    assert_eq!((&status["version"], &status["generation"]), (&json!("0.1.0"), &json!(1)));
    assert_eq!(status["memory"]["available_bytes"], 900_u64 << 20);
    assert_eq!(
        (&status["services"][0]["service"], &status["services"][0]["state"]),
        (&json!("net"), &json!("running"))
    );
    assert_eq!(status["network"]["interfaces"][0]["name"], "eth0");
    assert_eq!(status["warnings"], json!([]));
    unit.fake.status.lock().unwrap().warnings = vec![String::from("of init")];
    *unit.fake.warnings.lock().unwrap() = vec![String::from("of control")];
    let warned = unit.api(Method::GET, "/api/v1/status", None).await.json();
    assert_eq!(warned["warnings"], json!(["of init", "of control"]));
    assert_eq!((&status["firmware"]["running"], &status["silent"]), (&json!("A"), &json!([])));
    unit.kill(evener_api::Service::Init);
    unit.kill(evener_api::Service::Update);
    let status = unit.api(Method::GET, "/api/v1/status", None).await.json();
    assert_eq!((&status["services"], &status["firmware"]), (&json!(null), &json!(null)));
    assert_eq!(status["silent"], json!(["init", "update"]));
    let history = unit.api(Method::GET, "/api/v1/history", None).await.json();
    assert_eq!(history[0]["author"], "bal");
}

#[tokio::test]
async fn only_the_right_password_opens_it_and_guessing_is_slowed() {
    let unit = Unit::with_shop().await;
    let ask = |authorization: String| {
        let unit = &unit;
        async move { unit.api_as(&authorization, Method::GET, "/api/v1/vs", None).await }
    };
    assert_eq!(ask(basic("root", PASSWORD)).await.status, StatusCode::UNAUTHORIZED);
    assert_eq!(ask(String::from("Bearer x")).await.json()["type"], "unauthorized");
    for _ in 0..4 {
        assert_eq!(ask(basic("bal", "wrong")).await.status, StatusCode::UNAUTHORIZED);
    }
    let answer = ask(basic("bal", PASSWORD)).await;
    assert_eq!((answer.status, answer.header("retry-after")), (StatusCode::TOO_MANY_REQUESTS, "1"));
    assert_eq!(answer.json()["type"], "too-many-attempts");
    unit.pass(1000);
    assert_eq!(ask(basic("bal", PASSWORD)).await.status, StatusCode::OK);
}

#[tokio::test]
async fn the_first_password_opens_nothing_but_its_own_change() {
    let unit = Unit::new(true, shop()).await;
    for (method, path) in [
        (Method::GET, "/api/v1/status"),
        (Method::GET, "/api/v1/vs"),
        (Method::DELETE, "/api/v1/vs/1"),
        (Method::POST, "/api/v1/system/reboot"),
    ] {
        let answer = unit.api(method, path, None).await;
        assert_eq!(answer.status, StatusCode::FORBIDDEN, "{path}");
        assert_eq!(answer.json()["type"], "password-change-required");
    }
    let change = |password: &str| {
        unit.api(Method::POST, "/api/v1/users/bal/password", Some(json!({"password": password})))
    };
    assert_eq!(change("short").await.json()["type"], "password-refused");
    assert_eq!(change(PASSWORD).await.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(change("battery staple").await.status, StatusCode::NO_CONTENT);
    assert_eq!(unit.api(Method::GET, "/api/v1/vs", None).await.status, StatusCode::UNAUTHORIZED);
    let answer = unit.api_as(&basic("bal", "battery staple"), Method::GET, "/api/v1/vs", None).await;
    assert_eq!(answer.status, StatusCode::OK);
}

#[tokio::test]
async fn refused_fields_are_named_within_the_object_that_was_sent() {
    let unit = Unit::with_shop().await;
    let service = |change: serde_json::Value| {
        let mut body = json!({"address": {"literal": "192.0.2.30"}, "port": 80});
        body.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        unit.api(Method::POST, "/api/v1/vs", Some(body))
    };
    for (change, field) in [
        (json!({"port": 0}), "port"),
        (json!({"port": 70_000}), "port"),
        (json!({"check": {"interval_s": 2}}), "check.interval_s"),
        (json!({"check": {"intervall_s": 2}}), "check.intervall_s"),
        (json!({"real_servers": [{"address": "x", "port": 1}]}), "real_servers[0].address"),
        (json!({"id": 9}), "id"),
    ] {
        let answer = service(change.clone()).await;
        assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY, "{change}");
        assert_eq!(answer.header("content-type"), "application/problem+json");
        let problem = answer.json();
        assert_eq!(problem["type"], "invalid-configuration");
        assert_eq!(problem["fields"][0]["field"], field, "{problem}");
        assert_eq!(problem["status"], 422);
    }
    assert_eq!(unit.fake.config.borrow().generation, 1);
}

#[tokio::test]
async fn a_change_for_an_older_generation_is_refused() {
    let unit = Unit::with_shop().await;
    let delete = |tag: &'static str| {
        let request =
            Request::builder().method(Method::DELETE).uri("/api/v1/vs/1/rs/2").header(IF_MATCH, tag);
        unit.send(request.header(AUTHORIZATION, basic("bal", PASSWORD)).body(Body::empty()).unwrap())
    };
    for tag in ["\"7\"", "1", "W/\"1\"", "x"] {
        let answer = delete(tag).await;
        assert_eq!(answer.status, StatusCode::PRECONDITION_FAILED, "{tag}");
        assert_eq!(answer.json()["type"], "precondition-failed");
    }
    assert_eq!(delete("\"1\"").await.status, StatusCode::NO_CONTENT);
}

#[tokio::test]
async fn what_http_asks_for_is_done() {
    let unit = Unit::with_shop().await;
    let answer = unit.api(Method::PATCH, "/api/v1/vs/1", None).await;
    assert_eq!(
        (answer.status, &answer.json()["type"]),
        (StatusCode::METHOD_NOT_ALLOWED, &json!("method-not-allowed"))
    );
    for method in ["GET", "PUT", "DELETE"] {
        assert!(answer.header("allow").contains(method), "{}", answer.header("allow"));
    }
    let head = unit.api(Method::HEAD, "/api/v1/vs", None).await;
    assert_eq!((head.status, head.text.as_str(), head.header("etag")), (StatusCode::OK, "", "\"1\""));
    for path in ["/api/v1/vs/one", "/api/v1/nothing", "/api/v2/vs", "/api/v1/vs/99999999999"] {
        let answer = unit.api(Method::GET, path, None).await;
        assert_eq!(
            (answer.status, &answer.json()["type"]),
            (StatusCode::NOT_FOUND, &json!("not-found")),
            "{path}"
        );
    }
    let post = |kind: &'static str, body: String| {
        let request = Request::builder().method(Method::POST).uri("/api/v1/vs").header(CONTENT_TYPE, kind);
        unit.send(request.header(AUTHORIZATION, basic("bal", PASSWORD)).body(Body::from(body)).unwrap())
    };
    let form = post("application/x-www-form-urlencoded", String::from("{}")).await;
    assert_eq!(
        (form.status, &form.json()["type"]),
        (StatusCode::UNSUPPORTED_MEDIA_TYPE, &json!("unsupported-media-type"))
    );
    let large = post("application/json", format!("\"{}\"", "x".repeat(70_000))).await;
    assert_eq!(
        (large.status, &large.json()["type"]),
        (StatusCode::PAYLOAD_TOO_LARGE, &json!("payload-too-large"))
    );
    let broken = post("application/json; charset=utf-8", String::from("{\n  nonsense")).await;
    assert_eq!(broken.status, StatusCode::BAD_REQUEST);
    assert!(broken.json()["detail"].as_str().unwrap().contains("line 2 column 3"), "{}", broken.text);
}

#[tokio::test]
async fn the_unit_is_rebooted_and_switched_off_on_request() {
    let unit = Unit::with_shop().await;
    for path in ["/api/v1/system/reboot", "/api/v1/system/power-off"] {
        assert_eq!(unit.api(Method::POST, path, None).await.status, StatusCode::ACCEPTED, "{path}");
        assert_eq!(unit.api(Method::GET, path, None).await.status, StatusCode::METHOD_NOT_ALLOWED);
    }
    assert_eq!(unit.fake.asked.lock().unwrap().len(), 2);
}

#[tokio::test]
async fn the_firmware_is_started_again_on_request() {
    let unit = Unit::with_shop().await;
    unit.fake.update.say(|status| status.running = 'R');
    let answer = unit.api(Method::POST, "/api/v1/firmware/start-again", None).await;
    assert_eq!((answer.status, answer.json()), (StatusCode::OK, serde_json::json!({"next": "A"})));
    assert_eq!(unit.fake.update.status.borrow().running, 'A');
}

#[tokio::test]
async fn a_secret_of_a_service_is_never_given_out_and_not_lost_by_writing_back_what_was_read() {
    let unit = Unit::with_shop().await;
    let path = "/api/v1/vs/1";
    let mut service = unit.api(Method::GET, path, None).await.json();
    service["pre_authentication"]["captcha"]["private_key"] = json!("hush");
    let answer = unit.api(Method::PUT, path, Some(service)).await;
    assert_eq!((answer.status, answer.has("hush")), (StatusCode::OK, false), "{}", answer.text);
    let read = unit.api(Method::GET, path, None).await;
    assert!(!read.has("hush") && read.has("********"), "{}", read.text);
    assert_eq!(unit.api(Method::PUT, path, Some(read.json())).await.status, StatusCode::OK);
    let newest = unit.fake.config.borrow().clone();
    assert_eq!(newest.config.shared.virtual_services[0].pre_authentication.captcha.private_key.0, "hush");
}
