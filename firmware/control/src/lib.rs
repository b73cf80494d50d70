//! control: the only writer of the configuration. It validates, stores and pushes snapshots.
//!
//! ```text
//!  web ── Apply(transaction) ──►  policy   may this service ask this?
//!                                    │
//!                                 apply    the change on the configuration in force, as a pure function;
//!                                    │     past: what brings something back, as another
//!                                    │
//!                                 validate all rules, on the whole result
//!                                    │
//!                                 store    one more generation, durable (evener-store)
//!                                    │
//!  everyone ◄── Snapshot ──────── publish
//! ```
//!
//! One change at a time goes down this path, whole or not at all. While control is away everything runs on
//! with the last snapshot; only changes have to wait.
//!
//! On its first start control makes the first configuration: from `evener.toml` where the unit was given one,
//! else from the defaults (`begin.rs`).

#![forbid(unsafe_code)]

mod announce;
mod apply;
mod begin;
mod clashes;
mod password;
mod past;
mod policy;
mod server;
mod writer;

use anyhow::Context;
use evener_disk::Role;
use evener_ipc::Lifeline;
use evener_observe::Dirs;
use evener_store::{Directory, Store, StoreWarning};
use evener_sys::disk::{FileBlocks, partition_path};
use std::io;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Time without a moment in which changes could be made, after which heartbeats pause. Slow disks take their time.
const WORK_WITHIN: Duration = Duration::from_secs(60);

/// The generations of this unit.
type Generations = Store<Directory, FileBlocks>;

/// Runs the service until it is told to stop.
///
/// # Errors
/// When the directory of generations cannot be used, a first password cannot be made, or the socket cannot be
/// bound. An unreadable generation, or an `evener.toml` that is wrong, is none: there is something to fall back
/// to.
pub fn run(dirs: Dirs) -> anyhow::Result<()> {
    evener_observe::start_log("control");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let (lifeline, _) = Lifeline::start().await.context("cannot take up the lifeline")?;
        // Disks may be slow and a password takes time to hash; the heart goes on beating beside it.
        let control = tokio::task::spawn_blocking(|| server::Control::start(dirs)).await??;
        lifeline.ready().await;
        control.prove_work(lifeline.progress(WORK_WITHIN));
        control.serve(lifeline.stopped()).await;
        Ok(())
    })
}

/// Opens the generations, with their second copy where init gave us the partition; and what the operator must know
/// about them, which the second copy's present state is not part of.
fn open_store(dirs: &Dirs) -> anyhow::Result<(Generations, Vec<String>)> {
    let path = dirs.data.join("control/generations");
    let files = Directory::create(&path).with_context(|| format!("cannot use {}", path.display()))?;
    let conf = match FileBlocks::open(&partition_path(&dirs.run, Role::Conf), true) {
        Ok(device) => Some(device),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            tracing::info!("there is no conf partition: the configuration has no second copy");
            None
        }
        Err(error) => {
            tracing::warn!(%error, "the conf partition cannot be opened: the configuration has no second copy");
            None
        }
    };
    let (store, warnings) = Store::open(files, conf)?;
    for warning in &warnings {
        tracing::warn!("{warning}");
    }
    let lasting = warnings.iter().filter(|warning| !matches!(warning, StoreWarning::Copy { .. }));
    let mut told: Vec<String> = lasting.map(|warning| format!("Configuration: {warning}.")).collect();
    if store.current().is_none() && !told.is_empty() {
        tracing::error!("no generation can be used: the unit starts anew, as on its first day");
        told.push(String::from("Configuration: no generation could be used, so the unit started anew."));
    }
    Ok((store, told))
}

/// Seconds since 1970-01-01 UTC; 0 while the clock was never set.
fn unix_s() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

#[cfg(test)]
mod tests;
