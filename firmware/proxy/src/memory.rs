//! The last configuration and the unit's last addresses, on disk: a proxy that starts while control or net is away
//! serves by them. An address that is no longer the unit's does no harm; nothing arrives there.

use evener_api::control::Snapshot;
use evener_api::frame;
use evener_api::net::NetStatus;
use evener_ipc::Subscription;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// What is remembered, each in a file of its own: one frame, written whole, beside it first, then renamed over it.
pub(crate) trait Remembered: Serialize + DeserializeOwned + PartialEq + Send + Sync + 'static {
    /// Its file in `<data>/proxy`.
    const FILE: &'static str;
}

impl Remembered for Snapshot {
    const FILE: &'static str = "snapshot";
}

impl Remembered for NetStatus {
    const FILE: &'static str = "addresses";
}

/// The directory `<data>/proxy`.
#[derive(Clone, Debug)]
pub(crate) struct Memory {
    directory: PathBuf,
}

impl Memory {
    pub(crate) fn new(data: &Path) -> Self {
        Self { directory: data.join(evener_api::Service::Proxy.name()) }
    }

    /// What was stored last; `None` when nothing was, or it cannot be read.
    pub(crate) fn load<T: Remembered>(&self) -> Option<T> {
        let bytes = match fs::read(self.directory.join(T::FILE)) {
            Ok(bytes) => bytes,
            Err(error) => {
                if error.kind() != io::ErrorKind::NotFound {
                    tracing::warn!(file = T::FILE, %error, "what was remembered cannot be read");
                }
                return None;
            }
        };
        match frame::decode(bytes.get(frame::HEADER..).unwrap_or_default()) {
            Ok(remembered) => Some(remembered),
            Err(error) => {
                tracing::warn!(file = T::FILE, %error, "what was remembered is not readable");
                None
            }
        }
    }

    /// Stores a newer state. Writes to disk and waits for it.
    ///
    /// # Errors
    /// The file system's reason. The one stored before is still there then.
    pub(crate) fn store<T: Remembered>(&self, state: &T) -> io::Result<()> {
        let bytes = frame::encode(state).map_err(io::Error::other)?;
        fs::create_dir_all(&self.directory)?;
        let new = self.directory.join(format!("{}.new", T::FILE));
        let mut file = File::create(&new)?;
        file.write_all(&bytes)?;
        file.sync_all()?;
        fs::rename(&new, self.directory.join(T::FILE))?;
        File::open(&self.directory)?.sync_all()
    }
}

/// Stores each state that comes, one after the other, away from the loop that serves. Those that were overtaken while
/// the disk was busy are left out.
pub(crate) async fn keep<T: Remembered>(memory: Memory, mut states: Subscription<T>) {
    let mut last = None;
    while states.changed().await.is_ok() {
        let Some(state) = states.borrow_and_update().clone() else { continue };
        if last.as_ref() == Some(&state) {
            continue;
        }
        let (memory, writing) = (memory.clone(), Arc::clone(&state));
        let stored = tokio::task::spawn_blocking(move || memory.store(&*writing)).await;
        match stored.unwrap_or_else(|error| Err(io::Error::other(error))) {
            Ok(()) => last = Some(state),
            Err(error) => {
                tracing::warn!(file = T::FILE, %error, "cannot be stored for a start when the others are away");
            }
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
        assert_eq!(memory.load::<Snapshot>(), None);
        let snapshot = Snapshot { generation: 7, config: evener_config::Config::default() };
        memory.store(&snapshot).unwrap();
        assert_eq!(memory.load(), Some(snapshot));
        assert_eq!(memory.load::<NetStatus>(), None, "each in its own file");
        fs::write(data.path().join("proxy/snapshot"), b"rubbish").unwrap();
        assert_eq!(memory.load::<Snapshot>(), None);
    }
}
