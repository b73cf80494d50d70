//! Runs the steps of a task: output to a log, progress to the terminal.

use std::fs::{self, File};
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

/// How often a running step is reported on.
const TICK: Duration = Duration::from_secs(20);
/// How much of a failed step's log is shown, in bytes.
const TAIL: usize = 6000;

/// Tells what is going on, and keeps the logs.
#[derive(Debug)]
pub(crate) struct Journal {
    started: Instant,
    folder: PathBuf,
}

/// A step that came to its end.
#[derive(Debug)]
pub(crate) struct Ended {
    /// What it returned.
    pub(crate) status: ExitStatus,
    /// All that it printed.
    pub(crate) log: PathBuf,
    /// Its name.
    pub(crate) name: String,
}

impl Journal {
    /// A journal whose logs go to `folder`.
    pub(crate) fn new(folder: PathBuf) -> Result<Self> {
        fs::create_dir_all(&folder).with_context(|| format!("making {}", folder.display()))?;
        Ok(Self { started: Instant::now(), folder })
    }

    /// Time since the task began.
    pub(crate) fn elapsed(&self) -> Duration {
        self.started.elapsed()
    }

    /// One line for the person at the terminal.
    pub(crate) fn say(&self, text: &str) {
        println!("[{:>4} s] {text}", self.started.elapsed().as_secs());
    }

    /// Runs a program to its end, whatever that is.
    ///
    /// Its standard input is empty: no task waits for somebody who is not there.
    pub(crate) fn attempt(&self, name: &str, command: &mut Command) -> Result<Ended> {
        let log = self.folder.join(format!("{}.log", name.replace(' ', "-")));
        let file = File::create(&log).with_context(|| format!("writing {}", log.display()))?;
        self.say(&format!("{name} (log: {})", shorten(&log)));
        command.stdin(Stdio::null()).stdout(file.try_clone()?).stderr(file);
        let started = Instant::now();
        let mut child = command.spawn().with_context(|| format!("starting {:?}", command.get_program()))?;
        let (tell, told) = mpsc::channel();
        std::thread::spawn(move || tell.send(child.wait()));
        let status = loop {
            match told.recv_timeout(TICK) {
                Ok(status) => break status.with_context(|| format!("waiting for {name}"))?,
                Err(mpsc::RecvTimeoutError::Timeout) => {
                    let seconds = started.elapsed().as_secs();
                    self.say(&format!("  … {name}: {seconds} s so far{}", last_line(&log)));
                }
                Err(mpsc::RecvTimeoutError::Disconnected) => bail!("lost track of {name}"),
            }
        };
        Ok(Ended { status, log, name: name.to_owned() })
    }

    /// Runs a program that must succeed.
    pub(crate) fn step(&self, name: &str, command: &mut Command) -> Result<Ended> {
        let ended = self.attempt(name, command)?;
        if !ended.status.success() {
            bail!("{name} failed ({}); the end of {}:\n{}", ended.status, ended.log.display(), ended.tail()?);
        }
        Ok(ended)
    }
}

impl Ended {
    /// The log as text.
    pub(crate) fn text(&self) -> Result<String> {
        let bytes = fs::read(&self.log).with_context(|| format!("reading {}", self.log.display()))?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }

    /// The end of the log.
    pub(crate) fn tail(&self) -> Result<String> {
        let text = self.text()?;
        let from = text.len().saturating_sub(TAIL);
        let from = (from..=text.len()).find(|at| text.is_char_boundary(*at)).unwrap_or(0);
        Ok(text[from..].to_owned())
    }
}

/// What a step printed last, for whoever wonders what it is at.
fn last_line(log: &Path) -> String {
    let mut end = String::new();
    let read = File::open(log).and_then(|mut file| {
        file.seek(SeekFrom::Start(file.metadata()?.len().saturating_sub(400)))?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)?;
        end = String::from_utf8_lossy(&bytes).into_owned();
        Ok(())
    });
    match (read, end.lines().rev().find(|line| !line.trim().is_empty())) {
        (Ok(()), Some(line)) => format!("; {}", line.trim().chars().take(90).collect::<String>()),
        _ => String::new(),
    }
}

/// The path as seen from the current directory, if it lies below.
fn shorten(path: &Path) -> String {
    let here = std::env::current_dir().unwrap_or_default();
    path.strip_prefix(here).unwrap_or(path).display().to_string()
}
