//! The figures for Prometheus, read as strictly as its text format is defined.

use crate::support::{Unit, shop};
use axum::http::{Method, StatusCode};
use evener_api::Service;
use evener_api::checks::HealthState::{Down, Up};
use std::collections::{BTreeMap, BTreeSet};

/// Labels of a sample by name.
type Labels = BTreeMap<String, String>;

/// Samples by name of their family.
type Samples = BTreeMap<String, Vec<(Labels, f64)>>;

/// Reads the text format; anything that it does not define is a panic.
fn parse(text: &str) -> Samples {
    assert!(text.ends_with('\n'), "the last line ends, too");
    let mut samples = Samples::new();
    let mut kinds: BTreeMap<&str, &str> = BTreeMap::new();
    let (mut described, mut seen) = (None, BTreeSet::new());
    for line in text.lines() {
        if let Some(help) = line.strip_prefix("# HELP ") {
            let (name, words) = help.split_once(' ').unwrap();
            assert!(is_name(name) && !words.is_empty(), "{line}");
            described = Some(name);
        } else if let Some(kind) = line.strip_prefix("# TYPE ") {
            let (name, kind) = kind.split_once(' ').unwrap();
            assert_eq!(described, Some(name), "HELP comes first: {line}");
            assert!(kind == "counter" || kind == "gauge", "{line}");
            assert_eq!(kind == "counter", name.ends_with("_total"), "{line}");
            assert!(kinds.insert(name, kind).is_none(), "a family is there once: {line}");
        } else {
            let (name, labels, value) = sample(line);
            assert_eq!(described, Some(name), "a family's samples are together: {line}");
            assert!(kinds.contains_key(name), "{line}");
            assert!(seen.insert((name, labels.clone())), "a sample is there once: {line}");
            let value: f64 = value.parse().unwrap_or_else(|_| panic!("{line}"));
            samples.entry(name.to_owned()).or_default().push((labels, value));
        }
    }
    for name in kinds.keys() {
        assert!(samples.contains_key(*name), "{name} has no sample");
    }
    samples
}

fn is_name(name: &str) -> bool {
    name.starts_with("evener_")
        && name.chars().all(|letter| letter.is_ascii_lowercase() || "_0123456789".contains(letter))
}

fn sample(line: &str) -> (&str, Labels, &str) {
    let end = line.find(['{', ' ']).unwrap();
    let (name, mut rest) = line.split_at(end);
    let mut labels = Labels::new();
    if let Some(inner) = rest.strip_prefix('{') {
        rest = inner;
        loop {
            let (label, value) = rest.split_once("=\"").unwrap();
            assert!(label.chars().all(|letter| letter.is_ascii_lowercase() || letter == '_'), "{line}");
            let (mut text, mut characters) = (String::new(), value.chars());
            loop {
                match characters.next().unwrap() {
                    '"' => break,
                    '\\' => text.push(match characters.next().unwrap() {
                        'n' => '\n',
                        same @ ('\\' | '"') => same,
                        other => panic!("\\{other} in {line}"),
                    }),
                    other => text.push(other),
                }
            }
            assert!(labels.insert(label.to_owned(), text).is_none(), "{line}");
            let left = characters.as_str();
            match left.strip_prefix(',') {
                Some(next) => rest = next,
                None => {
                    rest = left.strip_prefix('}').unwrap();
                    break;
                }
            }
        }
    }
    (name, labels, rest.strip_prefix(' ').unwrap())
}

fn value(samples: &Samples, name: &str, labels: &[(&str, &str)]) -> f64 {
    let family = samples.get(name).unwrap_or_else(|| panic!("no {name}"));
    let fits = |of: &Labels| labels.iter().all(|(name, value)| of.get(*name).is_some_and(|it| it == value));
    let mut fitting = family.iter().filter(|(labels, _)| fits(labels));
    let value = fitting.next().unwrap_or_else(|| panic!("no {labels:?} in {family:?}")).1;
    assert_eq!(fitting.next(), None, "{name} {labels:?}");
    value
}

