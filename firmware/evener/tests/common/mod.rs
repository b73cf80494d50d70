//! A whole unit as ordinary processes, in directories of its own.

#![allow(dead_code, reason = "each test file uses its part")]

use evener_api::Service;
use evener_api::init::{Reply, Request, ServiceHealth, UnitStatus};
use rustix::process::{Pid, Signal, kill_process};
use std::fs::{self, File};
use std::future::Future;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::process::{Child, Command};

/// Longest time that anything here may take.
pub const PATIENCE: Duration = Duration::from_secs(30);

pub fn evener() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_evener"));
    command.kill_on_drop(true);
    command
}

/// Waits until `attempt` gives something.
pub async fn eventually<T, F: Future<Output = Option<T>>>(what: &str, mut attempt: impl FnMut() -> F) -> T {
    let tries = async {
        let mut again = tokio::time::interval(Duration::from_millis(10));
        loop {
            again.tick().await;
            if let Some(value) = attempt().await {
                return value;
            }
        }
    };
    tokio::time::timeout(PATIENCE, tries).await.unwrap_or_else(|_| panic!("not within {PATIENCE:?}: {what}"))
}

/// A port that was free a moment ago.
pub async fn free_port() -> u16 {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap().local_addr().unwrap().port()
}

pub fn send_signal(pid: u32, signal: Signal) {
    kill_process(Pid::from_raw(i32::try_from(pid).unwrap()).unwrap(), signal).unwrap();
}

/// A real server that answers every request with 200.
pub async fn real_server() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            tokio::spawn(async move {
                let mut head = Vec::new();
                let mut piece = [0; 1024];
                while !head.ends_with(b"\r\n\r\n") {
                    match stream.read(&mut piece).await {
                        Ok(count @ 1..) => head.extend_from_slice(&piece[..count]),
                        _ => return,
                    }
                }
                let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello";
                let _ = stream.write_all(answer).await;
            });
        }
    });
    port
}

/// One request on a connection of its own: the answer's first line.
pub async fn finish_request(mut stream: TcpStream) -> std::io::Result<String> {
    stream.write_all(b"GET / HTTP/1.1\r\nHost: shop\r\nConnection: close\r\n\r\n").await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    Ok(answer.lines().next().unwrap_or_default().to_owned())
}

pub struct Unit {
    init: Child,
    folder: tempfile::TempDir,
    /// Port of its one virtual service on 127.0.0.1.
    pub port: u16,
}

impl Unit {
    /// Starts a unit with one virtual service in front of one real server.
    pub async fn start() -> Self {
        Self::start_with(|_| {}).await
    }

    /// As [`start`](Self::start), with something more in the run directory.
    pub async fn start_with(prepare: impl FnOnce(&Path)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (run, data) = (folder.path().join("run"), folder.path().join("data"));
        fs::create_dir(&run).unwrap();
        let (port, web_port, server) = (free_port().await, free_port().await, real_server().await);
        let first = format!(
            "password = \"correct horse battery\"\nweb_port = {web_port}\n\
             [[virtual_services]]\nname = \"shop\"\nport = {port}\naddress = {{ literal = \"127.0.0.1\" }}\n\
             real_servers = [ {{ address = \"127.0.0.1\", port = {server} }} ]\n"
        );
        fs::write(run.join("evener.toml"), first).unwrap();
        prepare(&run);
        let log = File::create(folder.path().join("log")).unwrap();
        let init = evener()
            .arg("init")
            .args([Path::new("--run-dir"), &run, Path::new("--data-dir"), &data])
            .stderr(log)
            .spawn()
            .unwrap();
        let unit = Self { init, folder, port };
        eventually("every service is ready", async || unit.log().contains("evener: ready in").then_some(()))
            .await;
        eventually("the service answers", async || {
            (unit.request().await? == "HTTP/1.1 200 OK").then_some(())
        })
        .await;
        unit
    }

    /// What is in the unit's folder under this name: run, data, log.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn run(&self) -> PathBuf {
        self.folder.path().join("run")
    }

    pub fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("log")).unwrap()
    }

    pub async fn status(&self) -> UnitStatus {
        match evener_ipc::call(&self.folder.path().join("run"), Service::Init, &Request::Get).await.unwrap() {
            Reply::Status(status) => *status,
            other => panic!("{other:?}"),
        }
    }

    pub async fn service(&self, service: Service) -> ServiceHealth {
        self.status().await.services.into_iter().find(|health| health.service == service).unwrap()
    }

    pub async fn pid(&self, service: Service) -> u32 {
        self.service(service).await.pid.unwrap()
    }

    /// One whole request, `None` when it failed.
    pub async fn request(&self) -> Option<String> {
        finish_request(self.connect().await.ok()?).await.ok()
    }

    pub async fn connect(&self) -> std::io::Result<TcpStream> {
        TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).await
    }

    /// Asks init to stop, and waits for its end.
    pub async fn stop(&mut self) -> ExitStatus {
        send_signal(self.init.id().unwrap(), Signal::TERM);
        tokio::time::timeout(PATIENCE, self.init.wait()).await.expect("it stops").unwrap()
    }
}
