//! Captures of packets, by the page and by the API.

use crate::support::Unit;
use axum::http::{Method, StatusCode};
use evener_api::Service;
use evener_api::capture::CaptureStatus;
use evener_api::diagnose::{Question, RecordKind};
use serde_json::json;

#[tokio::test]
async fn the_page_starts_shows_stops_and_gives_the_file() {
    let unit = Unit::with_shop().await;
    let browser = unit.log_in().await;
    let page = unit.get("/logs/debug", &browser).await;
    assert!(page.has("There is no capture.") && page.has("<option value=\"eth0\">"), "{}", page.text);
    assert!(page.has("name=\"most_packets\"") && page.has("value=\"10000\""), "{}", page.text);
    let fields = [
        ("interface", "eth0"),
        ("address", " 10.0.0.5 "),
        ("port", "6973"),
        ("most_packets", "500"),
        ("most_seconds", ""),
    ];
    let answer = unit.post("/logs/debug/capture", &fields, &browser).await;
    assert_eq!((answer.status, answer.location()), (StatusCode::SEE_OTHER, "/logs/debug"), "{}", answer.text);
    let order = unit.fake.log.capture.lock().unwrap().order.clone().unwrap();
    assert_eq!((order.interface.as_deref(), order.port), (Some("eth0"), Some(6973)));
    assert_eq!((order.most_packets, order.most_seconds), (500, 10));
    let page = unit.get("/logs/debug", &browser).await;
    assert!(page.has("Running") && page.has("eth0, address 10.0.0.5, port 6973"), "{}", page.text);
    assert!(!page.has("capture.pcap"), "not before it has ended");
    let again = unit.post("/logs/debug/capture", &fields, &browser).await;
    assert_eq!(again.status, StatusCode::CONFLICT);
    assert!(again.has("a capture is running") && again.has("value=\"500\""), "{}", again.text);
    let answer = unit.post("/logs/debug/capture/stop", &[], &browser).await;
    assert_eq!(answer.status, StatusCode::SEE_OTHER);
    let page = unit.get("/logs/debug", &browser).await;
    assert!(page.has("It was stopped.") && page.has("href=\"/logs/debug/capture.pcap\""), "{}", page.text);
    *unit.fake.log.file.lock().unwrap() = vec![b'x'; 700_000];
    let file = unit.get("/logs/debug/capture.pcap", &browser).await;
    assert_eq!(file.header("content-type"), "application/vnd.tcpdump.pcap");
    assert_eq!(file.header("content-disposition"), "attachment; filename=\"evener-capture.pcap\"");
    assert_eq!(file.text.len(), 700_000, "in pieces");
}

#[tokio::test]
async fn an_order_that_is_wrong_is_refused_with_its_fields() {
    let unit = Unit::with_shop().await;
    let browser = unit.log_in().await;
    for (field, value, words) in [
        ("address", "10.0.0.256", "Not an address"),
        ("port", "0", "0 is not a port"),
        ("port", "http", "Not a port"),
        ("most_packets", "200001", "Not from 1 to 200000"),
        ("most_seconds", "601", "Not from 1 to 600"),
        ("interface", "<script>", ""),
    ] {
        let page = unit.post("/logs/debug/capture", &[(field, value)], &browser).await;
        let expected =
            if field == "interface" { StatusCode::SEE_OTHER } else { StatusCode::UNPROCESSABLE_ENTITY };
        assert_eq!(page.status, expected, "{field} {value}");
        assert!(page.has(words), "{field} {value}: {}", page.text);
    }
    let page = unit.get("/logs/debug", &browser).await;
    assert!(page.has("&lt;script&gt;") && !page.has("<script>"), "{}", page.text);
    let unasked = unit.post("/logs/debug/capture", &[], &unit.log_in().await).await;
    assert_eq!(unasked.status, StatusCode::CONFLICT);
}

#[tokio::test]
async fn the_api_does_the_same() {
    let mut unit = Unit::with_shop().await;
    const CAPTURE: &str = "/api/v1/debug/capture";
    let none = unit.api(Method::GET, CAPTURE, None).await;
    let expected = json!({"running": false, "order": null, "began": null, "packets": 0, "bytes": 0, "lost": 0, "ended": null});
    assert_eq!(none.json(), expected);
    let begun =
        unit.api(Method::POST, CAPTURE, Some(json!({"address": "2001:db8::5", "most_seconds": 600}))).await;
    assert_eq!(begun.status, StatusCode::ACCEPTED, "{}", begun.text);
    assert_eq!(begun.json()["order"]["most_packets"], 10_000);
    assert_eq!(begun.json()["running"], true);
    assert_eq!(begun.json()["began"], "2023-11-14T22:13:20.000Z");
    let again = unit.api(Method::POST, CAPTURE, Some(json!({}))).await;
    assert_eq!((again.status, again.json()["type"].as_str().is_some()), (StatusCode::CONFLICT, true));
    let stopped = unit.api(Method::DELETE, CAPTURE, None).await;
    assert_eq!((stopped.status, stopped.json()["ended"].as_str()), (StatusCode::OK, Some("It was stopped.")));
    *unit.fake.log.file.lock().unwrap() = vec![b'y'; 10];
    assert_eq!(unit.api(Method::GET, "/api/v1/debug/capture/file", None).await.text, "yyyyyyyyyy");
    for (body, status, word) in [
        (json!({"prot": 80}), StatusCode::UNPROCESSABLE_ENTITY, "prot"),
        (json!({"most_seconds": 0, "port": 0}), StatusCode::UNPROCESSABLE_ENTITY, "most_seconds"),
        (json!({"address": "here"}), StatusCode::UNPROCESSABLE_ENTITY, "address"),
    ] {
        let refused = unit.api(Method::POST, CAPTURE, Some(body)).await;
        assert_eq!(refused.status, status, "{}", refused.text);
        assert!(refused.has(word), "{}", refused.text);
    }
    *unit.fake.log.capture.lock().unwrap() = CaptureStatus::default();
    assert_eq!(unit.api(Method::GET, "/api/v1/debug/capture/file", None).await.status, StatusCode::CONFLICT);
    unit.kill(Service::Log);
    assert_eq!(unit.api(Method::GET, CAPTURE, None).await.status, StatusCode::SERVICE_UNAVAILABLE);
}

