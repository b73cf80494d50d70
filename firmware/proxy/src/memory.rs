//! The last configuration, on disk: a proxy that starts while control is away serves by it.

use evener_api::control::Snapshot;
use evener_api::frame;
use evener_ipc::Subscription;
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

/// `<data>/proxy/snapshot`: one frame. Written whole, beside it first, then renamed over it.
#[derive(Clone, Debug)]
pub(crate) struct Memory {
    directory: PathBuf,
}

impl Memory {
    pub(crate) fn new(data: &Path) -> Self {
        Self { directory: data.join(evener_api::Service::Proxy.name()) }
    }

    fn path(&self) -> PathBuf {
        self.directory.join("snapshot")
    }

    /// What was stored last; `None` when nothing was, or it cannot be read.
    pub(crate) fn load(&self) -> Option<Snapshot> {
        let bytes = match fs::read(self.path()) {
            Ok(bytes) => bytes,
            Err(error) => {
                if error.kind() != io::ErrorKind::NotFound {
                    tracing::warn!(%error, "the last configuration cannot be read");
                }
                return None;
            }
        };
        match frame::decode(bytes.get(frame::HEADER..).unwrap_or_default()) {
            Ok(snapshot) => Some(snapshot),
            Err(error) => {
                tracing::warn!(%error, "the last configuration on disk is not readable");
                None
            }
        }
    }

    /// Stores a configuration. Writes to disk and waits for it.
    ///
    /// # Errors
    /// The file system's reason. The one stored before is still there then.
    pub(crate) fn store(&self, snapshot: &Snapshot) -> io::Result<()> {
        let bytes = frame::encode(snapshot).map_err(io::Error::other)?;
        fs::create_dir_all(&self.directory)?;
        let new = self.directory.join("snapshot.new");
        let mut file = File::create(&new)?;
        file.write_all(&bytes)?;
        file.sync_all()?;
        fs::rename(&new, self.path())?;
        File::open(&self.directory)?.sync_all()
    }
}

/// Stores each configuration that comes, one after the other, away from the loop that serves. Those that were
/// overtaken while the disk was busy are left out.
pub(crate) async fn keep(memory: Memory, mut snapshots: Subscription<Snapshot>) {
    while snapshots.changed().await.is_ok() {
        let Some(snapshot) = snapshots.borrow_and_update().clone() else { continue };
        let memory = memory.clone();
        let stored = tokio::task::spawn_blocking(move || memory.store(&snapshot)).await;
        if let Err(error) = stored.unwrap_or_else(|error| Err(io::Error::other(error))) {
            tracing::warn!(%error, "the configuration cannot be stored for a start without control");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_stored_is_loaded_and_rubbish_is_not() {
        let data = tempfile::tempdir().unwrap();
        let memory = Memory::new(data.path());
        assert_eq!(memory.load(), None);
        let snapshot = Snapshot { generation: 7, config: evener_config::Config::default() };
        memory.store(&snapshot).unwrap();
        assert_eq!(memory.load(), Some(snapshot));
        fs::write(memory.path(), b"rubbish").unwrap();
        assert_eq!(memory.load(), None);
    }
}
