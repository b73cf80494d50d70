//! The history and its ways back, by page and by API.

use crate::support::{PASSWORD, Unit, basic, service_fields};
use axum::body::Body;
use axum::http::header::AUTHORIZATION;
use axum::http::{Method, Request, StatusCode};
use evener_api::Service;
use evener_api::control::{Change, Violation};
use serde_json::json;

const NASTY: &str = "<b>why</b>";

fn services(unit: &Unit) -> usize {
    unit.fake.config.borrow().config.shared.virtual_services.len()
}

#[tokio::test]
async fn after_a_delete_one_click_brings_it_back_and_another_deletes_it_again() {
    let unit = Unit::with_shop().await;
    let browser = unit.log_in().await;
    for path in ["/services/1/servers/2/delete", "/services/1/delete"] {
        let before = unit.fake.config.borrow().config.clone();
        let deleted = unit.post(path, &[], &browser).await;
        let page = unit.get(deleted.location(), &browser).await;
        let undo = page.between("action=\"/history/", "\"").to_owned();
        assert!(page.has("Deleted. The change is in force.") && page.has(">Undo</button>"), "{}", page.text);
        let undone = unit.post(&format!("/history/{undo}"), &[], &browser).await;
        assert_eq!(undone.status, StatusCode::SEE_OTHER, "{}", undone.text);
        assert_eq!(unit.fake.config.borrow().config, before);
        let page = unit.get(undone.location(), &browser).await;
        assert!(page.has("Undone. The change is in force.") && page.has(">Redo</button>"), "{}", page.text);
    }
    let again = unit
        .get("/history?done=undone&undo=5", &browser)
        .await
        .between("action=\"/history/", "\"")
        .to_owned();
    let redone = unit.post(&format!("/history/{again}"), &[], &browser).await;
    assert_eq!((redone.status, services(&unit)), (StatusCode::SEE_OTHER, 0));
}

#[tokio::test]
async fn the_history_tells_who_when_why_and_what() {
    let unit = Unit::with_shop().await;
    let browser = unit.log_in().await;
    let fields = service_fields(&[("reason", NASTY)]);
    assert_eq!(unit.post("/services/new", &fields, &browser).await.status, StatusCode::SEE_OTHER);
    unit.post("/history/2/undo", &[("reason", "not yet")], &browser).await;
    let page = unit.get("/history", &browser).await;
    for text in [
        "2023-11-14 22:13",
        "&lt;b&gt;why&lt;/b&gt;",
        "undoes generation 2: not yet",
        "virtual service blog (192.0.2.20:80) added",
        "in force",
        "href=\"/history/3/undo\"",
        "href=\"/history/2/restore\"",
        ">Redo</a>",
    ] {
        assert!(page.has(text), "{text}: {}", page.text);
    }
    assert!(
        !page.has(NASTY) && !page.has("/history/1/undo") && !page.has("/history/3/restore"),
        "{}",
        page.text
    );
    assert!(page.has("aria-current=\"page\""));
}

#[tokio::test]
async fn a_way_back_says_beforehand_what_it_does() {
    let unit = Unit::with_shop().await;
    let browser = unit.log_in().await;
    unit.post("/services/1/delete", &[], &browser).await;
    let page = unit.get("/history/2/undo", &browser).await;
    assert!(
        page.has("virtual service shop (192.0.2.10:80) added") && page.has("Undo generation 2?"),
        "{}",
        page.text
    );
    let page = unit.get("/history/1/restore", &browser).await;
    assert!(page.has("virtual service shop") && page.has("nobody is locked out"), "{}", page.text);
    assert_eq!(services(&unit), 0, "asking changes nothing");
    let page = unit.get("/history/2/restore", &browser).await;
    assert!(page.has("Nothing would change"), "{}", page.text);

    let answer = unit.post("/history/1/restore", &[("reason", "too early")], &browser).await;
    assert_eq!((answer.location(), services(&unit)), ("/history?done=restored&undo=3", 1));
    let asked = unit.fake.changes.lock().unwrap().pop().unwrap();
    assert_eq!(
        (asked.change, asked.reason.as_deref()),
        (Change::Restore { generation: 1 }, Some("too early"))
    );
    let answer = unit.post("/history/3/restore", &[], &browser).await;
    assert_eq!(answer.location(), "/history?done=nothing");
    assert!(unit.get("/history?done=nothing", &browser).await.has("Nothing was changed"));
}

