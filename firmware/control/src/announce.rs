//! Telling init about the first password: that there is one to be shown, and that it is one no longer.

use crate::begin::{has_first_password, remove_password_file};
use evener_api::Service;
use evener_api::control::Snapshot;
use evener_api::init::{Announcement, Reply, Request};
use evener_ipc::call;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;

/// Pause before init is tried again.
const RETRY_EVERY: Duration = Duration::from_secs(1);
/// Times that init is tried. It is there before us, except where there is none at all.
const TRIES: u32 = 30;

/// Follows the configuration for as long as there is one.
pub(crate) async fn announce(run: PathBuf, mut snapshots: watch::Receiver<Arc<Snapshot>>) {
    let mut told = None;
    loop {
        let pending = has_first_password(&snapshots.borrow_and_update().config);
        if told != Some(pending) {
            if !pending && let Err(error) = remove_password_file(&run) {
                tracing::warn!(%error, "the file with the first password cannot be removed");
            }
            tokio::select! {
                () = tell(&run, pending) => told = Some(pending),
                changed = snapshots.changed() => if changed.is_err() { return } else { continue },
            }
        }
        if snapshots.changed().await.is_err() {
            return;
        }
    }
}

async fn tell(run: &Path, pending: bool) {
    let word = if pending { Announcement::FirstPassword } else { Announcement::PasswordChanged };
    for attempt in 0..TRIES {
        match call::<_, Reply>(run, Service::Init, &Request::Announce(word)).await {
            Ok(Reply::Done) => return,
            Ok(other) => {
                tracing::warn!(?other, ?word, "init does not take an announcement");
                return;
            }
            Err(error) if attempt == 0 => {
                tracing::info!(%error, "init cannot be told about the first password")
            }
            Err(_) => {}
        }
        tokio::time::sleep(RETRY_EVERY).await;
    }
}