#[tokio::test]
async fn every_figure_is_there_with_its_labels() {
    let mut services = shop();
    services[0]["name"] = serde_json::json!("a \"shop\"\\\n");
    let unit = Unit::new(false, services).await;
    unit.fake.set_traffic(1234);
    unit.fake.set_health(&[(Up, "HTTP 200"), (Down, "refused")], 1_700_000_000);
    let answer = unit.api(Method::GET, "/api/v1/metrics", None).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
    assert_eq!(answer.header("content-type"), "text/plain; version=0.0.4; charset=utf-8");
    let samples = parse(&answer.text);
    for (name, labels, expected) in [
        ("evener_info", vec![("version", "0.1.0"), ("name", "lb-1"), ("slot", "A")], 1.0),
        ("evener_uptime_seconds", vec![], 93_784.0),
        ("evener_memory_total_bytes", vec![], f64::from(1 << 30)),
        ("evener_configuration_generation", vec![], 1.0),
        ("evener_service_up", vec![("service", "proxy")], 1.0),
        ("evener_interface_carrier", vec![("interface", "eth0")], 1.0),
        ("evener_vs_state", vec![("vs", "1"), ("name", "a \"shop\"\\\n"), ("state", "partial")], 1.0),
        ("evener_vs_state", vec![("vs", "1"), ("state", "up")], 0.0),
        ("evener_vs_requests_total", vec![("vs", "1"), ("address", "192.0.2.10"), ("port", "80")], 2468.0),
        ("evener_vs_connections", vec![("vs", "1")], 70.0),
        ("evener_vs_faults_total", vec![("vs", "1"), ("fault", "connect_timeout")], 2.0),
        ("evener_rs_up", vec![("vs", "1"), ("rs", "2"), ("address", "10.0.0.5")], 1.0),
        ("evener_rs_up", vec![("vs", "1"), ("rs", "3")], 0.0),
        ("evener_rs_requests_total", vec![("rs", "3"), ("port", "8080")], 1234.0),
        ("evener_rs_check_seconds", vec![("rs", "2")], 0.001),
    ] {
        assert!((value(&samples, name, &labels) - expected).abs() < 1e-9, "{name} {labels:?}");
    }
    assert!(!samples.contains_key("evener_service_silent"));
    // What this machine's own kernel counts.
    assert!(value(&samples, "evener_cpu_seconds_total", &[("mode", "user")]) > 0.0);
    assert!(value(&samples, "evener_interface_receive_bytes_total", &[("interface", "lo")]) >= 0.0);
    assert!(samples.keys().all(|name| is_name(name)));
}

#[tokio::test]
async fn what_is_not_known_is_absent_and_not_zero() {
    let mut unit = Unit::with_shop().await;
    unit.fake.set_traffic(1234);
    for service in [Service::Proxy, Service::Checks, Service::Update, Service::Net, Service::Init] {
        unit.kill(service);
    }
    let samples = parse(&unit.api(Method::GET, "/api/v1/metrics", None).await.text);
    for absent in ["evener_vs_requests_total", "evener_rs_up", "evener_info", "evener_service_up"] {
        assert!(!samples.contains_key(absent), "{absent}");
    }
    for service in ["proxy", "checks", "update", "net", "init"] {
        assert!((value(&samples, "evener_service_silent", &[("service", service)]) - 1.0).abs() < 1e-9);
    }
    assert!((value(&samples, "evener_vs_state", &[("state", "unknown")]) - 1.0).abs() < 1e-9);
}

#[tokio::test]
async fn figures_are_for_those_who_may_look() {
    let unit = Unit::with_shop().await;
    let answer = unit.api_as("Basic eDp5", Method::GET, "/api/v1/metrics", None).await;
    assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
    assert!(!answer.has("evener_info"));
}
