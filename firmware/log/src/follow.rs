//! The lines, as init hands them over; again and again when the connection breaks.

use evener_api::log::Lines;
use evener_api::{Service, init};
use evener_ipc::{Connection, IpcError};
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::sync::mpsc;

/// Pause before a connection that broke is made again.
const AGAIN_AFTER: Duration = Duration::from_millis(500);

/// All lines of the unit behind the one with this number. Init waits while nobody takes them from the channel.
pub(crate) fn lines(run: PathBuf, mut after: u64) -> mpsc::Receiver<Lines> {
    let (sender, receiver) = mpsc::channel(4);
    tokio::spawn(async move {
        while !sender.is_closed() {
            if let Err(error) = follow(&run, &mut after, &sender).await {
                tracing::debug!(%error, "the connection to init broke");
            }
            tokio::time::sleep(AGAIN_AFTER).await;
        }
    });
    receiver
}

async fn follow(run: &Path, after: &mut u64, sender: &mpsc::Sender<Lines>) -> Result<(), IpcError> {
    let mut connection = Connection::open(run, Service::Init).await?;
    connection.send(&init::Request::FollowLog(*after)).await?;
    while let Some(lines) = connection.receive::<Lines>().await? {
        let last = lines.lines.last().map(|line| line.number);
        if sender.send(lines).await.is_err() {
            return Ok(());
        }
        *after = last.unwrap_or(*after);
    }
    Err(IpcError::Closed)
}
