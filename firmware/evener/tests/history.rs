//! Undo, restore and backups through the real services: the pages and the API in front, control as a process behind them,
//! its generations on disk.

#![allow(clippy::unwrap_used, clippy::panic, unreachable_pub, reason = "test crate")]

mod common;

use axum::Router;
use axum::body::Body;
use axum::http::{Method, Request, StatusCode};
use base64::Engine;
use common::{evener, eventually};
use evener_web::{App, Clock};
use http_body_util::BodyExt;
use serde_json::{Value, json};
use std::path::Path;
use tokio::process::Child;
use tower::ServiceExt;

const PASSWORD: &str = "correct horse battery";
const LINE: &str = "a-line-between";

/// A unit of control and the pages.
struct Unit {
    folder: tempfile::TempDir,
    control: Child,
    router: Router,
}

/// An answer, read to its end.
struct Answer {
    status: StatusCode,
    body: Vec<u8>,
}

impl Answer {
    #[track_caller]
    fn json(&self) -> Value {
        let text = String::from_utf8_lossy(&self.body);
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {} {text}", self.status))
    }
}

fn control(folder: &Path) -> Child {
    let log = std::fs::File::create(folder.join("log")).unwrap();
    let (run, data) = (folder.join("run"), folder.join("data"));
    let mut command = evener();
    command.arg("control").arg("--run-dir").arg(run).arg("--data-dir").arg(data).stderr(log);
    command.spawn().unwrap()
}

impl Unit {
    async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("run")).unwrap();
        let first = format!("hostname = \"lb1\"\npassword = \"{PASSWORD}\"\n");
        std::fs::write(folder.path().join("run/evener.toml"), first).unwrap();
        let control = control(folder.path());
        let app = App::new(&folder.path().join("run"), "00c0ffee", Clock::real()).unwrap();
        let unit = Self { folder, control, router: evener_web::app(app) };
        unit.wait().await;
        unit
    }

    async fn wait(&self) {
        eventually("control answers the pages", async || {
            (self.get("/api/v1/history").await.status == StatusCode::OK).then_some(())
        })
        .await;
    }

    /// Control is killed and comes back with what is on its disk.
    async fn restart(&mut self) {
        self.control.kill().await.unwrap();
        eventually("control is away", async || {
            (self.get("/api/v1/history").await.status == StatusCode::SERVICE_UNAVAILABLE).then_some(())
        })
        .await;
        self.control = control(self.folder.path());
        self.wait().await;
    }

    async fn send(&self, method: Method, path: &str, kind: &str, body: Vec<u8>) -> Answer {
        let basic = base64::engine::general_purpose::STANDARD.encode(format!("bal:{PASSWORD}"));
        let mut request = Request::builder().method(method).uri(path).header("host", "lb1:8443");
        if !kind.is_empty() {
            request = request.header("content-type", kind);
        }
        let request =
            request.header("authorization", format!("Basic {basic}")).body(Body::from(body)).unwrap();
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        Answer { status: parts.status, body: body.collect().await.unwrap().to_bytes().to_vec() }
    }

    async fn get(&self, path: &str) -> Answer {
        self.send(Method::GET, path, "", Vec::new()).await
    }

    async fn post(&self, path: &str, body: &Value) -> Answer {
        self.send(Method::POST, path, "application/json", body.to_string().into_bytes()).await
    }

    async fn put(&self, path: &str, body: &Value) {
        let answer = self.send(Method::PUT, path, "application/json", body.to_string().into_bytes()).await;
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.json());
    }

    async fn delete(&self, path: &str) {
        assert_eq!(self.send(Method::DELETE, path, "", Vec::new()).await.status, StatusCode::NO_CONTENT);
    }

    /// Adds a service with one server.
    async fn add(&self, name: &str, port: u16) {
        let server = json!([{"address": "10.0.0.5", "port": 8080}]);
        let service =
            json!({"name": name, "address": {"literal": "192.0.2.10"}, "port": port, "real_servers": server});
        assert_eq!(self.post("/api/v1/vs", &service).await.status, StatusCode::CREATED);
    }

    /// Undoes or restores, and gives the generation that it made.
    async fn back(&self, path: &str, reason: &str) -> u64 {
        let answer = self.post(&format!("/api/v1/history/{path}"), &json!({"reason": reason})).await;
        assert_eq!(
            (answer.status, &answer.json()["changed"]),
            (StatusCode::OK, &json!(true)),
            "{}",
            answer.json()
        );
        answer.json()["generation"].as_u64().unwrap()
    }

    async fn newest(&self) -> Value {
        self.get("/api/v1/history").await.json()[0].clone()
    }

    /// Every service without its state.
    async fn services(&self) -> Vec<Value> {
        let mut services = self.get("/api/v1/vs").await.json().as_array().unwrap().clone();
        for service in &mut services {
            service.as_object_mut().unwrap().remove("status");
        }
        services
    }
}

fn names(services: &[Value]) -> Vec<(u64, &str)> {
    services.iter().map(|one| (one["id"].as_u64().unwrap(), one["name"].as_str().unwrap())).collect()
}

