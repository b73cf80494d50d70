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
const RETRY_SOON: Duration = Duration::from_secs(1);
/// As [`RETRY_SOON`], after [`SOON`] tries: perhaps there is no init at all, as on a developer's machine.
const RETRY_LATER: Duration = Duration::from_secs(30);
/// Tries in quick succession.
const SOON: u32 = 30;

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

/// Resolves when init knows, however long that takes: a password that nobody can read locks everybody out.
async fn tell(run: &Path, pending: bool) {
    let word = if pending { Announcement::FirstPassword } else { Announcement::PasswordChanged };
    for attempt in 0_u32.. {
        match call::<_, Reply>(run, Service::Init, &Request::Announce(word)).await {
            Ok(Reply::Done) => return,
            Ok(other) if attempt == 0 => {
                tracing::warn!(?other, ?word, "init does not take an announcement");
            }
            Err(error) if attempt == 0 => {
                tracing::info!(%error, "init cannot be told about the first password");
            }
            Ok(_) | Err(_) => {}
        }
        tokio::time::sleep(if attempt < SOON { RETRY_SOON } else { RETRY_LATER }).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use evener_config::{Config, PasswordHash, User};
    use evener_ipc::Listener;

    #[tokio::test(start_paused = true)]
    async fn an_init_that_comes_late_is_told_all_the_same() {
        let run = tempfile::tempdir().unwrap();
        let mut config = Config::default();
        let password = PasswordHash(String::new());
        config.shared.users = vec![User { name: "bal".into(), password, must_change_password: true }];
        let (_sender, snapshots) = watch::channel(Arc::new(Snapshot { generation: 1, config }));
        let announcing = tokio::spawn(announce(run.path().to_owned(), snapshots));
        // On this clock, which jumps, one hour without an init.
        tokio::time::advance(Duration::from_secs(3600)).await;
        tokio::time::sleep(Duration::from_secs(3600)).await;
        let listener = Listener::bind(run.path(), Service::Init).unwrap();
        let mut connection = listener.accept().await.unwrap();
        let heard = connection.receive::<Request>().await.unwrap();
        assert_eq!(heard, Some(Request::Announce(Announcement::FirstPassword)));
        announcing.abort();
    }
}
