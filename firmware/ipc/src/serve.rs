//! The loop that every service has around its socket.

use crate::{Connection, IpcError, Listener, Places};
use std::time::Duration;

/// When the kernel has no descriptor left, at once it would have none either.
const ACCEPT_AGAIN_AFTER: Duration = Duration::from_millis(100);

impl Listener {
    /// Answers every caller in a task of its own, for as long as the future is polled. A caller beyond the
    /// [`Places`] is hung up on, so that no service that has gone wrong can shut the others out.
    pub async fn serve<A, F>(self, answer: A)
    where
        A: Fn(Connection) -> F,
        F: Future<Output = Result<(), IpcError>> + Send + 'static,
    {
        let places = Places::default();
        loop {
            match self.accept().await {
                Ok(connection) => {
                    let Some(place) = connection.peer().ok().and_then(|peer| places.take(peer)) else {
                        tracing::warn!("there are too many connections: one more is refused");
                        continue;
                    };
                    let answered = answer(connection);
                    tokio::spawn(async move {
                        if let Err(error) = answered.await {
                            tracing::debug!(%error, "a connection broke");
                        }
                        drop(place);
                    });
                }
                Err(error) => {
                    tracing::warn!(%error, "a connection could not be accepted");
                    tokio::time::sleep(ACCEPT_AGAIN_AFTER).await;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::call;
    use evener_api::Service;

    #[tokio::test]
    async fn callers_are_answered_side_by_side_and_one_too_many_is_hung_up_on() {
        let run = tempfile::tempdir().unwrap();
        let listener = Listener::bind(run.path(), Service::Net).unwrap();
        let server = tokio::spawn(listener.serve(|mut connection| async move {
            while let Some(number) = connection.next_request::<u32>().await? {
                connection.answer(&(number + 1)).await?;
            }
            Ok(())
        }));
        let mut silent = Vec::new();
        loop {
            let mut connection = Connection::open(run.path(), Service::Net).await.unwrap();
            connection.send(&1_u32).await.unwrap();
            match connection.receive::<u32>().await {
                Ok(Some(2)) => silent.push(connection),
                other => {
                    assert!(matches!(other, Ok(None) | Err(_)), "{other:?}");
                    break;
                }
            }
            assert!(silent.len() < 1000, "there is a limit");
        }
        drop(silent);
        // Places come free when the tasks notice; a caller that waits its turn gets one.
        let answer = loop {
            if let Ok(answer) = call::<u32, u32>(run.path(), Service::Net, &41).await {
                break answer;
            }
            tokio::task::yield_now().await;
        };
        assert_eq!(answer, 42);
        server.abort();
    }
}