#[tokio::test]
async fn deletes_are_undone_and_redone_by_the_api_and_survive_control() {
    let mut unit = Unit::start().await;
    unit.add("shop", 80).await;
    unit.add("blog", 81).await;
    let before = unit.services().await;
    unit.delete("/api/v1/vs/1").await;
    let deleted = unit.newest().await["generation"].as_u64().unwrap();
    unit.add("wiki", 82).await;

    let undone = unit.back(&format!("{deleted}/undo"), "it was in use").await;
    assert_eq!(names(&unit.services().await), [(1, "shop"), (2, "blog"), (3, "wiki")]);
    assert_eq!(unit.services().await[..2], before);
    unit.restart().await;
    let newest = unit.newest().await;
    assert_eq!((&newest["undoes"], &newest["reason"]), (&json!(deleted), &json!("it was in use")));
    assert_eq!(newest["summary"][0], "virtual service shop (192.0.2.10:80) added");
    unit.back(&format!("{undone}/undo"), "").await;
    assert_eq!(names(&unit.services().await), [(2, "blog"), (3, "wiki")]);

    // Its address is given away, so it cannot come back, and the answer says which field is in the way.
    unit.add("new shop", 80).await;
    let refused = unit.post(&format!("/api/v1/history/{deleted}/undo"), &json!({})).await;
    assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(refused.json()["type"], "invalid-configuration");
    assert!(refused.json()["fields"].as_array().is_some_and(|fields| !fields.is_empty()));
}

#[tokio::test]
async fn what_was_changed_again_is_not_undone_and_its_place_is_named() {
    let unit = Unit::start().await;
    unit.add("shop", 80).await;
    for port in [81, 82] {
        let mut service = unit.services().await.remove(0);
        service["port"] = json!(port);
        unit.put("/api/v1/vs/1", &service).await;
    }
    let refused = unit.post("/api/v1/history/3/undo", &json!({})).await;
    assert_eq!((refused.status, &refused.json()["type"]), (StatusCode::CONFLICT, &json!("undo-conflict")));
    let field = &refused.json()["fields"][0];
    assert_eq!(field["field"], "shared.virtual_services[id=1].port");
    assert_eq!(field["reason"], "“shop” was changed again by generation 4 (bal)");
    let lines = unit.get("/api/v1/history/2/compare/4").await.json()["lines"].clone();
    assert_eq!(lines, json!(["virtual service shop (192.0.2.10:80): port changed from 80 to 82"]));
}

#[tokio::test]
async fn a_generation_is_restored_and_the_password_of_today_still_opens() {
    let mut unit = Unit::start().await;
    unit.add("shop", 80).await;
    let shown = unit.get("/api/v1/history/2").await;
    assert!(!String::from_utf8_lossy(&shown.body).contains("argon2"));
    assert_eq!(shown.json()["config"]["shared"]["virtual_services"], json!(unit.services().await));
    unit.delete("/api/v1/vs/1").await;
    let same = unit.post("/api/v1/history/1/restore", &json!({})).await;
    assert_eq!(same.json(), json!({"generation": 3, "changed": false}), "there was nothing then, as now");
    let restored = unit.back("2/restore", "not over yet").await;
    unit.restart().await;
    assert_eq!(names(&unit.services().await), [(1, "shop")]);
    let newest = unit.newest().await;
    assert_eq!((&newest["generation"], &newest["restores"]), (&json!(restored), &json!(2)));
    assert_eq!(unit.get("/api/v1/history/99").await.status, StatusCode::NOT_FOUND);
}

/// A backup in a form.
fn form(password: &str, file: &[u8]) -> Vec<u8> {
    let head = "Content-Disposition: form-data; name=";
    let mut body = format!("--{LINE}\r\n{head}\"password\"\r\n\r\n{password}\r\n--{LINE}\r\n").into_bytes();
    body.extend_from_slice(format!("{head}\"backup\"; filename=\"x\"\r\n\r\n").as_bytes());
    body.extend_from_slice(file);
    body.extend_from_slice(format!("\r\n--{LINE}--\r\n").as_bytes());
    body
}

#[tokio::test]
async fn the_services_of_one_unit_are_carried_to_another() {
    let (one, other) = (Unit::start().await, Unit::start().await);
    one.add("shop", 80).await;
    one.add("blog", 81).await;
    one.delete("/api/v1/vs/1").await;
    let file = one.post("/api/v1/backup", &json!({"password": "staple battery"})).await;
    assert_eq!(file.status, StatusCode::OK);

    other.add("old", 90).await;
    let kind = format!("multipart/form-data; boundary={LINE}");
    let send = async |query: &str, password: &str, file: &[u8]| {
        other.send(Method::POST, &format!("/api/v1/restore{query}"), &kind, form(password, file)).await
    };
    let wrong = send("", "staple batterz", &file.body).await;
    assert_eq!(wrong.json()["type"], "backup-password");
    let would = send("?parts=services&validate=only", "staple battery", &file.body).await;
    assert_eq!(would.json()["lines"].as_array().map(Vec::len), Some(2), "{}", would.json());
    assert_eq!(names(&other.services().await), [(1, "old")]);
    let made = send("?parts=services", "staple battery", &file.body).await;
    assert_eq!(made.status, StatusCode::OK, "{}", made.json());
    assert_eq!(other.services().await, one.services().await);
    other.add("next", 91).await;
    assert_eq!(names(&other.services().await), [(2, "blog"), (3, "next")], "an id is never given twice");
    let history = other.get("/api/v1/history").await.json();
    assert!(history[1]["reason"].as_str().unwrap().starts_with("from the backup of lb1, generation 4"));
    // What the backup replaced comes back, beside what was added since.
    other.back("3/undo", "the wrong unit").await;
    assert_eq!(names(&other.services().await), [(1, "old"), (3, "next")]);
}
