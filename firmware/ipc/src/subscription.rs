//! State that one service publishes and others follow.
//!
//! What is published is always a whole state, never a difference: a follower that was away, or was slow, needs
//! only the newest one.

use crate::{Connection, IpcError};
use evener_api::Service;
use serde::{Serialize, de::DeserializeOwned};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;

/// Pause before a lost or refused subscription is tried again. Services start side by side, and each of these pauses
/// is part of the time until the first request is answered.
const RETRY_SOON: Duration = Duration::from_millis(25);
/// As [`RETRY_SOON`], once it was tried in vain for 2 s.
const RETRY_LATER: Duration = Duration::from_millis(200);
/// Tries in vain after which the pauses grow, and the log says so, once.
const PATIENT_AFTER: u32 = 80;

/// The newest state of another service; `None` until the first came.
pub type Subscription<T> = watch::Receiver<Option<Arc<T>>>;

/// Follows a service's state for as long as the receiver lives. The last state stays there while the service is
/// away: traffic goes on when the service that steers it is down.
pub fn subscribe<Q, T>(run: PathBuf, service: Service, request: Q) -> Subscription<T>
where
    Q: Serialize + Send + Sync + 'static,
    T: DeserializeOwned + Send + Sync + 'static,
{
    let (sender, receiver) = watch::channel(None);
    tokio::spawn(async move {
        let mut in_vain = 0_u32;
        while !sender.is_closed() {
            let outcome = tokio::select! {
                outcome = follow(&run, service, &request, &sender, &mut in_vain) => outcome,
                () = sender.closed() => return,
            };
            in_vain = in_vain.saturating_add(1);
            if let (Err(error), PATIENT_AFTER) = (outcome, in_vain) {
                tracing::info!(%service, %error, "waiting for its state");
            }
            tokio::time::sleep(if in_vain < PATIENT_AFTER { RETRY_SOON } else { RETRY_LATER }).await;
        }
    });
    receiver
}

async fn follow<Q, T>(
    run: &std::path::Path,
    service: Service,
    request: &Q,
    sender: &watch::Sender<Option<Arc<T>>>,
    in_vain: &mut u32,
) -> Result<(), IpcError>
where
    Q: Serialize + Sync,
    T: DeserializeOwned,
{
    let mut connection = Connection::open(run, service).await?;
    connection.send(request).await?;
    while let Some(state) = connection.receive::<T>().await? {
        *in_vain = 0;
        sender.send_replace(Some(Arc::new(state)));
    }
    Err(IpcError::Closed)
}

/// Serves one follower: the state now, then each newer one, until the follower or the publisher is gone.
///
/// # Errors
/// [`IpcError::Broken`] when the follower is gone in the middle of a state, or does not read it within 60 s.
pub async fn publish<T: Serialize>(
    connection: &mut Connection,
    mut state: watch::Receiver<Arc<T>>,
) -> Result<(), IpcError> {
    loop {
        let newest = Arc::clone(&state.borrow_and_update());
        connection.answer(&*newest).await?;
        tokio::select! {
            changed = state.changed() => if changed.is_err() { return Ok(()) },
            () = connection.closed() => return Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Listener;

    #[tokio::test]
    async fn follows_changes_and_survives_a_restart_of_the_publisher() {
        let run = tempfile::tempdir().unwrap();
        let mut followed: Subscription<u32> = subscribe(run.path().into(), Service::Net, 0u8);

        let serve = |first: u32| {
            let listener = Listener::bind(run.path(), Service::Net).unwrap();
            let (sender, receiver) = watch::channel(Arc::new(first));
            let task = tokio::spawn(async move {
                let mut connection = listener.accept().await.unwrap();
                connection.receive::<u8>().await.unwrap();
                let _ = publish(&mut connection, receiver).await;
            });
            (sender, task)
        };

        let (sender, task) = serve(1);
        followed.wait_for(|state| state.as_deref() == Some(&1)).await.unwrap();
        sender.send_replace(Arc::new(2));
        followed.wait_for(|state| state.as_deref() == Some(&2)).await.unwrap();
        drop(sender);
        task.await.unwrap();
        assert_eq!(followed.borrow().as_deref(), Some(&2), "kept while the publisher is away");

        let (_sender, _task) = serve(3);
        followed.wait_for(|state| state.as_deref() == Some(&3)).await.unwrap();
    }
}
