//! Runs host programs: output to a log, environment stripped to what makes builds repeatable.

use std::ffi::OsString;
use std::fs::{self, File};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use crate::error::{RecipeError, file};
use crate::shop::Shop;

/// How often a running program is reported on.
const TICK: Duration = Duration::from_secs(15);
/// How many bytes of the log are shown when a program fails.
const TAIL_BYTES: usize = 2500;

/// What of the builder's own environment a program gets. All else could leak into what it builds:
/// a locale into sort orders, `MAKEFLAGS` or `RUSTFLAGS` into the very code.
const INHERITED: [&str; 8] =
    ["PATH", "HOME", "TMPDIR", "CARGO_HOME", "CARGO_BUILD_JOBS", "RUSTUP_HOME", "RUSTUP_TOOLCHAIN", "USER"];
/// Also inherited: what points cargo at a mirror or a proxy.
const INHERITED_PREFIXES: [&str; 5] =
    ["CARGO_HTTP_", "CARGO_NET_", "CARGO_REGISTRIES_", "CARGO_SOURCE_", "SSL_CERT_"];
const INHERITED_PROXIES: [&str; 6] =
    ["http_proxy", "https_proxy", "no_proxy", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY"];

/// A program about to run.
#[derive(Debug)]
pub(crate) struct Tool {
    command: Command,
    program: String,
    package: &'static str,
}

impl Tool {
    /// `program`, which Debian has in `package`.
    pub(crate) fn new(program: &str, package: &'static str) -> Self {
        #[expect(clippy::disallowed_methods, reason = "the builder runs on a host, not on the appliance")]
        let mut command = Command::new(program);
        command.env_clear();
        for (name, value) in std::env::vars_os() {
            let keep = name.to_str().is_some_and(|name| {
                INHERITED.contains(&name)
                    || INHERITED_PROXIES.contains(&name)
                    || INHERITED_PREFIXES.iter().any(|prefix| name.starts_with(prefix))
            });
            if keep {
                command.env(name, value);
            }
        }
        // Debian keeps mke2fs and veritysetup out of an ordinary user's PATH.
        let mut path = std::env::var_os("PATH").unwrap_or_default();
        path.push(OsString::from(":/usr/sbin:/sbin"));
        command.env("PATH", path).env("LC_ALL", "C").env("TZ", "UTC").stdin(Stdio::null());
        Self { command, program: program.to_owned(), package }
    }

    pub(crate) fn arg(mut self, argument: impl Into<OsString>) -> Self {
        self.command.arg(argument.into());
        self
    }

    pub(crate) fn args<A: Into<OsString>>(mut self, arguments: impl IntoIterator<Item = A>) -> Self {
        self.command.args(arguments.into_iter().map(Into::into));
        self
    }

    pub(crate) fn env(mut self, name: &str, value: impl Into<OsString>) -> Self {
        self.command.env(name, value.into());
        self
    }

    pub(crate) fn within(mut self, folder: &Path) -> Self {
        self.command.current_dir(folder);
        self
    }

    pub(crate) fn stdin(mut self, path: &Path) -> Result<Self, RecipeError> {
        self.command.stdin(file("reading", path, File::open(path))?);
        Ok(self)
    }

    /// Runs it to the end and returns what it printed; for programs that answer at once.
    ///
    /// # Errors
    /// [`RecipeError::Missing`], [`RecipeError::Failed`].
    pub(crate) fn output(mut self) -> Result<Vec<u8>, RecipeError> {
        let output = self.command.output().map_err(|source| RecipeError::Missing {
            program: self.program.clone(),
            package: self.package,
            source,
        })?;
        if output.status.success() {
            return Ok([output.stdout, output.stderr].concat());
        }
        Err(RecipeError::Failed {
            program: self.program,
            status: output.status.to_string(),
            log: "(none)".into(),
            tail: String::from_utf8_lossy(&output.stderr).into_owned(),
        })
    }

    /// Runs it to the end, its output appended to `log`, and reports every few seconds that it is
    /// still running, as `step`.
    ///
    /// # Errors
    /// [`RecipeError::Missing`], [`RecipeError::Failed`], [`RecipeError::File`] for the log.
    pub(crate) fn run(mut self, shop: &Shop<'_>, step: &str, log: &Path) -> Result<(), RecipeError> {
        let out = file("opening", log, File::options().append(true).create(true).open(log))?;
        let err = file("opening", log, out.try_clone())?;
        let started = Instant::now();
        let child = self.command.stdout(out).stderr(err).spawn().map_err(|source| RecipeError::Missing {
            program: self.program.clone(),
            package: self.package,
            source,
        })?;
        let status = wait(child, || shop.reporter.still(step, started.elapsed(), log)).map_err(|source| {
            RecipeError::File { verb: "waiting for", path: self.program.clone().into(), source }
        })?;
        if status.success() {
            return Ok(());
        }
        Err(RecipeError::Failed {
            program: self.program,
            status: status.to_string(),
            log: log.to_owned(),
            tail: tail(log),
        })
    }
}

/// Waits for the child on a thread of its own, so that this one can tick.
fn wait(mut child: Child, tick: impl Fn()) -> std::io::Result<ExitStatus> {
    let (done, finished) = mpsc::channel();
    std::thread::scope(|scope| {
        scope.spawn(move || done.send(child.wait()));
        loop {
            match finished.recv_timeout(TICK) {
                Ok(status) => return status,
                Err(mpsc::RecvTimeoutError::Timeout) => tick(),
                Err(mpsc::RecvTimeoutError::Disconnected) => {
                    return Err(std::io::Error::other("the waiting thread died"));
                }
            }
        }
    })
}

fn tail(log: &Path) -> String {
    let bytes = fs::read(log).unwrap_or_default();
    let start = bytes.len().saturating_sub(TAIL_BYTES);
    String::from_utf8_lossy(bytes.get(start..).unwrap_or_default()).into_owned()
}
