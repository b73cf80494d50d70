//! One life of a service: its process, its lifeline, its output.

use crate::log::{LONGEST_LINE, Log};
use crate::rights;
use evener_api::Service;
use evener_api::lifeline::{ENVIRONMENT, ListenerKey, ToInit};
use evener_ipc::InitEnd;
use evener_observe::Dirs;
use evener_sys::process::{Spawn, set_out_of_memory_rank};
use std::ffi::OsString;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::PathBuf;
use std::sync::Arc;
use tokio::io::AsyncReadExt;
use tokio::net::unix::pipe;
use tokio::sync::mpsc;

/// How services are started.
#[derive(Debug)]
pub(crate) struct Launch {
    /// The binary that all services are.
    pub(crate) program: PathBuf,
    /// Passed on to each.
    pub(crate) dirs: Dirs,
    /// Whether each gets its own uid and only its own rights; outside the appliance it stays what we are.
    pub(crate) confine: bool,
}

/// What was heard on a lifeline.
#[derive(Debug)]
pub(crate) struct Word {
    pub(crate) service: Service,
    /// The life it comes from; a word may arrive after its process has ended.
    pub(crate) life: u64,
    pub(crate) what: ToInit,
    /// The listener that comes with [`ToInit::Keep`].
    pub(crate) descriptor: Option<OwnedFd>,
}

/// A service that has a process.
#[derive(Debug)]
pub(crate) struct Life {
    pub(crate) pid: u32,
    /// Differs from that of every other life.
    pub(crate) number: u64,
    lifeline: Arc<InitEnd>,
}

impl Life {
    /// Starts the process, hands it the listeners of its former life, and passes on what it says and writes.
    ///
    /// # Errors
    /// When it cannot be started.
    pub(crate) fn start(
        launch: &Launch,
        service: Service,
        number: u64,
        kept: Vec<(ListenerKey, OwnedFd)>,
        words: mpsc::Sender<Word>,
        log: &Log,
    ) -> io::Result<Self> {
        let (ours, theirs) = InitEnd::new()?;
        let (reader, writer) = io::pipe()?;
        let mut arguments: Vec<OsString> = vec![service.name().into(), "--run-dir".into()];
        arguments.extend([
            launch.dirs.run.clone().into(),
            "--data-dir".into(),
            launch.dirs.data.clone().into(),
        ]);
        let pid = Spawn {
            program: launch.program.clone(),
            arguments,
            environment: rights::environment(service),
            lifeline_name: ENVIRONMENT,
            lifeline: theirs,
            output: writer.into(),
            identity: launch.confine.then(|| rights::identity(service)),
            open_files: rights::open_files(service),
        }
        .start()?;
        if launch.confine
            && let Err(error) = set_out_of_memory_rank(pid, rights::out_of_memory_rank(service))
        {
            tracing::warn!(%service, %error, "it has no rank for when memory runs out");
        }
        let lifeline = Arc::new(ours);
        tokio::spawn(hear(Arc::clone(&lifeline), service, number, kept, words));
        tokio::spawn(pass_on(pipe::Receiver::from_owned_fd(reader.into())?, service, log.clone()));
        Ok(Self { pid, number, lifeline })
    }

    /// Asks it to finish.
    pub(crate) fn ask_to_stop(&self) {
        let lifeline = Arc::clone(&self.lifeline);
        // One that is gone, or does not read, is dealt with by its deadline.
        tokio::spawn(async move { lifeline.stop().await.is_ok() });
    }
}

async fn hear(
    lifeline: Arc<InitEnd>,
    service: Service,
    life: u64,
    kept: Vec<(ListenerKey, OwnedFd)>,
    words: mpsc::Sender<Word>,
) {
    for (key, listener) in kept {
        if lifeline.give(key, listener.as_fd()).await.is_err() {
            return;
        }
    }
    if lifeline.go().await.is_err() {
        return;
    }
    // What is no word of our language is silence, and silence has its consequence.
    while let Ok((what, descriptor)) = lifeline.hear().await {
        if words.send(Word { service, life, what, descriptor }).await.is_err() {
            return;
        }
    }
}

async fn pass_on(mut output: pipe::Receiver, service: Service, log: Log) {
    let mut line = Vec::new();
    let mut buffer = [0; 4096];
    while let Ok(count @ 1..) = output.read(&mut buffer).await {
        for piece in buffer[..count].split_inclusive(|byte| *byte == b'\n') {
            let text = piece.strip_suffix(b"\n").unwrap_or(piece);
            line.extend(text.iter().take(LONGEST_LINE.saturating_sub(line.len())));
            if piece.ends_with(b"\n") {
                log.line_of(service, &String::from_utf8_lossy(&line));
                line.clear();
            }
        }
    }
    if !line.is_empty() {
        log.line_of(service, &String::from_utf8_lossy(&line));
    }
}
