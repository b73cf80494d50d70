//! Serves the pages of a unit that is not there, to design them without booting one.
//!
//! `cargo run -p evener-web --example preview`, then open the address it prints; log in as `bal` with
//! `preview-password`. States and counters move by themselves.

#![allow(
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a tool for the host, which may stop with words"
)]

#[path = "../tests/web/fake.rs"]
#[allow(dead_code, reason = "the tests need more of it")]
mod fake;

use argon2::password_hash::{PasswordHasher, SaltString};
use evener_api::checks::HealthState;
use evener_config::VirtualService;
use evener_observe::Dirs;
use std::time::{Duration, SystemTime};

fn main() -> anyhow::Result<()> {
    let directory = tempfile::tempdir()?;
    let (run, data) = (directory.path().join("run"), directory.path().join("data"));
    std::fs::create_dir_all(&run)?;
    std::fs::create_dir_all(&data)?;
    let first = std::env::args().any(|argument| argument == "--first");
    let port = std::net::TcpListener::bind("[::]:0")?.local_addr()?.port();
    let salt = SaltString::encode_b64(b"preview salt 16b").unwrap();
    let phc = argon2::Argon2::default().hash_password(b"preview-password", &salt).unwrap().to_string();

    let (fakes, there) = (run.clone(), std::sync::mpsc::channel());
    std::thread::spawn(move || {
        tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
            let fake = fake::Fake::new(&phc, first, services());
            fake.config
                .send_modify(|snapshot| std::sync::Arc::make_mut(snapshot).config.unit.web_port = port);
            let _tasks = fake.start(&fakes);
            *fake.update.mood.lock().unwrap() = fake::update::Mood::Slow;
            fake.update.say(|status| status.restore = Some(fake::update::previous()));
            there.0.send(()).unwrap();
            move_on(&fake).await;
        });
    });
    there.1.recv()?;
    println!("https://localhost:{port}/  (user bal, password preview-password)");
    evener_web::run(Dirs { run, data })
}

async fn move_on(fake: &fake::Fake) {
    use HealthState::{Down, Unknown, Up};
    let mut requests = 1_284_337;
    let mut every = tokio::time::interval(Duration::from_secs(1));
    loop {
        every.tick().await;
        requests += 37;
        let now_s = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs();
        let states = [
            (Up, "HTTP 200"),
            (Up, "HTTP 200"),
            (Up, "HTTP 204"),
            (Down, "no connection: refused"),
            (Up, "connected"),
            (Down, "HTTP 503"),
            (Unknown, ""),
        ];
        fake.set_health(&states, now_s);
        fake.set_traffic(requests);
        // Firmware is taken as slowly as from a real disk, so that the progress can be seen.
        fake.update.through.add_permits(12);
    }
}

fn services() -> Vec<VirtualService> {
    let json = serde_json::json!([
        {"id": 1, "name": "shop", "address": {"literal": "192.0.2.10"}, "port": 80, "real_servers": [
            {"id": 2, "address": "10.0.0.5", "port": 8080}, {"id": 3, "address": "10.0.0.6", "port": 8080}]},
        {"id": 4, "name": "intranet", "address": {"own": "eth0"}, "port": 8080,
            "scheduler": "weighted_round_robin", "real_servers": [
            {"id": 5, "address": "10.0.1.20", "port": 80, "weight": 3000},
            {"id": 6, "address": "10.0.1.21", "port": 80}]},
        {"id": 7, "name": "api", "address": {"literal": "2001:db8::10"}, "port": 443, "check": {"kind": "tcp"},
            "real_servers": [{"id": 8, "address": "2001:db8:1::5", "port": 8443},
            {"id": 9, "address": "10.0.2.5", "port": 8443, "enabled": false}]},
        {"id": 10, "name": "", "address": {"literal": "192.0.2.11"}, "port": 8000, "real_servers": [
            {"id": 11, "address": "10.0.3.5", "port": 9000}]},
        {"id": 12, "name": "old-shop", "address": {"literal": "192.0.2.12"}, "port": 80, "enabled": false,
            "real_servers": [{"id": 13, "address": "10.0.0.4", "port": 80}]},
    ]);
    serde_json::from_value(json).unwrap()
}
