//! The log, on its page, in the API and as a file.

use crate::support::Unit;
use axum::http::{Method, StatusCode};
use evener_api::Service;
use evener_api::log::Level;

const NASTY: &str = r#"<img src=x onerror="alert(1)">&'"#;

#[tokio::test]
async fn the_page_shows_what_is_found_and_carries_the_search_on() {
    let unit = Unit::with_shop().await;
    let browser = unit.log_in().await;
    for number in 1..=250 {
        unit.fake.log.say(Level::Info, "net", &format!("line {number}."));
    }
    unit.fake.log.say(Level::Error, "proxy", NASTY);
    let page = unit.get("/logs?q=a%26b&level=&service=&since=&until=", &browser).await;
    assert_eq!(page.status, StatusCode::OK, "{}", page.text);
    assert!(page.has("&lt;img src=x") && !page.has("<img src=x"), "{}", page.text);
    assert!(
        page.has("2023-11-14 22:13:20.251") && page.has("line 250.") && !page.has("line 51."),
        "{}",
        page.text
    );
    assert!(page.has("Error</span>") && page.has("there are more"), "{}", page.text);
    assert!(page.has("href=\"/logs?q=a%26b&amp;cursor=52\""), "{}", page.text);
    assert!(page.has("href=\"/logs/download?q=a%26b\"") && page.has("value=\"a&amp;b\""), "{}", page.text);
    assert_eq!(unit.fake.log.asked.lock().unwrap().last().unwrap().text, "a&b");
    let older = unit.get("/logs?cursor=52", &browser).await;
    assert!(older.has("line 51.") && !older.has("line 52.") && !older.has("Older lines"), "{}", older.text);
}

#[tokio::test]
async fn a_search_that_cannot_be_read_says_where() {
    let unit = Unit::with_shop().await;
    let browser = unit.log_in().await;
    for (address, words) in [
        ("/logs?since=yesterday", "Not a moment in UTC"),
        ("/logs?level=worst", "there is no level"),
        ("/logs?cursor=x", ""),
    ] {
        let page = unit.get(address, &browser).await;
        assert_eq!(page.status, StatusCode::UNPROCESSABLE_ENTITY, "{address}");
        assert!(page.has(words), "{address}: {}", page.text);
    }
    let file = unit.get("/logs/download?since=yesterday", &browser).await;
    assert_eq!(file.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(unit.fake.log.asked.lock().unwrap().is_empty(), "nobody was asked");
}

#[tokio::test]
async fn the_file_holds_all_that_is_found_from_the_oldest_on() {
    let unit = Unit::with_shop().await;
    let browser = unit.log_in().await;
    for number in 1..=2500 {
        unit.fake.log.say(Level::Warning, "net", &format!("line {number}."));
    }
    let file = unit.get("/logs/download?level=warning", &browser).await;
    assert_eq!(file.status, StatusCode::OK);
    assert_eq!(file.headers["content-type"], "text/plain; charset=utf-8");
    assert_eq!(file.headers["content-disposition"], "attachment; filename=\"evener-log.txt\"");
    assert_eq!(file.text.lines().count(), 2500);
    let first = "2023-11-14T22:13:20.001Z [   3.001] warning net: line 1.";
    assert_eq!(file.text.lines().next(), Some(first));
    assert!(file.text.ends_with(" line 2500.\n"));
    let asked = unit.fake.log.asked.lock().unwrap().clone();
    assert_eq!(asked.len(), 3, "in parts: {asked:?}");
    assert!(asked.iter().all(|search| search.level == Some(Level::Warning) && search.oldest_first));
}

#[tokio::test]
async fn the_api_gives_records_and_a_cursor() {
    let unit = Unit::with_shop().await;
    for number in 1..=3 {
        unit.fake.log.say(Level::Info, "net", &format!("line {number}"));
    }
    let answer = unit.api(Method::GET, "/api/v1/logs?limit=2", None).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
    let expected = serde_json::json!({
        "records": [
            {"seq": 3, "time": "2023-11-14T22:13:20.003Z", "since_boot_ms": 3003, "boot": "00c0ffee",
             "service": "net", "level": "info", "text": "line 3"},
            {"seq": 2, "time": "2023-11-14T22:13:20.002Z", "since_boot_ms": 3002, "boot": "00c0ffee",
             "service": "net", "level": "info", "text": "line 2"},
        ],
        "next": 2,
    });
    assert_eq!(serde_json::from_str::<serde_json::Value>(&answer.text).unwrap(), expected);
    let rest = unit.api(Method::GET, "/api/v1/logs?limit=2&cursor=2", None).await;
    assert!(rest.has("line 1") && rest.has("\"next\":null"), "{}", rest.text);
    let text = unit.api(Method::GET, "/api/v1/logs/text?service=net", None).await;
    assert_eq!(text.text.lines().count(), 3, "{}", text.text);
    for (address, status, word) in [
        ("/api/v1/logs?sinse=1", StatusCode::BAD_REQUEST, "sinse"),
        ("/api/v1/logs?since=x&limit=9999", StatusCode::UNPROCESSABLE_ENTITY, "\"field\":\"limit\""),
    ] {
        let refused = unit.api(Method::GET, address, None).await;
        assert_eq!(refused.status, status, "{}", refused.text);
        assert!(refused.has(word), "{}", refused.text);
    }
}

#[tokio::test]
async fn without_the_service_log_page_and_api_say_so() {
    let mut unit = Unit::with_shop().await;
    let browser = unit.log_in().await;
    unit.kill(Service::Log);
    for address in ["/logs", "/logs/download"] {
        let page = unit.get(address, &browser).await;
        assert_eq!(page.status, StatusCode::SERVICE_UNAVAILABLE, "{address}");
        assert!(page.has("log does not answer"), "{}", page.text);
    }
    let answer = unit.api(Method::GET, "/api/v1/logs", None).await;
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(answer.has("service-unavailable"), "{}", answer.text);
}
