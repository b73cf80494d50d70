//! A browser and a program, as far as the tests need them.

use crate::fake::Fake;
use argon2::password_hash::{PasswordHasher, SaltString};
use axum::Router;
use axum::body::Body;
use axum::http::header::{AUTHORIZATION, CONTENT_TYPE, COOKIE, HOST, LOCATION, ORIGIN, SET_COOKIE};
use axum::http::{HeaderMap, Method, Request, StatusCode};
use base64::Engine;
use evener_api::Service;
use evener_config::VirtualService;
use evener_web::{App, Clock, Source};
use http_body_util::BodyExt;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::task::JoinHandle;
use tower::ServiceExt;

pub(crate) const PASSWORD: &str = "correct horse";

/// A unit with fake services, and the router in front of it.
pub(crate) struct Unit {
    pub(crate) fake: Arc<Fake>,
    pub(crate) router: Router,
    hand: Arc<AtomicU64>,
    tasks: Vec<(Service, JoinHandle<()>)>,
    run: tempfile::TempDir,
}

/// Everything over `app`, for clients that need not say which unit they mean.
pub(crate) fn router(app: App) -> Router {
    evener_web::app(app).layer(axum::middleware::map_request(with_host))
}

/// Names the unit as every client of HTTP/1.1 does, where a test has not.
async fn with_host(mut request: axum::extract::Request) -> axum::extract::Request {
    request.headers_mut().entry(HOST).or_insert(axum::http::HeaderValue::from_static("lb.example:8441"));
    request
}

/// An answer, read to its end.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) text: String,
}

impl Unit {
    /// One that answers, with the first password still in place or not.
    pub(crate) async fn new(must_change_password: bool, services: serde_json::Value) -> Self {
        let services: Vec<VirtualService> = serde_json::from_value(services).unwrap();
        let run = tempfile::tempdir().unwrap();
        let fake = Fake::new(&phc(), must_change_password, services);
        let tasks = fake.start(run.path());
        let (clock, hand) = Clock::by_hand();
        hand.store(1_700_000_000_000, Ordering::Relaxed);
        let app = App::new(run.path(), "00c0ffee", clock).unwrap();
        let router = router(app);
        let unit = Self { fake, router, hand, tasks, run };
        unit.wait_until_ready().await;
        unit
    }

    /// With one service of two servers.
    pub(crate) async fn with_shop() -> Self {
        Self::new(false, shop()).await
    }