#[tokio::test]
async fn what_is_in_the_way_is_named_on_the_page_and_in_the_answer() {
    let unit = Unit::with_shop().await;
    let browser = unit.log_in().await;
    let place = || Violation {
        field: "shared.virtual_services[id=1].port".into(),
        reason: format!("“{NASTY}” was changed again by generation 14 (bal)"),
    };
    for (method, path) in [(Method::GET, "/history/1/undo"), (Method::POST, "/history/1/undo")] {
        *unit.fake.clashes.lock().unwrap() = vec![place()];
        let page = if method == Method::GET {
            unit.get(path, &browser).await
        } else {
            unit.post(path, &[], &browser).await
        };
        assert_eq!(page.status, StatusCode::CONFLICT);
        assert!(
            page.has("shared.virtual_services[id=1].port") && page.has("generation 14 (bal)"),
            "{}",
            page.text
        );
        assert!(!page.has(NASTY));
    }
    *unit.fake.clashes.lock().unwrap() = vec![place()];
    let answer = unit.api(Method::POST, "/api/v1/history/1/undo", None).await;
    assert_eq!((answer.status, &answer.json()["type"]), (StatusCode::CONFLICT, &json!("undo-conflict")));
    assert_eq!(answer.json()["fields"][0]["field"], "shared.virtual_services[id=1].port");
}

#[tokio::test]
async fn a_generation_that_is_not_kept_is_not_found() {
    let unit = Unit::with_shop().await;
    let browser = unit.log_in().await;
    for path in
        ["/history/99/undo", "/history/99/restore", "/history/compare?from=1&to=99", "/history/x/undo"]
    {
        assert_eq!(unit.get(path, &browser).await.status, StatusCode::NOT_FOUND, "{path}");
    }
    assert_eq!(unit.get("/history/compare?from=x", &browser).await.location(), "/history");
    for path in ["/api/v1/history/99", "/api/v1/history/1/compare/99", "/api/v1/history/x"] {
        let answer = unit.api(Method::GET, path, None).await;
        assert_eq!(
            (answer.status, &answer.json()["type"]),
            (StatusCode::NOT_FOUND, &json!("not-found")),
            "{path}"
        );
    }
    for verb in ["undo", "restore"] {
        let path = format!("/api/v1/history/99/{verb}");
        assert_eq!(unit.api(Method::POST, &path, None).await.status, StatusCode::NOT_FOUND);
    }
}

#[tokio::test]
async fn two_generations_are_compared_in_words() {
    let unit = Unit::with_shop().await;
    let browser = unit.log_in().await;
    unit.post("/services/1/delete", &[], &browser).await;
    let page = unit.get("/history/compare?from=1&to=2", &browser).await;
    assert!(page.has("<li>virtual service shop (192.0.2.10:80) removed</li>"), "{}", page.text);
    assert!(page.has("<option value=\"1\" selected>"), "what was chosen stays chosen: {}", page.text);
    assert!(unit.get("/history/compare?from=2&to=2", &browser).await.has("There is no difference."));
    let answer = unit.api(Method::GET, "/api/v1/history/2/compare/1", None).await.json();
    let lines = json!(["virtual service shop (192.0.2.10:80) added"]);
    assert_eq!(answer, json!({"from": 2, "to": 1, "lines": lines}));
}

#[tokio::test]
async fn a_program_reads_a_generation_and_takes_it_back_with_a_reason() {
    let unit = Unit::with_shop().await;
    unit.api(Method::DELETE, "/api/v1/vs/1", None).await;
    let shown = unit.api(Method::GET, "/api/v1/history/1", None).await;
    assert!(!shown.has("argon2"), "{}", shown.text);
    assert_eq!(shown.json()["config"]["shared"]["virtual_services"][0]["name"], "shop");
    assert_eq!(shown.json()["config"]["shared"]["users"][0]["name"], "bal");
    assert_eq!((&shown.json()["generation"], &shown.json()["undoes"]), (&json!(1), &json!(null)));

    let undone =
        unit.api(Method::POST, "/api/v1/history/2/undo", Some(json!({"reason": "by mistake"}))).await;
    assert_eq!((undone.status, undone.header("etag")), (StatusCode::OK, "\"3\""), "{}", undone.text);
    assert_eq!(undone.json(), json!({"generation": 3, "changed": true}));
    let newest = unit.api(Method::GET, "/api/v1/history", None).await.json()[0].clone();
    assert_eq!((&newest["undoes"], &newest["reason"]), (&json!(2), &json!("by mistake")));
    let same = unit.api(Method::POST, "/api/v1/history/3/restore", None).await;
    assert_eq!(same.json(), json!({"generation": 3, "changed": false}));
    let wrong = unit.api(Method::POST, "/api/v1/history/2/undo", Some(json!({"why": "x"}))).await;
    assert_eq!(wrong.status, StatusCode::UNPROCESSABLE_ENTITY);
}

