//! The menu on serial port, screen and SSH.
//!
//! ```text
//!  /dev/ttyS0 ── terminal (floods, knocks) ─┐
//!  /dev/tty1  ── terminal                   ├─ talk ── evener-menu   what is shown and asked
//!  port 22    ── ssh (log-in, one channel) ─┘    │
//!                                               unit ──► control, init, update, over their sockets
//! ```
//!
//! It has no shell and no way to one: what the menu cannot say, nobody can ask for. When this service is down traffic goes
//! on, and so do the pages. What it may ask of the others is decided by them, from its uid.

#![forbid(unsafe_code)]

mod connections;
mod gate;
mod handler;
mod host_key;
mod listen;
mod own;
mod setup;
mod ssh;
mod status;
mod talk;
mod terminal;
mod unit;

pub use host_key::HostKey;
pub use ssh::{PublicKeys, Ssh};
pub use terminal::{Terminal, attend, terminals};
pub use unit::Unit;

use anyhow::Context;
use evener_api::Service;
use evener_ipc::Lifeline;
use evener_observe::Dirs;
use std::sync::Arc;

/// Why this service cannot do its work.
#[derive(Debug, thiserror::Error)]
pub enum ConsoleError {
    /// The kernel gives no randomness.
    #[error("the kernel gives no randomness")]
    Randomness,
    /// The host key cannot be read or written.
    #[error("cannot use {path}")]
    File {
        /// Which file.
        path: std::path::PathBuf,
        /// The kernel's reason.
        source: std::io::Error,
    },
    /// No host key could be made.
    #[error("cannot make a host key")]
    Key(#[source] russh::keys::ssh_key::Error),
}

/// Serves until told to stop.
///
/// # Errors
/// Without a lifeline or randomness; in words. A terminal that is not there and a port that cannot be had are none.
pub fn run(dirs: Dirs) -> anyhow::Result<()> {
    evener_observe::start_log(Service::Console.name());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let outcome = runtime.block_on(serve(dirs));
    // A password check that still runs is not waited for.
    runtime.shutdown_background();
    outcome
}

async fn serve(dirs: Dirs) -> anyhow::Result<()> {
    let (lifeline, kept) = Lifeline::start().await.context("no lifeline")?;
    let unit = Arc::new(Unit::new(&dirs.run)?);
    for terminal in terminals(&dirs.run) {
        tokio::spawn(attend(terminal, Arc::clone(&unit)));
    }
    lifeline.ready().await;
    match HostKey::load_or_make(&dirs.data.join(Service::Console.name())) {
        Ok(key) => {
            let ssh = Ssh::new(Arc::clone(&unit), key, PublicKeys::default());
            listen::follow(lifeline.clone(), kept, ssh, unit).await;
        }
        Err(error) => tracing::error!(error = format!("{:#}", anyhow::Error::from(error)), "no SSH"),
    }
    lifeline.stopped().await;
    Ok(())
}