    async fn wait_until_ready(&self) {
        let wait = async {
            while self.get("/login", &Browser::default()).await.status != StatusCode::OK {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(std::time::Duration::from_secs(5), wait).await.unwrap();
    }

    /// The directory of the services' sockets.
    pub(crate) fn run(&self) -> &std::path::Path {
        self.run.path()
    }

    /// Moves the unit's clock.
    pub(crate) fn pass(&self, ms: u64) {
        self.hand.fetch_add(ms, Ordering::Relaxed);
    }

    /// Ends a service, as if it had crashed.
    pub(crate) fn kill(&mut self, service: Service) {
        for (_, task) in self.tasks.iter().filter(|(one, _)| *one == service) {
            task.abort();
        }
        std::fs::remove_file(self.run.path().join(service.socket_name())).unwrap();
    }

    pub(crate) async fn send(&self, request: Request<Body>) -> Answer {
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let bytes = body.collect().await.unwrap().to_bytes();
        let text = String::from_utf8(bytes.to_vec()).unwrap();
        Answer { status: parts.status, headers: parts.headers, text }
    }

    pub(crate) async fn get(&self, path: &str, browser: &Browser) -> Answer {
        self.send(browser.request(Method::GET, path).body(Body::empty()).unwrap()).await
    }

    /// Sends a form as the page at `from` would: with its token.
    pub(crate) async fn post(&self, path: &str, fields: &[(&str, &str)], browser: &Browser) -> Answer {
        let mut body = form(fields);
        if let Some(csrf) = &browser.csrf {
            body.push_str(&format!("&csrf={csrf}"));
        }
        let request = browser
            .request(Method::POST, path)
            .header(ORIGIN, "https://lb.example:8441")
            .header(CONTENT_TYPE, "application/x-www-form-urlencoded");
        self.send(request.body(Body::from(body)).unwrap()).await
    }

    /// Sends bytes as a page's script does: with its token in a header.
    pub(crate) async fn script(&self, path: &str, bytes: &[u8], browser: &Browser) -> Answer {
        let request = browser
            .request(Method::POST, path)
            .header(ORIGIN, "https://lb.example:8441")
            .header("x-evener-csrf", browser.csrf.as_deref().unwrap_or_default());
        self.send(request.body(Body::from(bytes.to_vec())).unwrap()).await
    }

    /// Logs in; the browser has the cookie and the token of its forms afterwards.
    pub(crate) async fn log_in(&self) -> Browser {
        let mut browser = Browser::default();
        let answer = self.post("/login", &[("user", "bal"), ("password", PASSWORD)], &browser).await;
        assert_eq!(answer.status, StatusCode::SEE_OTHER, "{}", answer.text);
        browser.take_cookie(&answer);
        let page = self.get("/password", &browser).await;
        browser.csrf = Some(page.between("name=\"csrf\" value=\"", "\"").to_owned());
        browser
    }

    /// One request of a program.
    pub(crate) async fn api(&self, method: Method, path: &str, body: Option<serde_json::Value>) -> Answer {
        self.api_as(&basic("bal", PASSWORD), method, path, body).await
    }

    pub(crate) async fn api_as(
        &self,
        authorization: &str,
        method: Method,
        path: &str,
        body: Option<serde_json::Value>,
    ) -> Answer {
        let mut request = Request::builder().method(method).uri(path).header(AUTHORIZATION, authorization);
        let body = match body {
            Some(json) => {
                request = request.header(CONTENT_TYPE, "application/json");
                Body::from(json.to_string())
            }
            None => Body::empty(),
        };
        self.send(request.body(body).unwrap()).await
    }
}

/// Who asks.
#[derive(Clone, Debug)]
pub(crate) struct Browser {
    pub(crate) cookie: Option<String>,
    pub(crate) csrf: Option<String>,
    pub(crate) source: IpAddr,
}

impl Default for Browser {
    fn default() -> Self {
        Self { cookie: None, csrf: None, source: IpAddr::from([198, 51, 100, 7]) }
    }
}

impl Browser {
    pub(crate) fn from(source: [u8; 4]) -> Self {
        Self { source: source.into(), ..Self::default() }
    }

    pub(crate) fn request(&self, method: Method, path: &str) -> axum::http::request::Builder {
        let mut request = Request::builder().method(method).uri(path).header(HOST, "lb.example:8441");
        if let Some(cookie) = &self.cookie {
            request = request.header(COOKIE, cookie);
        }
        request.extension(Source(self.source))
    }

    pub(crate) fn take_cookie(&mut self, answer: &Answer) {
        let text = answer.header(SET_COOKIE.as_str());
        self.cookie = Some(text.split(';').next().unwrap().to_owned());
    }
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    pub(crate) fn location(&self) -> &str {
        self.header(LOCATION.as_str())
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {}", self.text))
    }

    /// What stands between two texts.
    pub(crate) fn between(&self, before: &str, after: &str) -> &str {
        let start = self.text.split_once(before).unwrap_or_else(|| panic!("no {before} in {}", self.text)).1;
        start.split_once(after).unwrap().0
    }

    pub(crate) fn has(&self, text: &str) -> bool {
        self.text.contains(text)
    }
}

pub(crate) fn basic(user: &str, password: &str) -> String {
    let encoded = base64::engine::general_purpose::STANDARD.encode(format!("{user}:{password}"));
    format!("Basic {encoded}")
}

pub(crate) fn shop() -> serde_json::Value {
    serde_json::json!([{"id": 1, "name": "shop", "address": {"literal": "192.0.2.10"}, "port": 80,
        "real_servers": [{"id": 2, "address": "10.0.0.5", "port": 8080},
        {"id": 3, "address": "10.0.0.6", "port": 8080}]}])
}

/// Every input of the form of a service, as a browser sends it.
pub(crate) fn service_fields<'a>(changes: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
    let mut fields = vec![
        ("name", "blog"),
        ("address.kind", "literal"),
        ("address.literal", "192.0.2.20"),
        ("address.own", ""),
        ("port", "80"),
        ("protocol", "tcp"),
        ("scheduler", "round_robin"),
        ("enabled", "on"),
        ("check.kind", "http"),
        ("check.http.method", "HEAD"),
        ("check.http.path", "/"),
        ("check.http.host", ""),
        ("check.http.extra_good_statuses", ""),
        ("check.interval_s", "9"),
        ("check.timeout_s", "4"),
        ("check.retries", "2"),
        ("check.port", ""),
        ("forwarded_for", "x_forwarded_for"),
        ("timeouts.request_head_s", "10"),
        ("timeouts.connect_s", "4"),
        ("timeouts.response_head_s", "60"),
        ("timeouts.idle_s", "660"),
        ("timeouts.keep_alive_s", "60"),
        ("limits.connections", "20000"),
        ("limits.request_head_bytes", "32768"),
        ("limits.request_headers", "128"),
    ];
    for (name, value) in changes {
        match fields.iter_mut().find(|(one, _)| one == name) {
            Some(field) => field.1 = value,
            None => fields.push((name, value)),
        }
    }
    fields
}

fn form(fields: &[(&str, &str)]) -> String {
    let encode = |text: &str| -> String { text.bytes().map(|byte| format!("%{byte:02x}")).collect() };
    let pairs: Vec<String> =
        fields.iter().map(|(name, value)| format!("{}={}", encode(name), encode(value))).collect();
    pairs.join("&")
}

/// Hash of [`PASSWORD`], with the least cost.
fn phc() -> String {
    let salt = SaltString::encode_b64(b"salt for a test!").unwrap();
    let params = argon2::Params::new(8, 1, 1, None).unwrap();
    let argon2 = argon2::Argon2::new(argon2::Algorithm::Argon2id, argon2::Version::V0x13, params);
    argon2.hash_password(PASSWORD.as_bytes(), &salt).unwrap().to_string()
}
