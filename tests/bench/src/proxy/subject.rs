//! The proxies that are compared, each on processor 0 with one worker, keep-alive on both sides, and
//! `X-Forwarded-For`; none writes a log of requests.

use anyhow::{Context, Result, ensure};
use evener_api::Service;
use evener_api::control::{Request, Snapshot};
use evener_config::{Config, VirtualService};
use evener_ipc::{Listener, publish};
use std::fs;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::watch;

/// How long a proxy may take to serve.
const PATIENCE: Duration = Duration::from_secs(20);

/// A running proxy; ends when dropped.
#[derive(Debug)]
pub(super) struct Subject {
    pub(super) name: &'static str,
    pub(super) address: SocketAddr,
    process: Child,
}

impl Drop for Subject {
    fn drop(&mut self) {
        // Gone already is just as well.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Subject {
    /// The shipped binary's proxy, with stand-ins for control and checks.
    pub(super) fn evener(directory: &Path, origin: SocketAddr) -> Result<Self> {
        let binary = build_evener()?;
        let (run, data) = (directory.join("run"), directory.join("data"));
        fs::create_dir_all(&run)?;
        fs::create_dir_all(&data)?;
        let address = free_address()?;
        stand_in(run.clone(), address, origin)?;
        let mut command = pinned(&binary);
        command.arg("proxy").arg("--run-dir").arg(&run).arg("--data-dir").arg(&data);
        Self::start("evener", command, address)
    }

    pub(super) fn haproxy(directory: &Path, origin: SocketAddr) -> Result<Self> {
        let address = free_address()?;
        let configuration = format!(
            "global\n  nbthread 1\n  maxconn 4000\n\
             defaults\n  mode http\n  timeout client 60s\n  timeout server 60s\n  timeout connect 4s\n  option forwardfor\n  http-reuse always\n\
             listen bench\n  bind {address}\n  server origin {origin} pool-max-conn 512\n"
        );
        fs::create_dir_all(directory)?;
        let file = directory.join("haproxy.cfg");
        fs::write(&file, configuration)?;
        let mut command = pinned(Path::new("/usr/sbin/haproxy"));
        command.arg("-db").arg("-f").arg(&file);
        Self::start("haproxy", command, address)
    }

    pub(super) fn nginx(directory: &Path, origin: SocketAddr) -> Result<Self> {
        let address = free_address()?;
        let root = directory.display();
        let configuration = format!(
            "daemon off; master_process off; worker_processes 1; pid {root}/pid; error_log {root}/error.log;\n\
             events {{ worker_connections 4096; }}\n\
             http {{ access_log off; keepalive_requests 1000000000;\n\
             client_body_temp_path {root}/a; proxy_temp_path {root}/b; fastcgi_temp_path {root}/c; uwsgi_temp_path {root}/d; scgi_temp_path {root}/e;\n\
             upstream origin {{ server {origin}; keepalive 256; keepalive_requests 1000000000; }}\n\
             server {{ listen {address}; location / {{ proxy_pass http://origin; proxy_http_version 1.1;\n\
             proxy_set_header Connection \"\"; proxy_set_header Host $http_host; proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for; }} }} }}\n"
        );
        fs::create_dir_all(directory)?;
        let file = directory.join("nginx.conf");
        fs::write(&file, configuration)?;
        let mut command = pinned(Path::new("/usr/sbin/nginx"));
        command.arg("-p").arg(directory).arg("-c").arg(&file);
        Self::start("nginx", command, address)
    }

    fn start(name: &'static str, mut command: Command, address: SocketAddr) -> Result<Self> {
        let process = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        let process = process.with_context(|| format!("starting {name}"))?;
        let mut subject = Self { name, address, process };
        let begun = Instant::now();
        while TcpStream::connect(address).is_err() {
            ensure!(subject.process.try_wait()?.is_none(), "{name} ended at once");
            ensure!(begun.elapsed() < PATIENCE, "{name} does not listen on {address}");
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(subject)
    }

    /// Microseconds of processor time a request, over one load.
    pub(super) fn cost_of(&self, load: impl FnOnce(SocketAddr) -> Result<u64>) -> Result<f64> {
        let before = self.processor_time()?;
        let requests = load(self.address).with_context(|| format!("loading {}", self.name))?;
        let spent = self.processor_time()?.saturating_sub(before);
        Ok(spent.as_secs_f64() * 1e6 / requests as f64)
    }

    /// What the kernel has charged to all threads of the process, in nanoseconds where it keeps them.
    fn processor_time(&self) -> Result<Duration> {
        let tasks = PathBuf::from(format!("/proc/{}/task", self.process.id()));
        let mut total = 0;
        for task in fs::read_dir(&tasks).with_context(|| format!("{} is gone", self.name))? {
            let text = fs::read_to_string(task?.path().join("schedstat"))?;
            total += text.split(' ').next().unwrap_or_default().parse::<u64>().context("schedstat")?;
        }
        Ok(Duration::from_nanos(total))
    }
}

/// `taskset` replaces itself by the program, so that the child's id is the program's.
fn pinned(program: &Path) -> Command {
    let mut command = Command::new("taskset");
    command.args(["-c", "0"]).arg(program);
    command
}

/// An address that was free a moment ago: HAProxy and nginx must be told one.
fn free_address() -> Result<SocketAddr> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?)
}