#[tokio::test]
async fn the_page_asks_the_network_and_shows_what_it_says() {
    let unit = Unit::with_shop().await;
    let browser = unit.log_in().await;
    *unit.fake.log.lines.lock().unwrap() = vec![String::from("1: no answer"), String::from("<b>two</b>")];
    let gateway = "192.0.2.1".parse().unwrap();
    for (fields, question) in [
        (vec![("tool", "ping"), ("target", " 192.0.2.1")], Question::Ping(gateway, 5)),
        (vec![("tool", "traceroute"), ("target", "192.0.2.1")], Question::Trace(gateway)),
        (vec![("tool", "routes"), ("target", "")], Question::Routes),
        (vec![("tool", "neighbours")], Question::Neighbours),
        (
            vec![("tool", "lookup"), ("name", "shop.example"), ("type", "AAAA"), ("server", "")],
            Question::Lookup(String::from("shop.example"), RecordKind::Aaaa, None),
        ),
        (
            vec![("tool", "lookup"), ("name", "192.0.2.7"), ("type", "PTR"), ("server", "192.0.2.1")],
            Question::Lookup(String::from("192.0.2.7"), RecordKind::Ptr, Some(gateway)),
        ),
    ] {
        let page = unit.post("/logs/debug/network", &fields, &browser).await;
        assert_eq!(page.status, StatusCode::OK, "{fields:?}: {}", page.text);
        assert!(page.has("1: no answer\n&lt;b&gt;two&lt;/b&gt;"), "{}", page.text);
        assert_eq!(unit.fake.log.questions.lock().unwrap().pop(), Some(question));
    }
    for (fields, words) in [
        (vec![("tool", "ping"), ("target", "gateway")], "Not an address"),
        (vec![("tool", "lookup"), ("name", "")], "A name has 1 to 255 bytes"),
        (vec![("tool", "lookup"), ("name", "x"), ("server", "dns")], "Not an address"),
    ] {
        let page = unit.post("/logs/debug/network", &fields, &browser).await;
        assert_eq!(page.status, StatusCode::UNPROCESSABLE_ENTITY, "{fields:?}");
        assert!(page.has(words), "{}", page.text);
    }
    assert!(unit.fake.log.questions.lock().unwrap().is_empty(), "nobody was asked");
}

#[tokio::test]
async fn programs_ask_the_network_too() {
    let mut unit = Unit::with_shop().await;
    *unit.fake.log.lines.lock().unwrap() = vec![String::from("a line")];
    for (address, body) in [
        ("/api/v1/debug/ping", json!({"address": "2001:db8::1", "count": 20})),
        ("/api/v1/debug/traceroute", json!({"address": "192.0.2.1"})),
        ("/api/v1/debug/lookup", json!({"name": "shop.example", "type": "MX"})),
    ] {
        let answer = unit.api(Method::POST, address, Some(body)).await;
        assert_eq!(
            (answer.status, answer.json()),
            (StatusCode::OK, json!({"lines": ["a line"]})),
            "{address}"
        );
    }
    for address in ["/api/v1/debug/routes", "/api/v1/debug/neighbours"] {
        assert_eq!(unit.api(Method::GET, address, None).await.json(), json!({"lines": ["a line"]}));
    }
    assert_eq!(unit.fake.log.questions.lock().unwrap().len(), 5);
    for (address, body, word) in [
        ("/api/v1/debug/ping", json!({"address": "192.0.2.1", "count": 21}), "count"),
        ("/api/v1/debug/ping", json!({"address": "gateway"}), "address"),
        ("/api/v1/debug/lookup", json!({"name": "x", "type": "ANY"}), "type"),
        ("/api/v1/debug/lookup", json!({"name": ""}), "name"),
    ] {
        let refused = unit.api(Method::POST, address, Some(body)).await;
        assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY, "{}", refused.text);
        assert!(refused.has(word), "{}", refused.text);
    }
    unit.kill(Service::Log);
    let away = unit.api(Method::GET, "/api/v1/debug/routes", None).await;
    assert_eq!(away.status, StatusCode::SERVICE_UNAVAILABLE);
}