#[tokio::test]
async fn every_change_of_a_program_may_have_a_reason_and_a_condition() {
    let unit = Unit::with_shop().await;
    let send = async |reason: &[u8], tag: &str| {
        let request = Request::builder().method(Method::DELETE).uri("/api/v1/vs/1/rs/2");
        let request = request.header(AUTHORIZATION, basic("bal", PASSWORD)).header("evener-reason", reason);
        unit.send(request.header("if-match", tag).body(Body::empty()).unwrap()).await
    };
    assert_eq!(send(b"x", "\"7\"").await.status, StatusCode::PRECONDITION_FAILED);
    let bad = send(b"\xff", "*").await;
    assert_eq!(
        (bad.status, &bad.json()["fields"][0]["field"]),
        (StatusCode::UNPROCESSABLE_ENTITY, &json!("reason"))
    );
    assert_eq!(send("kürzer".as_bytes(), "\"1\"").await.status, StatusCode::NO_CONTENT);
    let asked = unit.fake.changes.lock().unwrap().pop().unwrap();
    assert_eq!((asked.reason.as_deref(), asked.based_on), (Some("kürzer"), Some(1)));
}

#[tokio::test]
async fn in_rescue_the_history_is_read_and_nothing_goes_back() {
    let unit = Unit::with_shop().await;
    let browser = unit.log_in().await;
    unit.post("/services/1/delete", &[], &browser).await;
    std::fs::write(unit.run().join(evener_api::RESCUE_MODE), "").unwrap();
    assert!(unit.get("/history", &browser).await.has("virtual service shop (192.0.2.10:80) removed"));
    let answer = unit.post("/history/2/undo", &[], &browser).await;
    assert_eq!((answer.status, services(&unit)), (StatusCode::CONFLICT, 0));
    let answer = unit.api(Method::POST, "/api/v1/history/1/restore", None).await;
    assert_eq!((answer.status, &answer.json()["type"]), (StatusCode::CONFLICT, &json!("in-rescue")));
}

#[tokio::test]
async fn without_control_the_history_says_so() {
    let mut unit = Unit::with_shop().await;
    let browser = unit.log_in().await;
    unit.kill(Service::Control);
    let page = unit.get("/history", &browser).await;
    assert!(page.status == StatusCode::OK && page.has("<b>control</b>"), "{}", page.text);
    assert_eq!(unit.get("/history/1/undo", &browser).await.status, StatusCode::SERVICE_UNAVAILABLE);
    let answer = unit.api(Method::GET, "/api/v1/history/1", None).await;
    assert_eq!(answer.json()["type"], "service-unavailable");
}

#[tokio::test]
async fn nobody_goes_back_without_a_session_a_token_or_a_password_of_their_own() {
    let unit = Unit::with_shop().await;
    let browser = unit.log_in().await;
    unit.post("/services/1/delete", &[], &browser).await;
    let forged = crate::support::Browser { csrf: None, ..browser.clone() };
    for path in ["/history/2/undo", "/history/1/restore", "/system/backup"] {
        assert_eq!(unit.post(path, &[], &forged).await.status, StatusCode::FORBIDDEN, "{path}");
        let nobody = unit.post(path, &[], &crate::support::Browser::default()).await;
        assert_eq!(nobody.location(), "/login?ended=1", "{path}");
        let api = unit.api_as(&basic("bal", "wrong"), Method::POST, &format!("/api/v1{path}"), None).await;
        assert!(api.status == StatusCode::UNAUTHORIZED || api.status == StatusCode::NOT_FOUND, "{path}");
    }
    assert_eq!(services(&unit), 0);
}