/// Builds the binary as it is shipped, and finds it. `EVENER_BINARY` names another one instead.
fn build_evener() -> Result<PathBuf> {
    if let Some(binary) = std::env::var_os("EVENER_BINARY") {
        return Ok(binary.into());
    }
    let output = Command::new(env!("CARGO"))
        .args(["build", "--release", "--package", "evener", "--target", "x86_64-unknown-linux-gnu"])
        .args(["--message-format", "json-render-diagnostics"])
        .env(
            "CARGO_ENCODED_RUSTFLAGS",
            "-Ctarget-feature=+crt-static\u{1f}--cfg=getrandom_backend=\"linux_getrandom\"",
        )
        .current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("../.."))
        .stderr(Stdio::inherit())
        .output()
        .context("starting cargo")?;
    ensure!(output.status.success(), "the evener binary does not build");
    let messages = String::from_utf8_lossy(&output.stdout);
    messages
        .lines()
        .filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok())
        .filter_map(|message| message["executable"].as_str().map(PathBuf::from))
        .find(|path| path.file_name().is_some_and(|name| name == "evener"))
        .context("cargo does not say where the evener binary is")
}

/// Control and checks as far as the proxy needs them: one service, one server, not probed.
fn stand_in(run: PathBuf, address: SocketAddr, origin: SocketAddr) -> Result<()> {
    let vs: VirtualService = serde_json::from_value(serde_json::json!({
        "id": 1, "address": { "literal": address.ip() }, "port": address.port(), "check": { "kind": "none" },
        "real_servers": [{ "id": 1, "address": origin.ip(), "port": origin.port() }],
    }))?;
    let mut config = Config::default();
    config.shared.virtual_services.push(vs);
    let (snapshot, snapshots) = watch::channel(Arc::new(Snapshot { generation: 1, config }));
    let (ready, bound) = std::sync::mpsc::channel();
    std::thread::spawn(move || -> Result<()> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(async move {
            let listener = Listener::bind(&run, Service::Control)?;
            ready.send(())?;
            while let Ok(mut connection) = listener.accept().await {
                let snapshots = snapshots.clone();
                tokio::spawn(async move {
                    if let Ok(Some(Request::Subscribe)) = connection.receive().await {
                        let _ = publish(&mut connection, snapshots).await;
                    }
                });
            }
            drop(snapshot);
            Ok(())
        })
    });
    bound.recv().context("the stand-in for control did not start")
}
